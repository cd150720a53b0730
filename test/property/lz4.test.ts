import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lz4Decompress } from '@platformatic/wasm-utils'
import fc from 'fast-check'
import { KiB, limits, MiB } from '../../src/limits.ts'
import { compressLz4 } from '../../src/wire/lz4.ts'
import { propertyBounds, Random } from '../support/random.ts'

/** Distances around what the format can say, and around the words that are compared at once. */
const distances = [1, 2, 3, 4, 7, 8, 15, 16, 17, 300, 65_534, 65_535, 65_536, 65_537, 131_072]
const lengths = [1, 4, 5, 6, 7, 8, 12, 15, 16, 19, 20, 30, 31, 32, 33, 60, 64, 270, 274, 275, 1_000, 70_000]
const sizes = [
  1,
  5,
  12,
  13,
  20,
  21,
  22,
  27,
  100,
  5_000,
  64 * KiB - 1,
  64 * KiB,
  64 * KiB + 1,
  256 * KiB,
  300 * KiB,
]

/** Noise and repetitions of what came before it, in turn. */
function repeating(random: Random, bytes: number): Buffer {
  const data = Buffer.alloc(bytes)
  let at = 0
  while (at < bytes) {
    const literals = Math.min(random.pick(lengths), random.below(600), bytes - at)
    for (let n = 0; n < literals; n++) data[at++] = random.below(256)
    const distance = random.pick(distances)
    const length = Math.min(random.pick(lengths), bytes - at)
    for (let n = 0; n < length; n++, at++) data[at] = at < distance ? 0 : data[at - distance]!
  }
  return data
}

function holds(data: Buffer): Buffer {
  const before = Buffer.from(data)
  const frame = compressLz4(data)
  assert.ok(data.equals(before), 'the input is not touched')
  assert.ok(Buffer.from(lz4Decompress(frame)).equals(data), `${data.length} bytes come out again`)
  assert.ok(frame.length <= data.length + 15 + 4 * Math.ceil(data.length / limits.lz4BlockBytesMax))
  return frame
}

test('whatever is compressed another decoder makes the same of', () => {
  fc.assert(
    fc.property(fc.nat(), fc.constantFrom(...sizes), fc.nat({ max: 40 }), (seed, size, more) => {
      holds(repeating(new Random(seed), size + more))
    }),
    propertyBounds(),
  )
})

test('every end of a block, with a match that would go on over it', () => {
  const random = new Random(7)
  for (let bytes = 1; bytes < 200; bytes++) {
    holds(Buffer.alloc(bytes, 'abcdefghij'))
    holds(Buffer.alloc(bytes))
    holds(repeating(random, bytes))
  }
})

test('more than one block', () => {
  const random = new Random(3)
  for (const bytes of [MiB - 1, MiB, MiB + 1, 2 * MiB, 3 * MiB + 17]) {
    holds(repeating(random, bytes))
    assert.ok(holds(Buffer.alloc(bytes, 'telemetry ')).length < bytes / 100)
  }
  const noise = Buffer.from(Array.from({ length: MiB + 5 }, () => random.below(256)))
  assert.equal(holds(noise).length, noise.length + 15 + 4)
})

test('the head says no larger block than there is', () => {
  const codes = [1, 64 * KiB, 64 * KiB + 1, 256 * KiB, 256 * KiB + 1, MiB, 3 * MiB].map(
    (bytes) => compressLz4(Buffer.alloc(bytes))[5],
  )
  assert.deepEqual(codes, [0x40, 0x40, 0x50, 0x50, 0x60, 0x60, 0x60])
})
