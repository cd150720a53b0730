/** Opens what an earlier writer left: finds the end, cuts a torn tail, sets damage aside. See format.ts, RECOVERY. */
import { join } from 'node:path'
import { limits } from '../limits.ts'
import type { OnSegmentEvent } from './events.ts'
import { type FileSystem, fileErrorCode, type SegmentFile } from './file-system.ts'
import {
  fileHeaderBytes,
  parseFileHeader,
  parseSegmentName,
  quarantineFolder,
  recordHeadBytes,
  segmentName,
} from './format.ts'
import { SegmentScanner } from './scanner.ts'

/** A segment that is complete and never written again. */
export interface ClosedSegment {
  readonly firstOffset: number
  readonly bytes: number
  /** When its last record was written. */
  readonly modifiedMs: number
}

/** A segment open for appending. */
export interface ActiveSegment {
  readonly file: SegmentFile
  readonly path: string
  readonly firstOffset: number
  readonly salt: number
  /** Bytes up to the end of the last durable record. */
  bytes: number
}

export interface Recovered {
  readonly closed: ClosedSegment[]
  readonly active: ActiveSegment | undefined
  readonly nextOffset: number
}

interface Place {
  readonly fs: FileSystem
  readonly directory: string
  readonly onEvent: OnSegmentEvent
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
  if (last === undefined) return { closed, active: undefined, nextOffset: 0 }
  const path = join(directory, segmentName(last))
  let bytes = Number.MAX_SAFE_INTEGER
  let file: SegmentFile | undefined
  try {
    file = await fs.open(path, 'write')
    bytes = await file.bytes()
    return { closed, ...(await recoverLast(place, file, path, last, bytes, closed)) }
  } catch (error) {
    await file?.close().catch(() => undefined)
    if (fileErrorCode(error) === 'EROFS' || fileErrorCode(error) === 'EACCES') throw error
    const reason = `it could not be read to its end: ${fileErrorCode(error)}`
    place.onEvent({ kind: 'segment_unreadable', file: path, bytes, reason, quarantine: undefined })
    if (bytes === Number.MAX_SAFE_INTEGER) bytes = limits.segmentBytesMax + limits.segmentRecordBytesMax
    closed.push({ firstOffset: last, bytes, modifiedMs: Date.now() })
    return { closed, active: undefined, nextOffset: offsetAbove(last, bytes) }
  }
}

/** An offset above each that a file of this length can hold. */
function offsetAbove(firstOffset: number, bytes: number): number {
  return firstOffset + Math.ceil(bytes / recordHeadBytes) + 1
}

/** Pushes the segment to `closed` when it cannot be written on. */
async function recoverLast(
  place: Place,
  file: SegmentFile,
  path: string,
  firstOffset: number,
  bytes: number,
  closed: ClosedSegment[],
): Promise<{ active: ActiveSegment | undefined; nextOffset: number }> {
  const bytesOfHeader = Buffer.alloc(fileHeaderBytes)
  const header = parseFileHeader(bytesOfHeader.subarray(0, await file.read(bytesOfHeader, 0)))
  if (typeof header === 'string') {
    await file.close()
    if (bytes <= fileHeaderBytes) {
      // Its writer died while making it: a record never follows before the header is durable.
      await place.fs.unlink(path)
      place.onEvent({ kind: 'torn_tail', file: path, position: 0, bytes })
      return { active: undefined, nextOffset: firstOffset }
    }
    const target = join(place.directory, quarantineFolder, segmentName(firstOffset))
    await place.fs.makeDirectory(join(place.directory, quarantineFolder))
    await place.fs.rename(path, target)
    await place.fs.syncDirectory(join(place.directory, quarantineFolder))
    place.onEvent({ kind: 'segment_unreadable', file: path, bytes, reason: header, quarantine: target })
    return { active: undefined, nextOffset: offsetAbove(firstOffset, bytes) }
  }
  const scanner = new SegmentScanner(file, header.salt)
  let nextOffset = firstOffset
  for (;;) {
    const scanned = await scanner.next()
    const { position } = scanned
    if (scanned.kind === 'record') {
      nextOffset = scanned.record.offset + 1
    } else if (scanned.kind === 'bad') {
      const { offset, reason } = scanned
      // A damaged head hides its offset, which must not be used again; without its neighbours it is bounded by size.
      nextOffset =
        offset === undefined ? offsetAbove(nextOffset, scanned.bytes) : Math.max(nextOffset, offset + 1)
      const quarantine = await setAside(place, file, firstOffset, position, scanned.bytes)
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
      const tail = await recoverTail(place, file, path, firstOffset, scanned)
      nextOffset += tail.offsets
      // What was found may never have been synced; from here on it counts as durable.
      await file.datasync()
      if (!tail.isCut) {
        await file.close()
        closed.push({ firstOffset, bytes, modifiedMs: Date.now() })
        return { active: undefined, nextOffset }
      }
      return { active: { file, path, firstOffset, salt: header.salt, bytes: position }, nextOffset }
    }
  }
}

