/**
 * One translation, from the first series to the message. Each series is read once and its points are written at once,
 * except for what needs others: parts of classic histograms and summaries wait in groups, `target_info` until it is known
 * whether its resource has points. Exemplars and `_created` samples that come in series of their own are looked for before.
 */
import { limits } from '../../limits.ts'
import { Contents } from './contents.ts'
import { Cursor, doubleAt } from './cursor.ts'
import { Exemplars } from './exemplars.ts'
import { type Group, Groups, type PartSample, wholeOf } from './groups.ts'
import { NativeHistogram } from './native-histogram.ts'
import { type PointHead, Points } from './points.ts'
import { Sample, Series } from './series.ts'
import { nanosecondsOf, nanosecondsOfSeconds } from './time.ts'
import type { Omitted, SkipReason, ToOtlpOptions, Translated } from './translated.ts'
import { type Resource, Tree } from './tree.ts'
import { COUNTER, familyOf, formOf, GAUGE_HISTOGRAM, HISTOGRAM } from './types.ts'
import { attribute, Writer } from './writer.ts'

const TARGET_INFO = 'target_info'
/** Seconds since 1970 from which a `_created` value is believed to be a time: September 2001. */
const CREATED_SECONDS_MIN = 1e9

interface Created {
  readonly from: number
  readonly to: number
  readonly start: bigint
  isUsed: boolean
}

export class Translation {
  readonly #message: Buffer
  readonly #contents: Contents
  readonly #tree = new Tree()
  readonly #series: Series
  readonly #sample = new Sample()
  readonly #histogram: NativeHistogram
  readonly #exemplars: Exemplars
  readonly #points: Points
  readonly #groups = new Groups()
  /** Exemplars that come in a series without samples, encoded, by the series' identity. */
  readonly #loneExemplars = new Map<string, { encoded: string; count: number }>()
  /** `_created` samples by what they may be the start of, and where their series begin. */
  readonly #created = new Map<string, Created>()
  readonly #createdSeries = new Set<number>()
  readonly #attributes: Writer
  readonly #skipped = new Map<SkipReason, number>()
  readonly #omitted: Omitted = { exemplars: 0, startTimes: 0, overflowBuckets: 0 }
  readonly #outputBytesMax: number
  #apart = 0

  constructor({ version, message, guidName, outputBytesMax }: ToOtlpOptions, arena: Writer) {
    this.#message = message
    this.#outputBytesMax = outputBytesMax
    this.#contents = new Contents(version, message)
    this.#series = new Series(this.#contents, this.#tree, latin1(guidName), outputBytesMax)
    this.#histogram = new NativeHistogram(message, outputBytesMax)
    this.#exemplars = new Exemplars(this.#contents, outputBytesMax)
    this.#points = new Points(message, arena, outputBytesMax)
    this.#attributes = new Writer(256, outputBytesMax)
  }

