/**
 * Delivers one level from its front, one delivery at a time: so its order is the order on the bus.
 *
 *   read (bounded in bytes and records) → append → what may be retried again, after a pause → cursor → next
 *
 * A record that the bus refuses for good goes to `refused`, which finds another place for it. What the bus does not take
 * although it takes others is parked: written to another level, synced, and passed over. When that fails as well it stays,
 * and everything behind it. Bytes in a second are bounded, so that what arrives meanwhile is not starved.
 */
import { type GuidepostError, retryable } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { SegmentReader } from '../../segment/reader.ts'
import type { AppendOutcome, BusRecord } from '../bus.ts'
import type { Level } from './level.ts'
import type { Pacer } from './pacer.ts'
import type { SpoolPace } from './settings.ts'
import { keyOf, toBusRecord } from './spooled-record.ts'

/** The bus, as one who delivers sees it. */
export interface Outlet {
  /** As that of the bus; never rejects. */
  append(records: readonly BusRecord[]): Promise<AppendOutcome[]>
  /** False while the bus takes nothing at all. */
  isUsable(): boolean
  /** How many records the bus has stored so far, whosever they were. */
  storedCount(): number
}

/** What all who deliver share. */
export interface Delivering {
  readonly outlet: Outlet
  readonly pace: SpoolPace
  /** The bus has it. */
  readonly delivered: (record: BusRecord) => void
  /** The bus refuses it for good. Undefined: it is taken care of. Otherwise it is tried again. */
  readonly refused: (record: BusRecord, outcome: GuidepostError) => Promise<GuidepostError | undefined>
  /** It was not written by a spool that this version knows. */
  readonly unknown: (path: string) => void
  /** Why nothing moves. */
  readonly stuck: (reason: string) => void
}

/** What the bus did not take. */
export interface Refused {
  /** Milliseconds since its delivery was begun. */
  readonly waitedMs: number
  /** Whether the bus has answered otherwise meanwhile. */
  readonly isAlive: boolean
  /** Whether there is more behind its delivery. */
  readonly isFollowed: boolean
}

export interface DrainSettings extends Delivering {
  readonly level: Level
  /** Bytes of values that are held in memory at once; one record more. */
  readonly deliveryBytes: number
  readonly pacer: Pacer
  /** Whether older records of this key lie elsewhere, so that one of this level has to go behind them. */
  readonly isBehind: (key: string) => boolean
  /** Makes records durable elsewhere, or says why not. */
  readonly park: (records: readonly BusRecord[], reason: string) => Promise<AppendOutcome>
  /** Whether what the bus does not take is to be parked now. */
  readonly mayPark: (refused: Refused) => boolean
  /** All that is durable is being delivered, or that has come to nothing: whether to let nothing more into the level. */
  readonly handOver?: (isNear: boolean) => void
  /** Nothing durable was left below the offset `end`. True: it was the last, and the drain ends. */
  readonly caughtUp: (end: number) => boolean
}

interface Spooled {
  readonly record: BusRecord
  readonly offset: number
}

/** Records read at once, and the offset behind them. */
interface Delivery {
  readonly spooled: Spooled[]
  readonly bytes: number
  readonly end: number
}

export class Drain {
  readonly #settings: DrainSettings
  #isStopped = false
  #wake: () => void = () => undefined
  #hasNews = false
  #deliveredCount = 0
  /** Since the cursor was last written. */
  #movedBytes = 0

  constructor(settings: DrainSettings) {
    this.#settings = settings
  }

  /** Records that it has delivered. */
  get deliveredCount(): number {
    return this.#deliveredCount
  }

  /** There is something to deliver, or the bus is up. */
  wake(): void {
    this.#hasNews = true
    this.#wake()
  }

  /** `run` settles once the append under way has; the bus bounds that. */
  stop(): void {
    this.#isStopped = true
    this.#wake()
  }

  /** Settles when it was stopped, or the level is at its end for good. Never rejects. */
  async run(): Promise<void> {
    const { level, stuck } = this.#settings
    let isOver = false
    while (!this.#isStopped && !isOver) {
      let reader: SegmentReader | undefined
      try {
        reader = await level.spool.reader(level.spool.cursor)
        isOver = await this.#deliverAll(reader)
      } catch (error) {
        // A disk that cannot be read may be mended; from the cursor on nothing is given up.
        stuck(error instanceof Error ? error.message : String(error))
        await this.#pause(this.#settings.pace.retryMsMax)
      } finally {
        await reader?.close()
      }
    }
    await level.spool.settle(true)
  }

