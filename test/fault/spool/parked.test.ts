/**
 * A bus that takes some records and not others, and the folders of a spool: what is stuck delays nobody else, keeps its
 * order, outlives a restart; what workers that there are no more have left is delivered.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BusRecord } from '../../../src/bus/bus.ts'
import type { SpooledBusConfig, SpooledBusOptions } from '../../../src/bus/spooled/settings.ts'
import { permanent } from '../../../src/errors.ts'
import { diskError, FaultyFileSystem } from '../../support/faulty-file-system.ts'
import { MemoryBus } from '../../support/memory-bus.ts'
import { spooledBus } from '../../support/spooled-bus.ts'
import { until } from '../../support/until.ts'

const directory = '/data/spool'
const pace = { retryMsMax: 20, parkMs: 10, parkedMsMax: 50 }
let count = 0

function record(guid: string, bytes = 20): BusRecord {
  const batchId = `b${count++}`
  return {
    ...{ topic: 'otlp_spans', guid, encoding: 'otlp_proto', items: 1, batchId },
    ...{ receivedAtMs: 1_760_000_000_000, sender: 0, value: Buffer.alloc(bytes, batchId) },
  }
}

const idsOf = (records: readonly BusRecord[]): string[] => records.map(({ batchId }) => batchId)
const ofGuid = (records: readonly BusRecord[], guid: string): string[] =>
  idsOf(records.filter((one) => one.guid === guid))

type Made = ReturnType<typeof spooledBus>

/** Starts a spooled bus over `fs` for `work`, and closes it. */
async function running(
  fs: FaultyFileSystem,
  memory: MemoryBus,
  work: (made: Made) => Promise<void>,
  changes: Partial<SpooledBusConfig> = {},
  options: Partial<SpooledBusOptions> = {},
): Promise<void> {
  const made = spooledBus(memory, { directory, ...changes }, { fs, pace, ...options })
  await made.bus.start()
  try {
    await work(made)
  } finally {
    await made.bus.close(1_000)
  }
}

/** Appends one after the other; all must be acknowledged. */
async function appendAll({ bus }: Made, records: readonly BusRecord[]): Promise<void> {
  for (const one of records) assert.deepEqual(await bus.append([one]), [undefined])
}

const isEmptied = ({ bus }: Made): Promise<void> =>
  until('the spool is empty', 10_000, () => bus.spooledRecords === 0 && bus.spoolBytes === 0)

test('what one guid is stuck with delays no other, and comes in its order when it can', async () => {
  const fs = new FaultyFileSystem()
  const memory = new MemoryBus()
  await running(fs, memory, async (made) => {
    const { bus, books } = made
    memory.down()
    const stuck = Array.from({ length: 50 }, () => record('stuck'))
    const other = Array.from({ length: 50 }, () => record('other'))
    for (const [index, one] of stuck.entries()) await appendAll(made, [one, other[index]!])
    memory.blocked.add('stuck')
    memory.up()
    await until('the others are delivered', 10_000, () => memory.stored.length === other.length)
    assert.deepEqual(ofGuid(memory.stored, 'other'), idsOf(other))
    await until('the rest is parked', 10_000, () => bus.status().parkedRecords === stuck.length)
    assert.equal(bus.parkedItems, stuck.length)
    // What comes now: the others go directly, the stuck one's behind what it has.
    const direct = record('other')
    await appendAll(made, [direct])
    assert.equal(memory.stored.at(-1)?.batchId, direct.batchId)
    const later = record('stuck')
    await appendAll(made, [later])
    assert.equal(books.events.filter((name) => name === 'spool_parked').length, 1)
    memory.blocked.clear()
    await isEmptied(made)
    assert.deepEqual(ofGuid(memory.stored, 'stuck'), idsOf([...stuck, later]), 'each once, in order')
    assert.equal(bus.parkedItems, 0)
    assert.ok(books.events.includes('spool_parked_delivered'))
    assert.deepEqual(
      fs.paths().filter((path) => path.includes('parked')),
      [],
      'its files are gone',
    )
  })
})

