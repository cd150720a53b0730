/**
 * The file that says up to where a spool is delivered.
 *
 *     guidepost spool cursor 1
 *     offset <decimal digits>
 *     crc32c <8 hexadecimal digits, of the two lines before with their line ends>
 *
 * Everything below the offset is on the bus. The file is replaced as a whole: written and synced under another name, then
 * renamed, then its directory is synced. It is never ahead of what was delivered; when it is behind, or cannot be read,
 * records are delivered once more, with the batch ids that they had.
 */
import { join } from 'node:path'
import { crc32c } from '@node-rs/crc32'
import { limits } from '../limits.ts'
import { type FileSystem, fileErrorCode, writeAll } from '../segment/file-system.ts'

export const cursorName = 'cursor'
/** The next cursor, until it is complete and renamed. */
export const unfinishedCursorName = 'cursor.tmp'
const pattern = /^(guidepost spool cursor 1\noffset (\d{1,16})\n)crc32c ([0-9a-f]{8})\n$/

export function encodeCursor(offset: number): Buffer {
  const text = `guidepost spool cursor 1\noffset ${offset}\n`
  return Buffer.from(`${text}crc32c ${crc32c(text).toString(16).padStart(8, '0')}\n`)
}

/** The offset, or undefined when these are not the bytes of an intact cursor. */
export function parseCursor(bytes: Buffer): number | undefined {
  const [, text = '', digits = '', crc = ''] = pattern.exec(bytes.toString('latin1')) ?? []
  const offset = Number(digits)
  if (digits === '' || !Number.isSafeInteger(offset)) return undefined
  return crc32c(text) === Number.parseInt(crc, 16) ? offset : undefined
}

/** The offset; 0 when there is no cursor yet; a sentence when there is one that cannot be read. Never rejects. */
export async function readCursor(
  fs: FileSystem,
  directory: string,
  name: string = cursorName,
): Promise<number | string> {
  const path = join(directory, name)
  try {
    const file = await fs.open(path, 'read')
    try {
      const bytes = Buffer.alloc(limits.spoolCursorBytesMax)
      const offset = parseCursor(bytes.subarray(0, await file.read(bytes, 0)))
      return offset ?? `${path} is damaged`
    } finally {
      await file.close()
    }
  } catch (error) {
    const code = fileErrorCode(error)
    return code === 'ENOENT' ? 0 : `${path} cannot be read (${code})`
  }
}

/** Rejects with what the file system says; the cursor is then the old one or the new one. */
export async function writeCursor(fs: FileSystem, directory: string, offset: number): Promise<void> {
  const unfinished = join(directory, unfinishedCursorName)
  await unlinkIfThere(fs, unfinished)
  const file = await fs.open(unfinished, 'create')
  try {
    await writeAll(file, [encodeCursor(offset)], 0)
    await file.sync()
  } finally {
    await file.close().catch(() => undefined)
  }
  await fs.rename(unfinished, join(directory, cursorName))
  await fs.syncDirectory(directory)
}

/** For a spool that is empty and closed. Rejects with what the file system says. */
export async function removeCursor(fs: FileSystem, directory: string): Promise<void> {
  await unlinkIfThere(fs, join(directory, cursorName))
  await unlinkIfThere(fs, join(directory, unfinishedCursorName))
}

async function unlinkIfThere(fs: FileSystem, path: string): Promise<void> {
  await fs.unlink(path).catch((error: unknown) => {
    if (fileErrorCode(error) !== 'ENOENT') throw error
  })
}
