/**
 * Keeps two processes from writing one log: a file `lock` in its directory that says who does.
 *
 * A process that was killed leaves it behind. That is seen by its process id together with the time the process was
 * started (ids are soon used again, and in a container nearly every program has the same one), but only from the same
 * boot of the machine and the same PID namespace: elsewhere the id means another process or none. The lock of another
 * machine or container, whatever name it has, can only be judged by its age: the owner touches it every few seconds.
 *
 * The owner looks every second whether the lock is still his. Once it is another's, or has not been seen for as long
 * as makes it stale, `problem` says so, and nothing may be written.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { open, readFile, rename, stat, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type GuidepostError, permanent, retryable } from '../errors.ts'
import { limits } from '../limits.ts'
import { fileErrorCode, nodeFileSystem } from './file-system.ts'

interface Owner {
  readonly pid: number
  /** What the system says about when the process was started; empty where it does not. */
  readonly started: string
  /** Where `pid` means something, empty where the system does not say: see proc_pid_ns(5), random(4). */
  readonly pidNamespace: string
  readonly bootId: string
  readonly host: string
  /** Tells one holding from another. */
  readonly id: string
}

export const lockName = 'lock'
const MS_PER_SECOND = 1e3

/** Locks held by this process, by their id. */
const held = new Set<string>()

export class DirectoryLock {
  readonly #path: string
  readonly #owner: Owner
  readonly #timer: NodeJS.Timeout
  #checking: Promise<void> | undefined
  #isReleased = false
  /** When the lock was last touched and seen to be ours. */
  #seenAtMs = performance.now()
  #touchedAtMs = performance.now()
  /** Why it was not seen the last time. */
  #unseen = 'this process did not run'
  #takenBy: string | undefined

  private constructor(path: string, owner: Owner) {
    this.#path = path
    this.#owner = owner
    held.add(owner.id)
    this.#timer = setInterval(() => void this.check(), limits.logPollMs).unref()
  }

  /**
   * Throws GP_CONFIG when another process holds it, at once unless `waitMs` are given. Who gives some can do without the
   * lock for a while: a process that holds it has that long to end, and the lock of another container or machine, which
   * may be gone, is a GP_DISK_FAILED that may be retried, thrown at once. File system errors are thrown as they are.
   */
  static async take(directory: string, waitMs = 0): Promise<DirectoryLock> {
    const path = join(directory, lockName)
    const owner = { ...thisProcess(), id: randomUUID() }
    const endMs = performance.now() + waitMs
    for (let tries = 0; tries < limits.logLockTriesMax; tries++) {
      if (await create(path, owner)) return new DirectoryLock(path, owner)
      const text = await readFile(path, 'utf8').catch(() => undefined)
      if (text === undefined) continue
      const holder = await whoHolds(path, text)
      if (holder === undefined) await removeStale(path, text)
      else if (waitMs > 0 && isForeign(text))
        throw retryable('GP_DISK_FAILED', heldText(directory, path, holder))
      else if (performance.now() >= endMs) throw heldError(directory, path, holder)
      else {
        await sleep(limits.logLockPollMs)
        tries = 0
      }
    }
    throw heldError(directory, path, 'a process that keeps taking it')
  }

  /**
   * Why nothing may be written now, a GP_DISK_FAILED that may be retried. For good when another has taken the lock;
   * otherwise until it is seen again, such as after a pause of the whole process in which it has become stale.
   */
  get problem(): GuidepostError | undefined {
    if (this.#takenBy !== undefined) {
      const text = `The log of ${this.#path} was taken over by ${this.#takenBy}: this process writes no more to it`
      return retryable('GP_DISK_FAILED', text)
    }
    if (performance.now() - this.#seenAtMs < limits.logLockMsMax) return undefined
    const text = `${this.#path} could not be renewed for ${limits.logLockMsMax} ms (${this.#unseen})`
    return retryable('GP_DISK_FAILED', text)
  }

  /** Looks whether the lock is still ours, and touches it now and then. Makes a deleted one again. Never rejects. */
  check(): Promise<void> {
    if (this.#isReleased || this.#takenBy !== undefined) return Promise.resolve()
    this.#checking ??= this.#look().finally(() => {
      this.#checking = undefined
    })
    return this.#checking
  }

  async #look(): Promise<void> {
    // What is seen is as old as the question.
    const askedAtMs = performance.now()
    try {
      const text = await this.#readAndTouch(askedAtMs)
      if (text === undefined) return await this.#makeAgain(askedAtMs)
      const owner = parseOwner(text)
      if (owner?.id === this.#owner.id) this.#seenAtMs = askedAtMs
      else if (owner !== undefined) this.#takenBy = nameOf(owner)
      else this.#unseen = 'it names nobody'
    } catch (error) {
      this.#unseen = fileErrorCode(error)
    }
  }

