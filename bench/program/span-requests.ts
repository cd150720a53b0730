/** Requests of spans, ready to be written to a connection: encoded once, with new ids each time they are sent. */
import { gzipSync, zstdCompressSync } from 'node:zlib'
import type { GuidTurns } from './span-guids.ts'
import type { SpanIds } from './span-ids.ts'

export interface EncodedSpans {
  readonly message: Buffer
  readonly ids: SpanIds
  /** Where its guids begin, when each request has others. */
  readonly guidsAt?: readonly number[]
}

/** Each seed gives another message. */
export type SpanEncoder = (spans: number, seed: number) => EncodedSpans

/** Puts what the protocol wants before the message, and gives both. */
export type Framing = (message: Buffer) => Buffer

/** Ready requests, one after the other. What it returns is unchanged until the same slot asks again. */
export interface RequestSource {
  next(slot: number): Buffer
}

/** Uncompressed requests: each slot has one of its own, whose ids and guids are renewed each time. */
export function identityRequests(
  encode: SpanEncoder,
  spans: number,
  slots: number,
  frame: Framing,
  turns: GuidTurns | undefined,
): RequestSource {
  const requests = Array.from({ length: slots }, (_, slot) => {
    const { message, ids, guidsAt = [] } = encode(spans, slot)
    const buffer = frame(message)
    return { buffer, offset: buffer.length - message.length, ids, guidsAt }
  })
  return {
    next: (slot) => {
      const { buffer, offset, ids, guidsAt } = requests[slot]!
      ids.renew(buffer, offset)
      turns?.write(buffer, offset, guidsAt)
      return buffer
    },
  }
}

/**
 * Compressed requests, made beforehand and sent in turn: compressing costs more than the rest of the sending. There are more of
 * them than requests under way, so that no record on the bus holds one twice.
 */
export function compressedRequests(
  encode: SpanEncoder,
  spans: number,
  slots: number,
  frame: Framing,
  encoding: 'gzip' | 'zstd',
): RequestSource {
  const compress = encoding === 'gzip' ? gzipSync : zstdCompressSync
  const requests = Array.from({ length: slots + slots / 2 }, (_, seed) =>
    frame(compress(encode(spans, seed).message)),
  )
  let sent = 0
  return { next: () => requests[sent++ % requests.length]! }
}
