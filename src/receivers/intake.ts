/**
 * What every receiver does the same way: asking the bus and the rules before a body is read, handing stamped records to
 * the batcher, and keeping the books. What a body means and how it is answered is each receiver's own.
 */
import type { Bus, Encoding, Topic } from '../bus/bus.ts'
import { type GuidepostError, permanent, reasonOf, retryable } from '../errors.ts'
import type { Batcher, Destination } from '../route/batcher.ts'
import type { RecordSource, RecordsTogether } from '../route/record-source.ts'
import type { Claim, Link, Shares, Shortage } from '../route/shares.ts'
import type { Submission } from '../route/submission.ts'
import { type Guid, isGuid } from '../stamp/guid.ts'
import type { GuidRules, RequestGuid, Sender } from '../stamp/guid-rules.ts'
import { cutRecord, type Stamped, type Stamping } from '../stamp/stamp.ts'
import type { Signal } from '../telemetry/ledger.ts'
import type { Metrics, RequestCounts } from '../telemetry/metrics.ts'
import { shortageError } from '../transport/body.ts'
import type { Kernel } from '../wire/kernel.ts'

/** Items whose guid was not found are counted under this. */
const UNKNOWN = ''

/** What the gateway gives to each of its receivers. */
export interface IntakeOptions {
  readonly kernel: Kernel
  readonly bus: Bus
  readonly batcher: Batcher
  readonly shares: Shares
  /** Whether the event loop is too far behind for new requests. Undefined: never. */
  readonly isLagging?: () => boolean
  readonly metrics: Metrics
  /** A refusal for the log; equal keys are throttled. */
  readonly told: (key: string, fields: object, message: string) => void
  /** What an operator should know that is about no sender. */
  readonly noted: (level: 'info' | 'warn', fields: object, message: string) => void
  /** Something broke that no sender can be blamed for. */
  readonly failed: (error: unknown) => void
}

export class Intake {
  /** The label of the receiver in metrics and log lines. */
  readonly receiver: string
  readonly kernel: Kernel
  readonly #options: IntakeOptions
  readonly #requests: RequestCounts

  constructor(receiver: string, options: IntakeOptions) {
    this.receiver = receiver
    this.kernel = options.kernel
    this.#options = options
    this.#requests = options.metrics.requests(receiver)
  }

  /** Bytes at which records are closed. */
  get recordBytes(): number {
    return this.#options.batcher.recordBytes
  }

  /** Why no request can succeed now, if so: asked before a body is read. */
  closed(): GuidepostError | undefined {
    if (this.#options.isLagging?.()) {
      return retryable('GP_LAGGING', 'the gateway has more to do than its CPU allows; try again')
    }
    const { up, reason } = this.#options.bus.health()
    return up ? undefined : retryable('GP_BUS_UNAVAILABLE', `the bus is down: ${reason}`)
  }

  /** Whether so many bytes of records would be taken now, for what has no body. */
  fits(bytes: number): boolean {
    return this.closed() === undefined && this.#options.shares.hasRoom(bytes)
  }

  /** The other end of what has no connections. */
  connect(address: string): Link {
    return this.#options.shares.connect(address)
  }

  /** The books of one request. */
  claim({ link, connection }: { readonly link: Link; readonly connection: number }): Claim {
    return this.#options.shares.open(link, this.receiver, connection)
  }

  /** The request's own guid by the rules; a path that names a guid to rules that do not look there is refused. */
  requestGuid(rules: GuidRules, sender: Sender): RequestGuid | GuidepostError {
    if (sender.pathGuid !== undefined) {
      if (!rules.usesPath) {
        return permanent('GP_PATH', 'paths under /t/ are off: this receiver has no `path` in guid.from')
      }
      if (!isGuid(sender.pathGuid))
        return permanent('GP_PATH', 'the path after /t/ does not name a valid guid')
    }
    return rules.request(sender)
  }

  /** Body bytes as they arrived, before inflating. */
  receivedBytes(bytes: number): void {
    this.#requests.received(bytes)
  }

  /** One answered request, by the status of its protocol. */
  answered(code: number, startedMs: number): void {
    this.#requests.answered(code, (performance.now() - startedMs) / 1e3)
  }

  /** Counts and logs the refusal of a whole request, and gives it back for the answer. `peer`: as of `Sender`. */
  refuse(error: GuidepostError, peer: string, reason = reasonOf(error)): GuidepostError {
    this.#options.metrics.refusedRequest(this.receiver, reason)
    this.tell(reason, error, peer)
    return error
  }

