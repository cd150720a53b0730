/** The records of a request as the batcher gets them, and what is to be known of all of them before any is taken. */
import { KiB, limits } from '../limits.ts'
import type { Owner } from './batch.ts'

/** The records of one request, still in the kernel's memory. */
export interface RecordSource {
  readonly records: readonly { readonly owner: Owner; readonly bytes: number; readonly items: number }[]
  /** Copies record `i` into `target` at `targetAt`. */
  copy(i: number, target: Buffer, targetAt: number): void
  /** Where they lie close to each other: all of them at once. Asked for once. */
  readonly all?: RecordsTogether | undefined
}

export interface RecordsTogether {
  /** From the first to the last, what lies between them included. */
  readonly bytes: number
  /** Where record `i` begins in a copy. */
  at(i: number): number
  copy(target: Buffer): void
}

/** A request of at least so many records, of at most so many bytes on average, has them in one piece of memory. */
const CROWD = 256
const CROWD_RECORD_BYTES = 4 * KiB

/** Whether they are so many, and so small, that a piece of memory for each would be the most of their cost. */
export function hasCrowd({ records }: RecordSource): boolean {
  if (records.length < CROWD) return false
  let bytes = 0
  for (const record of records) bytes += record.bytes
  return bytes <= records.length * CROWD_RECORD_BYTES
}

/**
 * Whether one of the guids would have more than its share: twice what is free. One of which nothing waits never has. The
 * records of a guid lie side by side.
 */
export function isOverShare(records: RecordSource['records'], free: number): boolean {
  const bytesMax = limits.guidShareMax * free
  let last: Owner | undefined
  let held = 0
  for (const { owner, bytes } of records) {
    if (owner !== last) {
      last = owner
      held = owner.inflightBytes
    }
    held += bytes
    if (held > bytesMax && owner.inflightBytes > 0) return true
  }
  return false
}
