/**
 * Native histograms (compatibility specification, "Native Histograms"; prometheus.io, "Native Histograms").
 *
 * Read (prompb/types.proto, the same numbers in both versions): Histogram: count_int = 1 or count_float = 2, sum = 3,
 * schema = 4, zero_threshold = 5, zero_count_int = 6 or zero_count_float = 7, negative_spans = 8, negative_deltas = 9,
 * negative_counts = 10, positive_spans = 11, positive_deltas = 12, positive_counts = 13, reset_hint = 14, timestamp = 15,
 * custom_values = 16, in 2.0 start_timestamp = 17; BucketSpan: offset = 1, length = 2.
 *
 * Bucket i of Prometheus holds values up to and with base^i, bucket i of OTLP those above base^i: OTLP's index is one
 * less. Prometheus' buckets are sparse, in spans; OTLP's are dense.
 */
import { limits } from '../../limits.ts'
import { Cursor, doubleAt, isStale, unzigzag, unzigzag32 } from './cursor.ts'
import { TooLarge } from './writer.ts'

/** Why a histogram has no form in OTLP. */
export type HistogramProblem =
  | 'gauge_histogram'
  | 'float_histogram'
  | 'histogram_schema'
  | 'histogram_malformed'
  | 'histogram_count'
  | 'histogram_buckets'

const CUSTOM_BUCKETS = -53
const SCHEMA_MIN = -4
const SCHEMA_MAX = 8
const GAUGE_HINT = 3
const INT32_MIN = -(2 ** 31)

/** One sign's buckets. */
class Side {
  /** Offset and length of each span, in turn. */
  readonly spans: number[] = []
  readonly deltas: number[] = []
  readonly floats: number[] = []
  /** OTLP's index of the first of `counts`; for custom buckets the index of its bound. */
  offset = 0
  /** The dense counts. */
  readonly counts: number[] = []

  clear(): void {
    this.spans.length = this.deltas.length = this.floats.length = this.counts.length = 0
    this.offset = 0
  }
}

export class NativeHistogram {
  isStale = false
  isCustom = false
  schema = 0
  /** Where the doubles are in the message; -1 when left out, which means 0. */
  sumAt = -1
  zeroThresholdAt = -1
  ms = 0
  startMs = 0
  /** Of all buckets together, without observations of NaN and those that overflow. */
  count = 0
  zeroCount = 0
  /** Custom upper bounds. */
  readonly bounds: number[] = []
  readonly positive = new Side()
  readonly negative = new Side()
  /** Buckets beyond the largest number, which OTLP does not have. */
  overflowBuckets = 0
  readonly #cursor: Cursor
  #gapsLeft: number
  #isFloat = false
  #resetHint = 0
  #zeroInt = 0
  #zeroFloat = 0

  /** `gapsMax`: buckets between spans that are filled in all histograms together; beyond it `TooLarge` is thrown. */
  constructor(message: Buffer, gapsMax: number) {
    this.#cursor = new Cursor(message)
    this.#gapsLeft = gapsMax
  }

