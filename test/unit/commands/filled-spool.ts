/** A spool on disk with records that a bus did not take, for tests of the commands that look at one. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { BusRecord } from '../../../src/bus/bus.ts'
import { toSegmentRecord } from '../../../src/bus/spooled/spooled-record.ts'
import { MiB } from '../../../src/limits.ts'
import { Spool } from '../../../src/spool/spool.ts'

/** A folder that is removed when the test ends. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'guidepost-spool-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export function openSpool(directory: string, segmentBytes: number = MiB): Promise<Spool> {
  return Spool.open({
    directory,
    bytesMax: 100 * MiB,
    diskReserveBytes: 0,
    segmentBytes,
    stallMs: 10_000,
    onEvent: () => undefined,
    onCursorProblem: () => undefined,
  })
}

/** Appends each record by itself and says that the first `delivered` are delivered. */
export async function fillSpool(
  directory: string,
  records: readonly BusRecord[],
  { delivered = 0, segmentBytes }: { delivered?: number; segmentBytes?: number } = {},
): Promise<void> {
  const spool = await openSpool(directory, segmentBytes)
  for (const record of records) {
    const outcome = await spool.append([toSegmentRecord(record)])
    if (outcome !== undefined) throw outcome
  }
  spool.advance(delivered)
  await spool.settle(true)
  await spool.close(1_000)
}
