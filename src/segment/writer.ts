/**
 * Appends to the log in one directory: group commit, rolling, and what to do when the disk fails. See format.ts.
 *
 * One commit runs at a time. What is appended meanwhile waits and is committed together.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type Clock, systemClock, type Timer } from '../clock.ts'
import { GuidepostError, permanent, retryable } from '../errors.ts'
import { limits } from '../limits.ts'
import { GroupEncoder, recordBytesAtMost, whyNotEncodable } from './encode.ts'
import type { OnSegmentEvent } from './events.ts'
import { type FileSystem, fileErrorCode, type SegmentFile, writeAll } from './file-system.ts'
import { encodeFileHeader, fileHeaderBytes, type SegmentRecord, segmentName } from './format.ts'
import { readableBytes } from './readable-bytes.ts'
import { type ClosedSegment, type Recovered, recoverDirectory } from './recovery.ts'
import { deleteExpired } from './retention.ts'

export interface WriterSettings {
  readonly fs: FileSystem
  /** Made when absent. Nobody else may write to it meanwhile. */
  readonly directory: string
  readonly segmentBytes: number
  readonly retentionBytes: number
  readonly retentionMs: number
  readonly diskReserveBytes: number
  readonly onEvent: OnSegmentEvent
  /** No record gets a smaller offset, whatever is found in the directory. */
  readonly offsetMin?: number
  /** Asked before each change of the directory and before each success. What it returns is the outcome instead. */
  readonly whyNotWrite?: () => GuidepostError | undefined
  /** The machine's unless given. */
  readonly clock?: Clock
}

/** `undefined`: all records of the call are durable. */
export type WriteOutcome = GuidepostError | undefined

/** One call of `append` that is not settled yet. */
export interface PendingAppend {
  /** Never rejects. */
  readonly settled: Promise<WriteOutcome>
  /**
   * Settles it with `outcome` now, because the caller will not wait. What has not been written stays unwritten; what
   * is being written may still become durable, but never with bytes that the caller changed after this call.
   */
  abandon(outcome: GuidepostError): void
  /** As `abandon`, of what is not being written yet; anything else goes on as if this had not been called. */
  withdraw(outcome: GuidepostError): void
}

/** A segment open for appending. */
interface ActiveSegment {
  readonly file: SegmentFile
  readonly path: string
  readonly firstOffset: number
  readonly salt: number
  /** Bytes up to the end of the last durable record. */
  bytes: number
}

class Entry implements PendingAppend {
  records: readonly SegmentRecord[]
  readonly bytes: number
  readonly settled: Promise<WriteOutcome>
  isAbandoned = false
  isTaken = false
  #resolve!: (outcome: WriteOutcome) => void

  constructor(records: readonly SegmentRecord[]) {
    this.records = records
    let bytes = 0
    for (const record of records) bytes += recordBytesAtMost(record)
    this.bytes = bytes
    this.settled = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  settle(outcome: WriteOutcome): void {
    this.#resolve(outcome)
  }

  abandon(outcome: GuidepostError): void {
    this.isAbandoned = true
    // The caller's memory is its own again; a long queue behind a hanging disk must not hold it.
    if (!this.isTaken) this.records = []
    this.#resolve(outcome)
  }

  withdraw(outcome: GuidepostError): void {
    if (!this.isTaken) this.abandon(outcome)
  }
}

export class SegmentWriter {
  readonly #settings: WriterSettings
  readonly #clock: Clock
  readonly #encoder = new GroupEncoder()
  readonly #retentionTimer: Timer
  #closed: ClosedSegment[]
  #active: ActiveSegment | undefined
  #nextOffset: number
  #durableOffset: number
  #queue: Entry[] = []
  /** What the running commit writes. */
  #group: readonly Entry[] = []
  #running: Promise<void> | undefined
  #isClosing = false
  #problem: GuidepostError | undefined
  #spaceCheckedAtMs = Number.NEGATIVE_INFINITY
  #bytesSinceSpaceCheck = 0
  /** Bytes of the group for which there was no room; a probe succeeds only when there is room for as much. */
  #refusedBytes = 0
  #retaining: Promise<void> | undefined
  #commitStartedAtMs: number | undefined

  private constructor(settings: WriterSettings, recovered: Recovered) {
    this.#settings = settings
    this.#clock = settings.clock ?? systemClock
    this.#closed = recovered.closed
    this.#nextOffset = Math.max(recovered.nextOffset, settings.offsetMin ?? 0)
    this.#durableOffset = this.#nextOffset
    this.#retentionTimer = this.#clock.every(limits.logRetentionCheckMs, () => this.#retain())
    this.#retain()
  }

