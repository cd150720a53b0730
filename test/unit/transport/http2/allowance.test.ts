import assert from 'node:assert/strict'
import test from 'node:test'
import { Allowance } from '../../../../src/transport/http2/allowance.ts'

test('a burst, and then so many in each second', (context) => {
  let nowMs = 1e6
  context.mock.method(performance, 'now', () => nowMs)
  const allowance = new Allowance(5, 10)
  const taken = (times: number): number =>
    Array.from({ length: times }, () => allowance.take()).filter(Boolean).length
  assert.equal(taken(5), 5)
  assert.equal(allowance.take(), false)
  nowMs += 200
  // What was refused was taken as well.
  assert.equal(taken(5), 1)
  nowMs += 60_000
  assert.equal(taken(10), 5, 'never more than the burst')
})

test('what was not used up is kept', (context) => {
  let nowMs = 0
  context.mock.method(performance, 'now', () => nowMs)
  const allowance = new Allowance(3, 1)
  for (let i = 0; i < 100; i++, nowMs += 1000) assert.equal(allowance.take(), true)
})
