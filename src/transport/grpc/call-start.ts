/**
 * Reads the headers of a call, and says why it cannot be taken.
 *
 * Source: grpc/grpc, doc/PROTOCOL-HTTP2.md, Requests. `te: trailers` is asked for there to find proxies that drop
 * trailers; a call without it is taken, since some proxies drop that very header.
 */
import { type GuidepostError, permanent } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { RequestHead } from '../http2/head.ts'
import type { Coding } from '../inflate.ts'

/** HTTP's own answer to what is not gRPC. */
export interface NotGrpc {
  readonly status: number
  readonly reason: string
  readonly headers: Readonly<Record<string, string>>
}

const notPost: NotGrpc = { status: 405, reason: 'method', headers: { allow: 'POST' } }
const notGrpc: NotGrpc = { status: 415, reason: 'type_unsupported', headers: { accept: 'application/grpc' } }

/** The answer to a head that is over `limits.headerBytesMax` or `limits.grpcHeadersMax`. */
export const headTooLarge: NotGrpc = { status: 431, reason: 'http', headers: {} }

/** Undefined when it is a call. */
export function notGrpcAnswer(headers: Partial<RequestHead>): NotGrpc | undefined {
  if (headers[':method'] !== 'POST') return notPost
  const type = headers['content-type']
  if (type === 'application/grpc' || (type !== undefined && GRPC_TYPE.test(type))) return undefined
  return notGrpc
}

/** Messages are protobuf; `+json` and the others need a codec that does not exist here. */
const GRPC_TYPE = /^application\/grpc(\+proto)?[ \t]*(;|$)/i

/** The milliseconds of `grpc-timeout`: at most eight digits and a unit. Undefined without one. */
export function timeoutMsOf(headers: Partial<RequestHead>): number | undefined | GuidepostError {
  const value = headers['grpc-timeout']
  if (value === undefined) return undefined
  const [, amount, unit] = TIMEOUT.exec(value) ?? []
  if (amount === undefined || unit === undefined) {
    return permanent(
      'GP_BODY_MALFORMED',
      'grpc-timeout is not a number of up to eight digits with a unit of HMSmun',
    )
  }
  return Number(amount) * unitMs[unit as keyof typeof unitMs]
}

const TIMEOUT = /^(\d{1,8})([HMSmun])$/
const unitMs = { H: 3_600_000, M: 60_000, S: 1e3, m: 1, u: 1 / 1e3, n: 1 / 1e6 } as const

/** The value of `grpc-encoding`, undefined for none, or why it cannot be undone (grpc/grpc, doc/compression.md). */
export function codingOf(headers: Partial<RequestHead>): Coding | undefined | GuidepostError {
  const value = headers['grpc-encoding'] ?? 'identity'
  if (value === 'identity') return undefined
  const coding = codings.find((known) => known === value)
  if (coding !== undefined) return coding
  return permanent(
    'GP_ENCODING_UNSUPPORTED',
    `grpc-encoding ${value.slice(0, SHOWN_VALUE)} is not known; use ${codings.join(', ')} or none`,
  )
}

const codings: readonly Coding[] = ['gzip', 'deflate', 'zstd']

/** The value of `grpc-accept-encoding`: what a sender may use. */
export const acceptedEncodings = ['identity', ...codings].join(',')

const SHOWN_VALUE = 40

/** Bytes that a call costs before its message: a thousand streams that each hold a full header block are much. */
export function callBytes(rawHeaders: readonly string[]): number {
  let bytes = limits.grpcCallOverheadBytes
  for (const text of rawHeaders) bytes += text.length
  return bytes
}
