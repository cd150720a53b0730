/**
 * Senders of remote write that never stop: each has a guid of its own, sends one series at a time, repeats what was refused,
 * and keeps what was acknowledged. Afterwards what the cluster stores is held against that.
 */
import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { seriesOf } from './bus-read.ts'
import { readMessages } from './kafka-read.ts'
import { messageV1, post, type Reply, series, snappy } from './senders.ts'
import { until } from './until.ts'

const pauseMs = 10
const refusedPauseMs = 50

interface Attempt {
  readonly guid: string
  /** Rises by one with each item that was acknowledged. */
  readonly sequence: number
  readonly id: string
}

export class ClusterLoad {
  readonly acknowledged: Attempt[] = []
  readonly refusals: Reply[] = []
  /** Milliseconds that the slowest answer took. */
  slowestMs = 0
  readonly #senders: Promise<void>
  #isOver = false

  /** `name` keeps the guids of one load apart from those of others. */
  constructor(port: number, name: string, senders = 8) {
    const all = Array.from({ length: senders }, (_, index) => this.#send(port, `${name}-${index}`))
    this.#senders = Promise.all(all).then(() => undefined)
    // What went wrong shows when the load is stopped.
    this.#senders.catch(() => undefined)
  }

  /** Waits until so many more are acknowledged. */
  async more(count: number, msMax = 60_000): Promise<void> {
    const goal = this.acknowledged.length + count
    await until(`${count} more are acknowledged`, msMax, () => this.acknowledged.length >= goal)
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#senders
  }

  /**
   * Every acknowledged item is stored, those of a guid in their order; what is stored twice has one batch id, so that a
   * consumer knows. `address` is a broker's. Items acknowledged before the `from`th are left out.
   */
  async assertStored(address: string, topic: string, from = 0): Promise<void> {
    const placeOf = new Map<string, number>()
    const batchOf = new Map<string, string>()
    for (const [place, message] of (await readMessages(address, topic)).entries()) {
      const batch = message.headers['batch_id'] ?? ''
      const record = { topic, offset: place, timestampMs: 0, ...message }
      for (const { labels } of seriesOf(record)) {
        const id = new Map(labels).get('id') ?? ''
        assert.equal(batchOf.get(id) ?? batch, batch, `${id} is stored in two batches`)
        batchOf.set(id, batch)
        if (!placeOf.has(id)) placeOf.set(id, place)
      }
    }
    const held = this.acknowledged.slice(from)
    const missing = held.filter(({ id }) => !placeOf.has(id))
    assert.deepEqual(missing, [], `of ${held.length} acknowledged items ${missing.length} are missing`)
    // A guid lies in one partition, so places rise as its offsets do.
    const last = new Map<string, Attempt>()
    for (const attempt of held) {
      const before = last.get(attempt.guid)
      last.set(attempt.guid, attempt)
      if (before === undefined) continue
      const isAfter = placeOf.get(before.id)! <= placeOf.get(attempt.id)!
      assert.ok(isAfter, `${attempt.id} is stored before ${before.id}`)
    }
  }

  async #send(port: number, guid: string): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    try {
      for (let sequence = 0; !this.#isOver; sequence++) await this.#sendOne(port, guid, sequence, agent)
    } finally {
      agent.destroy()
    }
  }

  /** Every attempt has an id of its own: one that was refused may be stored all the same, at any place. */
  async #sendOne(port: number, guid: string, sequence: number, agent: Agent): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const id = `${guid}-${sequence}-${attempt}`
      const startMs = performance.now()
      const reply = await post(port, snappy(messageV1(series(guid, id))), { agent })
      this.slowestMs = Math.max(this.slowestMs, performance.now() - startMs)
      if (reply.status === 204) {
        this.acknowledged.push({ guid, sequence, id })
        await sleep(pauseMs)
        return
      }
      assert.equal(reply.status, 503, reply.text)
      assert.equal(reply.headers['retry-after'], '1')
      this.refusals.push(reply)
      if (this.#isOver) return
      await sleep(refusedPauseMs)
    }
  }
}
