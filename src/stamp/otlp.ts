/** The stamps of OTLP: an attribute of each resource (Resource.attributes = 1; KeyValue 1 key, 2 value; AnyValue 1 string). */
import { type OtlpSignal, otlpFormats } from '../wire/formats/otlp.ts'
import { lengthDelimited } from '../wire/protobuf.ts'
import type { Guid } from './guid.ts'
import { once, type Stamping } from './stamp.ts'

/** The whole `attributes` field that a resource gets. */
const attributeOf = once((guid: Guid): Buffer => {
  const value = lengthDelimited(2, lengthDelimited(1, guid.bytes))
  return lengthDelimited(1, Buffer.concat([lengthDelimited(1, Buffer.from(guid.name)), value]))
})

export const otlpStampings: Readonly<Record<OtlpSignal, Stamping>> = {
  traces: { format: otlpFormats.traces, stampOf: attributeOf },
  metrics: { format: otlpFormats.metrics, stampOf: attributeOf },
  logs: { format: otlpFormats.logs, stampOf: attributeOf },
}