test('among parked guids one that is stuck does not hold up those that are not any more', async () => {
  const memory = new MemoryBus()
  await running(new FaultyFileSystem(), memory, async (made) => {
    memory.down()
    const guids = ['a', 'b', 'c']
    // More than one delivery of each.
    const records = Array.from({ length: 30 }, (_, index) => record(guids[index % 3]!, 300_000))
    await appendAll(made, records)
    for (const guid of guids) memory.blocked.add(guid)
    memory.up()
    await until('all are parked', 10_000, () => made.bus.status().parkedRecords === records.length)
    memory.blocked.delete('c')
    await until('c is delivered', 10_000, () => ofGuid(memory.stored, 'c').length === 10)
    memory.blocked.delete('b')
    await until('b is delivered', 10_000, () => ofGuid(memory.stored, 'b').length === 10)
    // One that is being moved counts twice.
    await until('a is left', 10_000, () => made.bus.status().parkedRecords === 10)
    memory.blocked.clear()
    await isEmptied(made)
    for (const guid of guids) assert.deepEqual(ofGuid(memory.stored, guid), ofGuid(records, guid))
  })
})

test('what was parked is known after a restart, and new records go behind it', async () => {
  const fs = new FaultyFileSystem()
  const memory = new MemoryBus()
  const early = [record('stuck'), record('stuck')]
  memory.blocked.add('stuck')
  await running(fs, memory, async (made) => {
    await appendAll(made, early)
    await until('they are parked', 10_000, () => made.bus.status().parkedRecords === 2)
  })
  const second = new MemoryBus()
  second.blocked.add('stuck')
  await running(fs, second, async (made) => {
    const late = record('stuck')
    await appendAll(made, [late])
    await until('what was left is known', 10_000, () => made.books.adopted === 2)
    second.blocked.clear()
    await isEmptied(made)
    assert.deepEqual(idsOf(second.stored), idsOf([...early, late]))
  })
})

test('a record whose dead letter is refused too is parked, and found a place later', async () => {
  const memory = new MemoryBus()
  let takes = false
  const placed: string[] = []
  const poison = record('poison')
  const refused: SpooledBusOptions['refused'] = async ({ batchId }, outcome) => {
    if (takes) placed.push(batchId)
    return takes ? undefined : outcome
  }
  const judge = ({ batchId }: BusRecord) =>
    batchId === poison.batchId ? permanent('GP_BUS_REFUSED', 'refused by the test') : undefined
  await running(
    new FaultyFileSystem(),
    memory,
    async (made) => {
      memory.down()
      const behind = [record('a'), record('b')]
      await appendAll(made, [poison, ...behind])
      memory.judge = judge
      memory.up()
      await until('the others are delivered', 10_000, () => memory.stored.length === 2)
      assert.deepEqual(idsOf(memory.stored).sort(), idsOf(behind).sort())
      takes = true
      await isEmptied(made)
      assert.deepEqual(placed, [poison.batchId])
    },
    {},
    { refused },
  )
})

test('while the bus takes nothing at all, nothing is parked', async () => {
  const memory = new MemoryBus()
  await running(new FaultyFileSystem(), memory, async (made) => {
    memory.down()
    await appendAll(made, [record('a'), record('b')])
    // Many times as long as anything is tried before it is parked.
    await new Promise((resolve) => setTimeout(resolve, 30 * pace.parkMs))
    assert.equal(made.bus.status().parkedRecords, 0)
    memory.up()
    await isEmptied(made)
  })
})

