/** What an earlier run left in a level: read once, for its keys. */
import { limits } from '../../limits.ts'
import type { BusRecord } from '../bus.ts'
import type { Level } from './level.ts'
import { toBusRecord } from './spooled-record.ts'

export interface BacklogReader {
  /** Reading ends early when not. */
  isOpen(): boolean
  found(record: BusRecord): void
  /** The disk does not let it be read; it is tried again. */
  stuck(reason: string): void
}

/** Of the records below `end`. Never rejects. */
export async function readBacklog(
  level: Level,
  end: number,
  { isOpen, found, stuck }: BacklogReader,
): Promise<void> {
  const { spool } = level
  let from = spool.cursor
  while (isOpen() && from < end) {
    try {
      const reader = await spool.reader(from)
      try {
        for (let next = await reader.next(); next !== undefined; next = await reader.next()) {
          if (next.offset >= end || !isOpen()) return
          from = next.offset + 1
          const record = toBusRecord(next, false)
          if (record === undefined) continue
          level.entered(record)
          found(record)
        }
        return
      } finally {
        await reader.close()
      }
    } catch (error) {
      stuck(error instanceof Error ? error.message : String(error))
      await new Promise((resolve) => setTimeout(resolve, limits.logPollMs))
    }
  }
}
