/**
 * Random requests as scrapes give them: whole families of every type, some of whose series are missing, stale, or in
 * conflict, beside `target_info`, scope labels, exemplars of their own series, native histograms that are well-formed.
 */
import fc from 'fast-check'
import {
  byteText,
  encodeV1,
  encodeV2,
  type Histogram,
  type Sample,
  type V1Metadata,
  type V1Model,
  type V2Model,
} from '../oracle/index.ts'
import { encodeVariedV1, encodeVariedV2 } from '../varied-encoding.ts'
import { STALE_BITS, toBits } from './native.ts'

export interface Exemplar {
  readonly labels: Readonly<Record<string, string>>
  readonly valueBits: string
  readonly timestamp: string
}

/** A series of either version. */
export interface DraftSeries {
  readonly labels: Readonly<Record<string, string>>
  readonly samples?: readonly Sample[]
  readonly histograms?: readonly Histogram[]
  readonly exemplars?: readonly Exemplar[]
  readonly type?: number
  /** Names the metadata entry of 1.0. */
  readonly family?: string
  readonly help?: string
  readonly unit?: string
}

/** The message of these series. 1.0: a metadata entry for each family that has a type. `seed`: how it is encoded. */
export function encodeDrafts(version: 1 | 2, drafts: readonly DraftSeries[], seed = 0): Buffer {
  if (version === 2) {
    const model = modelV2(drafts)
    return seed === 0 ? encodeV2(model) : encodeVariedV2(model, seed)
  }
  const model = modelV1(drafts)
  return seed === 0 ? encodeV1(model) : encodeVariedV1(model, seed)
}

const sorted = (labels: Readonly<Record<string, string>>): [string, string][] =>
  Object.entries(labels)
    .map(([name, value]): [string, string] => [byteText(name), byteText(value)])
    .sort(([left], [right]) => (left < right ? -1 : 1))

function modelV1(drafts: readonly DraftSeries[]): V1Model {
  const metadata = new Map<string, V1Metadata>()
  for (const { family, type, help, unit } of drafts) {
    if (family === undefined || type === undefined || metadata.has(family)) continue
    const entry = { type, metricFamilyName: byteText(family), help: byteText(help ?? '') }
    metadata.set(family, { ...entry, unit: byteText(unit ?? '') })
  }
  const labelsOf = (labels: Readonly<Record<string, string>>) =>
    sorted(labels).map(([name, value]) => ({ name, value }))
  const timeseries = drafts.map(({ labels, samples, histograms, exemplars }) => ({
    labels: labelsOf(labels),
    samples: (samples ?? []).map(({ startTimestamp: _, ...sample }) => sample),
    histograms: (histograms ?? []).map(({ startTimestamp: _, ...histogram }) => histogram),
    exemplars: (exemplars ?? []).map((exemplar) => ({ ...exemplar, labels: labelsOf(exemplar.labels) })),
  }))
  return { timeseries, metadata: [...metadata.values()] }
}

function modelV2(drafts: readonly DraftSeries[]): V2Model {
  const symbols = ['']
  const refOf = (text: string): number => {
    const at = symbols.indexOf(text)
    return at >= 0 ? at : symbols.push(text) - 1
  }
  const refsOf = (labels: Readonly<Record<string, string>>) => sorted(labels).flat().map(refOf)
  const timeseries = drafts.map(({ labels, samples, histograms, exemplars, type, help, unit }) => ({
    labelsRefs: refsOf(labels),
    samples: [...(samples ?? [])],
    histograms: [...(histograms ?? [])],
    exemplars: (exemplars ?? []).map(({ labels: own, ...exemplar }) => ({
      ...exemplar,
      labelsRefs: refsOf(own),
    })),
    ...(type === undefined
      ? {}
      : { metadata: { type, helpRef: refOf(byteText(help ?? '')), unitRef: refOf(byteText(unit ?? '')) } }),
  }))
  return { symbols, timeseries }
}

