/**
 * Random appends, deliveries, cursors and trims on a disk that fails, fills up, loses power, and a process that dies at
 * any operation, against what a spool promises: what was acknowledged and not delivered is read from the cursor on, in
 * order and unchanged; the cursor is never ahead of what was delivered, nor behind one that was saved; an offset is used
 * once; a spool that is delivered takes no room. GUIDEPOST_SEED replays a run, GUIDEPOST_FUZZ_MS makes it longer.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { limits } from '../../../src/limits.ts'
import { fileHeaderBytes, type SegmentRecord } from '../../../src/segment/format.ts'
import type { SegmentReader } from '../../../src/segment/reader.ts'
import { Spool } from '../../../src/spool/spool.ts'
import { type Fault, FaultyFileSystem, type Operation } from '../../support/faulty-file-system.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { propertyBounds, Random } from '../../support/random.ts'

const directory = '/data/spool/worker-1'
const segmentBytes = 2_000

type Work =
  | { readonly do: 'append'; readonly bytes: readonly number[] }
  /** Reads so many records, which counts as their delivery. */
  | { readonly do: 'deliver'; readonly records: number }
  | { readonly do: 'settle'; readonly now: boolean }

type Step =
  | Work
  | { readonly do: 'faults'; readonly faults: readonly Fault[] }
  | { readonly do: 'fill'; readonly room: number }
  | { readonly do: 'heal' | 'reopen' }
  /** The process dies, or the power fails, `after` operations from now, while this is done. */
  | {
      readonly do: 'kill' | 'power'
      readonly works: readonly Work[]
      readonly after: number
      readonly seed: number
    }

const work: fc.Arbitrary<Work> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      bytes: fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('deliver' as const), records: fc.integer({ min: 1, max: 6 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('settle' as const), now: fc.boolean() }) },
)
const operation = fc.constantFrom<Operation[]>(
  ...(['open', 'writev', 'datasync', 'sync', 'truncate', 'list', 'stat', 'read'] as const),
  ...(['makeDirectory', 'syncDirectory', 'rename', 'rename', 'unlink', 'unlink', 'freeBytes'] as const),
)
const fault = fc.record({
  operation,
  nth: fc.integer({ min: 1, max: 4 }),
  times: fc.integer({ min: 1, max: 3 }),
  does: fc.oneof(
    fc.constantFrom('EIO', 'ENOSPC'),
    fc.integer({ min: 1, max: 60 }).map((takes) => ({ takes })),
  ),
})
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: work },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('faults' as const),
      faults: fc.array(fault, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('fill' as const), room: fc.integer({ min: 0, max: 3_000 }) }),
  },
  { weight: 2, arbitrary: fc.constant({ do: 'heal' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'reopen' as const }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('kill' as const, 'power' as const),
      works: fc.array(work, { minLength: 1, maxLength: 4 }),
      after: fc.integer({ min: 1, max: 30 }),
      seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    }),
  },
)

class Model {
  readonly #clock = new ManualClock()
  #fs = new FaultyFileSystem()
  #spool: Spool | undefined
  #reader: SegmentReader | undefined
  readonly #appended: SegmentRecord[] = []
  readonly #acked = new Set<number>()
  readonly #delivered = new Set<number>()
  /** By offset, the number of the acknowledged record there. */
  readonly #offsets = new Map<number, number>()
  /** Everything below it was read. */
  #readTo = 0
  /** What the file of the cursor certainly says, or more. */
  #savedCursor = 0
  #hasCursorFailed = false

