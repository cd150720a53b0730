/**
 * A record in the making: items of one guid, from one request or from several that came within the linger.
 */
import type { Encoding } from '../bus/bus.ts'
import type { GuidepostError } from '../errors.ts'
import type { Cell } from '../telemetry/ledger.ts'
import type { Submission } from './submission.ts'

/** Whose items they are. The stamp's `Guid` is one. */
export interface Owner {
  readonly text: string
  /** Which receiver's books they are in. */
  readonly receiver: string
  readonly published: Cell
  readonly deadLettered: Cell
  /** Bytes of its records that wait for the bus. */
  inflightBytes: number
  /** Items given back to their senders, by the code of the failure. */
  rejected(reason: string): Cell
}

export class Batch {
  readonly owner: Owner
  readonly encoding: Encoding
  readonly lane: number
  readonly receivedAtMs: number
  /** Taken from the pool; its first `bytes` bytes are the record's value. */
  buffer: Buffer
  bytes = 0
  items = 0
  readonly #submissions: Submission[]

  /** For items of `first`, which `add` then puts in. */
  constructor(
    owner: Owner,
    encoding: Encoding,
    lane: number,
    buffer: Buffer,
    receivedAtMs: number,
    first: Submission,
  ) {
    this.owner = owner
    this.encoding = encoding
    this.lane = lane
    this.buffer = buffer
    this.receivedAtMs = receivedAtMs
    // Not pushed: a request of 100,000 guids makes as many batches, and most never get a second submission.
    this.#submissions = [first]
    first.join()
  }

  add(submission: Submission, bytes: number, items: number): void {
    this.bytes += bytes
    this.items += items
    if (this.#submissions.at(-1) !== submission) {
      submission.join()
      this.#submissions.push(submission)
    }
  }

  settle(failure: GuidepostError | undefined): void {
    for (const submission of this.#submissions) submission.leave(failure)
  }
}