const COUNTS = [0, 0, 1, 2, 7, 1000]
const MS = ['1700000000000', '1700000015000']
const value = fc.oneof(
  fc.constantFrom(0, 1, 12, 0.5, -3, Number.NaN, Number.POSITIVE_INFINITY).map(toBits),
  fc.constant(STALE_BITS),
  fc.double().map(toBits),
)
const timestamp = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom(...MS) },
  { weight: 1, arbitrary: fc.constantFrom('0', '-1', '18446744073709', '18446744073710') },
)
const startTimestamp = fc.constantFrom('0', '0', '0', '1600000000001', '-5', '18446744073710')
const sample = fc.record({ valueBits: value, timestamp, startTimestamp })
const common = fc.record(
  {
    job: fc.constantFrom('api', 'shop/api', 'a/b/c', '/api'),
    instance: fc.constantFrom('a:1', 'b:2'),
    guid: fc.constant('team-a'),
    code: fc.constantFrom('200', '500'),
    zone: fc.constantFrom('é', '\u{1F600}'),
    otel_scope_name: fc.constantFrom('lib', 'lib2'),
    otel_scope_version: fc.constant('1.2'),
    otel_scope_schema_url: fc.constant('https://example.org/schema'),
    otel_scope_mascot: fc.constantFrom('bear', 'gopher'),
    otel_scope_: fc.constant('odd'),
  },
  { requiredKeys: ['guid'] },
)
const exemplar: fc.Arbitrary<Exemplar> = fc.record({
  labels: fc.record(
    {
      trace_id: fc.constantFrom(
        '0af7651916cd43dd8448eb211c80319c',
        '0AF7651916CD43DD8448EB211C80319C',
        '0'.repeat(32),
        'no',
      ),
      span_id: fc.constantFrom('b7ad6b7169203331', '0'.repeat(16), 'b7ad6b716920333g'),
      user: fc.constant('é'),
      guid: fc.constant('kept'),
    },
    { requiredKeys: [] },
  ),
  valueBits: value,
  timestamp: fc.oneof({ weight: 9, arbitrary: fc.constantFrom('1699999999000', ...MS) }, fc.constant('-7')),
})
const exemplars = fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(exemplar, { maxLength: 3 }))

interface Kind {
  readonly type: number
  /** Name without the family's, and further labels, of each series; `undefined` labels: for each bound. */
  readonly series: readonly (readonly [suffix: string, bounds?: readonly (readonly [string, string])[]])[]
}

const LE = ['0.1', '1', '1e1', '+Inf'].map((le) => ['le', le] as const)
const QUANTILES = ['0', '0.5', '0.99'].map((quantile) => ['quantile', quantile] as const)
const KINDS: readonly Kind[] = [
  { type: 0, series: [[''], ['_total'], ['_count']] },
  { type: 1, series: [['_total'], ['_created']] },
  { type: 1, series: [[''], ['_created']] },
  { type: 2, series: [['']] },
  { type: 3, series: [['_bucket', LE], ['_count'], ['_sum'], ['_created']] },
  { type: 3, series: [['_bucket', [...LE, ['le', '10'], ['le', 'x']]], ['_bucket'], ['_count'], ['_sum']] },
  { type: 4, series: [['_bucket', LE], ['_gcount'], ['_gsum']] },
  { type: 5, series: [['', QUANTILES], ['_count'], ['_sum'], ['_created']] },
  { type: 5, series: [['_count'], ['_sum']] },
  { type: 6, series: [['_info']] },
  { type: 7, series: [['']] },
]

/** One family of one target, most of whose series are there and agree with each other. */
function family(): fc.Arbitrary<DraftSeries[]> {
  return fc
    .record({
      kind: fc.constantFrom(...KINDS),
      name: fc.constantFrom('foo', 'bar', 'leaky_bucket', 'target'),
      labels: common,
      help: fc.constantFrom('', 'Helps.', 'Helps a lot. é'),
      unit: fc.constantFrom('', 'seconds', 'bytes', 'ratio'),
      timestamp,
      startTimestamp,
      allStale: fc.constantFrom(false, false, false, true),
      counts: fc.array(fc.constantFrom(...COUNTS), { minLength: 8, maxLength: 8 }),
      odd: fc.array(fc.record({ at: fc.nat({ max: 9 }), sample, exemplars, isGone: fc.boolean() }), {
        maxLength: 2,
      }),
      created: fc.constantFrom(1_650_000_000.123456, 12, 1_900_000_000, Number.NaN),
      ownExemplars: exemplars,
    })
    .map(({ kind, name, labels, help, unit, timestamp: ms, startTimestamp: start, ...rest }) => {
      const drafts: DraftSeries[] = []
      let total = 0
      for (const [suffix, bounds] of kind.series) {
        for (const bound of bounds ?? [undefined]) {
          total += suffix === '_bucket' || suffix === '' ? (rest.counts[drafts.length % 8] ?? 0) : 0
          const plain = suffix === '_created' ? rest.created : suffix === '_sum' ? 12.5 : total
          drafts.push({
            labels: {
              ...labels,
              __name__: name + suffix,
              ...(bound === undefined ? {} : { [bound[0]]: bound[1] }),
            },
            samples: [
              { valueBits: rest.allStale ? STALE_BITS : toBits(plain), timestamp: ms, startTimestamp: start },
            ],
            exemplars: suffix === '_bucket' || suffix === '_total' ? rest.ownExemplars : [],
            ...(kind.type === 0 ? {} : { type: kind.type, family: name, help, unit }),
          })
        }
      }
      for (const { at, sample: other, exemplars: more, isGone } of rest.odd) {
        const draft = drafts[at]
        if (draft === undefined) continue
        const changed = { ...draft, samples: [...(draft.samples ?? []), other], exemplars: more }
        drafts.splice(at, 1, ...(isGone ? [] : [changed]))
      }
      return drafts
    })
}

