/**
 * The bytes in flight, over all receivers: bodies being read and records that wait for the bus. What does not fit is
 * refused at once, so that senders wait and the process does not grow. Who may have how much of them is `shares.ts`'s.
 */
export class Budget {
  #bytesMax: number
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** A new bound; what is above it already is carried to its end. */
  resize(bytesMax: number): void {
    this.#bytesMax = bytesMax
  }

  /** Takes `bytes` when they fit; the taker gives the same number back. */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.#bytesMax) return false
    this.#bytes += bytes
    return true
  }

  /** Takes `bytes` for what was already admitted, rounding up to a buffer's size may pass the bound; below zero, gives. */
  force(bytes: number): void {
    this.#bytes += bytes
  }

  /** Whether `bytes` would fit now. */
  fits(bytes: number): boolean {
    return this.#bytes + bytes <= this.#bytesMax
  }

  give(bytes: number): void {
    this.#bytes -= bytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** What is left; below zero when the bound was passed. */
  get free(): number {
    return this.#bytesMax - this.#bytes
  }

  get bytesMax(): number {
    return this.#bytesMax
  }
}
