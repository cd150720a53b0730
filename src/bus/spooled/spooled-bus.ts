/**
 * A bus with a disk behind it: what the bus inside cannot take now is spooled, acknowledged once it is synced, and
 * delivered later.
 *
 *   append ─┬─ nothing of the key is spooled ──→ bus ──┬─ stored: done
 *           │                                          └─ it may be retried: spool
 *           └─ something of the key is spooled ────────→ spool ──→ drain ──→ bus
 *                                                                    └─ only others are taken: parked (spool-folder.ts)
 *
 * The fate of each record decides, never whether the bus is up: of a bus that is up one partition may hang, and one that
 * is down may still take some. A bus that takes nothing says so at once, so that little is lost by asking it.
 *
 * ORDER
 *
 * Order is kept for each key: a topic, a guid and a sender. A record goes to the bus directly only while the spool holds
 * none of its key. Two things make that enough:
 * - The bus says at once which record has failed (`AppendOptions.failed`), and it is put into the spool's queue at that
 *   moment: a record that is appended afterwards finds its key taken.
 * - When a record of a key fails on the bus, those behind it fail too, in their order.
 *
 * WHAT IT COSTS
 *
 * While the spool is empty, a call costs a test of a few numbers and one promise; no record is copied or looked at.
 *
 * WITHOUT A DISK
 *
 * A folder that cannot be opened, or not in time, is no reason not to start: it is tried again every second, and until then
 * the bus stands alone and senders are told to wait when it fails. What an earlier run left is delivered from then on.
 *
 * TWICE
 *
 * What failed may have been stored nevertheless, and what was delivered after the cursor was last written is delivered
 * again after a crash: each time with the same batch id and the same bytes.
 */
import { type GuidepostError, permanent, retryable } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { nodeFileSystem } from '../../segment/file-system.ts'
import type { PendingAppend } from '../../segment/writer.ts'
import type { AppendOptions, AppendOutcome, Bus, BusHealth, BusRecord } from '../bus.ts'
import { readBacklog } from './backlog.ts'
import { Deliveries } from './deliveries.ts'
import { failedOutcomes } from './drain.ts'
import type { Level } from './level.ts'
import type { SpooledBusConfig, SpooledBusOptions, SpoolPace, SpoolStatus } from './settings.ts'
import { diskErrorOf, lateError, mistakeIn } from './spool-errors.ts'
import { bytesKeptOf, SpoolFolder } from './spool-folder.ts'
import { SpoolLog } from './spool-log.ts'
import { keyOf, partsOf } from './spooled-record.ts'

