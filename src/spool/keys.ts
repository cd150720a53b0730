/**
 * Of which keys a spool holds records that are not delivered yet, and how many: what comes behind them must wait behind
 * them. A key is what order is kept for: a topic, a guid and a sender.
 */
export class SpoolKeys {
  readonly #counts = new Map<string, number>()
  readonly #keysMax: number
  #records = 0

  constructor(keysMax: number) {
    this.#keysMax = keysMax
  }

  /** Records of all keys. */
  get records(): number {
    return this.#records
  }

  has(key: string): boolean {
    return this.#counts.has(key)
  }

  /** Whether one more record of this key can be remembered. */
  fits(key: string): boolean {
    return this.#counts.size < this.#keysMax || this.#counts.has(key)
  }

  add(key: string): void {
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
    this.#records += 1
  }

  /** One record of the key is delivered, or was not spooled after all. */
  remove(key: string): void {
    const count = this.#counts.get(key)
    if (count === undefined) return
    this.#records -= 1
    if (count > 1) this.#counts.set(key, count - 1)
    else this.#counts.delete(key)
  }

  clear(): void {
    this.#counts.clear()
    this.#records = 0
  }
}