  /** Recovers what is there. Throws file system errors, of a directory that cannot be made or read, as they are. */
  static async open(settings: WriterSettings): Promise<SegmentWriter> {
    await settings.fs.makeDirectory(settings.directory)
    const recovered = await recoverDirectory(settings)
    // A file that is gone now must not come back after a power cut, when its offsets have been used elsewhere.
    await settings.fs.syncDirectory(settings.directory).catch(() => undefined)
    return new SegmentWriter(settings, recovered)
  }

  /** The offset that the next record gets. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  /** Records below this offset are durable; one above may still be cut off. */
  get durableOffset(): number {
    return this.#durableOffset
  }

  /** Bytes of all segments. */
  get bytes(): number {
    let bytes = this.#active?.bytes ?? 0
    for (const segment of this.#closed) bytes += segment.bytes
    return bytes
  }

  /** Why the last commit failed, until one succeeds. */
  get problem(): GuidepostError | undefined {
    return this.#problem
  }

  /** Milliseconds for which the commit that runs now has been running; 0 when none does. */
  get commitMs(): number {
    return this.#commitStartedAtMs === undefined ? 0 : this.#clock.steadyMs() - this.#commitStartedAtMs
  }

  /**
   * Appends records, all of them or none. They must not change until it settles. In the order of the calls.
   * Outcomes: GP_DISK_FULL, GP_DISK_FAILED and GP_DRAINING may be retried; those of `refusalOf` are for good.
   */
  append(records: readonly SegmentRecord[]): PendingAppend {
    const entry = new Entry(records)
    const refusal = this.#isClosing ? closedError() : firstRefusal(records)
    if (refusal === undefined) this.#enqueue(entry)
    else entry.settle(refusal)
    return entry
  }

  /** Tries whether the disk takes data again, by making a segment if need be and syncing it. */
  probe(): Promise<WriteOutcome> {
    return this.append([]).settled
  }

  /**
   * Removes the segments that hold nothing from `offset` on, the one that is written to as well when nothing is being
   * written; what `remove` rejects for stays and is tried by the next call. Not to be called again before it settles.
   */
  async trim(offset: number, remove: (path: string) => Promise<void>): Promise<void> {
    const active = this.#active
    const isIdle = this.#running === undefined && !this.#isClosing
    if (isIdle && active !== undefined && active.bytes > fileHeaderBytes && this.#nextOffset <= offset) {
      this.#active = undefined
      this.#closed.push(this.#toClosed(active))
      await active.file.close().catch(() => undefined)
    }
    const segments = [...this.#closed].sort((a, b) => a.firstOffset - b.firstOffset)
    for (const [index, segment] of segments.entries()) {
      const next = segments[index + 1]?.firstOffset ?? this.#active?.firstOffset ?? this.#nextOffset
      if (next > offset) break
      const path = join(this.#settings.directory, segmentName(segment.firstOffset))
      const isGone = await remove(path).then(
        () => true,
        (error: unknown) => fileErrorCode(error) === 'ENOENT',
      )
      if (isGone) this.#closed = this.#closed.filter((each) => each !== segment)
    }
  }

  /**
   * Waits for what is queued, at most `deadlineMs`; what is not durable then is settled with GP_DRAINING. False when
   * a write still hangs: the directory is then not free for another writer before the process has ended.
   */
  async close(deadlineMs: number): Promise<boolean> {
    this.#isClosing = true
    this.#retentionTimer.close()
    const deadline = Promise.withResolvers<'late'>()
    const timer = this.#clock.after(deadlineMs, () => deadline.resolve('late'))
    const finished = Promise.all([this.#running, this.#retaining]).then(() => 'finished' as const)
    const result = await Promise.race([finished, deadline.promise])
    timer.close()
    for (const entry of [...this.#group, ...this.#queue]) entry.abandon(closedError())
    this.#queue = []
    // A commit that hangs still uses the file; the process is about to end and closes it then.
    if (result === 'finished') await this.#active?.file.close().catch(() => undefined)
    this.#active = undefined
    return result === 'finished'
  }

  #enqueue(entry: Entry): void {
    this.#queue.push(entry)
    // One turn of the event loop lets the appends of all sockets that are readable now share the first commit.
    this.#running ??= new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.#run())
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = this.#takeGroup()
      this.#group = group
      if (group.length === 0) continue
      this.#commitStartedAtMs = this.#clock.steadyMs()
      const outcome = await this.#commit(group)
      this.#commitStartedAtMs = undefined
      for (const entry of group) entry.settle(outcome)
      this.#group = []
    }
    this.#encoder.release()
    this.#running = undefined
  }

  #takeGroup(): Entry[] {
    const group: Entry[] = []
    const bytesMax = Math.min(this.#settings.segmentBytes, limits.segmentGroupBytesMax)
    let bytes = 0
    let taken = 0
    for (const entry of this.#queue) {
      if (!entry.isAbandoned) {
        if (group.length > 0 && bytes + entry.bytes > bytesMax) break
        entry.isTaken = true
        group.push(entry)
        bytes += entry.bytes
      }
      taken += 1
    }
    this.#queue = this.#queue.slice(taken)
    return group
  }

  async #commit(group: readonly Entry[]): Promise<WriteOutcome> {
    let bytesAtMost = 0
    for (const entry of group) bytesAtMost += entry.bytes
    try {
      this.#refuseIfNotOurs()
      await this.#checkSpace(bytesAtMost)
      const segment = await this.#segmentFor(bytesAtMost)
      await this.#write(segment, group)
    } catch (error) {
      const problem = this.#classify(error)
      if (bytesAtMost > 0) this.#refusedBytes = bytesAtMost
      if (this.#problem?.code !== problem.code) {
        const kind = problem.code === 'GP_DISK_FULL' ? 'disk_full' : 'disk_failed'
        this.#settings.onEvent({ kind, file: this.#settings.directory, reason: problem.message })
      }
      this.#problem = problem
      return problem
    }
    if (this.#problem !== undefined) {
      this.#problem = undefined
      this.#settings.onEvent({ kind: 'disk_recovered', file: this.#settings.directory })
    }
    return undefined
  }

  async #write(segment: ActiveSegment, group: readonly Entry[]): Promise<void> {
    // Whoever has given up by now may have changed the bytes already, and a checksum made of them would be right.
    const live = group.filter((entry) => !entry.isAbandoned)
    const records = live.flatMap((entry) => entry.records)
    const { slices, bytes } = this.#encoder.encode(records, this.#nextOffset, segment.salt)
    // Used up whatever happens: a reader may have seen these records under these offsets.
    this.#nextOffset += records.length
    try {
      await writeAll(segment.file, slices, segment.bytes)
      // Whoever gave up meanwhile may have changed the bytes under the write. Nothing of the group may stay.
      if (live.some((entry) => entry.isAbandoned))
        throw new Error('the write took longer than its caller waited')
      await segment.file.datasync()
      this.#refuseIfNotOurs()
      // Only a file that still has a name is found again.
      if (!segment.file.isLinked()) throw goneError(segment.path)
    } catch (error) {
      await this.#abandon(segment)
      throw error
    }
    const isFirst = segment.bytes <= fileHeaderBytes
    segment.bytes += bytes
    this.#durableOffset = this.#nextOffset
    this.#bytesSinceSpaceCheck += bytes
    if (isFirst && bytes > 0) this.#retain()
  }

  #refuseIfNotOurs(): void {
    const refusal = this.#settings.whyNotWrite?.()
    if (refusal !== undefined) throw refusal
  }

  /** Cuts the segment back to what is durable and never writes to it again. */
  async #abandon(segment: ActiveSegment): Promise<void> {
    this.#active = undefined
    const isOurs = this.#settings.whyNotWrite?.() === undefined
    if (!isOurs || !segment.file.isLinked()) {
      // Another may be writing this very file, or have made one of this name: neither cut nor delete it.
      await segment.file.close().catch(() => undefined)
      if (!isOurs) this.#closed.push(this.#toClosed(segment))
      return
    }
    const isEmpty = segment.bytes <= fileHeaderBytes
    // Each step may fail on a failing disk; readers then find torn or unacknowledged records, which they can handle.
    await segment.file.truncate(segment.bytes).catch(() => undefined)
    await segment.file.close().catch(() => undefined)
    if (isEmpty) await this.#settings.fs.unlink(segment.path).catch(() => undefined)
    else this.#closed.push(this.#toClosed(segment))
    // The name of an empty segment that could not be removed must not be used again.
    if (this.#nextOffset === segment.firstOffset) this.#nextOffset += 1
  }

  async #segmentFor(bytes: number): Promise<ActiveSegment> {
    const active = this.#active
    if (active !== undefined) {
      const isFull = active.bytes > fileHeaderBytes && active.bytes + bytes > this.#settings.segmentBytes
      if (!isFull) return active
      this.#active = undefined
      this.#closed.push(this.#toClosed(active))
      await active.file.close().catch(() => undefined)
    }
    this.#active = await this.#create()
    return this.#active
  }

  async #create(): Promise<ActiveSegment> {
    const { fs, directory } = this.#settings
    const firstOffset = this.#nextOffset
    const path = join(directory, segmentName(firstOffset))
    const salt = randomBytes(4).readUInt32LE()
    // A directory that was removed under a running program is made again.
    await fs.makeDirectory(directory)
    const file = await fs.open(path, 'create').catch((error: unknown) => {
      if (fileErrorCode(error) === 'EEXIST') this.#nextOffset += 1
      throw error
    })
    try {
      await writeAll(file, [encodeFileHeader({ salt, firstOffset })], 0)
      await file.sync()
      await fs.syncDirectory(directory)
    } catch (error) {
      // Cut to nothing: where it cannot be removed either, an empty file is no damage.
      await this.#abandon({ file, path, firstOffset, salt, bytes: 0 })
      throw error
    }
    return { file, path, firstOffset, salt, bytes: fileHeaderBytes }
  }

