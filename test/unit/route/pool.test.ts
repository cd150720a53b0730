import assert from 'node:assert/strict'
import test from 'node:test'
import { limits } from '../../../src/limits.ts'
import { BufferPool } from '../../../src/route/pool.ts'

test('a buffer has at least the bytes asked for, at most twice as many', () => {
  const pool = new BufferPool()
  for (const bytes of [1, 100, 1023, 16_384, 16_385, 65_536, 65_537, 900_000]) {
    const { length } = pool.take(bytes)
    assert.ok(length >= bytes && length <= 2 * bytes, `${length} for ${bytes}`)
  }
})

test('a large buffer is used again, and never by two at a time', () => {
  const pool = new BufferPool()
  const first = pool.take(100_000)
  const second = pool.take(100_000)
  assert.notEqual(first, second)
  pool.give(first)
  assert.equal(pool.take(120_000), first, 'the same size by powers of two')
  assert.notEqual(pool.take(100_000), first)
})

test('no more is kept than the bound', () => {
  const pool = new BufferPool()
  const size = 1024 ** 2
  const count = limits.poolBytesMax / size
  const buffers = Array.from({ length: count + 5 }, () => pool.take(size))
  for (const buffer of buffers) pool.give(buffer)
  const again = Array.from({ length: count + 5 }, () => pool.take(size))
  assert.equal(again.filter((buffer) => buffers.includes(buffer)).length, count)
})
