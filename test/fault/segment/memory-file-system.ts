/**
 * A file system in memory that can fail and lose power.
 *
 * What was written but not synced may, after `crash`, be there, be cut short, be zeros or be noise, in blocks; a name
 * that was made but whose directory was not synced may be missing. After a failed datasync the cache still shows the
 * bytes, but no later datasync makes them durable, as Linux does it.
 */
import type { DirectoryEntry, FileSystem, OpenMode, SegmentFile } from '../../../src/segment/file-system.ts'

export type Operation =
  | 'open'
  | 'writev'
  | 'datasync'
  | 'sync'
  | 'truncate'
  | 'syncDirectory'
  | 'unlink'
  | 'rename'
  | 'read'

/** Called before each operation: may throw, may return how many bytes a write takes, may wait. */
export type Hook = (operation: Operation, path: string) => Promise<number | undefined> | number | undefined

interface Node {
  data: Buffer
  durable: Buffer
  /** Ranges that a failed datasync dropped. */
  dropped: [number, number][]
  modifiedMs: number
}

const blockBytes = 64

export function diskError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code })
}

export class MemoryFileSystem implements FileSystem {
  hook: Hook = () => undefined
  free = Number.MAX_SAFE_INTEGER
  /** Counts operations, to place a fault at each of them. */
  operations = 0
  #names = new Map<string, Node>()
  #durableNames = new Map<string, Node>()
  #directories = new Set<string>()

  /** The bytes of a file, as a process would read them; to look at or to damage. */
  bytesOf(path: string): Buffer {
    return this.#node(path).data
  }

  put(path: string, data: Buffer): void {
    const node = { data: Buffer.from(data), durable: Buffer.from(data), dropped: [], modifiedMs: Date.now() }
    this.#names.set(path, node)
    this.#durableNames.set(path, node)
    this.#directories.add(path.slice(0, path.lastIndexOf('/')))
  }

  paths(): string[] {
    return [...this.#names.keys()].sort()
  }

  setModified(path: string, ms: number): void {
    this.#node(path).modifiedMs = ms
  }

  /** Loses power. `random` yields numbers from 0 to 1. */
  crash(random: () => number): void {
    const names = new Map(this.#durableNames)
    for (const [path, node] of this.#names) if (random() < 0.5) names.set(path, node)
    for (const path of this.#durableNames.keys())
      if (!this.#names.has(path) && random() < 0.5) names.delete(path)
    for (const node of names.values()) {
      const end = node.durable.length + Math.floor(random() * (node.data.length - node.durable.length + 1))
      const survived = Buffer.from(node.data.subarray(0, Math.max(end, 0)))
      if (node.data.length >= node.durable.length) {
        node.durable.copy(survived)
        for (let at = node.durable.length; at < survived.length; at += blockBytes) {
          const block = survived.subarray(at, at + blockBytes)
          const fate = random()
          if (fate < 0.2) block.fill(0)
          else if (fate < 0.4)
            for (let index = 0; index < block.length; index++) block[index] = Math.floor(random() * 256)
        }
      }
      node.data =
        node.data.length >= node.durable.length
          ? survived
          : Buffer.from(random() < 0.5 ? node.durable : node.data)
      node.durable = Buffer.from(node.data)
      node.dropped = []
    }
    this.#names = names
    this.#durableNames = new Map(names)
    this.hook = () => undefined
  }

  async open(path: string, mode: OpenMode): Promise<SegmentFile> {
    await this.#before('open', path)
    if (mode === 'create') {
      if (this.#names.has(path)) throw diskError('EEXIST')
      this.#names.set(path, {
        data: Buffer.alloc(0),
        durable: Buffer.alloc(0),
        dropped: [],
        modifiedMs: Date.now(),
      })
    }
    return this.#file(path, this.#node(path))
  }

  async list(directory: string): Promise<DirectoryEntry[]> {
    const entries = new Map<string, DirectoryEntry>()
    for (const [paths, kind] of [
      [this.#names.keys(), 'file'],
      [this.#directories, 'directory'],
    ] as const) {
      for (const path of paths) {
        if (!path.startsWith(`${directory}/`)) continue
        const [name = '', ...deeper] = path.slice(directory.length + 1).split('/')
        entries.set(name, { name, kind: deeper.length > 0 ? 'directory' : kind })
      }
    }
    if (entries.size === 0 && !this.#directories.has(directory)) throw diskError('ENOENT')
    return [...entries.values()]
  }

  async makeDirectory(path: string): Promise<void> {
    this.#directories.add(path)
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#before('syncDirectory', path)
    for (const name of this.#durableNames.keys())
      if (name.startsWith(`${path}/`)) this.#durableNames.delete(name)
    for (const [name, node] of this.#names)
      if (name.startsWith(`${path}/`)) this.#durableNames.set(name, node)
  }

  async rename(source: string, target: string): Promise<void> {
    await this.#before('rename', source)
    this.#names.set(target, this.#node(source))
    this.#names.delete(source)
  }

  async unlink(path: string): Promise<void> {
    await this.#before('unlink', path)
    this.#node(path)
    this.#names.delete(path)
  }

  async stat(path: string): Promise<{ bytes: number; modifiedMs: number }> {
    const node = this.#node(path)
    return { bytes: node.data.length, modifiedMs: node.modifiedMs }
  }

  async freeBytes(): Promise<number> {
    return this.free
  }

  watch(): () => void {
    return () => undefined
  }

  #node(path: string): Node {
    const node = this.#names.get(path)
    if (node === undefined) throw diskError('ENOENT')
    return node
  }

  async #before(operation: Operation, path: string): Promise<number | undefined> {
    this.operations += 1
    return this.hook(operation, path)
  }

  #file(path: string, node: Node): SegmentFile {
    const sync = async (operation: 'sync' | 'datasync'): Promise<void> => {
      try {
        await this.#before(operation, path)
      } catch (error) {
        node.dropped.push([node.durable.length, node.data.length])
        throw error
      }
      node.durable = Buffer.from(node.data)
      for (const [start, end] of node.dropped)
        node.durable.fill(0, Math.min(start, node.durable.length), Math.min(end, node.durable.length))
    }
    return {
      read: async (target, position) => {
        await this.#before('read', path)
        return position >= node.data.length
          ? 0
          : node.data.copy(target, 0, position, position + target.length)
      },
      writev: async (buffers, position) => {
        // The bytes are taken when the write is made, as the system does it.
        const all = Buffer.concat([...buffers])
        const taken = (await this.#before('writev', path)) ?? all.length
        const data = Buffer.alloc(Math.max(node.data.length, position + taken))
        node.data.copy(data)
        all.copy(data, position, 0, taken)
        node.data = data
        node.modifiedMs = Date.now()
        return taken
      },
      datasync: () => sync('datasync'),
      sync: () => sync('sync'),
      truncate: async (bytes) => {
        await this.#before('truncate', path)
        node.data = Buffer.from(node.data.subarray(0, bytes))
      },
      bytes: async () => node.data.length,
      isLinked: () => this.#names.get(path) === node,
      close: async () => undefined,
    }
  }
}
