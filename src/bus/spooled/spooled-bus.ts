/**
 * A bus with a disk behind it: what the bus inside cannot take now is spooled, acknowledged once it is synced, and
 * delivered later.
 *
 *   append ─┬─ nothing of the key is spooled, the bus is up ──→ bus ──┬─ stored: done
 *           │                                                        └─ it may be retried: spool
 *           └─ something of the key is spooled, or the bus is down ──→ spool ──→ drain ──→ bus
 *
 * ORDER
 *
 * Order is kept for each key: a topic, a guid and a sender. A record goes to the bus directly only while the spool holds
 * none of its key. Three things make that enough:
 * - The bus says at once which record has failed (`AppendOptions.failed`), and it is put into the spool's queue at that
 *   moment: a record that is appended afterwards finds its key taken.
 * - When a record of a key fails on the bus, those behind it fail too, in their order.
 * - That the bus is down is no reason to pass it by while appends are under way: one of them may still fail, and would
 *   come behind. A bus that is down answers at once, so that little is lost by asking it.
 *
 * WHAT IT COSTS
 *
 * While the spool is empty and the bus is up, a call costs a test of two numbers and one promise; no record is copied or
 * looked at.
 *
 * TWICE
 *
 * What failed may have been stored nevertheless, and what was delivered after the cursor was last written is delivered
 * again after a crash: each time with the same batch id and the same bytes.
 */
import { GuidepostError, permanent, retryable } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { SegmentEvent } from '../../segment/events.ts'
import { type FileSystem, fileErrorCode } from '../../segment/file-system.ts'
import { SpoolKeys } from '../../spool/keys.ts'
import { Spool } from '../../spool/spool.ts'
import type { EventName } from '../../telemetry/events.ts'
import type { AppendOptions, AppendOutcome, Bus, BusHealth, BusRecord } from '../bus.ts'
import { Drain } from './drain.ts'
import { keyOf, toBusRecord, toSegmentRecord } from './spooled-record.ts'

export interface SpooledBusConfig {
  /** Absolute. */
  readonly directory: string
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
}

export interface SpooledBusLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
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
}

interface Held {
  readonly records: readonly BusRecord[]
  readonly options: AppendOptions | undefined
  readonly resolve: (outcomes: Promise<AppendOutcome[]> | AppendOutcome[]) => void
}

export class SpooledBus implements Bus {
  readonly url: string
  readonly #bus: Bus
  readonly #config: SpooledBusConfig
  readonly #options: SpooledBusOptions
  readonly #keys: SpoolKeys
  readonly #direct: AppendOptions
  /** What failed on the bus during a call, on its way into the spool. */
  readonly #caught = new Map<BusRecord, Promise<AppendOutcome[]>>()
  #spool: Spool | undefined
  #drain: Drain | undefined
  #isOpen = false
  /** Until it is known what an earlier run left, everything goes behind it. */
  #isScanning = false
  #scan: Promise<void> = Promise.resolve()
  #directCalls = 0
  #storeCalls = 0
  #idle: (() => void)[] = []
  #timer: NodeJS.Timeout | undefined
  /** Calls that wait for the end of the spool, and until when; see `#handOver`. */
  readonly #held: Held[] = []
  #handOverTimer: NodeJS.Timeout | undefined
  #isSpooling = false
  #stuckReason = ''

  constructor(bus: Bus, config: SpooledBusConfig, options: SpooledBusOptions) {
    this.url = bus.url
    this.#bus = bus
    this.#config = config
    this.#options = options
    this.#keys = new SpoolKeys(options.keysMax ?? limits.spoolKeysMax)
    this.#direct = { deadlineMs: config.afterMs, failed: (record) => this.#catch(record) }
  }

  get recordBytesMax(): number {
    return this.#bus.recordBytesMax
  }

  /** Bytes of the spool's files. */
  get spoolBytes(): number {
    return this.#spool?.bytes ?? 0
  }

  /** Records that are spooled and not delivered. */
  get spooledRecords(): number {
    return this.#keys.records
  }

