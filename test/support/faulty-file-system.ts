/**
 * A file system in memory that fails and loses power on demand.
 *
 * It keeps apart what a process sees (the page cache) and what is on the disk for certain, which only a sync makes equal.
 *
 * - `losePower`: each page that was written since the last sync is on the disk, is not, is so in part, or is noise, in any
 *   order of pages; a file has any of the lengths it had since then; a name that was made, removed or changed since the last
 *   sync of its directory is as it was or as it is. Bytes that were synced and not written since stay as they are.
 * - A sync that fails drops its pages, as Linux does: they are seen, are not on the disk, and no later sync writes them.
 * - `restart`: the process dies and another takes its place. The cache survives, dropped pages may fall out of it. What the
 *   dead one still tries fails and changes nothing.
 */

import { systemClock } from '../../src/clock.ts'
import type { DirectoryEntry, FileSystem, OpenMode, SegmentFile } from '../../src/segment/file-system.ts'
import { type DiskClock, Inode, NameJournal } from './faulty-disk.ts'
import type { Random } from './random.ts'

export type Operation =
  | 'open'
  | 'read'
  | 'writev'
  | 'datasync'
  | 'sync'
  | 'truncate'
  | 'list'
  | 'stat'
  | 'makeDirectory'
  | 'removeDirectory'
  | 'syncDirectory'
  | 'rename'
  | 'unlink'
  | 'freeBytes'

/** Called before each operation: may throw, may return how many bytes a write takes, may wait. */
export type Hook = (operation: Operation, path: string) => Promise<number | undefined> | number | undefined

/** What goes wrong with the `nth` operation of its kind from now on (the next one unless told), and `times` in all (1). */
export interface Fault {
  readonly operation: Operation
  readonly path?: RegExp
  readonly nth?: number
  readonly times?: number
  /** The error's code, or how many bytes a write takes, or the turns of the event loop that it takes. */
  readonly does: string | { readonly takes: number } | { readonly turns: number }
}

interface Disk {
  readonly names: NameJournal
  readonly directories: Set<string>
  /** Bytes of all files together beyond which a write finds no room. */
  capacityBytes: number
  clock: DiskClock
}

export function diskError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code })
}

export class FaultyFileSystem implements FileSystem {
  hook: Hook = () => undefined
  /** What `freeBytes` answers at most. */
  free = Number.MAX_SAFE_INTEGER
  /** Counts operations, to place a fault at each of them. */
  operations = 0
  readonly #disk: Disk
  #faults: { fault: Fault; seen: number }[] = []
  #slowness: Random | undefined
  #isDead = false

