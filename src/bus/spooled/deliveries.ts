/**
 * All that delivers a folder's levels: one drain of the main level, one of what is parked, and before that one those of
 * what was adopted, one after the other.
 *
 * What the bus does not take is parked once it has been tried for `spoolParkMs`, or at once while something is parked
 * already and the bus takes other records: then it is known that the bus takes some and not others.
 */
import type { AppendOutcome, BusRecord } from '../bus.ts'
import { type Delivering, Drain, type Refused } from './drain.ts'
import type { Level } from './level.ts'
import { type Pacer, parkedPacer, sharedPacer } from './pacer.ts'
import { diskErrorOf } from './spool-errors.ts'
import type { SpoolFolder } from './spool-folder.ts'

export interface DeliveriesSettings {
  /** What every drain gets. The rest is of one level or of none: apart from this, so that it cannot come along. */
  readonly delivering: Delivering
  readonly folder: SpoolFolder
  readonly bytesPerSecond: number
  /** As the drain's, of the main level. */
  readonly handOver: (isNear: boolean) => void
  /** The main level is at its end for now. */
  readonly caughtUp: () => void
  /** A level is at its end, and records of it were not found there. */
  readonly missing: (level: Level) => void
  /** Records were parked from the main level, because the bus gave this reason; none when others of theirs were before. */
  readonly parked: (reason: string) => void
  /** Whether the bus says that all is well with it. */
  readonly isBusUp: () => boolean
}

export class Deliveries {
  readonly #settings: DeliveriesSettings
  readonly #pacer: Pacer
  readonly #main: Drain
  /** Of the parked or adopted level that is delivered now. */
  #side: Drain | undefined
  /** Of the target, while the disk has no room for what is to go behind it. */
  #relief: { readonly drain: Drain; readonly running: Promise<void> } | undefined
  #isStopped = false
  #wakeSide: () => void = () => undefined
  #running: Promise<unknown> = Promise.resolve()

  constructor(settings: DeliveriesSettings) {
    this.#settings = settings
    this.#pacer = sharedPacer(settings.bytesPerSecond)
    this.#main = this.#makeMain()
  }

  start(): void {
    this.#running = Promise.all([this.#main.run(), this.#runSide()])
  }

  /** Something was written to the main level. */
  wake(): void {
    this.#main.wake()
  }

