/**
 * Random appends, reads, faults, full disks, deaths and power cuts against the promises of the log: what was acknowledged
 * is read after each reopening, in order and unchanged, until retention deletes it; nothing else is read than what was
 * appended; an offset is used once.
 * GUIDEPOST_SEED replays a run; GUIDEPOST_FUZZ_MS makes it longer.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Operation } from '../support/faulty-file-system.ts'
import { propertyBounds } from '../support/random.ts'
import { type Calls, LogModel, type Step, segmentBytes, topics } from './log-model.ts'

const bytes = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.integer({ min: 1, max: 300 }),
  fc.integer({ min: 3_000, max: 6_000 }),
  fc.integer({ min: segmentBytes - 300, max: 4 * segmentBytes }),
)
const share = fc.record({ topic: fc.constantFrom(...topics), bytes })
const calls: fc.Arbitrary<Calls> = fc.array(fc.array(share, { minLength: 1, maxLength: 4 }), {
  minLength: 1,
  maxLength: 5,
})
const operation = fc.constantFrom<Operation[]>(
  'open',
  'read',
  'writev',
  'datasync',
  'datasync',
  'sync',
  'truncate',
  'list',
  'stat',
  'makeDirectory',
  'syncDirectory',
  'rename',
  'unlink',
  'freeBytes',
)
const does = fc.oneof(
  fc.constantFrom('EIO', 'ENOSPC'),
  fc.integer({ min: 1, max: 200 }).map((takes) => ({ takes })),
  fc.integer({ min: 1, max: 20 }).map((turns) => ({ turns })),
)
const fault = fc.record({
  operation,
  nth: fc.integer({ min: 1, max: 6 }),
  times: fc.integer({ min: 1, max: 4 }),
  does,
})
const seed = fc.integer({ min: 0, max: 2 ** 31 - 1 })
const retention = fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 3 * segmentBytes, 1)
const end = fc.constantFrom('kill' as const, 'power' as const)

const append = fc.record({ do: fc.constant('append' as const), calls })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: append },
  {
    weight: 3,
    arbitrary: fc.record({ do: end, calls, after: fc.integer({ min: 1, max: 40 }), seed, retention }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('faults' as const),
      faults: fc.array(fault, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('slow' as const), seed }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('fill' as const),
      room: fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 200, max: 20_000 })),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ do: 'heal' } as const) },
  { weight: 2, arbitrary: fc.constant({ do: 'read' } as const) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.oneof(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 1, max: 30 * 3_600_000 })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const), retention }) },
)

test('the log keeps its promises through faults, full disks, deaths and power cuts', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'guidepost-log-model-'))
  // A run that the end of the time interrupts goes on beside; it is waited for before its folder is removed.
  let current: Promise<void> = Promise.resolve()
  try {
    const run = fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 25 }), (steps) => {
      current = play(directory, steps)
      return current
    })
    await fc.assert(run, propertyBounds())
  } finally {
    await current.catch(() => undefined)
    await rm(directory, { recursive: true, force: true })
  }
})

async function play(directory: string, steps: readonly Step[]): Promise<void> {
  const model = new LogModel(directory)
  try {
    await model.open()
    for (const one of steps) await model.play(one)
    await model.play({ do: 'heal' })
    await model.check()
  } finally {
    await model.close()
  }
}
