/**
 * Random appends, disk faults and power cuts against the promise: what was acknowledged is stored, once, unchanged,
 * in order; what is read was appended. Replay with GUIDEPOST_SEED.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { SegmentRecord } from '../../../src/segment/format.ts'
import { diskError, MemoryFileSystem } from './memory-file-system.ts'
import { openWriter, readAll, record } from './support.ts'

const timeBoxMs = 8_000
const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 2 ** 31)

interface Round {
  /** Value sizes of the appends made at once, step by step. */
  readonly steps: number[][][]
  /** The power fails at this operation, if there are so many. */
  readonly crashAt: number
  /** Operations that fail, counted from the start of the round. */
  readonly faults: { at: number; code: 'EIO' | 'ENOSPC' | 'short' }[]
  readonly crashSeed: number
}

const sizes = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 4000, max: 6000 }))
const round: fc.Arbitrary<Round> = fc.record({
  steps: fc.array(fc.array(fc.array(sizes, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }), {
    minLength: 1,
    maxLength: 8,
  }),
  crashAt: fc.integer({ min: 1, max: 60 }),
  faults: fc.array(
    fc.record({ at: fc.integer({ min: 1, max: 60 }), code: fc.constantFrom('EIO', 'ENOSPC', 'short') }),
    { maxLength: 3 },
  ),
  crashSeed: fc.integer(),
})

/** A small generator of numbers from 0 to 1 (mulberry32). */
function randomOf(start: number): () => number {
  let state = start | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

class Model {
  readonly fs = new MemoryFileSystem()
  readonly appended = new Map<string, SegmentRecord>()
  readonly acked: string[] = []

  async play({ steps, crashAt, faults, crashSeed }: Round): Promise<void> {
    const { writer } = await openWriter(this.fs, { segmentBytes: 20_000 })
    const start = this.fs.operations
    this.fs.hook = (operation) => {
      const at = this.fs.operations - start
      // Without power each operation fails, and nothing that it would have done happens.
      if (at >= crashAt) throw diskError('EIO')
      const fault = faults.find((candidate) => candidate.at === at)
      if (fault?.code === 'short') return operation === 'writev' ? 1 : undefined
      if (fault !== undefined) throw diskError(fault.code)
      return undefined
    }
    for (const step of steps) await Promise.all(step.map((values) => this.#append(writer, values)))
    this.fs.crash(randomOf(crashSeed))
    await writer.close(1000)
  }

  async #append(writer: Awaited<ReturnType<typeof openWriter>>['writer'], values: number[]): Promise<void> {
    const records = values.map((bytes) => {
      const id = `r${this.appended.size}`
      const made = record(id, Buffer.alloc(bytes, `${id},`))
      this.appended.set(id, made)
      return made
    })
    if ((await writer.append(records).settled) === undefined) {
      for (const { batchId } of records) this.acked.push(batchId)
    }
  }

  async check(): Promise<void> {
    const { writer } = await openWriter(this.fs, { segmentBytes: 20_000 })
    await writer.close(1000)
    const { records } = await readAll(this.fs)
    const stored = new Set<string>()
    let last = -1
    for (const { offset, batchId, value, guid, items } of records) {
      assert.ok(offset > last, 'offsets rise')
      last = offset
      const original = this.appended.get(batchId)
      assert.ok(original, 'what is read was appended')
      assert.ok(value.equals(original.value), 'the value is unchanged')
      assert.deepEqual([guid, items], [original.guid, original.items])
      assert.ok(!stored.has(batchId), 'each record is stored once')
      stored.add(batchId)
    }
    for (const id of this.acked) assert.ok(stored.has(id), `${id} was acknowledged and is stored`)
    const order = records.map(({ batchId }) => batchId).filter((id) => this.acked.includes(id))
    assert.deepEqual(order, this.acked, 'in the order of the calls')
  }
}

test('acknowledged is stored, through faults and power cuts', async () => {
  const run = fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 4 }), async (rounds) => {
    const model = new Model()
    for (const one of rounds) {
      await model.play(one)
      await model.check()
    }
  })
  await fc.assert(run, { seed, numRuns: 100_000, interruptAfterTimeLimit: timeBoxMs })
})
