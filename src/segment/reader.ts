/**
 * Reads the log of one directory in order of offsets, while it is written, by this process or another. Takes no lock,
 * changes nothing, and holds one record at a time.
 */
import { join } from 'node:path'
import type { OnSegmentEvent } from './events.ts'
import { type FileSystem, fileErrorCode, type SegmentFile } from './file-system.ts'
import { fileHeaderBytes, type ParsedRecord, parseFileHeader, segmentName, whyForeign } from './format.ts'
import { listSegments } from './recovery.ts'
import { SegmentScanner } from './scanner.ts'

export interface ReaderSettings {
  readonly fs: FileSystem
  readonly directory: string
  /** What is damaged or missing is reported here, and reading goes on behind it. */
  readonly onEvent: OnSegmentEvent
  /** Records from this offset on are left for a later call: for a reader that must not see what is not durable yet. */
  readonly offsetEnd?: () => number
  /**
   * A segment that the file system does not let be opened makes `next` throw, and a later call tries it again: for a
   * reader whose reading decides what is deleted. Otherwise it is reported and passed over.
   */
  readonly mustOpen?: boolean
}

interface OpenSegment {
  readonly firstOffset: number
  readonly path: string
  readonly file: SegmentFile
  readonly scanner: SegmentScanner
}

export class SegmentReader {
  readonly #settings: ReaderSettings
  /** Records below this offset are passed over. */
  #fromOffset = 0
  /** Segments up to and with this one are done with. */
  #doneOffset = -1
  #segment: OpenSegment | undefined
  /** Reading ends here when set: a byte position in the segment of that first offset. */
  #end: { firstOffset: number; position: number } | undefined

  constructor(settings: ReaderSettings) {
    this.#settings = settings
  }

  /** The segment that the last record came from, while it is open. */
  get path(): string | undefined {
    return this.#segment?.path
  }

