/** One spool, and of which keys it holds records. The levels of a folder are told apart in spool-folder.ts. */
import type { SpoolKeys } from '../../spool/keys.ts'
import type { Spool } from '../../spool/spool.ts'
import type { AppendOutcome, BusRecord } from '../bus.ts'
import { accountOf, keyOf, toSegmentRecord } from './spooled-record.ts'

export class Level {
  readonly spool: Spool
  readonly keys: SpoolKeys
  /** The offset from which on records are of this run; see `toBusRecord`. */
  readonly ownFrom: number
  #storing = 0
  #idle: (() => void)[] = []

  constructor(spool: Spool, keys: SpoolKeys) {
    this.spool = spool
    this.keys = keys
    this.ownFrom = spool.end
  }

  /** Whether nothing is being written that is not durable yet. */
  get isIdle(): boolean {
    return this.#storing === 0
  }

  /**
   * Puts records into the spool's queue before it returns, all of them or none; settles when they are durable. Their keys
   * are held from the call on, and are given back when it comes to nothing. `queued` as of `Spool.append`. Never rejects.
   */
  async store(
    records: readonly BusRecord[],
    queued?: Parameters<Spool['append']>[1],
  ): Promise<AppendOutcome> {
    for (const record of records) this.entered(record)
    this.#storing += 1
    const outcome = await this.spool.append(records.map(toSegmentRecord), queued)
    this.#storing -= 1
    if (outcome !== undefined) for (const record of records) this.left(record)
    if (this.#storing === 0) for (const resolve of this.#idle.splice(0)) resolve()
    return outcome
  }

  /** A record is in it, or is about to be. */
  entered(record: BusRecord): void {
    this.keys.add(keyOf(record), accountOf(record), record.items)
  }

  /** A record is on the bus, or durable elsewhere. */
  left(record: BusRecord): void {
    this.keys.remove(keyOf(record), accountOf(record), record.items)
  }

  /** Settles when nothing is being written. */
  async settled(): Promise<void> {
    while (this.#storing > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }
}
