/** The log bus on a disk that fails, beside a record of what it promised. */
import assert from 'node:assert/strict'
import type { BusRecord, StoredRecord, Topic } from '../../src/bus/bus.ts'
import { LogBus } from '../../src/bus/log/log-bus.ts'
import { LogReader } from '../../src/bus/log/log-reader.ts'
import type { SegmentEvent } from '../../src/segment/events.ts'
import { SegmentReader } from '../../src/segment/reader.ts'
import { type Fault, FaultyFileSystem } from '../support/faulty-file-system.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { Random } from '../support/random.ts'

export const topics = ['otlp_logs', 'otlp_spans', 'prometheus_metrics'] as const satisfies readonly Topic[]
export const segmentBytes = 8192

export interface Share {
  readonly topic: Topic
  readonly bytes: number
}

/** Calls that are made at once, each with its records. */
export type Calls = readonly (readonly Share[])[]

export type Step =
  | { readonly do: 'append'; readonly calls: Calls }
  | { readonly do: 'faults'; readonly faults: readonly Fault[] }
  | { readonly do: 'slow'; readonly seed: number }
  | { readonly do: 'fill'; readonly room: number }
  | { readonly do: 'heal' }
  | { readonly do: 'read' }
  /** Time passes: what has become too old is deleted, a disk that failed is tried again. */
  | { readonly do: 'wait'; readonly ms: number }
  /** The process dies, or the power fails, `after` operations from now, during these calls. */
  | {
      readonly do: 'kill' | 'power'
      readonly calls: Calls
      readonly after: number
      readonly seed: number
      readonly retention: number
    }
  | { readonly do: 'reopen'; readonly retention: number }

interface Promised {
  readonly number: number
  readonly record: BusRecord
  isAcked: boolean
  /** Retention deleted the segment with it. */
  isTrimmed: boolean
}

/** One who reads a topic all the while, and lives on when the writer dies. */
interface Follower {
  readonly reader: SegmentReader
  readonly read: Set<string>
  last: number
}

const silent = { info() {}, warn() {}, error() {} }

export class LogModel {
  readonly #directory: string
  readonly #clock = new ManualClock()
  readonly #records = new Map<string, Promised>()
  /** By topic and offset, what was ever read there. */
  #offsets = new Map<string, string>()
  #fs = new FaultyFileSystem()
  #bus: LogBus | undefined
  #followers = new Map<Topic, Follower>()
  #retentionBytes = Number.MAX_SAFE_INTEGER
  /** Ids in the segments that are being deleted. */
  readonly #unlinked = new Map<string, string[]>()
  /** Whether bytes may have come to harm on the disk, so that damage is no surprise. */
  #isDisturbed = false

  /** `directory` is a real one, where the lock is. */
  constructor(directory: string) {
    this.#directory = directory
    this.#fs.clock = this.#clock
  }

