/** The embedded log: one folder of segments for each topic, on a local disk. */
import { join } from 'node:path'
import { type Clock, systemClock, type Timer } from '../../clock.ts'
import type { LogBusConfig } from '../../config/config.ts'
import { GuidepostError, permanent, retryable } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { DirectoryLock } from '../../segment/directory-lock.ts'
import type { OnSegmentEvent, SegmentEvent } from '../../segment/events.ts'
import { type FileSystem, fileErrorCode, nodeFileSystem } from '../../segment/file-system.ts'
import { fullError, type PendingAppend, refusalOf, SegmentWriter } from '../../segment/writer.ts'
import type { AppendOutcome, Bus, BusHealth, BusRecord } from '../bus.ts'
import { listTopics } from './topics.ts'

/** The part of a pino logger that is used. */
export interface LogBusLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface LogBusOptions {
  readonly log: LogBusLogger
  /** Told everything that is also logged, to be counted. */
  readonly onEvent?: OnSegmentEvent
  readonly fs?: FileSystem
  /** The machine's unless given; the lock has that in any case. */
  readonly clock?: Clock
}

const wording: Record<SegmentEvent['kind'], { level: keyof LogBusLogger; message: string }> = {
  torn_tail: {
    level: 'warn',
    message: 'A record that was being written when the program ended was cut off the log',
  },
  bad_record: { level: 'error', message: 'A damaged record in the log is skipped' },
  segment_unreadable: { level: 'error', message: 'A segment of the log cannot be read and is skipped' },
  segment_deleted: { level: 'info', message: 'A segment of the log has reached the end of its retention' },
  disk_full: { level: 'error', message: 'The disk of the log is full; senders are told to wait' },
  disk_failed: { level: 'error', message: 'The disk of the log fails; senders are told to wait' },
  disk_recovered: { level: 'info', message: 'The disk of the log takes data again' },
}

/** The records of one call that go to one topic, with their places in the call. */
interface Share {
  readonly topic: string
  readonly records: BusRecord[]
  readonly indexes: number[]
}

export class LogBus implements Bus {
  readonly url: string
  readonly recordBytesMax = limits.segmentRecordBytesMax
  readonly #config: LogBusConfig
  readonly #options: LogBusOptions
  readonly #fs: FileSystem
  readonly #clock: Clock
  readonly #writers = new Map<string, Promise<SegmentWriter>>()
  /** The writers that are open, for health. */
  readonly #open = new Map<string, SegmentWriter>()
  #lock: DirectoryLock | undefined
  /** Why the directory is not open yet, although the log is: not even the lock fits on its disk. */
  #unopened: GuidepostError | undefined
  #isOpening = false
  /** Why the disk counts as full, found out without a writer. */
  #full: GuidepostError | undefined
  #isProbingSpace = false
  #probeTimer: Timer | undefined
  #state: 'new' | 'open' | 'closed' = 'new'
  /** Topics that could not be opened, with the reason. Each is tried again, by appends and by the probe. */
  readonly #failed = new Map<string, GuidepostError>()

  constructor(config: LogBusConfig, options: LogBusOptions) {
    this.url = config.url
    this.#config = config
    this.#options = options
    this.#fs = options.fs ?? nodeFileSystem
    this.#clock = options.clock ?? systemClock
  }

  async start(): Promise<void> {
    try {
      await this.#openDirectory()
    } catch (error) {
      if (!isFullDisk(error)) {
        await this.close(limits.logPollMs)
        throw this.#startError(error)
      }
      // A full disk passes, unlike what else keeps a directory from being opened.
      this.#setUnopened(error)
    }
    this.#probeTimer = this.#clock.every(limits.logPollMs, () => this.#probe())
    this.#state = 'open'
  }

