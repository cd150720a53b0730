/**
 * The spool on this machine's disk: while its bus is down everything is spooled and synced, then the bus takes everything
 * at once, so that only the spool is measured.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AppendOutcome, Bus, BusHealth, BusRecord } from '../../src/bus/bus.ts'
import { type GuidepostError, retryable } from '../../src/errors.ts'
import { limits, MiB } from '../../src/limits.ts'
import { spooledBus } from '../../test/support/spooled-bus.ts'
import { recordedBodies } from '../support/bodies.ts'
import type { Case, Figure, RunOptions } from '../support/case.ts'

/** What a run may write; a fast disk and large records would fill it otherwise. */
const bytesMax = 2_048 * MiB
const drainSecondsMax = 120

const sizes = [
  ['1kB', 1_000],
  ['100kB', 100_000],
  // As large as a record for Kafka becomes.
  ['900kB', 900_000],
] as const

export const spoolCases: readonly Case[] = sizes.flatMap(([name, bytes]) =>
  [1, 16, 256].map((inFlight) => ({
    name: `kernel/spool/${name}-${inFlight}`,
    isOnRequest: true,
    columns: ['appends per second', 'appended', 'CPU per append', 'drained per second', 'drained'],
    run: ({ seconds }: RunOptions) => run(inFlight, bytes, seconds),
  })),
)

/** Down, or takes everything. */
class SwitchedBus implements Bus {
  readonly url = 'memory:'
  readonly recordBytesMax = limits.kafkaRecordBytesMax
  isUp = true
  taken = 0

  start(): Promise<void> {
    return Promise.resolve()
  }

  append(records: readonly BusRecord[]): Promise<AppendOutcome[]> {
    const failure: GuidepostError | undefined = this.isUp
      ? undefined
      : retryable('GP_BUS_UNAVAILABLE', 'the bench says so')
    if (this.isUp) this.taken += records.length
    return Promise.resolve(records.map(() => failure))
  }

  health(): BusHealth {
    return { up: this.isUp, reason: '' }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

async function run(inFlight: number, bytes: number, seconds: number): Promise<Figure[]> {
  const directory = await mkdtemp(path.join(tmpdir(), 'guidepost-bench-'))
  const inner = new SwitchedBus()
  const { bus } = spooledBus(inner, {
    directory,
    drainBytesPerSecond: Number.MAX_SAFE_INTEGER,
    segmentBytes: limits.segmentBytesMax,
  })
  await bus.start()
  try {
    inner.isUp = false
    const untilMs = performance.now() + seconds * (1e3 / 2)
    const value = valueBytes(bytes)
    const appends = Math.floor(bytesMax / bytes / inFlight)
    const into = await timed(() =>
      Promise.all(
        Array.from({ length: inFlight }, (_, sender) => appendUntil(bus, value, sender, untilMs, appends)),
      ),
    )
    const count = into.result.reduce((sum, each) => sum + each, 0)
    if (bus.spooledRecords !== count)
      throw new Error(`the spool holds ${bus.spooledRecords}, not the acknowledged ${count}`)
    inner.isUp = true
    const outOf = await timed(async () => {
      const endMs = performance.now() + drainSecondsMax * 1e3
      while (bus.spooledRecords > 0 && performance.now() < endMs) await sleep(1)
    })
    if (inner.taken !== count) throw new Error(`the bus has ${inner.taken}, not the acknowledged ${count}`)
    const megabytes = (count * bytes) / 1e6
    return [
      { name: 'appends per second', unit: '', value: count / into.seconds },
      { name: 'appended', unit: 'MB/s', value: megabytes / into.seconds },
      { name: 'CPU per append', unit: 'µs', value: into.cpuUs / count },
      { name: 'drained per second', unit: '', value: count / outOf.seconds },
      { name: 'drained', unit: 'MB/s', value: megabytes / outOf.seconds },
      { name: 'CPU per record drained', unit: 'µs', value: outOf.cpuUs / count },
    ]
  } finally {
    await bus.close(limits.appendMsMax)
    await rm(directory, { recursive: true, force: true })
  }
}

/** Part of a recorded body, or several of it. */
function valueBytes(bytes: number): Buffer {
  return Buffer.alloc(bytes, recordedBodies(1)[0]!.payload.subarray(0, bytes))
}

/** Appends one after another, each when the one before is durable. */
async function appendUntil(
  bus: Bus,
  value: Buffer,
  sender: number,
  untilMs: number,
  countMax: number,
): Promise<number> {
  let count = 0
  while (performance.now() < untilMs && count < countMax) {
    const [failure] = await bus.append([
      {
        ...{ topic: 'prometheus_metrics', guid: 'shop', encoding: 'prometheus_remote_write_1', items: 1 },
        ...{ batchId: `bench-${sender}-${count}`, receivedAtMs: Date.now(), sender, value },
        receiver: 'remote_write',
      },
    ])
    if (failure !== undefined) throw failure
    count++
  }
  return count
}

async function timed<T>(
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly seconds: number; readonly cpuUs: number }> {
  const before = process.cpuUsage()
  const startedMs = performance.now()
  const result = await work()
  const seconds = (performance.now() - startedMs) / 1e3
  const { user, system } = process.cpuUsage(before)
  return { result, seconds, cpuUs: user + system }
}
