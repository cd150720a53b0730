/**
 * What every bus must do, as tests. The test file of a bus calls `busContract` once with a way to make a fresh bus.
 *
 * A fixture may stand on a broker that other tests use as well: each test tells its own records from foreign ones by
 * the prefix of their `batch_id`.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import type { AppendOutcome, Bus, BusReader, BusRecord, StoredRecord, Topic } from '../../src/bus/bus.ts'

export interface BusFixture {
  /** Made, not yet started: the contract starts it. */
  bus: Bus
  /** A new reader each time, independent of `bus`: it also reads what a closed bus left behind. */
  reader(): BusReader
  /** Called last, whether or not the bus was started or closed. */
  cleanup(): Promise<void>
}

type Make = () => Promise<BusFixture>
type Body = (fixture: BusFixture, maker: RecordMaker) => Promise<void>

const testMsMax = 120_000

/** Makes records whose batch ids begin with a prefix of this test alone. */
class RecordMaker {
  readonly prefix = `contract-${randomBytes(8).toString('hex')}-`
  #count = 0

  make(changes: Partial<BusRecord> = {}): BusRecord {
    const number = this.#count++
    return {
      topic: 'prometheus_metrics',
      guid: 'shop',
      encoding: 'prometheus_remote_write_1',
      items: 1,
      batchId: `${this.prefix}${number}`,
      receivedAtMs: 1_760_000_000_000 + number,
      sender: 1,
      value: Buffer.from(`value ${number}`),
      ...changes,
    }
  }

  owns(record: StoredRecord): boolean {
    return record.headers['batch_id']?.startsWith(this.prefix) === true
  }
}

async function stored(
  fixture: BusFixture,
  maker: RecordMaker,
  topics: Topic[] = ['prometheus_metrics'],
): Promise<StoredRecord[]> {
  const reader = fixture.reader()
  const records: StoredRecord[] = []
  try {
    const signal = AbortSignal.timeout(testMsMax / 2)
    for await (const record of reader.read({ topics, from: 'begin', follow: false, signal })) {
      if (maker.owns(record)) records.push(record)
    }
    assert.equal(signal.aborted, false, 'the reader came to the end of what is stored')
  } finally {
    await reader.close()
  }
  return records
}

function assertStoredAs(found: StoredRecord | undefined, record: BusRecord): void {
  assert.ok(found, `record ${record.batchId} is stored`)
  assert.equal(found.topic, record.topic)
  assert.equal(found.key, record.guid)
  assert.equal(found.timestampMs, record.receivedAtMs)
  assert.ok(found.value.equals(record.value), `the value of ${record.batchId} is unchanged`)
  assert.deepEqual(
    { ...found.headers },
    {
      guid: record.guid,
      encoding: record.encoding,
      items: String(record.items),
      batch_id: record.batchId,
      received_at: String(record.receivedAtMs),
      ...record.headers,
    },
  )
}

function assertAllDurable(outcomes: readonly AppendOutcome[], count: number): void {
  assert.deepEqual(outcomes, new Array(count).fill(undefined))
}

const ids = (records: readonly { headers: Readonly<Record<string, string>> }[]): (string | undefined)[] =>
  records.map((record) => record.headers['batch_id'])

