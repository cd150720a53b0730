/** A native histogram in OTLP's terms, with exact integers and no thought of speed. */
import type { BucketSpan, Histogram } from '../oracle/index.ts'
import type { PlainPoint } from './decode.ts'

export const STALE_BITS = String(0x7ff0000000000002n)
const BUCKETS_MAX = 16_384
const EXACT_MAX = 2n ** 53n - 1n

export function fromBits(bits: string): number {
  const view = new DataView(new ArrayBuffer(8))
  view.setBigUint64(0, BigInt(bits))
  return view.getFloat64(0)
}

export function toBits(value: number): string {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  return String(view.getBigUint64(0))
}

type Values = Omit<PlainPoint, 'attributes' | 'time' | 'start' | 'exemplars' | 'noValue'>
export type Native =
  | { readonly problem: string }
  | { readonly form: string; readonly noValue: boolean; readonly values: Values; readonly overflow: number }

class Problem extends Error {}

export function nativeOf(histogram: Histogram, type: number): Native {
  const schema = histogram.schema ?? 0
  if (type === 4 || histogram.resetHint === 3) return { problem: 'gauge_histogram' }
  if (schema !== -53 && (schema < -4 || schema > 8)) return { problem: 'histogram_schema' }
  const noValue = histogram.sumBits === STALE_BITS
  const form = schema === -53 ? 'histogram 2' : 'exponential_histogram 2'
  if (noValue) {
    const values: Values = { count: undefined, sumBits: undefined }
    return { form, noValue, values: schema === -53 ? values : { ...values, scale: schema }, overflow: 0 }
  }
  try {
    const found = schema === -53 ? custom(histogram) : exponential(histogram, schema)
    if (BigInt(found.values.count ?? 0) > EXACT_MAX) return { problem: 'histogram_count' }
    return { form, noValue, ...found }
  } catch (error) {
    if (error instanceof Problem) return { problem: error.message }
    throw error
  }
}

type Found = { values: Values; overflow: number }

/** The last of the two kinds of count on the wire decides; protobufjs keeps both, so tests send one. */
function isFloat(histogram: Histogram): boolean {
  return histogram.countFloatBits !== undefined
}

function exponential(histogram: Histogram, schema: number): Found {
  const zero = zeroCount(histogram)
  const limit = Math.round(1024 * 2 ** schema)
  const positive = bucketsOf(histogram, 'positive')
  const [above, dense] = densified(positive, limit)
  const [below, denseNegative] = densified(bucketsOf(histogram, 'negative'), limit)
  const sum = (counts: readonly string[] | undefined) =>
    (counts ?? []).slice(1).reduce((total, count) => total + BigInt(count), 0n)
  return {
    overflow: above + below,
    values: {
      count: String(zero + sum(dense) + sum(denseNegative)),
      sumBits: histogram.sumBits ?? '0',
      scale: schema,
      zeroCount: String(zero),
      zeroThresholdBits: histogram.zeroThresholdBits ?? '0',
      positive: dense,
      negative: denseNegative,
    },
  }
}

function custom(histogram: Histogram): Found {
  const bits = histogram.customValuesBits ?? []
  const bounds = bits.map(fromBits)
  if (bounds.some((bound, i) => !Number.isFinite(bound) || (i > 0 && bound <= bounds[i - 1]!)))
    throw new Problem('histogram_malformed')
  if (bounds.length >= BUCKETS_MAX) throw new Problem('histogram_buckets')
  const zero = isFloat(histogram)
    ? fromBits(histogram.zeroCountFloatBits ?? '0')
    : Number(histogram.zeroCountInt ?? 0)
  if ((histogram.negativeSpans ?? []).length > 0 || zero !== 0) throw new Problem('histogram_malformed')
  const counts = new Array<bigint>(bounds.length + 1).fill(0n)
  const buckets = bucketsOf(histogram, 'positive')
  densified(buckets, Number.POSITIVE_INFINITY)
  for (const { index, count } of buckets) {
    if (index < 0 || index >= counts.length) throw new Problem('histogram_malformed')
    counts[index] = count
  }
  const total = counts.reduce((left, right) => left + right, 0n)
  return {
    overflow: 0,
    values: {
      count: String(total),
      sumBits: histogram.sumBits ?? '0',
      boundsBits: bits,
      counts: counts.map(String),
    },
  }
}

function zeroCount(histogram: Histogram): bigint {
  if (!isFloat(histogram)) return BigInt(histogram.zeroCountInt ?? 0)
  const value = fromBits(histogram.zeroCountFloatBits ?? '0')
  if (!Number.isInteger(value)) throw new Problem('float_histogram')
  if (value < 0) throw new Problem('histogram_malformed')
  return BigInt(value)
}

interface Bucket {
  readonly index: number
  readonly count: bigint
}

/** The buckets of one sign by Prometheus' index. */
function bucketsOf(histogram: Histogram, sign: 'positive' | 'negative'): Bucket[] {
  const spans: readonly BucketSpan[] = histogram[`${sign}Spans`] ?? []
  const floats = histogram[`${sign}CountsBits`] ?? []
  const deltas = histogram[`${sign}Deltas`] ?? []
  const given = isFloat(histogram) ? floats.length : deltas.length
  const buckets: Bucket[] = []
  let index = 0
  let before = 0n
  for (const [i, { offset = 0, length = 0 }] of spans.entries()) {
    if ((i > 0 && offset < 0) || buckets.length + length > given) throw new Problem('histogram_malformed')
    index += offset
    for (let n = 0; n < length; n++, index++) {
      const count = isFloat(histogram)
        ? wholeCount(fromBits(floats[buckets.length]!))
        : before + exactDelta(deltas[buckets.length]!)
      if (count < 0n || index - 1 < -(2 ** 31)) throw new Problem('histogram_malformed')
      if (count > EXACT_MAX) throw new Problem('histogram_count')
      buckets.push({ index, count })
      before = count
    }
  }
  if (buckets.length !== given) throw new Problem('histogram_malformed')
  return buckets
}

function wholeCount(value: number): bigint {
  if (!Number.isInteger(value)) throw new Problem('float_histogram')
  return BigInt(value)
}

/** A delta counts as beyond what is exact when its zigzag form is. */
function exactDelta(text: string): bigint {
  const delta = BigInt(text)
  const zigzag = delta < 0n ? -2n * delta - 1n : 2n * delta
  if (zigzag > EXACT_MAX) throw new Problem('histogram_count')
  return delta
}

/** How many filled buckets lie above `limit`; then OTLP's offset and the counts of the others without gaps. */
function densified(buckets: readonly Bucket[], limit: number): [number, string[] | undefined] {
  const kept = buckets.filter(({ index }) => index <= limit)
  const overflow = buckets.filter(({ index, count }) => index > limit && count > 0n).length
  const [first, last] = [kept[0], kept.at(-1)]
  if (first === undefined || last === undefined) return [overflow, undefined]
  if (last.index - first.index >= BUCKETS_MAX) throw new Problem('histogram_buckets')
  const counts = new Array<string>(last.index - first.index + 1).fill('0')
  for (const { index, count } of kept) counts[index - first.index] = String(count)
  return [overflow, [String(first.index - 1), ...counts]]
}