  /** Undefined when the message would be too large. */
  run(): Translated | undefined {
    this.#findLoneExemplars()
    if (this.#message.includes('_created')) this.#findCreated()
    const { series } = this.#contents
    for (let i = 0; i < series.length; i += 2) {
      if (!this.#createdSeries.has(series[i]!)) this.#translate(series[i]!, series[i + 1]!)
    }
    for (const group of this.#groups.values()) this.#finish(group)
    for (const { from, to, isUsed } of this.#created.values()) if (!isUsed) this.#translate(from, to)
    for (const resource of this.#tree.resources.values()) this.#describe(resource)
    for (const { count } of this.#loneExemplars.values()) this.#omitted.exemplars += count
    this.#skip('metadata', this.#contents.families.unused())
    const message = this.#tree.encode(this.#points.arena.bytes, this.#outputBytesMax)
    if (message === undefined) return undefined
    return {
      message,
      points: this.#points.count,
      skipped: this.#skipped,
      omitted: this.#omitted,
      apart: this.#apart,
    }
  }

  #skip(reason: SkipReason, count = 1): void {
    if (count > 0) this.#skipped.set(reason, (this.#skipped.get(reason) ?? 0) + count)
  }

  #translate(from: number, to: number): void {
    const series = this.#series
    series.read(from, to)
    const { samples, histograms, exemplars } = series
    if (samples.length + histograms.length === 0) {
      if (exemplars.length === 0) this.#skip('empty_series')
      return
    }
    if (series.name === TARGET_INFO && histograms.length === 0) series.resource.targetInfo.push(from, to)
    else this.#writePoints()
  }

  /** All points of the series that was read last. */
  #writePoints(): void {
    const { samples, histograms, exemplars } = this.#series
    this.#exemplars.begin(exemplars)
    const sampleCount = samples.length / 2
    for (let i = 0; i < sampleCount; i++) {
      this.#writeSample(i, i === sampleCount - 1 && histograms.length === 0)
    }
    for (let i = 0; i < histograms.length; i += 2) this.#writeHistogram(i, i === histograms.length - 2)
    this.#omitted.exemplars += this.#exemplars.left
  }

  #writeSample(nth: number, isLast: boolean): void {
    const series = this.#series
    const sample = this.#sample
    series.readSample(nth, sample)
    const head = this.#head(sample.ms, sample.startMs, isLast)
    if (head === undefined) return
    const { part, name, scope, description } = series
    if (part !== 'whole' && part !== 'created' && this.#groups.held < limits.heldPartsMax) {
      const { time, start } = head
      const attributes = head.attributes.toText()
      const family = familyOf(name, description.type, part)
      const { encoded, count: exemplarCount } = this.#exemplars
      const { valueAt } = sample
      const exemplars = encoded.toText()
      const partSample = { part, name, bound: series.bound, valueAt, start, exemplars, exemplarCount }
      this.#groups.add({ scope: scope!, family, description, time, attributes }, partSample)
      return
    }
    if (series.bound !== '') attribute(head.attributes, 7, boundLabel(part), series.bound)
    if (part !== 'whole') this.#apart++
    this.#points.number(
      scope!.metric(formOf(description.type, part), name, description),
      head,
      sample.valueAt,
    )
  }

  #writeHistogram(at: number, isLast: boolean): void {
    const { histograms, description, scope, name } = this.#series
    const histogram = this.#histogram
    const isGauge = description.type === GAUGE_HISTOGRAM
    const problem = histogram.read(histograms[at]!, histograms[at + 1]!, this.#contents.version, isGauge)
    if (problem !== undefined) {
      this.#skip(problem)
      return
    }
    const head = this.#head(histogram.ms, histogram.startMs, isLast)
    if (head === undefined) return
    this.#omitted.overflowBuckets += histogram.overflowBuckets
    if (!histogram.isCustom) {
      this.#points.exponential(scope!.metric('exponential', name, description), head, histogram)
      return
    }
    const { count, sumAt, bounds, positive } = histogram
    const buckets = histogram.isStale ? undefined : { count, sumAt, bounds, counts: positive.counts }
    this.#points.histogram(scope!.metric('histogram', name, description), head, buckets)
  }

  /** What a point of the series begins with; undefined, and skipped, when OTLP does not have its time. */
  #head(ms: number, startMs: number, isLast: boolean): PointHead | undefined {
    const time = nanosecondsOf(ms)
    if (time === undefined) {
      this.#skip('timestamp')
      return undefined
    }
    this.#exemplars.clear()
    this.#omitted.exemplars += this.#exemplars.take(isLast ? Number.POSITIVE_INFINITY : ms)
    if (this.#loneExemplars.size > 0) this.#takeLoneExemplars()
    let start = startMs === 0 ? undefined : nanosecondsOf(startMs)
    if (startMs !== 0 && start === undefined) this.#omitted.startTimes++
    const { description, part, attributes } = this.#series
    if (start === undefined && this.#created.size > 0 && description.type === COUNTER && part === 'whole') {
      start = this.#startOf(this.#createdKey(time))
    }
    return { time, start, attributes, exemplars: this.#exemplars.encoded }
  }

  #startOf(key: string): bigint | undefined {
    const created = this.#created.get(key)
    if (created === undefined) return undefined
    created.isUsed = true
    return created.start
  }

  /** A group whose parts are all there, or not. */
  #finish(group: Group): void {
    const whole = wholeOf(this.#message, group)
    const attributes = this.#attributes
    const exemplars = this.#exemplars
    attributes.at = 0
    attributes.text(group.attributes)
    if (whole === undefined) {
      for (const part of group.parts) this.#writePart(group, part)
      return
    }
    exemplars.clear()
    for (const part of group.parts) exemplars.add(part.exemplars, part.exemplarCount)
    const { scope, description, family, time } = group
    const start = group.parts.find(({ part }) => part === 'count')?.start ?? this.#startOf(groupKey(group))
    const head = { time, start, attributes, exemplars: exemplars.encoded }
    if (description.type === HISTOGRAM) {
      const buckets = whole !== 'stale' && 'counts' in whole ? whole : undefined
      this.#points.histogram(scope.metric('histogram', family, description), head, buckets)
      return
    }
    const quantiles = whole !== 'stale' && 'quantiles' in whole ? whole : undefined
    this.#omitted.exemplars += exemplars.count
    this.#points.summary(scope.metric('summary', family, description), head, quantiles)
  }

  /** A part as the series that it was. */
  #writePart({ scope, description, time, attributes: text }: Group, sample: PartSample): void {
    const attributes = this.#attributes
    attributes.at = 0
    attributes.text(text)
    if (sample.bound !== '') attribute(attributes, 7, boundLabel(sample.part), sample.bound)
    this.#exemplars.clear()
    this.#exemplars.add(sample.exemplars, sample.exemplarCount)
    const head = { time, start: sample.start, attributes, exemplars: this.#exemplars.encoded }
    const metric = scope.metric(formOf(description.type, sample.part), sample.name, description)
    this.#points.number(metric, head, sample.valueAt)
    this.#apart++
  }

  /** The attributes of a resource: of job and instance, and of its `target_info` when it has anything else. */
  #describe(resource: Resource): void {
    const { targetInfo } = resource
    const identity = resource.identity()
    const isAlone = resource.metricCount === 0
    const target = new Map<string, string>()
    for (let i = 0; i < targetInfo.length; i += 2) {
      this.#series.read(targetInfo[i]!, targetInfo[i + 1]!)
      if (isAlone) this.#writePoints()
      else {
        this.#series.addTo(target)
        this.#omitted.exemplars += this.#series.exemplars.length / 2
      }
    }
    const writer = this.#attributes
    writer.at = 0
    for (const [key, value] of identity) attribute(writer, 1, key, value)
    for (const [key, value] of target) if (!identity.has(key)) attribute(writer, 1, key, value)
    resource.attributes = writer.toText()
  }