  constructor(disk?: Disk) {
    this.#disk = disk ?? {
      names: new NameJournal(),
      directories: new Set(),
      capacityBytes: Number.MAX_SAFE_INTEGER,
      clock: systemClock,
    }
  }

  /** The bytes of a file, as a process would read them; to look at or to damage. */
  bytesOf(path: string): Buffer {
    return this.#inode(path).cache
  }

  /** A file that is on the disk for certain. */
  put(path: string, data: Buffer): void {
    this.#disk.names.put(path, new Inode(this.#disk.clock, data))
    this.#disk.directories.add(parentOf(path))
  }

  paths(): string[] {
    return [...this.#disk.names.paths()].sort()
  }

  /** By which files are dated from now on; the machine's unless set. */
  set clock(clock: DiskClock) {
    this.#disk.clock = clock
  }

  setModified(path: string, ms: number): void {
    this.#inode(path).modifiedMs = ms
  }

  fail(...faults: readonly Fault[]): void {
    for (const fault of faults) this.#faults.push({ fault, seen: 0 })
  }

  /** No faults and no hook from now on. */
  heal(): void {
    this.#faults = []
    this.#slowness = undefined
    this.hook = () => undefined
  }

  /** Every operation takes some turns of the event loop from now on, as many as the dice say. */
  slow(random: Random): void {
    this.#slowness = random
  }

  /** Leaves room for so many bytes on the disk; without a number, as many as one likes. */
  leaveRoom(bytes?: number): void {
    this.#disk.capacityBytes = bytes === undefined ? Number.MAX_SAFE_INTEGER : this.#usedBytes() + bytes
  }

  get isDead(): boolean {
    return this.#isDead
  }

  /** Another process's view of the same disk, with faults of its own. */
  another(): FaultyFileSystem {
    return new FaultyFileSystem(this.#disk)
  }

  /** From now on all operations fail and change nothing. */
  die(): void {
    this.#isDead = true
  }

  /** The view of the process that takes the place of this one. */
  restart(random: Random): FaultyFileSystem {
    this.die()
    for (const inode of this.#disk.names.inodes()) if (random.oneIn(2)) inode.evict()
    return this.another()
  }

  losePower(random: Random): void {
    this.#disk.names.losePower(random)
    for (const inode of this.#disk.names.inodes()) inode.losePower(random)
    this.heal()
  }

  async open(path: string, mode: OpenMode): Promise<SegmentFile> {
    await this.#before('open', path)
    if (mode === 'create') {
      if (this.#disk.names.get(path) !== undefined) throw diskError('EEXIST')
      if (!this.#isDirectory(parentOf(path))) throw diskError('ENOENT')
      this.#disk.names.link(path, new Inode(this.#disk.clock))
    }
    return this.#file(path, this.#inode(path))
  }

  async list(directory: string): Promise<DirectoryEntry[]> {
    await this.#before('list', directory)
    const entries = new Map<string, DirectoryEntry>()
    for (const [paths, kind] of [
      [this.#disk.names.paths(), 'file'],
      [this.#disk.directories, 'directory'],
    ] as const) {
      for (const path of paths) {
        if (!path.startsWith(`${directory}/`)) continue
        const [name = '', ...deeper] = path.slice(directory.length + 1).split('/')
        entries.set(name, { name, kind: deeper.length > 0 ? 'directory' : kind })
      }
    }
    if (entries.size === 0 && !this.#isDirectory(directory)) throw diskError('ENOENT')
    return [...entries.values()]
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#before('makeDirectory', path)
    this.#disk.directories.add(path)
  }

  async removeDirectory(path: string): Promise<void> {
    await this.#before('removeDirectory', path)
    const isInside = (other: string): boolean => other.startsWith(`${path}/`)
    if ([...this.#disk.names.paths(), ...this.#disk.directories].some(isInside)) throw diskError('ENOTEMPTY')
    if (!this.#disk.directories.delete(path)) throw diskError('ENOENT')
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#before('syncDirectory', path)
    this.#disk.names.sync(path)
  }

  async rename(source: string, target: string): Promise<void> {
    await this.#before('rename', source)
    this.#disk.names.rename(source, target, this.#inode(source))
  }

  async unlink(path: string): Promise<void> {
    await this.#before('unlink', path)
    this.#disk.names.unlink(path, this.#inode(path))
  }

  async stat(path: string): Promise<{ bytes: number; modifiedMs: number }> {
    await this.#before('stat', path)
    const inode = this.#inode(path)
    return { bytes: inode.cache.length, modifiedMs: inode.modifiedMs }
  }

  async freeBytes(): Promise<number> {
    await this.#before('freeBytes', '')
    return Math.min(this.free, Math.max(0, this.#disk.capacityBytes - this.#usedBytes()))
  }

  watch(): () => void {
    return () => undefined
  }

  #inode(path: string): Inode {
    const inode = this.#disk.names.get(path)
    if (inode === undefined) throw diskError('ENOENT')
    return inode
  }

  #isDirectory(path: string): boolean {
    if (this.#disk.directories.has(path)) return true
    for (const directory of this.#disk.directories) if (directory.startsWith(`${path}/`)) return true
    return false
  }

  #usedBytes(): number {
    let bytes = 0
    for (const inode of this.#disk.names.inodes()) bytes += inode.cache.length
    return bytes
  }

  async #before(operation: Operation, path: string): Promise<number | undefined> {
    this.#refuseIfDead()
    this.operations += 1
    if (this.#slowness !== undefined) await turns(this.#slowness.below(4))
    let takes = await this.hook(operation, path)
    for (const entry of [...this.#faults]) {
      const { fault } = entry
      if (fault.operation !== operation || fault.path?.test(path) === false) continue
      entry.seen += 1
      const { nth = 1, times = 1, does } = fault
      if (entry.seen < nth) continue
      if (entry.seen >= nth + times - 1) this.#faults = this.#faults.filter((other) => other !== entry)
      if (typeof does === 'string') throw diskError(does)
      if ('takes' in does) takes = does.takes
      else await turns(does.turns)
    }
    // It may have died while it waited.
    this.#refuseIfDead()
    return takes
  }

  #refuseIfDead(): void {
    if (this.#isDead) throw diskError('ESRCH')
  }

  #roomFor(position: number, bytes: number, inode: Inode): number {
    const grows = position + bytes - inode.cache.length
    const room = this.#disk.capacityBytes - this.#usedBytes()
    return grows <= room ? bytes : Math.max(0, bytes - (grows - Math.max(0, room)))
  }

  #file(path: string, inode: Inode): SegmentFile {
    const sync = async (operation: 'sync' | 'datasync'): Promise<void> => {
      try {
        await this.#before(operation, path)
      } catch (error) {
        if (!this.#isDead) inode.failToSync()
        throw error
      }
      inode.sync()
    }
    return {
      read: async (target, position) => {
        await this.#before('read', path)
        return position >= inode.cache.length ? 0 : inode.cache.copy(target, 0, position)
      },
      writev: async (buffers, position) => {
        // The bytes are taken when the write is made, as the system does it.
        const all = Buffer.concat([...buffers])
        const wanted = Math.min(all.length, (await this.#before('writev', path)) ?? all.length)
        const taken = this.#roomFor(position, wanted, inode)
        if (taken === 0 && wanted > 0) throw diskError('ENOSPC')
        inode.write(all.subarray(0, taken), position)
        return taken
      },
      datasync: () => sync('datasync'),
      sync: () => sync('sync'),
      truncate: async (bytes) => {
        await this.#before('truncate', path)
        inode.truncate(bytes)
      },
      bytes: async () => {
        await this.#before('stat', path)
        return inode.cache.length
      },
      isLinked: () => this.#disk.names.isLinked(inode),
      close: async () => undefined,
    }
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}
