import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AppendOutcome, BusRecord } from '../../../src/bus/bus.ts'
import { PartitionLane } from '../../../src/bus/partition-lane.ts'
import { ClientError, type PartitionProducer } from '../../../src/bus/partition-producer.ts'
import { makeRecord } from '../../support/kafka-bus.ts'

interface Call {
  readonly records: readonly BusRecord[]
  ack(offset: bigint): void
  fail(error: Error): void
}

/** A lane over a producer whose answers the test gives. */
class Bench {
  readonly calls: Call[] = []
  readonly down: string[] = []
  readonly offsetErrors: string[] = []
  readonly outcomes = new Map<BusRecord, AppendOutcome>()
  nowMs = 0
  opened = 0
  destroyed = 0
  readonly lane = new PartitionLane({
    open: () => {
      this.opened++
      return Promise.resolve(this.#producer())
    },
    produceBytesMax: () => 10_000,
    reserveMs: 100,
    keepsOrder: false,
    onDown: (reason) => this.down.push(reason),
    onOffsetError: (text) => this.offsetErrors.push(text),
    now: () => this.nowMs,
  })

  #producer(): PartitionProducer {
    return {
      produce: (_topic, _partition, records) =>
        new Promise((resolve, reject) => this.calls.push({ records, ack: resolve, fail: reject })),
      destroy: () => {
        this.destroyed++
      },
      close: () => Promise.resolve(),
    }
  }

  push(record: BusRecord, partition = 0): BusRecord {
    const settle = (outcome: AppendOutcome) => {
      assert.equal(this.outcomes.has(record), false, 'settled once')
      this.outcomes.set(record, outcome)
    }
    this.lane.push(record.topic, partition, { record, deadlineMs: this.nowMs + 1000, settle })
    return record
  }

