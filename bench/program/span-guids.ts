/** Many guids: texts of one width, so that one is written over another without a byte being moved. */

const digits = 8
const prefix = 'team-'
const width = prefix.length + digits

/** The guid with that number; all are as long as each other. */
export function guidText(number: number): string {
  return `${prefix}${String(number).padStart(digits, '0')}`
}

/** Where the guids begin in ready bytes that hold that of number 0. */
export function guidPlaces(bytes: Buffer): number[] {
  const places: number[] = []
  const text = guidText(0)
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + width)) places.push(at)
  return places
}

/** Guids in turn, over all requests of a load. */
export class GuidTurns {
  readonly #count: number
  #next = 0

  constructor(count: number) {
    this.#count = count
  }

  /** Writes the next guids into the message at `offset` of `buffer`. */
  write(buffer: Buffer, offset: number, places: readonly number[]): void {
    for (const place of places) {
      let rest = this.#next
      this.#next = (this.#next + 1) % this.#count
      for (let at = offset + place + width - 1; at >= offset + place + prefix.length; at--) {
        buffer[at] = 0x30 + (rest % 10)
        rest = Math.floor(rest / 10)
      }
    }
  }
}

/** How many items of each guid `turns` turns make, with `itemsEach` in each. */
export function itemsInTurns(count: number, turns: number, itemsEach: number): Map<string, number> {
  const items = new Map<string, number>()
  for (let number = 0; number < Math.min(count, turns); number++) {
    const times = Math.floor(turns / count) + (number < turns % count ? 1 : 0)
    items.set(guidText(number), times * itemsEach)
  }
  return items
}
