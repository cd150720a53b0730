/**
 * A record in the making: items of one guid, from one request or from several that came within the linger. It is what the
 * bus gets, so that a record among thousands is one object. Its value lies in one piece or in several, one behind the
 * other, in memory that it may share.
 */
import type { BusRecord, Encoding, Topic } from '../bus/bus.ts'
import type { GuidepostError } from '../errors.ts'
import type { Cell } from '../telemetry/ledger.ts'
import type { Arena } from './arena.ts'
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

/** Where a request's records go. */
export interface Destination {
  readonly topic: Topic
  readonly encoding: Encoding
  /** True when records joined end to end are one valid message. */
  readonly joins: boolean
  /** Cuts a value into smaller ones of about `bytesMax`; one or none when it cannot be cut. */
  cut(owner: Owner, value: Buffer, bytesMax: number): { value: Buffer; items: number }[]
}

/** Bytes of a value behind those of the batch's first piece. */
export interface Piece {
  readonly arena: Arena
  readonly at: number
  readonly bytes: number
  /** The request that it is of. */
  readonly submission: Submission
  next: Piece | undefined
}

/** Makes the ids of one process's records: a prefix that is drawn once, and a count. */
export interface BatchIds {
  readonly prefix: string
  last: number
}

export class Batch implements BusRecord {
  readonly destination: Destination
  readonly owner: Owner
  readonly sender: number
  readonly receivedAtMs: number
  items = 0
  valueBytes = 0
  /** The first piece; `firstBytes` bytes from `at` on. */
  arena: Arena
  readonly at: number
  firstBytes = 0
  more: Piece | undefined
  /** What its owner has on the books for it, and the budget beside whole arenas. */
  ownerBytes = 0
  heldBytes = 0
  #last: Piece | undefined
  #value: Buffer | undefined
  readonly batchNumber: number
  readonly #ids: BatchIds
  readonly #first: Submission
  #others: Submission[] | undefined

  /** For items of `first`, which `add` then puts in. */
  constructor(
    destination: Destination,
    owner: Owner,
    sender: number,
    receivedAtMs: number,
    ids: BatchIds,
    first: Submission,
    arena: Arena,
    at: number,
  ) {
    this.destination = destination
    this.owner = owner
    this.sender = sender
    this.receivedAtMs = receivedAtMs
    this.#ids = ids
    this.batchNumber = ++ids.last
    this.#first = first
    this.arena = arena
    this.at = at
    first.join()
  }

  get topic(): Topic {
    return this.destination.topic
  }

  get encoding(): Encoding {
    return this.destination.encoding
  }

  get guid(): string {
    return this.owner.text
  }

  get receiver(): string {
    return this.owner.receiver
  }

  get batchId(): string {
    return `${this.batchPrefix}${this.batchNumber}`
  }

  get batchPrefix(): string {
    return this.#ids.prefix
  }

  /** One piece, which is a copy when there are several. Only once nothing is added any more. */
  get value(): Buffer {
    this.#value ??= this.#makeValue()
    return this.#value
  }

  copyValue(target: Buffer, targetAt: number): void {
    this.arena.buffer.copy(target, targetAt, this.at, this.at + this.firstBytes)
    let to = targetAt + this.firstBytes
    for (let piece = this.more; piece !== undefined; piece = piece.next) {
      piece.arena.buffer.copy(target, to, piece.at, piece.at + piece.bytes)
      to += piece.bytes
    }
  }

  /** Notes bytes that are in its first piece. */
  add(submission: Submission, bytes: number, items: number): void {
    this.firstBytes += bytes
    this.valueBytes += bytes
    this.items += items
    const last = this.#others === undefined ? this.#first : this.#others.at(-1)
    if (last === submission) return
    submission.join()
    if (this.#others === undefined) this.#others = [submission]
    else this.#others.push(submission)
  }

  addPiece(submission: Submission, arena: Arena, at: number, bytes: number, items: number): void {
    const piece: Piece = { arena, at, bytes, submission, next: undefined }
    if (this.#last === undefined) this.more = piece
    else this.#last.next = piece
    this.#last = piece
    this.valueBytes += bytes
    this.items += items
    submission.join()
  }

  /** The record without the batch, for what is made of it. */
  plain(): BusRecord {
    const { topic, guid, receiver, encoding, items, batchId, receivedAtMs, sender, value } = this
    return { topic, guid, receiver, encoding, items, batchId, receivedAtMs, sender, value }
  }

  settle(failure: GuidepostError | undefined): void {
    this.#first.leave(failure)
    if (this.#others !== undefined) for (const submission of this.#others) submission.leave(failure)
    for (let piece = this.more; piece !== undefined; piece = piece.next) piece.submission.leave(failure)
  }

  #makeValue(): Buffer {
    const { buffer } = this.arena
    if (this.more === undefined) {
      return this.firstBytes === buffer.length ? buffer : buffer.subarray(this.at, this.at + this.firstBytes)
    }
    const value = Buffer.allocUnsafe(this.valueBytes)
    this.copyValue(value, 0)
    return value
  }
}
