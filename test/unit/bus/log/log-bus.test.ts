import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { BusRecord, StoredRecord } from '../../../../src/bus/bus.ts'
import { LogBus } from '../../../../src/bus/log/log-bus.ts'
import { LogReader } from '../../../../src/bus/log/log-reader.ts'
import { type Clock, systemClock } from '../../../../src/clock.ts'
import type { LogBusConfig } from '../../../../src/config/config.ts'
import { limits } from '../../../../src/limits.ts'
import type { SegmentEvent } from '../../../../src/segment/events.ts'
import { type FileSystem, nodeFileSystem, type SegmentFile } from '../../../../src/segment/file-system.ts'
import { ManualClock } from '../../../support/manual-clock.ts'

interface Place {
  readonly directory: string
  bus(changes?: Partial<LogBusConfig>, fs?: FileSystem, clock?: Clock): LogBus
  readonly events: SegmentEvent[]
  readonly lines: string[]
}

/** Runs with a folder of its own; every bus made there is closed at the end. */
async function withPlace(body: (place: Place) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'guidepost-log-bus-'))
  const buses: LogBus[] = []
  const events: SegmentEvent[] = []
  const lines: string[] = []
  const line = (_fields: object, message: string): void => {
    lines.push(message)
  }
  const bus = (changes: Partial<LogBusConfig> = {}, fs = nodeFileSystem, clock = systemClock): LogBus => {
    const config = { kind: 'log', url: `log:${directory}`, directory, segmentBytes: 100_000 } as const
    const bounds = { retentionBytes: 1e12, retentionHours: 24, diskReserveBytes: 0, appendMs: 5000 }
    const options = {
      log: { info: line, warn: line, error: line },
      onEvent: (event: SegmentEvent) => events.push(event),
      fs,
      clock,
    }
    const made = new LogBus({ ...config, ...bounds, ...changes }, options)
    buses.push(made)
    return made
  }
  try {
    await body({ directory, bus, events, lines })
  } finally {
    for (const made of buses) await made.close(1000)
    await rm(directory, { recursive: true, force: true })
  }
}

let count = 0
function record(changes: Partial<BusRecord> = {}): BusRecord {
  count += 1
  const fields = { topic: 'otlp_logs', guid: 'shop', encoding: 'otlp_proto', items: 1 } as const
  return {
    ...fields,
    batchId: `b${count}`,
    receivedAtMs: count,
    sender: 1,
    value: Buffer.from(`v${count}`),
    ...changes,
  }
}

