/** Fields of protobuf as its encoding allows them and no plain encoder writes them: varints are sometimes longer than needed. */
import type { Random } from './random.ts'

export class VariedFields {
  readonly #random: Random
  readonly #isPlain: boolean

  constructor(random: Random, isPlain: boolean) {
    this.#random = random
    this.#isPlain = isPlain
  }

  delimited(field: number, bytes: Buffer): Buffer {
    return Buffer.concat([this.tag(field, 2), this.varint(BigInt(bytes.length), 5), bytes])
  }

  tag(field: number, type: number): Buffer {
    return this.varint(BigInt(field * 8 + type), 5)
  }

  /** At most `bytesMax` bytes, unless it needs more. */
  varint(value: bigint, bytesMax: number): Buffer {
    const bytes: number[] = []
    let rest = BigInt.asUintN(64, value)
    for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn))
    bytes.push(Number(rest))
    const padding = this.#isPlain || !this.#random.oneIn(24) ? 0 : 1 + this.#random.below(4)
    const length = Math.min(bytesMax, bytes.length + padding)
    while (bytes.length < length) bytes.push(0)
    return Buffer.from(bytes.map((byte, i) => (i < bytes.length - 1 ? byte | 0x80 : byte)))
  }
}
