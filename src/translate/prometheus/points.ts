/**
 * Writes data points into the arena and adds them to their metrics.
 *
 * opentelemetry/proto/metrics/v1/metrics.proto:
 *   NumberDataPoint: start_time_unix_nano = 2, time_unix_nano = 3, as_double = 4, exemplars = 5, attributes = 7, flags = 8
 *   HistogramDataPoint: start 2, time 3, count = 4, sum = 5, bucket_counts = 6, explicit_bounds = 7, exemplars = 8,
 *     attributes = 9, flags = 10
 *   ExponentialHistogramDataPoint: attributes = 1, start 2, time 3, count = 4, sum = 5, scale = 6, zero_count = 7,
 *     positive = 8, negative = 9 (Buckets: offset = 1, bucket_counts = 2), flags = 10, exemplars = 11, zero_threshold = 14
 *   SummaryDataPoint: start 2, time 3, count = 4, sum = 5, quantile_values = 6 (quantile = 1, value = 2), attributes = 7,
 *     flags = 8
 */
import { isStale } from './cursor.ts'
import type { NativeHistogram } from './native-histogram.ts'
import type { Metric } from './tree.ts'
import { bytesTag, varintBytes, varintTag, Writer } from './writer.ts'

/** DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK */
const NO_RECORDED_VALUE = 1
const DATA_POINTS = 1

/** What points of all kinds have. */
export interface PointHead {
  readonly time: bigint
  readonly start: bigint | undefined
  /** Attributes as field 7. */
  readonly attributes: Writer
  /** Exemplars as field 5. */
  readonly exemplars: Writer
}

/** A classic histogram put together; counts are not cumulative, one more than bounds. */
export interface Buckets {
  readonly count: number
  readonly sumAt: number
  readonly bounds: readonly number[]
  readonly counts: readonly number[]
}

export interface Quantiles {
  readonly count: number
  readonly sumAt: number
  readonly quantiles: readonly { readonly quantile: number; readonly valueAt: number }[]
}

export class Points {
  readonly arena: Writer
  /** Points written. */
  count = 0
  readonly #message: Buffer
  readonly #body: Writer
  readonly #side: Writer

  constructor(message: Buffer, arena: Writer, bytesMax: number) {
    this.#message = message
    this.arena = arena
    this.#body = new Writer(1024, bytesMax)
    this.#side = new Writer(256, bytesMax)
  }

  /** A NumberDataPoint with the double at `valueAt` of the message; the staleness marker becomes its flag. */
  number(metric: Metric, { time, start, attributes, exemplars }: PointHead, valueAt: number): void {
    const { arena } = this
    const from = arena.at
    const stale = isStale(this.#message, valueAt)
    const bytes = attributes.at + exemplars.at + 9 + (start === undefined ? 0 : 9) + (stale ? 2 : 9)
    arena.byte(bytesTag(DATA_POINTS))
    arena.varint(bytes)
    arena.copy(attributes.bytes, 0, attributes.at)
    if (start !== undefined) arena.fixed64(2, start)
    arena.fixed64(3, time)
    if (stale) this.#flag(arena, 8)
    else arena.double(4, this.#message, valueAt)
    arena.copy(exemplars.bytes, 0, exemplars.at)
    metric.addPoint(from, arena.at)
    this.count++
  }

  /** A HistogramDataPoint; undefined: one without recorded value. */
  histogram(metric: Metric, head: PointHead, buckets: Buckets | undefined): void {
    const body = this.#begin(head, 9)
    if (buckets === undefined) this.#flag(body, 10)
    else {
      body.whole(4, buckets.count)
      body.double(5, this.#message, buckets.sumAt)
      body.byte(bytesTag(6))
      body.varint(8 * buckets.counts.length)
      for (const count of buckets.counts) body.rawWhole(count)
      if (buckets.bounds.length > 0) {
        body.byte(bytesTag(7))
        body.varint(8 * buckets.bounds.length)
        for (const bound of buckets.bounds) body.rawDouble(bound)
      }
    }
    body.retagged(8, head.exemplars.bytes, head.exemplars.at)
    this.#end(metric)
  }

  /** An ExponentialHistogramDataPoint of a native histogram with an exponential schema. */
  exponential(metric: Metric, head: PointHead, histogram: NativeHistogram): void {
    const body = this.#begin(head, 1)
    const { schema, positive, negative } = histogram
    body.byte(varintTag(6))
    body.varint(zigzag(schema))
    if (histogram.isStale) this.#flag(body, 10)
    else {
      body.whole(4, histogram.count)
      body.double(5, this.#message, histogram.sumAt)
      body.whole(7, histogram.zeroCount)
      this.#buckets(8, positive.offset, positive.counts)
      this.#buckets(9, negative.offset, negative.counts)
      body.double(14, this.#message, histogram.zeroThresholdAt)
    }
    body.retagged(11, head.exemplars.bytes, head.exemplars.at)
    this.#end(metric)
  }

  /** A SummaryDataPoint; undefined: one without recorded value. It has no place for exemplars. */
  summary(metric: Metric, head: PointHead, summary: Quantiles | undefined): void {
    const body = this.#begin(head, 7)
    if (summary === undefined) this.#flag(body, 8)
    else {
      body.whole(4, summary.count)
      body.double(5, this.#message, summary.sumAt)
      for (const { quantile, valueAt } of summary.quantiles) {
        body.byte(bytesTag(6))
        body.varint(18)
        body.byte(9)
        body.rawDouble(quantile)
        body.double(2, this.#message, valueAt)
      }
    }
    this.#end(metric)
  }

  #begin({ attributes, start, time }: PointHead, attributesField: number): Writer {
    const body = this.#body
    body.at = 0
    body.retagged(attributesField, attributes.bytes, attributes.at)
    if (start !== undefined) body.fixed64(2, start)
    body.fixed64(3, time)
    return body
  }

  #buckets(field: number, offset: number, counts: readonly number[]): void {
    if (counts.length === 0) return
    const [body, side] = [this.#body, this.#side]
    side.at = 0
    for (const count of counts) side.varint(count)
    const zigzagged = zigzag(offset)
    body.byte(bytesTag(field))
    body.varint(1 + varintBytes(zigzagged) + 1 + varintBytes(side.at) + side.at)
    body.byte(varintTag(1))
    body.varint(zigzagged)
    body.byte(bytesTag(2))
    body.varint(side.at)
    body.copy(side.bytes, 0, side.at)
  }

  #flag(writer: Writer, field: number): void {
    writer.byte(varintTag(field))
    writer.byte(NO_RECORDED_VALUE)
  }

  #end(metric: Metric): void {
    const { arena } = this
    const from = arena.at
    arena.byte(bytesTag(DATA_POINTS))
    arena.varint(this.#body.at)
    arena.copy(this.#body.bytes, 0, this.#body.at)
    metric.addPoint(from, arena.at)
    this.count++
  }
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}
