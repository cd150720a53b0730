/** How often a client may do what costs us and brings nothing: a bucket of tokens that fills with time. */
export class Allowance {
  readonly #burst: number
  readonly #perSecond: number
  #left: number
  #filledMs = performance.now()

  constructor(burst: number, perSecond: number) {
    this.#burst = burst
    this.#perSecond = perSecond
    this.#left = burst
  }

  /** False when it was too often. */
  take(): boolean {
    if (this.#left < 1) {
      const nowMs = performance.now()
      this.#left = Math.min(this.#burst, this.#left + ((nowMs - this.#filledMs) / 1e3) * this.#perSecond)
      this.#filledMs = nowMs
    }
    return --this.#left >= 0
  }
}
