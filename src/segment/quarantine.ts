/**
 * The folder `quarantine` of a log: copies of damaged records, and whole segments that cannot be read. Nothing in it is
 * ever changed or deleted by the program; an operator does that.
 *
 *   <segment's first offset, 20 digits>-<byte position>.bad    a damaged record, or a damaged end
 *   <segment's first offset, 20 digits>-<byte position>.torn   an unfinished end, copied by a repair before it was cut
 *   <first offset, 20 digits>.seg                              a segment
 *   …-2.bad, …-2.torn, ….2.seg                                 the same when that name holds something else
 *   ….tmp                                                      a copy that was not finished
 */
import { basename, join } from 'node:path'
import { limits } from '../limits.ts'
import { type FileSystem, fileErrorCode, type SegmentFile, writeAll } from './file-system.ts'
import { quarantineFolder, segmentName } from './format.ts'

export type CopyKind = 'bad' | 'torn'

/** Bytes of one segment, to be copied. */
export interface DamagedRange {
  readonly file: SegmentFile
  readonly firstOffset: number
  readonly position: number
  readonly bytes: number
}

/** Copies damaged bytes to the quarantine, if they fit, and names the durable copy. Failing to do so is no failure. */
export async function setAside(
  fs: FileSystem,
  directory: string,
  range: DamagedRange,
): Promise<string | undefined> {
  try {
    return await copyAside(fs, directory, range, 'bad')
  } catch {
    return undefined
  }
}

/**
 * Copies bytes to the quarantine and names the durable copy; one that is there already is enough. Throws what the file
 * system says, and an error with a sentence when the quarantine has no room for it.
 */
export async function copyAside(
  fs: FileSystem,
  directory: string,
  range: DamagedRange,
  kind: CopyKind,
): Promise<string> {
  const folder = join(directory, quarantineFolder)
  const unfinished = join(folder, `${stemOf(range)}.tmp`)
  await fs.makeDirectory(folder)
  await fs.unlink(unfinished).catch(() => undefined)
  const { path, name, heldBytes } = await lookFor(fs, folder, range, kind)
  if (path !== undefined) return path
  if (heldBytes + range.bytes > limits.quarantineBytesMax) {
    throw new Error(`${folder} holds ${heldBytes} bytes already; move what is in it elsewhere`)
  }
  try {
    await copyRange(fs, range, unfinished)
    await fs.rename(unfinished, join(folder, name))
    await fs.syncDirectory(folder)
  } catch (error) {
    await fs.unlink(unfinished).catch(() => undefined)
    throw error
  }
  return join(folder, name)
}

/** The copy of these very bytes in the quarantine, or undefined. Changes nothing; rejects when they cannot be read. */
export async function findCopy(
  fs: FileSystem,
  directory: string,
  range: DamagedRange,
): Promise<string | undefined> {
  return (await lookFor(fs, join(directory, quarantineFolder), range, 'bad')).path
}

/** Moves a whole segment to the quarantine, durably, and names it there. Throws what the file system says. */
export async function moveAside(fs: FileSystem, directory: string, path: string): Promise<string> {
  const folder = join(directory, quarantineFolder)
  await fs.makeDirectory(folder)
  const taken = new Set((await fs.list(folder)).map((entry) => entry.name))
  const stem = basename(path, '.seg')
  let name = `${stem}.seg`
  for (let count = 2; taken.has(name); count++) name = `${stem}.${count}.seg`
  await fs.rename(path, join(folder, name))
  await fs.syncDirectory(folder)
  return join(folder, name)
}

function stemOf({ firstOffset, position }: DamagedRange): string {
  return `${segmentName(firstOffset).slice(0, -'.seg'.length)}-${position}`
}

/**
 * The copy of a range if there is one, the name of a new one if not. The same damage met again has its copy; other
 * damage at a position that was cut and written anew gets its own.
 */
async function lookFor(
  fs: FileSystem,
  folder: string,
  range: DamagedRange,
  kind: CopyKind,
): Promise<{ path: string | undefined; name: string; heldBytes: number }> {
  const sizes = new Map<string, number>()
  let heldBytes = 0
  for (const { name } of await listIfThere(fs, folder)) {
    const size = (await fs.stat(join(folder, name))).bytes
    sizes.set(name, size)
    heldBytes += size
  }
  const stem = stemOf(range)
  let name = `${stem}.${kind}`
  for (let count = 2; sizes.has(name); count++) {
    const path = join(folder, name)
    if (sizes.get(name) === range.bytes && (await isCopy(fs, path, range))) return { path, name, heldBytes }
    name = `${stem}-${count}.${kind}`
  }
  return { path: undefined, name, heldBytes }
}

async function listIfThere(fs: FileSystem, folder: string): Promise<readonly { name: string }[]> {
  try {
    return await fs.list(folder)
  } catch (error) {
    if (fileErrorCode(error) === 'ENOENT') return []
    throw error
  }
}

async function isCopy(fs: FileSystem, path: string, range: DamagedRange): Promise<boolean> {
  const copy = await fs.open(path, 'read')
  try {
    for await (const { chunk, done } of chunksOf(range)) {
      const other = Buffer.alloc(chunk.length)
      if ((await copy.read(other, done)) < chunk.length || !other.equals(chunk)) return false
    }
    return true
  } finally {
    await copy.close()
  }
}

async function copyRange(fs: FileSystem, range: DamagedRange, path: string): Promise<void> {
  const copy = await fs.open(path, 'create')
  try {
    for await (const { chunk, done } of chunksOf(range)) await writeAll(copy, [chunk], done)
    await copy.sync()
  } finally {
    await copy.close()
  }
}

/** The bytes of a range; each chunk is valid until the next. Throws when the file has fewer. */
async function* chunksOf({
  file,
  position,
  bytes,
}: DamagedRange): AsyncGenerator<{ chunk: Buffer; done: number }> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(bytes, limits.segmentReadBytes))
  for (let done = 0; done < bytes; ) {
    const wanted = buffer.subarray(0, Math.min(buffer.length, bytes - done))
    const count = await file.read(wanted, position + done)
    if (count === 0) throw new Error('the file became shorter while it was read')
    yield { chunk: wanted.subarray(0, count), done }
    done += count
  }
}
