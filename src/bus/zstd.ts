/**
 * zstd as both Kafka clients use it, level 1: two thirds of the default's time on telemetry, and no larger.
 *
 * - For large inputs the output chunk takes the worst case, so that zstd writes straight into it and never works through
 *   buffers of its own. The result then moves into memory of its own length, which gives the chunk back at once: left to
 *   a collection, such chunks would be what drives V8's. For smaller ones the chunk is as large as the result is expected
 *   to be, most often a piece of node's pool, since two pieces of memory cost more than what they save.
 * - With a window below 2^19 bytes zstd takes each match without a branch, which suits payloads whose matches cannot be
 *   foreseen. The level has that for inputs of up to 256 KiB anyway.
 *
 * Figures: docs/performance.md.
 */
import { constants, type ZstdOptions, zstdCompress, zstdCompressSync } from 'node:zlib'
import { KiB } from '../limits.ts'

const level = { [constants.ZSTD_c_compressionLevel]: 1 }

/**
 * How far back a payload repeats itself: `near` within 256 KiB; `far` beyond, as remote write does, whose requests name
 * the same series again and again. Without ids that are drawn at random it fills a larger table with what is found again.
 */
export type Reach = 'near' | 'far'

const paramsOf: Readonly<Record<Reach, ZstdOptions['params']>> = {
  near: { ...level, [constants.ZSTD_c_windowLog]: 18 },
  far: { ...level, [constants.ZSTD_c_hashLog]: 15 },
}

/** Bytes of input from which on the output chunk takes the worst case. */
const largeBytes = 128 * KiB

/** Bytes out for a byte in, of late. */
let ratio = 0.25

function optionsFor({ length }: Buffer, reach: Reach): ZstdOptions {
  // From 128 KiB on ZSTD_COMPRESSBOUND of zstd.h, as much as a frame of so many bytes takes at most.
  const chunkSize = length < largeBytes ? Math.ceil(length * ratio * 1.2) + KiB : length + (length >> 8)
  return { chunkSize, pledgedSrcSize: length, params: paramsOf[reach] }
}

function finish(data: Buffer, result: Buffer): Buffer {
  if (data.length > 16 * KiB) ratio += (result.length / data.length - ratio) / 8
  const { buffer } = result
  // Pieces that zlib has joined lie in memory of their own, or in the pool, which cannot be moved.
  const isChunk = data.length >= largeBytes && buffer.byteLength >= data.length
  return isChunk && buffer instanceof ArrayBuffer ? Buffer.from(buffer.transfer(result.length)) : result
}

/** One frame. */
export function compressNow(data: Buffer, reach: Reach): Buffer {
  return finish(data, zstdCompressSync(data, optionsFor(data, reach)))
}

/** The same in node's thread pool. */
export function compressSoon(data: Buffer, reach: Reach): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    zstdCompress(data, optionsFor(data, reach), (error, result) => {
      if (error === null) resolve(finish(data, result))
      else reject(error)
    })
  })
}