async function readAll(directory: string, topics: string[] = []): Promise<StoredRecord[]> {
  const reader = new LogReader(directory)
  const records: StoredRecord[] = []
  const options = { topics, from: 'begin', follow: false, signal: new AbortController().signal } as const
  for await (const stored of reader.read(options)) records.push(stored)
  return records
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 20_000
  while (!holds()) {
    assert.ok(performance.now() < deadlineMs, `in time: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** The machine's file system, with one call of open files replaced. */
function withDatasync(datasync: (file: SegmentFile) => Promise<void>): FileSystem {
  return {
    ...nodeFileSystem,
    async open(path, mode) {
      const file = await nodeFileSystem.open(path, mode)
      return {
        read: (target, position) => file.read(target, position),
        writev: (buffers, position) => file.writev(buffers, position),
        datasync: () => datasync(file),
        sync: () => file.sync(),
        truncate: (bytes) => file.truncate(bytes),
        bytes: () => file.bytes(),
        isLinked: () => file.isLinked(),
        close: () => file.close(),
      }
    },
  }
}

test('two logs never write one directory', () =>
  withPlace(async ({ bus }) => {
    const first = bus()
    await first.start()
    const second = bus()
    await assert.rejects(second.start(), (error: Error & { code?: string; canRetry?: boolean }) => {
      assert.equal(error.code, 'GP_CONFIG')
      assert.equal(error.canRetry, false)
      assert.match(error.message, /being written by this process already.*delete .*lock/)
      return true
    })
    assert.deepEqual(await first.append([record()]), [undefined], 'the first goes on')
  }))

test('a log that another process has taken over is written no more', () =>
  withPlace(async ({ directory, bus }) => {
    const made = bus()
    await made.start()
    assert.deepEqual(await made.append([record()]), [undefined])
    const path = join(directory, 'lock')
    const owner: object = JSON.parse(await readFile(path, 'utf8'))
    const other = JSON.stringify({ ...owner, id: 'another', host: 'elsewhere', pid: 77 })
    await writeFile(path, other)
    await until('the bus is down', () => !made.health().up)
    assert.match(made.health().reason, /taken over by process 77 on elsewhere/)
    const [outcome] = await made.append([record()])
    assert.equal(outcome?.code, 'GP_DISK_FAILED')
    assert.equal(outcome?.canRetry, true)
    assert.equal((await readAll(directory)).length, 1)
    await made.close(1000)
    assert.equal(await readFile(path, 'utf8'), other, 'the lock of the other stays')
  }))

test('a log deleted while it runs: appends fail until it is made anew, lock and all', () =>
  withPlace(async ({ directory, bus }) => {
    const made = bus()
    await made.start()
    assert.deepEqual(await made.append([record(), record()]), [undefined, undefined])
    await rm(directory, { recursive: true })
    const [outcome] = await made.append([record()])
    assert.equal(outcome?.code, 'GP_DISK_FAILED')
    assert.equal(made.health().up, false)
    await until('the bus is up', () => made.health().up)
    assert.deepEqual(await made.append([record()]), [undefined])
    const [stored, ...others] = await readAll(directory)
    assert.deepEqual(others, [])
    assert.ok(stored!.offset > 2, 'offsets go on')
    await until('the lock is there', () => existsSync(join(directory, 'lock')))
    await assert.rejects(bus().start(), { code: 'GP_CONFIG', message: /this process already/ })
  }))

test('a disk below its reserve is seen before anything is written, and again when there is room', () =>
  withPlace(async ({ bus, events }) => {
    let freeBytes = 900
    const made = bus(
      { diskReserveBytes: 1000 },
      { ...nodeFileSystem, freeBytes: () => Promise.resolve(freeBytes) },
    )
    await made.start()
    assert.equal(made.health().up, false)
    assert.match(made.health().reason, /has 900 B free; log\.diskReserveBytes keeps 1000 B of it: make room/)
    freeBytes = 1e9
    await until('the bus is up', () => made.health().up)
    freeBytes = 900
    await until('the bus is down', () => !made.health().up)
    assert.deepEqual(
      events.map((event) => event.kind),
      ['disk_full', 'disk_recovered', 'disk_full'],
    )
  }))

test('a file system that never answers fails the start in time', () =>
  withPlace(async ({ bus }) => {
    const clock = new ManualClock()
    const stuck: FileSystem = { ...nodeFileSystem, makeDirectory: () => new Promise(() => undefined) }
    const starting = bus({}, stuck, clock).start()
    clock.pass(limits.logStartMsMax)
    await assert.rejects(starting, {
      code: 'GP_CONFIG',
      message: /did not answer within 10000 ms.*--bus log:DIR/,
    })
  }))

test('what cannot be written says so at start, with advice', () =>
  withPlace(async ({ directory, bus }) => {
    await writeFile(join(directory, 'file'), '')
    await assert.rejects(bus({ directory: join(directory, 'file', 'log') }).start(), {
      code: 'GP_CONFIG',
      message: /ENOTDIR.*part of the path is a file/,
    })
    const readOnly: FileSystem = {
      ...nodeFileSystem,
      makeDirectory: () => Promise.reject(Object.assign(new Error('EROFS'), { code: 'EROFS' })),
    }
    await assert.rejects(bus({}, readOnly).start(), {
      code: 'GP_CONFIG',
      message: /read-only; mount it writable/,
    })
  }))

test('records, topics and offsets go on after a restart; other folders are left alone', () =>
  withPlace(async ({ directory, bus }) => {
    await mkdir(join(directory, 'lost+found'))
    const first = bus()
    await first.start()
    assert.deepEqual(await first.append([record(), record({ topic: 'otlp_spans' })]), [undefined, undefined])
    await first.close(1000)
    const second = bus()
    await second.start()
    assert.deepEqual(await second.append([record()]), [undefined])
    const stored = await readAll(directory)
    assert.deepEqual(
      stored.map(({ topic, offset }) => [topic, offset]),
      [
        ['otlp_logs', 0],
        ['otlp_logs', 1],
        ['otlp_spans', 0],
      ],
    )
  }))

test('a sync that hangs: the sender hears in time, the bus is down, and comes up by itself', () =>
  withPlace(async ({ directory, bus }) => {
    const gate = Promise.withResolvers<void>()
    let isHanging = false
    const hanging = bus(
      { appendMs: 100 },
      withDatasync((file) => (isHanging ? gate.promise : file.datasync())),
    )
    await hanging.start()
    assert.deepEqual(await hanging.append([record()]), [undefined])
    isHanging = true
    const [late, other] = await hanging.append([record(), record({ topic: 'otlp_spans' })])
    assert.equal(late?.code, 'GP_BUS_DEADLINE')
    assert.equal(late?.canRetry, true)
    assert.equal(other?.code, 'GP_BUS_DEADLINE')
    await until('the bus is down', () => !hanging.health().up)
    assert.match(hanging.health().reason, /has not answered for more than 100 ms/)
    const [refused] = await hanging.append([record()])
    assert.equal(refused?.code, 'GP_DISK_FAILED')
    isHanging = false
    gate.resolve()
    await until('the bus is up', () => hanging.health().up)
    const last = record()
    assert.deepEqual(await hanging.append([last]), [undefined])
    const stored = await readAll(directory)
    assert.ok(stored.some(({ headers }) => headers['batch_id'] === last.batchId))
  }))

test('a disk that fails: the sender hears why, and the bus comes up without an append', () =>
  withPlace(async ({ bus, events, lines }) => {
    let isFailing = true
    const failing = () => Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' }))
    const made = bus(
      {},
      withDatasync((file) => (isFailing ? failing() : file.datasync())),
    )
    await made.start()
    const [outcome] = await made.append([record()])
    assert.equal(outcome?.code, 'GP_DISK_FAILED')
    assert.match(outcome?.message ?? '', /EIO/)
    assert.deepEqual(made.health(), { up: false, reason: outcome?.message })
    isFailing = false
    await until('the bus is up', () => made.health().up)
    assert.deepEqual(
      events.map((event) => event.kind),
      ['disk_failed', 'disk_recovered'],
    )
    assert.equal(lines.length, 2)
  }))

test('a disk that failed is tried again each second, and not before', () =>
  withPlace(async ({ bus, events }) => {
    const clock = new ManualClock()
    let isFailing = true
    let syncs = 0
    const sync = (file: SegmentFile): Promise<void> => {
      syncs += 1
      return isFailing ? Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' })) : file.datasync()
    }
    const made = bus({}, withDatasync(sync), clock)
    await made.start()
    assert.equal((await made.append([record()]))[0]?.code, 'GP_DISK_FAILED')
    assert.equal(syncs, 1)
    clock.pass(limits.logPollMs - 1)
    clock.pass(1)
    await until('it was tried', () => syncs === 2)
    isFailing = false
    assert.equal(made.health().up, false)
    await until('the bus is up', () => {
      // While a try is under way there is no other.
      if (!made.health().up) clock.pass(limits.logPollMs)
      return made.health().up
    })
    assert.deepEqual(
      events.map((event) => event.kind),
      ['disk_failed', 'disk_recovered'],
    )
  }))

test('a sync that hangs counts as hanging after appendMs, however little time went by for the test', () =>
  withPlace(async ({ bus }) => {
    const clock = new ManualClock()
    const gate = Promise.withResolvers<void>()
    const reached = Promise.withResolvers<void>()
    const sync = (file: SegmentFile): Promise<void> => {
      reached.resolve()
      return gate.promise.then(() => file.datasync())
    }
    const made = bus({ appendMs: 60_000 }, withDatasync(sync), clock)
    await made.start()
    const appended = made.append([record()])
    await reached.promise
    clock.pass(59_999)
    assert.equal(made.health().up, true)
    clock.pass(2)
    assert.equal((await appended)[0]?.code, 'GP_BUS_DEADLINE')
    assert.match(made.health().reason, /has not answered for more than 60000 ms/)
    assert.equal((await made.append([record()]))[0]?.code, 'GP_DISK_FAILED', 'nothing is queued behind it')
    gate.resolve()
    await until('the bus is well', () => made.health().up)
    assert.deepEqual(await made.append([record()]), [undefined])
  }))

test('a record that the format has no room for is refused and its neighbours are stored', () =>
  withPlace(async ({ directory, bus }) => {
    const made = bus()
    await made.start()
    const outcomes = await made.append([record(), record({ guid: 'x'.repeat(70_000) }), record()])
    assert.deepEqual(
      outcomes.map((outcome) => outcome?.code),
      [undefined, 'GP_BUS_REFUSED', undefined],
    )
    assert.equal((await readAll(directory)).length, 2)
  }))

test('a damaged record is reported by a reader and passed over', () =>
  withPlace(async ({ directory, bus }) => {
    const made = bus()
    await made.start()
    for (let index = 0; index < 3; index++) assert.deepEqual(await made.append([record()]), [undefined])
    const path = join(directory, 'otlp_logs', '00000000000000000000.seg')
    const file = await nodeFileSystem.open(path, 'write')
    await file.writev([Buffer.from('!')], 64 + 50)
    await file.close()
    const events: SegmentEvent[] = []
    const reader = new LogReader(directory, { onEvent: (event) => events.push(event) })
    const offsets: number[] = []
    const options = {
      topics: [],
      from: 'begin',
      follow: false,
      signal: new AbortController().signal,
    } as const
    for await (const stored of reader.read(options)) offsets.push(stored.offset)
    assert.deepEqual(offsets, [1, 2])
    assert.ok(events.length === 1 && events[0]?.kind === 'bad_record' && events[0].offset === 0)
  }))

test('a reader of a log that is not there has no records; following, it sees the log begin', () =>
  withPlace(async ({ directory, bus }) => {
    assert.deepEqual(await readAll(join(directory, 'absent')), [])
    const abort = new AbortController()
    const timer = setTimeout(() => abort.abort(), 20_000)
    const reader = new LogReader(directory)
    const seen: string[] = []
    const following = (async () => {
      const options = { topics: ['otlp_logs'], from: 'end', follow: true, signal: abort.signal } as const
      for await (const stored of reader.read(options)) {
        seen.push(stored.headers['batch_id'] ?? '')
        if (seen.length === 200) break
      }
    })()
    const made = bus({ segmentBytes: 2000 })
    await made.start()
    const sent = Array.from({ length: 200 }, () => record())
    for (const one of sent) assert.deepEqual(await made.append([one]), [undefined])
    await following
    clearTimeout(timer)
    assert.deepEqual(
      seen,
      sent.map(({ batchId }) => batchId),
      'all of them, in order, across segments',
    )
  }))
