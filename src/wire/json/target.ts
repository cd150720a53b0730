/** A buffer that is written from its beginning and grows as far as it may. */
import { Malformed } from './malformed.ts'

const smallCopyBytes = 32

export class Target {
  /** The buffer and the place where the next byte goes; who writes there calls `reserve` first. */
  bytes: Buffer
  at = 0
  /** Bytes that what has been written will need beyond those up to `at`. */
  protected extra = 0
  readonly #bytesMax: number

  constructor(bytesExpected: number, bytesMax: number) {
    this.#bytesMax = bytesMax
    this.bytes = Buffer.allocUnsafe(Math.min(bytesExpected, bytesMax))
  }

  /** Makes room for `count` bytes. @throws Malformed when it becomes too large */
  reserve(count: number): void {
    const needed = this.at + count
    if (needed + this.extra > this.#bytesMax) {
      throw new Malformed(0, `it becomes a message of more than ${this.#bytesMax} bytes`, true)
    }
    if (needed > this.bytes.length) this.#grow(needed)
  }

  copy(source: Buffer, from: number, to: number): void {
    this.reserve(to - from)
    // A call into native code costs more than a few bytes do.
    if (to - from > smallCopyBytes) this.at += source.copy(this.bytes, this.at, from, to)
    else while (from < to) this.bytes[this.at++] = source[from++]!
  }

  /** All that was written; the buffer is the caller's, and nothing more may be written. */
  finish(): Buffer {
    const total = this.at + this.extra
    if (total > this.bytes.length) this.#grow(total)
    this.place(total)
    const message = this.bytes.subarray(0, total)
    // What waits for the bus must not hold much more memory than it is counted with.
    return total < this.bytes.length / 2 ? Buffer.from(message) : message
  }

  /** Moves what was written to where it belongs within the first `total` bytes. */
  protected place(_total: number): void {}

  #grow(needed: number): void {
    const larger = Math.max(needed, Math.min(this.bytes.length * 2, this.#bytesMax))
    const bytes = Buffer.allocUnsafe(larger)
    this.bytes.copy(bytes, 0, 0, this.at)
    this.bytes = bytes
  }
}
