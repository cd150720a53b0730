/**
 * What senders were told is durable, and whether it is: every item has a number of its sender, each sender's book says
 * which were acknowledged, and the records of the bus, in the order of each partition, are held against the books.
 *
 * An item is known by its id, `guid/sender/number`, which says whose it must be. No id is sent twice, so one that is
 * stored in two batches, or a batch that comes back with other bytes, is a fault. Two bytes of memory for each item.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { seriesOf } from './bus-read.ts'
import { itemsOfRecord } from './otlp-items.ts'

/** One record as any reader of a bus hands it out. */
export interface ReadRecord {
  readonly topic: string
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly value: Buffer
}

const isAcknowledged = 1
const isStored = 2
const namedMax = 10

/** The numbers that one sender has used. */
export class SenderBook {
  readonly name: string
  #flags = new Uint8Array(1024)
  /** The next number that is free. */
  next = 0
  acknowledged = 0

  constructor(name: string) {
    this.name = name
  }

  /** Takes `count` numbers; the first of them. */
  take(count: number): number {
    const first = this.next
    this.next += count
    while (this.next > this.#flags.length) {
      const larger = new Uint8Array(this.#flags.length * 2)
      larger.set(this.#flags)
      this.#flags = larger
    }
    return first
  }

  acknowledge(first: number, count: number): void {
    for (let number = first; number < first + count; number++) this.#set(number, isAcknowledged)
    this.acknowledged += count
  }

  /** False when it was stored before. */
  store(number: number): boolean {
    assert.ok(number < this.next, `${this.name} never sent number ${number}`)
    if (this.#has(number, isStored)) return false
    this.#set(number, isStored)
    return true
  }

  wasAcknowledged(number: number): boolean {
    return this.#has(number, isAcknowledged)
  }

  /** Acknowledged numbers that are not stored. */
  missing(): number[] {
    const found: number[] = []
    for (let number = 0; number < this.next; number++) {
      if (this.#flags[number] === isAcknowledged) found.push(number)
    }
    return found
  }

  #has(number: number, flag: number): boolean {
    return ((this.#flags[number] ?? 0) & flag) !== 0
  }

  #set(number: number, flag: number): void {
    this.#flags[number] = (this.#flags[number] ?? 0) | flag
  }
}

/** What a comparison has found, when it has found no fault. */
export interface Comparison {
  readonly acknowledged: number
  readonly stored: number
  readonly records: number
  /** Records that were there before, with the same batch id and the same bytes. */
  readonly repeatedRecords: number
  readonly repeatedBytes: number
  /** The most copies that one record has. */
  readonly copiesMax: number
}

export class Acknowledged {
  readonly #books = new Map<string, SenderBook>()
  /** Last acknowledged number that was met of a sender, guid and topic. */
  readonly #last = new Map<string, number>()
  readonly #batches = new Map<string, { readonly digest: string; copies: number }>()
  #stored = 0
  #records = 0
  #repeatedRecords = 0
  #repeatedBytes = 0

  /** The book of a sender; the same for the same name. */
  book(name: string): SenderBook {
    const known = this.#books.get(name)
    if (known !== undefined) return known
    const book = new SenderBook(name)
    this.#books.set(name, book)
    return book
  }

  /** Items of all senders. */
  get count(): number {
    let sum = 0
    for (const { acknowledged } of this.#books.values()) sum += acknowledged
    return sum
  }

  /**
   * Looks at one record; those of a partition come in their order. Throws when it is not whole, not of its guid, out of
   * the order in which its sender was answered, or a repeat that a consumer could not know for one.
   */
  read(record: ReadRecord): void {
    const { key, headers, topic, value } = record
    this.#records += 1
    assert.equal(headers['guid'], key, 'the key is the guid')
    const batch = headers['batch_id'] ?? ''
    assert.notEqual(batch, '')
    const digest = digestOf(record)
    const known = this.#batches.get(batch)
    if (known !== undefined) {
      assert.equal(digest, known.digest, `${batch} comes twice, with other bytes`)
      known.copies += 1
      this.#repeatedRecords += 1
      this.#repeatedBytes += value.length
      return
    }
    this.#batches.set(batch, { digest, copies: 1 })
    const items = idsOf(record)
    assert.equal(headers['items'], `${items.length}`, 'the header says how many items there are')
    for (const { id, guid } of items) this.#item(topic, key, guid, id)
  }

  /** Throws when an acknowledged item was in none of the records. */
  compare(): Comparison {
    const missing = [...this.#books.values()].flatMap((book) =>
      book.missing().map((number) => `${book.name}/${number}`),
    )
    const named = missing.slice(0, namedMax).join(', ')
    assert.equal(
      missing.length,
      0,
      `${missing.length} of ${this.count} acknowledged items are missing: ${named}`,
    )
    return {
      acknowledged: this.count,
      stored: this.#stored,
      records: this.#records,
      repeatedRecords: this.#repeatedRecords,
      repeatedBytes: this.#repeatedBytes,
      copiesMax: [...this.#batches.values()].reduce((max, { copies }) => Math.max(max, copies), 0),
    }
  }

  #item(topic: string, key: string, stamped: readonly string[], id: string): void {
    const [guid = '', sender = '', digits = ''] = id.split('/')
    assert.equal(guid, key, `${id} is in a record of ${key}`)
    assert.deepEqual(stamped, [guid], `${id} is stamped with its guid, once`)
    const book = this.#books.get(sender)
    assert.ok(book !== undefined, `${id} is of no sender`)
    const number = Number(digits)
    assert.ok(book.store(number), `${id} is in two batches`)
    this.#stored += 1
    if (!book.wasAcknowledged(number)) return
    const order = `${topic} ${guid} ${sender}`
    const before = this.#last.get(order) ?? -1
    assert.ok(number > before, `${id} is behind number ${before}, which was acknowledged after it`)
    this.#last.set(order, number)
  }
}

function digestOf({ topic, key, headers, value }: ReadRecord): string {
  const hash = createHash('sha1').update(JSON.stringify([topic, key, Object.entries(headers).toSorted()]))
  return hash.update(value).digest('base64')
}

/** The ids in a record, each with every value of its label or attribute `guid`. Throws on what cannot be decoded. */
function idsOf(record: ReadRecord): { readonly id: string; readonly guid: readonly string[] }[] {
  if (record.topic !== 'prometheus_metrics') {
    return itemsOfRecord(record).map(({ id, resource }) => ({ id, guid: resource.get('guid') ?? [] }))
  }
  return seriesOf({ ...record, partition: 0, offset: 0, timestampMs: 0 }).map(({ labels }) => ({
    id: labels.find(([name]) => name === 'id')?.[1] ?? '',
    guid: labels.flatMap(([name, value]) => (name === 'guid' ? [value] : [])),
  }))
}
