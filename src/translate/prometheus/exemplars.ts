/**
 * Exemplars (compatibility specification, "Exemplars").
 *
 * Read: Exemplar: labels = 1 (1.0) or labels_refs = 1 (2.0), value = 2, timestamp = 3.
 * Written (metrics.proto): Exemplar: time_unix_nano = 2, as_double = 3, span_id = 4, trace_id = 5, filtered_attributes = 7.
 * They are written as field 5, that of NumberDataPoint; `Writer.retagged` makes another of it.
 */
import type { Contents } from './contents.ts'
import { Cursor } from './cursor.ts'
import { nanosecondsOf } from './time.ts'
import { attributeOf, bytesTag, Writer } from './writer.ts'

const POINT_FIELD = 5
const TRACE_ID_BYTES = 16
const SPAN_ID_BYTES = 8
const hex = /^[0-9a-f]+$/i
const zeros = /^0+$/

export class Exemplars {
  /** The exemplars taken, encoded; `count` of them. */
  readonly encoded: Writer
  count = 0
  readonly #contents: Contents
  readonly #cursor: Cursor
  readonly #body: Writer
  readonly #labels: number[] = []
  readonly #names = new Set<string>()
  #valueAt = -1
  #ms = 0
  #ranges: readonly number[] = []
  #next = 0

  constructor(contents: Contents, bytesMax: number) {
    this.#contents = contents
    this.#cursor = new Cursor(contents.message)
    this.encoded = new Writer(256, bytesMax)
    this.#body = new Writer(256, bytesMax)
  }

  /** Begins with the exemplars at these starts and ends. */
  begin(ranges: readonly number[]): void {
    this.#ranges = ranges
    this.#next = 0
    this.clear()
  }

  /** Those that were not taken. */
  get left(): number {
    return (this.#ranges.length - this.#next) / 2
  }

  clear(): void {
    this.encoded.at = 0
    this.count = 0
  }

  /**
   * Encodes those in their order up to the first one that is later than `ms`. Returns how many have a time that OTLP
   * cannot express; they are passed over.
   */
  take(ms: number): number {
    let omitted = 0
    while (this.#next < this.#ranges.length) {
      this.#read(this.#ranges[this.#next]!, this.#ranges[this.#next + 1]!)
      if (this.#ms > ms) break
      this.#next += 2
      const time = nanosecondsOf(this.#ms)
      if (time === undefined) omitted++
      else this.#write(time)
    }
    return omitted
  }

  /** Adds what `take` has encoded before. */
  add(encoded: string, count: number): void {
    this.encoded.text(encoded)
    this.count += count
  }

  #read(from: number, to: number): void {
    const cursor = this.#cursor
    this.#labels.length = 0
    this.#valueAt = -1
    this.#ms = 0
    let reference = -1
    const refer = (): void => {
      cursor.varint()
      if (reference < 0) {
        reference = cursor.low >>> 0
        return
      }
      const { symbols } = this.#contents
      const value = 2 * (cursor.low >>> 0)
      this.#labels.push(
        symbols[2 * reference]!,
        symbols[2 * reference + 1]!,
        symbols[value]!,
        symbols[value + 1]!,
      )
      reference = -1
    }
    cursor.at = from
    while (cursor.at < to) {
      const tag = cursor.tag()
      if (tag === 0x11) {
        this.#valueAt = cursor.at
        cursor.at += 8
      } else if (tag === 0x18) this.#ms = cursor.varint()
      else if (tag === 0x08 && this.#contents.version === 2) refer()
      else if (tag === 0x0a) {
        cursor.value()
        const end = cursor.to
        if (this.#contents.version === 1) this.#label(cursor.from, end)
        else for (cursor.at = cursor.from; cursor.at < end; ) refer()
      } else cursor.skip(tag)
    }
  }

  #label(from: number, to: number): void {
    const cursor = this.#cursor
    const at = this.#labels.length
    this.#labels.push(from, from, from, from)
    cursor.at = from
    while (cursor.at < to) {
      const tag = cursor.tag()
      cursor.skip(tag)
      if (tag !== 0x0a && tag !== 0x12) continue
      const place = tag === 0x0a ? at : at + 2
      this.#labels[place] = cursor.from
      this.#labels[place + 1] = cursor.to
    }
    cursor.at = to
  }

  #write(time: bigint): void {
    const { message } = this.#contents
    const body = this.#body
    body.at = 0
    body.fixed64(2, time)
    body.double(3, message, this.#valueAt)
    this.#names.clear()
    for (let i = 0; i < this.#labels.length; i += 4) {
      const name = message.toString('latin1', this.#labels[i]!, this.#labels[i + 1]!)
      // Nobody has checked the labels of exemplars for repeated names, and OTLP has no repeated keys.
      if (!this.#names.has(name)) this.#writeLabel(name, i)
      this.#names.add(name)
    }
    this.encoded.byte(bytesTag(POINT_FIELD))
    this.encoded.varint(body.at)
    this.encoded.copy(body.bytes, 0, body.at)
    this.count++
  }

  #writeLabel(name: string, i: number): void {
    const { message } = this.#contents
    const [nameAt, nameEnd] = [this.#labels[i]!, this.#labels[i + 1]!]
    const [valueAt, valueEnd] = [this.#labels[i + 2]!, this.#labels[i + 3]!]
    const idBytes = name === 'trace_id' ? TRACE_ID_BYTES : name === 'span_id' ? SPAN_ID_BYTES : 0
    const id =
      idBytes > 0 && valueEnd - valueAt === 2 * idBytes ? message.toString('latin1', valueAt, valueEnd) : ''
    if (hex.test(id) && !zeros.test(id)) {
      const bytes = Buffer.from(id, 'hex')
      this.#body.textField(name === 'trace_id' ? 5 : 4, bytes.toString('latin1'))
    } else attributeOf(this.#body, 7, message, nameAt, nameEnd, valueAt, valueEnd)
  }
}