  async #checkSpace(bytes: number): Promise<void> {
    const { fs, directory, diskReserveBytes } = this.#settings
    const nowMs = this.#clock.steadyMs()
    const isFresh =
      nowMs - this.#spaceCheckedAtMs < limits.diskCheckMs &&
      this.#bytesSinceSpaceCheck + bytes < limits.diskCheckBytes
    if (isFresh) return
    // A file system that cannot say is believed to have room: it will refuse the write otherwise.
    const freeBytes = await fs.freeBytes(directory).catch(() => Number.POSITIVE_INFINITY)
    const neededBytes = bytes === 0 ? this.#refusedBytes : bytes
    if (freeBytes < diskReserveBytes + neededBytes) {
      this.#spaceCheckedAtMs = Number.NEGATIVE_INFINITY
      throw fullError(directory, freeBytes, diskReserveBytes, neededBytes)
    }
    this.#spaceCheckedAtMs = nowMs
    this.#bytesSinceSpaceCheck = 0
  }

  #classify(error: unknown): GuidepostError {
    if (error instanceof GuidepostError) return error
    const { directory } = this.#settings
    const code = fileErrorCode(error)
    this.#spaceCheckedAtMs = Number.NEGATIVE_INFINITY
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      return retryable('GP_DISK_FULL', `The disk of ${directory} is full (${code}): make room`, error)
    }
    return retryable('GP_DISK_FAILED', `Writing to ${directory} failed (${code}): look after its disk`, error)
  }

  #retain(): void {
    if (this.#settings.whyNotWrite?.() !== undefined) return
    // The last segment with records says where the offsets go on, and stays.
    const activeBytes = this.#active?.bytes ?? 0
    const isFollowed = activeBytes > fileHeaderBytes
    this.#retaining ??= deleteExpired(
      { ...this.#settings, clock: this.#clock },
      this.#closed,
      activeBytes,
      isFollowed,
    )
      .then((deleted) => {
        this.#closed = this.#closed.filter((segment) => !deleted.has(segment.firstOffset))
      })
      .finally(() => {
        this.#retaining = undefined
      })
  }

  #toClosed({ firstOffset, bytes }: ActiveSegment): ClosedSegment {
    return { firstOffset, bytes, modifiedMs: this.#clock.wallMs() }
  }
}

