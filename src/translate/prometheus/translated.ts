/** What a translation is given, and what it says of each item: carried on, a part of another one, or without a form in OTLP. */
import type { HistogramProblem } from './native-histogram.ts'

/** Why an item has no form in OTLP. */
export type SkipReason =
  | HistogramProblem
  /** The time of a sample or histogram lies before 1970 or after 2554. */
  | 'timestamp'
  /** A series without samples, histograms and exemplars. */
  | 'empty_series'
  /** A metadata entry of 1.0 of whose family the request has no series. */
  | 'metadata'

/** Parts of items that were left out while the item was carried on. */
export interface Omitted {
  /** Exemplars without a point in the same message, of a summary, or with a time that OTLP does not have. */
  exemplars: number
  /** Start times that OTLP does not have. */
  startTimes: number
  /** Buckets of native histograms beyond the largest number, which the specification leaves out. */
  overflowBuckets: number
}

export interface ToOtlpOptions {
  readonly version: 1 | 2
  /** A request that the kernel has checked and stamped: all of its series have one guid. Borrowed. */
  readonly message: Buffer
  /** The name of the stamp's label, which becomes no attribute. */
  readonly guidName: string
  /** Bytes that the result may have. */
  readonly outputBytesMax: number
}

/**
 * Items are data points, as in OTLP: `points` plus all of `skipped` is what was received, `points` is what goes on.
 * What became a part of something else (a bucket of its histogram, a `_created` series of its counter, `target_info` of
 * its resource, a metadata entry of its metric) is no item.
 */
export interface Translated {
  /** One ExportMetricsServiceRequest without the stamp; empty when there is no point. The caller owns it. */
  readonly message: Buffer
  readonly points: number
  /** Data points that could not be, one for each sample, histogram, empty series or metadata entry, by reason. */
  readonly skipped: ReadonlyMap<SkipReason, number>
  readonly omitted: Readonly<Omitted>
  /** Those of `points` that are parts (buckets, quantiles, sums, counts, creation times) of what could not be put together. */
  readonly apart: number
}
