/**
 * Random remote write messages: the model, and bytes that mean it in some unusual way. With `flaws`, some series have
 * one of the faults for which a series is refused while its neighbours go through.
 */
import fc from 'fast-check'
import {
  type BucketSpan,
  type ByteText,
  byteText,
  type Extras,
  type Histogram,
  type Label,
  type OracleRules,
  type OracleSource,
  type Sample,
  type V1Metadata,
  type V1Model,
  type V1Series,
  type V2Model,
  type V2Series,
} from './oracle/index.ts'
import { Random } from './random.ts'
import { encodeVariedV1, encodeVariedV2 } from './varied-encoding.ts'

export interface GeneratedV1 {
  readonly model: V1Model
  readonly bytes: Buffer
}

export interface GeneratedV2 {
  readonly model: V2Model
  readonly bytes: Buffer
}

export interface GeneratorOptions {
  /** Some series get a fault for which they are refused. Default: none has one. */
  readonly flaws?: boolean
  /** Series in a message, at most. Default 8. */
  readonly seriesMax?: number
}

/** 1.0 messages and their bytes. */
export function arbitraryV1(options: GeneratorOptions = {}): fc.Arbitrary<GeneratedV1> {
  const model = fc
    .record({
      timeseries: fc.array(v1Series(options.flaws ?? false), { maxLength: options.seriesMax ?? 8 }),
      metadata: rarely(fc.array(V1_METADATA, { maxLength: 4 })).map((list) => list ?? []),
      extras: EXTRAS,
    })
    .map(({ extras, ...rest }): V1Model => sparse({ ...rest, ...extras }))
  return fc
    .tuple(model, ENCODING_SEED)
    .map(([model, seed]) => ({ model, bytes: encodeVariedV1(model, seed) }))
}

/** 2.0 messages and their bytes. The table begins with the empty text; it may hold a text twice, or one not used. */
export function arbitraryV2(options: GeneratorOptions = {}): fc.Arbitrary<GeneratedV2> {
  const drafts = fc.array(v2Draft(options.flaws ?? false), { maxLength: options.seriesMax ?? 8 })
  return fc.tuple(drafts, EXTRAS, ENCODING_SEED).map(([drafts, extras, seed]) => {
    const model: V2Model = sparse({ ...v2Model(drafts, new Random(seed)), ...extras })
    return { model, bytes: encodeVariedV2(model, seed) }
  })
}

/** Rules with every kind of source and answer; the stamped name is mostly `guid`. */
export function arbitraryRules(): fc.Arbitrary<OracleRules> {
  const source: fc.Arbitrary<OracleSource> = fc.oneof(
    fc.record({ kind: fc.constant('constant' as const), value: GUID }),
    fc.record({
      kind: fc.constant('label' as const),
      name: fc.constantFrom('guid', 'namespace', 'name', 'job', 'absent'),
    }),
    fc.record({
      kind: fc.constant('label' as const),
      name: fc.constantFrom('namespace', 'job'),
      match: fc.constantFrom(/^team-(.+)$/, /^([a-z]+)/),
    }),
  )
  return fc.record({
    sources: fc.array(source, { maxLength: 4 }),
    name: fc.oneof(
      { weight: 4, arbitrary: fc.constant('guid') },
      { weight: 1, arbitrary: fc.constantFrom('zz', 'AA', 'job') },
    ),
    conflict: fc.constantFrom('overwrite' as const, 'keep' as const, 'reject' as const),
    missing: fc.oneof(
      fc.record({ action: fc.constant('stamp' as const), guid: fc.constant('unassigned') }),
      fc.record({ action: fc.constantFrom('reject' as const, 'drop' as const) }),
    ),
  })
}

const NAMES = [
  '__name__',
  'job',
  'instance',
  'namespace',
  'name',
  'group',
  'guic',
  'guie',
  'gui',
  'guid_',
  'Guid',
  'GUID',
  'Zone',
  'le',
  'zone',
  'é',
  '\u{1F600}',
  '\uFFFD',
  '\uE000',
  '日本',
  '~',
].map(byteText)

const ENCODING_SEED = fc.oneof({ weight: 1, arbitrary: fc.constant(0) }, { weight: 9, arbitrary: fc.nat() })
const GUID = fc.constantFrom('team-a', 'team-b', 'a', 'A.b_c-9', `x${'y'.repeat(126)}z`)
/** Lengths at which a varint grows, here and, with what surrounds the text, one level up. */
const EDGE_LENGTHS = [110, 120, 126, 127, 128, 129, 16_360, 16_383, 16_384]

