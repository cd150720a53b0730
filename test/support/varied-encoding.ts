/**
 * Remote write messages encoded by hand, in every way that the protobuf encoding allows and no plain encoder uses:
 * fields out of order, varints longer than needed, a singular field repeated (the last value counts; parts of a
 * message merge), repeated numbers packed, in several runs, or not packed, empty runs. Which of them a message shows
 * is decided by the seed.
 */
import type {
  BucketSpan,
  ByteText,
  Extras,
  Histogram,
  Label,
  Sample,
  V1Exemplar,
  V1Metadata,
  V1Model,
  V1Series,
  V2Exemplar,
  V2Metadata,
  V2Model,
  V2Series,
} from './oracle/index.ts'
import { Random } from './random.ts'

/** The 1.0 message, encoded in the manner that `seed` gives. 0: plainly. */
export function encodeVariedV1(model: V1Model, seed: number): Buffer {
  return new VariedEncoder(seed).v1(model)
}

/** The 2.0 message, encoded in the manner that `seed` gives. 0: plainly. */
export function encodeVariedV2(model: V2Model, seed: number): Buffer {
  return new VariedEncoder(seed).v2(model)
}

const VARINT = 0
const BITS64 = 1
const BYTES = 2
const BITS32 = 5

class VariedEncoder {
  readonly #random: Random
  readonly #plain: boolean

  constructor(seed: number) {
    this.#random = new Random(seed)
    this.#plain = seed === 0
  }

