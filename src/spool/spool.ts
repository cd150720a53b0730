/**
 * The spool: one segment log (segment/format.ts) that is read from its front while it is written at its end, and whose
 * delivered part is removed.
 *
 *   directory   <first offset>.seg …, `cursor` (cursor.ts), `lock` (segment/directory-lock.ts), `quarantine`
 *
 * A record is in the spool once its append has settled: it was synced then. It leaves by `advance`, which the cursor
 * makes durable, and by `trim`, which removes the segments that lie wholly behind the cursor; one with damage in it is
 * moved to the quarantine instead. Nothing is ever removed to make room: over its bytes the spool refuses.
 */
import { join } from 'node:path'
import { type Clock, systemClock } from '../clock.ts'
import { type GuidepostError, retryable } from '../errors.ts'
import { limits } from '../limits.ts'
import { DirectoryLock } from '../segment/directory-lock.ts'
import { recordBytesAtMost } from '../segment/encode.ts'
import type { OnSegmentEvent, SegmentEvent } from '../segment/events.ts'
import { type FileSystem, fileErrorCode, nodeFileSystem } from '../segment/file-system.ts'
import { fileHeaderBytes, quarantineFolder, type SegmentRecord, segmentName } from '../segment/format.ts'
import { readableBytes } from '../segment/readable-bytes.ts'
import { SegmentReader } from '../segment/reader.ts'
import { listSegments } from '../segment/recovery.ts'
import { type PendingAppend, SegmentWriter, type WriteOutcome } from '../segment/writer.ts'
import { readCursor, removeCursor, writeCursor } from './cursor.ts'

export interface SpoolSettings {
  readonly directory: string
  /** Bytes of all segments. Over it `append` refuses. */
  readonly bytesMax: number
  readonly diskReserveBytes: number
  readonly segmentBytes: number
  /** Milliseconds after which a write that has not ended counts as hanging. */
  readonly stallMs: number
  readonly onEvent: OnSegmentEvent
  /** The cursor could not be read, or not be written. */
  readonly onCursorProblem: (text: string) => void
  /** Bytes of `bytesMax` that are not for this spool; none unless given. */
  readonly bytesKept?: number
  /** Bytes elsewhere that count against `bytesMax` as well. */
  readonly otherBytes?: () => number
  /** The spool whose lock covers this one: it lies in a folder of that one's. Otherwise it takes a lock of its own. */
  readonly within?: Spool
  /** Where what is damaged goes, and the name of this spool there; a folder in its own unless given. */
  readonly quarantine?: { readonly directory: string; readonly prefix: string }
  /** The machine's unless given. The lock is taken only there: what a test makes has no second process. */
  readonly fs?: FileSystem
  /** The machine's unless given. */
  readonly clock?: Clock
}

interface Opened {
  readonly lock: DirectoryLock | undefined
  readonly writer: SegmentWriter
  readonly cursor: number
  readonly damaged: Set<string>
}

export class Spool {
  readonly #settings: SpoolSettings
  readonly #fs: FileSystem
  readonly #clock: Clock
  readonly #lock: DirectoryLock | undefined
  readonly #writer: SegmentWriter
  /** Segments in which something cannot be read. */
  readonly #damaged: Set<string>
  /** Below it everything is delivered; what the file says may be less. */
  #cursor: number
  #savedCursor: number
  #savedAtMs = Number.NEGATIVE_INFINITY
  #queuedBytes = 0

  private constructor(settings: SpoolSettings, fs: FileSystem, opened: Opened) {
    this.#settings = settings
    this.#fs = fs
    this.#clock = settings.clock ?? systemClock
    this.#lock = opened.lock
    this.#writer = opened.writer
    this.#damaged = opened.damaged
    this.#cursor = opened.cursor
    this.#savedCursor = opened.cursor
  }

