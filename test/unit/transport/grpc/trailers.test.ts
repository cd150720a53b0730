import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { retryable } from '../../../../src/errors.ts'
import { limits } from '../../../../src/limits.ts'
import { errorTrailers, percentEncode } from '../../../../src/transport/grpc/trailers.ts'

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
  const pairs = errorTrailers(retryable('GP_BUS_UNAVAILABLE', 'ü'.repeat(100_000)))
  const trailers = new Map(
    Array.from({ length: pairs.length / 2 }, (_, i) => [pairs[2 * i], pairs[2 * i + 1]]),
  )
  assert.equal(trailers.get('grpc-status'), '14')
  assert.ok(trailers.get('grpc-message')!.length <= limits.grpcStatusTextBytesMax)
  assert.ok(trailers.get('grpc-status-details-bin')!.length <= 2 * limits.grpcStatusTextBytesMax)
})