  /** Settles when the appends under way have; the bus bounds that. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#main.stop()
    this.#side?.stop()
    this.#relief?.drain.stop()
    this.#wakeSide()
    await this.#running
  }

  #makeMain(): Drain {
    const { delivering, folder, handOver, parked } = this.#settings
    return new Drain({
      ...delivering,
      level: folder.main,
      deliveryBytes: folder.deliveryBytes,
      pacer: this.#pacer,
      isBehind: (key) => folder.isParked(key),
      park: async (records, reason) => {
        const outcome = await this.#parkFromMain(records)
        if (outcome === undefined) parked(reason)
        // Also when it came to nothing: a level may have been made for it.
        this.#wakeSide()
        this.#side?.wake()
        return outcome
      },
      mayPark: (refused) => this.#isStuck(refused),
      handOver,
      caughtUp: (end) => {
        this.#lookForMissing(folder.main, end)
        this.#settings.caughtUp()
        return false
      },
    })
  }

  #isStuck({ waitedMs, isAlive }: Refused): boolean {
    const { delivering, folder } = this.#settings
    return waitedMs >= delivering.pace.parkMs || (isAlive && folder.parkedRecords > 0)
  }

  async #runSide(): Promise<void> {
    const { folder, delivering } = this.#settings
    const { pace } = delivering
    for (let level = folder.adopted[0]; level !== undefined; level = folder.adopted[0]) {
      if (this.#isStopped) return
      await this.#runDrain(this.#makeAdopted(level))
    }
    let pauseMs = pace.retryMsMax
    while (!this.#isStopped) {
      const level = folder.source
      if (level === undefined) {
        await this.#pause(undefined)
        continue
      }
      const drain = this.#makeParked(level)
      await this.#runDrain(drain)
      // All that is parked was looked through. When none of it could be delivered, it will not be much later either.
      pauseMs = drain.deliveredCount > 0 ? pace.retryMsMax : pauseMs * 2
      pauseMs = Math.min(pauseMs, pace.parkedMsMax)
      await this.#pauseUnlessUp(pauseMs)
    }
  }

  async #runDrain(drain: Drain): Promise<void> {
    this.#side = drain
    await drain.run()
    this.#side = undefined
    // Its level may be the next that is delivered.
    const relief = this.#relief
    relief?.drain.stop()
    await relief?.running
  }

  #makeAdopted(level: Level): Drain {
    const { delivering, folder } = this.#settings
    return new Drain({
      ...delivering,
      level,
      deliveryBytes: folder.deliveryBytes,
      pacer: this.#pacer,
      isBehind: (key) => folder.isBelowSource(key),
      park: (records) => this.#parkFromSide(records),
      mayPark: (refused) => this.#isStuck(refused),
      caughtUp: (end) => this.#isAtEnd(level, end, () => folder.shiftAdopted()),
    })
  }

  #makeParked(level: Level): Drain {
    const { delivering, folder, bytesPerSecond } = this.#settings
    return new Drain({
      ...delivering,
      level,
      deliveryBytes: folder.deliveryBytes,
      pacer: parkedPacer(this.#pacer, bytesPerSecond),
      isBehind: (key) => folder.isBelowSource(key),
      park: (records) => this.#parkFromSide(records),
      // Where nothing else waits, it may as well wait here.
      mayPark: ({ isFollowed }) => isFollowed || (folder.target?.keys.records ?? 0) > 0,
      caughtUp: (end) => this.#isAtEnd(level, end, () => folder.shift()),
    })
  }

  /** At once with `shift`, nothing may come in between: what is parked afterwards goes to the level that follows. */
  #isAtEnd(level: Level, end: number, shift: () => void): boolean {
    if (!level.isIdle || level.spool.end !== end) return false
    this.#lookForMissing(level, end)
    shift()
    this.#settings.caughtUp()
    return true
  }

  #lookForMissing(level: Level, end: number): void {
    // While something is being written, or was since, what is missing may be that.
    if (level.isIdle && level.spool.end === end && level.keys.records > 0) this.#settings.missing(level)
  }

  #parkFromMain(records: readonly BusRecord[]): Promise<AppendOutcome> {
    const { folder } = this.#settings
    return this.#store(
      () => folder.source,
      () => folder.openSource(),
      records,
    )
  }

  async #parkFromSide(records: readonly BusRecord[]): Promise<AppendOutcome> {
    const { folder } = this.#settings
    const outcome = await this.#store(
      () => folder.target,
      () => folder.openTarget(),
      records,
    )
    if (outcome !== undefined && folder.target !== undefined) this.#relieve(folder.target)
    return outcome
  }

  /**
   * What waits to be moved behind the target cannot be, so the target is delivered: without that, a disk that is full of
   * what is parked would stay so for ever.
   */
  #relieve(target: Level): void {
    if (this.#relief !== undefined || this.#isStopped) return
    const { delivering, folder } = this.#settings
    const drain = new Drain({
      ...delivering,
      level: target,
      deliveryBytes: folder.deliveryBytes,
      pacer: this.#pacer,
      isBehind: () => false,
      park: () => Promise.resolve(undefined),
      mayPark: () => false,
      caughtUp: (end) => {
        this.#lookForMissing(target, end)
        return true
      },
    })
    const running = drain.run().finally(() => {
      this.#relief = undefined
    })
    this.#relief = { drain, running }
  }

  /** `find` makes sure that there is a level, which `found` then gives. */
  async #store(
    found: () => Level | undefined,
    find: () => Promise<Level>,
    records: readonly BusRecord[],
  ): Promise<AppendOutcome> {
    try {
      // Found and written to in one turn: in between the level could come to its end.
      let level = found()
      while (level === undefined) {
        await find()
        level = found()
      }
      return await level.store(records)
    } catch (error) {
      return diskErrorOf(this.#settings.folder.directory, error)
    }
  }

  /** Ended early when the bus says that all is well, of which it then takes everything. */
  async #pauseUnlessUp(ms: number): Promise<void> {
    const endMs = performance.now() + ms
    const { isBusUp, delivering } = this.#settings
    const wasUp = isBusUp()
    while (!this.#isStopped && performance.now() < endMs) {
      await this.#pause(Math.min(ms, delivering.pace.retryMsMax))
      if (isBusUp() && !wasUp) return
    }
  }

  /** For ever, when no time is given; ended early by a stop, and by what is parked when there is no time. */
  #pause(ms: number | undefined): Promise<void> {
    if (this.#isStopped) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms)
      this.#wakeSide = () => {
        if (ms !== undefined && !this.#isStopped) return
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
