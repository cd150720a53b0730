import assert from 'node:assert/strict'
import test from 'node:test'
import { permanent, retryable } from '../../../src/errors.ts'
import { GrpcStatus, statusBytes, statusJson, statusOf } from '../../../src/transport/rpc-status.ts'

test('what may be repeated is UNAVAILABLE, whatever its code; a fault of ours too', () => {
  assert.equal(statusOf(retryable('GP_BODY_TOO_LARGE', '')), GrpcStatus.UNAVAILABLE)
  assert.equal(statusOf(permanent('GP_INTERNAL', '')), GrpcStatus.UNAVAILABLE)
  assert.equal(statusOf(permanent('GP_BODY_TOO_LARGE', '')), GrpcStatus.RESOURCE_EXHAUSTED)
  assert.equal(statusOf(permanent('GP_GUID_HEADER', '')), GrpcStatus.INVALID_ARGUMENT)
})

test('the bytes of a Status, with RetryInfo only when it is to be repeated', () => {
  assert.deepEqual(statusBytes(permanent('GP_PATH', 'no')), Buffer.from('\x08\x0c\x12\x0bGP_PATH: no'))
  const retryInfo = `\x1a\x30\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x01`
  assert.deepEqual(
    statusBytes(retryable('GP_OVERLOADED', 'w')),
    Buffer.from(`\x08\x0e\x12\x10GP_OVERLOADED: w${retryInfo}`),
  )
})

test('the JSON of a Status, with RetryInfo only when it is to be repeated', () => {
  assert.deepEqual(JSON.parse(statusJson(permanent('GP_PATH', 'no'))), { code: 12, message: 'GP_PATH: no' })
  const retryInfo = { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1s' }
  assert.deepEqual(JSON.parse(statusJson(retryable('GP_OVERLOADED', 'w'))), {
    code: 14,
    message: 'GP_OVERLOADED: w',
    details: [retryInfo],
  })
})
