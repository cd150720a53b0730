/** Adds up what was stored. */
import type { StoredRecord } from '../../src/bus/bus.ts'
import type { Inspect } from './stored-items.ts'

/** What was found on the bus. */
export interface Delivered {
  readonly items: number
  readonly records: number
  /** Items of each guid. */
  readonly guids: ReadonlyMap<string, number>
}

/** Sums up records, each of which must hold only items of one guid. */
export class Tally {
  readonly #inspect: Inspect
  readonly #guids = new Map<string, number>()
  #items = 0
  #records = 0

  constructor(inspect: Inspect) {
    this.#inspect = inspect
  }

  add({ value, headers }: Pick<StoredRecord, 'value' | 'headers'>): void {
    const { items, guid } = this.#inspect(value)
    const said = headers['guid']
    if (said !== undefined && said !== guid) throw new Error(`a record of ${said} holds the guid ${guid}`)
    this.#items += items
    this.#guids.set(guid, (this.#guids.get(guid) ?? 0) + items)
    this.#records++
  }

  get delivered(): Delivered {
    return { items: this.#items, records: this.#records, guids: this.#guids }
  }
}