/**
 * Cuts off what lies behind the last record, unless it may hold records and no copy of it could be made: then it stays,
 * and the next record begins a new segment. `offsets` is how many of them the tail may have used.
 */
async function recoverTail(
  place: Place,
  file: SegmentFile,
  path: string,
  firstOffset: number,
  tail: { position: number; bytes: number; isDamaged: boolean },
): Promise<{ offsets: number; isCut: boolean }> {
  const { position, bytes } = tail
  if (bytes === 0) return { offsets: 0, isCut: true }
  if (!tail.isDamaged || bytes < recordHeadBytes) {
    place.onEvent({ kind: 'torn_tail', file: path, position, bytes })
    await file.truncate(position)
    return { offsets: 0, isCut: true }
  }
  const quarantine = await setAside(place, file, firstOffset, position, bytes)
  const reason = 'the head of a record is damaged and none follows it'
  place.onEvent({ kind: 'bad_record', file: path, position, bytes, offset: undefined, reason, quarantine })
  if (quarantine !== undefined) await file.truncate(position)
  return { offsets: offsetAbove(0, bytes), isCut: quarantine !== undefined }
}

/** Copies damaged bytes to the quarantine, if they fit, and names the durable copy. Failing to do so is no failure. */
async function setAside(
  place: Place,
  file: SegmentFile,
  firstOffset: number,
  position: number,
  bytes: number,
): Promise<string | undefined> {
  const { fs, directory } = place
  const folder = join(directory, quarantineFolder)
  const stem = `${segmentName(firstOffset).slice(0, -'.seg'.length)}-${position}`
  const unfinished = join(folder, `${stem}.tmp`)
  try {
    await fs.makeDirectory(folder)
    await fs.unlink(unfinished).catch(() => undefined)
    const sizes = new Map<string, number>()
    let held = 0
    for (const { name } of await fs.list(folder)) {
      const size = (await fs.stat(join(folder, name))).bytes
      sizes.set(name, size)
      held += size
    }
    // The same damage met again has its copy; other damage at a position that was cut and written anew gets its own.
    let name = `${stem}.bad`
    for (let count = 2; sizes.has(name); count++) {
      const path = join(folder, name)
      if (sizes.get(name) === bytes && (await isCopy(fs, path, file, position, bytes))) return path
      name = `${stem}-${count}.bad`
    }
    if (held + bytes > limits.quarantineBytesMax) return undefined
    await copyRange(fs, file, position, bytes, unfinished)
    await fs.rename(unfinished, join(folder, name))
    await fs.syncDirectory(folder)
    return join(folder, name)
  } catch {
    await fs.unlink(unfinished).catch(() => undefined)
    return undefined
  }
}

async function isCopy(
  fs: FileSystem,
  path: string,
  source: SegmentFile,
  position: number,
  bytes: number,
): Promise<boolean> {
  const copy = await fs.open(path, 'read')
  try {
    for await (const { chunk, done } of chunksOf(source, position, bytes)) {
      const other = Buffer.alloc(chunk.length)
      if ((await copy.read(other, done)) < chunk.length || !other.equals(chunk)) return false
    }
    return true
  } finally {
    await copy.close()
  }
}

async function copyRange(
  fs: FileSystem,
  source: SegmentFile,
  position: number,
  bytes: number,
  path: string,
): Promise<void> {
  const copy = await fs.open(path, 'create')
  try {
    for await (const { chunk, done } of chunksOf(source, position, bytes)) await writeAll(copy, [chunk], done)
    await copy.sync()
  } finally {
    await copy.close()
  }
}

/** The bytes from `position` on; each chunk is valid until the next. Throws when there are fewer than `bytes`. */
async function* chunksOf(
  source: SegmentFile,
  position: number,
  bytes: number,
): AsyncGenerator<{ chunk: Buffer; done: number }> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(bytes, limits.segmentReadBytes))
  for (let done = 0; done < bytes; ) {
    const wanted = buffer.subarray(0, Math.min(buffer.length, bytes - done))
    const count = await source.read(wanted, position + done)
    if (count === 0) throw new Error('the file became shorter while it was read')
    yield { chunk: wanted.subarray(0, count), done }
    done += count
  }
}

/** Writes everything, however little each call takes. Throws when a call takes nothing. */
export async function writeAll(
  file: SegmentFile,
  slices: readonly Buffer[],
  position: number,
): Promise<void> {
  let rest = slices
  let at = position
  while (rest.length > 0) {
    let count = await file.writev(rest, at)
    if (count === 0) throw new Error('the file system took no bytes')
    at += count
    let whole = 0
    while (whole < rest.length && count >= rest[whole]!.length) {
      count -= rest[whole]!.length
      whole += 1
    }
    rest = rest.slice(whole)
    if (count > 0) rest = [rest[0]!.subarray(count), ...rest.slice(1)]
  }
}
