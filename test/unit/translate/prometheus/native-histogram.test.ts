/** Native histograms in OTLP's terms, and those that OTLP cannot hold. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toOtlp } from '../../../../src/translate/prometheus/to-otlp.ts'
import type { Translated } from '../../../../src/translate/prometheus/translated.ts'
import type { Histogram } from '../../../support/oracle/index.ts'
import { STALE_BITS, toBits } from '../../../support/oracle-to-otlp/native.ts'
import { encodeDrafts } from '../../../support/oracle-to-otlp/random-families.ts'
import {
  AT,
  AT_NS,
  metricsOf,
  only,
  pointOf,
  skippedOf,
  translate,
  types,
} from '../../../support/oracle-to-otlp/translate.ts'

function native(histogram: Histogram, type: number = types.histogram): Translated {
  const labels = { __name__: 'n', code: '1' }
  return translate([{ labels, histograms: [{ timestamp: AT, ...histogram }], type }])
}

const integer: Histogram = {
  countInt: '12',
  sumBits: toBits(3.5),
  schema: 3,
  zeroThresholdBits: toBits(0.001),
  zeroCountInt: '2',
  positiveSpans: [
    { offset: -2, length: 2 },
    { offset: 2, length: 1 },
  ],
  positiveDeltas: ['1', '2', '-1'],
  negativeSpans: [{ offset: 5, length: 1 }],
  negativeDeltas: ['4'],
}

test('a native histogram is dense, one lower in its index, and its count is that of its buckets', () => {
  const { form } = only(metricsOf(native(integer)))
  assert.equal(form, 'exponential_histogram 2')
  assert.deepEqual(pointOf(native(integer)), {
    attributes: { code: '1' },
    time: AT_NS,
    start: '0',
    noValue: false,
    exemplars: [],
    count: '12',
    sumBits: toBits(3.5),
    scale: 3,
    zeroCount: '2',
    zeroThresholdBits: toBits(0.001),
    positive: ['-3', '1', '3', '0', '0', '2'],
    negative: ['4', '4'],
  })
})

test('buckets beyond the largest number are left out and counted', () => {
  const overflowing = { schema: 0, positiveSpans: [{ offset: 1024, length: 2 }], positiveDeltas: ['3', '1'] }
  const translated = native({ countInt: '7', sumBits: '0', ...overflowing })
  const { count, positive } = pointOf(translated)
  assert.deepEqual([count, positive], ['3', ['1023', '3']])
  assert.equal(translated.omitted.overflowBuckets, 1)
})

test('custom buckets become a histogram with explicit bounds', () => {
  const translated = native({
    countInt: '6',
    sumBits: toBits(1),
    schema: -53,
    customValuesBits: [toBits(0.5), toBits(2)],
    positiveSpans: [{ offset: 1, length: 2 }],
    positiveDeltas: ['2', '2'],
  })
  const { count, boundsBits, counts } = pointOf(translated)
  assert.equal(only(metricsOf(translated)).form, 'histogram 2')
  assert.deepEqual([count, boundsBits, counts], ['6', [toBits(0.5), toBits(2)], ['0', '2', '4']])
})

test('a native histogram whose sum is the staleness marker is a point without value', () => {
  const { noValue, count, sumBits } = pointOf(native({ sumBits: STALE_BITS, schema: 0 }))
  assert.deepEqual([noValue, count, sumBits], [true, undefined, undefined])
})

test('float histograms of whole counts are carried, others are counted', () => {
  const whole = native({
    countFloatBits: toBits(3),
    positiveSpans: [{ offset: 1, length: 1 }],
    positiveCountsBits: [toBits(3)],
  })
  assert.deepEqual(pointOf(whole).positive, ['0', '3'])
  const half = native({
    countFloatBits: toBits(3),
    positiveSpans: [{ offset: 1, length: 1 }],
    positiveCountsBits: [toBits(2.5)],
  })
  assert.deepEqual([half.points, skippedOf(half)], [0, { float_histogram: 1 }])
})

for (const [reason, histogram] of [
  ['gauge_histogram', { ...integer, resetHint: 3 }],
  ['histogram_schema', { ...integer, schema: 9 }],
  ['histogram_malformed', { ...integer, positiveDeltas: ['1'] }],
  ['histogram_malformed', { ...integer, positiveDeltas: ['1', '-2', '1'] }],
  ['histogram_malformed', { ...integer, positiveSpans: [{ offset: 1, length: 4_000_000_000 }] }],
  ['histogram_malformed', { schema: -53, customValuesBits: [toBits(2), toBits(1)] }],
  ['histogram_count', { ...integer, positiveDeltas: [String(2n ** 60n), '0', '0'] }],
  [
    'histogram_buckets',
    {
      ...integer,
      schema: 8,
      positiveSpans: [
        { offset: 0, length: 2 },
        { offset: 99_999, length: 1 },
      ],
    },
  ],
] as const) {
  test(`a native histogram that OTLP cannot hold is counted as ${reason}`, () => {
    const translated = native(histogram as Histogram)
    assert.deepEqual([translated.points, skippedOf(translated)], [0, { [reason]: 1 }])
    assert.equal(translated.message.length, 0)
  })
}

test('a native histogram of a gauge by its metadata is counted', () => {
  assert.deepEqual(skippedOf(native(integer, types.gaugeHistogram)), { gauge_histogram: 1 })
})

test('histograms whose gaps cost far more than their bytes are refused as too large', () => {
  const wide = {
    ...integer,
    schema: 8,
    positiveSpans: [
      { offset: 0, length: 2 },
      { offset: 16_000, length: 1 },
    ],
  }
  const drafts = Array.from({ length: 200 }, () => ({
    labels: { __name__: 'n' },
    histograms: [{ timestamp: AT, ...wide }],
  }))
  const message = encodeDrafts(2, drafts)
  assert.deepEqual(toOtlp({ version: 2, message, guidName: 'guid', outputBytesMax: 1 << 20 }), {
    problem: 'too_large',
  })
})
