import assert from 'node:assert/strict'
import { test } from 'node:test'
import { editDistance, nearest } from '../../../src/config/suggest.ts'

test('the distance counts insertions, deletions, replacements and swaps', () => {
  for (const [a, b, distance] of [
    ['', '', 0],
    ['', 'abc', 3],
    ['bus', 'bus', 0],
    ['buss', 'bus', 1],
    ['prot', 'port', 1],
    ['kafak', 'kafka', 1],
    ['kitten', 'sitting', 3],
  ] as const) {
    assert.equal(editDistance(a, b), distance, `${a} ${b}`)
    assert.equal(editDistance(b, a), distance, `${b} ${a}`)
  }
})

test('the nearest name is found when it is a slip, and none when it is another word', () => {
  const known = ['bus', 'host', 'listeners', 'kafka']
  assert.equal(nearest('lisener', known), 'listeners')
  assert.equal(nearest('Host', known), 'host')
  assert.equal(nearest('hostname', known), 'host')
  assert.equal(nearest('telemetry', known), undefined)
  assert.equal(nearest('x', known), undefined)
})
