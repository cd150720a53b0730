/**
 * What a repair does to a folder of segments that nobody writes: unreadable bytes go to the quarantine, and are cut off
 * or passed over. Nothing leaves its place before a copy of it is durable, so that a repair may end anywhere and be made
 * again.
 */
import { basename, dirname } from 'node:path'
import { type FileSystem, fileErrorCode } from './file-system.ts'
import { fileHeaderBytes, isOtherVersion, parseFileHeader, parseSegmentName, whyForeign } from './format.ts'
import { copyAside, moveAside } from './quarantine.ts'

/** Copies the bytes from `position` to the end of the segment, then cuts them off. Throws what the disk says. */
export async function cutTail(fs: FileSystem, path: string, position: number): Promise<void> {
  const file = await fs.open(path, 'write')
  try {
    const bytes = (await file.bytes()) - position
    if (bytes <= 0) return
    await copyAside(fs, dirname(path), { file, firstOffset: firstOffsetOf(path), position, bytes }, 'torn')
    await file.truncate(position)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Copies a damaged record; the segment stays as it is, and readers pass over it. Throws what the disk says. */
export async function copyDamaged(
  fs: FileSystem,
  path: string,
  position: number,
  bytes: number,
): Promise<void> {
  const file = await fs.open(path, 'read')
  try {
    await copyAside(fs, dirname(path), { file, firstOffset: firstOffsetOf(path), position, bytes }, 'bad')
  } finally {
    await file.close()
  }
}

/** Moves a segment that cannot be read to the quarantine. Throws what the disk says. */
export async function setSegmentAside(fs: FileSystem, path: string): Promise<void> {
  await moveAside(fs, dirname(path), path)
  await fs.syncDirectory(dirname(path))
}

/**
 * Whether it is the content of a segment that keeps it from being read: then it is of no use where it is. False when it
 * is the disk, missing rights, or that a later version wrote it.
 */
export async function isOfNoUse(fs: FileSystem, path: string): Promise<boolean> {
  const file = await fs.open(path, 'read').catch((error: unknown) => fileErrorCode(error))
  if (typeof file === 'string') return false
  try {
    const bytes = Buffer.alloc(fileHeaderBytes)
    const header = parseFileHeader(bytes.subarray(0, await file.read(bytes, 0)))
    if (typeof header === 'string') return !isOtherVersion(header)
    return whyForeign(header, firstOffsetOf(path)) !== undefined
  } catch {
    return false
  } finally {
    await file.close().catch(() => undefined)
  }
}

function firstOffsetOf(path: string): number {
  return parseSegmentName(basename(path)) ?? 0
}
