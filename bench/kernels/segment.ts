/** Appends to a segment log on this machine's disk: one commit writes and syncs all that is waiting. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { GiB, limits } from '../../src/limits.ts'
import { nodeFileSystem } from '../../src/segment/file-system.ts'
import type { SegmentRecord } from '../../src/segment/format.ts'
import { SegmentWriter } from '../../src/segment/writer.ts'
import { recordedBodies } from '../support/bodies.ts'
import type { Case, Figure } from '../support/case.ts'

const smallBytes = 2_048

export const segmentCases: readonly Case[] = [1, 16, 256].flatMap((inFlight) => [
  {
    name: `kernel/segment/small-${inFlight}`,
    isOnRequest: true,
    run: ({ seconds }) => run(inFlight, smallBytes, seconds),
  },
  {
    name: `kernel/segment/request-${inFlight}`,
    isOnRequest: true,
    run: ({ seconds }) => run(inFlight, undefined, seconds),
  },
])

/** `bytes`: the length of each value; undefined for a whole recorded request. */
async function run(inFlight: number, bytes: number | undefined, seconds: number): Promise<Figure[]> {
  const directory = await mkdtemp(path.join(tmpdir(), 'guidepost-bench-'))
  const { payload } = recordedBodies(1)[0]!
  const value = payload.subarray(0, bytes ?? payload.length)
  const writer = await SegmentWriter.open({
    fs: nodeFileSystem,
    directory,
    segmentBytes: limits.segmentBytesMax,
    retentionBytes: GiB,
    retentionMs: Number.MAX_SAFE_INTEGER,
    diskReserveBytes: limits.diskReserveBytes,
    onEvent: () => undefined,
  })
  try {
    const beforeUs = process.cpuUsage()
    const startedMs = performance.now()
    const untilMs = startedMs + seconds * (1e3 / 2)
    const counts = await Promise.all(
      Array.from({ length: inFlight }, () => appendUntil(writer, value, untilMs)),
    )
    const tookSeconds = (performance.now() - startedMs) / 1e3
    const { user, system } = process.cpuUsage(beforeUs)
    const appends = counts.reduce((sum, count) => sum + count, 0)
    return [
      { name: 'appends per second', unit: '', value: appends / tookSeconds },
      { name: 'bytes per second', unit: 'MB/s', value: (appends * value.length) / tookSeconds / 1e6 },
      { name: 'CPU per append', unit: 'µs', value: (user + system) / appends },
    ]
  } finally {
    await writer.close(limits.appendMsMax)
    await rm(directory, { recursive: true, force: true })
  }
}

/** Appends one after another, each when the one before is durable. */
async function appendUntil(writer: SegmentWriter, value: Buffer, untilMs: number): Promise<number> {
  let count = 0
  while (performance.now() < untilMs) {
    const record: SegmentRecord = {
      guid: 'shop',
      encoding: 'prometheus_remote_write_1',
      items: 1,
      batchId: `bench-${count}`,
      receivedAtMs: Date.now(),
      value,
    }
    const failure = await writer.append([record]).settled
    if (failure !== undefined) throw failure
    count++
  }
  return count
}