  async append(records: readonly BusRecord[]): Promise<AppendOutcome[]> {
    const outcomes = new Array<AppendOutcome>(records.length).fill(undefined)
    if (records.length === 0) return outcomes
    if (this.#state !== 'open') return outcomes.fill(notOpenError())
    const notOurs = this.#unopened ?? this.#lock?.problem
    if (notOurs !== undefined) return outcomes.fill(notOurs)
    const deadlineAtMs = this.#clock.steadyMs() + this.#config.appendMs
    const shares = this.#share(records, outcomes)
    await Promise.all(
      shares.map(async ({ topic, records: shared, indexes }) => {
        const outcome = await this.#appendTo(topic, shared, deadlineAtMs)
        for (const index of indexes) outcomes[index] = outcome
      }),
    )
    return outcomes
  }

  health(): BusHealth {
    if (this.#state !== 'open') return { up: false, reason: 'The log is not open' }
    const problem = this.#anyProblem()
    return problem === undefined ? { up: true, reason: '' } : { up: false, reason: problem.message }
  }

  async close(deadlineMs: number): Promise<void> {
    this.#state = 'closed'
    this.#probeTimer?.close()
    const closing = [...this.#writers.values()].map(async (opening) => {
      const writer = await opening.catch(() => undefined)
      return (await writer?.close(deadlineMs)) ?? true
    })
    this.#writers.clear()
    this.#open.clear()
    const deadline = Promise.withResolvers<boolean[]>()
    const timer = this.#clock.after(deadlineMs + limits.logPollMs, () => deadline.resolve([false]))
    const finished = await Promise.race([Promise.all(closing), deadline.promise])
    timer.close()
    // While a write hangs nobody else may write. The lock is taken over once this process has ended.
    if (!finished.includes(false)) {
      await this.#lock?.release()
      this.#lock = undefined
    }
  }

  async #openDirectory(): Promise<void> {
    const { directory } = this.#config
    await this.#inTime(this.#fs.makeDirectory(directory))
    const taking = DirectoryLock.take(directory)
    const lock = await this.#inTime(taking).catch((error: unknown) => {
      // One that comes too late is of no use, and must keep neither others nor the next try from the log.
      taking.then((late) => late.release()).catch(() => undefined)
      throw error
    })
    if (this.#state === 'closed') {
      await lock.release()
      return
    }
    this.#lock = lock
    try {
      await this.#inTime(this.#checkSpace())
      for (const topic of await listTopics(this.#fs, directory)) await this.#openAtStart(topic)
    } catch (error) {
      this.#lock = undefined
      await lock.release()
      throw error
    }
  }

  #startError(error: unknown): GuidepostError {
    if (error instanceof GuidepostError) return error
    const code = fileErrorCode(error)
    const text = `The log directory ${this.#config.directory} cannot be written (${code}): ${adviceFor(code)}`
    return permanent('GP_CONFIG', text, error)
  }

  #setUnopened(error: unknown): void {
    const { message } = this.#startError(error)
    const isNew = this.#unopened === undefined
    const code = isFullDisk(error) ? 'GP_DISK_FULL' : 'GP_DISK_FAILED'
    this.#unopened = retryable(code, message, error)
    const { directory: file } = this.#config
    if (isNew) this.#tell(undefined, { kind: 'disk_full', file, reason: message })
  }

  /** Opens the directory that could not be opened at start, as soon as its disk allows it. */
  async #openLate(): Promise<void> {
    if (this.#isOpening) return
    this.#isOpening = true
    try {
      await this.#openDirectory()
      this.#unopened = undefined
      this.#tell(undefined, { kind: 'disk_recovered', file: this.#config.directory })
    } catch (error) {
      this.#setUnopened(error)
    } finally {
      this.#isOpening = false
    }
  }

  /** Rejects with GP_CONFIG when the file system takes too long. */
  async #inTime<T>(work: Promise<T>): Promise<T> {
    const { directory } = this.#config
    const deadline = Promise.withResolvers<never>()
    const text = `The log directory ${directory} did not answer within ${limits.logStartMsMax} ms: ${adviceFor('')}`
    const timer = this.#clock.after(limits.logStartMsMax, () => deadline.reject(permanent('GP_CONFIG', text)))
    try {
      return await Promise.race([work, deadline.promise])
    } finally {
      timer.close()
    }
  }

  /** Asks for the free space also while nobody writes: what would refuse the first append must be seen before it. */
  async #checkSpace(): Promise<void> {
    const { directory, diskReserveBytes } = this.#config
    // A file system that cannot say is believed to have room, as in the writer.
    const freeBytes = await this.#fs.freeBytes(directory).catch(() => Number.POSITIVE_INFINITY)
    const isFull = freeBytes < diskReserveBytes
    const wasFull = this.#full !== undefined
    this.#full = isFull ? fullError(directory, freeBytes, diskReserveBytes, 0) : undefined
    if (isFull === wasFull) return
    if (this.#full === undefined) this.#tell(undefined, { kind: 'disk_recovered', file: directory })
    else this.#tell(undefined, { kind: 'disk_full', file: directory, reason: this.#full.message })
  }

  /** Damage and a failing disk do not keep the program from starting, missing rights do: only an operator helps. */
  async #openAtStart(topic: string): Promise<void> {
    try {
      await this.#writer(topic)
    } catch (error) {
      if (['EROFS', 'EACCES', 'EPERM'].includes(fileErrorCode(error))) throw error
    }
  }

  /** Sorts the records by topic; one that the format has no room for gets its outcome at once. */
  #share(records: readonly BusRecord[], outcomes: AppendOutcome[]): Share[] {
    const shares: Share[] = []
    for (const [index, record] of records.entries()) {
      const refusal = refusalOf(record)
      if (refusal !== undefined) {
        outcomes[index] = refusal
        continue
      }
      let share = shares.find(({ topic }) => topic === record.topic)
      if (share === undefined) {
        share = { topic: record.topic, records: [], indexes: [] }
        shares.push(share)
      }
      share.records.push(record)
      share.indexes.push(index)
    }
    return shares
  }

  async #appendTo(topic: string, records: BusRecord[], deadlineAtMs: number): Promise<AppendOutcome> {
    const deadline = Promise.withResolvers<AppendOutcome>()
    let pending: PendingAppend | undefined
    let isLate = false
    const timer = this.#clock.after(Math.max(1, deadlineAtMs - this.#clock.steadyMs()), () => {
      const late = this.#lateError(topic)
      isLate = true
      pending?.abandon(late)
      deadline.resolve(late)
    })
    const written = async (): Promise<AppendOutcome> => {
      const writer = this.#open.get(topic) ?? (await this.#writer(topic))
      if (isLate) return this.#lateError(topic)
      // Behind a disk that hangs nothing is queued: memory stays bounded, and senders hear at once.
      if (writer.commitMs > this.#config.appendMs) return this.#stalledError(topic)
      pending = writer.append(records)
      return pending.settled
    }
    try {
      return await Promise.race([written(), deadline.promise])
    } catch (error) {
      return this.#diskError(topic, error)
    } finally {
      timer.close()
    }
  }

  /** The writer of a topic; a failure to open it is forgotten, so that the next call tries again. */
  #writer(topic: string): Promise<SegmentWriter> {
    const known = this.#writers.get(topic)
    if (known !== undefined) return known
    const { directory, segmentBytes, retentionBytes, retentionHours, diskReserveBytes } = this.#config
    const opening = SegmentWriter.open({
      fs: this.#fs,
      directory: join(directory, topic),
      segmentBytes,
      retentionBytes,
      retentionMs: retentionHours * 3_600_000,
      diskReserveBytes,
      onEvent: (event) => this.#tell(topic, event),
      whyNotWrite: () => this.#lock?.problem,
      clock: this.#clock,
    })
    this.#writers.set(topic, opening)
    opening.then(
      (writer) => {
        this.#failed.delete(topic)
        // Calls that wait for this promise come first; a later call must not overtake them by finding it open.
        setImmediate(() => {
          if (this.#writers.get(topic) === opening) this.#open.set(topic, writer)
        })
      },
      (error: unknown) => {
        this.#failed.set(topic, this.#diskError(topic, error))
        this.#writers.delete(topic)
      },
    )
    return opening
  }

  #anyProblem(): GuidepostError | undefined {
    if (this.#unopened !== undefined) return this.#unopened
    if (this.#lock?.problem !== undefined) return this.#lock.problem
    if (this.#full !== undefined) return this.#full
    for (const problem of this.#failed.values()) return problem
    for (const [topic, writer] of this.#open) {
      if (writer.problem !== undefined) return writer.problem
      if (writer.commitMs > this.#config.appendMs) return this.#stalledError(topic)
    }
    return undefined
  }

  /** Finds out that a disk is well again, or full by others, although nobody dares to append. */
  #probe(): void {
    if (this.#unopened !== undefined) {
      void this.#openLate()
      return
    }
    if (!this.#isProbingSpace) {
      this.#isProbingSpace = true
      void this.#checkSpace().finally(() => {
        this.#isProbingSpace = false
      })
    }
    if (this.#lock?.problem !== undefined) return
    for (const topic of this.#failed.keys()) void this.#writer(topic).catch(() => undefined)
    for (const writer of this.#open.values()) {
      if (writer.problem !== undefined && writer.commitMs === 0) void writer.probe()
    }
  }

  #tell(topic: string | undefined, event: SegmentEvent): void {
    this.#options.onEvent?.(event)
    const { log } = this.#options
    const { level, message } = wording[event.kind]
    log[level]({ topic, ...event }, message)
  }

  #lateError(topic: string): GuidepostError {
    const { appendMs } = this.#config
    return retryable('GP_BUS_DEADLINE', `The log did not store ${topic} within ${appendMs} ms`)
  }

  #stalledError(topic: string): GuidepostError {
    const { appendMs, directory } = this.#config
    const text = `The disk of ${join(directory, topic)} has not answered for more than ${appendMs} ms`
    return retryable('GP_DISK_FAILED', text)
  }

  #diskError(topic: string, error: unknown): GuidepostError {
    const code = fileErrorCode(error)
    const text = `The log cannot open ${join(this.#config.directory, topic)} (${code}): ${adviceFor(code)}`
    return retryable(isFullDisk(error) ? 'GP_DISK_FULL' : 'GP_DISK_FAILED', text, error)
  }
}

function isFullDisk(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(fileErrorCode(error))
}

function adviceFor(code: string): string {
  switch (code) {
    case 'EROFS':
      return 'the file system is read-only; mount it writable, or set another directory with --bus log:DIR'
    case 'EACCES':
    case 'EPERM':
      return 'give the user of this process the right to write there, or set another directory with --bus log:DIR'
    case 'ENOSPC':
    case 'EDQUOT':
      return 'the disk is full; make room'
    case 'ENOTDIR':
    case 'EEXIST':
      return 'a part of the path is a file'
    default:
      return 'look after the disk, or set another directory with --bus log:DIR'
  }
}

function notOpenError(): GuidepostError {
  return retryable('GP_DRAINING', 'The log is not open')
}
