import assert from 'node:assert/strict'
import test from 'node:test'
import { type ErrorCode, permanent, retryable } from '../../../src/errors.ts'
import { answerFor } from '../../../src/transport/answer.ts'

test('what passes is 503 with Retry-After, whatever its code', () => {
  for (const code of ['GP_OVERLOADED', 'GP_BUS_DEADLINE', 'GP_DISK_FULL', 'GP_BODY_INCOMPLETE'] as const) {
    const { status, body, headers } = answerFor(retryable(code, 'why'), { a: 'b' })
    assert.deepEqual([status, body, headers], [503, `${code}: why\n`, { a: 'b', 'retry-after': '1' }])
  }
})

test('what a sender got wrong is a 4xx, which it does not repeat', () => {
  const expected: Partial<Record<ErrorCode, number>> = {
    GP_BODY_TOO_LARGE: 413,
    GP_BODY_MALFORMED: 400,
    GP_ENCODING_UNSUPPORTED: 415,
    GP_TYPE_UNSUPPORTED: 415,
    GP_METHOD: 405,
    GP_PATH: 404,
    GP_GUID_HEADER: 400,
    GP_ITEMS_REJECTED: 400,
    GP_INTERNAL: 500,
    GP_BUS_REFUSED: 500,
  }
  for (const [code, status] of Object.entries(expected)) {
    const answer = answerFor(permanent(code as ErrorCode, 'why'))
    assert.deepEqual([code, answer.status, answer.headers], [code, status, {}])
  }
})
