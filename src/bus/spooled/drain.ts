/**
 * Delivers what is spooled, from the front, one delivery at a time: so the order of the spool is the order on the bus.
 *
 *   read (bounded in bytes and records) → append → what may be retried again, after a pause → cursor → next
 *
 * A record that the bus refuses for good goes to `refused`, which finds another place for it; when there is none, it
 * stays, and everything behind it as well. Bytes in a second are bounded, so that what arrives meanwhile is not starved.
 */
import { type GuidepostError, retryable } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { SegmentReader } from '../../segment/reader.ts'
import type { Spool } from '../../spool/spool.ts'
import type { Bus, BusRecord } from '../bus.ts'
import { toBusRecord } from './spooled-record.ts'

const MS_PER_SECOND = 1e3

export interface DrainSettings {
  readonly spool: Spool
  readonly bus: Bus
  readonly bytesPerSecond: number
  /** The offset from which on records are of this run; see `toBusRecord`. */
  readonly ownFrom: number
  /** The bus has it. */
  readonly delivered: (record: BusRecord) => void
  /** The bus refuses it for good. Undefined: it is taken care of. Otherwise it is tried again. */
  readonly refused: (record: BusRecord, outcome: GuidepostError) => Promise<GuidepostError | undefined>
  /** All that is durable is being delivered, or that has come to nothing: whether to let nothing more into the spool. */
  readonly handOver: (isNear: boolean) => void
  /** Nothing durable was left below the offset `end`. */
  readonly caughtUp: (end: number) => void
  /** It was not written by a spool that this version knows. */
  readonly unknown: (path: string) => void
  /** Why nothing moves. */
  readonly stuck: (reason: string) => void
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
  #nextAtMs = 0
  #running: Promise<void> = Promise.resolve()

  constructor(settings: DrainSettings) {
    this.#settings = settings
  }

  start(): void {
    this.#running = this.#run()
  }

  /** There is something to deliver, or the bus is up. */
  wake(): void {
    this.#hasNews = true
    this.#wake()
  }

  /** Settles when the append under way has; the bus bounds that. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#wake()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      let reader: SegmentReader | undefined
      try {
        reader = await this.#settings.spool.reader(this.#settings.spool.cursor)
        await this.#deliverAll(reader)
      } catch (error) {
        // A disk that cannot be read may be mended; from the cursor on nothing is given up.
        this.#settings.stuck(error instanceof Error ? error.message : String(error))
        await this.#pause(limits.spoolRetryMsMax)
      } finally {
        await reader?.close()
      }
    }
    await this.#settings.spool.settle(true)
  }

  async #deliverAll(reader: SegmentReader): Promise<void> {
    const { spool, bus, bytesPerSecond, handOver } = this.#settings
    while (!this.#isStopped) {
      if (!bus.health().up) {
        handOver(false)
        await this.#pause(limits.spoolRetryMsMax / 10)
        continue
      }
      this.#hasNews = false
      const limit = spool.end
      const delivery = await this.#read(reader)
      if (delivery === undefined) {
        // What is damaged at the end is passed over as well.
        spool.advance(limit)
        await spool.settle(true)
        // What was read is deleted then; an open file would keep its bytes on the disk.
        if (spool.bytes === 0) await reader.seek(spool.cursor)
        this.#settings.caughtUp(limit)
        if (!this.#hasNews) await this.#pause(limits.logPollMs)
        continue
      }
      if (delivery.end >= spool.end) handOver(true)
      if (!(await this.#deliver(delivery))) return
      await spool.settle(false)
      const nowMs = performance.now()
      this.#nextAtMs = Math.max(nowMs, this.#nextAtMs) + (delivery.bytes / bytesPerSecond) * MS_PER_SECOND
      await this.#pauseUntil(this.#nextAtMs)
    }
  }

  /** Undefined at the end of what is durable. */
  async #read(reader: SegmentReader): Promise<Delivery | undefined> {
    const spooled: Spooled[] = []
    let bytes = 0
    let end: number | undefined
    while (bytes < limits.spoolDeliveryBytes && spooled.length < limits.spoolDeliveryRecords) {
      const parsed = await reader.next()
      if (parsed === undefined) break
      end = parsed.offset + 1
      bytes += parsed.value.length
      const record = toBusRecord(parsed, parsed.offset >= this.#settings.ownFrom)
      if (record !== undefined) spooled.push({ record, offset: parsed.offset })
      else {
        this.#settings.spool.setAside(reader.path)
        this.#settings.unknown(reader.path ?? '')
      }
    }
    return end === undefined ? undefined : { spooled, bytes, end }
  }

  /** False when it was stopped before all of it was delivered. */
  async #deliver({ spooled, end }: Delivery): Promise<boolean> {
    const { spool, bus, handOver } = this.#settings
    let rest = spooled
    let pauseMs = limits.spoolRetryMsMax / 10
    while (rest.length > 0) {
      if (bus.health().up) {
        const tried = await this.#try(rest)
        if (tried.left.length > 0 && tried.reason !== '') this.#settings.stuck(tried.reason)
        rest = tried.left
        spool.advance(rest[0]?.offset ?? end)
        if (rest.length === 0) break
      }
      handOver(false)
      if (this.#isStopped) return false
      await this.#pause(pauseMs)
      if (this.#isStopped) return false
      pauseMs = Math.min(limits.spoolRetryMsMax, pauseMs * 2)
    }
    spool.advance(end)
    return true
  }

  /** What is left to be tried again. */
  async #try(rest: readonly Spooled[]): Promise<{ left: Spooled[]; reason: string }> {
    const { bus, delivered, refused } = this.#settings
    const records = rest.map(({ record }) => record)
    const outcomes = await bus
      .append(records)
      .catch((error: unknown) =>
        records.map(() => retryable('GP_BUS_UNAVAILABLE', 'the bus failed; see the log', error)),
      )
    const left: Spooled[] = []
    let reason = ''
    for (const [index, one] of rest.entries()) {
      const outcome = outcomes[index]
      if (outcome === undefined) delivered(one.record)
      else {
        const failure = outcome.canRetry ? outcome : await refused(one.record, outcome)
        if (failure === undefined) continue
        left.push(one)
        if (!outcome.canRetry) reason ||= `${outcome.message}; ${failure.message}`
      }
    }
    return { left, reason }
  }

  #pauseUntil(atMs: number): Promise<void> {
    const ms = atMs - performance.now()
    if (ms <= 0 || this.#isStopped) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      // Only a stop ends it early: news are no reason to go faster.
      this.#wake = () => {
        if (!this.#isStopped) return
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #pause(ms: number): Promise<void> {
    if (this.#isStopped) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
