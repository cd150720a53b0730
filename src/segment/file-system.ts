/**
 * The seam between segments and the disk: everything that `segment/` asks of a file system goes through here, so that
 * tests can put short writes, failing syncs, full and torn disks in its place.
 *
 * Errors are those of node:fs, with `code` set (ENOENT, ENOSPC, EIO, EROFS …).
 */
import * as fs from 'node:fs'
import { dirname, resolve } from 'node:path'

export interface SegmentFile {
  /** Reads into all of `target` from byte `position` of the file; fewer bytes only at the file's end. */
  read(target: Buffer, position: number): Promise<number>
  /** Writes at `position` and returns how many bytes were taken, which may be fewer than were given. */
  writev(buffers: readonly Buffer[], position: number): Promise<number>
  /** fdatasync: data, and the length of the file, are durable. A failure means that nothing is known any more. */
  datasync(): Promise<void>
  sync(): Promise<void>
  truncate(bytes: number): Promise<void>
  bytes(): Promise<number>
  /** False once the file has no name left: what is written to it is gone when it is closed. At once, within 5 µs. */
  isLinked(): boolean
  close(): Promise<void>
}

export interface DirectoryEntry {
  readonly name: string
  readonly kind: 'file' | 'directory' | 'other'
}

/** `create` fails when the file exists, `read` and `write` when it does not. */
export type OpenMode = 'read' | 'write' | 'create'

export interface FileSystem {
  open(path: string, mode: OpenMode): Promise<SegmentFile>
  list(directory: string): Promise<DirectoryEntry[]>
  /** With its parents, durably; no error when it is there. */
  makeDirectory(path: string): Promise<void>
  /** An empty one; fails when anything is in it. */
  removeDirectory(path: string): Promise<void>
  syncDirectory(path: string): Promise<void>
  rename(source: string, target: string): Promise<void>
  unlink(path: string): Promise<void>
  stat(path: string): Promise<{ bytes: number; modifiedMs: number }>
  /** Bytes that this process may still write on the file system of `path`. */
  freeBytes(path: string): Promise<number>
  /** Calls `changed` after changes in the directory, perhaps too often, perhaps not at all. Returns how to stop. */
  watch(directory: string, changed: () => void): () => void
}

class NodeFile implements SegmentFile {
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  async read(target: Buffer, position: number): Promise<number> {
    let done = 0
    while (done < target.length) {
      const count = await new Promise<number>((resolve, reject) => {
        fs.read(this.#fd, target, done, target.length - done, position + done, (error, bytes) =>
          error ? reject(error) : resolve(bytes),
        )
      })
      if (count === 0) break
      done += count
    }
    return done
  }

  writev(buffers: readonly Buffer[], position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.writev(this.#fd, buffers, position, (error, bytes) => (error ? reject(error) : resolve(bytes)))
    })
  }

  datasync(): Promise<void> {
    return settle((done) => fs.fdatasync(this.#fd, done))
  }

  sync(): Promise<void> {
    return settle((done) => fs.fsync(this.#fd, done))
  }

  truncate(bytes: number): Promise<void> {
    return settle((done) => fs.ftruncate(this.#fd, bytes, done))
  }

  bytes(): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.fstat(this.#fd, (error, stats) => (error ? reject(error) : resolve(stats.size)))
    })
  }

  isLinked(): boolean {
    // Not by way of the thread pool, which would cost each commit more; of an open local file it never waits.
    return fs.fstatSync(this.#fd).nlink > 0
  }

  close(): Promise<void> {
    return settle((done) => fs.close(this.#fd, done))
  }
}

function settle(call: (done: (error: Error | null | undefined) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => (error ? reject(error) : resolve()))
  })
}

/**
 * The first directory that was made, or undefined. node's own recursive mkdir never settles where a directory cannot
 * be made although its parent is there, such as below /proc.
 */
async function makePath(path: string): Promise<string | undefined> {
  try {
    await fs.promises.mkdir(path)
    return path
  } catch (error) {
    const code = fileErrorCode(error)
    if (code !== 'ENOENT') {
      // Also EROFS and EACCES are said of a directory that is there.
      if (await isDirectory(path)) return undefined
      throw error
    }
  }
  const parent = dirname(path)
  const first = parent === path ? undefined : await makePath(parent)
  try {
    await fs.promises.mkdir(path)
  } catch (error) {
    if (fileErrorCode(error) !== 'EEXIST' || !(await isDirectory(path))) throw error
    return first
  }
  return first ?? path
}

function isDirectory(path: string): Promise<boolean> {
  return fs.promises.stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  )
}

const openFlags: Record<OpenMode, string> = { read: 'r', write: 'r+', create: 'wx+' }

/** The file system of the machine. */
export const nodeFileSystem: FileSystem = {
  open(path, mode) {
    return new Promise((resolve, reject) => {
      fs.open(path, openFlags[mode], 0o644, (error, fd) =>
        error ? reject(error) : resolve(new NodeFile(fd)),
      )
    })
  },

  async list(directory) {
    const entries = await fs.promises.readdir(directory, { withFileTypes: true })
    return entries.map((entry) => ({
      name: entry.name,
      kind: entry.isFile() ? 'file' : entry.isDirectory() ? 'directory' : 'other',
    }))
  },

  async makeDirectory(path) {
    const made = await makePath(path)
    // A name is durable once its parent is synced. Also when nothing was made: whoever made it may have died before.
    let last = resolve(path)
    const first = made === undefined ? last : resolve(made)
    for (;;) {
      const parent = dirname(last)
      await this.syncDirectory(parent).catch((error: unknown) => {
        // A parent that this user may not list cannot be synced by him; its owner made it what it is.
        if (fileErrorCode(error) !== 'EACCES') throw error
      })
      if (last === first || parent === last) return
      last = parent
    }
  },

  removeDirectory: (path) => fs.promises.rmdir(path),

  async syncDirectory(path) {
    const handle = await fs.promises.open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },

  rename: (source, target) => fs.promises.rename(source, target),
  unlink: (path) => fs.promises.unlink(path),

  async stat(path) {
    const stats = await fs.promises.stat(path)
    return { bytes: stats.size, modifiedMs: stats.mtimeMs }
  },

  async freeBytes(path) {
    const stats = await fs.promises.statfs(path)
    return stats.bavail * stats.bsize
  },

  watch(directory, changed) {
    try {
      const watcher = fs.watch(directory, { persistent: false }, changed)
      // A watch that breaks is no failure: whoever watches also polls.
      watcher.on('error', () => watcher.close())
      return () => watcher.close()
    } catch {
      return () => undefined
    }
  },
}

/** The `code` of a file system error, or its text. */
export function fileErrorCode(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return error instanceof Error ? error.message : String(error)
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
