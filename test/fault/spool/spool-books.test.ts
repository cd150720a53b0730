/**
 * The books of what goes through a spool: an item is counted under the receiver that it came by, from the moment it is
 * received until it is on the bus, also when its sender was told otherwise; what an earlier run left is under `spool`.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Bus, BusRecord } from '../../../src/bus/bus.ts'
import { type GuidepostError, permanent } from '../../../src/errors.ts'
import { Batcher, type Destination } from '../../../src/route/batcher.ts'
import { Budget } from '../../../src/route/budget.ts'
import { BufferPool } from '../../../src/route/pool.ts'
import { rescue } from '../../../src/route/rescue.ts'
import { SpoolBooks } from '../../../src/route/spool-books.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { samplesOf } from '../../support/exposition.ts'
import { FaultyFileSystem } from '../../support/faulty-file-system.ts'
import { assertLedger } from '../../support/ledger.ts'
import { MemoryBus } from '../../support/memory-bus.ts'
import { spooledBus } from '../../support/spooled-bus.ts'
import { until } from '../../support/until.ts'

/** Items are letters: a record is a string of them, cut anywhere. */
const cut = (value: Buffer, bytesMax: number): { value: Buffer; items: number }[] => {
  const starts = Array.from({ length: Math.ceil(value.length / bytesMax) }, (_, part) => part * bytesMax)
  const parts = starts.map((start) => Buffer.from(value.subarray(start, start + bytesMax)))
  return parts.map((part) => ({ value: part, items: part.length }))
}
const letters: Destination = {
  ...{ topic: 'otlp_spans', encoding: 'otlp_proto', joins: false },
  cut: (_owner, value, bytesMax) => cut(value, bytesMax),
}

/** A gateway's route over a disk that outlives it. */
class Run {
  readonly memory = new MemoryBus()
  readonly bus: ReturnType<typeof spooledBus>['bus']
  readonly #metrics = new Metrics({ guidsMax: 10, runtime: false })
  readonly #budget = new Budget(1e6)
  readonly #batcher: Batcher

  private constructor(fs: FaultyFileSystem) {
    const { memory } = this
    const books = new SpoolBooks(this.#metrics)
    const options = {
      bus: memory as Bus,
      books,
      cut: ({ value }: BusRecord, bytesMax: number) => cut(value, bytesMax),
      deadLettered: () => undefined,
    }
    const config = { directory: '/data/spool', afterMs: 100, appendMs: 1_000 }
    const { bus } = spooledBus(memory, config, {
      fs,
      accounts: books,
      refused: (record, outcome) => rescue(options, record, outcome),
    })
    this.bus = bus
    this.#metrics.setInflightBytes(() => this.#budget.bytes)
    this.#batcher = new Batcher({
      ...{ bus, budget: this.#budget, pool: new BufferPool(), spread: 1 },
      limits: { lingerMs: 0, recordBytes: 10_000 },
      published: () => undefined,
      deadLettered: () => undefined,
    })
  }

  static async start(fs: FaultyFileSystem): Promise<Run> {
    const run = new Run(fs)
    await run.bus.start()
    return run
  }

  /** As a receiver does; what its sender is told. */
  async send(receiver: string, text: string): Promise<GuidepostError | undefined> {
    const account = this.#metrics.ledger.account(receiver, 'traces', 'shop')
    const { received, published, deadLettered } = account
    const rejected = (reason: string) => account.rejected(reason)
    const owner = { text: 'shop', receiver, received, published, deadLettered, rejected, inflightBytes: 0 }
    const records = [{ owner, bytes: text.length, items: text.length }]
    const copy = (_i: number, target: Buffer, at: number): void => void target.write(text, at, 'latin1')
    const submission = this.#batcher.submit(letters, { records, copy }, 1, 1)
    received.value += text.length
    return typeof submission === 'string' ? undefined : submission.settled
  }