const spanSide = (isFloat: boolean) =>
  fc
    .array(
      fc.record({ gap: fc.nat({ max: 40 }), counts: fc.array(fc.constantFrom(...COUNTS), { maxLength: 4 }) }),
      { maxLength: 3 },
    )
    .chain((runs) =>
      fc.record({
        first: fc.constantFrom(-30, -1, 0, 1, 3, 64, 1023, 1024, 16_384),
        runs: fc.constant(runs),
      }),
    )
    .map(({ first, runs }) => {
      const counts = runs.flatMap((run) => run.counts)
      const spans = runs.map((run, i) => ({ offset: i === 0 ? first : run.gap, length: run.counts.length }))
      const deltas = counts.map((count, i) => String(count - (counts[i - 1] ?? 0)))
      return { spans, deltas: isFloat ? [] : deltas, bits: isFloat ? counts.map(toBits) : [] }
    })

/** A native histogram that Prometheus could have sent, exponential or with custom buckets. */
export const nativeHistogram: fc.Arbitrary<Histogram> = fc.boolean().chain((isFloat) =>
  fc
    .record({
      positive: spanSide(isFloat),
      negative: spanSide(isFloat),
      schema: fc.constantFrom(-53, -53, -5, -4, 0, 3, 8, 9),
      sumBits: value,
      zero: fc.constantFrom(...COUNTS, isFloat ? 0.5 : 3),
      resetHint: fc.constantFrom(0, 0, 1, 2, 3),
      bounds: fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { maxLength: 12 }),
      timestamp,
      startTimestamp,
    })
    .map(({ positive, negative, bounds, zero, schema, ...rest }): Histogram => {
      const isCustom = schema === -53
      const ordered = bounds.toSorted((left, right) => left - right)
      const [first, ...others] = positive.spans
      const spans =
        isCustom && first !== undefined
          ? [{ ...first, offset: Math.abs(first.offset) % 4 }, ...others]
          : positive.spans
      return {
        ...rest,
        schema,
        zeroThresholdBits: toBits(2 ** -128),
        positiveSpans: spans,
        positiveDeltas: positive.deltas,
        positiveCountsBits: positive.bits,
        ...(isCustom
          ? { customValuesBits: ordered.map(toBits) }
          : {
              negativeSpans: negative.spans,
              negativeDeltas: negative.deltas,
              negativeCountsBits: negative.bits,
            }),
        ...(isFloat
          ? { countFloatBits: toBits(9), zeroCountFloatBits: toBits(isCustom ? 0 : zero) }
          : { countInt: '9', zeroCountInt: String(isCustom ? 0 : zero) }),
      }
    }),
)

const native: fc.Arbitrary<DraftSeries[]> = fc
  .record({
    labels: common,
    histograms: fc.array(nativeHistogram, { minLength: 1, maxLength: 2 }),
    samples: fc.array(sample, { maxLength: 1 }),
    exemplars,
    type: fc.constantFrom(0, 3, 3, 3, 4),
  })
  .map(({ labels, ...rest }) => [{ ...rest, labels: { ...labels, __name__: 'native' }, family: 'native' }])

const other: fc.Arbitrary<DraftSeries[]> = fc
  .record({
    labels: common,
    name: fc.constantFrom('target_info', 'up', 'foo_total', 'foo_bucket'),
    samples: fc.array(sample, { maxLength: 2 }),
    exemplars,
  })
  .map(({ labels, name, ...rest }) => [{ ...rest, labels: { ...labels, __name__: name } }])

/** A whole request. */
export const arbitraryDrafts: fc.Arbitrary<DraftSeries[]> = fc
  .tuple(
    fc.array(fc.oneof({ weight: 3, arbitrary: family() }, native, other), { maxLength: 5 }),
    fc.boolean(),
    fc.boolean(),
  )
  .map(([families, isSplit, isReversed]) => {
    // Prometheus sends exemplars as series without samples, behind those with them.
    const drafts = families.flat().flatMap((draft) => {
      const { samples, histograms, ...alone } = draft
      return isSplit && (draft.exemplars ?? []).length > 0 ? [{ ...draft, exemplars: [] }, alone] : [draft]
    })
    return isReversed ? drafts.toReversed() : drafts
  })
