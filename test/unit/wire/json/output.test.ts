import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Malformed } from '../../../../src/wire/json/malformed.ts'
import { Output } from '../../../../src/wire/json/output.ts'

const bytesMax = 2 ** 25

/** Nested frames around `size` bytes, each with a byte before and after its content. */
function nested(size: number, levels: number): { readonly written: Buffer; readonly expected: Buffer } {
  const output = new Output(1, bytesMax)
  let expected = Buffer.alloc(size, 7)
  for (let level = 0; level < levels; level++) {
    output.open()
    output.varint(1)
  }
  output.copy(expected, 0, size)
  for (let level = 0; level < levels; level++) {
    output.varint(2)
    output.close()
    const content = Buffer.concat([Buffer.of(1), expected, Buffer.of(2)])
    expected = Buffer.concat([varint(content.length), content])
  }
  return { written: output.finish(), expected }
}

function varint(value: number): Buffer {
  return value > 0x7f
    ? Buffer.concat([Buffer.of((value % 0x80) | 0x80), varint(Math.floor(value / 0x80))])
    : Buffer.of(value)
}

for (const edge of [0, 126, 128, 16_382, 16_384, 2 ** 21 - 2, 2 ** 21]) {
  test(`lengths around ${edge} are as short as they can be, at every depth`, () => {
    for (const size of [edge, Math.max(0, edge - 1), Math.max(0, edge - 2)]) {
      for (const levels of [1, 2, 5]) {
        const { written, expected } = nested(size, levels)
        assert.ok(written.equals(expected), `${size} bytes in ${levels} levels`)
      }
    }
  })
}

test('long and short messages side by side find their places', () => {
  const sizes = [3, 200, 0, 20_000, 127, 128]
  const output = new Output(10, bytesMax)
  const parts: Buffer[] = []
  output.open()
  for (const size of sizes) {
    output.open()
    output.open()
    output.copy(Buffer.alloc(size, size), 0, size)
    output.close()
    output.close()
    const inner = Buffer.concat([varint(size), Buffer.alloc(size, size)])
    parts.push(varint(inner.length), inner)
  }
  output.close()
  const content = Buffer.concat(parts)
  assert.ok(output.finish().equals(Buffer.concat([varint(content.length), content])))
})

test('64 bits as varint', () => {
  for (const value of [0n, 127n, 128n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 35n, 2n ** 63n, 2n ** 64n - 1n]) {
    const output = new Output(1, bytesMax)
    output.varint64(Number(value & 0xffffffffn), Number(value >> 32n))
    const bytes = output.finish()
    const read = bytes.reduce((sum, byte, index) => sum | (BigInt(byte & 0x7f) << BigInt(7 * index)), 0n)
    assert.equal(read, value)
    assert.ok(bytes.length === 1 || bytes.at(-1) !== 0)
  }
})

test('more than allowed is refused, the lengths included', () => {
  const fill = (size: number) => {
    const output = new Output(1, 200)
    output.open()
    output.copy(Buffer.alloc(size), 0, size)
    output.close()
    return output.finish().length
  }
  assert.equal(fill(198), 200)
  assert.throws(
    () => fill(199),
    (error) => error instanceof Malformed && error.isTooLarge,
  )
  assert.throws(
    () => fill(200),
    (error) => error instanceof Malformed && error.isTooLarge,
  )
})