const VALUE: fc.Arbitrary<ByteText> = fc.oneof(
  { weight: 6, arbitrary: GUID },
  { weight: 6, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }).map(byteText) },
  { weight: 2, arbitrary: fc.constantFrom('guid', '-not-a-guid', '../etc', 'team-', 'node:9100') },
  { weight: 1, arbitrary: fc.constantFrom(...EDGE_LENGTHS).map((length) => 'v'.repeat(length)) },
)
const NAME: fc.Arbitrary<ByteText> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...NAMES) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }).map(byteText) },
  { weight: 1, arbitrary: fc.constantFrom(127, 128).map((length) => 'n'.repeat(length)) },
)
/** What a forged or honest guid label holds. */
const CLAIM: fc.Arbitrary<ByteText> = fc.oneof(GUID, fc.constantFrom('evil', '', '-', 'a/b', 'x'.repeat(129)))

const UINT64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String)
const INT64 = fc
  .oneof(
    fc.bigInt({ min: 1_700_000_000_000n, max: 1_800_000_000_000n }),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  )
  .map(String)
/** Bits of doubles: the staleness marker, other NaNs, infinities, zeros, anything. */
const DOUBLE_BITS = fc.oneof(
  fc
    .constantFrom(
      0x7ff0000000000002n,
      0x7ff8000000000001n,
      0xfff8000000000000n,
      0x7ff0000000000000n,
      0n,
      2n ** 63n,
    )
    .map(String),
  UINT64,
)

const EXTRAS: fc.Arbitrary<Extras> = rarely(
  fc.record(
    {
      extraFixed32: fc.array(fc.nat(), { minLength: 1, maxLength: 2 }),
      extraVarint: fc.array(UINT64, { minLength: 1, maxLength: 2 }),
      extraFixed64: fc.array(UINT64, { minLength: 1, maxLength: 2 }),
      extraBytes: fc.array(VALUE, { minLength: 1, maxLength: 2 }),
    },
    { requiredKeys: [] },
  ),
).map((extras) => extras ?? {})

function rarely<Value>(arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> {
  return fc.option(arbitrary, { nil: undefined, freq: 1 })
}

function withExtras<Value extends object>(arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<Value> {
  return fc.tuple(arbitrary, EXTRAS).map(([value, extras]) => sparse({ ...value, ...extras }))
}

/** The object without keys whose value is undefined or an empty array. */
function sparse<Value extends object>(value: Value): Value {
  const entries = Object.entries(value).filter(
    ([, field]) => field !== undefined && !(Array.isArray(field) && field.length === 0),
  )
  return Object.fromEntries(entries) as Value
}

const SPAN: fc.Arbitrary<BucketSpan> = withExtras(
  fc.record({ offset: fc.integer(), length: fc.nat({ max: 2 ** 32 - 1 }) }, { requiredKeys: [] }),
)

function histogram(version: 1 | 2): fc.Arbitrary<Histogram> {
  const deltas = fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String), { maxLength: 5 })
  const bits = fc.array(DOUBLE_BITS, { maxLength: 5 })
  const spans = fc.array(SPAN, { maxLength: 3 })
  const fields = {
    countInt: UINT64,
    countFloatBits: DOUBLE_BITS,
    sumBits: DOUBLE_BITS,
    schema: fc.constantFrom(-53, -4, 0, 3, 8),
    zeroThresholdBits: DOUBLE_BITS,
    zeroCountInt: UINT64,
    zeroCountFloatBits: DOUBLE_BITS,
    negativeSpans: spans,
    negativeDeltas: deltas,
    negativeCountsBits: bits,
    positiveSpans: spans,
    positiveDeltas: deltas,
    positiveCountsBits: bits,
    resetHint: fc.nat({ max: 3 }),
    timestamp: INT64,
    customValuesBits: bits,
  }
  if (version === 1) return withExtras(fc.record(fields, { requiredKeys: [] }))
  return withExtras(fc.record({ ...fields, startTimestamp: INT64 }, { requiredKeys: [] }))
}

function sample(version: 1 | 2): fc.Arbitrary<Sample> {
  const fields = { valueBits: DOUBLE_BITS, timestamp: INT64 }
  if (version === 1) return withExtras(fc.record(fields, { requiredKeys: [] }))
  return withExtras(fc.record({ ...fields, startTimestamp: INT64 }, { requiredKeys: [] }))
}

const V1_LABEL: fc.Arbitrary<Label> = withExtras(fc.record({ name: NAME, value: VALUE }))

const V1_METADATA: fc.Arbitrary<V1Metadata> = withExtras(
  fc.record(
    { type: fc.nat({ max: 7 }), metricFamilyName: NAME, help: VALUE, unit: VALUE },
    { requiredKeys: [] },
  ),
)

/** Faults for which one series is refused. The last two exist in 2.0 only. */
const FLAWS = ['unsorted', 'repeated', 'no name', 'no value', 'not UTF-8', 'odd', 'outside'] as const
type Flaw = (typeof FLAWS)[number]

