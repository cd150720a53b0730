/**
 * What OTLP senders are answered when a request was taken (opentelemetry-proto, docs/specification.md):
 *   Export*ServiceResponse  1 partial_success { 1 rejected_* int64, 2 error_message string }; nothing when all was taken
 * What they are answered otherwise is a google.rpc.Status (`transport/rpc-status.ts`).
 */
import type { OtlpSignal } from '../wire/formats/otlp.ts'
import { lengthDelimited, varintField } from '../wire/protobuf.ts'
import type { Taken } from './otlp.ts'

const nothing = Buffer.alloc(0)
const rejectedNames: Readonly<Record<OtlpSignal, string>> = {
  traces: 'rejectedSpans',
  metrics: 'rejectedDataPoints',
  logs: 'rejectedLogRecords',
}

/** The response as protobuf, the same for all signals. */
export function responseBytes({ rejected, reason }: Taken): Buffer {
  if (rejected === 0) return nothing
  return lengthDelimited(
    1,
    Buffer.concat([varintField(1, rejected), lengthDelimited(2, Buffer.from(reason))]),
  )
}

/** The response as JSON; 64-bit numbers are texts there. */
export function responseJson(signal: OtlpSignal, { rejected, reason }: Taken): string {
  if (rejected === 0) return '{}'
  return JSON.stringify({
    partialSuccess: { [rejectedNames[signal]]: String(rejected), errorMessage: reason },
  })
}