const durableCases: Record<string, Body> = {
  'is up after start and names itself': async ({ bus }) => {
    assert.deepEqual(bus.health(), { up: true, reason: '' })
    assert.match(bus.url, /^[a-z]+:/)
    assert.ok(bus.recordBytesMax > 0)
  },

  'a fresh reader sees a record, complete, as soon as append settles': async (fixture, maker) => {
    const record = maker.make({
      items: 2000,
      value: Buffer.from(Array.from({ length: 256 }, (_, index) => index)),
    })
    assertAllDurable(await fixture.bus.append([record]), 1)
    const found = await stored(fixture, maker)
    assert.equal(found.length, 1)
    assertStoredAs(found[0], record)
  },

  'every topic takes records, and one call may hold several topics': async (fixture, maker) => {
    const topics: Topic[] = ['otlp_spans', 'otlp_metrics', 'otlp_logs', 'prometheus_metrics', 'dead_letters']
    const records = topics.map((topic) => maker.make({ topic, encoding: 'otlp_proto' }))
    assertAllDurable(await fixture.bus.append(records), topics.length)
    const found = await stored(fixture, maker, topics)
    assert.equal(found.length, topics.length)
    for (const record of records)
      assertStoredAs(
        found.find((entry) => entry.topic === record.topic),
        record,
      )
  },

  'further headers of a dead letter are kept': async (fixture, maker) => {
    const headers = {
      reason: 'larger than the bus takes: ä 漢',
      topic: 'prometheus_metrics',
      bytes: '70000000',
    }
    const record = maker.make({ topic: 'dead_letters', headers })
    assertAllDurable(await fixture.bus.append([record]), 1)
    assertStoredAs((await stored(fixture, maker, ['dead_letters']))[0], record)
  },

  'the smallest and a large value are stored as they are': async (fixture, maker) => {
    const large = randomBytes(Math.min(fixture.bus.recordBytesMax, 4 * 1024 * 1024))
    const records = [maker.make({ value: Buffer.from([0]) }), maker.make({ value: large })]
    assertAllDurable(await fixture.bus.append(records), 2)
    const found = await stored(fixture, maker)
    for (const [index, record] of records.entries()) assertStoredAs(found[index], record)
  },

  'no records, no outcomes': async ({ bus }) => {
    assert.deepEqual(await bus.append([]), [])
  },

  'a value may be reused once its append has settled': async (fixture, maker) => {
    const value = Buffer.from('first')
    assertAllDurable(await fixture.bus.append([maker.make({ value })]), 1)
    value.write('spoil')
    assert.equal((await stored(fixture, maker))[0]?.value.toString(), 'first')
  },
}

const orderCases: Record<string, Body> = {
  'records of one guid are stored in the order of the calls': async (fixture, maker) => {
    const guids = ['shop', 'bank', 'mail']
    const calls: BusRecord[][] = []
    for (let call = 0; call < 60; call++) {
      calls.push(
        Array.from({ length: 1 + (call % 7) }, (_, index) =>
          maker.make({ guid: guids[(call + index) % 3]! }),
        ),
      )
    }
    const settled = await Promise.all(calls.map((records) => fixture.bus.append(records)))
    for (const [index, outcomes] of settled.entries()) assertAllDurable(outcomes, calls[index]!.length)
    const found = await stored(fixture, maker)
    for (const guid of guids) {
      const sent = calls.flat().filter((record) => record.guid === guid)
      const read = found.filter((record) => record.key === guid)
      assert.deepEqual(
        ids(read),
        sent.map((record) => record.batchId),
        `the order of ${guid}`,
      )
    }
  },

  'offsets rise within a partition': async (fixture, maker) => {
    assertAllDurable(await fixture.bus.append(Array.from({ length: 50 }, () => maker.make())), 50)
    assertAllDurable(await fixture.bus.append([maker.make()]), 1)
    const last = new Map<number, number>()
    for (const record of await stored(fixture, maker)) {
      assert.ok(record.offset > (last.get(record.partition) ?? -1), 'the offset is above the one before')
      last.set(record.partition, record.offset)
    }
  },

  '2,000 concurrent appends of one record are stored once each': async (fixture, maker) => {
    const records = Array.from({ length: 2000 }, (_, index) => maker.make({ guid: `app-${index % 20}` }))
    const settled = await Promise.all(records.map((record) => fixture.bus.append([record])))
    assertAllDurable(settled.flat(), records.length)
    const found = await stored(fixture, maker)
    assert.equal(found.length, records.length)
    assert.deepEqual(new Set(ids(found)), new Set(records.map((record) => record.batchId)))
  },
}

