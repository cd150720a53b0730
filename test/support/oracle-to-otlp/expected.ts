/**
 * What the translation of a remote write message must give, by the rules of docs/prometheus-to-otlp.md: list upon list of
 * plain objects, quadratic where that is simpler. Nothing here is shared with `src/`.
 */
import type { PlainExemplar, PlainPoint, PlainResource } from './decode.ts'
import { type InputExemplar, type InputSeries, type Labels, nameOf, readInput } from './input.ts'
import { fromBits, nativeOf, STALE_BITS, toBits } from './native.ts'

export interface ExpectedTranslation {
  readonly resources: readonly PlainResource[]
  readonly points: number
  readonly skipped: Readonly<Record<string, number>>
  readonly omitted: {
    readonly exemplars: number
    readonly startTimes: number
    readonly overflowBuckets: number
  }
  readonly apart: number
}

const TYPES = ['unknown', 'counter', 'gauge', 'histogram', 'gaugehistogram', 'summary', 'info', 'stateset']
const UNITS = new Map([
  ['seconds', 's'],
  ['bytes', 'By'],
])
const MONOTONIC = 'sum monotonic 2'
const SUM = 'sum 2'

interface Draft {
  readonly series: InputSeries
  readonly name: string
  readonly form: string
  readonly point: PlainPoint
}

interface PartDraft {
  readonly series: InputSeries
  readonly part: string
  readonly ms: bigint
  readonly start: string
  readonly bits: string
  readonly exemplars: readonly PlainExemplar[]
}

export function expectTranslation(version: 1 | 2, bytes: Buffer, guidName: string): ExpectedTranslation {
  const { series, unusedMetadata } = readInput(version, bytes, guidName)
  return new Expectation(series, unusedMetadata).run()
}

class Expectation {
  readonly #all: readonly InputSeries[]
  readonly #drafts: Draft[] = []
  readonly #parts: PartDraft[] = []
  readonly #skipped: Record<string, number> = {}
  readonly #omitted = { exemplars: 0, startTimes: 0, overflowBuckets: 0 }
  readonly #loneExemplars = new Map<string, PlainExemplar[]>()
  readonly #created = new Map<string, { series: InputSeries; start: string; isUsed: boolean }>()
  #apart = 0

  constructor(series: readonly InputSeries[], unusedMetadata: number) {
    this.#all = series
    if (unusedMetadata > 0) this.#skipped['metadata'] = unusedMetadata
  }

