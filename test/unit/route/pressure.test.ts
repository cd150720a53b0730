import assert from 'node:assert/strict'
import test from 'node:test'
import { limits, MiB } from '../../../src/limits.ts'
import { Budget } from '../../../src/route/budget.ts'
import { Pressure } from '../../../src/route/pressure.ts'
import { Shares } from '../../../src/route/shares.ts'

class World {
  readonly budget = new Budget(128 * MiB)
  readonly shares = new Shares(this.budget)
  resident = 150 * MiB
  relieved = 0
  /** What was told of the last time, in MiB. */
  told: number[] = []
  measured = 0
  /** What Node.js throws where no more files can be opened. */
  fault: Error | undefined
  /** The share of what is resident that letting go frees. */
  freed = 0
  buffers = 20 * MiB
  /** What buffers come to when memory was let go. */
  buffersLeft = 20 * MiB
  nowMs = 1_000
  readonly pressure = new Pressure({
    shares: this.shares,
    memoryBytes: 1024 * MiB,
    residentBytes: () => {
      this.measured++
      if (this.fault !== undefined) throw this.fault
      return this.resident
    },
    bufferBytes: () => {
      if (this.fault !== undefined) throw this.fault
      return this.buffers
    },
    relieve: () => {
      this.relieved++
      this.buffers = this.buffersLeft
      this.resident *= 1 - this.freed
    },
    relieved: (before, after) => {
      this.told = [before / MiB, after / MiB]
    },
  })

  /** The timer comes `lateMs` late, so often. */
  late(lateMs: number, times: number): void {
    for (let i = 0; i < times; i++) {
      this.nowMs += limits.lagCheckMs + lateMs
      this.pressure.sample(this.nowMs)
    }
  }

  /** The largest body that a second sender may bring beside a large one, in MiB. */
  largest(): number {
    const first = this.shares.open(this.shares.connect('10.0.0.1'), 'otlp', 1)
    const claim = this.shares.open(this.shares.connect('10.0.0.2'), 'otlp', 2)
    first.take(100_000)
    let mebibytes = 64
    while (mebibytes > 0 && !claim.fits(mebibytes * MiB)) mebibytes--
    first.give(100_000)
    return mebibytes
  }
}

test('a lag is standing when it never fell for a second; one turn in time ends it', () => {
  const world = new World()
  world.late(0, 40)
  assert.equal(world.pressure.isLagging, false)
  world.late(3_000, 1)
  assert.equal(world.pressure.isLagging, false, 'one long turn')
  world.late(10, 20)
  world.late(600, 1)
  world.late(0, 1)
  world.late(600, 1)
  assert.equal(world.pressure.isLagging, false, 'some long turns')
  world.late(700, 4)
  assert.equal(world.pressure.isLagging, true)
  assert.ok(world.pressure.lagSeconds > 0.69, `${world.pressure.lagSeconds}`)
  world.late(20, 1)
  assert.equal(world.pressure.isLagging, false)
  assert.ok(world.pressure.lagSeconds < 0.03)
})

test('the more memory is occupied, the smaller are the bodies that are taken; never none', () => {
  const world = new World()
  const sizes: number[] = []
  for (const resident of [150, 400, 600, 700, 760, 900]) {
    world.resident = resident * MiB
    world.late(0, 10)
    sizes.push(world.largest())
  }
  assert.ok(sizes[0]! >= 42, `${sizes}`)
  assert.deepEqual(
    sizes,
    sizes.toSorted((a, b) => b - a),
  )
  assert.equal(sizes.at(-1), 1, `${sizes}`)
  world.resident = 150 * MiB
  world.late(0, 10)
  assert.equal(world.largest(), sizes[0], 'and it recovers')
})

test('above the mark memory is let go, not more often than every two seconds', () => {
  const world = new World()
  world.late(0, 100)
  assert.equal(world.relieved, 0)
  world.resident = 900 * MiB
  world.late(0, 4)
  assert.equal(world.relieved, 1)
  world.late(0, 10)
  assert.equal(world.relieved, 1)
})

test('above the mark dead buffers that pile up are let go five times a second; those that stay do not count again', () => {
  const world = new World()
  world.resident = 900 * MiB
  const relievedIn = (milliseconds: number, bytesEach: number): number => {
    const before = world.relieved
    for (let i = 0; i < milliseconds / limits.lagCheckMs; i++) {
      world.buffers += bytesEach
      world.late(0, 1)
    }
    return world.relieved - before
  }
  relievedIn(100, 0)
  assert.equal(relievedIn(1_000, 40 * MiB), 5)
  world.buffersLeft = 100 * MiB
  world.buffers = 300 * MiB
  assert.equal(relievedIn(300, 0), 1)
  assert.equal(relievedIn(1_500, 0), 0, 'they live')
  world.resident = 500 * MiB
  assert.equal(relievedIn(1_000, 40 * MiB), 0, 'there is enough')
})

test('what was occupied is measured once at each look, and once more when memory was let go; both are told', () => {
  const world = new World()
  const look = (): number => {
    const before = world.measured
    world.late(0, limits.memoryCheckMs / limits.lagCheckMs)
    return world.measured - before
  }
  assert.equal(look(), 1)
  assert.deepEqual(world.told, [])
  world.resident = 800 * MiB
  world.freed = 0.25
  assert.equal(look(), 2)
  assert.deepEqual(world.told, [800, 600])
})

test('where letting go is of no use, it is tried ever less often; when it helps, or memory is there again, as at first', () => {
  const world = new World()
  const relievedIn = (seconds: number): number => {
    const before = world.relieved
    world.late(0, (seconds * 1_000) / limits.lagCheckMs)
    return world.relieved - before
  }
  world.resident = 900 * MiB
  assert.ok(relievedIn(62) <= 6, 'after 0, 4, 12, 28 and 60 s')
  assert.ok(relievedIn(120) <= 2)
  world.resident = 150 * MiB
  relievedIn(1)
  world.resident = 900 * MiB
  assert.ok(relievedIn(13) >= 2)
  world.freed = 0.1
  relievedIn(120)
  world.resident = 1e15
  assert.ok(relievedIn(21) >= 10, 'it helps each time')
})

test('what cannot be measured, since no file can be opened, is as it was', () => {
  const world = new World()
  world.resident = 750 * MiB
  world.late(0, 10)
  const before = world.largest()
  assert.ok(before > 0 && before < 30, String(before))
  world.fault = Object.assign(new Error('EMFILE: too many open files, uv_resident_set_memory'), {
    code: 'EMFILE',
  })
  world.resident = 150 * MiB
  world.late(0, 10)
  assert.equal(world.largest(), before)
  world.fault = undefined
  world.late(0, 10)
  assert.ok(world.largest() > before)
})
