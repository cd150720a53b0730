import assert from 'node:assert/strict'
import test from 'node:test'
import { LastOnes } from '../../../../src/transport/http2/last-ones.ts'

test('the last ones that were added are kept', () => {
  const ones = new LastOnes(3)
  const kept = (): number[] => [1, 2, 3, 4, 5, 6].filter((one) => ones.has(one))
  for (const one of [1, 2, 3]) ones.add(one)
  assert.deepEqual(kept(), [1, 2, 3])
  ones.add(4)
  assert.deepEqual(kept(), [2, 3, 4])
  ones.delete(3)
  ones.add(5)
  assert.deepEqual(kept(), [2, 4, 5])
  ones.add(6)
  assert.deepEqual(kept(), [4, 5, 6])
})

test('one that is added again takes no second place', () => {
  const ones = new LastOnes(2)
  for (const one of [1, 2, 2, 2]) ones.add(one)
  assert.deepEqual([ones.has(1), ones.has(2)], [true, true])
})
