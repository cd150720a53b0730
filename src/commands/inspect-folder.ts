/**
 * Walks what `inspect` is given: the folder of a log with its topics, the folder of a spool with one folder for each
 * worker, or any one of these by itself. A spool within a spool's folder is one of its own, with its path as its name.
 */
import { basename, dirname, join } from 'node:path'
import { placeOfSpooled } from '../bus/spooled/spooled-record.ts'
import { type LockSeen, lockName, lookAtLock } from '../segment/directory-lock.ts'
import { type DirectoryEntry, type FileSystem, nodeFileSystem } from '../segment/file-system.ts'
import { parseSegmentName, quarantineFolder } from '../segment/format.ts'
import { type Inspected, inspectSegments } from '../segment/inspect.ts'
import { SegmentReader } from '../segment/reader.ts'
import { cursorName } from '../spool/cursor.ts'
import { inspectSpool, type SpoolReport } from '../spool/inspect.ts'
import { isWorkerName } from '../spool/layout.ts'

/** Who writes to a folder, or did until he was killed. Comes before what is in it. */
export interface LockFound extends LockSeen {
  readonly kind: 'lock'
  readonly directory: string
}

export type Found = Inspected | SpoolReport | LockFound

/** A folder of segments. */
interface Store {
  readonly kind: 'topic' | 'spool'
  readonly name: string
  readonly directory: string
  /** The folder with the lock that guards it. */
  readonly lockDirectory: string
}

interface Folder {
  readonly name: string
  readonly directory: string
  readonly entries: readonly DirectoryEntry[]
}

/** The file system's error when `directory` cannot be listed; what is wrong inside is a finding. */
export async function* inspectFolder(
  directory: string,
  fs: FileSystem = nodeFileSystem,
): AsyncGenerator<Found> {
  const stores = await storesIn(directory, fs)
  // The locks of processes are on the machine's own file system, whatever is read here.
  const locked = fs === nodeFileSystem ? new Set(stores.map((store) => store.lockDirectory)) : []
  for (const place of locked) {
    const seen = await lookAtLock(place)
    if (seen !== undefined) yield { kind: 'lock', directory: place, ...seen }
  }
  for (const store of stores) yield* inspectStore(store, stores, fs)
}

/** The folders that a writer of anything in `directory` must lock. */
export async function lockDirectoriesIn(directory: string): Promise<string[]> {
  const stores = await storesIn(directory, nodeFileSystem)
  return [...new Set(stores.map((store) => store.lockDirectory))]
}

function inspectStore(store: Store, all: readonly Store[], fs: FileSystem): AsyncGenerator<Found> {
  const { kind, name, directory } = store
  if (kind === 'topic') return inspectSegments(name, directory, fs)
  const within = all.filter((other) => dirname(other.directory) === directory)
  const names = new Set(within.map((other) => basename(other.directory)))
  const isKnown = (entry: string): boolean => names.has(entry)
  return inspectSpool({ name, directory, fs, placeOf: placeOfSpooled, isKnown })
}

async function storesIn(directory: string, fs: FileSystem): Promise<Store[]> {
  const root: Folder = { name: basename(directory), directory, entries: await fs.list(directory) }
  if (await isSpool(root, fs)) return spoolWithThoseIn(root, fs)
  if (holdsSegments(root)) {
    return [{ kind: 'topic', name: root.name, directory, lockDirectory: dirname(directory) }]
  }
  const stores: Store[] = []
  for (const folder of await foldersIn(root, fs)) {
    if (await isSpool(folder, fs)) stores.push(...(await spoolWithThoseIn(folder, fs)))
    else {
      const spools = holdsSegments(folder) ? [] : await spoolsIn(folder, fs)
      if (spools.length > 0) stores.push(...spools)
      else stores.push({ ...folder, kind: 'topic', lockDirectory: directory })
    }
  }
  return stores
}

/** A spool, and those within its folder. */
async function spoolWithThoseIn(folder: Folder, fs: FileSystem): Promise<Store[]> {
  const { name, directory } = folder
  return [{ kind: 'spool', name, directory, lockDirectory: directory }, ...(await spoolsIn(folder, fs))]
}

async function spoolsIn(folder: Folder, fs: FileSystem): Promise<Store[]> {
  const stores: Store[] = []
  for (const within of await foldersIn(folder, fs)) {
    const named = { ...within, name: `${folder.name}/${within.name}` }
    if (await isSpool(named, fs)) stores.push(...(await spoolWithThoseIn(named, fs)))
  }
  return stores
}

async function foldersIn(folder: Folder, fs: FileSystem): Promise<Folder[]> {
  const names = folder.entries
    .filter(({ kind, name }) => kind === 'directory' && name !== quarantineFolder)
    .map(({ name }) => name)
    .sort()
  const folders: Folder[] = []
  for (const name of names) {
    const directory = join(folder.directory, name)
    // One that cannot be listed is inspected like a topic, which says so.
    folders.push({ name, directory, entries: await fs.list(directory).catch(() => []) })
  }
  return folders
}

function holdsSegments({ entries }: Folder): boolean {
  return entries.some(({ kind, name }) => kind === 'file' && parseSegmentName(name) !== undefined)
}

/** By its name, its files, or else by the first record in it. */
async function isSpool(folder: Folder, fs: FileSystem): Promise<boolean> {
  const hasFile = (wanted: string): boolean =>
    folder.entries.some(({ kind, name }) => kind === 'file' && name === wanted)
  if (hasFile(cursorName) || isWorkerName(basename(folder.directory))) return true
  if (!holdsSegments(folder)) return false
  // The lock of a log is beside its topics.
  if (hasFile(lockName)) return true
  const reader = new SegmentReader({ fs, directory: folder.directory, onEvent: () => undefined })
  try {
    const first = await reader.next()
    return first !== undefined && placeOfSpooled(first) !== undefined
  } catch {
    return false
  } finally {
    await reader.close()
  }
}
