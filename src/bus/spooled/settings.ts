/** What a spooled bus is made with, and what it says of itself. */

import type { WorkerPlace } from '../../config/workers.ts'
import type { GuidepostError } from '../../errors.ts'
import type { FileSystem } from '../../segment/file-system.ts'
import type { EventName } from '../../telemetry/events.ts'
import type { BusRecord } from '../bus.ts'
import type { SpooledBusLogger } from './spool-log.ts'

export interface SpooledBusConfig {
  /** Of the spools of all workers. Absolute. */
  readonly directory: string
  readonly worker: WorkerPlace
  readonly bytesMax: number
  /** Milliseconds that the bus is given before a record is spooled. */
  readonly afterMs: number
  readonly drainBytesPerSecond: number
  /** Milliseconds in which an append settles, spooled or not. */
  readonly appendMs: number
  readonly diskReserveBytes: number
  readonly segmentBytes: number
}

/** Keeps the books of what is spooled. Each is told of a record of any topic. */
export interface SpoolAccounts {
  /** It is durable in the spool, and its sender is told so. */
  spooled(record: BusRecord): void
  /** It is in the spool without having been `spooled`: from an earlier run, or its sender was told otherwise. */
  adopted(record: BusRecord): void
  /** It was in the spool and is on the bus. */
  delivered(record: BusRecord): void
  /** So many items were in the spool, and cannot be read any more. */
  damaged(lost: Pick<BusRecord, 'topic' | 'guid' | 'receiver' | 'items'>): void
}

/** For an operator's eyes. */
export interface SpoolStatus {
  readonly directory: string
  readonly bytes: number
  readonly bytesMax: number
  readonly records: number
  /** Of these, what waits because the bus takes others and not them. */
  readonly parkedRecords: number
  /** The offset below which everything that arrived is delivered or parked. */
  readonly cursor: number
  /** Levels of workers that there are no more, which are not delivered yet. */
  readonly adopted: number
  /** Why it does not take every record now. Empty when all is well. */
  readonly problem: string
}

/** What the spool waits for, in milliseconds; see `spoolRetryMsMax`, `spoolParkMs` and `spoolParkedMsMax`. */
export interface SpoolPace {
  readonly retryMsMax: number
  readonly parkMs: number
  readonly parkedMsMax: number
}

export interface SpooledBusOptions {
  readonly log: SpooledBusLogger
  readonly accounts: SpoolAccounts
  /**
   * The bus refuses a spooled record for good. Undefined: it was taken care of, the books too. Otherwise it stays in the
   * spool and is tried again.
   */
  readonly refused: (record: BusRecord, outcome: GuidepostError) => Promise<GuidepostError | undefined>
  /** A rare event, to be counted. */
  readonly onEvent?: (name: EventName) => void
  /** The machine's unless given. */
  readonly fs?: FileSystem
  /** Names in memory; see `spoolKeysMax`. */
  readonly keysMax?: number
  /** That of `limits` unless given. */
  readonly pace?: SpoolPace
}
