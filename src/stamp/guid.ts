/**
 * A guid as the stamps need it: its bytes in each form that is spliced into a payload, rendered once and kept, and its
 * cells in the ledger. One table for each receiver.
 */
import { limits } from '../limits.ts'
import type { Account, Cell, Ledger, Signal } from '../telemetry/ledger.ts'

/** Design: `[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?`. The kernel's `isGuid` is the same rule over bytes. */
const guidPattern = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/

export function isGuid(text: string): boolean {
  return text.length <= limits.guidBytesMax && guidPattern.test(text)
}

export class Guid {
  readonly text: string
  /** The label or attribute under which it is stamped. */
  readonly name: string
  readonly receiver: string
  readonly received: Cell
  readonly published: Cell
  readonly deadLettered: Cell
  /** Its slot in the request at hand, valid when `slotRequest` is that request's number. */
  slot = 0
  slotRequest = 0
  /** Bytes of its records that wait for the bus; the batcher's. */
  inflightBytes = 0
  readonly #account: Account
  #bytes: Buffer | undefined

  constructor(text: string, { name, receiver, signal, ledger }: GuidTableOptions) {
    this.text = text
    this.name = name
    this.receiver = receiver
    this.#account = ledger.account(receiver, signal, text)
    this.received = this.#account.received
    this.published = this.#account.published
    this.deadLettered = this.#account.deadLettered
  }

  get bytes(): Buffer {
    this.#bytes ??= Buffer.from(this.text)
    return this.#bytes
  }

  /** Items given back to their senders, by reason. */
  rejected(reason: string): Cell {
    return this.#account.rejected(reason)
  }
}

export interface GuidTableOptions {
  /** The label or attribute that is stamped. */
  readonly name: string
  readonly receiver: string
  readonly signal: Signal
  readonly ledger: Ledger
}

export class GuidTable {
  readonly #guids = new Map<string, Guid>()
  readonly #options: GuidTableOptions

  constructor(options: GuidTableOptions) {
    this.#options = options
  }

  /** The prepared guid; `text` was checked with `isGuid`. */
  get(text: string): Guid {
    const known = this.#guids.get(text)
    if (known !== undefined) return known
    // Senders choose these texts, so the table is bounded; what is still in flight keeps its own reference.
    if (this.#guids.size >= limits.guidsCachedMax) this.#guids.clear()
    const guid = new Guid(text, this.#options)
    this.#guids.set(text, guid)
    return guid
  }
}