  run(): ExpectedTranslation {
    const isLone = ({ samples, histograms }: InputSeries) => samples.length + histograms.length === 0
    const isTarget = (one: InputSeries) => nameOf(one.labels) === 'target_info' && one.histograms.length === 0
    for (const one of this.#all.filter(isLone)) this.#keepLone(one)
    const rest = this.#all.filter((one) => !isLone(one))
    for (const one of rest) this.#keepCreated(one)
    const created = new Set([...this.#created.values()].map((entry) => entry.series))
    const targets = rest.filter(isTarget)
    for (const one of rest) if (!created.has(one) && !isTarget(one)) this.#series(one)
    this.#group()
    for (const entry of this.#created.values()) if (!entry.isUsed) this.#series(entry.series)
    const described = new Set(this.#drafts.map((draft) => resourceKey(draft.series)))
    for (const one of targets) {
      if (described.has(resourceKey(one))) this.#omitted.exemplars += one.exemplars.length
      else this.#series(one)
    }
    for (const list of this.#loneExemplars.values()) this.#omitted.exemplars += list.length
    return {
      resources: this.#drafts.map((draft) => plainResource(draft, this.#drafts, targets, described)),
      points: this.#drafts.length,
      skipped: this.#skipped,
      omitted: this.#omitted,
      apart: this.#apart,
    }
  }

  #skip(reason: string): void {
    this.#skipped[reason] = (this.#skipped[reason] ?? 0) + 1
  }

  #keepLone(one: InputSeries): void {
    if (one.exemplars.length === 0) this.#skip('empty_series')
    const key = JSON.stringify(one.labels)
    const list = this.#loneExemplars.get(key) ?? []
    list.push(...this.#exemplars(one.exemplars))
    this.#loneExemplars.set(key, list)
  }

  #keepCreated(one: InputSeries): void {
    const [sample] = one.samples
    if (partOf(one) !== 'created' || one.samples.length !== 1 || sample === undefined) return
    if (one.exemplars.length > 0 || nanoseconds(sample.ms) === undefined) return
    const seconds = fromBits(sample.bits)
    if (!(seconds >= 1e9 && seconds <= Number(sample.ms) / 1000)) return
    const key = familyKey(one, sample.ms)
    if (this.#created.has(key)) return
    const whole = Math.floor(seconds)
    const start = String(BigInt(whole) * 10n ** 9n + BigInt(Math.round((seconds - whole) * 1e9)))
    this.#created.set(key, { series: one, start, isUsed: false })
  }

  #startFromCreated(key: string): string {
    const entry = this.#created.get(key)
    if (entry !== undefined) entry.isUsed = true
    return entry?.start ?? '0'
  }

  #series(one: InputSeries): void {
    const waiting = [...one.exemplars]
    const items: ({ ms: bigint; startMs: bigint; make: (common: Common) => void } | 'skipped')[] = []
    const part = partOf(one)
    for (const sample of one.samples) {
      const make = (common: Common) => this.#sample(one, part, sample.ms, sample.bits, common)
      items.push({ ms: sample.ms, startMs: sample.startMs, make })
    }
    for (const histogram of one.histograms) {
      const native = nativeOf(histogram, one.type)
      if ('problem' in native) {
        // Its exemplars wait for the next point.
        this.#skip(native.problem)
        items.push('skipped')
        continue
      }
      const make = (common: Common) => {
        this.#omitted.overflowBuckets += native.overflow
        this.#draft(one, nameOf(one.labels), native.form, {
          ...common,
          noValue: native.noValue,
          ...native.values,
        })
      }
      const startMs = BigInt(histogram.startTimestamp ?? 0)
      items.push({ ms: BigInt(histogram.timestamp ?? 0), startMs, make })
    }
    for (const [i, item] of items.entries()) {
      if (item === 'skipped') continue
      const { ms, startMs, make } = item
      const time = nanoseconds(ms)
      if (time === undefined) {
        this.#skip('timestamp')
        continue
      }
      const isLast = i === items.length - 1
      const end = waiting.findIndex((exemplar) => !isLast && later(exemplar.ms, ms))
      const taken = waiting.splice(0, end < 0 ? waiting.length : end)
      const key = JSON.stringify(one.labels)
      const exemplars = [...this.#exemplars(taken), ...(this.#loneExemplars.get(key) ?? [])]
      this.#loneExemplars.delete(key)
      let start = startMs === 0n ? undefined : nanoseconds(startMs)
      if (startMs !== 0n && start === undefined) this.#omitted.startTimes++
      if (start === undefined && one.type === 1 && part === 'whole')
        start = this.#startFromCreated(familyKey(one, ms))
      make({ attributes: attributesOf(one), time, start: start ?? '0', exemplars })
    }
    this.#omitted.exemplars += waiting.length
  }

  #sample(one: InputSeries, part: string, ms: bigint, bits: string, common: Common): void {
    if (part !== 'whole' && part !== 'created') {
      this.#parts.push({ series: one, part, ms, start: common.start, bits, exemplars: common.exemplars })
      return
    }
    if (part === 'created') this.#apart++
    const form = { 1: MONOTONIC, 6: SUM, 7: SUM }[part === 'whole' ? one.type : 0] ?? 'gauge'
    this.#draft(one, nameOf(one.labels), form, { ...common, ...value(bits) })
  }

  #group(): void {
    const groups = new Map<string, PartDraft[]>()
    for (const part of this.#parts) {
      const key = familyKey(part.series, part.ms)
      groups.set(key, [...(groups.get(key) ?? []), part])
    }
    for (const [key, parts] of groups) {
      const values = wholeOf(parts)
      if (values === undefined) {
        for (const { series, part, ms, start, bits, exemplars } of parts) {
          this.#apart++
          const form = { bucket: MONOTONIC, count: MONOTONIC, sum: SUM }[part] ?? 'gauge'
          const common = { attributes: attributesOf(series), time: nanoseconds(ms) ?? '', start, exemplars }
          this.#draft(series, nameOf(series.labels), form, { ...common, ...value(bits) })
        }
        continue
      }
      const [{ series, ms }] = parts as [PartDraft]
      const isSummary = series.type === 5
      const exemplars = parts.flatMap((part) => part.exemplars)
      if (isSummary) this.#omitted.exemplars += exemplars.length
      const own = parts.find(({ part }) => part === 'count')?.start ?? '0'
      const common = {
        attributes: attributesOf(
          series,
          ['le', 'quantile'].includes(boundName(series)) ? boundName(series) : '',
        ),
        time: nanoseconds(ms) ?? '',
        start: own === '0' ? this.#startFromCreated(key) : own,
        exemplars: isSummary ? [] : exemplars,
      }
      this.#draft(series, familyOf(series), isSummary ? 'summary' : 'histogram 2', { ...common, ...values })
    }
  }

