/** Short ways to write, damage and read back a log in a memory file system. */

import { type Found, inspectFolder } from '../../../src/commands/inspect-folder.ts'
import type { SegmentEvent } from '../../../src/segment/events.ts'
import type { FileSystem } from '../../../src/segment/file-system.ts'
import type { ParsedRecord, SegmentRecord } from '../../../src/segment/format.ts'
import { SegmentReader } from '../../../src/segment/reader.ts'
import { SegmentWriter, type WriterSettings } from '../../../src/segment/writer.ts'

export const directory = '/log/topic'

export function record(id: string, value: Buffer | string = `value of ${id}`): SegmentRecord {
  return {
    guid: 'shop',
    encoding: 'prometheus_remote_write_1',
    items: 3,
    batchId: id,
    receivedAtMs: 1_760_000_000_000,
    value: typeof value === 'string' ? Buffer.from(value) : value,
  }
}

export async function openWriter(
  fs: FileSystem,
  changes: Partial<WriterSettings> = {},
): Promise<{ writer: SegmentWriter; events: SegmentEvent[] }> {
  const events: SegmentEvent[] = []
  const writer = await SegmentWriter.open({
    fs,
    directory,
    segmentBytes: 1024 * 1024,
    retentionBytes: Number.MAX_SAFE_INTEGER,
    retentionMs: Number.MAX_SAFE_INTEGER,
    diskReserveBytes: 0,
    onEvent: (event) => events.push(event),
    ...changes,
  })
  return { writer, events }
}

/** Everything that a reader returns, and what it reports. */
export async function readAll(
  fs: FileSystem,
  path = directory,
): Promise<{ records: ParsedRecord[]; events: SegmentEvent[] }> {
  const events: SegmentEvent[] = []
  const reader = new SegmentReader({ fs, directory: path, onEvent: (event) => events.push(event) })
  const records: ParsedRecord[] = []
  for (let next = await reader.next(); next !== undefined; next = await reader.next()) {
    records.push({ ...next, value: Buffer.from(next.value) })
  }
  await reader.close()
  return { records, events }
}

export const idsOf = (records: readonly { batchId: string }[]): string[] =>
  records.map(({ batchId }) => batchId)

export async function inspectAll(fs: FileSystem, path = directory): Promise<Found[]> {
  const found: Found[] = []
  for await (const one of inspectFolder(path, fs)) found.push(one)
  return found
}
