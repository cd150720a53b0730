/**
 * LZ4 frames, compressed by the kernel (lz4/lz4 doc/lz4_Frame_format.md):
 *
 *   magic 0x184D2204 | flags 0x60 | largest block | check of these two | blocks | 0 (32 bits)
 *   block: its bytes (32 bits, the highest set when they are not compressed) | bytes
 *
 * Integers are little-endian. The flags say version 1, blocks that do not refer to each other (Kafka's Java client reads
 * no others), no checksums (Kafka's batch has one) and no length. A reader takes memory for the largest block that the
 * head allows, so it is as small as it can be.
 */
import { KiB, limits } from '../limits.ts'
import { instantiate } from './kernel.ts'
import type { KernelExports } from './kernel-exports.ts'

const magic = 0x184d2204
const flags = 0x60
const headBytes = 7
const blockHeadBytes = 4
const endBytes = 4
const notCompressed = 0x80000000

/** Largest blocks: bytes, their code, and the second byte of the XXH32 of the flags and the code. */
const blockSizes = [
  { bytes: 64 * KiB, code: 0x40, check: 0x82 },
  { bytes: 256 * KiB, code: 0x50, check: 0xfb },
  { bytes: limits.lz4BlockBytesMax, code: 0x60, check: 0x51 },
] as const
const largest = blockSizes[2]

interface Compressor {
  readonly kernel: KernelExports
  readonly memory: Buffer
  readonly inputAt: number
  readonly outputAt: number
}
let compressor: Compressor | undefined

/** One frame of `data`, which is not empty. Throws a RangeError when there is no memory for the first one. */
export function compressLz4(data: Buffer): Buffer {
  compressor ??= makeCompressor()
  const { bytes: blockBytes, code, check } = blockSizes.find(({ bytes }) => data.length <= bytes) ?? largest
  const parts: Buffer[] = []
  for (let from = 0; from < data.length; from += blockBytes) {
    const isFirst = from === 0
    const isLast = from + blockBytes >= data.length
    const part = block(compressor, data.subarray(from, from + blockBytes), isFirst, isLast)
    if (isFirst) {
      part.writeUInt32LE(magic, 0)
      part[4] = flags
      part[5] = code
      part[6] = check
    }
    parts.push(part)
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}

/** `data` as a block, with room for the frame's head before the first one and its end behind the last one. */
function block(by: Compressor, data: Buffer, isFirst: boolean, isLast: boolean): Buffer {
  const { kernel, memory, inputAt, outputAt } = by
  memory.set(data, inputAt)
  const bytes = kernel.lz4Block(data.length)
  const isSmaller = bytes < data.length
  const kept = isSmaller ? memory.subarray(outputAt, outputAt + bytes) : data
  const at = isFirst ? headBytes : 0
  const end = at + blockHeadBytes + kept.length
  const target = Buffer.allocUnsafe(end + (isLast ? endBytes : 0))
  target.writeUInt32LE(isSmaller ? bytes : (kept.length | notCompressed) >>> 0, at)
  target.set(kept, at + blockHeadBytes)
  if (isLast) target.writeUInt32LE(0, end)
  return target
}

function makeCompressor(): Compressor {
  const kernel = instantiate()
  if (kernel.lz4Reserve(limits.lz4BlockBytesMax) === 0) throw new RangeError('no memory for LZ4')
  return {
    kernel,
    memory: Buffer.from(kernel.memory.buffer),
    inputAt: kernel.lz4Input.value as number,
    outputAt: kernel.lz4Output.value as number,
  }
}