  async open(): Promise<void> {
    const spool = await Spool.open({
      ...{ directory, segmentBytes, bytesMax: Number.MAX_SAFE_INTEGER, diskReserveBytes: 0, stallMs: 10_000 },
      onEvent: () => undefined,
      onCursorProblem: () => {
        this.#hasCursorFailed = true
      },
      fs: this.#fs,
      clock: this.#clock,
    })
    assert.ok(spool.cursor <= this.#readTo, `cursor ${spool.cursor} is not ahead of ${this.#readTo}`)
    assert.ok(spool.cursor >= this.#savedCursor, `cursor ${spool.cursor} is not behind ${this.#savedCursor}`)
    this.#spool = spool
    this.#readTo = spool.cursor
    await this.#seek()
  }

  async play(one: Step): Promise<void> {
    switch (one.do) {
      case 'faults':
        this.#fs.fail(...one.faults)
        return
      case 'fill':
        this.#fs.leaveRoom(one.room)
        return
      case 'heal':
        this.#mend()
        return
      case 'reopen':
        this.#mend()
        await this.close()
        return this.open()
      case 'kill':
      case 'power':
        return this.#die(one)
      default:
        return this.#work(one, this.#fs)
    }
  }

  /** On a sound disk all that is acknowledged is delivered, and then nothing is left. */
  async check(): Promise<void> {
    this.#mend()
    await this.close()
    await this.open()
    await this.#deliver(Number.MAX_SAFE_INTEGER, this.#fs)
    const spool = this.#spool!
    spool.advance(spool.end)
    await spool.settle(true)
    assert.ok(spool.bytes <= fileHeaderBytes, `${spool.bytes} bytes are left of a spool that is delivered`)
    const missing = [...this.#acked].filter((number) => !this.#delivered.has(number))
    assert.deepEqual(missing, [], 'acknowledged and never delivered')
  }

  async close(): Promise<void> {
    await this.#reader?.close()
    await this.#spool?.close(1_000)
  }

  async #work(one: Work, fs: FaultyFileSystem): Promise<void> {
    switch (one.do) {
      case 'append':
        return this.#append(one.bytes, fs)
      case 'deliver':
        return this.#deliver(one.records, fs)
      case 'settle':
        return this.#settle(one.now, fs)
    }
  }

  async #append(bytes: readonly number[], fs: FaultyFileSystem): Promise<void> {
    const first = this.#appended.length
    const records = bytes.map((length, index): SegmentRecord => {
      const batchId = `r${first + index}`
      const value = Buffer.alloc(length, `${batchId},`)
      const receivedAtMs = this.#clock.wallMs()
      return { guid: `guid-${index}`, encoding: 'otlp_proto', items: 1, batchId, receivedAtMs, value }
    })
    this.#appended.push(...records)
    const outcome = await this.#spool!.append(records)
    if (this.#isOver(fs)) return
    if (outcome === undefined)
      for (let index = 0; index < bytes.length; index++) this.#acked.add(first + index)
    else assert.ok(outcome.canRetry, outcome.message)
  }

  async #deliver(count: number, fs: FaultyFileSystem): Promise<void> {
    let last = -1
    for (let done = 0; done < count; done++) {
      let next: Awaited<ReturnType<SegmentReader['next']>>
      try {
        next = await this.#reader!.next()
      } catch {
        // A disk that cannot be read: tried again from the cursor on, as the drain does.
        if (this.#isOver(fs)) return
        await this.#seek().catch(() => undefined)
        return
      }
      if (next === undefined || this.#isOver(fs)) return
      const number = Number(next.batchId.slice(1))
      const record = this.#appended[number]
      assert.ok(record?.value.equals(next.value), `${next.batchId} is unchanged`)
      assert.ok(number > last, `${next.batchId} is in order`)
      last = number
      if (this.#acked.has(number)) {
        assert.equal(this.#offsets.get(next.offset) ?? number, number, `offset ${next.offset} is used once`)
        this.#offsets.set(next.offset, number)
      }
      this.#delivered.add(number)
      this.#readTo = Math.max(this.#readTo, next.offset + 1)
      this.#spool!.advance(next.offset + 1)
    }
  }

  async #settle(now: boolean, fs: FaultyFileSystem): Promise<void> {
    this.#clock.pass(limits.spoolCursorMs)
    this.#hasCursorFailed = false
    const { cursor } = this.#spool!
    await this.#spool!.settle(now)
    if (!this.#isOver(fs) && !this.#hasCursorFailed) this.#savedCursor = Math.max(this.#savedCursor, cursor)
  }

  async #die({ do: how, works, after, seed }: Extract<Step, { after: number }>): Promise<void> {
    const fs = this.#fs
    const random = new Random(seed)
    const dead = Promise.withResolvers<void>()
    const deadAt = fs.operations + after
    fs.hook = () => {
      if (fs.operations >= deadAt) {
        fs.die()
        dead.resolve()
      }
      return undefined
    }
    const working = (async () => {
      for (const one of works) {
        if (this.#isOver(fs)) return
        await this.#work(one, fs)
      }
    })()
    await Promise.race([working, dead.promise])
    const died = this.#spool
    this.#fs = fs.restart(random)
    if (how === 'power') this.#fs.losePower(random)
    await working
    await this.#reader?.close()
    await died?.close(0)
    this.#mend()
    await this.open()
  }

  /** What a dead process says, nobody hears. */
  #isOver(fs: FaultyFileSystem): boolean {
    return fs !== this.#fs || fs.isDead
  }

  async #seek(): Promise<void> {
    await this.#reader?.close()
    this.#reader = await this.#spool!.reader(this.#spool!.cursor)
  }

  #mend(): void {
    this.#fs.leaveRoom()
    this.#fs.heal()
  }
}

test('a spool keeps its promises through faults, full disks, deaths and power cuts at any operation', async () => {
  const run = fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 40 }), async (steps) => {
    const model = new Model()
    try {
      await model.open()
      for (const one of steps) await model.play(one)
      await model.check()
    } finally {
      await model.close()
    }
  })
  await fc.assert(run, propertyBounds())
})