const refusalCases: Record<string, Body> = {
  'a record that is too large is refused alone': async (fixture, maker) => {
    const value = Buffer.alloc(fixture.bus.recordBytesMax + 1, 7)
    const records = [maker.make(), maker.make({ value }), maker.make()]
    const outcomes = await fixture.bus.append(records)
    assert.equal(outcomes.length, 3)
    assert.equal(outcomes[0], undefined)
    assert.equal(outcomes[1]?.code, 'GP_RECORD_TOO_LARGE')
    assert.equal(outcomes[1]?.canRetry, false)
    assert.equal(outcomes[2], undefined)
    assert.deepEqual(ids(await stored(fixture, maker)), [records[0]!.batchId, records[2]!.batchId])
    assert.equal(fixture.bus.health().up, true, 'a record too large is no fault of the bus')
  },

  'close waits for what is in flight': async (fixture, maker) => {
    const records = Array.from({ length: 200 }, () => maker.make())
    const appends = records.map((record) => fixture.bus.append([record]))
    await fixture.bus.close(30_000)
    const outcomes = (await Promise.all(appends)).flat()
    assert.equal(outcomes.length, records.length)
    const found = new Set(ids(await stored(fixture, maker)))
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome === undefined)
        assert.ok(found.has(records[index]!.batchId), 'what was called durable is stored')
      else assert.equal(outcome.canRetry, true)
    }
    assert.equal(outcomes[0], undefined, 'the first append, long on its way, is not given up')
  },

  'an append after close fails, and a sender may try again': async (fixture, maker) => {
    await fixture.bus.close(10_000)
    const outcomes = await fixture.bus.append([maker.make(), maker.make()])
    assert.deepEqual(
      outcomes.map((outcome) => outcome?.canRetry),
      [true, true],
    )
    assert.equal(fixture.bus.health().up, false)
    assert.notEqual(fixture.bus.health().reason, '')
    await fixture.bus.close(10_000)
  },
}

const readerCases: Record<string, Body> = {
  'a reader that follows sees what is appended later, and ends when told to': async (fixture, maker) => {
    const early = maker.make()
    assertAllDurable(await fixture.bus.append([early]), 1)
    const reader = fixture.reader()
    const abort = new AbortController()
    const timer = setTimeout(() => abort.abort(), testMsMax / 2)
    const late = [maker.make(), maker.make()]
    const found: StoredRecord[] = []
    try {
      const options = {
        topics: ['prometheus_metrics'],
        from: 'begin',
        follow: true,
        signal: abort.signal,
      } as const
      for await (const record of reader.read(options)) {
        if (!maker.owns(record)) continue
        found.push(record)
        if (found.length === 1) assertAllDurable(await fixture.bus.append(late), 2)
        if (found.length === 3) abort.abort()
      }
    } finally {
      clearTimeout(timer)
      await reader.close()
    }
    assert.deepEqual(
      ids(found),
      [early, ...late].map((record) => record.batchId),
    )
  },

  'a reader from the end sees only what is new': async (fixture, maker) => {
    const early = maker.make()
    assertAllDurable(await fixture.bus.append([early]), 1)
    const reader = fixture.reader()
    const abort = new AbortController()
    const timer = setTimeout(() => abort.abort(), testMsMax / 2)
    // The reader settles at the end at a moment of its own: records are offered until it has seen one.
    let seen: StoredRecord | undefined
    const offering = (async () => {
      while (seen === undefined && !abort.signal.aborted) {
        assertAllDurable(await fixture.bus.append([maker.make()]), 1)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    })()
    try {
      const options = {
        topics: ['prometheus_metrics'],
        from: 'end',
        follow: true,
        signal: abort.signal,
      } as const
      for await (const record of reader.read(options)) {
        if (!maker.owns(record)) continue
        seen = record
        break
      }
    } finally {
      clearTimeout(timer)
      abort.abort()
      await offering
      await reader.close()
    }
    assert.ok(seen, 'a new record arrived')
    assert.notEqual(seen.headers['batch_id'], early.batchId)
  },
}

/** Registers the tests of the contract for one bus. With `skip`, each is reported as skipped for that reason. */
export function busContract(name: string, options: { skip?: string | false }, make: Make): void {
  const cases = { ...durableCases, ...orderCases, ...refusalCases, ...readerCases }
  for (const [title, body] of Object.entries(cases)) {
    test(`${name}: ${title}`, { skip: options.skip ?? false, timeout: testMsMax }, async () => {
      const fixture = await make()
      try {
        await fixture.bus.start()
        await body(fixture, new RecordMaker())
      } finally {
        await fixture.bus.close(10_000)
        await fixture.cleanup()
      }
    })
  }
}
