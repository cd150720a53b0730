/** Randomness that can be replayed: one seed gives one sequence, on every machine. */

/** A generator of unsigned 32-bit numbers after Marsaglia's xorshift, seeded through a multiply-and-fold. */
export class Random {
  #state: number

  constructor(seed: number) {
    const folded = Math.imul(seed ^ (seed >>> 16), 0x45d9f3b)
    this.#state = (folded ^ (folded >>> 15)) >>> 0 || 0x9e3779b9
  }

  /** 0 to 2^32 - 1. */
  next(): number {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state >>> 0
    return this.#state
  }

  /** An integer from 0 to `bound` - 1. */
  below(bound: number): number {
    return this.next() % bound
  }

  /** True once in `times`. */
  oneIn(times: number): boolean {
    return this.below(times) === 0
  }

  pick<Value>(values: readonly Value[]): Value {
    const value = values[this.below(values.length)]
    if (value === undefined) throw new Error('nothing to pick from')
    return value
  }

  /** The values in a random order. */
  shuffled<Value>(values: readonly Value[]): Value[] {
    const keyed = values.map((value) => ({ value, key: this.next() }))
    return keyed.sort((left, right) => left.key - right.key).map(({ value }) => value)
  }
}

/** Milliseconds that one random test goes on for. Every run has a seed of its own, so that many short ones find more. */
export const fuzzMs = Number(process.env['GUIDEPOST_FUZZ_MS'] ?? 2_500)

/** What fast-check is told: the seed of GUIDEPOST_SEED when it is set, and never more than `fuzzMs` of time. */
export function propertyBounds(): {
  seed?: number
  numRuns: number
  interruptAfterTimeLimit: number
} {
  const seed = process.env['GUIDEPOST_SEED']
  const bounds = { numRuns: 100_000, interruptAfterTimeLimit: fuzzMs }
  return seed === undefined ? bounds : { ...bounds, seed: Number(seed) }
}

const characters = [
  'a',
  'Z',
  '/',
  '"',
  '\\',
  '\n',
  '\u0000',
  '\u001f',
  '\u007f',
  'é',
  '€',
  '😀',
  '\uffff',
  ' ',
]

/** Short, with characters of every width and those that encodings escape, or of a length at which a varint grows. */
export function randomText(random: Random): string {
  const size = random.oneIn(30) ? random.pick([126, 127, 128, 16_383, 16_384]) : random.below(12)
  if (size > 12 && random.oneIn(2)) return 'x'.repeat(size)
  return Array.from({ length: size }, () => random.pick(characters)).join('')
}
