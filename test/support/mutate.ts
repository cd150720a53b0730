/** Valid bytes made invalid, or valid in another way, for fuzzing. */
import { Random } from './random.ts'

/** Varints that readers have stumbled over: endless, 2^31, 2^32, 2^63, over long. */
const HOSTILE = [
  'ffffffffffffffffffff01',
  '8080808008',
  '8080808010',
  'ffffffff07',
  'ffffffff0f',
  '80808080808080808001',
  'ffffffffffffffff7f',
  '808080808000',
  '00',
].map((hex) => Buffer.from(hex, 'hex'))

/**
 * A changed copy of `bytes`; the same seed makes the same change. One to four of: bits flipped, the end cut off, a
 * range moved, repeated or removed, a byte replaced by a hostile length or tag.
 */
export function mutate(bytes: Uint8Array, seed: number): Buffer {
  const random = new Random(seed)
  let result = Buffer.from(bytes)
  const steps = 1 + random.below(4)
  for (let step = 0; step < steps; step += 1) result = change(result, random)
  return result
}

function change(bytes: Buffer<ArrayBuffer>, random: Random): Buffer<ArrayBuffer> {
  if (bytes.length === 0) return Buffer.from(random.pick(HOSTILE))
  const at = random.below(bytes.length)
  const length = 1 + random.below(Math.min(64, bytes.length - at))
  const range = bytes.subarray(at, at + length)
  const target = random.below(bytes.length)
  switch (random.below(7)) {
    case 0:
      return flipped(bytes, at, 1 << random.below(8))
    case 1:
      return Buffer.from(bytes.subarray(0, at))
    case 2:
      return replaced(bytes, target, 0, range)
    case 3:
      return replaced(bytes, at, length, Buffer.alloc(0))
    case 4:
      return replaced(bytes, at, 1, random.pick(HOSTILE))
    case 5:
      return replaced(bytes, at, 0, random.pick(HOSTILE))
    default:
      return replaced(bytes, at, 1, Buffer.from([random.below(256)]))
  }
}

function flipped(bytes: Buffer, at: number, mask: number): Buffer<ArrayBuffer> {
  const copy = Buffer.from(bytes)
  copy.writeUInt8(copy.readUInt8(at) ^ mask, at)
  return copy
}

function replaced(bytes: Buffer, at: number, length: number, by: Buffer): Buffer<ArrayBuffer> {
  return Buffer.concat([bytes.subarray(0, at), by, bytes.subarray(at + length)])
}