  async open(): Promise<void> {
    const fs = this.#fs
    fs.hook = (operation, path) => {
      if (operation === 'unlink') this.#aboutToUnlink(fs, path)
      return undefined
    }
    const bus = new LogBus(
      {
        kind: 'log',
        url: `log:${this.#directory}`,
        directory: this.#directory,
        segmentBytes,
        retentionBytes: this.#retentionBytes,
        retentionHours: 24,
        diskReserveBytes: 0,
        appendMs: 30_000,
      },
      { log: silent, fs, clock: this.#clock, onEvent: (event) => this.#seen(fs, event) },
    )
    await bus.start()
    this.#bus = bus
    this.#follow()
  }

  async play(step: Step): Promise<void> {
    switch (step.do) {
      case 'append':
        await this.#append(step.calls)
        return
      case 'faults':
        // A sync that fails leaves the cache and the disk different.
        this.#isDisturbed ||= step.faults.some(({ operation }) => operation.endsWith('sync'))
        this.#fs.fail(...step.faults)
        return
      case 'slow':
        this.#fs.slow(new Random(step.seed))
        return
      case 'fill':
        this.#fs.leaveRoom(step.room)
        return
      case 'heal':
        await this.#heal()
        return
      case 'read':
        await this.check()
        return
      case 'wait':
        this.#clock.pass(step.ms)
        return
      case 'reopen':
        await this.close()
        this.#forgetOffsets()
        this.#retentionBytes = step.retention
        this.#mend()
        await this.open()
        await this.check()
        return
      default:
        await this.#die(step)
    }
  }

  async close(): Promise<void> {
    await this.#bus?.close(5_000)
    this.#bus = undefined
  }

  /** Holds what is stored against what was promised. */
  async check(): Promise<void> {
    const onEvent = (event: SegmentEvent) => this.#damaged(event)
    const reader = new LogReader(this.#directory, { fs: this.#fs.another(), onEvent })
    const stored: StoredRecord[] = []
    const { signal } = new AbortController()
    for await (const one of reader.read({ topics: [], from: 'begin', follow: false, signal }))
      stored.push(one)
    await reader.close()
    const readable = new Set<string>()
    for (const topic of topics) {
      let last: { offset: number; number: number } | undefined
      for (const one of stored.filter((candidate) => candidate.topic === topic)) {
        const { number } = this.#compare(one)
        assert.ok(last === undefined || one.offset > last.offset, `${topic}: offsets rise at ${one.offset}`)
        assert.ok(
          last === undefined || number > last.number,
          `${topic}: r${number} is in the order of the calls`,
        )
        last = { offset: one.offset, number }
        readable.add(idOf(number))
      }
    }
    for (const [id, promised] of this.#records)
      if (promised.isAcked && !promised.isTrimmed)
        assert.ok(readable.has(id), `${id} was acknowledged and is stored`)
    await this.#readOn()
    for (const [id, { record, isAcked, isTrimmed }] of this.#records)
      if (isAcked && !isTrimmed)
        assert.ok(this.#followers.get(record.topic)?.read.has(id), `${id} reaches who follows`)
  }

  /** That what is read was appended, unchanged, and that its offset never was another's. */
  #compare({ topic, offset, headers, key, timestampMs, value }: StoredRecord): Promised {
    const id = headers['batch_id'] ?? ''
    const promised = this.#records.get(id)
    assert.ok(promised !== undefined, `${id} is read and was appended`)
    const { record } = promised
    assert.ok(value.equals(record.value), `${id} is unchanged`)
    assert.deepEqual(
      [topic, key, timestampMs, headers['items'], headers['encoding']],
      [record.topic, record.guid, record.receivedAtMs, String(record.items), record.encoding],
    )
    const place = `${topic} ${offset}`
    assert.equal(this.#offsets.get(place) ?? id, id, `${place} is used once`)
    this.#offsets.set(place, id)
    return promised
  }

  async #append(calls: Calls): Promise<void> {
    let isDone = false
    const appended = Promise.all(calls.map((call) => this.#call(call))).finally(() => {
      isDone = true
    })
    // Who follows the log sees also what is not durable yet, and what is cut off again.
    while (!isDone) {
      await this.#readOn()
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    await appended
  }

  async #call(shares: readonly Share[]): Promise<void> {
    const bus = this.#bus
    const fs = this.#fs
    assert.ok(bus !== undefined)
    const made = shares.map((share) => this.#make(share))
    const outcomes = await bus.append(made.map(({ record }) => record))
    for (const [index, outcome] of outcomes.entries()) {
      const promised = made[index]!
      // What a dead process says, nobody hears.
      if (fs !== this.#fs || fs.isDead) return
      if (outcome === undefined) promised.isAcked = true
      else assert.ok(outcome.canRetry, `a failing disk is no fault of the sender: ${outcome.message}`)
    }
  }

  #make({ topic, bytes }: Share): Promised {
    const number = this.#records.size
    const batchId = idOf(number)
    const value = Buffer.alloc(bytes, `${batchId}.`)
    const record: BusRecord = {
      topic,
      guid: `guid-${number % 3}`,
      encoding: 'otlp_proto',
      items: 1 + (number % 5),
      batchId,
      receivedAtMs: 1_760_000_000_000 + number,
      sender: 1,
      value,
    }
    const promised = { number, record, isAcked: false, isTrimmed: false }
    this.#records.set(batchId, promised)
    return promised
  }

  #mend(): void {
    this.#fs.leaveRoom()
    this.#fs.heal()
  }

  /** When nothing is wrong any more, appends succeed. */
  async #heal(): Promise<void> {
    await this.close()
    this.#forgetOffsets()
    this.#mend()
    await this.open()
    const before = this.#records.size
    await this.#append(topics.map((topic) => [{ topic, bytes: 10 }]))
    for (const { number, isAcked } of this.#records.values())
      assert.ok(number < before || isAcked, 'the log is well')
  }

  async #die({ do: how, calls, after, seed, retention }: Extract<Step, { after: number }>): Promise<void> {
    const fs = this.#fs
    const random = new Random(seed)
    const dead = Promise.withResolvers<void>()
    const deadAt = fs.operations + after
    fs.hook = (operation, path) => {
      if (fs.operations >= deadAt) {
        fs.die()
        dead.resolve()
      } else if (operation === 'unlink') this.#aboutToUnlink(fs, path)
      return undefined
    }
    // When the calls need fewer operations it dies in idleness.
    await Promise.race([this.#append(calls), dead.promise])
    this.#fs = fs.restart(random)
    await this.close()
    if (how === 'power') {
      this.#isDisturbed = true
      this.#fs.losePower(random)
      // No reader outlives the power.
      this.#followers = new Map()
    }
    this.#forgetOffsets()
    this.#retentionBytes = retention
    this.#mend()
    await this.open()
    await this.check()
  }

  /** What was not acknowledged may be gone after a restart, and its offset with it. */
  #forgetOffsets(): void {
    this.#offsets = new Map([...this.#offsets].filter(([, id]) => this.#records.get(id)?.isAcked === true))
  }

  #aboutToUnlink(fs: FaultyFileSystem, path: string): void {
    if (!path.endsWith('.seg') || !fs.paths().includes(path)) return
    const ids =
      fs
        .bytesOf(path)
        .toString('latin1')
        .match(/\[r\d+\]/g) ?? []
    this.#unlinked.set(path, ids)
  }

  #seen(fs: FaultyFileSystem, event: SegmentEvent): void {
    if (!fs.isDead) this.#damaged(event)
    if (event.kind !== 'segment_deleted') return
    for (const id of this.#unlinked.get(event.file) ?? []) {
      const promised = this.#records.get(id)
      if (promised !== undefined) promised.isTrimmed = true
    }
  }

  #damaged(event: SegmentEvent): void {
    if (event.kind === 'bad_record' || event.kind === 'segment_unreadable')
      assert.ok(this.#isDisturbed, `damage on a sound disk: ${JSON.stringify(event)}`)
  }

  #follow(): void {
    for (const topic of topics) {
      if (this.#followers.has(topic)) continue
      const directory = `${this.#directory}/${topic}`
      const reader = new SegmentReader({ fs: this.#fs.another(), directory, onEvent: () => undefined })
      this.#followers.set(topic, { reader, read: new Set(), last: -1 })
    }
  }

  /** Those who follow read what there is now. */
  async #readOn(): Promise<void> {
    for (const [topic, follower] of this.#followers) {
      const { reader, read } = follower
      for (let next = await reader.next(); next !== undefined; next = await reader.next()) {
        const promised = this.#records.get(next.batchId)
        assert.ok(
          promised !== undefined && next.value.equals(promised.record.value),
          `${next.batchId} is unchanged`,
        )
        assert.ok(promised.number > follower.last, `${topic}: ${next.batchId} is read once and in order`)
        follower.last = promised.number
        read.add(next.batchId)
      }
    }
  }
}

/** To be found in a segment without its format. */
function idOf(number: number): string {
  return `[r${number}]`
}
