/** What becomes of a spooled record that the bus refuses for good. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BusRecord } from '../../../src/bus/bus.ts'
import { type GuidepostError, permanent, retryable } from '../../../src/errors.ts'
import { limits } from '../../../src/limits.ts'
import { rescue } from '../../../src/route/rescue.ts'
import { SpoolBooks } from '../../../src/route/spool-books.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { MemoryBus } from '../../support/memory-bus.ts'

const tooLarge = permanent('GP_RECORD_TOO_LARGE', 'too large')

/** Ten items of ten bytes, from a receiver. */
function record(changes: Partial<BusRecord> = {}): BusRecord {
  return {
    ...{ topic: 'otlp_spans', guid: 'shop', encoding: 'otlp_proto', items: 10, batchId: 'batch-1' },
    ...{ receivedAtMs: 1, sender: 4, receiver: 'otlp', value: Buffer.from('0123456789'.repeat(10)) },
    ...changes,
  }
}

/** Pieces of whole items. */
function cut({ value }: BusRecord, bytesMax: number): { value: Buffer; items: number }[] {
  const step = Math.max(1, Math.floor(bytesMax / 10)) * 10
  const parts: { value: Buffer; items: number }[] = []
  for (let at = 0; at < value.length; at += step) {
    const part = value.subarray(at, at + step)
    parts.push({ value: part, items: part.length / 10 })
  }
  return parts
}

class World {
  readonly bus = new MemoryBus()
  readonly told: string[] = []
  readonly #metrics = new Metrics({ guidsMax: 10, runtime: false })
  readonly books = new SpoolBooks(this.#metrics)
  readonly account = this.#metrics.ledger.account('otlp', 'traces', 'shop')
  cut = cut

  constructor(one: BusRecord) {
    this.account.received.value += one.items
    this.books.spooled(one)
  }

  run(one: BusRecord, refusal: GuidepostError): Promise<GuidepostError | undefined> {
    const { bus, books, told } = this
    const deadLettered = (_record: BusRecord, reason: string): void => void told.push(reason)
    return rescue({ bus, books, cut: (...args) => this.cut(...args), deadLettered }, one, refusal)
  }

  /** Spooled, published, dead-lettered. */
  get sides(): number[] {
    const { spooled, published, deadLettered } = this.account
    return [spooled.value, published.value, deadLettered.value]
  }
}

test('one that is too large is cut at items, each part under an id of its own that a repeat makes again', async () => {
  const one = record()
  const world = new World(one)
  world.bus.recordBytesMax = 35
  assert.equal(await world.run(one, tooLarge), undefined)
  const { stored } = world.bus
  assert.deepEqual(
    stored.map(({ items, value }) => [items, value.length]),
    [
      [3, 30],
      [3, 30],
      [3, 30],
      [1, 10],
    ],
  )
  assert.ok(Buffer.concat(stored.map(({ value }) => value)).equals(one.value))
  const ids = stored.map(({ batchId }) => batchId)
  assert.equal(new Set(ids).size, 4)
  assert.ok(ids.every((id) => id.startsWith('batch-1-')))
  for (const { guid, sender, topic } of stored)
    assert.deepEqual([guid, sender, topic], ['shop', 4, 'otlp_spans'])
  assert.deepEqual(world.sides, [0, 10, 0])
  await world.run(one, tooLarge)
  assert.deepEqual(
    stored.slice(4).map(({ batchId }) => batchId),
    ids,
  )
})

test('a part that is refused for good is a dead letter, the others are published', async () => {
  const one = record()
  const world = new World(one)
  world.bus.recordBytesMax = 50
  const bad = permanent('GP_BUS_REFUSED', 'not this one')
  world.bus.judge = ({ topic, batchId }) =>
    topic !== 'dead_letters' && batchId.endsWith('-1') ? bad : undefined
  assert.equal(await world.run(one, tooLarge), undefined)
  assert.deepEqual(world.sides, [0, 5, 5])
  assert.deepEqual(world.told, ['not this one'])
  const letter = world.bus.stored.find(({ topic }) => topic === 'dead_letters')
  assert.deepEqual(letter?.headers, { reason: 'GP_BUS_REFUSED', topic: 'otlp_spans', bytes: '50' })
})

test('one that cannot be cut, or is refused for another reason, is a dead letter as a whole', async () => {
  for (const refusal of [tooLarge, permanent('GP_BUS_REFUSED', 'no')]) {
    const one = record()
    const world = new World(one)
    world.cut = () => {
      throw new Error('cutting failed')
    }
    assert.equal(await world.run(one, refusal), undefined)
    assert.deepEqual(world.sides, [0, 0, 10])
    const [letter] = world.bus.stored
    assert.equal(letter?.topic, 'dead_letters')
    assert.deepEqual(letter?.headers, { reason: refusal.code, topic: 'otlp_spans', bytes: '100' })
    assert.ok(letter?.value.equals(one.value))
  }
})

test('a dead letter has as much of the value as fits, and says how long it was', async () => {
  const one = record({ value: Buffer.alloc(limits.deadLetterBytesMax + 7, 1) })
  const world = new World(one)
  world.cut = () => []
  assert.equal(await world.run(one, tooLarge), undefined)
  const [letter] = world.bus.stored
  assert.equal(letter?.value.length, limits.deadLetterBytesMax)
  assert.equal(letter?.headers?.['bytes'], String(limits.deadLetterBytesMax + 7))
})

test('while a part or the letter finds no place, nothing is in the books: all of it is repeated', async () => {
  const away = retryable('GP_BUS_UNAVAILABLE', 'away')
  for (const judge of [
    // The second part cannot be stored now.
    ({ batchId }: BusRecord) => (batchId.endsWith('-1') ? away : undefined),
    // It is refused for good, and so are the dead letters now.
    ({ batchId, topic }: BusRecord) =>
      topic === 'dead_letters'
        ? away
        : batchId.endsWith('-1')
          ? permanent('GP_BUS_REFUSED', 'no')
          : undefined,
  ]) {
    const one = record()
    const world = new World(one)
    world.bus.recordBytesMax = 50
    world.bus.judge = judge
    const failure = await world.run(one, tooLarge)
    assert.equal(failure?.canRetry, true)
    assert.deepEqual(world.sides, [10, 0, 0])
    world.bus.judge = () => undefined
    assert.equal(await world.run(one, tooLarge), undefined)
    assert.deepEqual(world.sides, [0, 10, 0])
  }
})
