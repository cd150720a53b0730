/**
 * What a series is, from its metadata and its name.
 *
 * The types are those of both versions' metadata (prompb/types.proto, MetricMetadata.MetricType; 2.0 has the same
 * numbers). The parts of a classic histogram or summary are told apart as Prometheus does when it scrapes
 * (OpenMetrics 1.0, "Suffixes").
 */

export const UNKNOWN = 0
export const COUNTER = 1
export const GAUGE = 2
export const HISTOGRAM = 3
export const GAUGE_HISTOGRAM = 4
export const SUMMARY = 5
export const INFO = 6
export const STATESET = 7

/** The value of the metric's metadata `prometheus.type`, by number of the type. */
export const typeNames = [
  'unknown',
  'counter',
  'gauge',
  'histogram',
  'gaugehistogram',
  'summary',
  'info',
  'stateset',
] as const

/** The form of a metric's data; some have one message type and differ in what it says. */
export const forms = ['gauge', 'counter', 'sum', 'histogram', 'exponential', 'summary'] as const
export type Form = (typeof forms)[number]

/** Which part of a family a series is; `whole` when it is no part of one. */
export type Part = 'whole' | 'bucket' | 'quantile' | 'count' | 'sum' | 'created'

/** What is known of a series beside its labels. Texts hold one character per byte. */
export interface Description {
  readonly type: number
  readonly unit: string
  readonly help: string
  /** The family that the metadata is of; undefined in 2.0, whose metadata names none. */
  readonly family: string | undefined
}

/** The part that the series `name` is. `hasLe`, `hasQuantile`: whether it has that label. */
export function partOf(name: string, description: Description, hasLe: boolean, hasQuantile: boolean): Part {
  const { type, family } = description
  if (type !== HISTOGRAM && type !== SUMMARY && type !== COUNTER) return 'whole'
  if (type === SUMMARY && hasQuantile) return 'quantile'
  // A family may itself be called `leaky_bucket`; 1.0 says so.
  if (family === name) return 'whole'
  if (name.endsWith('_created')) return 'created'
  if (type === COUNTER) return 'whole'
  if (type === HISTOGRAM && name.endsWith('_bucket')) return hasLe ? 'bucket' : 'whole'
  if (name.endsWith('_count')) return 'count'
  return name.endsWith('_sum') ? 'sum' : 'whole'
}

const suffixes: Readonly<Record<Part, string>> = {
  whole: '',
  bucket: '_bucket',
  quantile: '',
  count: '_count',
  sum: '_sum',
  created: '_created',
}

/** The family's name: `name` without the suffix of its part, for a counter without `_total`. */
export function familyOf(name: string, type: number, part: Part): string {
  if (type === COUNTER && part === 'whole') return name.endsWith('_total') ? name.slice(0, -6) : name
  return name.slice(0, name.length - suffixes[part].length)
}

/** The form of a series' own samples: of one that is no part, and of a part that is kept as it came. */
export function formOf(type: number, part: Part): Form {
  if (part === 'created') return 'gauge'
  switch (type) {
    case COUNTER:
      return 'counter'
    case INFO:
    case STATESET:
      return 'sum'
    case HISTOGRAM:
    case SUMMARY:
      if (part === 'bucket' || part === 'count') return 'counter'
      return part === 'sum' ? 'sum' : 'gauge'
    default:
      return 'gauge'
  }
}

/** Suffixes of series, and the types of a family that has such series; for 1.0, whose metadata names the family. */
const familySuffixes: readonly (readonly [suffix: string, types: readonly number[]])[] = [
  ['_total', [COUNTER]],
  ['_created', [COUNTER, HISTOGRAM, SUMMARY, GAUGE_HISTOGRAM]],
  ['_bucket', [HISTOGRAM, GAUGE_HISTOGRAM]],
  ['_count', [HISTOGRAM, SUMMARY]],
  ['_sum', [HISTOGRAM, SUMMARY]],
  ['_gcount', [GAUGE_HISTOGRAM]],
  ['_gsum', [GAUGE_HISTOGRAM]],
  ['_info', [INFO]],
]

const nothing: Description = { type: UNKNOWN, unit: '', help: '', family: undefined }

/** The metadata entries of a 1.0 request, by family. */
export class Families {
  readonly #entries = new Map<string, { readonly description: Description; isUsed: boolean; count: number }>()
  readonly #found = new Map<string, Description>()

  /** The first entry of a family counts. */
  add(family: string, type: number, unit: string, help: string): void {
    const entry = this.#entries.get(family)
    if (entry !== undefined) entry.count++
    else this.#entries.set(family, { description: { type, unit, help, family }, isUsed: false, count: 1 })
  }

  /** What the request says of the series `name`: unknown when it says nothing. */
  describe(name: string): Description {
    if (this.#entries.size === 0) return nothing
    const known = this.#found.get(name)
    if (known !== undefined) return known
    const description = this.#find(name)
    this.#found.set(name, description)
    return description
  }

  /** Entries that no series of the request belongs to. */
  unused(): number {
    let count = 0
    for (const entry of this.#entries.values()) if (!entry.isUsed) count += entry.count
    return count
  }

  #find(name: string): Description {
    const exact = this.#entries.get(name)
    if (exact !== undefined) {
      exact.isUsed = true
      return exact.description
    }
    for (const [suffix, types] of familySuffixes) {
      if (!name.endsWith(suffix)) continue
      const entry = this.#entries.get(name.slice(0, -suffix.length))
      if (entry === undefined || !types.includes(entry.description.type)) continue
      entry.isUsed = true
      return entry.description
    }
    return nothing
  }
}

/** Prometheus' words for units and OTLP's (UCUM), as the compatibility specification lists them, "Metric Metadata". */
const units: ReadonlyMap<string, string> = new Map([
  ['days', 'd'],
  ['hours', 'h'],
  ['minutes', 'min'],
  ['seconds', 's'],
  ['milliseconds', 'ms'],
  ['microseconds', 'us'],
  ['nanoseconds', 'ns'],
  ['bytes', 'By'],
  ['kibibytes', 'KiBy'],
  ['mebibytes', 'MiBy'],
  ['gibibytes', 'GiBy'],
  ['tebibytes', 'TiBy'],
  ['kilobytes', 'kBy'],
  ['megabytes', 'MBy'],
  ['gigabytes', 'GBy'],
  ['terabytes', 'TBy'],
  ['meters', 'm'],
  ['volts', 'V'],
  ['amperes', 'A'],
  ['joules', 'J'],
  ['watts', 'W'],
  ['grams', 'g'],
  ['celsius', 'Cel'],
  ['hertz', 'Hz'],
  ['percent', '%'],
])

/** The unit in OTLP's words; one that is not in the list stays as it came. */
export function otlpUnit(unit: string): string {
  return units.get(unit) ?? unit
}