  #draft(series: InputSeries, name: string, form: string, point: PlainPoint): void {
    this.#drafts.push({ series, name, form, point })
  }

  #exemplars(list: readonly InputExemplar[]): PlainExemplar[] {
    return list.flatMap(({ labels: all, ms, bits }) => {
      // Of a repeated name the first counts.
      const labels = all.filter(([name], i) => all.findIndex((label) => label[0] === name) === i)
      const time = nanoseconds(ms)
      if (time === undefined) {
        this.#omitted.exemplars++
        return []
      }
      const id = (name: string, digits: number): string => {
        const found = labels.find((label) => label[0] === name)?.[1] ?? ''
        const isId = found.length === digits && /^[0-9a-fA-F]*$/.test(found) && /[^0]/.test(found)
        return isId ? found.toLowerCase() : ''
      }
      const [traceId, spanId] = [id('trace_id', 32), id('span_id', 16)]
      const isUsed = (name: string) =>
        (name === 'trace_id' && traceId !== '') || (name === 'span_id' && spanId !== '')
      const attributes = Object.fromEntries(labels.filter(([name]) => !isUsed(name)))
      return [{ attributes, time, valueBits: bits, traceId, spanId }]
    })
  }
}

type Common = Pick<PlainPoint, 'attributes' | 'time' | 'start' | 'exemplars'>

/** Signed 64-bit milliseconds: negative ones count as later than all others, as they have no sign in the comparison. */
function later(left: bigint, right: bigint): boolean {
  return BigInt.asUintN(64, left) > BigInt.asUintN(64, right)
}

function nanoseconds(ms: bigint): string | undefined {
  const value = ms * 1_000_000n
  return value >= 0n && value < 2n ** 64n ? String(value) : undefined
}

function value(bits: string): Pick<PlainPoint, 'noValue' | 'valueBits'> {
  return bits === STALE_BITS ? { noValue: true, valueBits: undefined } : { noValue: false, valueBits: bits }
}

function labelOf(labels: Labels, name: string): string | undefined {
  return labels.find((label) => label[0] === name)?.[1]
}

function partOf({ labels, type, family, histograms }: InputSeries): string {
  const name = nameOf(labels)
  if (histograms.length > 0 || ![1, 3, 5].includes(type)) return 'whole'
  if (type === 5 && labelOf(labels, 'quantile') !== undefined) return 'quantile'
  if (family === name) return 'whole'
  const suffix = /_(created|bucket|count|sum)$/.exec(name)?.[1] ?? 'whole'
  if (suffix === 'created') return suffix
  if (type === 1) return 'whole'
  if (suffix === 'bucket') return type === 3 && labelOf(labels, 'le') !== undefined ? suffix : 'whole'
  return suffix
}

function familyOf(one: InputSeries): string {
  const name = nameOf(one.labels)
  const part = partOf(one)
  if (part === 'whole') return one.type === 1 ? name.replace(/_total$/, '') : name
  return part === 'quantile' ? name : name.slice(0, -1 - part.length)
}

/** The label that tells the part from its neighbours. */
function boundName(one: InputSeries): string {
  return { bucket: 'le', quantile: 'quantile' }[partOf(one)] ?? ''
}

function familyKey(one: InputSeries, ms: bigint): string {
  const others = one.labels.filter(([name]) => name !== '__name__' && name !== boundName(one))
  return JSON.stringify([familyOf(one), one.type, String(ms), others])
}

