/**
 * The books: for each receiver, signal and guid, received = published + spooled + rejected + dead-lettered. Each side is
 * a cell, a plain object that the data path looks up once, keeps, and increments; nothing is formatted or hashed until
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

/** The five sides for one receiver, signal and guid. */
export class Account {
  readonly labels: Labels
  readonly received: Cell = { value: 0 }
  readonly published: Cell = { value: 0 }
  readonly deadLettered: Cell = { value: 0 }
  readonly #rejected = new Map<string, Cell>()
  #spooled: Cell | undefined

  constructor(labels: Labels) {
    this.labels = labels
  }

  /** Items in the spool. Most accounts never have any, and then show none. */
  get spooled(): Cell {
    this.#spooled ??= { value: 0 }
    return this.#spooled
  }

  /** `reason` is one of a small fixed set. */
  rejected(reason: string): Cell {
    const known = this.#rejected.get(reason)
    if (known !== undefined) return known
    const cell = { value: 0 }
    this.#rejected.set(reason, cell)
    return cell
  }

  /** What the metric of that name shows of it, with labels. One that nothing was ever received for shows nothing. */
  *samples(name: BookName): Iterable<{ readonly labels: Labels; readonly value: number }> {
    const { labels } = this
    if (name === 'guidepost_rejected_items_total') {
      for (const [reason, { value }] of this.#rejected) yield { labels: { ...labels, reason }, value }
      return
    }
    // Zeros are shown as soon as there is a one beside them: an alert on an increase needs the zero before it.
    const isUsed = this.received.value > 0 || this.published.value > 0 || this.deadLettered.value > 0
    const cell = name === 'guidepost_spooled_items' ? this.#spooled : isUsed ? this[sides[name]] : undefined
    if (cell !== undefined) yield { labels, value: cell.value }
  }
}

const sides = {
  guidepost_received_items_total: 'received',
  guidepost_published_items_total: 'published',
  guidepost_dead_lettered_items_total: 'deadLettered',
} as const

const books = [
  'guidepost_received_items_total',
  'guidepost_published_items_total',
  'guidepost_spooled_items',
  'guidepost_rejected_items_total',
  'guidepost_dead_lettered_items_total',
] as const satisfies readonly MetricName[]

type BookName = (typeof books)[number]

export class Ledger {
  readonly #guidsMax: number
  readonly #guids = new Set<string>()
  readonly #accounts = new Map<string, Account>()

  /** `guidsMax`: guids that get series of their own; the later ones share `other`. */
  constructor(guidsMax: number) {
    this.#guidsMax = guidsMax
  }

  /** Always the same one for the same three. `guid` is empty for items of which none was found. */
  account(receiver: string, signal: Signal, guid: string): Account {
    const name = this.#name(guid)
    const key = `${receiver}\0${signal}\0${name}`
    const known = this.#accounts.get(key)
    if (known !== undefined) return known
    const account = new Account({ receiver, signal, guid: name })
    this.#accounts.set(key, account)
    return account
  }

  /** Shows the five books in `registry`, as they are whenever it is asked. Once for each registry. */
  expose(registry: Registry): void {
    const accounts = this.#accounts
    for (const name of books) {
      const { type, help, labels: labelNames } = definitions[name]
      const Kind = type === 'gauge' ? Gauge : Counter
      new Kind({
        name,
        help,
        labelNames: [...labelNames],
        registers: [registry],
        collect() {
          this.reset()
          for (const account of accounts.values()) {
            for (const { labels, value } of account.samples(name)) this.inc({ ...labels }, value)
          }
        },
      })
    }
  }

  /** A guid that was once counted under its own name keeps it, so that no series ever goes backwards. */
  #name(guid: string): string {
    if (guid === '' || this.#guids.has(guid)) return guid
    if (this.#guids.size >= this.#guidsMax) return otherGuids
    this.#guids.add(guid)
    return guid
  }
}
