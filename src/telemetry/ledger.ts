/**
 * The books: for each guid and signal, received = published + spooled + rejected + dead-lettered. Each side is a
 * cell, a plain object that the data path looks up once, keeps, and increments; nothing is formatted or hashed until
 * somebody scrapes.
 */
import { Counter, Gauge, type Registry } from 'prom-client'
import { definitions, type MetricName } from './definitions.ts'

export type Signal = 'metrics' | 'traces' | 'logs'

/** One count. The holder adds to `value`; it never goes down, except that of what is spooled. */
export interface Cell {
  value: number
}

/** The guid under which all guids beyond the first `guidsMax` are counted. */
export const otherGuids = 'other'

type Labels = Readonly<Record<string, string>>

class Book {
  readonly #cells = new Map<string, { readonly labels: Labels; readonly cell: Cell }>()

  cell(key: string, labels: () => Labels): Cell {
    const known = this.#cells.get(key)
    if (known !== undefined) return known.cell
    const cell = { value: 0 }
    this.#cells.set(key, { labels: labels(), cell })
    return cell
  }

  /** A prom-client counter or gauge that takes its values from the cells whenever it is asked. */
  expose(name: MetricName, registry: Registry): void {
    const cells = this.#cells
    const Kind = definitions[name].type === 'gauge' ? Gauge : Counter
    new Kind({
      name,
      help: definitions[name].help,
      labelNames: [...definitions[name].labels],
      registers: [registry],
      collect() {
        this.reset()
        for (const { labels, cell } of cells.values()) this.inc({ ...labels }, cell.value)
      },
    })
  }
}

export class Ledger {
  readonly #guidsMax: number
  readonly #guids = new Set<string>()
  readonly #received = new Book()
  readonly #published = new Book()
  readonly #spooled = new Book()
  readonly #rejected = new Book()
  readonly #deadLettered = new Book()

  /** `guidsMax`: guids that get series of their own; the later ones share `other`. */
  constructor(guidsMax: number) {
    this.#guidsMax = guidsMax
  }

  received(receiver: string, signal: Signal, guid: string): Cell {
    const name = this.#name(guid)
    return this.#received.cell(`${receiver}\0${signal}\0${name}`, () => ({ receiver, signal, guid: name }))
  }

  published(signal: Signal, guid: string): Cell {
    const name = this.#name(guid)
    return this.#published.cell(`${signal}\0${name}`, () => ({ signal, guid: name }))
  }

  spooled(signal: Signal, guid: string): Cell {
    const name = this.#name(guid)
    return this.#spooled.cell(`${signal}\0${name}`, () => ({ signal, guid: name }))
  }

  /** `reason` is one of a small fixed set; `guid` is empty when none was found. */
  rejected(receiver: string, signal: Signal, reason: string, guid: string): Cell {
    const name = this.#name(guid)
    return this.#rejected.cell(`${receiver}\0${signal}\0${reason}\0${name}`, () => ({
      receiver,
      signal,
      reason,
      guid: name,
    }))
  }

  deadLettered(signal: Signal, guid: string): Cell {
    const name = this.#name(guid)
    return this.#deadLettered.cell(`${signal}\0${name}`, () => ({ signal, guid: name }))
  }

  /** Shows the five books in `registry`. Once for each registry. */
  expose(registry: Registry): void {
    this.#received.expose('guidepost_received_items_total', registry)
    this.#published.expose('guidepost_published_items_total', registry)
    this.#spooled.expose('guidepost_spooled_items', registry)
    this.#rejected.expose('guidepost_rejected_items_total', registry)
    this.#deadLettered.expose('guidepost_dead_lettered_items_total', registry)
  }

  /** A guid that was once counted under its own name keeps it, so that no series ever goes backwards. */
  #name(guid: string): string {
    if (guid === '' || this.#guids.has(guid)) return guid
    if (this.#guids.size >= this.#guidsMax) return otherGuids
    this.#guids.add(guid)
    return guid
  }
}
