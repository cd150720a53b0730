import assert from 'node:assert/strict'
import test from 'node:test'
import { GuidepostError } from '../../../../src/errors.ts'
import { callBytes, codingOf, notGrpcAnswer, timeoutMsOf } from '../../../../src/transport/grpc/call-start.ts'

test('the content type of gRPC, with parameters and in any case', () => {
  const answer = (type?: string): number | undefined =>
    notGrpcAnswer({ ':method': 'POST', ...(type === undefined ? {} : { 'content-type': type }) })?.status
  for (const type of ['application/grpc', 'application/grpc+proto', 'Application/gRPC ; a=b']) {
    assert.equal(answer(type), undefined, type)
  }
  for (const type of [
    undefined,
    '',
    'application/grpcx',
    'application/grpc-web+proto',
    'application/grpc+json',
  ]) {
    assert.equal(answer(type), 415, type)
  }
  assert.equal(notGrpcAnswer({ ':method': 'GET', 'content-type': 'application/grpc' })?.status, 405)
})

test('timeouts in each unit', () => {
  const cases = { '2H': 7_200_000, '3M': 180_000, '4S': 4000, '5m': 5, '6u': 0.006, '7n': 0.000007, '0S': 0 }
  for (const [text, ms] of Object.entries(cases)) {
    const parsed = timeoutMsOf({ 'grpc-timeout': text })
    assert.ok(typeof parsed === 'number' && Math.abs(parsed - ms) < 1e-9, text)
  }
  assert.equal(timeoutMsOf({}), undefined)
  for (const text of ['', '5', 'S', '123456789S', '5s', '-5S', ' 5S', '5S, 5S']) {
    assert.ok(timeoutMsOf({ 'grpc-timeout': text }) instanceof GuidepostError, text)
  }
})

test('encodings that can be undone', () => {
  assert.equal(codingOf({}), undefined)
  assert.equal(codingOf({ 'grpc-encoding': 'identity' }), undefined)
  for (const name of ['gzip', 'deflate', 'zstd'] as const)
    assert.equal(codingOf({ 'grpc-encoding': name }), name)
  for (const name of ['br', 'snappy', 'gzip, gzip', '']) {
    const refusal = codingOf({ 'grpc-encoding': name })
    assert.ok(refusal instanceof GuidepostError && refusal.code === 'GP_ENCODING_UNSUPPORTED', name)
  }
})

test('headers cost what they hold', () => {
  const few = callBytes([':path', '/a'])
  assert.equal(callBytes([':path', '/a', 'x-large', 'a'.repeat(10_000)]) - few, 10_007)
})