const pace: SpoolPace = {
  retryMsMax: limits.spoolRetryMsMax,
  parkMs: limits.spoolParkMs,
  parkedMsMax: limits.spoolParkedMsMax,
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
  readonly #keysMax: number
  readonly #log: SpoolLog
  readonly #direct: AppendOptions
  /** While there is no spool the bus has all the time that an append may take. */
  readonly #alone: AppendOptions
  /** What failed on the bus during a call, on its way into the spool. */
  readonly #caught = new Map<BusRecord, Promise<AppendOutcome[]>>()
  /** Undefined while there is no disk. */
  #folder: SpoolFolder | undefined
  #deliveries: Deliveries | undefined
  #opening: Promise<GuidepostError | undefined> | undefined
  /** Why there is none. */
  #unavailable: GuidepostError | undefined
  #isOpen = false
  #isClosed = false
  /** Until it is known what an earlier run left, everything goes behind it. */
  #isScanning = false
  #scan: Promise<void> = Promise.resolve()
  #directCalls = 0
  #idle: (() => void)[] = []
  /** Records that the bus has stored. */
  #storedCount = 0
  #timer: NodeJS.Timeout | undefined
  /** Calls that wait for the end of the spool, and until when; see `#handOver`. */
  readonly #held: Held[] = []
  #handOverTimer: NodeJS.Timeout | undefined

  constructor(bus: Bus, config: SpooledBusConfig, options: SpooledBusOptions) {
    this.url = bus.url
    this.#bus = bus
    this.#config = config
    this.#options = options
    this.#keysMax = options.keysMax ?? limits.spoolKeysMax
    this.#log = new SpoolLog(options.log, (name) => options.onEvent?.(name))
    this.#alone = { failed: (record) => this.#catch(record) }
    this.#direct = { ...this.#alone, deadlineMs: config.afterMs }
  }

  get recordBytesMax(): number {
    return this.#bus.recordBytesMax
  }

  /** Bytes of the spool's files. */
  get spoolBytes(): number {
    return this.#folder?.bytes ?? 0
  }

  /** Bytes at which it takes no more of what arrives. */
  get spoolBytesMax(): number {
    return this.#config.bytesMax - bytesKeptOf(this.#config)
  }

  /** Records that are spooled and not delivered. */
  get spooledRecords(): number {
    return this.#folder?.records ?? 0
  }

  /** Items that are spooled, and wait because the bus takes others and not them. */
  get parkedItems(): number {
    return this.#folder?.parkedItems ?? 0
  }

  status(): SpoolStatus {
    const folder = this.#folder
    const { directory, bytesMax } = this.#config
    return {
      directory: folder?.directory ?? directory,
      bytes: this.spoolBytes,
      bytesMax,
      records: this.spooledRecords,
      parkedRecords: folder?.parkedRecords ?? 0,
      cursor: folder?.main.spool.cursor ?? 0,
      adopted: folder?.adopted.length ?? 0,
      problem: this.#problem?.message ?? '',
    }
  }

  /** Throws GP_CONFIG when another process has the folder, or the path cannot be a folder; and as the bus inside. */
  async start(): Promise<void> {
    const problem = await within(limits.logStartMsMax, this.#open(), lateError(this.#config.directory))
    const mistake = problem === undefined ? undefined : mistakeIn(problem)
    if (mistake !== undefined) throw mistake
    if (problem !== undefined) this.#isUnavailable(problem)
    try {
      await this.#bus.start()
    } catch (error) {
      await this.#folder?.close(limits.logPollMs)
      this.#isClosed = true
      throw error
    }
    this.#isOpen = true
    if (this.#folder !== undefined) this.#begin(this.#folder)
    this.#timer = setInterval(() => this.#probe(), limits.logPollMs).unref()
  }

  append(records: readonly BusRecord[], options?: AppendOptions): Promise<AppendOutcome[]> {
    if (!this.#isOpen) return Promise.resolve(failedWith(records, notOpenError()))
    const isHeld = this.#held.length > 0 || (this.#handOverTimer !== undefined && this.#isHeldUp(records))
    if (isHeld) return new Promise((resolve) => this.#held.push({ records, options, resolve }))
    if (this.#isScanning) return this.#storeAll(records, options)
    const folder = this.#folder
    const isEmpty = folder === undefined || folder.records === 0
    return isEmpty ? this.#send(records, options) : this.#share(folder, records, options)
  }

  health(): BusHealth {
    if (!this.#isOpen) return { up: false, reason: 'the bus is not open' }
    const health = this.#bus.health()
    if (health.up) return health
    const problem = this.#problem
    if (problem === undefined) return { up: true, reason: '' }
    return { up: false, reason: `${health.reason}; and ${problem.message}` }
  }

  async close(deadlineMs: number): Promise<void> {
    const endMs = performance.now() + deadlineMs
    this.#handOver(false)
    this.#isOpen = false
    this.#isClosed = true
    clearInterval(this.#timer)
    // The bus gives up what it cannot finish; that is caught and spooled.
    const stopping = this.#scan.then(() => this.#deliveries?.stop())
    await this.#bus.close(deadlineMs)
    const left = (): number => Math.max(limits.logPollMs, endMs - performance.now())
    await within(left(), Promise.all([stopping, this.#settled()]))
    await this.#folder?.close(left())
  }

  /** Why the spool does not take every record now: one that has room only for small ones makes some senders wait. */
  get #problem(): GuidepostError | undefined {
    if (this.#folder === undefined) return this.#unavailable ?? notOpenError()
    return this.#folder.main.spool.problem(this.recordBytesMax + limits.spoolRecordOverheadBytes)
  }

  /** Settles with why it could not be opened. One that hangs is not tried twice: when it ends at last, that counts. */
  #open(): Promise<GuidepostError | undefined> {
    this.#opening ??= this.#openOnce().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #openOnce(): Promise<GuidepostError | undefined> {
    const { directory, worker, bytesMax, diskReserveBytes, segmentBytes, appendMs } = this.#config
    const { fs = nodeFileSystem } = this.#options
    try {
      const folder = await SpoolFolder.open({
        ...{ directory, worker, bytesMax, diskReserveBytes, segmentBytes, stallMs: appendMs, fs },
        onEvent: (event) => this.#log.segment(event),
        onCursorProblem: (text) => this.#log.cursorProblem(directory, text),
        onNotAdopted: (orphan, reason) => this.#log.notAdopted(orphan, reason),
      })
      await this.#use(folder)
      return undefined
    } catch (error) {
      return diskErrorOf(directory, error)
    }
  }

  async #use(folder: SpoolFolder): Promise<void> {
    if (this.#isClosed) {
      await folder.close(limits.logPollMs)
      return
    }
    this.#folder = folder
    this.#log.available(folder.directory)
    if (this.#isOpen) this.#begin(folder)
  }

  #isUnavailable(problem: GuidepostError): void {
    this.#unavailable = problem
    this.#log.unavailable(this.#config.directory, problem)
  }

  /** Reads what an earlier run left, then delivers. */
  #begin(folder: SpoolFolder): void {
    const deliveries = this.#makeDeliveries(folder)
    this.#deliveries = deliveries
    const left = [...folder.levels].map((level) => ({ level, end: level.spool.end }))
    this.#isScanning = left.some(({ level, end }) => level.spool.cursor < end)
    this.#scan = this.#isScanning
      ? this.#readBacklog(folder, left, deliveries)
      : Promise.resolve(deliveries.start())
  }

  #makeDeliveries(folder: SpoolFolder): Deliveries {
    const { accounts, refused } = this.#options
    return new Deliveries({
      delivering: {
        outlet: {
          append: (records) => this.#deliver(records),
          isUsable: () => isUsable(this.#bus.health()),
          storedCount: () => this.#storedCount,
        },
        pace: this.#options.pace ?? pace,
        delivered: (record) => {
          this.#log.moves()
          accounts.delivered(record)
        },
        refused,
        unknown: (path) => this.#log.unknown(path),
        stuck: (reason) => this.#log.stuck(folder.directory, reason),
      },
      folder,
      bytesPerSecond: this.#config.drainBytesPerSecond,
      isBusUp: () => this.#bus.health().up,
      handOver: (isNear) => this.#handOver(isNear),
      caughtUp: () => this.#log.caughtUp(folder.directory, folder.records, folder.parkedRecords),
      missing: (level) => this.#missing(level),
      parked: (reason) => this.#log.parked(folder.directory, reason),
    })
  }

  async #deliver(records: readonly BusRecord[]): Promise<AppendOutcome[]> {
    const outcomes = await this.#bus.append(records).catch((error: unknown) => failedOutcomes(records, error))
    for (const outcome of outcomes) if (outcome === undefined) this.#storedCount += 1
    return outcomes
  }

  /** Straight to the bus; what fails there and may be retried is caught. */
  async #send(records: readonly BusRecord[], options: AppendOptions | undefined): Promise<AppendOutcome[]> {
    this.#directCalls += 1
    let outcomes: AppendOutcome[]
    try {
      outcomes = await this.#bus.append(records, this.#folder === undefined ? this.#alone : this.#direct)
    } finally {
      this.#directCalls -= 1
      if (this.#directCalls === 0) this.#tellIdle()
    }
    // A bus that does not say at once what failed says it now; in their order, before anything else comes.
    for (const [index, record] of records.entries()) {
      const outcome = outcomes[index]
      if (outcome === undefined) this.#storedCount += 1
      else if (outcome.canRetry && !this.#caught.has(record)) this.#catch(record)
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
  async #share(
    folder: SpoolFolder,
    records: readonly BusRecord[],
    options: AppendOptions | undefined,
  ): Promise<AppendOutcome[]> {
    const behind: BusRecord[] = []
    const direct: BusRecord[] = []
    const isBehind = records.map((record) => {
      const found = folder.has(keyOf(record))
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
    const folder = this.#folder
    if (folder === undefined) return failedWith(records, this.#unavailable ?? notOpenError())
    const refusals = records.map((record) => this.#refusal(folder, record))
    const taken = records.filter((_, index) => refusals[index] === undefined)
    const outcome = taken.length === 0 ? undefined : await this.#write(folder, taken)
    return refusals.map((refusal) => refusal ?? outcome)
  }

  #refusal(folder: SpoolFolder, record: BusRecord): GuidepostError | undefined {
    const bytesMax = this.recordBytesMax
    if (record.value.length > bytesMax) {
      const text = `a record of ${record.value.length} bytes is over the ${bytesMax} that the bus takes`
      return permanent('GP_RECORD_TOO_LARGE', text)
    }
    if (folder.fits(keyOf(record), this.#keysMax)) return undefined
    const text = `the spool holds records of ${this.#keysMax} guids and senders, and takes no further ones`
    return retryable('GP_OVERLOADED', text)
  }

  async #write(folder: SpoolFolder, records: readonly BusRecord[]): Promise<AppendOutcome> {
    let isLate = false
    let pending: Pick<PendingAppend, 'withdraw'> | undefined
    const stored = folder.main.store(records, (queued) => {
      pending = queued
    })
    const written = stored.then((outcome) => {
      if (outcome === undefined) this.#stored(folder, records, isLate)
      return outcome
    })
    const { afterMs, appendMs } = this.#config
    const late = retryable('GP_BUS_DEADLINE', `the spool did not store a record within ${appendMs} ms`)
    const outcome = await within(Math.max(limits.logPollMs, appendMs - afterMs), written, late)
    if (outcome !== late) return outcome
    isLate = true
    // Its sender will send it once more: behind a slow disk nothing waits that nobody counts any more.
    pending?.withdraw(late)
    return late
  }

  #stored(folder: SpoolFolder, records: readonly BusRecord[], isLate: boolean): void {
    const { accounts } = this.#options
    for (const record of records) {
      if (isLate) accounts.adopted(record)
      else accounts.spooled(record)
    }
    this.#deliveries?.wake()
    this.#log.spooled(folder.directory, this.#bus.health().reason)
  }

  /** Which keys an earlier run left behind. Nothing is delivered before all are known. */
  async #readBacklog(
    folder: SpoolFolder,
    left: readonly { readonly level: Level; readonly end: number }[],
    deliveries: Deliveries,
  ): Promise<void> {
    const { directory } = folder
    this.#log.foundBacklog(directory, folder.bytes)
    for (const { level, end } of left) {
      await readBacklog(level, end, {
        isOpen: () => this.#isOpen,
        found: (record) => this.#options.accounts.adopted(record),
        stuck: (reason) => this.#log.stuck(directory, reason),
      })
    }
    if (!this.#isOpen) return
    this.#log.knowsBacklog(directory, folder.records)
    this.#isScanning = false
    deliveries.start()
  }

  /** Whether one of these would go behind what is on its way; what goes behind parked records is not waited for. */
  #isHeldUp(records: readonly BusRecord[]): boolean {
    const folder = this.#folder
    if (folder === undefined) return false
    return records.some((record) => {
      const key = keyOf(record)
      return folder.main.keys.has(key) && !folder.isParked(key)
    })
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

  #missing({ spool, keys }: Level): void {
    this.#log.missing(spool.directory, keys.records, keys.items)
    for (const [key, items] of keys.takeAll()) this.#options.accounts.damaged({ ...partsOf(key), items })
  }

  #probe(): void {
    if (this.#folder === undefined) {
      // One that hangs is asked for once.
      if (this.#opening !== undefined) return
      void this.#open().then((problem) => {
        if (problem !== undefined) this.#isUnavailable(problem)
      })
      return
    }
    for (const { spool } of this.#folder.levels) void spool.probe()
  }

  /** Settles when no append is under way. */
  async #settled(): Promise<void> {
    while (this.#directCalls > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
    await this.#folder?.main.settled()
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

/** Whether it takes anything. */
function isUsable({ up, takesSome }: BusHealth): boolean {
  return up || takesSome === true
}

function failedWith(records: readonly BusRecord[], outcome: GuidepostError): AppendOutcome[] {
  return records.map(() => outcome)
}

function notOpenError(): GuidepostError {
  return retryable('GP_DRAINING', 'the bus is not open')
}