/** The permanent error with which `append` refuses a record, or undefined when it takes it. */
export function refusalOf(record: SegmentRecord): GuidepostError | undefined {
  const bytes = record.value.length
  if (bytes > limits.segmentRecordBytesMax) {
    const bytesMax = limits.segmentRecordBytesMax
    return permanent(
      'GP_RECORD_TOO_LARGE',
      `A record of ${bytes} bytes is larger than the ${bytesMax} that a log takes`,
    )
  }
  const reason = whyNotEncodable(record)
  return reason === undefined
    ? undefined
    : permanent('GP_BUS_REFUSED', `A record cannot be stored: ${reason}`)
}

function firstRefusal(records: readonly SegmentRecord[]): GuidepostError | undefined {
  for (const record of records) {
    const refusal = refusalOf(record)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

/** `neededBytes` is what the next write takes at most, besides the reserve. */
export function fullError(
  directory: string,
  freeBytes: number,
  reserveBytes: number,
  neededBytes: number,
): GuidepostError {
  const next = neededBytes > 0 ? ` and the next write takes up to ${readableBytes(neededBytes)}` : ''
  return retryable(
    'GP_DISK_FULL',
    `The disk of ${directory} has ${readableBytes(freeBytes)} free; log.diskReserveBytes keeps ` +
      `${readableBytes(reserveBytes)} of it${next}: make room, or lower log.retentionBytes or log.diskReserveBytes`,
  )
}

function goneError(path: string): GuidepostError {
  return retryable(
    'GP_DISK_FAILED',
    `${path} was deleted while it was written; the log goes on in a new file`,
  )
}

function closedError(): GuidepostError {
  return retryable('GP_DRAINING', 'The log is closed, because the program is ending')
}
