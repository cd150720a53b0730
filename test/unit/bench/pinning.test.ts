/** Which cores the bench gives to the program under test. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { type Cpu, planPins, readCpuList } from '../../../bench/support/pinning.ts'

const single = (count: number): Cpu[] =>
  Array.from({ length: count }, (_, number) => ({ number, core: `0:${number}` }))

test('below four CPUs nothing is pinned unless it is asked for', () => {
  assert.equal(planPins(single(2), undefined), undefined)
  assert.equal(planPins(single(3), undefined), undefined)
  assert.deepEqual(planPins(single(2), true), { subject: [0], others: [1] })
  assert.deepEqual(planPins(single(3), true), { subject: [0], others: [1, 2] })
  assert.throws(() => planPins(single(1), true), /two CPUs/)
})

test('from four CPUs half of the cores are for the program under test, unless that is refused', () => {
  assert.deepEqual(planPins(single(4), undefined), { subject: [0, 1], others: [2, 3] })
  assert.deepEqual(planPins(single(5), undefined), { subject: [0, 1], others: [2, 3, 4] })
  assert.equal(planPins(single(8), false), undefined)
})

test('the threads of a core stay on one side', () => {
  const cpus = Array.from({ length: 8 }, (_, number) => ({ number, core: `0:${number % 4}` }))
  assert.deepEqual(planPins(cpus, undefined), { subject: [0, 4, 1, 5], others: [2, 6, 3, 7] })
  const one = Array.from({ length: 4 }, (_, number) => ({ number, core: '0:0' }))
  assert.deepEqual(planPins(one, undefined), { subject: [0, 1], others: [2, 3] })
})

test("Linux's list of CPUs is read", () => {
  assert.deepEqual(readCpuList('0-2,7'), [0, 1, 2, 7])
  assert.deepEqual(readCpuList('3'), [3])
})
