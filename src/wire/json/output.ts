/**
 * A protobuf message that is written from its beginning, into one buffer that grows.
 *
 * The length of a nested message stands before it and is known after it. One byte is left free for it; when that is not
 * enough, the length is noted, and `finish` moves everything into its place from the end, each byte once. The lengths
 * are therefore the shortest possible, and the work is linear however deeply the messages are nested.
 */
import { Target } from './target.ts'

export class Output extends Target {
  /** Of the frames that are open: where they begin, and `extra` at that time. */
  readonly #starts: number[] = []
  readonly #extras: number[] = []
  /** Of the lengths that need more than a byte, inner ones before outer ones: the place of that byte, and the length. */
  readonly #places: number[] = []
  readonly #lengths: number[] = []

  /** `value` is an integer from 0 to 2^32 - 1. */
  varint(value: number): void {
    this.reserve(5)
    this.at = putVarint(this.bytes, this.at, value)
  }

  /** `low` and `high` are the halves of 64 bits, each from 0 to 2^32 - 1. */
  varint64(low: number, high: number): void {
    this.reserve(10)
    while (high > 0) {
      this.bytes[this.at++] = (low & 0x7f) | 0x80
      low = ((low >>> 7) | (high << 25)) >>> 0
      high >>>= 7
    }
    this.at = putVarint(this.bytes, this.at, low)
  }

  fixed32(value: number): void {
    this.reserve(4)
    this.at = this.bytes.writeUInt32LE(value, this.at)
  }

  fixed64(low: number, high: number): void {
    this.reserve(8)
    this.at = this.bytes.writeUInt32LE(low, this.at)
    this.at = this.bytes.writeUInt32LE(high, this.at)
  }

  double(value: number): void {
    this.reserve(8)
    this.at = this.bytes.writeDoubleLE(value, this.at)
  }

  /** Begins what has its length before it. */
  open(): void {
    this.reserve(1)
    this.at += 1
    this.#starts.push(this.at)
    this.#extras.push(this.extra)
  }

  /** Ends what was begun last. */
  close(): void {
    const start = this.#starts.pop() ?? 0
    const length = this.at - start + this.extra - (this.#extras.pop() ?? 0)
    if (length < 0x80) {
      this.bytes[start - 1] = length
      return
    }
    this.#places.push(start - 1)
    this.#lengths.push(length)
    this.extra += varintBytes(length) - 1
    this.reserve(0)
  }

  protected override place(total: number): void {
    const { bytes } = this
    let from = this.at
    let to = total
    for (const index of this.#lengthsFromTheEnd()) {
      const place = this.#places[index] ?? 0
      const length = this.#lengths[index] ?? 0
      to -= from - place - 1
      bytes.copyWithin(to, place + 1, from)
      to -= varintBytes(length)
      putVarint(bytes, to, length)
      from = place
    }
  }

  /** Indices of the noted lengths, the last place first. An outer length is noted after, and stands before, the inner ones. */
  *#lengthsFromTheEnd(): Generator<number> {
    const held: number[] = []
    const placeOf = (index: number | undefined) => (index === undefined ? -1 : (this.#places[index] ?? 0))
    for (let index = this.#places.length - 1; index >= 0; index--) {
      while (placeOf(held.at(-1)) > placeOf(index)) yield held.pop() ?? 0
      held.push(index)
    }
    while (held.length > 0) yield held.pop() ?? 0
  }
}

function putVarint(bytes: Buffer, at: number, value: number): number {
  while (value > 0x7f) {
    bytes[at++] = (value & 0x7f) | 0x80
    value >>>= 7
  }
  bytes[at++] = value
  return at
}

/** Bytes that an integer from 0 to 2^32 - 1 takes as a varint. */
export function varintBytes(value: number): number {
  let count = 1
  while (value > 0x7f) {
    value >>>= 7
    count += 1
  }
  return count
}
