/**
 * The trailers that end a call with an error.
 *
 * Source: grpc/grpc, doc/PROTOCOL-HTTP2.md (Status, Status-Message, percent encoding, Custom-Metadata).
 */
import type { GuidepostError } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { GrpcStatus, type GrpcStatusCode, statusBytes, statusOf, statusText } from '../rpc-status.ts'

/** Names and values, in turn, of the fields that end a call with an error; without `:status` and `content-type`. */
export function errorTrailers(error: GuidepostError, code: GrpcStatusCode = statusOf(error)): string[] {
  const message = percentEncode(statusText(error), limits.grpcStatusTextBytesMax)
  const trailers = ['grpc-status', String(code), 'grpc-message', message]
  if (code === GrpcStatus.UNAVAILABLE) {
    // Binary values are base64, and padding is best left away (PROTOCOL-HTTP2.md, Custom-Metadata).
    const details = shortened(error)
    const binary = statusBytes(details, code).toString('base64').replace(/=+$/, '')
    trailers.push('grpc-status-details-bin', binary)
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