  /** What there is of a receiver, once the books are even: received, published, spooled, rejected, dead-lettered. */
  async accountOf(receiver: string): Promise<number[]> {
    const ledger = assertLedger(samplesOf(await this.#metrics.registry.metrics()))
    const entry = ledger.get(`${receiver} traces shop`)
    if (entry === undefined) return []
    return [entry.received, entry.published, entry.spooled, entry.rejected, entry.deadLettered]
  }

  async delivered(): Promise<void> {
    await until('all is delivered', 5_000, () => this.bus.spooledRecords === 0)
  }
}

test('each receiver keeps its items in the spool and on their way out of it', async () => {
  const run = await Run.start(new FaultyFileSystem())
  try {
    assert.equal(await run.send('otlp', 'direct'), undefined)
    run.memory.down()
    assert.equal(await run.send('otlp', 'abc'), undefined)
    assert.equal(await run.send('zipkin', 'abcd'), undefined)
    assert.deepEqual(await run.accountOf('otlp'), [9, 6, 3, 0, 0])
    assert.deepEqual(await run.accountOf('zipkin'), [4, 0, 4, 0, 0])
    run.memory.up()
    await run.delivered()
    assert.deepEqual(await run.accountOf('otlp'), [9, 9, 0, 0, 0])
    assert.deepEqual(await run.accountOf('zipkin'), [4, 4, 0, 0, 0])
    assert.deepEqual(await run.accountOf('spool'), [])
    assert.ok(
      run.memory.stored.every(({ headers }) => headers === undefined),
      'nothing of it goes on the bus',
    )
  } finally {
    await run.bus.close(1_000)
  }
})

test('what an earlier run left comes and goes as the receiver spool, what comes now as its own', async () => {
  const fs = new FaultyFileSystem()
  const earlier = await Run.start(fs)
  earlier.memory.down()
  assert.equal(await earlier.send('otlp', 'abc'), undefined)
  await earlier.bus.close(1_000)
  const run = await Run.start(fs)
  try {
    run.memory.down()
    await until('what was left is known', 5_000, async () => (await run.accountOf('spool')).length > 0)
    assert.equal(await run.send('otlp', 'abcde'), undefined)
    assert.deepEqual(await run.accountOf('spool'), [3, 0, 3, 0, 0])
    assert.deepEqual(await run.accountOf('otlp'), [5, 0, 5, 0, 0])
    run.memory.up()
    await run.delivered()
    assert.deepEqual(await run.accountOf('spool'), [3, 3, 0, 0, 0])
    assert.deepEqual(await run.accountOf('otlp'), [5, 5, 0, 0, 0])
  } finally {
    await run.bus.close(1_000)
  }
})

test('a record that the disk stored after its sender was refused is received a second time', async () => {
  const fs = new FaultyFileSystem()
  const run = await Run.start(fs)
  try {
    run.memory.down()
    const gate = Promise.withResolvers<undefined>()
    fs.hook = (operation) => (operation === 'datasync' ? gate.promise : undefined)
    const told = await run.send('otlp', 'abc')
    assert.equal(told?.code, 'GP_BUS_DEADLINE')
    assert.deepEqual(await run.accountOf('otlp'), [3, 0, 0, 3, 0])
    fs.heal()
    gate.resolve(undefined)
    await until('it is in the spool', 5_000, async () => (await run.accountOf('otlp'))[2] === 3)
    assert.deepEqual(await run.accountOf('otlp'), [6, 0, 3, 3, 0])
    run.memory.up()
    await run.delivered()
    assert.deepEqual(await run.accountOf('otlp'), [6, 3, 0, 3, 0])
  } finally {
    await run.bus.close(1_000)
  }
})

test('a spooled record that must be cut, and whose parts are refused, is dead-lettered for its receiver', async () => {
  const run = await Run.start(new FaultyFileSystem())
  try {
    run.memory.down()
    assert.equal(await run.send('otlp', 'good'), undefined)
    assert.equal(await run.send('zipkin', 'poison'), undefined)
    assert.equal(await run.send('jaeger', `${'x'.repeat(40)}${'!'.repeat(60)}`), undefined)
    run.memory.judge = ({ topic, value }) => {
      if (topic === 'dead_letters') return undefined
      if (value.includes('poison') || value.includes('!'.repeat(50)))
        return permanent('GP_BUS_REFUSED', 'no right')
      return value.length > 50 ? permanent('GP_RECORD_TOO_LARGE', 'too large') : undefined
    }
    run.memory.recordBytesMax = 50
    run.memory.up()
    await run.delivered()
    assert.deepEqual(await run.accountOf('otlp'), [4, 4, 0, 0, 0])
    assert.deepEqual(await run.accountOf('zipkin'), [6, 0, 0, 0, 6])
    assert.deepEqual(await run.accountOf('jaeger'), [100, 50, 0, 0, 50])
  } finally {
    await run.bus.close(1_000)
  }
})
