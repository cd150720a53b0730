import assert from 'node:assert/strict'
import test from 'node:test'
import { Budget } from '../../../src/route/budget.ts'

test('takes what fits, and no more', () => {
  const budget = new Budget(10)
  assert.equal(budget.take(6), true)
  assert.equal(budget.take(5), false)
  assert.equal(budget.bytes, 6, 'a refusal takes nothing')
  assert.equal(budget.fits(4), true)
  assert.equal(budget.fits(5), false)
  budget.force(6)
  assert.equal(budget.bytes, 12)
  assert.equal(budget.fits(0), false, 'above the bound nothing fits')
  budget.give(12)
  assert.equal(budget.bytes, 0)
})

test('a smaller bound is reached by giving back', () => {
  const budget = new Budget(10)
  budget.take(10)
  budget.resize(5)
  assert.deepEqual([budget.bytesMax, budget.take(1)], [5, false])
  budget.give(6)
  assert.equal(budget.take(1), true)
})
