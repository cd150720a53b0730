import assert from 'node:assert/strict'
import test from 'node:test'
import { GuidepostError } from '../../../src/errors.ts'
import {
  encodingOf,
  noneWritten,
  versionOf,
  writtenHeaders,
} from '../../../src/receivers/prometheus-content.ts'

test('the version is in the Content-Type; without one it is 1.0', () => {
  for (const [type, version] of [
    [undefined, 1],
    ['application/x-protobuf', 1],
    ['application/x-protobuf;proto=prometheus.WriteRequest', 1],
    ['application/x-protobuf; q=1 ; Proto = "io.prometheus.write.v2.Request"', 2],
  ] as const) {
    assert.equal(versionOf(type), version, type)
  }
  for (const type of [
    'text/plain',
    'application/x-protobuf;proto=toString',
    'application/x-protobuf;proto=v2',
  ]) {
    const refusal = versionOf(type)
    assert.ok(refusal instanceof GuidepostError && refusal.code === 'GP_TYPE_UNSUPPORTED', type)
  }
})

test('the encoding is one of three, or left unsaid', () => {
  assert.deepEqual(
    [undefined, '', ' Snappy', 'zstd', 'IDENTITY'].map((header) => encodingOf(header)),
    ['absent', 'absent', 'snappy', 'zstd', 'identity'],
  )
  const refusal = encodingOf('gzip')
  assert.ok(refusal instanceof GuidepostError && refusal.code === 'GP_ENCODING_UNSUPPORTED')
})

test('only 2.0 is told what was written', () => {
  assert.deepEqual(writtenHeaders(1, noneWritten), {})
  assert.deepEqual(writtenHeaders(2, { samples: 1, histograms: 2, exemplars: 3 }), {
    'x-prometheus-remote-write-samples-written': '1',
    'x-prometheus-remote-write-histograms-written': '2',
    'x-prometheus-remote-write-exemplars-written': '3',
  })
})