  /** The next record read will be the first one of at least this offset that is still stored. */
  async seek(offset: number): Promise<void> {
    await this.close()
    const offsets = await listSegments(this.#settings.fs, this.#settings.directory)
    const start = offsets.filter((first) => first <= offset).pop()
    this.#fromOffset = offset
    this.#doneOffset = start === undefined ? -1 : start - 1
  }

  /** Only what is appended from now on will be read. */
  async seekToEnd(): Promise<void> {
    const offsets = await listSegments(this.#settings.fs, this.#settings.directory)
    await this.seek(offsets.pop() ?? 0)
    await this.stopAtPresentEnd()
    // What is damaged before the end concerns nobody who starts behind it.
    const isQuiet = true
    while ((await this.#next(isQuiet)) !== undefined) {
      // Passed over.
    }
    this.#end = undefined
  }

  /** Makes `next` end at what is stored at this moment, however fast it grows. */
  async stopAtPresentEnd(): Promise<void> {
    const { fs, directory } = this.#settings
    const firstOffset = (await listSegments(fs, directory)).pop()
    this.#end = { firstOffset: -1, position: 0 }
    if (firstOffset === undefined) return
    const bytes = await fs.stat(join(directory, segmentName(firstOffset))).then(
      (stats) => stats.bytes,
      () => 0,
    )
    this.#end = { firstOffset, position: bytes }
  }

  /**
   * The next record, or undefined when there is none now; a later call looks again. Its value borrows the reader's
   * buffer until the next call.
   */
  next(): Promise<ParsedRecord | undefined> {
    return this.#next(false)
  }

  async close(): Promise<void> {
    const file = this.#segment?.file
    this.#segment = undefined
    await file?.close().catch(() => undefined)
  }

  async #next(isQuiet: boolean): Promise<ParsedRecord | undefined> {
    for (;;) {
      const segment = this.#segment ?? (await this.#openNext(isQuiet))
      if (segment === undefined) return undefined
      const record = await this.#nextInSegment(segment, isQuiet)
      if (record !== undefined) return record
      // Only a successor says that a segment is complete, and a record may have come before the successor did.
      const isComplete = await this.#hasSuccessor(segment)
      const isThere = segment.file.isLinked()
      if (!isComplete && isThere) return undefined
      const last = await this.#nextInSegment(segment, isQuiet)
      if (last !== undefined) return last
      if (!isThere) {
        // Removed by retention, or by a writer who had failed to write to it: then another may have its name by now.
        await this.close()
        continue
      }
      if (!isQuiet) await this.#reportRest(segment)
      await this.#leave(segment)
    }
  }

  async #nextInSegment(segment: OpenSegment, isQuiet: boolean): Promise<ParsedRecord | undefined> {
    for (;;) {
      if (this.#isPastEnd(segment)) return undefined
      const scanned = await segment.scanner.next()
      if (scanned.kind === 'end') return undefined
      if (scanned.kind === 'bad') {
        const { position, bytes, offset, reason } = scanned
        const event = { kind: 'bad_record', file: segment.path, position, bytes, offset, reason } as const
        if (!isQuiet) this.#settings.onEvent({ ...event, quarantine: undefined })
        continue
      }
      const offsetEnd = this.#settings.offsetEnd?.()
      if (offsetEnd !== undefined && scanned.record.offset >= offsetEnd) {
        segment.scanner.rewind(scanned.position)
        return undefined
      }
      if (this.#end?.firstOffset === segment.firstOffset && segment.scanner.position > this.#end.position) {
        // It was being written when the end was taken: left for a reader that goes on.
        segment.scanner.rewind(scanned.position)
        return undefined
      }
      if (scanned.record.offset >= this.#fromOffset) return scanned.record
    }
  }

  #isPastEnd(segment: OpenSegment): boolean {
    if (this.#end === undefined || segment.firstOffset < this.#end.firstOffset) return false
    return segment.firstOffset > this.#end.firstOffset || segment.scanner.position >= this.#end.position
  }

  async #hasSuccessor(segment: OpenSegment): Promise<boolean> {
    if (this.#end !== undefined && segment.firstOffset >= this.#end.firstOffset) return false
    const offsets = await listSegments(this.#settings.fs, this.#settings.directory)
    return (offsets.pop() ?? -1) > segment.firstOffset
  }

  /** Opens the first readable segment that is not done with. */
  async #openNext(isQuiet: boolean): Promise<OpenSegment | undefined> {
    const { fs, directory } = this.#settings
    const offsets = await listSegments(fs, directory)
    const last = offsets.at(-1)
    for (const firstOffset of offsets) {
      if (firstOffset <= this.#doneOffset) continue
      if (this.#end !== undefined && firstOffset > this.#end.firstOffset) return undefined
      const path = join(directory, segmentName(firstOffset))
      const opened = await this.#open(path, firstOffset)
      if (typeof opened !== 'string') {
        this.#segment = opened
        return opened
      }
      // The last file may be in the making; it is judged once it has a successor.
      if (firstOffset === last) return undefined
      this.#doneOffset = firstOffset
      if (!isQuiet && opened !== 'ENOENT') await this.#reportUnreadable(path, opened)
    }
    return undefined
  }

  async #reportUnreadable(file: string, reason: string): Promise<void> {
    const { fs, onEvent } = this.#settings
    const bytes = await fs.stat(file).then(
      (stats) => stats.bytes,
      () => undefined,
    )
    // Whoever made it failed before its first record, and could not remove it.
    if (bytes !== undefined && bytes <= fileHeaderBytes)
      onEvent({ kind: 'torn_tail', file, position: 0, bytes })
    else onEvent({ kind: 'segment_unreadable', file, bytes: bytes ?? 0, reason, quarantine: undefined })
  }

  async #open(path: string, firstOffset: number): Promise<OpenSegment | string> {
    let file: SegmentFile
    try {
      file = await this.#settings.fs.open(path, 'read')
    } catch (error) {
      if (this.#settings.mustOpen === true && fileErrorCode(error) !== 'ENOENT') throw error
      return fileErrorCode(error)
    }
    const bytes = Buffer.alloc(fileHeaderBytes)
    const header = await file.read(bytes, 0).then(
      (count) => parseFileHeader(bytes.subarray(0, count)),
      async (error: unknown) => {
        if (this.#settings.mustOpen !== true) return fileErrorCode(error)
        await file.close().catch(() => undefined)
        throw error
      },
    )
    const reason = typeof header === 'string' ? header : whyForeign(header, firstOffset)
    if (typeof header !== 'string' && reason === undefined) {
      const scanner = new SegmentScanner(file, header)
      return { firstOffset, path, file, scanner }
    }
    await file.close().catch(() => undefined)
    return reason ?? ''
  }

  /** Says what lies behind the last valid record of a complete segment. */
  async #reportRest(segment: OpenSegment): Promise<void> {
    const rest = await segment.scanner.next()
    if (rest.kind !== 'end' || rest.bytes === 0) return
    const { position, bytes } = rest
    if (rest.isDamaged) {
      const reason = 'the head of a record is damaged and none follows it'
      const event = {
        kind: 'bad_record',
        file: segment.path,
        position,
        bytes,
        offset: undefined,
        reason,
      } as const
      this.#settings.onEvent({ ...event, quarantine: undefined })
    } else {
      this.#settings.onEvent({ kind: 'torn_tail', file: segment.path, position, bytes })
    }
  }

  async #leave(segment: OpenSegment): Promise<void> {
    this.#doneOffset = segment.firstOffset
    await this.close()
  }
}
