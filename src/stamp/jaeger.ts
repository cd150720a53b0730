/**
 * The stamp of Jaeger's own form: a string tag of each span's process (Process.tags = 2; KeyValue 1 key, 2 v_type, which is
 * left out for strings, 3 v_str; jaegertracing/jaeger-idl, proto/api_v2/model.proto).
 */
import { jaegerFormat } from '../wire/formats/jaeger.ts'
import { lengthDelimited } from '../wire/protobuf.ts'
import { once, type Stamping } from './stamp.ts'

/** Takes a PostSpansRequest and makes records of one Span each, which do not join and cannot be cut. */
export const jaegerStamping: Stamping = {
  format: jaegerFormat,
  stampOf: once((guid) => {
    const key = lengthDelimited(1, Buffer.from(guid.name))
    return lengthDelimited(2, Buffer.concat([key, lengthDelimited(3, guid.bytes)]))
  }),
}