  async #makeAgain(askedAtMs: number): Promise<void> {
    // In that time another may have found it stale, have written, and be gone again.
    if (askedAtMs - this.#seenAtMs >= limits.logLockMsMax) {
      this.#takenBy = 'somebody, or its lock deleted, while this process did not see it'
      return
    }
    await nodeFileSystem.makeDirectory(dirname(this.#path))
    // When another was quicker the next look finds his.
    if (await create(this.#path, this.#owner)) this.#seenAtMs = askedAtMs
  }

  async release(): Promise<void> {
    clearInterval(this.#timer)
    this.#isReleased = true
    // A look that is under way would make again what is deleted here.
    await this.#checking
    held.delete(this.#owner.id)
    const text = await readFile(this.#path, 'utf8').catch(() => '')
    if (parseOwner(text)?.id === this.#owner.id) await unlink(this.#path).catch(() => undefined)
  }

  /** The lock's text, or undefined when there is none. Touches the very file that was read, and only if it is ours. */
  async #readAndTouch(nowMs: number): Promise<string | undefined> {
    try {
      const file = await open(this.#path, 'r+')
      try {
        const text = await file.readFile('utf8')
        const isDue = nowMs - this.#touchedAtMs >= limits.logLockMsMax / 4
        if (isDue && parseOwner(text)?.id === this.#owner.id) {
          const now = new Date()
          await file.utimes(now, now)
          this.#touchedAtMs = nowMs
        }
        return text
      } finally {
        await file.close()
      }
    } catch (error) {
      if (fileErrorCode(error) === 'ENOENT') return undefined
      throw error
    }
  }
}

function heldError(directory: string, path: string, holder: string): GuidepostError {
  return permanent('GP_CONFIG', heldText(directory, path, holder))
}

function heldText(directory: string, path: string, holder: string): string {
  return (
    `The log ${directory} is being written by ${holder}. Stop it, give this one another directory, ` +
    `or, if it was killed, start this one again in ${limits.logLockMsMax / MS_PER_SECOND} s, or delete ${path}`
  )
}

/** Whether nobody here can say if its owner is still there. */
function isForeign(text: string): boolean {
  const owner = parseOwner(text)
  return owner !== undefined && !isOfOurPids(owner)
}

async function create(path: string, owner: Owner): Promise<boolean> {
  try {
    const file = await open(path, 'wx')
    try {
      await file.writeFile(`${JSON.stringify(owner)}\n`)
    } catch (error) {
      // On a full disk there may be room for its name and not for what is in it; empty it would be taken for another's.
      await unlink(path).catch(() => undefined)
      throw error
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
  if (!isOfOurPids(owner)) return ageMs < limits.logLockMsMax ? nameOf(owner) : undefined
  if (owner.pid === process.pid && owner.started === startOf(process.pid)) {
    return held.has(owner.id) ? 'this process already' : undefined
  }
  return isRunning(owner) ? `process ${owner.pid}` : undefined
}

/** Whether the process id of a lock can be looked up here. */
function isOfOurPids(owner: Owner): boolean {
  const { pidNamespace, bootId } = thisProcess()
  // Systems without PID namespaces; there the name of the machine has to do.
  if (process.platform !== 'linux') return owner.pidNamespace === '' && owner.host === hostname()
  if (pidNamespace === '' || bootId === '') return false
  return owner.pidNamespace === pidNamespace && owner.bootId === bootId
}

function thisProcess(): Omit<Owner, 'id'> {
  return {
    pid: process.pid,
    started: startOf(process.pid),
    pidNamespace: orEmpty(() => readlinkSync('/proc/self/ns/pid')),
    bootId: orEmpty(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()),
    host: hostname(),
  }
}

function orEmpty(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}

function nameOf(owner: Owner): string {
  const where = owner.host === hostname() ? `${owner.host} (perhaps in another container)` : owner.host
  return `process ${owner.pid} on ${where}`
}

/** The locks of earlier versions have no PID namespace and no boot; such an owner may be anywhere. */
function parseOwner(text: string): Owner | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return undefined
    const { pid, started, host, id, pidNamespace = '', bootId = '' } = value as Record<string, unknown>
    if (typeof pid !== 'number' || typeof started !== 'string') return undefined
    if (typeof pidNamespace !== 'string' || typeof bootId !== 'string') return undefined
    return typeof host === 'string' && typeof id === 'string'
      ? { pid, started, pidNamespace, bootId, host, id }
      : undefined
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
  return orEmpty(() => {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  })
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

/** What the lock of a directory says, for whoever only looks. */
export interface LockSeen {
  readonly path: string
  /** In words; `nobody` when it cannot be read. */
  readonly owner: string
  /** False: it was left behind, and the next to start takes it over. */
  readonly isHeld: boolean
}

/** Undefined when there is no lock. Takes nothing and changes nothing. Never rejects. */
export async function lookAtLock(directory: string): Promise<LockSeen | undefined> {
  const path = join(directory, lockName)
  const text = await readFile(path, 'utf8').catch((error: unknown) =>
    fileErrorCode(error) === 'ENOENT' || fileErrorCode(error) === 'ENOTDIR' ? undefined : '',
  )
  if (text === undefined) return undefined
  const holder = await whoHolds(path, text)
  const owner = parseOwner(text)
  return {
    path,
    owner: holder ?? (owner === undefined ? 'nobody' : nameOf(owner)),
    isHeld: holder !== undefined,
  }
}