  v1(model: V1Model): Buffer {
    const message = this.#message(model)
    for (const series of model.timeseries ?? []) message.bytes(1, this.#v1Series(series))
    for (const entry of model.metadata ?? []) message.bytes(3, this.#v1Metadata(entry))
    return message.finish()
  }

  v2(model: V2Model): Buffer {
    const message = this.#message(model)
    for (const symbol of model.symbols ?? []) message.text(4, symbol)
    for (const series of model.timeseries ?? []) message.bytes(5, this.#v2Series(series))
    return message.finish()
  }

  #message(extras: Extras): MessageWriter {
    const message = new MessageWriter(this.#random, this.#plain)
    for (const value of extras.extraFixed32 ?? []) message.fixed32(20, value)
    for (const value of extras.extraVarint ?? []) message.varint(1001, BigInt(value))
    for (const value of extras.extraFixed64 ?? []) message.fixed64(1002, value)
    for (const value of extras.extraBytes ?? []) message.text(536_870_911, value)
    return message
  }

  #v1Series(series: V1Series): Buffer {
    const message = this.#message(series)
    for (const label of series.labels ?? []) message.bytes(1, this.#label(label))
    for (const sample of series.samples ?? []) message.bytes(2, this.#sample(sample))
    for (const exemplar of series.exemplars ?? []) message.bytes(3, this.#v1Exemplar(exemplar))
    for (const histogram of series.histograms ?? []) message.bytes(4, this.#histogram(histogram))
    return message.finish()
  }

  #v2Series(series: V2Series): Buffer {
    const message = this.#message(series)
    message.packed(1, VARINT, (series.labelsRefs ?? []).map(BigInt))
    for (const sample of series.samples ?? []) message.bytes(2, this.#sample(sample))
    for (const histogram of series.histograms ?? []) message.bytes(3, this.#histogram(histogram))
    for (const exemplar of series.exemplars ?? []) message.bytes(4, this.#v2Exemplar(exemplar))
    for (const part of this.#parts(series.metadata)) message.bytes(5, this.#v2Metadata(part))
    return message.finish()
  }

  /** The metadata in one piece, or in two that a reader has to merge. */
  #parts(metadata: V2Metadata | undefined): V2Metadata[] {
    if (metadata === undefined) return []
    if (this.#plain || !this.#random.oneIn(3)) return [metadata]
    const { type, helpRef, ...rest } = metadata
    const decoy: V2Metadata = { ...(type === undefined ? {} : { type }) }
    const first: V2Metadata = helpRef === undefined ? decoy : { ...decoy, helpRef }
    return [first, rest]
  }

  #label(label: Label): Buffer {
    const message = this.#message(label)
    message.singularText(1, label.name)
    message.singularText(2, label.value)
    return message.finish()
  }

  #sample(sample: Sample): Buffer {
    const message = this.#message(sample)
    message.singularFixed64(1, sample.valueBits)
    message.singularVarint(2, sample.timestamp)
    message.singularVarint(3, sample.startTimestamp)
    return message.finish()
  }

  #v1Exemplar(exemplar: V1Exemplar): Buffer {
    const message = this.#message(exemplar)
    for (const label of exemplar.labels ?? []) message.bytes(1, this.#label(label))
    message.singularFixed64(2, exemplar.valueBits)
    message.singularVarint(3, exemplar.timestamp)
    return message.finish()
  }

  #v2Exemplar(exemplar: V2Exemplar): Buffer {
    const message = this.#message(exemplar)
    message.packed(1, VARINT, (exemplar.labelsRefs ?? []).map(BigInt))
    message.singularFixed64(2, exemplar.valueBits)
    message.singularVarint(3, exemplar.timestamp)
    return message.finish()
  }

  #v1Metadata(metadata: V1Metadata): Buffer {
    const message = this.#message(metadata)
    message.singularVarint(1, metadata.type)
    message.singularText(2, metadata.metricFamilyName)
    message.singularText(4, metadata.help)
    message.singularText(5, metadata.unit)
    return message.finish()
  }

  #v2Metadata(metadata: V2Metadata): Buffer {
    const message = this.#message(metadata)
    message.singularVarint(1, metadata.type)
    message.singularVarint(3, metadata.helpRef)
    message.singularVarint(4, metadata.unitRef)
    return message.finish()
  }

  #span(span: BucketSpan): Buffer {
    const message = this.#message(span)
    message.singularVarint(1, span.offset === undefined ? undefined : zigzag(span.offset))
    message.singularVarint(2, span.length)
    return message.finish()
  }

  #histogram(histogram: Histogram): Buffer {
    const message = this.#message(histogram)
    message.singularVarint(1, histogram.countInt)
    message.singularFixed64(2, histogram.countFloatBits)
    message.singularFixed64(3, histogram.sumBits)
    message.singularVarint(4, histogram.schema === undefined ? undefined : zigzag(histogram.schema))
    message.singularFixed64(5, histogram.zeroThresholdBits)
    message.singularVarint(6, histogram.zeroCountInt)
    message.singularFixed64(7, histogram.zeroCountFloatBits)
    for (const span of histogram.negativeSpans ?? []) message.bytes(8, this.#span(span))
    message.packed(9, VARINT, (histogram.negativeDeltas ?? []).map(zigzag))
    message.packed(10, BITS64, (histogram.negativeCountsBits ?? []).map(BigInt))
    for (const span of histogram.positiveSpans ?? []) message.bytes(11, this.#span(span))
    message.packed(12, VARINT, (histogram.positiveDeltas ?? []).map(zigzag))
    message.packed(13, BITS64, (histogram.positiveCountsBits ?? []).map(BigInt))
    message.singularVarint(14, histogram.resetHint)
    message.singularVarint(15, histogram.timestamp)
    message.packed(16, BITS64, (histogram.customValuesBits ?? []).map(BigInt))
    message.singularVarint(17, histogram.startTimestamp)
    return message.finish()
  }
}

/** Collects the fields of one message; their order among different numbers is decided at the end. */
class MessageWriter {
  readonly #random: Random
  readonly #plain: boolean
  readonly #fields: { field: number; bytes: Buffer }[] = []

  constructor(random: Random, plain: boolean) {
    this.#random = random
    this.#plain = plain
  }

  bytes(field: number, value: Buffer): void {
    this.#add(field, BYTES, Buffer.concat([this.#length(value.length), value]))
  }

  text(field: number, value: ByteText): void {
    this.bytes(field, Buffer.from(value, 'latin1'))
  }

  varint(field: number, value: bigint): void {
    this.#add(field, VARINT, this.#varint(value))
  }

  fixed32(field: number, value: number): void {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(value)
    this.#add(field, BITS32, bytes)
  }

  fixed64(field: number, value: string): void {
    this.#add(field, BITS64, fixed64(BigInt(value)))
  }

  singularText(field: number, value: ByteText | undefined): void {
    if (value === undefined) return
    if (this.#decoy()) this.text(field, this.#random.pick(['', 'guid', 'decoy', value]))
    this.text(field, value)
  }

  singularVarint(field: number, value: string | number | bigint | undefined): void {
    if (value === undefined) return
    if (this.#decoy()) this.varint(field, 0n)
    this.varint(field, BigInt(value))
  }

  singularFixed64(field: number, value: string | undefined): void {
    if (value === undefined) return
    if (this.#decoy()) this.fixed64(field, '1')
    this.fixed64(field, value)
  }

  /** Repeated numbers: in one packed run, in several, singly, or in a mixture. */
  packed(field: number, type: typeof VARINT | typeof BITS64, values: readonly bigint[]): void {
    const element = (value: bigint): Buffer => (type === VARINT ? this.#varint(value) : fixed64(value))
    const inOneRun = this.#plain || this.#random.oneIn(2)
    if (values.length === 0) {
      if (!this.#plain && this.#random.oneIn(8)) this.bytes(field, Buffer.alloc(0))
      return
    }
    if (inOneRun) this.bytes(field, Buffer.concat(values.map(element)))
    for (let start = inOneRun ? values.length : 0; start < values.length; ) {
      if (this.#random.oneIn(2)) {
        this.#add(field, type, element(values[start] ?? 0n))
        start += 1
      } else {
        const count = this.#random.below(4)
        this.bytes(field, Buffer.concat(values.slice(start, start + count).map(element)))
        start += count
      }
    }
  }

  finish(): Buffer {
    if (this.#plain || this.#random.oneIn(2)) return Buffer.concat(this.#fields.map(({ bytes }) => bytes))
    return Buffer.concat(this.#mixed())
  }

  /** The fields in another order, in which those of one number keep theirs. */
  #mixed(): Buffer[] {
    const queues = new Map<number, Buffer[]>()
    for (const { field, bytes } of this.#fields) {
      const queue = queues.get(field) ?? []
      queue.push(bytes)
      queues.set(field, queue)
    }
    const turns = this.#random.shuffled(this.#fields.map(({ field }) => field))
    return turns.map((field) => queues.get(field)?.shift() ?? Buffer.alloc(0))
  }

  #add(field: number, type: number, value: Buffer): void {
    const tag = this.#length(field * 8 + type)
    this.#fields.push({ field, bytes: Buffer.concat([tag, value]) })
  }

  #decoy(): boolean {
    return !this.#plain && this.#random.oneIn(12)
  }

  /** A tag or a length: a varint of at most five bytes. */
  #length(value: number): Buffer {
    const padding = this.#plain || !this.#random.oneIn(16) ? 0 : 1 + this.#random.below(3)
    return varint(BigInt(value), padding, 5)
  }

  #varint(value: bigint): Buffer {
    const padding = this.#plain || !this.#random.oneIn(16) ? 0 : 1 + this.#random.below(9)
    return varint(value, padding, 10)
  }
}

/** The value as two's complement in 64 bits, `padding` bytes longer than needed, but not longer than `bytesMax`. */
function varint(value: bigint, padding: number, bytesMax: number): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, value)
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn))
    rest >>= 7n
  }
  bytes.push(Number(rest))
  const length = Math.min(bytesMax, bytes.length + padding)
  while (bytes.length < length) bytes.push(0)
  return Buffer.from(bytes.map((byte, index) => (index < bytes.length - 1 ? byte | 0x80 : byte)))
}

function fixed64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}

function zigzag(value: string | number): bigint {
  const signed = BigInt(value)
  return signed < 0n ? -2n * signed - 1n : 2n * signed
}