  /** What a sender is told when something broke here: to try again, since it would drop the data for a fault of ours. */
  broke(error: unknown, peer: string): GuidepostError {
    return this.refuse(this.fault(error), peer)
  }

  /** The same, for who counts the refusal later. */
  fault(error: unknown): GuidepostError {
    this.#options.failed(error)
    return retryable('GP_INTERNAL', 'the gateway failed; see its log, and try again', error)
  }

  /** Logs what a sender is told, with its address where that is known. */
  tell(key: string, error: GuidepostError, peer: string): void {
    const { receiver } = this
    this.#options.told(
      `${receiver} ${key}`,
      { receiver, code: error.code, ...(peer !== '' && { peer }) },
      error.message,
    )
  }

  /** Where records of one kind go. */
  destination(topic: Topic, encoding: Encoding, joins: boolean, stamping: Stamping): Destination {
    return {
      topic,
      encoding,
      joins,
      cut: (owner, value, bytesMax) => cutRecord(this.kernel, stamping, owner as Guid, value, bytesMax),
    }
  }

  /**
   * Hands the records over and counts one side of the books; the batcher counts the other when the fate of the records is
   * known. Records of the kernel are copied at once: to be called in the turn in which they were written.
   */
  submit(
    signal: Signal,
    destination: Destination,
    source: StampedSource,
    claim: Claim,
    receivedAtMs: number,
    peer: string,
  ): Submission | GuidepostError {
    const { batcher, metrics } = this.#options
    let bytes = 0
    for (const record of source.records) bytes += record.bytes
    if (!claim.wait(bytes)) return this.#refuseShortage('over_share', claim, peer)
    let submission: Submission | Shortage | undefined
    try {
      submission = batcher.submit(destination, source, claim.connection, receivedAtMs)
    } finally {
      // A fault of ours may not keep what its sender may have in flight.
      if (typeof submission !== 'object') claim.settled(bytes)
    }
    if (typeof submission === 'string') return this.#refuseShortage(submission, claim, peer)
    submission.holdUntilSettled(claim, bytes)
    for (const { owner, items } of source.records) owner.received.value += items
    for (const { reason, count, owner } of source.refused) {
      const books = owner ?? metrics.ledger.account(this.receiver, signal, UNKNOWN)
      books.received.value += count
      books.rejected(reason).value += count
    }
    return submission
  }

  #refuseShortage(shortage: Shortage, { bytesMax }: Claim, peer: string): GuidepostError {
    return this.refuse(shortageError(shortage, bytesMax), peer)
  }
}

export interface RefusedItems {
  readonly reason: string
  readonly count: number
  /** Whose they are, when that is known. */
  readonly owner?: Guid
}

/** Records for the batcher, and what of their request was refused. */
export interface StampedSource extends RecordSource {
  readonly records: readonly { readonly owner: Guid; readonly bytes: number; readonly items: number }[]
  readonly refused: readonly RefusedItems[]
}

interface KernelRecord {
  readonly owner: Guid
  readonly bytes: number
  readonly items: number
  /** Where it lies in the kernel's memory. */
  readonly at: number
}

/** The stamped records while the kernel holds them. */
export class KernelRecords implements StampedSource {
  readonly records: readonly KernelRecord[]
  readonly refused: Stamped['refused']
  readonly #kernel: Kernel

  constructor(kernel: Kernel, stamped: Stamped) {
    this.#kernel = kernel
    this.refused = stamped.refused
    const records = new Array<KernelRecord>(stamped.recordCount)
    for (let i = 0; i < stamped.recordCount; i++) {
      const { slot, bytes, items, at } = kernel.part(i)
      records[i] = { owner: stamped.guids[slot]!, bytes, items, at }
    }
    this.records = records
  }

  copy(i: number, target: Buffer, targetAt: number): void {
    this.#kernel.copyPart(i, target, targetAt)
  }

  /** Written one behind the other they are close to each other; those that were cut may lie elsewhere. */
  get all(): RecordsTogether | undefined {
    const { records } = this
    const from = records[0]?.at ?? 0
    let end = from
    let between = 0
    for (const { at, bytes } of records) {
      if (at < end) return undefined
      between += at - end
      end = at + bytes
    }
    if (between > records.length * BETWEEN_BYTES_MAX) return undefined
    return {
      bytes: end - from,
      at: (i) => records[i]!.at - from,
      copy: (target) => this.#kernel.copyRange(from, end - from, target),
    }
  }
}

/** The kernel leaves room behind a record that it writes, for copies that go a little too far. */
const BETWEEN_BYTES_MAX = 64
