/** A set that keeps no more than the last ones that were added. */
export class LastOnes {
  readonly #countMax: number
  readonly #numbers = new Set<number>()

  constructor(countMax: number) {
    this.#countMax = countMax
  }

  has(number: number): boolean {
    return this.#numbers.has(number)
  }

  add(number: number): void {
    this.#numbers.add(number)
    if (this.#numbers.size <= this.#countMax) return
    // A set is in the order in which it was filled.
    for (const oldest of this.#numbers) {
      this.#numbers.delete(oldest)
      return
    }
  }

  delete(number: number): void {
    this.#numbers.delete(number)
  }
}
