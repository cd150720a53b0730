import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatBytes, parseBytes } from '../../../src/config/bytes.ts'

test('sizes are read with and without units', () => {
  for (const [text, bytes] of [
    [0, 0],
    [1234, 1234],
    ['1234', 1234],
    ['64MiB', 67_108_864],
    ['64 MiB', 67_108_864],
    ['1.5GB', 1_500_000_000],
    ['950kB', 950_000],
    ['1B', 1],
  ] as const) {
    assert.equal(parseBytes(text), bytes, String(text))
  }
})

test('what is no size is none', () => {
  for (const text of [
    '',
    'MiB',
    '64mib',
    '64M',
    '-1',
    '1e3',
    '64  MiB',
    1.5,
    Number.NaN,
    null,
    true,
    '9999999TiB',
  ]) {
    assert.equal(parseBytes(text), undefined, String(text))
  }
})

test('a size is written in the largest unit that is exact', () => {
  assert.equal(formatBytes(33_554_432), '32MiB')
  assert.equal(formatBytes(950_000), '950000')
  assert.equal(formatBytes(0), '0')
})
