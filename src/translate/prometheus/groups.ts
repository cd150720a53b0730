/**
 * Classic histograms and summaries: many series in Prometheus, one point in OTLP (compatibility specification,
 * "Histograms" and "Summaries").
 *
 * A group is the parts of one family that have the same labels and the same timestamp in one request. When they make a
 * whole, they become one point; otherwise each is kept as the series it was, because the rest may be in another request.
 * A whole histogram has one sum, one count and buckets up to `+Inf`, whose counts are whole numbers, do not fall, and
 * end with the count. A whole summary has one sum and one count. All parts are stale, or none is.
 */
import { doubleAt, isStale } from './cursor.ts'
import type { Buckets, Quantiles } from './points.ts'
import type { Scope } from './tree.ts'
import { type Description, HISTOGRAM, type Part } from './types.ts'

export interface PartSample {
  readonly part: Part
  /** The series' own name. */
  readonly name: string
  /** The text of `le` or `quantile`; '' without one. */
  readonly bound: string
  readonly valueAt: number
  readonly start: bigint | undefined
  /** Encoded as field 5. */
  readonly exemplars: string
  readonly exemplarCount: number
}

export interface Group {
  readonly scope: Scope
  readonly family: string
  readonly description: Description
  readonly time: bigint
  /** Encoded as field 7, without `le` and `quantile`. */
  readonly attributes: string
  readonly parts: PartSample[]
}

/** What a group's parts are together: `stale` all, a whole, or undefined when they are none. */
export type Whole = 'stale' | Buckets | Quantiles

export class Groups {
  /** Parts that are held. */
  held = 0
  readonly #groups = new Map<string, Group>()

  add(group: Omit<Group, 'parts'>, sample: PartSample): void {
    const { scope, description, family, time, attributes } = group
    this.held++
    const key = `${scope.key} ${description.type} ${time} ${family}\0${attributes}`
    const known = this.#groups.get(key)
    if (known === undefined) this.#groups.set(key, { ...group, parts: [sample] })
    else known.parts.push(sample)
  }

  values(): Iterable<Group> {
    return this.#groups.values()
  }
}

/** Puts a group together. */
export function wholeOf(message: Buffer, group: Group): Whole | undefined {
  // Without a count and a sum it is none.
  if (group.parts.length < 2) return undefined
  const counts = group.parts.filter(({ part }) => part === 'count')
  const sums = group.parts.filter(({ part }) => part === 'sum')
  if (counts.length !== 1 || sums.length !== 1) return undefined
  const bounds = boundsOf(group.parts)
  if (bounds === undefined) return undefined
  const isHistogram = group.description.type === HISTOGRAM
  if (isHistogram && bounds.at(-1)?.bound !== Number.POSITIVE_INFINITY) return undefined
  if (!isHistogram && bounds.some(({ bound }) => !(bound >= 0 && bound <= 1))) return undefined
  const stale = group.parts.filter(({ valueAt }) => isStale(message, valueAt)).length
  if (stale > 0) return stale === group.parts.length ? 'stale' : undefined
  const count = doubleAt(message, counts[0]!.valueAt)
  if (!isCount(count)) return undefined
  const sumAt = sums[0]!.valueAt
  if (!isHistogram)
    return { count, sumAt, quantiles: bounds.map(({ bound, valueAt }) => ({ quantile: bound, valueAt })) }
  return bucketsOf(message, count, sumAt, bounds)
}

interface Bound {
  readonly bound: number
  readonly valueAt: number
}

function bucketsOf(
  message: Buffer,
  count: number,
  sumAt: number,
  bounds: readonly Bound[],
): Buckets | undefined {
  const counts: number[] = []
  let before = 0
  for (const { valueAt } of bounds) {
    const cumulative = doubleAt(message, valueAt)
    if (!isCount(cumulative) || cumulative < before) return undefined
    counts.push(cumulative - before)
    before = cumulative
  }
  if (before !== count) return undefined
  return { count, sumAt, counts, bounds: bounds.slice(0, -1).map(({ bound }) => bound) }
}

/** Buckets or quantiles by their bound; undefined when a bound is no number or occurs twice. */
function boundsOf(parts: readonly PartSample[]): Bound[] | undefined {
  const bounds: Bound[] = []
  for (const { part, bound, valueAt } of parts) {
    if (part === 'bucket' || part === 'quantile') bounds.push({ bound: boundOf(bound), valueAt })
  }
  bounds.sort((left, right) => left.bound - right.bound)
  const isOrdered = bounds.every(({ bound }, i) =>
    i === 0 ? !Number.isNaN(bound) : bound > bounds[i - 1]!.bound,
  )
  return isOrdered ? bounds : undefined
}

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

/** The number that a label `le` or `quantile` names; NaN when it names none. */
function boundOf(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY
  const bound = decimal.test(text) ? Number(text) : Number.NaN
  return Number.isFinite(bound) ? bound : Number.NaN
}

/** True for what a count can be: whole, not negative, held exactly. */
function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
