/** Who is told that a request is settled, when, and of what. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { retryable } from '../../../src/errors.ts'
import { Submission } from '../../../src/route/submission.ts'

const failure = retryable('GP_BUS_UNAVAILABLE', 'away')

test('it is settled with the last of its records, by the first failure, and each is told once', async () => {
  const submission = new Submission()
  const told: string[] = []
  submission.holdUntilSettled({ settled: (bytes) => told.push(`holder ${bytes}`) }, 7)
  submission.onSettled((fate) => told.push(`first ${fate?.code}`))
  submission.onSettled((fate) => told.push(`second ${fate?.code}`))
  const { settled } = submission
  submission.join()
  submission.join()
  submission.leave(undefined)
  submission.leave(failure)
  assert.deepEqual(told, [])
  submission.leave(retryable('GP_BUS_DEADLINE', 'late'))
  assert.deepEqual(told, ['holder 7', 'first GP_BUS_UNAVAILABLE', 'second GP_BUS_UNAVAILABLE'])
  assert.equal(await settled, failure)
})

test('who asks when it is settled is told at once', async () => {
  const submission = new Submission()
  submission.leave(undefined)
  const told: unknown[] = []
  submission.holdUntilSettled({ settled: (bytes) => told.push(bytes) }, 3)
  submission.onSettled((fate) => told.push(fate))
  assert.deepEqual(told, [3, undefined])
  assert.equal(await submission.settled, undefined)
})
