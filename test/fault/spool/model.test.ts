/**
 * A spooled bus through outages, slow times, full and failing disks, power cuts and restarts, against the promise: what
 * was acknowledged is on the bus in the end, unchanged, and the records of each guid in the order of the calls. Replay
 * with GUIDEPOST_SEED.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import type { BusRecord } from '../../../src/bus/bus.ts'
import { fileHeaderBytes } from '../../../src/segment/format.ts'
import { diskError, FaultyFileSystem } from '../../support/faulty-file-system.ts'
import { MemoryBus } from '../../support/memory-bus.ts'
import { Random } from '../../support/random.ts'
import { spooledBus } from '../../support/spooled-bus.ts'
import { until } from '../../support/until.ts'

const timeBoxMs = Number(process.env['GUIDEPOST_FUZZ_MS'] ?? 12_000)
const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 2 ** 31)
const directory = '/data/spool'
/** How often something was parked, in all runs. */
let parkedCount = 0

type Action =
  | { readonly kind: 'append'; readonly guids: number[]; readonly bytes: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'down'; readonly stores: boolean }
  | { readonly kind: 'up' | 'clearDisk' }
  | { readonly kind: 'stumble'; readonly guid: number; readonly stores: boolean }
  | { readonly kind: 'slow'; readonly ms: number }
  | { readonly kind: 'block' | 'unblock'; readonly guid: number }
  | { readonly kind: 'disk'; readonly code: 'ENOSPC' | 'EIO'; readonly every: number }
  | { readonly kind: 'crash'; readonly seed: number }
  | { readonly kind: 'restart' }

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      guids: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 6 }),
      bytes: fc.integer({ min: 1, max: 3_000 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 25 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('down' as const), stores: fc.boolean() }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'up' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('stumble' as const),
      guid: fc.integer({ min: 0, max: 3 }),
      stores: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('slow' as const), ms: fc.integer({ min: 0, max: 8 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('block' as const, 'block' as const, 'unblock' as const),
      guid: fc.integer({ min: 0, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('disk' as const),
      code: fc.constantFrom('ENOSPC' as const, 'EIO' as const),
      every: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'clearDisk' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), seed: fc.integer() }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
)

class Model {
  #fs = new FaultyFileSystem()
  readonly #appended = new Map<string, BusRecord>()
  readonly #acked = new Set<string>()
  readonly #stored: BusRecord[] = []
  readonly #blocked = new Set<string>()
  #memory = new MemoryBus()
  #made = spooledBus(this.#memory, { directory })
  #appends: Promise<void>[] = []

  async open(): Promise<void> {
    this.#memory = new MemoryBus()
    this.#block()
    this.#made = spooledBus(
      this.#memory,
      { directory, segmentBytes: 12_000, bytesMax: 150_000, afterMs: 200, appendMs: 2_000 },
      { fs: this.#fs, pace: { retryMsMax: 10, parkMs: 3, parkedMsMax: 20 } },
    )
    await this.#made.bus.start()
  }

  async play(one: Action): Promise<void> {
    switch (one.kind) {
      case 'append':
        this.#appends.push(this.#append(one.guids, one.bytes))
        return
      case 'wait':
        return sleep(one.ms)
      case 'down':
        this.#memory.storesWhatFails = one.stores
        return this.#memory.down()
      case 'up':
        return this.#memory.up()
      case 'stumble':
        this.#memory.storesWhatFails = one.stores
        return this.#memory.stumble(`guid-${one.guid}`)
      case 'block':
        this.#blocked.add(`guid-${one.guid}`)
        return this.#block()
      case 'unblock':
        this.#blocked.delete(`guid-${one.guid}`)
        return this.#block()
      case 'slow':
        this.#memory.delayMs = one.ms
        return
      case 'disk':
        return this.#failDisk(one.code, one.every)
      case 'clearDisk':
        this.#fs.heal()
        return
      case 'crash':
        return this.#crash(one.seed)
      case 'restart':
        this.#fs.heal()
        await this.#close(5_000)
        return this.open()
    }
  }

  /** The bus comes back, the disk is mended: everything acknowledged arrives, and the spool is empty. */
  async check(): Promise<void> {
    this.#fs.heal()
    this.#memory.up()
    this.#memory.blocked.clear()
    this.#memory.delayMs = 0
    await Promise.all(this.#appends)
    await until('the spool is empty', 10_000, () => this.#made.bus.spooledRecords === 0)
    // What an abandoned write left may lie behind the last record that is known.
    await until('its files are gone', 10_000, () => this.#made.bus.spoolBytes <= fileHeaderBytes)
    const { books } = this.#made
    await this.#close(1_000)
    assert.equal(books.delivered, books.spooled + books.adopted, 'the books are closed')
    assert.ok(!books.events.includes('spool_records_missing'), 'nothing in the spool was lost')
    const first = new Map<string, BusRecord>()
    for (const record of this.#stored) {
      const original = this.#appended.get(record.batchId)
      assert.ok(original, 'what is stored was appended')
      assert.ok(record.value.equals(original.value), `the value of ${record.batchId} is unchanged`)
      const { value: _, ...rest } = record
      const { value: __, ...expected } = original
      assert.deepEqual(rest, expected)
      if (!first.has(record.batchId)) first.set(record.batchId, record)
    }
    const missing = [...this.#acked].filter((id) => !first.has(id))
    assert.deepEqual(missing, [], 'everything acknowledged is on the bus')
    for (let guid = 0; guid < 4; guid++) {
      const ofGuid = (record: BusRecord) => record.guid === `guid-${guid}` && this.#acked.has(record.batchId)
      const sent = [...this.#appended.values()].filter(ofGuid).map(({ batchId }) => batchId)
      const found = [...first.values()].filter(ofGuid).map(({ batchId }) => batchId)
      assert.deepEqual(found, sent, `the records of guid-${guid} are in the order of the calls`)
    }
  }

  async end(): Promise<void> {
    this.#fs.heal()
    await this.#made.bus.close(0)
  }

  #block(): void {
    this.#memory.blocked.clear()
    for (const guid of this.#blocked) this.#memory.blocked.add(guid)
  }

  async #append(guids: number[], bytes: number): Promise<void> {
    const records = guids.map((guid): BusRecord => {
      const batchId = `b${this.#appended.size}`
      const record: BusRecord = {
        topic: 'otlp_spans',
        guid: `guid-${guid}`,
        encoding: 'otlp_proto',
        items: 1 + (this.#appended.size % 5),
        batchId,
        receivedAtMs: 1_760_000_000_000,
        sender: 0,
        value: Buffer.alloc(bytes, `${batchId},`),
      }
      this.#appended.set(batchId, { ...record, value: Buffer.from(record.value) })
      return record
    })
    const outcomes = await this.#made.bus.append(records)
    for (const [index, record] of records.entries()) {
      if (outcomes[index] !== undefined) continue
      this.#acked.add(record.batchId)
      // The caller's memory is its own again.
      record.value.fill(0xff)
    }
  }

  #failDisk(code: 'ENOSPC' | 'EIO', every: number): void {
    let count = 0
    this.#fs.hook = () => {
      if (++count % every === 0) throw diskError(code)
      return undefined
    }
  }

  async #crash(crashSeed: number): Promise<void> {
    // What the dead process still tries comes to nothing.
    const random = new Random(crashSeed)
    this.#fs.losePower(random)
    this.#fs = this.#fs.restart(random)
    this.#memory.down()
    await this.#close(0)
    await this.open()
  }

  async #close(deadlineMs: number): Promise<void> {
    parkedCount += this.#made.books.events.filter((name) => name === 'spool_parked').length
    await this.#made.bus.close(deadlineMs)
    await Promise.all(this.#appends)
    this.#stored.push(...this.#memory.stored)
  }
}

test('acknowledged is delivered, in order, whatever happens', { timeout: 120_000 }, async () => {
  const run = fc.asyncProperty(
    fc.array(action, { minLength: 1, maxLength: 60, size: 'max' }),
    async (actions) => {
      const model = new Model()
      await model.open()
      try {
        for (const one of actions) await model.play(one)
        await model.check()
      } finally {
        await model.end()
      }
    },
  )
  await fc.assert(run, { seed, numRuns: 100_000, interruptAfterTimeLimit: timeBoxMs, endOnFailure: true })
  assert.ok(parkedCount > 0, 'some of it was parked')
})