  code(record: BusRecord): string | undefined {
    assert.ok(this.outcomes.has(record), 'settled')
    return this.outcomes.get(record)?.code
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function opened(): Promise<Bench> {
  const bench = new Bench()
  await bench.lane.open()
  return bench
}

test('one produce at a time; what comes meanwhile is packed, up to the bytes of a produce', async () => {
  const bench = await opened()
  bench.push(makeRecord())
  await turn()
  const later = Array.from({ length: 4 }, () => bench.push(makeRecord({ value: Buffer.alloc(3000) })))
  const other = bench.push(makeRecord(), 1)
  await turn()
  assert.equal(bench.calls.length, 1, 'nothing else is sent while the first is under way')
  bench.calls[0]!.ack(0n)
  await turn()
  assert.deepEqual(bench.calls[1]!.records, later.slice(0, 2))
  bench.calls[1]!.ack(1n)
  await turn()
  assert.deepEqual(bench.calls[2]!.records, [other], 'another partition has its turn')
  bench.calls[2]!.ack(0n)
  await turn()
  assert.deepEqual(bench.calls[3]!.records, later.slice(2))
  bench.calls[3]!.ack(3n)
  await bench.lane.drained()
  assert.equal(bench.outcomes.size, 6)
  assert.deepEqual(new Set(bench.outcomes.values()), new Set([undefined]))
})

test('an acknowledgement at an offset given before is no acknowledgement', async () => {
  const bench = await opened()
  const first = bench.push(makeRecord())
  await turn()
  bench.calls[0]!.ack(5n)
  await turn()
  const second = bench.push(makeRecord())
  await turn()
  bench.calls[1]!.ack(5n)
  await turn()
  assert.equal(bench.code(first), undefined)
  assert.equal(bench.code(second), 'GP_BUS_UNAVAILABLE')
  assert.equal(bench.offsetErrors.length, 1)
  assert.equal(bench.destroyed, 1)
  assert.equal(bench.lane.isUp, false)
})

test('a topic that begins anew costs one append, not all', async () => {
  const bench = await opened()
  const codes: (string | undefined)[] = []
  for (const offset of [900n, 0n, 1n, 2n]) {
    await bench.lane.open()
    const record = bench.push(makeRecord())
    await turn()
    bench.calls.at(-1)!.ack(offset)
    await turn()
    codes.push(bench.code(record))
  }
  assert.deepEqual(codes, [undefined, 'GP_BUS_UNAVAILABLE', undefined, undefined])
})

test('a topic made anew while the lane was down costs nothing, and the log says what is gone', async () => {
  const bench = await opened()
  const first = bench.push(makeRecord())
  await turn()
  bench.calls[0]!.ack(900n)
  await turn()
  bench.lane.fail('the topic is gone', 'operator')
  await bench.lane.open()
  const second = bench.push(makeRecord())
  await turn()
  bench.calls[1]!.ack(0n)
  await turn()
  assert.deepEqual([bench.code(first), bench.code(second)], [undefined, undefined])
  assert.equal(bench.lane.isUp, true)
  assert.equal(bench.offsetErrors.length, 1)
  assert.match(bench.offsetErrors[0]!, /at offset 0 after 900: the topic was made anew/)
  const third = bench.push(makeRecord())
  await turn()
  bench.calls[2]!.ack(0n)
  await turn()
  assert.equal(bench.code(third), 'GP_BUS_UNAVAILABLE', 'an offset of this producer, given again')
})

test('a produce past its deadline is cut, and a late answer changes nothing', async () => {
  const bench = await opened()
  const sent = bench.push(makeRecord())
  await turn()
  const queued = bench.push(makeRecord())
  bench.nowMs = 999
  bench.lane.expire(bench.nowMs)
  assert.equal(bench.outcomes.size, 0, 'not before its time')
  bench.nowMs = 1000
  bench.lane.expire(bench.nowMs)
  assert.equal(bench.code(sent), 'GP_BUS_DEADLINE')
  assert.equal(bench.code(queued), 'GP_BUS_UNAVAILABLE')
  assert.equal(bench.destroyed, 1, 'its producer is destroyed')
  assert.equal(bench.down.length, 1)
  const refused = bench.push(makeRecord())
  assert.equal(bench.code(refused), 'GP_BUS_UNAVAILABLE')
  await bench.lane.open()
  const next = bench.push(makeRecord())
  await turn()
  bench.calls[0]!.ack(7n)
  await turn()
  assert.equal(
    bench.outcomes.has(next),
    false,
    'the late answer of the old producer is not taken for the next one',
  )
  bench.calls[1]!.ack(3n)
  await turn()
  assert.equal(bench.code(next), undefined)
})

test('a record with too little time left is not begun', async () => {
  const bench = await opened()
  bench.push(makeRecord())
  await turn()
  const late = bench.push(makeRecord())
  bench.nowMs = 950
  const fresh = bench.push(makeRecord())
  bench.calls[0]!.ack(0n)
  await turn()
  assert.equal(bench.code(late), 'GP_BUS_DEADLINE')
  assert.deepEqual(bench.calls[1]!.records, [fresh])
  bench.calls[1]!.ack(1n)
  await turn()
  assert.equal(bench.code(fresh), undefined)
  assert.equal(bench.destroyed, 0)
})

test('a refused pack is halved until the one to blame is alone, in order', async () => {
  const bench = await opened()
  const records = Array.from({ length: 7 }, (_, index) =>
    bench.push(makeRecord({ value: Buffer.alloc(index === 4 ? 500 : 1) })),
  )
  const stored: BusRecord[] = []
  await turn()
  for (let index = 0; index < bench.calls.length; index++) {
    const { records: part, ack, fail } = bench.calls[index]!
    if (part.some((record) => record.value.length > 100)) fail(new ClientError('too-large', 'no'))
    else {
      ack(BigInt(stored.length))
      stored.push(...part)
    }
    await turn()
  }
  const others = records.filter((_, index) => index !== 4)
  assert.deepEqual(stored, others, 'the others are stored in their order')
  assert.equal(bench.code(records[4]!), 'GP_RECORD_TOO_LARGE')
  for (const record of others) assert.equal(bench.code(record), undefined)
  assert.equal(bench.destroyed, 0, 'a record too large is no fault of the producer')
})

test('an error of the client that says nothing takes the lane down and loses no answer', async () => {
  const bench = await opened()
  const records = [bench.push(makeRecord()), bench.push(makeRecord(), 1)]
  await turn()
  bench.calls[0]!.fail(new TypeError('surprise'))
  await turn()
  for (const record of records) assert.equal(bench.code(record), 'GP_BUS_UNAVAILABLE')
  await bench.lane.drained()
  assert.match(bench.down[0]!, /surprise/)
})