function wholeOf(parts: readonly PartDraft[]): (Partial<PlainPoint> & { noValue: boolean }) | undefined {
  const only = (name: string) => {
    const found = parts.filter(({ part }) => part === name)
    return found.length === 1 ? found[0] : undefined
  }
  const [count, sum] = [only('count'), only('sum')]
  if (count === undefined || sum === undefined) return undefined
  const isSummary = count.series.type === 5
  const bounds = parts
    .filter(({ series }) => boundName(series) !== '')
    .map(({ series, bits }) => ({ text: labelOf(series.labels, boundName(series)) ?? '', bits }))
    .map(({ text, bits }) => ({ bound: text === '+Inf' && !isSummary ? Infinity : finite(text), bits }))
    .sort((left, right) => left.bound - right.bound)
  if (bounds.some(({ bound }) => Number.isNaN(bound))) return undefined
  if (bounds.some(({ bound }, i) => i > 0 && bound === bounds[i - 1]!.bound)) return undefined
  if (isSummary && bounds.some(({ bound }) => bound < 0 || bound > 1)) return undefined
  if (!isSummary && bounds.at(-1)?.bound !== Infinity) return undefined
  if (parts.every(({ bits }) => bits === STALE_BITS))
    return { noValue: true, count: undefined, sumBits: undefined }
  if (parts.some(({ bits }) => bits === STALE_BITS)) return undefined
  const total = fromBits(count.bits)
  if (!Number.isSafeInteger(total) || total < 0) return undefined
  const base = { noValue: false, count: String(BigInt(total)), sumBits: sum.bits }
  if (isSummary) return { ...base, quantilesBits: bounds.flatMap(({ bound, bits }) => [toBits(bound), bits]) }
  const cumulative = bounds.map(({ bits }) => fromBits(bits))
  const counts = cumulative.map((each, i) => each - (cumulative[i - 1] ?? 0))
  if (cumulative.some((each) => !Number.isSafeInteger(each)) || counts.some((each) => each < 0))
    return undefined
  if (cumulative.at(-1) !== total) return undefined
  const boundsBits = bounds.slice(0, -1).map(({ bound }) => toBits(bound))
  return { ...base, boundsBits, counts: counts.map((each) => String(BigInt(each))) }
}

function finite(text: string): number {
  const isDecimal = /^[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?$/.test(text)
  return isDecimal && Number.isFinite(Number(text)) ? Number(text) : Number.NaN
}

const isScopeLabel = (name: string): boolean => name.startsWith('otel_scope_') && name.length > 11

function attributesOf({ labels }: InputSeries, without = ''): Record<string, string> {
  const special = ['__name__', 'job', 'instance', without]
  return Object.fromEntries(labels.filter(([name]) => !special.includes(name) && !isScopeLabel(name)))
}

function resourceKey({ labels }: InputSeries): string {
  return JSON.stringify([labelOf(labels, 'job') ?? '', labelOf(labels, 'instance') ?? ''])
}

function scopeOf({ labels }: InputSeries) {
  const own = labels
    .filter(([name]) => isScopeLabel(name))
    .map(([name, text]) => [name.slice(11), text] as const)
  if (own.length === 0) return { name: 'guidepost', version: '', schemaUrl: '', attributes: {} }
  const named = (name: string) => own.find((label) => label[0] === name)?.[1] ?? ''
  const rest = own.filter(([name]) => !['name', 'version', 'schema_url'].includes(name))
  const [name, version, schemaUrl] = ['name', 'version', 'schema_url'].map(named) as [string, string, string]
  return { name, version, schemaUrl, attributes: Object.fromEntries(rest) }
}

function plainResource(
  { series, name, form, point }: Draft,
  all: readonly Draft[],
  targets: readonly InputSeries[],
  described: ReadonlySet<string>,
): PlainResource {
  const key = resourceKey(series)
  const [job, instance] = JSON.parse(key) as [string, string]
  const slash = /^([^/]+)\/([^/]+)$/.exec(job)
  const identity: Record<string, string> = {}
  if (job !== '') identity['service.name'] = slash?.[2] ?? job
  if (slash !== null) identity['service.namespace'] = slash[1] ?? ''
  if (instance !== '') identity['service.instance.id'] = instance
  const target: Record<string, string> = {}
  for (const one of targets) {
    if (resourceKey(one) !== key || !described.has(key)) continue
    for (const [label, text] of one.labels) {
      if (!['__name__', 'job', 'instance'].includes(label)) target[label] = text
    }
  }
  const scope = scopeOf(series)
  const same = all.filter(
    (other) =>
      other.name === name &&
      other.form === form &&
      other.series.type === series.type &&
      other.series.unit === series.unit &&
      resourceKey(other.series) === key &&
      JSON.stringify(scopeOf(other.series)) === JSON.stringify(scope),
  )
  const helps = same.map((other) => Buffer.from(other.series.help).toString('latin1'))
  helps.sort((left, right) => right.length - left.length || (left < right ? -1 : 1))
  const metric = {
    name,
    form,
    unit: UNITS.get(series.unit) ?? series.unit,
    description: Buffer.from(helps[0] ?? '', 'latin1').toString('utf8'),
    prometheusType: TYPES[series.type] ?? '',
    points: [point],
  }
  return { attributes: { ...target, ...identity }, scopes: [{ ...scope, metrics: [metric] }] }
}
