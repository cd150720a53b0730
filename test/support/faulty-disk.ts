/** What a FaultyFileSystem keeps: the bytes of files and the names of files, each as it is seen and as it is on the disk. */
import type { Clock } from '../../src/clock.ts'
import type { Random } from './random.ts'

/** Small, so that small files have many. */
const pageBytes = 64
const sectorBytes = 16

/** What dates the files. */
export type DiskClock = Pick<Clock, 'wallMs'>

/** One file, whatever names it has. */
export class Inode {
  modifiedMs: number
  readonly #clock: DiskClock
  cache: Buffer
  #disk: Buffer
  /** Pages written since the last sync. */
  #dirty = new Set<number>()
  /** Pages that a failed sync dropped. */
  #dropped = new Set<number>()
  /** Lengths since the last sync. */
  #lengths: number[]

  constructor(clock: DiskClock, data: Buffer = Buffer.alloc(0)) {
    this.#clock = clock
    this.modifiedMs = clock.wallMs()
    this.cache = Buffer.from(data)
    this.#disk = Buffer.from(data)
    this.#lengths = [data.length]
  }

  write(data: Buffer, position: number): void {
    const end = position + data.length
    if (end > this.cache.length) this.cache = resized(this.cache, end)
    data.copy(this.cache, position)
    for (let page = Math.floor(position / pageBytes); page * pageBytes < end; page++) {
      // A page that is written in part is written back as a whole, with what was dropped from it.
      this.#dropped.delete(page)
      this.#dirty.add(page)
    }
    this.#changed()
  }

  truncate(bytes: number): void {
    this.cache = resized(this.cache, bytes)
    this.#changed()
  }

  sync(): void {
    const synced = Buffer.from(this.cache)
    for (const page of this.#dropped) this.#old(page).copy(synced, page * pageBytes)
    this.#disk = synced
    this.#dirty.clear()
    this.#lengths = [this.cache.length]
  }

  failToSync(): void {
    for (const page of this.#dirty) this.#dropped.add(page)
    this.#dirty.clear()
  }

  /** What a failed sync dropped is read from the disk again. */
  evict(): void {
    for (const page of this.#dropped) this.#old(page).copy(this.cache, page * pageBytes)
    this.#dropped.clear()
  }

  losePower(random: Random): void {
    if (this.#dirty.size === 0 && this.#dropped.size === 0 && this.#lengths.length === 1) return
    const after = resized(this.#disk, this.#lengthAfter(random))
    for (const page of [...this.#dirty, ...this.#dropped]) this.#keepInPart(page, after, random)
    this.cache = after
    this.#disk = Buffer.from(after)
    this.#dirty.clear()
    this.#dropped.clear()
    this.#lengths = [after.length]
  }

  /** One of those it had, or while it grew, any between. */
  #lengthAfter(random: Random): number {
    const length = random.pick(this.#lengths)
    const synced = this.#disk.length
    return length > synced && random.oneIn(3) ? synced + random.below(length - synced + 1) : length
  }

  #keepInPart(page: number, after: Buffer, random: Random): void {
    const start = page * pageBytes
    const end = Math.min(start + pageBytes, after.length, this.cache.length)
    if (end <= start) return
    switch (random.below(5)) {
      case 0:
        return
      case 1:
        for (let at = start; at < end; at++) {
          if (at >= this.#disk.length || this.#disk[at] !== this.cache[at]) after[at] = random.below(256)
        }
        return
      case 2: {
        const cut = Math.min(end, start + sectorBytes * random.below(pageBytes / sectorBytes))
        const isFirstPart = random.oneIn(2)
        this.cache.copy(after, isFirstPart ? start : cut, isFirstPart ? start : cut, isFirstPart ? cut : end)
        return
      }
      default:
        this.cache.copy(after, start, start, end)
    }
  }

  /** What the disk has of a page, zeros behind its end. */
  #old(page: number): Buffer {
    const start = page * pageBytes
    return resized(this.#disk.subarray(start, start + pageBytes), pageBytes)
  }

  #changed(): void {
    this.modifiedMs = this.#clock.wallMs()
    this.#lengths.push(this.cache.length)
  }
}

function resized(data: Buffer, bytes: number): Buffer {
  const made = Buffer.alloc(bytes)
  data.copy(made)
  return made
}

/** `made` is there and `gone` is not, both or neither, after a power cut. */
interface Change {
  inode: Inode
  made: string | undefined
  gone: string | undefined
}

/** The names of all files, and what changed since their directories were synced. */
export class NameJournal {
  #seen = new Map<string, Inode>()
  #disk = new Map<string, Inode>()
  #changes: Change[] = []

  get(path: string): Inode | undefined {
    return this.#seen.get(path)
  }

  paths(): Iterable<string> {
    return this.#seen.keys()
  }

  inodes(): Set<Inode> {
    return new Set(this.#seen.values())
  }

  isLinked(inode: Inode): boolean {
    for (const linked of this.#seen.values()) if (linked === inode) return true
    return false
  }

  put(path: string, inode: Inode): void {
    this.#seen.set(path, inode)
    this.#disk.set(path, inode)
  }

  link(path: string, inode: Inode): void {
    this.#change({ inode, made: path, gone: undefined })
  }

  unlink(path: string, inode: Inode): void {
    this.#change({ inode, made: undefined, gone: path })
  }

  rename(source: string, target: string, inode: Inode): void {
    this.#change({ inode, made: target, gone: source })
  }

  sync(directory: string): void {
    const isInside = (path: string | undefined): boolean =>
      path?.startsWith(`${directory}/`) === true && !path.slice(directory.length + 1).includes('/')
    for (const change of this.#changes) {
      const { inode, made, gone } = change
      // A moved file never loses both names: its new one is written no later than its old one is removed.
      if (isInside(made) || isInside(gone)) {
        apply(this.#disk, { inode, made, gone: isInside(gone) ? gone : undefined })
        change.made = undefined
        if (isInside(gone)) change.gone = undefined
      }
    }
    this.#changes = this.#changes.filter(({ made, gone }) => made !== undefined || gone !== undefined)
  }

  losePower(random: Random): void {
    // A file system with a journal keeps the first changes; others keep any.
    const kept = random.oneIn(2) ? random.below(this.#changes.length + 1) : undefined
    for (const [index, change] of this.#changes.entries()) {
      if (kept === undefined ? random.oneIn(2) : index < kept) apply(this.#disk, change)
    }
    this.#changes = []
    this.#seen = new Map(this.#disk)
  }

  #change(change: Change): void {
    apply(this.#seen, change)
    this.#changes.push(change)
  }
}

function apply(names: Map<string, Inode>, { inode, made, gone }: Change): void {
  if (made !== undefined) names.set(made, inode)
  if (gone !== undefined && names.get(gone) === inode) names.delete(gone)
}
