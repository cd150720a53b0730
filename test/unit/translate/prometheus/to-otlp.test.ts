/** The translation of remote write to OTLP, rule by rule, as docs/prometheus-to-otlp.md has them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../../src/limits.ts'
import { toOtlp } from '../../../../src/translate/prometheus/to-otlp.ts'
import { encodeV2 } from '../../../support/oracle/index.ts'
import { decodeOtlp } from '../../../support/oracle-to-otlp/index.ts'
import { fromBits, STALE_BITS, toBits } from '../../../support/oracle-to-otlp/native.ts'
import { type DraftSeries, encodeDrafts } from '../../../support/oracle-to-otlp/random-families.ts'
import {
  AT,
  AT_NS,
  metricsOf,
  only,
  pointOf,
  series,
  skippedOf,
  translate,
  types,
} from '../../../support/oracle-to-otlp/translate.ts'

test('a series without metadata is a gauge of unknown type, whatever its name', () => {
  const translated = translate([series({ __name__: 'requests_total', code: '200', guid: 'a' }, 3)], 1)
  const { name, form, prometheusType, points } = only(metricsOf(translated))
  assert.deepEqual([name, form, prometheusType], ['requests_total', 'gauge', 'unknown'])
  assert.deepEqual(only(points), {
    attributes: { code: '200' },
    time: AT_NS,
    start: '0',
    noValue: false,
    valueBits: toBits(3),
    exemplars: [],
  })
})

test('types give the form of the data, which keeps the name and says the type', () => {
  const forms: readonly [type: number, name: string, form: string, prometheusType: string][] = [
    [types.unknown, 'a', 'gauge', 'unknown'],
    [types.counter, 'b_total', 'sum monotonic 2', 'counter'],
    [types.gauge, 'c', 'gauge', 'gauge'],
    [types.info, 'd_info', 'sum 2', 'info'],
    [types.stateset, 'e', 'sum 2', 'stateset'],
    [types.gaugeHistogram, 'f_bucket', 'gauge', 'gaugehistogram'],
  ]
  const drafts = forms.map(([type, name]) => series({ __name__: name }, 1, { type }))
  const found = metricsOf(translate(drafts)).map(({ name, form, prometheusType }) => [
    name,
    form,
    prometheusType,
  ])
  assert.deepEqual(
    found,
    forms.map(([, ...rest]) => rest),
  )
})

test('1.0: metadata is found by the name of the family and the suffix of the series', () => {
  const drafts = [
    series({ __name__: 'b_total' }, 1, { type: types.counter, family: 'b', help: 'Bees.', unit: 'seconds' }),
    series({ __name__: 'a' }, 1, { type: types.gauge, family: 'a' }),
    series({ __name__: 'a_total' }, 1),
  ]
  const found = metricsOf(translate(drafts, 1)).map((metric) => [
    metric.name,
    metric.prometheusType,
    metric.description,
    metric.unit,
  ])
  assert.deepEqual(found, [
    ['b_total', 'counter', 'Bees.', 's'],
    ['a', 'gauge', '', ''],
    ['a_total', 'unknown', '', ''],
  ])
})

test('1.0: a metadata entry that no series belongs to is counted', () => {
  const translated = translate([{ ...series({ __name__: 'other' }, 1), type: types.counter, family: 'b' }], 1)
  assert.deepEqual(skippedOf(translated), { metadata: 1 })
  assert.equal(translated.points, 1)
})

test('job and instance name the resource, in the order in which they come', () => {
  const drafts = [
    series({ __name__: 'up', job: 'shop/api', instance: 'b:1' }, 1),
    series({ __name__: 'up', job: 'a/b/c' }, 1),
    series({ __name__: 'down', job: 'shop/api', instance: 'b:1' }, 1),
    series({ __name__: 'up' }, 1),
  ]
  const resources = decodeOtlp(translate(drafts).message)
  assert.deepEqual(
    resources.map(({ attributes }) => attributes),
    [
      { 'service.name': 'api', 'service.namespace': 'shop', 'service.instance.id': 'b:1' },
      { 'service.name': 'a/b/c' },
      {},
    ],
  )
  assert.deepEqual(
    resources[0]?.scopes[0]?.metrics.map(({ name }) => name),
    ['up', 'down'],
  )
})

test("target_info's labels become attributes of its resource, but not its guid", () => {
  const drafts = [
    series({ __name__: 'up', job: 'api', instance: 'a:1' }, 1),
    series({ __name__: 'target_info', job: 'api', instance: 'a:1', guid: 'x', region: 'eu' }, 1),
    series({ __name__: 'up', job: 'api', instance: 'b:1' }, 1),
  ]
  const translated = translate(drafts)
  const attributes = decodeOtlp(translated.message).map((resource) => resource.attributes)
  const identity = { 'service.name': 'api' }
  assert.deepEqual(attributes, [
    { ...identity, 'service.instance.id': 'a:1', region: 'eu' },
    { ...identity, 'service.instance.id': 'b:1' },
  ])
  assert.equal(translated.points, 2)
})

test('target_info that is alone stays a series, so that nothing is lost', () => {
  const translated = translate([series({ __name__: 'target_info', job: 'api', region: 'eu' }, 1)])
  assert.equal(only(metricsOf(translated)).name, 'target_info')
  assert.deepEqual(pointOf(translated).attributes, { region: 'eu' })
})

test('labels of the scope make the scope; without any it is the translator', () => {
  const labels = {
    otel_scope_name: 'lib',
    otel_scope_version: '1',
    otel_scope_schema_url: 'u',
    otel_scope_x: 'y',
  }
  const drafts = [series({ __name__: 'a', ...labels }, 1), series({ __name__: 'a' }, 1)]
  const scopes = only(decodeOtlp(translate(drafts).message)).scopes.map(({ metrics: _, ...scope }) => scope)
  assert.deepEqual(scopes, [
    { name: 'lib', version: '1', schemaUrl: 'u', attributes: { x: 'y' } },
    { name: 'guidepost', version: '', schemaUrl: '', attributes: {} },
  ])
})

test('the staleness marker is the flag, other NaNs keep their bits', () => {
  const odd = String(0x7ff8000000000abcn)
  const samples = [STALE_BITS, odd].map((valueBits) => ({ valueBits, timestamp: AT }))
  const { points } = only(metricsOf(translate([{ labels: { __name__: 'a' }, samples }])))
  assert.deepEqual(
    points.map(({ noValue, valueBits }) => [noValue, valueBits]),
    [
      [true, undefined],
      [false, odd],
    ],
  )
})

test('a time that OTLP does not have is counted, never wrapped', () => {
  const times = ['-1', '18446744073710', '18446744073709', String(2n ** 63n - 1n), '0']
  const samples = times.map((timestamp) => ({ valueBits: '0', timestamp }))
  const translated = translate([{ labels: { __name__: 'a' }, samples }])
  const { points } = only(metricsOf(translated))
  assert.deepEqual(
    points.map(({ time }) => time),
    ['18446744073709000000', '0'],
  )
  assert.deepEqual(skippedOf(translated), { timestamp: 3 })
})

test('start times: from the sample, from the `_created` series beside it, or none', () => {
  const created = series({ __name__: 'a_created', code: '1' }, 1_650_000_000.5, { type: types.counter })
  const counter = series({ __name__: 'a_total', code: '1' }, 7, { type: types.counter })
  const counted = translate([created, counter])
  assert.equal(pointOf(counted).start, '1650000000500000000')
  const samples = [{ valueBits: '0', timestamp: AT, startTimestamp: '1600000000001' }]
  assert.equal(pointOf(translate([{ labels: { __name__: 'a' }, samples }])).start, '1600000000001000000')
  const never = [{ valueBits: '0', timestamp: AT, startTimestamp: '-1' }]
  const omitted = translate([{ labels: { __name__: 'a' }, samples: never }])
  assert.deepEqual([pointOf(omitted).start, omitted.omitted.startTimes], ['0', 1])
})

test('a `_created` series that names no time, or belongs to none, stays a series', () => {
  const drafts = [
    series({ __name__: 'users_created' }, 12, { type: types.counter }),
    series({ __name__: 'users_total' }, 40, { type: types.counter }),
    series({ __name__: 'alone_created' }, 1_650_000_000, { type: types.counter }),
  ]
  const found = metricsOf(translate(drafts)).map(({ name, form, points }) => [name, form, points[0]?.start])
  assert.deepEqual(found, [
    ['users_created', 'gauge', '0'],
    ['users_total', 'sum monotonic 2', '0'],
    ['alone_created', 'gauge', '0'],
  ])
})

function classic(changes: Record<string, number | undefined> = {}): DraftSeries[] {
  const values = { '0.5': 2, '+Inf': 5, '-1': 1, count: 5, sum: 9.25, ...changes }
  return Object.entries(values).flatMap(([key, value]) => {
    if (value === undefined) return []
    const name = /[a-z]{3}$/.test(key) && key !== '+Inf' ? `h_${key}` : 'h_bucket'
    const le = name === 'h_bucket' ? { le: key } : {}
    return [series({ __name__: name, job: 'j', path: '/', ...le }, value, { type: types.histogram })]
  })
}

test('a whole classic histogram becomes one point', () => {
  const translated = translate([
    ...classic(),
    series({ __name__: 'h_created', job: 'j', path: '/' }, 1.6e9, { type: types.histogram }),
  ])
  const { name, form } = only(metricsOf(translated))
  assert.deepEqual([name, form, translated.points, translated.apart], ['h', 'histogram 2', 1, 0])
  const point = pointOf(translated)
  assert.deepEqual(point, {
    attributes: { path: '/' },
    time: AT_NS,
    start: '1600000000000000000',
    noValue: false,
    exemplars: [],
    count: '5',
    sumBits: toBits(9.25),
    boundsBits: [toBits(-1), toBits(0.5)],
    counts: ['1', '1', '3'],
  })
})

for (const [what, changes] of [
  ['its count', { count: undefined }],
  ['its sum', { sum: undefined }],
  ['the bucket +Inf', { '+Inf': undefined }],
  ['agreement of +Inf and count', { count: 6 }],
  ['rising counts', { '0.5': 0 }],
  ['whole counts', { '0.5': 1.5 }],
  ['a bound that is a number', { high: 1, '0.5x': 1 }],
] as const) {
  test(`a classic histogram without ${what} stays the series that it was`, () => {
    const drafts = classic(changes)
    const translated = translate(drafts)
    assert.equal(translated.points, drafts.length)
    assert.ok(metricsOf(translated).every(({ form }) => form !== 'histogram 2'))
    const buckets = metricsOf(translated).find(({ name }) => name === 'h_bucket')
    assert.equal(buckets?.form, 'sum monotonic 2')
    assert.ok(buckets?.points.every(({ attributes }) => attributes['le'] !== undefined))
  })
}

test('a classic histogram that goes stale is one point without value', () => {
  const stale = classic().map((draft) => ({ ...draft, samples: [{ valueBits: STALE_BITS, timestamp: AT }] }))
  const point = pointOf(translate(stale))
  assert.deepEqual([point.noValue, point.count, point.boundsBits], [true, undefined, undefined])
  const half = [...stale.slice(0, 2), ...classic().slice(2)]
  assert.equal(translate(half).points, half.length)
})

test('a whole summary becomes one point, its quantiles in order', () => {
  const drafts = [
    series({ __name__: 's', quantile: '0.99' }, 3, { type: types.summary }),
    series({ __name__: 's', quantile: '0.5' }, Number.NaN, { type: types.summary }),
    series({ __name__: 's_sum' }, 4.5, { type: types.summary }),
    series({ __name__: 's_count' }, 4, { type: types.summary }),
  ]
  const translated = translate(drafts)
  const { name, form } = only(metricsOf(translated))
  const { count, sumBits, quantilesBits } = pointOf(translated)
  assert.deepEqual([name, form, count, fromBits(sumBits ?? '')], ['s', 'summary', '4', 4.5])
  assert.deepEqual(quantilesBits, [toBits(0.5), toBits(Number.NaN), toBits(0.99), toBits(3)])
  const parts = metricsOf(translate(drafts.slice(0, 3)))
  assert.deepEqual(
    parts.map((metric) => [metric.name, metric.form, metric.points.length]),
    [
      ['s', 'gauge', 2],
      ['s_sum', 'sum 2', 1],
    ],
  )
})

const exemplar = {
  labels: { trace_id: '0AF7651916cd43dd8448eb211c80319c', span_id: 'b7ad6b716920333', user: 'u' },
  valueBits: toBits(0.25),
  timestamp: AT,
}

test('exemplars: ids when they are ids, otherwise attributes like all other labels', () => {
  const translated = translate([
    series({ __name__: 'a_total' }, 1, { type: types.counter, exemplars: [exemplar] }),
  ])
  assert.deepEqual(only(pointOf(translated).exemplars), {
    attributes: { span_id: 'b7ad6b716920333', user: 'u' },
    time: AT_NS,
    valueBits: toBits(0.25),
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: '',
  })
})

test('exemplars: of a repeated label, which nobody has refused, the first counts', () => {
  const symbols = ['', '__name__', 'a', 'user', 'first', 'second']
  const exemplars = [{ labelsRefs: [3, 4, 3, 5], valueBits: '0', timestamp: AT }]
  const samples = [{ valueBits: '0', timestamp: AT }]
  const message = encodeV2({ symbols, timeseries: [{ labelsRefs: [1, 2], samples, exemplars }] })
  const translated = toOtlp({ version: 2, message, guidName: 'guid', outputBytesMax: 1000 })
  assert.ok('message' in translated)
  assert.deepEqual(only(pointOf(translated).exemplars).attributes, { user: 'first' })
})

test('exemplars that come in a series of their own find the point of that series', () => {
  const bucket = classic()[1]!
  const lone = { labels: bucket.labels, exemplars: [exemplar] }
  const found = translate([lone, ...classic()])
  assert.equal(pointOf(found).exemplars.length, 1)
  assert.equal(found.omitted.exemplars, 0)
  const lost = translate([{ labels: { __name__: 'other' }, exemplars: [exemplar] }, ...classic()])
  assert.deepEqual([lost.omitted.exemplars, lost.points, skippedOf(lost)], [1, 1, {}])
})

test('a result beyond its bound is refused, and the next request is not touched by it', () => {
  const drafts = Array.from({ length: 500 }, (_, i) =>
    series({ __name__: `m${i}`, label: 'v'.repeat(40) }, i),
  )
  const message = encodeDrafts(2, drafts)
  const { message: whole } = translate(drafts)
  const at = (outputBytesMax: number) => toOtlp({ version: 2, message, guidName: 'guid', outputBytesMax })
  assert.deepEqual(at(whole.length - 1), { problem: 'too_large' })
  assert.deepEqual(at(1000), { problem: 'too_large' })
  const again = at(whole.length)
  assert.ok('message' in again && again.message.equals(whole))
})

test('more series than are translated in one turn are refused as too large', () => {
  const empty = Buffer.of(0x0a, 0)
  const at = (count: number) =>
    toOtlp({ version: 1, message: Buffer.alloc(2 * count, empty), guidName: 'guid', outputBytesMax: 1000 })
  assert.deepEqual(at(limits.translatedSeriesMax + 1), { problem: 'too_large' })
  const most = at(limits.translatedSeriesMax)
  assert.ok('skipped' in most)
  assert.equal(most.skipped.get('empty_series'), limits.translatedSeriesMax)
})

test('more parts of histograms than are held stay the series that they are', () => {
  const samples = Array.from({ length: limits.heldPartsMax + 1 }, () => ({ valueBits: '0', timestamp: AT }))
  const message = encodeDrafts(2, [
    { labels: { __name__: 'h_count' }, samples, type: types.histogram },
    ...classic(),
  ])
  const translated = toOtlp({ version: 2, message, guidName: 'guid', outputBytesMax: 8 << 20 })
  assert.ok('points' in translated)
  assert.deepEqual([translated.points, translated.apart], [samples.length + 5, samples.length + 5])
})

test('samples of one series stay in their order', () => {
  const samples = [3, 1, 2].map((n) => ({ valueBits: toBits(n), timestamp: `170000000000${n}` }))
  const drafts = [
    { labels: { __name__: 'a' }, samples },
    series({ __name__: 'b' }, 1),
    series({ __name__: 'a' }, 9),
  ]
  const [metric] = metricsOf(translate(drafts))
  assert.deepEqual(
    metric?.points.map(({ valueBits }) => fromBits(valueBits ?? '')),
    [3, 1, 2, 9],
  )
})

test('an empty request is an empty message', () => {
  const translated = toOtlp({ version: 1, message: Buffer.alloc(0), guidName: 'guid', outputBytesMax: 10 })
  assert.ok('message' in translated)
  assert.deepEqual([translated.message.length, translated.points], [0, 0])
})