test('parked bytes count: a spool that is full of them refuses, and gives up none', async () => {
  const memory = new MemoryBus()
  const bytesMax = 64_000
  await running(
    new FaultyFileSystem(),
    memory,
    async (made) => {
      memory.blocked.add('stuck')
      const acked: string[] = []
      let refusals = 0
      for (let index = 0; index < 60; index++) {
        const one = record('stuck', 2_000)
        const [outcome] = await made.bus.append([one])
        if (outcome === undefined) acked.push(one.batchId)
        else {
          assert.equal(outcome.code, 'GP_DISK_FULL')
          refusals += 1
        }
        assert.ok(made.bus.spoolBytes <= bytesMax, `${made.bus.spoolBytes} bytes`)
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      assert.ok(refusals > 5, `${refusals} were refused`)
      assert.ok(acked.length > 15, `${acked.length} were taken`)
      const free = record('free')
      assert.deepEqual(await made.bus.append([free]), [undefined], 'others go to the bus directly')
      memory.blocked.clear()
      await isEmptied(made)
      assert.deepEqual(ofGuid(memory.stored, 'stuck'), acked)
    },
    { bytesMax },
  )
})

test('the folders of workers that there are no more are delivered and removed, each by one worker', async () => {
  const fs = new FaultyFileSystem()
  const left: BusRecord[] = []
  for (const number of [1, 2, 3, 4, 5]) {
    const away = new MemoryBus()
    const worker = { number, count: 5 }
    away.blocked.add('stuck')
    await running(
      fs,
      away,
      async (made) => {
        const parked = record('stuck')
        await appendAll(made, [parked])
        await until('it is parked', 10_000, () => made.bus.status().parkedRecords === 1)
        away.down()
        const records = [record('stuck'), record(`of-${number}`)]
        await appendAll(made, records)
        left.push(parked, ...records)
      },
      { worker },
    )
  }
  const delivered: string[][] = []
  for (const number of [1, 2]) {
    const memory = new MemoryBus()
    await running(
      fs,
      memory,
      async (made) => {
        // Behind all that was left of this guid.
        const late = record('stuck')
        await appendAll(made, [late])
        await isEmptied(made)
        await until('nothing is adopted any more', 10_000, () => made.bus.status().adopted === 0)
        assert.equal(ofGuid(memory.stored, 'stuck').at(-1), late.batchId)
        delivered.push(idsOf(memory.stored).filter((id) => id !== late.batchId))
      },
      { worker: { number, count: 2 } },
    )
  }
  const ofWorker = (number: number): string[] => idsOf(left.slice(3 * (number - 1), 3 * number))
  assert.deepEqual(delivered[0]?.toSorted(), [1, 3, 5].flatMap(ofWorker).toSorted())
  assert.deepEqual(delivered[1]?.toSorted(), [2, 4].flatMap(ofWorker).toSorted())
  const folders = fs.paths().map((path) => path.split('/')[3])
  assert.deepEqual([...new Set(folders)].sort(), ['worker-1', 'worker-2'])
})

test('what only goes behind the records of a worker that is gone is not said to be refused by the bus', async () => {
  const fs = new FaultyFileSystem()
  for (const number of [1, 2]) {
    const away = new MemoryBus()
    away.down()
    await running(fs, away, (made) => appendAll(made, [record('shared')]), { worker: { number, count: 2 } })
  }
  const memory = new MemoryBus()
  memory.down()
  await running(fs, memory, async (made) => {
    await until('its own is behind the other', 10_000, () => made.bus.status().parkedRecords === 1)
    assert.ok(!made.books.events.includes('spool_parked'), 'a bus that is down takes no others either')
    memory.up()
    await isEmptied(made)
    assert.equal(memory.stored.length, 2)
  })
})

test('records that a disk has lost leave the books as damaged', async () => {
  const fs = new FaultyFileSystem()
  const memory = new MemoryBus()
  await running(fs, memory, async (made) => {
    memory.down()
    // Nothing is read before it is damaged.
    fs.hook = (operation) => {
      if (operation === 'read') throw diskError('EIO')
      return undefined
    }
    const records = [record('a'), record('b'), record('c')]
    await appendAll(made, records)
    const bytes = fs.bytesOf(fs.paths().find((name) => name.endsWith('.seg')) ?? '')
    const at = bytes.indexOf(records[1]!.value)
    bytes[at] = (bytes[at] ?? 0) ^ 0xff
    fs.heal()
    memory.up()
    await isEmptied(made)
    assert.deepEqual(idsOf(memory.stored), [records[0]!.batchId, records[2]!.batchId])
    const { spooled, delivered, damaged } = made.books
    assert.deepEqual({ spooled, delivered, damaged }, { spooled: 3, delivered: 2, damaged: 1 })
    assert.ok(made.books.events.includes('spool_records_missing'))
  })
})
