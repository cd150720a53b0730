/**
 * What every receiver keeps: items with unique ids are sent while the bus fails in every way it can, and each id is
 * either answered as durable and on the bus, or refused to its sender. Nothing is in flight afterwards, and the books
 * are even for each receiver, signal and guid.
 */
import assert from 'node:assert/strict'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BusRecord } from '../../src/bus/bus.ts'
import { configWith, type Fate, GatewayFixture } from '../support/gateway-fixture.ts'
import { assertLedger } from '../support/ledger.ts'
import { Random } from '../support/random.ts'

/** An item to send: it belongs to `guid`, and `id` is found again on the bus. */
export interface Item {
  readonly guid: string
  readonly id: string
}

/** What a sender was told. `retry`: nothing of the request counts as taken. */
export type Told = 'durable' | 'retry' | 'never'

export interface ReceiverUnderTest {
  readonly name: string
  /** Environment variables of the configuration, beside the defaults. */
  readonly env?: Readonly<Record<string, string>>
  /** Sends the items as one request. */
  send(fixture: GatewayFixture, items: readonly Item[]): Promise<Told>
  /** Items in a record's value. */
  read(record: BusRecord): Item[]
}

const guids = ['team-a', 'team-b', 'team-c']
const fates: Readonly<Record<string, readonly Fate[]>> = {
  'takes everything': ['stored'],
  'is away now and then': ['stored', 'stored', 'retry'],
  'is away': ['retry'],
  'loses its answers': ['stored', 'stored, but said to have failed'],
  'finds records too large': ['stored', 'too_large'],
  'refuses some for good': ['stored', 'stored', 'refused'],
  'breaks its own contract': ['stored', 'stored', 'rejects'],
  'does all of this': [
    'stored',
    'stored',
    'retry',
    'stored, but said to have failed',
    'too_large',
    'refused',
  ],
}

export function receiverContract(receiver: ReceiverUnderTest): void {
  for (const [what, choices] of Object.entries(fates)) {
    for (const isSlow of [false, true]) {
      const how = isSlow ? `${what}, slowly` : what
      test(`${receiver.name}, over a bus that ${how}: delivered and refused are all that was sent`, async () => {
        const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 1e6)
        try {
          await run(receiver, choices, isSlow, new Random(seed))
        } catch (error) {
          throw new Error(`with GUIDEPOST_SEED=${seed}: ${(error as Error).message}`, { cause: error })
        }
      })
    }
  }

  test(`${receiver.name}, while the bus is known to be down: refused at the door, nothing is counted`, async () => {
    const fixture = await GatewayFixture.start(configWith(receiver.env))
    try {
      fixture.bus.isUp = false
      assert.equal(await receiver.send(fixture, [{ guid: 'team-a', id: 'down' }]), 'retry')
      assert.deepEqual(fixture.bus.appends, [])
      assert.equal(assertLedger(await fixture.samples()).size, 0)
      fixture.bus.isUp = true
      assert.equal(await receiver.send(fixture, [{ guid: 'team-a', id: 'up' }]), 'durable')
      assertLedger(await fixture.samples())
    } finally {
      await fixture.close()
    }
  })
}

async function run(
  receiver: ReceiverUnderTest,
  choices: readonly Fate[],
  isSlow: boolean,
  random: Random,
): Promise<void> {
  const fixture = await GatewayFixture.start(configWith(receiver.env))
  const { bus } = fixture
  bus.fate = async ({ topic }) => {
    if (isSlow && random.oneIn(4)) await sleep(random.below(8))
    // Most dead letters arrive, or a test of them would only see them refused.
    return topic === 'dead_letters' && !random.oneIn(8) ? 'stored' : random.pick(choices)
  }
  try {
    const told: Record<Told, Item[]> = { durable: [], retry: [], never: [] }
    const sender = async (number: number): Promise<void> => {
      for (let i = 0; i < 12; i++) {
        const count = 1 + random.below(6)
        const items = Array.from({ length: count }, (_, n) => ({
          guid: random.pick(guids),
          id: `i${number}-${i}-${n}`,
        }))
        told[await receiver.send(fixture, items)].push(...items)
      }
    }
    await Promise.all(Array.from({ length: 8 }, (_, i) => sender(i)))
    assertDelivered(receiver, bus.stored, told)
    const ledger = assertLedger(await fixture.samples())
    const received = [...ledger.values()].reduce((sum, entry) => sum + entry.received, 0)
    const sent = told.durable.length + told.retry.length + told.never.length
    assert.equal(received, sent, 'each item sent was received once')
    assert.deepEqual(fixture.failures, [])
    assert.equal(fixture.budget.bytes, 0)
  } finally {
    await fixture.close()
  }
}

function assertDelivered(
  receiver: ReceiverUnderTest,
  stored: readonly BusRecord[],
  told: Readonly<Record<Told, readonly Item[]>>,
): void {
  const found = new Map<string, number>()
  for (const record of stored) {
    const items = receiver.read(record)
    assert.equal(items.length, record.items, 'the header items counts them')
    for (const { guid, id } of items) {
      assert.equal(guid, record.guid, 'a record holds items of its guid only')
      found.set(id, (found.get(id) ?? 0) + 1)
    }
  }
  const missing = told.durable.filter(({ id }) => !found.has(id))
  assert.deepEqual(missing, [], 'answered as durable, and not on the bus')
  const batchIds = new Set(stored.map(({ batchId }) => batchId))
  assert.equal(batchIds.size, stored.length, 'batch ids are unique')
  assert.deepEqual(told.never, [], 'a bus that fails is never the sender’s fault')
}