  /**
   * Recovers what is there; reads no more than its last segment. Throws file system errors of a directory that cannot be
   * made or read, and GP_CONFIG when another process has it.
   */
  static async open(settings: SpoolSettings): Promise<Spool> {
    const { directory, fs = nodeFileSystem, within } = settings
    await fs.makeDirectory(directory)
    const isLocked = within === undefined && fs === nodeFileSystem
    const lock = isLocked ? await DirectoryLock.take(directory, limits.logLockWaitMs) : undefined
    try {
      const found = await readCursor(fs, directory)
      if (typeof found === 'string') settings.onCursorProblem(found)
      const cursor = typeof found === 'string' ? 0 : found
      const damaged = new Set<string>()
      const writer = await SegmentWriter.open({
        fs,
        directory,
        segmentBytes: settings.segmentBytes,
        retentionBytes: Number.POSITIVE_INFINITY,
        retentionMs: Number.POSITIVE_INFINITY,
        diskReserveBytes: settings.diskReserveBytes,
        onEvent: (event) => tell(explained(event, settings), damaged, settings.onEvent),
        whyNotWrite: () => (within === undefined ? lock?.problem : within.notOurs),
        // Where every segment is gone, or the last one lost its end, a new record must not seem to be delivered.
        offsetMin: cursor,
        clock: settings.clock ?? systemClock,
      })
      return new Spool(settings, fs, { lock, writer, cursor, damaged })
    } catch (error) {
      await lock?.release()
      throw error
    }
  }

  /** Bytes of the segments, the delivered part of the oldest one included, and of what is being written. */
  get bytes(): number {
    return this.#writer.bytes + this.#queuedBytes
  }

  /** The offset below which everything is delivered. */
  get cursor(): number {
    return this.#cursor
  }

  /** The offset below which everything is durable, or never will be. */
  get end(): number {
    return this.#writer.durableOffset
  }

  /** Where it lies. */
  get directory(): string {
    return this.#settings.directory
  }

  /** Why nothing may be written, if so: the folder is another process's by now, or it is not known whether it is. */
  get notOurs(): GuidepostError | undefined {
    const { within } = this.#settings
    return within === undefined ? this.#lock?.problem : within.notOurs
  }

