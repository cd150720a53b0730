/** What a sender and an operator see of a spool: success when it is durable, refusal when it is full, nothing dropped. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AppendOutcome, BusRecord } from '../../../src/bus/bus.ts'
import { permanent } from '../../../src/errors.ts'
import { FaultyFileSystem } from '../../support/faulty-file-system.ts'
import { MemoryBus } from '../../support/memory-bus.ts'
import { spooledBus } from '../../support/spooled-bus.ts'
import { until } from '../../support/until.ts'

const directory = '/data/spool'
let count = 0

function record(changes: Partial<BusRecord> = {}): BusRecord {
  const batchId = `b${count++}`
  return {
    topic: 'otlp_spans',
    guid: 'shop',
    encoding: 'otlp_proto',
    items: 2,
    batchId,
    receivedAtMs: 1_760_000_000_000,
    sender: 0,
    value: Buffer.from(`value of ${batchId}`),
    ...changes,
  }
}

const idsOf = (records: readonly BusRecord[]): string[] => records.map(({ batchId }) => batchId)

test('while the bus is away records are acknowledged, and delivered in their order when it is back', async () => {
  const memory = new MemoryBus()
  const { bus, books } = spooledBus(memory, { directory }, { fs: new FaultyFileSystem() })
  await bus.start()
  try {
    memory.down()
    assert.deepEqual(bus.health(), { up: true, reason: '' })
    const letter = record({ topic: 'dead_letters', headers: { reason: 'too large', topic: 'otlp_spans' } })
    const records = [record(), record({ guid: 'bank', sender: 3 }), record(), letter]
    assert.deepEqual(await bus.append(records), new Array(4).fill(undefined))
    assert.equal(memory.stored.length, 0)
    assert.equal(books.spooled, 8)
    memory.up()
    await until('all is delivered', 5_000, () => bus.spooledRecords === 0)
    // Between guids the bus keeps no order.
    for (const guid of ['shop', 'bank']) {
      const ofGuid = (one: BusRecord) => one.guid === guid && one.topic === 'otlp_spans'
      assert.deepEqual(memory.stored.filter(ofGuid), records.filter(ofGuid))
    }
    const found = memory.stored.find(({ topic }) => topic === 'dead_letters')
    assert.deepEqual(found, letter, 'with the headers that it had')
    assert.equal(memory.stored.length, 4)
    await until('its files are gone', 5_000, () => bus.spoolBytes === 0)
    assert.deepEqual(books.events, ['spool_begun', 'spool_emptied'])
  } finally {
    await bus.close(1_000)
  }
})

test('what the spool has no room for is refused, and everything acknowledged stays', async () => {
  const memory = new MemoryBus()
  const { bus } = spooledBus(memory, { directory, bytesMax: 30_000 }, { fs: new FaultyFileSystem() })
  await bus.start()
  try {
    memory.down()
    const records = Array.from({ length: 20 }, () => record({ value: Buffer.alloc(3_000, count) }))
    const acked: string[] = []
    for (const one of records) {
      const [outcome] = await bus.append([one])
      if (outcome === undefined) acked.push(one.batchId)
      else {
        assert.equal(outcome.code, 'GP_DISK_FULL')
        assert.equal(outcome.canRetry, true)
        assert.match(outcome.message, /spool\.bytesMax/)
      }
    }
    assert.ok(acked.length > 5 && acked.length < 10, `${acked.length} fit`)
    const { spoolBytes, spoolBytesMax } = bus
    const near = spoolBytes <= spoolBytesMax && spoolBytes > spoolBytesMax - 4_000
    assert.ok(near, `an operator sees that it is full: ${spoolBytes} of ${spoolBytesMax}`)
    memory.up()
    await until('all is delivered', 5_000, () => bus.spooledRecords === 0)
    assert.deepEqual(idsOf(memory.stored), acked)
    assert.deepEqual(await bus.append([record()]), [undefined], 'there is room again')
  } finally {
    await bus.close(1_000)
  }
})

test('it is well while a record of the largest size has room, and not when only smaller ones have', async () => {
  const largest = () => record({ value: Buffer.alloc(10_000, 1) })
  const small = () => record({ value: Buffer.alloc(500, 2) })
  const world = async (bytesMax: number) => {
    const memory = new MemoryBus()
    memory.recordBytesMax = 10_000
    const { bus } = spooledBus(memory, { directory, bytesMax }, { fs: new FaultyFileSystem() })
    await bus.start()
    memory.down()
    return { memory, bus }
  }
  const { memory, bus } = await world(60_000)
  const other = await world(60_000)
  try {
    let taken = 0
    while (bus.health().up) {
      assert.deepEqual(await bus.append([small()]), [undefined])
      taken++
    }
    assert.match(bus.health().reason, /the test says so; and the spool .* is full: .*spool\.bytesMax/)
    assert.match(bus.status().problem, /is full/)
    assert.deepEqual(await bus.append([small()]), [undefined], 'smaller ones are taken as long as they fit')
    for (let i = 1; i < taken; i++) await other.bus.append([small()])
    assert.equal(other.bus.health().up, true)
    assert.deepEqual(await other.bus.append([largest()]), [undefined], 'as it was said')

    memory.up()
    await until('its files are gone', 5_000, () => bus.spoolBytes === 0)
    memory.down()
    assert.deepEqual(bus.health(), { up: true, reason: '' })
  } finally {
    await bus.close(1_000)
    await other.bus.close(1_000)
  }
})

test('a full disk is said, a sync that fails is no success, and the bus is down until the disk is well', async () => {
  const memory = new MemoryBus()
  const fs = new FaultyFileSystem()
  const said: object[] = []
  const log = { info() {}, warn() {}, error: (fields: object) => said.push(fields) }
  const { bus } = spooledBus(memory, { directory, diskReserveBytes: 1_000_000 }, { fs, log })
  await bus.start()
  try {
    memory.down()
    fs.free = 500_000
    const [full] = await bus.append([record()])
    assert.equal(full?.code, 'GP_DISK_FULL')
    assert.match(JSON.stringify(said), /disk of the spool .* make room, or lower spool\.bytesMax/)
    assert.doesNotMatch(
      JSON.stringify(said),
      /log\./,
      'options of the log are none of a gateway with a spool',
    )
    assert.equal(full.canRetry, true)
    assert.equal(bus.health().up, false, 'nobody takes anything now')
    assert.match(bus.health().reason, /disk of the spool/)
    fs.free = Number.MAX_SAFE_INTEGER
    await until('the disk is seen to be well', 5_000, () => bus.health().up)
    fs.fail({ operation: 'datasync', does: 'EIO' })
    const lost = record()
    assert.equal((await bus.append([lost]))[0]?.code, 'GP_DISK_FAILED')
    const kept = record()
    assert.deepEqual(await bus.append([kept]), [undefined])
    memory.up()
    await until('all is delivered', 5_000, () => bus.spooledRecords === 0)
    assert.deepEqual(idsOf(memory.stored), [kept.batchId], 'what was refused is not delivered')
  } finally {
    await bus.close(1_000)
  }
})

test('a record that the bus refuses for good is handed on, or stays with what is behind it', async () => {
  const memory = new MemoryBus()
  const poison = record()
  let takes = false
  const refused: string[] = []
  const { bus, books } = spooledBus(
    memory,
    { directory },
    {
      fs: new FaultyFileSystem(),
      refused: (one, outcome) => {
        refused.push(one.batchId)
        return Promise.resolve(takes ? undefined : outcome)
      },
    },
  )
  await bus.start()
  try {
    memory.down()
    memory.judge = ({ batchId }) =>
      batchId === poison.batchId ? permanent('GP_BUS_REFUSED', 'no right to write') : undefined
    assert.deepEqual(await bus.append([poison, record({ guid: 'bank' })]), [undefined, undefined])
    memory.up()
    await until('it was tried twice', 5_000, () => refused.length > 1)
    assert.ok(bus.spooledRecords > 0, 'it stays')
    assert.ok(books.events.includes('spool_stuck'))
    takes = true
    await until('the spool is empty', 5_000, () => bus.spooledRecords === 0)
    assert.equal(memory.stored.length, 1)
  } finally {
    await bus.close(1_000)
  }
})

test('an unreadable cursor delivers again what is there, under the same batch ids', async () => {
  const fs = new FaultyFileSystem()
  const away = new MemoryBus()
  const first = spooledBus(away, { directory }, { fs })
  await first.bus.start()
  away.down()
  const records = [record(), record()]
  assert.deepEqual(await first.bus.append(records), [undefined, undefined])
  await first.bus.close(1_000)
  fs.put(`${directory}/worker-1/cursor`, Buffer.from('guidepost spool cursor 1\noffset 7\ncrc32c 00000000\n'))
  const memory = new MemoryBus()
  const second = spooledBus(memory, { directory }, { fs })
  await second.bus.start()
  try {
    await until('all is delivered', 5_000, () => memory.stored.length === 2)
    assert.deepEqual(memory.stored, records)
    assert.equal(second.books.adopted, 4, 'they are in the books of the new run')
    assert.ok(second.books.events.includes('spool_cursor'))
  } finally {
    await second.bus.close(1_000)
  }
})

test('a spool that was emptied takes and delivers again after a restart', async () => {
  const fs = new FaultyFileSystem()
  for (let run = 0; run < 3; run++) {
    const memory = new MemoryBus()
    const { bus } = spooledBus(memory, { directory }, { fs })
    await bus.start()
    try {
      memory.down()
      const records = [record(), record()]
      assert.deepEqual(await bus.append(records), [undefined, undefined])
      memory.up()
      await until('the spool is empty', 5_000, () => bus.spooledRecords === 0 && bus.spoolBytes === 0)
      assert.deepEqual(memory.stored, records, 'each of its own run, once')
    } finally {
      await bus.close(1_000)
    }
  }
})

test('when more keys are spooled than can be remembered, further ones are told to wait', async () => {
  const memory = new MemoryBus()
  const { bus } = spooledBus(memory, { directory }, { fs: new FaultyFileSystem(), keysMax: 2 })
  await bus.start()
  try {
    memory.down()
    const guids = ['a', 'b', 'c', 'a']
    const outcomes = []
    for (const guid of guids) outcomes.push(...(await bus.append([record({ guid })])))
    assert.deepEqual(
      outcomes.map((outcome) => outcome?.code),
      [undefined, undefined, 'GP_OVERLOADED', undefined],
    )
    memory.up()
    await until('all is delivered', 5_000, () => bus.spooledRecords === 0)
    assert.deepEqual(await bus.append([record({ guid: 'c' })]), [undefined])
  } finally {
    await bus.close(1_000)
  }
})

test('a disk that is slow: senders hear in time, and what it has not begun by then is not kept', async () => {
  const memory = new MemoryBus()
  const fs = new FaultyFileSystem()
  const { bus, books } = spooledBus(memory, { directory, afterMs: 10, appendMs: 1_500 }, { fs })
  await bus.start()
  const { promise: answered, resolve: answer } = Promise.withResolvers<undefined>()
  try {
    memory.down()
    assert.deepEqual(await bus.append([record()]), [undefined])
    let waiting: Promise<AppendOutcome[]> | undefined
    fs.hook = (operation) => {
      if (operation !== 'datasync') return undefined
      waiting ??= bus.append([record({ guid: 'waiting' })])
      return answered
    }
    const [begun] = await bus.append([record({ guid: 'begun' })])
    assert.equal(begun?.code, 'GP_BUS_DEADLINE')
    assert.ok(waiting !== undefined)
    const [outcome] = await waiting
    assert.equal(outcome?.code, 'GP_BUS_DEADLINE')
    assert.equal(books.spooled, 2)
    fs.heal()
    answer(undefined)
    await until('what was begun is durable', 10_000, () => books.adopted > 0)
    memory.up()
    await until('the spool is empty', 10_000, () => bus.spooledRecords === 0)
    assert.equal(books.adopted, 2, 'its sender was told otherwise')
    assert.deepEqual(
      memory.stored.map(({ guid }) => guid),
      ['shop', 'begun'],
    )
  } finally {
    answer(undefined)
    await bus.close(1_000)
  }
})
