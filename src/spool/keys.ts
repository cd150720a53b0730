/**
 * Of which keys a spool holds records that are not delivered yet, and how many: what comes behind them must wait behind
 * them. A key is what order is kept for: a topic, a guid and a sender. Beside it, how many items of which account are in
 * these records, for the day on which some of them cannot be read any more.
 */
export class SpoolKeys {
  readonly #records = new Map<string, number>()
  readonly #items = new Map<string, number>()
  #recordsCount = 0
  #itemsCount = 0

  /** Records of all keys. */
  get records(): number {
    return this.#recordsCount
  }

  /** Items of all accounts. */
  get items(): number {
    return this.#itemsCount
  }

  /** Keys. */
  get size(): number {
    return this.#records.size
  }

  has(key: string): boolean {
    return this.#records.has(key)
  }

  add(key: string, account: string, items: number): void {
    this.#records.set(key, (this.#records.get(key) ?? 0) + 1)
    this.#items.set(account, (this.#items.get(account) ?? 0) + items)
    this.#recordsCount += 1
    this.#itemsCount += items
  }

  /** One record of the key is delivered, lies elsewhere by now, or was not spooled after all. */
  remove(key: string, account: string, items: number): void {
    if (!this.#records.has(key)) return
    subtract(this.#records, key, 1)
    subtract(this.#items, account, items)
    this.#recordsCount -= 1
    this.#itemsCount -= items
  }

  /** Forgets everything; says how many items of which account there were. */
  takeAll(): [account: string, items: number][] {
    const all = [...this.#items]
    this.#records.clear()
    this.#items.clear()
    this.#recordsCount = 0
    this.#itemsCount = 0
    return all
  }
}

function subtract(counts: Map<string, number>, name: string, count: number): void {
  const left = (counts.get(name) ?? 0) - count
  if (left > 0) counts.set(name, left)
  else counts.delete(name)
}
