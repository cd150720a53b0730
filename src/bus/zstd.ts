/**
 * zstd as both Kafka clients use it. Level 1 costs two thirds of the default's time on telemetry and is no larger. The
 * output chunk is as large as the result is expected to be, so that it is one piece and holds little more than itself:
 * memory outside of V8's heap is what drives its collections. Figures: docs/performance.md.
 */
import { constants, type ZstdOptions, zstdCompress, zstdCompressSync } from 'node:zlib'
import { KiB } from '../limits.ts'

const params = { [constants.ZSTD_c_compressionLevel]: 1 }

/** Bytes out for a byte in, of late. */
let ratio = 0.25

function optionsFor({ length }: Buffer): ZstdOptions {
  return { chunkSize: Math.ceil(length * ratio * 1.2) + KiB, pledgedSrcSize: length, params }
}

function learn(data: Buffer, result: Buffer): Buffer {
  if (data.length > 16 * KiB) ratio += (result.length / data.length - ratio) / 8
  return result
}

/** One frame. */
export function compressNow(data: Buffer): Buffer {
  return learn(data, zstdCompressSync(data, optionsFor(data)))
}

/** The same in node's thread pool. */
export function compressSoon(data: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    zstdCompress(data, optionsFor(data), (error, result) => {
      if (error === null) resolve(learn(data, result))
      else reject(error)
    })
  })
}