  /** Prometheus sends each exemplar as a series of its own, without a sample. */
  #findLoneExemplars(): void {
    const { series, version } = this.#contents
    const cursor = new Cursor(this.#message)
    const [samples, exemplars, histograms] = version === 1 ? [0x12, 0x1a, 0x22] : [0x12, 0x22, 0x1a]
    for (let i = 0; i < series.length; i += 2) {
      const to = series[i + 1]!
      let hasPoints = false
      let hasExemplars = false
      cursor.at = series[i]!
      while (cursor.at < to) {
        const tag = cursor.tag()
        cursor.skip(tag)
        if (tag === samples || tag === histograms) hasPoints = true
        else if (tag === exemplars) hasExemplars = true
      }
      if (hasExemplars && !hasPoints) this.#keepExemplars(series[i]!, to)
    }
  }

  #keepExemplars(from: number, to: number): void {
    this.#series.read(from, to)
    this.#exemplars.begin(this.#series.exemplars)
    this.#omitted.exemplars += this.#exemplars.take(Number.POSITIVE_INFINITY)
    const { encoded, count } = this.#exemplars
    const key = this.#series.key()
    const known = this.#loneExemplars.get(key)
    if (known !== undefined) {
      known.encoded += encoded.toText()
      known.count += count
    } else if (this.#loneExemplars.size < limits.heldPartsMax) {
      this.#loneExemplars.set(key, { encoded: encoded.toText(), count })
    } else this.#omitted.exemplars += count
  }

  #takeLoneExemplars(): void {
    const key = this.#series.key()
    const lone = this.#loneExemplars.get(key)
    if (lone === undefined) return
    this.#loneExemplars.delete(key)
    this.#exemplars.add(lone.encoded, lone.count)
  }

  /** OpenMetrics' `_created` samples: the start, in seconds, of the counter, histogram or summary beside them. */
  #findCreated(): void {
    const { series } = this.#contents
    const sample = this.#sample
    for (let i = 0; i < series.length && this.#created.size < limits.heldPartsMax; i += 2) {
      const [from, to] = [series[i]!, series[i + 1]!]
      this.#series.read(from, to)
      const { part, samples, exemplars } = this.#series
      if (part !== 'created' || samples.length !== 2 || exemplars.length > 0) continue
      this.#series.readSample(0, sample)
      const time = nanosecondsOf(sample.ms)
      const seconds = doubleAt(this.#message, sample.valueAt)
      if (time === undefined || !(seconds >= CREATED_SECONDS_MIN && seconds <= sample.ms / 1e3)) continue
      const key = this.#createdKey(time)
      if (this.#created.has(key)) continue
      this.#created.set(key, { from, to, start: nanosecondsOfSeconds(seconds), isUsed: false })
      this.#createdSeries.add(from)
    }
  }

  #createdKey(time: bigint): string {
    const { scope, name, part, description, attributes } = this.#series
    const family = familyOf(name, description.type, part)
    return groupKey({ scope: scope!, description, family, time, attributes: attributes.toText() })
  }
}

function groupKey({ scope, description, family, time, attributes }: Omit<Group, 'parts'>): string {
  return `${scope.key} ${description.type} ${time} ${family}\0${attributes}`
}

function boundLabel(part: PartSample['part']): string {
  return part === 'bucket' ? 'le' : 'quantile'
}

function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
