/**
 * What OTLP senders are answered (opentelemetry-proto, docs/specification.md):
 *   Export*ServiceResponse  1 partial_success { 1 rejected_* int64, 2 error_message string }; nothing when all was taken
 *   google.rpc.Status       1 code, 2 message, 3 details, as the body of an HTTP error, in the request's own encoding
 */
import type { GuidepostError } from '../errors.ts'
import { limits } from '../limits.ts'
import { GrpcStatus, statusOf, statusText } from '../transport/grpc/status.ts'
import type { OtlpSignal } from '../wire/formats/otlp.ts'
import { lengthDelimited, varint } from '../wire/protobuf.ts'
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
  const count = Buffer.concat([Buffer.of(1 << 3), varint(rejected)])
  return lengthDelimited(1, Buffer.concat([count, lengthDelimited(2, Buffer.from(reason))]))
}

/** The response as JSON; 64-bit numbers are texts there. */
export function responseJson(signal: OtlpSignal, { rejected, reason }: Taken): string {
  if (rejected === 0) return '{}'
  return JSON.stringify({
    partialSuccess: { [rejectedNames[signal]]: String(rejected), errorMessage: reason },
  })
}

/** A google.rpc.Status as JSON; its bytes are `statusBytes`. */
export function statusJson(error: GuidepostError): string {
  const code = statusOf(error)
  const retryDelay = `${limits.retryAfterSeconds}s`
  const retryInfo = { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay }
  const details = code === GrpcStatus.UNAVAILABLE ? { details: [retryInfo] } : {}
  return JSON.stringify({ code, message: statusText(error), ...details })
}
