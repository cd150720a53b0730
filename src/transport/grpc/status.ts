/**
 * How a gRPC call ends: the one table from error codes to gRPC status codes, and the trailers that carry them.
 *
 * Sources: grpc/grpc, doc/PROTOCOL-HTTP2.md (Status, Status-Message, percent encoding) and doc/statuscodes.md;
 * googleapis, google/rpc/status.proto (Status: 1 code, 2 message, 3 details), error_details.proto (RetryInfo:
 * 1 retry_delay), google/protobuf/any.proto (1 type_url, 2 value), duration.proto (1 seconds).
 * opentelemetry-proto, docs/specification.md says which codes a sender repeats.
 */
import type { ErrorCode, GuidepostError } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { lengthDelimited, varint } from '../../wire/protobuf.ts'

/** The status codes that are used here; the names and numbers are gRPC's. */
export const GrpcStatus = {
  OK: 0,
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
  const fields = [integer(1, code), lengthDelimited(2, text)]
  if (code === GrpcStatus.UNAVAILABLE) fields.push(retryInfo)
  return Buffer.concat(fields)
}

/** The headers that end a call with an error, without `:status` and `content-type`. */
export function errorTrailers(
  error: GuidepostError,
  code: GrpcStatusCode = statusOf(error),
): Record<string, string> {
  const trailers: Record<string, string> = {
    'grpc-status': String(code),
    'grpc-message': percentEncode(statusText(error), limits.grpcStatusTextBytesMax),
  }
  if (code === GrpcStatus.UNAVAILABLE) {
    // Binary values are base64, and padding is best left away (PROTOCOL-HTTP2.md, Custom-Metadata).
    const details = shortened(error)
    trailers['grpc-status-details-bin'] = statusBytes(details, code).toString('base64').replace(/=+$/, '')
  }
  return trailers
}

/** Percent-encodes all but the printable ASCII characters, and `%`. Never longer than `bytesMax`, no escape is cut. */
export function percentEncode(text: string, bytesMax: number): string {
  if (text.length <= bytesMax && PLAIN.test(text)) return text
  let encoded = ''
  for (const character of text) {
    const part = PLAIN.test(character) ? character : escaped(character)
    if (encoded.length + part.length > bytesMax) break
    encoded += part
  }
  return encoded
}

const PLAIN = /^[\x20-\x24\x26-\x7e]*$/

function escaped(character: string): string {
  let text = ''
  for (const byte of Buffer.from(character)) text += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  return text
}

/** The same error with a message that fits a header. */
function shortened(error: GuidepostError): GuidepostError {
  if (error.message.length <= limits.grpcStatusTextBytesMax / 2) return error
  return Object.assign(Object.create(error) as GuidepostError, {
    message: error.message.slice(0, limits.grpcStatusTextBytesMax / 2),
  })
}

/** The field `details` with a RetryInfo of `limits.retryAfterSeconds`. */
const retryInfo = lengthDelimited(
  3,
  Buffer.concat([
    lengthDelimited(1, Buffer.from('type.googleapis.com/google.rpc.RetryInfo')),
    lengthDelimited(2, lengthDelimited(1, integer(1, limits.retryAfterSeconds))),
  ]),
)

function integer(field: number, value: number): Buffer {
  return Buffer.concat([Buffer.of(field << 3), varint(value)])
}
