/**
 * The folder of a worker's spool, and the spools in it. Each of them is a level; deeper means older:
 *
 *   <directory>/worker-<n>            what arrives is written here, and nowhere else
 *   <directory>/worker-<n>/parked-<m> what the bus did not take although it took others
 *   <directory>/worker-<j>            of a worker that there is no more: adopted, delivered, and removed
 *
 * Records of a key in a deeper level are older than those in one above it, so a record goes to the bus only from the
 * deepest level that holds its key; otherwise it is written to a deeper one, behind them. There are two parked levels at
 * most. The source takes what is parked; the target takes what the source still cannot deliver. Once the source is at its
 * end, the target is the source: so all that is parked is tried in turn, and nothing waits for ever behind a record that
 * cannot be delivered. `parked-` is followed by a number that rises with the depth, by which a later run knows the order.
 *
 * Each move is synced before the cursor that passes over the moved record is written. A crash between the two leaves it
 * in both: it is delivered twice, with one batch id, and behind the older ones both times.
 */
import { join } from 'node:path'
import type { WorkerPlace } from '../../config/workers.ts'
import { GuidepostError } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { OnSegmentEvent } from '../../segment/events.ts'
import { type FileSystem, fileErrorCode } from '../../segment/file-system.ts'
import { SpoolKeys } from '../../spool/keys.ts'
import { parkedIn, parkedName, workerName, workersIn } from '../../spool/layout.ts'
import { Spool, type SpoolSettings } from '../../spool/spool.ts'
import { Level } from './level.ts'

export interface SpoolFolderSettings {
  /** Of all workers. Absolute. */
  readonly directory: string
  readonly worker: WorkerPlace
  /** Of all levels. Over it nothing that arrives is taken; a part of it is kept free for moves between levels. */
  readonly bytesMax: number
  readonly diskReserveBytes: number
  readonly segmentBytes: number
  readonly stallMs: number
  readonly onEvent: OnSegmentEvent
  readonly onCursorProblem: (text: string) => void
  /** A folder that no worker has any more could not be opened; it stays as it is. */
  readonly onNotAdopted: (directory: string, reason: string) => void
  readonly fs: FileSystem
}

type Bounds = Pick<SpoolFolderSettings, 'bytesMax' | 'segmentBytes'>

function segmentBytesOf({ bytesMax, segmentBytes }: Bounds): number {
  return Math.min(segmentBytes, Math.ceil(bytesMax / limits.spoolSegmentsMin))
}

/** Bytes of the bound that are kept free for moves between levels: what arrives is refused before they are used. */
export function bytesKeptOf(bounds: Bounds): number {
  return limits.spoolSegmentsKept * segmentBytesOf(bounds)
}

export class SpoolFolder {
  readonly #settings: SpoolFolderSettings
  readonly #fs: FileSystem
  #main!: Level
  /** The source, and the target if there is one. */
  #parked: Level[] = []
  #parkedNumber = 0
  #parking: Promise<unknown> = Promise.resolve()
  /** In the order in which they are to be delivered. */
  #adopted: Level[] = []
  /** What is being removed still counts. */
  readonly #all = new Set<Level>()

  private constructor(settings: SpoolFolderSettings) {
    this.#settings = settings
    this.#fs = settings.fs
  }

  /** Throws as `Spool.open`, of the folder of this worker. */
  static async open(settings: SpoolFolderSettings): Promise<SpoolFolder> {
    const folder = new SpoolFolder(settings)
    try {
      await folder.#open()
    } catch (error) {
      await folder.close(0)
      throw error
    }
    return folder
  }

  get directory(): string {
    return this.#main.spool.directory
  }

  /** What arrives goes here. */
  get main(): Level {
    return this.#main
  }

