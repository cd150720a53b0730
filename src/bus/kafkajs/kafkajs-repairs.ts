/**
 * Two things that kafkajs 2.2.4, released in 2023, lacks on today's Node, added once for the process.
 *
 * - It ships without zstd and LZ4. Its registry of codecs is public; `node:zlib` and our kernel do the work, and inflating
 *   LZ4, which only a reader needs, the library of the other client.
 * - After each answer it plans a look at its queue of waiting requests `throttledUntil - now` milliseconds ahead, also
 *   when nothing waits. That is far below zero, which Node takes for 1 ms: an idle connection wakes a thousand times a
 *   second, and Node 24 prints a TimeoutNegativeWarning. The look is now planned only when a request waits; whoever
 *   puts one into the queue plans it himself. The file is not part of its public interface, so a release that moves
 *   it is left as it is.
 */
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { zstdDecompress } from 'node:zlib'
import kafkajs from 'kafkajs'
import { compressLz4 } from '../../wire/lz4.ts'
import { compressSoon } from '../zstd.ts'

const decompress = promisify(zstdDecompress)

interface RequestQueue {
  readonly pending: readonly unknown[]
  scheduleCheckPendingRequests(): void
}

let isPrepared = false

export function prepareKafkajs(): void {
  if (isPrepared) return
  isPrepared = true
  kafkajs.CompressionCodecs[kafkajs.CompressionTypes.ZSTD] = () => ({
    // It does not say whose records these are.
    compress: (encoder: { readonly buffer: Buffer }) => compressSoon(encoder.buffer, 'far'),
    decompress: (buffer: Buffer) => decompress(buffer),
  })
  kafkajs.CompressionCodecs[kafkajs.CompressionTypes.LZ4] = () => ({
    compress: async (encoder: { readonly buffer: Buffer }) => compressLz4(encoder.buffer),
    decompress: async (buffer: Buffer) => {
      const { compressionsAlgorithms } = await import('@platformatic/kafka')
      return compressionsAlgorithms.lz4.decompressSync(buffer)
    },
  })
  calmRequestQueue()
}

function calmRequestQueue(): void {
  let found: unknown
  try {
    found = createRequire(import.meta.url)('kafkajs/src/network/requestQueue')
  } catch {
    return
  }
  if (typeof found !== 'function') return
  const prototype: unknown = found.prototype
  if (!isRequestQueue(prototype)) return
  const plan = prototype.scheduleCheckPendingRequests
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length > 0) plan.call(this)
  }
}

function isRequestQueue(value: unknown): value is RequestQueue {
  return typeof value === 'object' && value !== null && 'scheduleCheckPendingRequests' in value
}