  async start(): Promise<void> {
    const spool = await this.#open()
    this.#spool = spool
    const { bus, refused, delivered } = this.#drainParts()
    this.#drain = new Drain({
      spool,
      bus,
      bytesPerSecond: this.#config.drainBytesPerSecond,
      ownFrom: spool.end,
      delivered,
      refused,
      handOver: (isNear) => this.#handOver(isNear),
      caughtUp: (end) => this.#caughtUp(end),
      unknown: (path) => {
        this.#event('spool_unknown_record')
        this.#options.log.error({ file: path }, 'A record of the spool is of no known kind and is set aside')
      },
      stuck: (reason) => this.#stuck(reason),
    })
    try {
      await this.#bus.start()
    } catch (error) {
      await spool.close(limits.logPollMs)
      throw error
    }
    this.#isOpen = true
    this.#isScanning = spool.cursor < spool.end
    this.#scan = this.#isScanning ? this.#readBacklog(spool) : Promise.resolve(this.#drain.start())
    this.#timer = setInterval(() => void this.#spool?.probe(), limits.logPollMs).unref()
  }

  append(records: readonly BusRecord[], options?: AppendOptions): Promise<AppendOutcome[]> {
    if (!this.#isOpen) return Promise.resolve(records.map(() => notOpenError()))
    const isHeld = this.#held.length > 0 || (this.#handOverTimer !== undefined && this.#isBehind(records))
    if (isHeld) return new Promise((resolve) => this.#held.push({ records, options, resolve }))
    const isPassedBy = this.#isScanning || (this.#directCalls === 0 && !this.#bus.health().up)
    if (isPassedBy) return this.#storeAll(records, options)
    return this.#keys.records === 0 ? this.#send(records, options) : this.#share(records, options)
  }

  health(): BusHealth {
    if (!this.#isOpen) return { up: false, reason: 'the bus is not open' }
    const health = this.#bus.health()
    if (health.up) return health
    const problem = this.#spool?.problem
    if (problem === undefined) return { up: true, reason: '' }
    return { up: false, reason: `${health.reason}; and ${problem.message}` }
  }

  async close(deadlineMs: number): Promise<void> {
    const endMs = performance.now() + deadlineMs
    this.#handOver(false)
    this.#isOpen = false
    clearInterval(this.#timer)
    // The bus gives up what it cannot finish; that is caught and spooled.
    const stopping = this.#scan.then(() => this.#drain?.stop())
    await this.#bus.close(deadlineMs)
    const left = (): number => Math.max(limits.logPollMs, endMs - performance.now())
    await within(left(), Promise.all([stopping, this.#settled()]))
    await this.#spool?.close(left())
  }

  async #open(): Promise<Spool> {
    const { directory, bytesMax, diskReserveBytes, segmentBytes, appendMs } = this.#config
    const { fs, log } = this.#options
    try {
      return await Spool.open({
        ...{ directory, bytesMax, diskReserveBytes, segmentBytes, stallMs: appendMs },
        ...(fs === undefined ? {} : { fs }),
        onEvent: (event) => this.#tell(event),
        onCursorProblem: (text) => {
          this.#event('spool_cursor')
          log.warn({ directory }, `The spool may deliver records twice: ${text}`)
        },
      })
    } catch (error) {
      if (error instanceof GuidepostError) throw error
      const code = fileErrorCode(error)
      const text =
        `The spool ${directory} cannot be opened (${code}): give this process the right to write there, set ` +
        'spool.directory to a folder on a disk, or switch it off with spool.enabled: false'
      throw permanent('GP_CONFIG', text, error)
    }
  }

  #drainParts(): {
    bus: Bus
    refused: SpooledBusOptions['refused']
    delivered: (record: BusRecord) => void
  } {
    const { accounts, refused } = this.#options
    return {
      bus: this.#bus,
      delivered: (record) => {
        this.#stuckReason = ''
        this.#keys.remove(keyOf(record))
        accounts.delivered(record)
        if (this.#keys.records === 0) this.#handOver(false)
      },
      refused: async (record, outcome) => {
        const failure = await refused(record, outcome)
        if (failure === undefined) this.#keys.remove(keyOf(record))
        if (this.#keys.records === 0) this.#handOver(false)
        return failure
      },
    }
  }

  /** Straight to the bus; what fails there and may be retried is caught. */
  async #send(records: readonly BusRecord[], options: AppendOptions | undefined): Promise<AppendOutcome[]> {
    this.#directCalls += 1
    let outcomes: AppendOutcome[]
    try {
      outcomes = await this.#bus.append(records, this.#direct)
    } finally {
      this.#directCalls -= 1
      if (this.#directCalls === 0) this.#tellIdle()
    }
    // A bus that does not say at once what failed says it now; in their order, before anything else comes.
    for (const [index, record] of records.entries()) {
      if (outcomes[index]?.canRetry === true && !this.#caught.has(record)) this.#catch(record)
    }
    for (const [index, record] of records.entries()) {
      if (outcomes[index]?.canRetry !== true) continue
      const [outcome] = (await this.#caught.get(record)) ?? []
      this.#caught.delete(record)
      outcomes[index] = outcome
      if (outcome === undefined) options?.spooled?.(record)
    }
    return outcomes
  }

  /** Some of the keys have spooled records: their records go behind, the others directly. */
  async #share(records: readonly BusRecord[], options: AppendOptions | undefined): Promise<AppendOutcome[]> {
    const behind: BusRecord[] = []
    const direct: BusRecord[] = []
    const isBehind = records.map((record) => {
      const found = this.#keys.has(keyOf(record))
      ;(found ? behind : direct).push(record)
      return found
    })
    const [stored, sent] = await Promise.all([
      behind.length === 0 ? [] : this.#storeAll(behind, options),
      direct.length === 0 ? [] : this.#send(direct, options),
    ])
    let storedCount = 0
    let sentCount = 0
    return isBehind.map((found) => (found ? stored[storedCount++] : sent[sentCount++]))
  }

  #catch(record: BusRecord): void {
    this.#caught.set(record, this.#store([record]))
  }

  async #storeAll(
    records: readonly BusRecord[],
    options: AppendOptions | undefined,
  ): Promise<AppendOutcome[]> {
    const outcomes = await this.#store(records)
    for (const [index, record] of records.entries()) {
      if (outcomes[index] === undefined) options?.spooled?.(record)
    }
    return outcomes
  }

  /** Puts records into the spool's queue before it returns; settles when they are durable. Never rejects. */
  async #store(records: readonly BusRecord[]): Promise<AppendOutcome[]> {
    const refusals = records.map((record) => this.#refusal(record))
    const taken = records.filter((_, index) => refusals[index] === undefined)
    for (const record of taken) this.#keys.add(keyOf(record))
    const outcome = taken.length === 0 ? undefined : await this.#write(taken)
    return refusals.map((refusal) => refusal ?? outcome)
  }

  #refusal(record: BusRecord): GuidepostError | undefined {
    const bytesMax = this.recordBytesMax
    if (record.value.length > bytesMax) {
      const text = `a record of ${record.value.length} bytes is over the ${bytesMax} that the bus takes`
      return permanent('GP_RECORD_TOO_LARGE', text)
    }
    if (this.#keys.fits(keyOf(record))) return undefined
    const text = `the spool holds records of ${limits.spoolKeysMax} guids and senders, and takes no further ones`
    return retryable('GP_OVERLOADED', text)
  }

  async #write(records: readonly BusRecord[]): Promise<AppendOutcome> {
    const spool = this.#spool
    if (spool === undefined) return notOpenError()
    let isLate = false
    this.#storeCalls += 1
    const written = spool.append(records.map(toSegmentRecord)).then((outcome) => {
      this.#storeCalls -= 1
      this.#stored(records, outcome, isLate)
      if (this.#storeCalls === 0) this.#tellIdle()
      return outcome
    })
    const { afterMs, appendMs } = this.#config
    const late = retryable('GP_BUS_DEADLINE', `the spool did not store a record within ${appendMs} ms`)
    const outcome = await within(Math.max(limits.logPollMs, appendMs - afterMs), written, late)
    isLate = outcome === late
    return outcome
  }

  #stored(records: readonly BusRecord[], outcome: AppendOutcome, isLate: boolean): void {
    const { accounts, log } = this.#options
    if (outcome !== undefined) {
      for (const record of records) this.#keys.remove(keyOf(record))
      return
    }
    for (const record of records) {
      if (isLate) accounts.adopted(record)
      else accounts.spooled(record)
    }
    this.#drain?.wake()
    if (this.#isSpooling) return
    this.#isSpooling = true
    this.#event('spool_begun')
    const { directory } = this.#config
    const reason = this.#bus.health().reason
    log.warn({ directory, reason }, 'the bus does not take everything: what it does not take is spooled')
  }

  /** Which keys an earlier run left behind. Nothing is delivered before all are known. */
  async #readBacklog(spool: Spool): Promise<void> {
    const { log, accounts } = this.#options
    const { directory } = this.#config
    const end = spool.end
    log.info({ directory, bytes: spool.bytes }, 'the spool holds records of an earlier run')
    this.#isSpooling = true
    let from = spool.cursor
    while (this.#isOpen) {
      const reader = await spool.reader(from)
      try {
        for (let next = await reader.next(); next !== undefined; next = await reader.next()) {
          if (next.offset >= end || !this.#isOpen) break
          from = next.offset + 1
          const record = toBusRecord(next, false)
          if (record === undefined) continue
          this.#keys.add(keyOf(record))
          accounts.adopted(record)
        }
        break
      } catch (error) {
        this.#stuck(error instanceof Error ? error.message : String(error))
        await new Promise((resolve) => setTimeout(resolve, limits.logPollMs))
      } finally {
        await reader.close()
      }
    }
    if (!this.#isOpen) return
    log.info({ directory, records: this.#keys.records }, 'what an earlier run left in the spool is known')
    this.#isScanning = false
    this.#drain?.start()
  }

  #isBehind(records: readonly BusRecord[]): boolean {
    return this.#keys.records > 0 && records.some((record) => this.#keys.has(keyOf(record)))
  }

  /**
   * While records of a key keep coming, the spool would never be rid of it. So when the last of what is spooled is on its
   * way, records that would go behind it wait for a moment; in their order, and all that come after them.
   */
  #handOver(isNear: boolean): void {
    if (isNear) {
      this.#handOverTimer ??= setTimeout(() => this.#handOver(false), this.#config.afterMs)
      return
    }
    clearTimeout(this.#handOverTimer)
    this.#handOverTimer = undefined
    for (const { records, options, resolve } of this.#held.splice(0)) {
      void this.append(records, options).then(resolve)
    }
  }

  #caughtUp(end: number): void {
    // While something is being written, or was since, what is missing may be that.
    if (this.#storeCalls > 0 || this.#spool?.end !== end) return
    const { log } = this.#options
    const { directory } = this.#config
    if (this.#keys.records > 0) {
      this.#event('spool_records_missing')
      const fields = { directory, records: this.#keys.records }
      log.error(fields, 'Records of the spool could not be read; see its folder quarantine')
      this.#keys.clear()
    }
    if (!this.#isSpooling) return
    this.#isSpooling = false
    this.#event('spool_emptied')
    log.info({ directory }, 'the spool is empty: everything in it is on the bus')
  }

  #stuck(reason: string): void {
    if (this.#stuckReason === reason) return
    this.#stuckReason = reason
    this.#event('spool_stuck')
    const { directory } = this.#config
    this.#options.log.error({ directory, reason }, 'The spool is not delivered; nothing in it is given up')
  }

  #tell(event: SegmentEvent): void {
    this.#event(event.kind)
    const { log } = this.#options
    const text = `The spool: ${event.kind.replaceAll('_', ' ')}`
    if (event.kind === 'disk_recovered') log.info(event, text)
    else if (event.kind === 'torn_tail') log.warn(event, text)
    else log.error(event, text)
  }

  #event(name: EventName): void {
    this.#options.onEvent?.(name)
  }

  /** Settles when no append is under way. */
  async #settled(): Promise<void> {
    while (this.#directCalls > 0 || this.#storeCalls > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve))
    }
  }

  #tellIdle(): void {
    for (const resolve of this.#idle.splice(0)) resolve()
  }
}

/** What `work` settles with, or `late` when that takes longer than `ms`. */
async function within<T>(ms: number, work: Promise<T>, late?: T): Promise<T | undefined> {
  const deadline = Promise.withResolvers<T | undefined>()
  const timer = setTimeout(() => deadline.resolve(late), ms)
  try {
    return await Promise.race([work, deadline.promise])
  } finally {
    clearTimeout(timer)
  }
}

function notOpenError(): GuidepostError {
  return retryable('GP_DRAINING', 'the bus is not open')
}