  /** What is read at once to be delivered: moved as a whole, it is to fit a segment. */
  get deliveryBytes(): number {
    return Math.min(limits.spoolDeliveryBytes, this.#segmentBytes)
  }

  get levels(): Iterable<Level> {
    return this.#all
  }

  get bytes(): number {
    let bytes = 0
    for (const level of this.#all) bytes += level.spool.bytes
    return bytes
  }

  /** Records that are not delivered yet. */
  get records(): number {
    let records = this.#main.keys.records
    for (const level of this.#parked) records += level.keys.records
    for (const level of this.#adopted) records += level.keys.records
    return records
  }

  get parkedRecords(): number {
    let records = 0
    for (const level of this.#parked) records += level.keys.records
    return records
  }

  get parkedItems(): number {
    let items = 0
    for (const level of this.#parked) items += level.keys.items
    return items
  }

  /** Adopted levels that are not delivered yet, the first to be delivered first. */
  get adopted(): readonly Level[] {
    return this.#adopted
  }

  /** The parked level that is delivered next, where the main level parks. */
  get source(): Level | undefined {
    return this.#parked[0]
  }

  /** Where the source, and adopted levels, park. */
  get target(): Level | undefined {
    return this.#parked[1]
  }

  /** Whether a record of this key is not delivered yet. */
  has(key: string): boolean {
    return this.#main.keys.has(key) || this.isParked(key)
  }

  /** Whether a level below the main one holds records of this key. */
  isParked(key: string): boolean {
    return this.#parked.some(({ keys }) => keys.has(key)) || this.#adopted.some(({ keys }) => keys.has(key))
  }

  /** Whether a parked level below the source holds records of this key. */
  isBelowSource(key: string): boolean {
    // After a crash there may be one more than the target.
    return this.#parked.some(({ keys }, index) => index > 0 && keys.has(key))
  }

  /** Whether one more record of this key can be remembered. */
  fits(key: string, keysMax: number): boolean {
    let size = 0
    for (const { keys } of this.#all) size += keys.size
    return size < keysMax || this.has(key)
  }

  /** Makes a source when there is none. Throws file system errors. */
  openSource(): Promise<Level> {
    return this.#openParked(0)
  }

  /** Makes a target when there is none. Throws file system errors. */
  async openTarget(): Promise<Level> {
    await this.openSource()
    return await this.#openParked(1)
  }

  /** The source is at its end: the target, if any, takes its place at once. Its files are removed later. */
  shift(): void {
    const level = this.#parked.shift()
    if (level !== undefined) void this.#remove(level)
  }

  /** The first adopted level is at its end: its files are removed. */
  shiftAdopted(): void {
    const level = this.#adopted.shift()
    if (level !== undefined) void this.#remove(level)
  }

  /** False when a write still hangs. What is in the spools stays there. */
  async close(deadlineMs: number): Promise<boolean> {
    let isFinished = true
    // Those in a folder before the one that has its lock.
    for (const { spool } of [...this.#all].reverse()) {
      if (!(await spool.close(deadlineMs))) isFinished = false
    }
    return isFinished
  }

  async #open(): Promise<void> {
    const { directory, worker } = this.#settings
    const own = join(directory, workerName(worker.number))
    this.#main = await this.#level(own, { bytesKept: bytesKeptOf(this.#settings) })
    for (const number of await parkedIn(this.#fs, own)) {
      this.#parkedNumber = number
      this.#parked.push(await this.#parkedLevel(own, number, this.#main.spool))
    }
    for (const orphan of await this.#orphans()) await this.#adopt(orphan)
  }

  /** Opens a folder and, behind it, what is parked in it. */
  async #adopt(directory: string): Promise<void> {
    const levels: Level[] = []
    try {
      const main = await this.#level(directory, {})
      levels.push(main)
      for (const number of await parkedIn(this.#fs, directory)) {
        levels.push(await this.#parkedLevel(directory, number, main.spool))
      }
      // The deepest are the oldest.
      this.#adopted.push(...levels.reverse())
    } catch (error) {
      const reason = error instanceof GuidepostError ? error.message : fileErrorCode(error)
      this.#settings.onNotAdopted(directory, reason)
      for (const level of levels.reverse()) {
        this.#all.delete(level)
        await level.spool.close(limits.logPollMs)
      }
    }
  }

  /** One after the other: two that were made at once could come out in another order than their numbers. */
  #openParked(index: 0 | 1): Promise<Level> {
    const opening = this.#parking.then(() => this.#parked[index] ?? this.#park())
    this.#parking = opening.catch(() => undefined)
    return opening
  }

  async #park(): Promise<Level> {
    const { spool } = this.#main
    const level = await this.#parkedLevel(spool.directory, ++this.#parkedNumber, spool)
    this.#parked.push(level)
    return level
  }

  #parkedLevel(directory: string, number: number, within: Spool): Promise<Level> {
    const name = parkedName(number)
    // A move gives back what it takes, a segment later: it is not what a full spool or disk has to be kept from.
    const bounds = {
      bytesMax: Number.POSITIVE_INFINITY,
      diskReserveBytes: this.#settings.diskReserveBytes * limits.spoolParkedReserve,
    }
    const quarantine = { directory, prefix: `${name}-` }
    return this.#level(join(directory, name), { ...bounds, within, quarantine })
  }

  async #level(directory: string, more: Partial<SpoolSettings>): Promise<Level> {
    const { bytesMax, diskReserveBytes, stallMs, onEvent, onCursorProblem, fs } = this.#settings
    const otherBytes = (): number => {
      let bytes = 0
      for (const { spool } of this.#all) if (spool.directory !== directory) bytes += spool.bytes
      return bytes
    }
    const bounds = { bytesMax, diskReserveBytes, segmentBytes: this.#segmentBytes, stallMs, otherBytes }
    const spool = await Spool.open({ directory, ...bounds, onEvent, onCursorProblem, fs, ...more })
    const level = new Level(spool, new SpoolKeys())
    this.#all.add(level)
    return level
  }

  /** Smaller for a small spool: a segment is removed as a whole, and until then it counts. */
  get #segmentBytes(): number {
    return segmentBytesOf(this.#settings)
  }

  async #remove(level: Level): Promise<void> {
    const { spool } = level
    // A file that could not be removed is known to be delivered by the cursor alone.
    const { isEmpty } = spool
    try {
      if ((await spool.close(limits.logPollMs)) && isEmpty) await spool.removeFolder()
    } catch {
      // A later run finds it empty, and tries again.
    }
    this.#all.delete(level)
  }

  /** Folders of workers that there are no more, and are this one's to adopt. */
  async #orphans(): Promise<string[]> {
    const { directory, worker } = this.#settings
    const numbers = await workersIn(this.#fs, directory)
    return numbers
      .filter((number) => number > worker.count && ((number - 1) % worker.count) + 1 === worker.number)
      .map((number) => join(directory, workerName(number)))
  }
}
