/**
 * Errors as gRPC's status codes and as google.rpc.Status, which OTLP over HTTP answers with too; the one table between
 * them.
 *
 * Sources: grpc/grpc, doc/statuscodes.md; googleapis, google/rpc/status.proto (Status: 1 code, 2 message, 3 details),
 * error_details.proto (RetryInfo: 1 retry_delay), google/protobuf/any.proto (1 type_url, 2 value), duration.proto
 * (1 seconds). opentelemetry-proto, docs/specification.md says which codes a sender repeats.
 */
import type { ErrorCode, GuidepostError } from '../errors.ts'
import { limits } from '../limits.ts'
import { lengthDelimited, varintField } from '../wire/protobuf.ts'

/** The status codes that are used here; the names and numbers are gRPC's. */
export const GrpcStatus = {
  OK: 0,
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  UNAVAILABLE: 14,
} as const

export type GrpcStatusCode = (typeof GrpcStatus)[keyof typeof GrpcStatus]

const codes: Partial<Record<ErrorCode, GrpcStatusCode>> = {
  // Without RetryInfo it is permanent: a sender must not repeat what can never fit.
  GP_BODY_TOO_LARGE: GrpcStatus.RESOURCE_EXHAUSTED,
  GP_ENCODING_UNSUPPORTED: GrpcStatus.UNIMPLEMENTED,
  GP_PATH: GrpcStatus.UNIMPLEMENTED,
  // A fault of ours must not make a sender drop what it has; INTERNAL would.
  GP_INTERNAL: GrpcStatus.UNAVAILABLE,
}

/** The status of an error. What may be repeated is always UNAVAILABLE; what is in no table is the sender's mistake. */
export function statusOf(error: GuidepostError): GrpcStatusCode {
  if (error.canRetry) return GrpcStatus.UNAVAILABLE
  return codes[error.code] ?? GrpcStatus.INVALID_ARGUMENT
}

/** What a sender reads: the error's code and its message. */
export function statusText(error: GuidepostError): string {
  return `${error.code}: ${error.message}`
}

/** A google.rpc.Status, with RetryInfo when the sender is to try again (UNAVAILABLE). */
export function statusBytes(error: GuidepostError, code: GrpcStatusCode = statusOf(error)): Buffer {
  const text = Buffer.from(statusText(error))
  const fields = [varintField(1, code), lengthDelimited(2, text)]
  if (code === GrpcStatus.UNAVAILABLE) fields.push(retryInfo)
  return Buffer.concat(fields)
}

/** The same as JSON (ProtoJSON: an Any has its type beside its fields, a Duration is a text). */
export function statusJson(error: GuidepostError): string {
  const code = statusOf(error)
  const retryDelay = `${limits.retryAfterSeconds}s`
  const retryInfo = { '@type': RETRY_INFO, retryDelay }
  const details = code === GrpcStatus.UNAVAILABLE ? { details: [retryInfo] } : {}
  return JSON.stringify({ code, message: statusText(error), ...details })
}

const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo'

/** The field `details` with a RetryInfo of `limits.retryAfterSeconds`. */
const retryInfo = lengthDelimited(
  3,
  Buffer.concat([
    lengthDelimited(1, Buffer.from(RETRY_INFO)),
    lengthDelimited(2, lengthDelimited(1, varintField(1, limits.retryAfterSeconds))),
  ]),
)