/** Labels sorted by their bytes, each name once, with claims of a guid at any place; then perhaps a flaw. */
function labels(flaw: fc.Arbitrary<Flaw | undefined>): fc.Arbitrary<Label[]> {
  const claims = fc.array(fc.tuple(fc.nat(), CLAIM), { maxLength: 2 })
  const drafts = fc.uniqueArray(V1_LABEL, { maxLength: 8, selector: (label) => label.name })
  return fc.tuple(drafts, claims, flaw).map(([drafts, claims, flaw]) => {
    const sorted = drafts
      .filter(({ name }) => name !== 'guid')
      .sort((left, right) => ((left.name ?? '') < (right.name ?? '') ? -1 : 1))
    const result = flawed(sorted, flaw)
    for (const [place, value] of claims)
      result.splice(place % (result.length + 1), 0, { name: 'guid', value })
    return result
  })
}

function flawed(sorted: readonly Label[], flaw: Flaw | undefined): Label[] {
  const [first, ...rest] = sorted
  if (first === undefined) return [...sorted]
  switch (flaw) {
    case 'unsorted':
      return [...rest, first]
    case 'repeated':
      return [first, ...sorted]
    case 'no name':
      return [{ value: 'orphan' }, ...sorted]
    case 'no value':
      return [{ name: first.name ?? 'a' }, ...rest]
    case 'not UTF-8':
      return [{ ...first, value: '\xc3\x28' }, ...rest]
    default:
      return [...sorted]
  }
}

function flawArbitrary(flaws: boolean): fc.Arbitrary<Flaw | undefined> {
  return flaws ? fc.option(fc.constantFrom(...FLAWS), { nil: undefined, freq: 3 }) : fc.constant(undefined)
}

function v1Series(flaws: boolean): fc.Arbitrary<V1Series> {
  return withExtras(
    fc.record({
      labels: labels(flawArbitrary(flaws)),
      samples: fc.array(sample(1), { maxLength: 3 }),
      exemplars: fc.array(
        withExtras(
          fc.record({
            labels: fc.array(V1_LABEL, { maxLength: 2 }),
            valueBits: DOUBLE_BITS,
            timestamp: INT64,
          }),
        ),
        { maxLength: 2 },
      ),
      histograms: rarely(fc.array(histogram(1), { maxLength: 2 })).map((list) => list ?? []),
    }),
  )
}

/** A 2.0 series whose texts are not yet in a table. */
interface V2Draft {
  readonly labels: Label[]
  readonly flaw: Flaw | undefined
  readonly rest: Omit<V2Series, 'labelsRefs' | 'exemplars' | 'metadata'>
  readonly exemplars: { readonly labels: Label[]; readonly valueBits: string; readonly timestamp: string }[]
  readonly metadata: { readonly type: number; readonly help: ByteText; readonly unit: ByteText } | undefined
}

function v2Draft(flaws: boolean): fc.Arbitrary<V2Draft> {
  return flawArbitrary(flaws).chain((flaw) =>
    fc.record({
      labels: labels(fc.constant(flaw)),
      flaw: fc.constant(flaw),
      rest: withExtras(
        fc.record({
          samples: fc.array(sample(2), { maxLength: 3 }),
          histograms: rarely(fc.array(histogram(2), { maxLength: 2 })).map((list) => list ?? []),
        }),
      ),
      exemplars: fc.array(
        fc.record({ labels: fc.array(V1_LABEL, { maxLength: 2 }), valueBits: DOUBLE_BITS, timestamp: INT64 }),
        { maxLength: 2 },
      ),
      metadata: fc.option(fc.record({ type: fc.nat({ max: 7 }), help: VALUE, unit: VALUE }), {
        nil: undefined,
      }),
    }),
  )
}

function v2Model(drafts: readonly V2Draft[], random: Random): V2Model {
  const symbols: ByteText[] = ['']
  const intern = (text: ByteText): number => {
    const known = symbols.indexOf(text)
    if (known !== -1 && !random.oneIn(5)) return known
    if (random.oneIn(10)) symbols.push(random.pick(['guid', 'team-a', 'not used']))
    return symbols.push(text) - 1
  }
  const refsOf = (list: readonly Label[]): number[] =>
    list.flatMap(({ name, value }) => [intern(name ?? ''), intern(value ?? '')])
  const timeseries = drafts.map((draft): V2Series => {
    const refs = refsOf(draft.labels)
    if (draft.flaw === 'odd') refs.push(0)
    return sparse({
      ...draft.rest,
      labelsRefs: refs,
      exemplars: draft.exemplars.map(({ labels, ...rest }) =>
        sparse({ ...rest, labelsRefs: refsOf(labels) }),
      ),
      ...(draft.metadata === undefined
        ? {}
        : {
            metadata: {
              type: draft.metadata.type,
              helpRef: intern(draft.metadata.help),
              unitRef: intern(draft.metadata.unit),
            },
          }),
    })
  })
  for (const [index, draft] of drafts.entries()) {
    if (draft.flaw === 'outside')
      timeseries[index]?.labelsRefs?.push(0, symbols.length + random.below(1_000_000))
  }
  return { symbols, timeseries }
}