  /** Why it would not take so many bytes of a record now, if so. */
  problem(bytes: number): GuidepostError | undefined {
    const { stallMs, directory } = this.#settings
    if (this.notOurs !== undefined) return this.notOurs
    if (this.#writer.commitMs > stallMs) {
      return retryable('GP_DISK_FAILED', `the disk of ${directory} has not answered for ${stallMs} ms`)
    }
    if (!this.#fits(bytes)) return this.#quotaError(bytes)
    return this.#writer.problem === undefined ? undefined : this.#explain(this.#writer.problem)
  }

  /**
   * Appends all of these records or none; settles when they are durable. They must not change until then. In the order
   * of the calls. Over the quota it is refused at once. `queued` is called before this returns, when they wait for the
   * disk. Never rejects.
   */
  async append(
    records: readonly SegmentRecord[],
    queued?: (pending: Pick<PendingAppend, 'withdraw'>) => void,
  ): Promise<WriteOutcome> {
    let bytes = 0
    for (const record of records) bytes += recordBytesAtMost(record)
    if (!this.#fits(bytes)) return this.#quotaError(bytes)
    // Behind a disk that hangs nothing is queued: memory stays bounded.
    if (this.#writer.commitMs > this.#settings.stallMs) return this.problem(bytes)
    this.#queuedBytes += bytes
    const pending = this.#writer.append(records)
    queued?.(pending)
    const outcome = await pending.settled
    this.#queuedBytes -= bytes
    return outcome === undefined ? undefined : this.#explain(outcome)
  }

  /** Tries whether a disk that failed takes data again. */
  async probe(): Promise<void> {
    if (this.#writer.problem !== undefined && this.#writer.commitMs === 0) await this.#writer.probe()
  }

  /** Reads durable records from `offset` on; what is damaged is reported and passed over. */
  async reader(offset: number): Promise<SegmentReader> {
    const reader = new SegmentReader({
      fs: this.#fs,
      directory: this.#settings.directory,
      onEvent: (event) => tell(event, this.#damaged, this.#settings.onEvent),
      offsetEnd: () => this.#writer.durableOffset,
      mustOpen: true,
    })
    await reader.seek(offset)
    return reader
  }

  /** A record of this segment could be read and not be understood: its bytes go to the quarantine in the end. */
  setAside(path: string | undefined): void {
    if (path !== undefined) this.#damaged.add(path)
  }

  /** Everything below `offset` is delivered. */
  advance(offset: number): void {
    this.#cursor = Math.max(this.#cursor, offset)
  }

  /**
   * Writes the cursor when it is due, or when `now` is set, and removes what lies behind it. A failure is told and costs
   * nothing but a repeat after a crash. One call at a time.
   */
  async settle(now: boolean): Promise<void> {
    const isDue = now || this.#clock.steadyMs() - this.#savedAtMs >= limits.spoolCursorMs
    if (!isDue || this.notOurs !== undefined) return
    const cursor = this.#cursor
    if (cursor !== this.#savedCursor) {
      try {
        await writeCursor(this.#fs, this.#settings.directory, cursor)
      } catch (error) {
        this.#settings.onCursorProblem(`the cursor cannot be written (${fileErrorCode(error)})`)
        return
      }
      this.#savedAtMs = this.#clock.steadyMs()
      this.#savedCursor = cursor
    }
    // Only behind a cursor that is durable: without the records it would be believed.
    await this.#writer.trim(cursor, (path) => this.#remove(path))
  }

  /** False when a write still hangs. What is in the spool stays there. */
  async close(deadlineMs: number): Promise<boolean> {
    const isFinished = await this.#writer.close(deadlineMs)
    // While a write hangs nobody else may write: the lock is taken over once this process has ended.
    if (isFinished) await this.#lock?.release()
    return isFinished
  }

  /** Whether nothing is in it; a file without records may be, which a probe of the disk has made. */
  get isEmpty(): boolean {
    return this.bytes <= fileHeaderBytes
  }

  /** Removes the folder of a spool that was empty and is closed; one with anything else in it stays. */
  async removeFolder(): Promise<void> {
    const { directory } = this.#settings
    for (const offset of await listSegments(this.#fs, directory)) {
      await this.#fs.unlink(join(directory, segmentName(offset)))
    }
    await removeCursor(this.#fs, directory)
    await this.#fs.removeDirectory(directory)
  }

  #fits(bytes: number): boolean {
    const { bytesMax, bytesKept = 0, otherBytes } = this.#settings
    return this.bytes + bytes + (otherBytes?.() ?? 0) <= bytesMax - bytesKept
  }

  async #remove(path: string): Promise<void> {
    if (!this.#damaged.has(path)) return this.#fs.unlink(path)
    const { directory, quarantine } = this.#settings
    const folder = join(quarantine?.directory ?? directory, quarantineFolder)
    await this.#fs.makeDirectory(folder)
    const name = `${quarantine?.prefix ?? ''}${path.slice(path.lastIndexOf('/') + 1)}`
    await this.#fs.rename(path, join(folder, name))
    await this.#fs.syncDirectory(folder)
    this.#damaged.delete(path)
  }

  #quotaError(bytes: number): GuidepostError {
    const { directory, bytesMax } = this.#settings
    const [more, most] = [readableBytes(bytes), readableBytes(bytesMax)]
    const text = `the spool ${directory} is full: it has no room for ${more} more; spool.bytesMax allows ${most}`
    return retryable('GP_DISK_FULL', text)
  }

  #explain(outcome: GuidepostError): GuidepostError {
    if (outcome.code !== 'GP_DISK_FULL') return outcome
    return retryable('GP_DISK_FULL', fullText(this.#settings), outcome)
  }
}

function fullText({ directory, diskReserveBytes }: SpoolSettings): string {
  const kept = readableBytes(diskReserveBytes)
  return `the disk of the spool ${directory} is full, of which ${kept} are kept free: make room, or lower spool.bytesMax`
}

/** What the writer advises names options of the log, which a gateway with a spool does not have. */
function explained(event: SegmentEvent, settings: SpoolSettings): SegmentEvent {
  return event.kind === 'disk_full' ? { ...event, reason: fullText(settings) } : event
}

function tell(event: SegmentEvent, damaged: Set<string>, onEvent: OnSegmentEvent): void {
  if (event.kind === 'bad_record' || event.kind === 'segment_unreadable') damaged.add(event.file)
  onEvent(event)
}
