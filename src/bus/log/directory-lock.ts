/**
 * Keeps two processes from writing one log: a file `lock` in its directory that says who does.
 *
 * A process that was killed leaves it behind. On the same machine that is seen by its process id together with the
 * time the process was started (ids are soon used again, and in a container nearly every program has the same one).
 * A lock of another machine or container can only be judged by its age: the owner touches it every few seconds.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { open, readFile, rename, stat, unlink, utimes } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { permanent } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { fileErrorCode } from '../../segment/file-system.ts'

interface Owner {
  readonly pid: number
  /** What the system says about when the process was started; empty where it does not. */
  readonly started: string
  readonly host: string
  /** Tells one holding from another. */
  readonly id: string
}

const lockName = 'lock'

/** Locks held by this process, by their id. */
const held = new Set<string>()

export class DirectoryLock {
  readonly #path: string
  readonly #owner: Owner
  readonly #timer: NodeJS.Timeout

  private constructor(path: string, owner: Owner) {
    this.#path = path
    this.#owner = owner
    held.add(owner.id)
    const touch = (): void => {
      const now = new Date()
      utimes(path, now, now).catch(() => undefined)
    }
    this.#timer = setInterval(touch, limits.logLockMsMax / 4).unref()
  }

  /** Throws GP_CONFIG when another process holds it, and file system errors as they are. */
  static async take(directory: string): Promise<DirectoryLock> {
    const path = join(directory, lockName)
    const owner = { pid: process.pid, started: startOf(process.pid), host: hostname(), id: randomUUID() }
    for (let tries = 0; tries < limits.logLockTriesMax; tries++) {
      if (await create(path, owner)) return new DirectoryLock(path, owner)
      const text = await readFile(path, 'utf8').catch(() => undefined)
      if (text === undefined) continue
      const holder = await whoHolds(path, text)
      if (holder !== undefined) throw heldError(directory, path, holder)
      await removeStale(path, text)
    }
    throw heldError(directory, path, 'a process that keeps taking it')
  }

  async release(): Promise<void> {
    clearInterval(this.#timer)
    held.delete(this.#owner.id)
    const text = await readFile(this.#path, 'utf8').catch(() => '')
    if (parseOwner(text)?.id === this.#owner.id) await unlink(this.#path).catch(() => undefined)
  }
}

function heldError(directory: string, path: string, holder: string): Error {
  return permanent(
    'GP_CONFIG',
    `The log ${directory} is being written by ${holder}. Stop it, give this one another directory, ` +
      `or, if you are sure that it is gone, delete ${path}`,
  )
}

async function create(path: string, owner: Owner): Promise<boolean> {
  try {
    const file = await open(path, 'wx')
    try {
      await file.writeFile(`${JSON.stringify(owner)}\n`)
    } finally {
      await file.close()
    }
    return true
  } catch (error) {
    if (fileErrorCode(error) === 'EEXIST') return false
    throw error
  }
}

/** Who holds the lock, in words, or undefined when it was left behind. */
async function whoHolds(path: string, text: string): Promise<string | undefined> {
  const ageMs = await stat(path).then(
    (stats) => Date.now() - stats.mtimeMs,
    () => 0,
  )
  const owner = parseOwner(text)
  if (owner === undefined)
    return ageMs < limits.logLockEmptyMsMax ? 'a process that is just starting' : undefined
  if (owner.host !== hostname()) {
    return ageMs < limits.logLockMsMax ? `process ${owner.pid} on ${owner.host}` : undefined
  }
  if (owner.pid === process.pid && owner.started === startOf(process.pid)) {
    return held.has(owner.id) ? 'this process already' : undefined
  }
  return isRunning(owner) ? `process ${owner.pid}` : undefined
}

function parseOwner(text: string): Owner | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return undefined
    const { pid, started, host, id } = value as Record<string, unknown>
    if (typeof pid !== 'number' || typeof started !== 'string') return undefined
    return typeof host === 'string' && typeof id === 'string' ? { pid, started, host, id } : undefined
  } catch {
    return undefined
  }
}

function isRunning(owner: Owner): boolean {
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    // EPERM: it runs, as another user.
    if (fileErrorCode(error) !== 'EPERM') return false
  }
  return startOf(owner.pid) === owner.started
}

/** The start time in /proc/PID/stat, field 22; the name in field 2 may hold spaces, so count from its end. */
function startOf(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

/** Takes a lock that was left behind out of the way; when several try, one rename succeeds. */
async function removeStale(path: string, text: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`
  try {
    await rename(path, aside)
  } catch {
    return
  }
  const moved = await readFile(aside, 'utf8').catch(() => text)
  // Somebody was quicker, and this is the lock he has just made: give it back.
  if (moved === text) await unlink(aside).catch(() => undefined)
  else await rename(aside, path)
}
