/** Opens what an earlier writer left: finds the end, cuts a torn tail, sets damage aside. See format.ts, RECOVERY. */
import { join } from 'node:path'
import { type Clock, systemClock } from '../clock.ts'
import { limits } from '../limits.ts'
import type { OnSegmentEvent } from './events.ts'
import { type FileSystem, fileErrorCode, type SegmentFile } from './file-system.ts'
import {
  fileHeaderBytes,
  isOtherVersion,
  parseFileHeader,
  parseSegmentName,
  quarantineFolder,
  recordHeadBytes,
  segmentName,
  whyForeign,
} from './format.ts'
import { moveAside, setAside } from './quarantine.ts'
import { SegmentScanner } from './scanner.ts'

/** A segment that is complete and never written again. */
export interface ClosedSegment {
  readonly firstOffset: number
  readonly bytes: number
  /** When its last record was written. */
  readonly modifiedMs: number
}

export interface Recovered {
  /** All of them: a segment that was written before is not written again. */
  readonly closed: ClosedSegment[]
  readonly nextOffset: number
}

interface Place {
  readonly fs: FileSystem
  readonly directory: string
  readonly onEvent: OnSegmentEvent
  /** The machine's unless given. */
  readonly clock?: Clock
}

/** The first offsets of the segments in a directory, rising. An absent directory has none. */
export async function listSegments(fs: FileSystem, directory: string): Promise<number[]> {
  try {
    const entries = await fs.list(directory)
    const offsets = entries.flatMap((entry) => {
      const offset = entry.kind === 'file' ? parseSegmentName(entry.name) : undefined
      return offset === undefined ? [] : [offset]
    })
    return offsets.sort((a, b) => a - b)
  } catch (error) {
    if (fileErrorCode(error) === 'ENOENT') return []
    throw error
  }
}

/** Throws only when the directory itself cannot be listed. */
export async function recoverDirectory(place: Place): Promise<Recovered> {
  const { fs, directory } = place
  const closed: ClosedSegment[] = []
  const offsets = await listSegments(fs, directory)
  const last = offsets.pop()
  for (const firstOffset of offsets) {
    try {
      const { bytes, modifiedMs } = await fs.stat(join(directory, segmentName(firstOffset)))
      closed.push({ firstOffset, bytes, modifiedMs })
    } catch {
      // Gone or not to be read: a matter for readers, who report it. It must not keep the log from opening.
    }
  }
  let nextOffset = 0
  if (last !== undefined) nextOffset = await recoverFile(place, last, closed)
  return { closed, nextOffset: Math.max(nextOffset, await offsetSetAside(place, closed.at(-1), nextOffset)) }
}

/** Returns the least offset that may follow. */
async function recoverFile(place: Place, firstOffset: number, closed: ClosedSegment[]): Promise<number> {
  const path = join(place.directory, segmentName(firstOffset))
  const nowMs = (place.clock ?? systemClock).wallMs()
  let bytes = Number.MAX_SAFE_INTEGER
  let file: SegmentFile | undefined
  try {
    file = await place.fs.open(path, 'write')
    bytes = await file.bytes()
    const last = { file, path, firstOffset, bytes }
    const recovered = await recoverLast(place, last)
    if (recovered.isThere) closed.push({ firstOffset, bytes: recovered.bytes, modifiedMs: nowMs })
    return recovered.nextOffset
  } catch (error) {
    if (fileErrorCode(error) === 'EROFS' || fileErrorCode(error) === 'EACCES') throw error
    const reason = `it could not be read to its end: ${fileErrorCode(error)}`
    place.onEvent({ kind: 'segment_unreadable', file: path, bytes, reason, quarantine: undefined })
    if (bytes === Number.MAX_SAFE_INTEGER) bytes = limits.segmentBytesMax + limits.segmentRecordBytesMax
    closed.push({ firstOffset, bytes, modifiedMs: nowMs })
    return offsetAbove(firstOffset, bytes)
  } finally {
    await file?.close().catch(() => undefined)
  }
}

/** An offset above each that a file of this length can hold. */
function offsetAbove(firstOffset: number, bytes: number): number {
  return firstOffset + Math.ceil(bytes / recordHeadBytes) + 1
}

/**
 * An offset above those of what was taken from the end of the log into the quarantine and has no successor yet: without
 * it, they would be given out again. `endOffset` is where `last`, the last segment, ends.
 */
