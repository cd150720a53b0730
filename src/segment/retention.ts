/** Deletes whole segments, oldest first, by total bytes and by age. Never the last that holds a record. */
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import type { OnSegmentEvent } from './events.ts'
import { type FileSystem, fileErrorCode } from './file-system.ts'
import { segmentName } from './format.ts'
import type { ClosedSegment } from './recovery.ts'

export interface RetentionSettings {
  readonly fs: FileSystem
  readonly directory: string
  readonly retentionBytes: number
  readonly retentionMs: number
  readonly onEvent: OnSegmentEvent
  readonly clock: Clock
}

/** Why the oldest of `closed` has to go, or undefined. */
function whyExpired(
  settings: RetentionSettings,
  oldest: ClosedSegment,
  totalBytes: number,
  nowMs: number,
): string | undefined {
  if (totalBytes > settings.retentionBytes) {
    return `the topic holds ${totalBytes} bytes, more than ${settings.retentionBytes}`
  }
  const ageMs = nowMs - oldest.modifiedMs
  return ageMs > settings.retentionMs
    ? `it is older than ${settings.retentionMs / 3_600_000} hours`
    : undefined
}

/**
 * Returns the first offsets of what is gone. Never rejects: a segment that cannot be deleted is tried again later.
 * The last of `closed` is kept unless `isFollowed` by one with records.
 */
export async function deleteExpired(
  settings: RetentionSettings,
  closed: readonly ClosedSegment[],
  activeBytes: number,
  isFollowed: boolean,
): Promise<Set<number>> {
  const gone = new Set<number>()
  let totalBytes = activeBytes
  for (const segment of closed) totalBytes += segment.bytes
  const rising = [...closed].sort((a, b) => a.firstOffset - b.firstOffset)
  for (const segment of isFollowed ? rising : rising.slice(0, -1)) {
    const reason = whyExpired(settings, segment, totalBytes, settings.clock.wallMs())
    if (reason === undefined) break
    const file = join(settings.directory, segmentName(segment.firstOffset))
    try {
      await settings.fs.unlink(file)
      settings.onEvent({ kind: 'segment_deleted', file, bytes: segment.bytes, reason })
    } catch (error) {
      if (fileErrorCode(error) !== 'ENOENT') break
    }
    gone.add(segment.firstOffset)
    totalBytes -= segment.bytes
  }
  return gone
}