  /** True at the end for good. */
  async #deliverAll(reader: SegmentReader): Promise<boolean> {
    const { level, pacer, outlet, handOver, caughtUp } = this.#settings
    const { spool } = level
    while (!this.#isStopped) {
      this.#hasNews = false
      const limit = spool.end
      const delivery = await this.#read(reader)
      if (delivery === undefined) {
        // What is damaged at the end is passed over as well.
        spool.advance(limit)
        await spool.settle(true)
        // What was read is deleted then; an open file would keep its bytes on the disk.
        if (spool.bytes === 0) await reader.seek(spool.cursor)
        if (caughtUp(limit)) return true
        if (!this.#hasNews) await this.#pause(limits.logPollMs)
        continue
      }
      const startMs = performance.now()
      const count = this.#deliveredCount
      const isTried = delivery.spooled.some(({ record }) => !this.#settings.isBehind(keyOf(record)))
      handOver?.(isTried && delivery.end >= spool.end && outlet.isUsable())
      if (!(await this.#deliver(delivery))) return false
      handOver?.(false)
      // What was moved takes room twice until then.
      const isDue = this.#movedBytes >= this.#settings.deliveryBytes
      if (isDue) this.#movedBytes = 0
      await spool.settle(isDue)
      await this.#pauseUntil(pacer.next(delivery.bytes, this.#deliveredCount > count, startMs))
    }
    return false
  }

  /** Undefined at the end of what is durable. */
  async #read(reader: SegmentReader): Promise<Delivery | undefined> {
    const { level, unknown, deliveryBytes } = this.#settings
    const spooled: Spooled[] = []
    let bytes = 0
    let end: number | undefined
    while (bytes < deliveryBytes && spooled.length < limits.spoolDeliveryRecords) {
      const parsed = await reader.next()
      if (parsed === undefined) break
      end = parsed.offset + 1
      bytes += parsed.value.length
      const record = toBusRecord(parsed, parsed.offset >= level.ownFrom)
      if (record !== undefined) spooled.push({ record, offset: parsed.offset })
      else {
        level.spool.setAside(reader.path)
        unknown(reader.path ?? '')
      }
    }
    return end === undefined ? undefined : { spooled, bytes, end }
  }

  /** False when it was stopped before all of it had found its place. */
  async #deliver({ spooled, end }: Delivery): Promise<boolean> {
    const { level, outlet, handOver, isBehind, mayPark, pace } = this.#settings
    const startMs = performance.now()
    const storedBefore = outlet.storedCount()
    let rest = spooled
    let pauseMs = pace.retryMsMax / 10
    for (;;) {
      // Asked once: what could not be parked may be first of its key by then, and is one record all the same.
      const { behind: parking = [], first = [] } = Object.groupBy(rest, ({ record }) =>
        isBehind(keyOf(record)) ? 'behind' : 'first',
      )
      const behind = await this.#park(parking)
      let reason = ''
      let left = first
      if (left.length > 0 && outlet.isUsable()) {
        ;({ left, reason } = await this.#try(left))
        const isAlive = outlet.storedCount() > storedBefore
        const isFollowed = level.spool.end > end
        const waitedMs = performance.now() - startMs
        const isStuck = left.length > 0 && outlet.isUsable()
        if (isStuck && mayPark({ waitedMs, isAlive, isFollowed })) left = await this.#park(left, reason)
      }
      rest = [...behind, ...left].sort((a, b) => a.offset - b.offset)
      level.spool.advance(rest[0]?.offset ?? end)
      if (rest.length === 0) return true
      handOver?.(false)
      // News are of what lies behind.
      await this.#pause(pauseMs, true)
      if (this.#isStopped) return false
      pauseMs = Math.min(pace.retryMsMax, pauseMs * 2)
    }
  }

  /** Returns those that could not be parked: all or none. */
  async #park(parking: Spooled[], reason = ''): Promise<Spooled[]> {
    if (parking.length === 0) return parking
    const { level, park, stuck } = this.#settings
    const records = parking.map(({ record }) => record)
    const failure = await park(records, reason)
    if (failure !== undefined) {
      stuck(failure.message)
      return parking
    }
    for (const record of records) {
      level.left(record)
      this.#movedBytes += record.value.length
    }
    return []
  }

  /** Returns what is left to be tried again, and why. */
  async #try(rest: readonly Spooled[]): Promise<{ left: Spooled[]; reason: string }> {
    const { level, outlet, delivered, refused, stuck } = this.#settings
    const outcomes = await outlet.append(rest.map(({ record }) => record))
    const left: Spooled[] = []
    let reason = ''
    let refusal = ''
    for (const [index, one] of rest.entries()) {
      const outcome = outcomes[index]
      const failure = outcome?.canRetry === false ? await refused(one.record, outcome) : outcome
      if (failure === undefined) {
        level.left(one.record)
        this.#deliveredCount += 1
        if (outcome === undefined) delivered(one.record)
      } else {
        left.push(one)
        reason ||= failure.message
        if (outcome?.canRetry === false) refusal ||= `${outcome.message}; ${failure.message}`
      }
    }
    if (refusal !== '') stuck(refusal)
    return { left, reason }
  }

  #pauseUntil(atMs: number): Promise<void> {
    const ms = atMs - performance.now()
    // News are no reason to go faster.
    return ms > 0 ? this.#pause(ms, true) : Promise.resolve()
  }

  /** Ended early by news, unless it `isDeaf`, and by a stop. */
  #pause(ms: number, isDeaf = false): Promise<void> {
    if (this.#isStopped) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        if (isDeaf && !this.#isStopped) return
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

/** What a bus that rejects, against its contract, has done to records. */
export function failedOutcomes(records: readonly BusRecord[], error: unknown): AppendOutcome[] {
  return records.map(() => retryable('GP_BUS_UNAVAILABLE', 'the bus failed; see the log', error))
}
