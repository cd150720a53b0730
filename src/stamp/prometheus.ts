/** The stamps of Prometheus remote write: a label of each series. */
import { prometheusFormats, type Version } from '../wire/formats/prometheus.ts'
import { labelField } from '../wire/protobuf.ts'
import { once, type Stamping } from './stamp.ts'

/** In 1.0 the stamp is a whole label field; in 2.0 a symbol, of which the kernel makes the label. */
export const prometheusStampings: Readonly<Record<Version, Stamping>> = {
  1: {
    format: prometheusFormats[1],
    stampOf: once((guid) => labelField(guid.name, guid.text)),
  },
  2: { format: prometheusFormats[2], stampOf: (guid) => guid.bytes },
}