  /** Reads one and brings it into OTLP's terms, or says why that cannot be. `isGauge`: its metadata says so. */
  read(from: number, to: number, version: 1 | 2, isGauge: boolean): HistogramProblem | undefined {
    this.#fields(from, to, version)
    this.isStale = isStale(this.#cursor.bytes, this.sumAt)
    this.isCustom = this.schema === CUSTOM_BUCKETS
    if (isGauge || this.#resetHint === GAUGE_HINT) return 'gauge_histogram'
    if (!this.isCustom && (this.schema < SCHEMA_MIN || this.schema > SCHEMA_MAX)) return 'histogram_schema'
    if (this.isStale) return undefined
    const problem = this.isCustom ? this.#customBuckets() : this.#exponentialBuckets()
    if (problem !== undefined) return problem
    return this.count <= Number.MAX_SAFE_INTEGER ? undefined : 'histogram_count'
  }

  #exponentialBuckets(): HistogramProblem | undefined {
    // The bucket with this index reaches the largest number there is; the next one holds the infinities.
    const indexMax = 1024 * 2 ** this.schema
    this.zeroCount = this.#isFloat ? this.#zeroFloat : this.#zeroInt
    if (this.#isFloat && !Number.isInteger(this.zeroCount)) return 'float_histogram'
    if (this.zeroCount < 0) return 'histogram_malformed'
    this.count = this.zeroCount
    return this.#expand(this.positive, indexMax) ?? this.#expand(this.negative, indexMax)
  }

  #customBuckets(): HistogramProblem | undefined {
    const { bounds, positive, negative } = this
    for (const [i, bound] of bounds.entries()) {
      if (!Number.isFinite(bound) || (i > 0 && bound <= bounds[i - 1]!)) return 'histogram_malformed'
    }
    if (bounds.length >= limits.denseBucketsMax) return 'histogram_buckets'
    if (negative.spans.length > 0 || (this.#isFloat ? this.#zeroFloat : this.#zeroInt) !== 0)
      return 'histogram_malformed'
    this.count = 0
    const problem = this.#expand(positive, Number.MAX_SAFE_INTEGER)
    if (problem !== undefined) return problem
    // OTLP's index again, so that the first bound's bucket is 0.
    const first = positive.counts.length === 0 ? 0 : positive.offset + 1
    const end = first + positive.counts.length
    if (first < 0 || end > bounds.length + 1) return 'histogram_malformed'
    positive.counts.unshift(...new Array<number>(first).fill(0))
    while (positive.counts.length <= bounds.length) positive.counts.push(0)
    return undefined
  }

  /** Sparse to dense; adds to `count`. Buckets above `indexMax` are left out. */
  #expand(side: Side, indexMax: number): HistogramProblem | undefined {
    const { spans, counts } = side
    const given = this.#isFloat ? side.floats : side.deltas
    let nth = 0
    let index = 0
    let absolute = 0
    for (let i = 0; i < spans.length; i += 2) {
      const [offset, length] = [spans[i]!, spans[i + 1]!]
      if ((i > 0 && offset < 0) || nth + length > given.length) return 'histogram_malformed'
      index += offset
      for (let end = index + length; index < end; index++, nth++) {
        absolute = this.#isFloat ? given[nth]! : absolute + given[nth]!
        if (this.#isFloat && !Number.isInteger(absolute)) return 'float_histogram'
        if (absolute < 0) return 'histogram_malformed'
        if (!Number.isSafeInteger(absolute)) return 'histogram_count'
        if (index > indexMax) {
          if (absolute > 0) this.overflowBuckets++
          continue
        }
        if (counts.length === 0) side.offset = index - 1
        if (side.offset < INT32_MIN) return 'histogram_malformed'
        const place = index - 1 - side.offset
        if (place >= limits.denseBucketsMax) return 'histogram_buckets'
        this.#gapsLeft -= place - counts.length
        if (this.#gapsLeft < 0) throw new TooLarge()
        while (counts.length < place) counts.push(0)
        counts.push(absolute)
        this.count += absolute
      }
    }
    return nth === given.length ? undefined : 'histogram_malformed'
  }

  #fields(from: number, to: number, version: 1 | 2): void {
    this.#clear()
    const cursor = this.#cursor
    const { bytes } = cursor
    const double = (): number => {
      cursor.at += 8
      return doubleAt(bytes, cursor.at - 8)
    }
    cursor.at = from
    while (cursor.at < to) {
      const tag = cursor.tag()
      switch (tag) {
        case 0x08:
          cursor.varint()
          this.#isFloat = false
          break
        case 0x11:
          cursor.at += 8
          this.#isFloat = true
          break
        case 0x19:
          this.sumAt = cursor.at
          cursor.at += 8
          break
        case 0x20:
          cursor.varint()
          this.schema = unzigzag32(cursor.low)
          break
        case 0x29:
          this.zeroThresholdAt = cursor.at
          cursor.at += 8
          break
        case 0x30:
          this.#zeroInt = cursor.varint()
          this.#zeroFloat = 0
          break
        case 0x39:
          this.#zeroFloat = double()
          this.#zeroInt = 0
          break
        case 0x70:
          cursor.varint()
          this.#resetHint = cursor.low
          break
        case 0x78:
          this.ms = cursor.varint()
          break
        case 0x88:
          this.startMs = version === 2 ? cursor.varint() : 0
          if (version === 1) cursor.varint()
          break
        default:
          this.#listField(tag)
      }
    }
  }

  #listField(tag: number): void {
    const cursor = this.#cursor
    const field = Math.floor(tag / 8)
    const side = field < 11 ? this.negative : this.positive
    if (tag === 0x42 || tag === 0x5a) {
      cursor.value()
      this.#span(side.spans, cursor.from, cursor.to)
    } else if (field === 9 || field === 12) {
      this.#list(tag, 0, side.deltas, this.#delta)
    } else if (field === 10 || field === 13) this.#list(tag, 1, side.floats, this.#double)
    else if (field === 16) this.#list(tag, 1, this.bounds, this.#double)
    else cursor.skip(tag)
  }

  /** NaN for one that a number does not hold exactly. */
  readonly #delta = (): number => {
    const value = this.#cursor.varint()
    return value <= Number.MAX_SAFE_INTEGER ? unzigzag(value) : Number.NaN
  }

  readonly #double = (): number => {
    this.#cursor.at += 8
    return doubleAt(this.#cursor.bytes, this.#cursor.at - 8)
  }

  /** One element, or a packed run of them. */
  #list(tag: number, type: number, list: number[], element: () => number): void {
    const cursor = this.#cursor
    if ((tag & 7) === type) list.push(element())
    else if ((tag & 7) !== 2) cursor.skip(tag)
    else {
      cursor.value()
      const end = cursor.to
      cursor.at = cursor.from
      while (cursor.at < end) list.push(element())
    }
  }

  #span(spans: number[], from: number, to: number): void {
    const cursor = this.#cursor
    let offset = 0
    let length = 0
    cursor.at = from
    while (cursor.at < to) {
      const tag = cursor.tag()
      if (tag === 0x08) {
        cursor.varint()
        offset = unzigzag32(cursor.low)
      } else if (tag === 0x10) {
        cursor.varint()
        length = cursor.low >>> 0
      } else cursor.skip(tag)
    }
    cursor.at = to
    spans.push(offset, length)
  }

  #clear(): void {
    this.#isFloat = false
    this.#resetHint = this.#zeroInt = this.#zeroFloat = 0
    this.sumAt = this.zeroThresholdAt = -1
    this.schema = this.ms = this.startMs = this.count = this.zeroCount = this.overflowBuckets = 0
    this.bounds.length = 0
    this.positive.clear()
    this.negative.clear()
  }
}
