import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { permanent, retryable } from '../../../../src/errors.ts'
import { limits } from '../../../../src/limits.ts'
import {
  errorTrailers,
  GrpcStatus,
  percentEncode,
  statusBytes,
  statusOf,
} from '../../../../src/transport/grpc/status.ts'

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

test('a status message survives percent-encoding, and no escape is cut', () => {
  assert.equal(percentEncode('50 % of it\n', 100), '50 %25 of it%0A')
  assert.equal(percentEncode('é', 100), '%C3%A9')
  assert.equal(percentEncode('aé', 6), 'a')
  const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 2 ** 31)
  const property = fc.property(fc.string({ unit: 'grapheme' }), fc.nat(200), (text, bytesMax) => {
    const encoded = percentEncode(text, bytesMax)
    assert.ok(encoded.length <= bytesMax)
    assert.match(encoded, /^([\x20-\x24\x26-\x7e]|%[0-9A-F]{2})*$/)
    assert.ok(text.startsWith(decodeURIComponent(encoded)))
  })
  fc.assert(property, { seed, numRuns: 500, interruptAfterTimeLimit: 5000 })
})

test('trailers stay small, however long the text', () => {
  const trailers = errorTrailers(retryable('GP_BUS_UNAVAILABLE', 'ü'.repeat(100_000)))
  assert.equal(trailers['grpc-status'], '14')
  assert.ok(trailers['grpc-message']!.length <= limits.grpcStatusTextBytesMax)
  assert.ok(trailers['grpc-status-details-bin']!.length <= 2 * limits.grpcStatusTextBytesMax)
})
