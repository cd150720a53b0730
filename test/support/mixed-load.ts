/**
 * Senders of every protocol at the same time, which send one request after the other until they are stopped or their
 * program is gone, and keep book of what was acknowledged.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Acknowledged, SenderBook } from './acknowledged.ts'
import { type Entry, entries, type Link, listenerPort } from './entry-senders.ts'
import type { Program } from './program.ts'
import type { Random } from './random.ts'

const refusedPauseMs = 50

/** Whether every port that the senders use is open. */
export function opensAll({ logs }: Pick<Program, 'logs'>): boolean {
  const open = new Set(logs.map((line) => (line.msg === 'listening' ? line['listener'] : undefined)))
  return entries.every(({ listener }) => open.has(listener))
}

export interface MixedLoadOptions {
  /** Keeps the names of these senders apart from those of other loads on the same bus. */
  readonly name: string
  readonly random: Random
  readonly acknowledged: Acknowledged
  /** The guids among which a request chooses. */
  readonly guids: () => readonly string[]
  /** Items of a request; each is as likely as the others. */
  readonly sizes: readonly number[]
  /** Connections of each protocol; 1 unless given. */
  readonly connections?: number
  /** Milliseconds between two requests of one connection; none unless given. */
  readonly pauseMs?: number
  /** Requests after which a connection is closed and made anew; never unless given. */
  readonly requestsPerConnection?: number
  /** After a connection that was cut another is made, as a sender of its own: it may reach another process. */
  readonly reconnects?: boolean
  /** Told how long each acknowledged request took. */
  readonly answered?: (milliseconds: number, items: number) => void
}

export class MixedLoad {
  readonly #options: MixedLoadOptions
  readonly #running: Promise<void>
  #isOver = false
  #isCutAllowed = false
  /** Requests of this load that were acknowledged, refused for a while, or ended without an answer. */
  readonly counts = { acknowledged: 0, refused: 0, cut: 0 }
  #failure: unknown

  constructor(program: Program, options: MixedLoadOptions) {
    this.#options = options
    const { name, connections = 1 } = options
    const senders = entries.flatMap((entry) =>
      Array.from({ length: connections }, (_, index) =>
        this.#run(entry, listenerPort(program, entry.listener), `${name}-${entry.name}-${index}`),
      ),
    )
    this.#running = Promise.all(senders).then(() => undefined)
    // What went wrong is thrown by the one who asks.
    this.#running.catch((error: unknown) => {
      this.#failure = error
    })
  }

  /** Throws what a sender has met that it must not. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** From now on a connection may end without an answer: the program is about to be killed. */
  allowCut(): void {
    this.#isCutAllowed = true
  }

  /** Waits for the answers to what is under way, and ends. */
  async stop(): Promise<void> {
    this.#isOver = true
    await this.#running
  }

  /** The same for a program that is gone. */
  async gone(): Promise<void> {
    this.allowCut()
    await this.stop()
  }

  async #run(entry: Entry, port: number, name: string): Promise<void> {
    const { acknowledged, reconnects = false } = this.#options
    for (let cuts = 0; !this.#isOver; ) {
      const book = acknowledged.book(cuts === 0 ? name : `${name}-cut${cuts}`)
      const link = await entry.connect(port)
      try {
        if (await this.#use(entry, link, book)) continue
      } finally {
        link.close()
      }
      if (!reconnects) return
      cuts += 1
      await sleep(refusedPauseMs)
    }
  }

  /** False when the connection has ended. */
  async #use(entry: Entry, link: Link, book: SenderBook): Promise<boolean> {
    const { pauseMs = 0, requestsPerConnection = Number.POSITIVE_INFINITY, answered } = this.#options
    for (let sent = 0; sent < requestsPerConnection && !this.#isOver; sent++) {
      const { first, items } = this.#request(entry, book)
      const startMs = performance.now()
      const answer = await link.send(items)
      this.counts[answer] += 1
      if (answer === 'cut') {
        assert.ok(this.#isCutAllowed, `${book.name}: the connection ended without an answer`)
        return false
      }
      if (answer === 'acknowledged') {
        book.acknowledge(first, items.length)
        answered?.(performance.now() - startMs, items.length)
      }
      const wantedMs = answer === 'refused' ? refusedPauseMs : pauseMs
      if (wantedMs > 0) await sleep(wantedMs)
    }
    return true
  }

  #request(entry: Entry, book: SenderBook): { first: number; items: { guid: string; id: string }[] } {
    const { random, sizes, guids } = this.#options
    const count = random.pick(sizes)
    const first = book.take(count)
    const all = guids()
    const fixed = random.pick(all)
    const items = Array.from({ length: count }, (_, index) => {
      const guid = entry.isMixed ? random.pick(all) : fixed
      return { guid, id: `${guid}/${book.name}/${first + index}` }
    })
    return { first, items }
  }
}
