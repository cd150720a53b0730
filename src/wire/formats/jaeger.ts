/**
 * Jaeger's PostSpansRequest, as the kernel's `jaeger-records*.ts` walk it: each span becomes a record of its own, a bare
 * Span with its process inside.
 */
import { limits } from '../../limits.ts'
import { read } from '../any-value.ts'
import { type Format, optionBits } from '../kernel.ts'

/** Bytes of the request that was walked last: how much its records may come to depends on it. */
let walkedBytes = 0

export const jaegerFormat: Format = {
  walk: (x, at, bytes, options) => {
    walkedBytes = bytes
    const { active, opaque } = options
    return x.walkJaegerRecords(at, bytes, limits.requestItemsMax, active, opaque, optionBits(options))
  },
  // A row is a span.
  itemCount: (x) => x.rowCount.value as number,
  // A record is one span, however large it is. A large process is repeated in each, which a sender must not turn into a
  // flood that costs it next to nothing.
  plan: (x) => {
    const bytesMax = Math.max(walkedBytes * limits.spanRecordsRatioMax, limits.spanRecordsBytesMin)
    return x.planJaegerRecords(Math.min(bytesMax, limits.expandedBytesMax), limits.requestRecordsMax)
  },
  write: (x) => x.writeJaegerRecords(),
  textOf: tagText,
}

/**
 * The text of a tag whose value is no string, as for an attribute of OTLP: a number's digits, `true`, base64. `undefined`
 * when its type is unknown. `keyValue` is a KeyValue (jaegertracing/jaeger-idl, proto/api_v2/model.proto): 2 v_type,
 * 4 v_bool, 5 v_int64, 6 v_float64, 7 v_binary; the last of repeated fields counts. Cold; borrows nothing.
 */
function tagText(keyValue: Buffer): string | undefined {
  let type = 0n
  const values = ['', 'false', '0', '0', '']
  for (const { number, bytes, varint } of read(keyValue)) {
    switch (number) {
      case 2:
        type = varint & 0xffffffffn
        break
      case 4:
        values[1] = varint === 0n ? 'false' : 'true'
        break
      case 5:
        values[2] = String(BigInt.asIntN(64, varint))
        break
      case 6:
        values[3] = String(bytes.readDoubleLE())
        break
      case 7:
        values[4] = bytes.toString('base64')
        break
    }
  }
  return values[Number(type)]
}