async function offsetSetAside(
  place: Place,
  last: ClosedSegment | undefined,
  endOffset: number,
): Promise<number> {
  const folder = join(place.directory, quarantineFolder)
  let above = 0
  try {
    for (const { name } of await place.fs.list(folder)) {
      const match = /^(\d{20})(?:(?:\.\d+)?\.seg|-(\d+)(?:-\d+)?\.bad)$/.exec(name)
      if (match === null) continue
      const firstOffset = Number(match[1])
      const isCut = firstOffset === last?.firstOffset && Number(match[2]) >= last.bytes
      if (last !== undefined && firstOffset <= last.firstOffset && !isCut) continue
      const { bytes } = await place.fs.stat(join(folder, name))
      above = Math.max(above, offsetAbove(Math.max(firstOffset, endOffset), bytes))
    }
  } catch (error) {
    if (fileErrorCode(error) !== 'ENOENT') return offsetAbove(endOffset, limits.segmentBytesMax)
  }
  return above
}

interface LastSegment {
  readonly file: SegmentFile
  readonly path: string
  readonly firstOffset: number
  readonly bytes: number
}

async function recoverLast(
  place: Place,
  last: LastSegment,
): Promise<{ isThere: boolean; bytes: number; nextOffset: number }> {
  const { file, path, firstOffset, bytes } = last
  const bytesOfHeader = Buffer.alloc(fileHeaderBytes)
  const header = parseFileHeader(bytesOfHeader.subarray(0, await file.read(bytesOfHeader, 0)))
  if (typeof header === 'string' && !isOtherVersion(header))
    return { isThere: false, bytes: 0, nextOffset: await removeLast(place, last, header) }
  const reason = typeof header === 'string' ? header : whyForeign(header, firstOffset)
  if (typeof header === 'string' || reason !== undefined) {
    place.onEvent({
      kind: 'segment_unreadable',
      file: path,
      bytes,
      reason: reason ?? '',
      quarantine: undefined,
    })
    return { isThere: true, bytes, nextOffset: offsetAbove(firstOffset, bytes) }
  }
  const scanner = new SegmentScanner(file, header)
  // Its own name is not used again either.
  let nextOffset = firstOffset + 1
  for (;;) {
    const scanned = await scanner.next()
    const { position } = scanned
    if (scanned.kind === 'record') {
      nextOffset = Math.max(nextOffset, scanned.record.offset + 1)
    } else if (scanned.kind === 'bad') {
      const { offset, reason } = scanned
      // A damaged head hides its offset, which must not be used again; without its neighbours it is bounded by size.
      nextOffset =
        offset === undefined ? offsetAbove(nextOffset, scanned.bytes) : Math.max(nextOffset, offset + 1)
      const range = { file, firstOffset, position, bytes: scanned.bytes }
      const quarantine = await setAside(place.fs, place.directory, range)
      place.onEvent({
        kind: 'bad_record',
        file: path,
        position,
        bytes: scanned.bytes,
        offset,
        reason,
        quarantine,
      })
    } else {
      const isCut = await recoverTail(place, last, scanned)
      // The offsets of a tail that was cut off are known from its copy, also the next time.
      if (!isCut) nextOffset = offsetAbove(nextOffset, scanned.bytes)
      // What was found may never have been synced; from here on it counts as durable.
      await file.datasync()
      return { isThere: true, bytes: isCut ? position : bytes, nextOffset }
    }
  }
}

/** Takes a last segment without a header out of the way. Returns the least offset that may follow. */
async function removeLast(
  place: Place,
  { path, firstOffset, bytes }: LastSegment,
  reason: string,
): Promise<number> {
  const { fs, directory, onEvent } = place
  if (bytes <= fileHeaderBytes) {
    // Its writer died while making it: a record never follows before the header is durable.
    await fs.unlink(path)
    onEvent({ kind: 'torn_tail', file: path, position: 0, bytes })
    return firstOffset
  }
  const target = await moveAside(fs, directory, path)
  onEvent({ kind: 'segment_unreadable', file: path, bytes, reason, quarantine: target })
  return offsetAbove(firstOffset, bytes)
}

/**
 * Cuts off what lies behind the last record, unless it may hold records and no copy of it could be made: then it stays,
 * and false is returned.
 */
async function recoverTail(
  place: Place,
  { file, path, firstOffset }: LastSegment,
  tail: { position: number; bytes: number; isDamaged: boolean },
): Promise<boolean> {
  const { position, bytes } = tail
  if (bytes === 0) return true
  if (!tail.isDamaged || bytes < recordHeadBytes) {
    place.onEvent({ kind: 'torn_tail', file: path, position, bytes })
    await file.truncate(position)
    return true
  }
  const quarantine = await setAside(place.fs, place.directory, { file, firstOffset, position, bytes })
  const reason = 'the head of a record is damaged and none follows it'
  place.onEvent({ kind: 'bad_record', file: path, position, bytes, offset: undefined, reason, quarantine })
  if (quarantine !== undefined) await file.truncate(position)
  return quarantine !== undefined
}
