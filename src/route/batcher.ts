/**
 * Gathers the records of requests into batches and hands them to the bus.
 *
 * Records whose encoding allows it (joined end to end they are one valid message) wait up to `lingerMs` for company of
 * the same guid; when nobody came while the last few waited, and the bus has nothing to do, the next ones do not. Others
 * go at once, and whatever is ready in one turn of the event loop shares one append. Each batch's
 * bytes are charged to the budget until its fate is known. A record that the bus finds too large is cut at item
 * boundaries; a single item that is still too large goes to the dead letters.
 */
import { randomBytes } from 'node:crypto'
import type { AppendOptions, AppendOutcome, Bus, BusRecord } from '../bus/bus.ts'
import { type GuidepostError, reasonOf, retryable } from '../errors.ts'
import { KiB, limits } from '../limits.ts'
import { Arena } from './arena.ts'
import { Batch, type BatchIds, type Destination, type Owner } from './batch.ts'
import type { Budget } from './budget.ts'
import type { BufferPool } from './pool.ts'
import { hasCrowd, isOverShare, type RecordSource, type RecordsTogether } from './record-source.ts'
import type { Shortage } from './shares.ts'
import { Submission } from './submission.ts'

export type { Destination } from './batch.ts'

/** May change while it runs. */
export interface BatcherLimits {
  /** Milliseconds that a batch waits for company. */
  readonly lingerMs: number
  /** Bytes at which a batch is closed. */
  readonly recordBytes: number
}

export interface BatcherOptions {
  readonly bus: Bus
  readonly budget: Budget
  readonly pool: BufferPool
  readonly limits: BatcherLimits
  /** Partitions over which a guid is spread; a sender's connection stays with one. */
  readonly spread: number
  /** Observes each append. */
  readonly published: (topic: string, seconds: number) => void
  /** A record's items went to the dead letters. */
  readonly deadLettered: (record: BusRecord, reason: string) => void
}

/** Records of at least this size open a batch with room for a full one; smaller ones grow as they need. */
const LARGE_BYTES = 64 * KiB
/** One request on its way into batches. */
interface Call {
  readonly destination: Destination
  readonly open: Map<Owner, Batch>
  readonly source: RecordSource
  readonly lane: number
  readonly receivedAtMs: number
  readonly submission: Submission
  /** The memory of a crowd. */
  readonly arena: Arena | undefined
}

export class Batcher {
  readonly #options: BatcherOptions
  #limits: BatcherLimits
  /** By topic, encoding and lane, then by owner; the owner of a guid may be replaced, and then the older batch comes first. */
  readonly #open = new Map<string, Map<Owner, Batch>>()
  #ready: Batch[] = []
  #lingering: NodeJS.Timeout | undefined
  #flushing = false
  /** The next flush closes what is open. */
  #closing = false
  #appending = 0
  /** Requests that were taken, and what that was when somebody began to wait. */
  #submitted = 0
  #submittedBefore = 0
  /** How many in succession have waited for company in vain. */
  #alone = 0
  /** Bytes that batches have of the budget. */
  #waitingBytes = 0
  #idle: (() => void)[] = []
  /** Unique for each record: a prefix of this process and a count. */
  readonly #ids: BatchIds = { prefix: `${randomBytes(8).toString('hex')}-`, last: 0 }
  /** Records whose fate is to be durable in a spool; the bus keeps their books from there on. */
  readonly #spooled = new Set<BusRecord>()
  readonly #appendOptions: AppendOptions = { spooled: (record) => this.#spooled.add(record) }

  constructor(options: BatcherOptions) {
    this.#options = options
    this.#limits = options.limits
  }

  /** Applies to batches that are opened or closed from now on. */
  reload(limits: BatcherLimits): void {
    this.#limits = limits
  }

  /** Bytes at which records are closed. */
  get recordBytes(): number {
    return this.#limits.recordBytes
  }

  /**
   * Takes over the records of a request, copying them at once; or why there is no room for them, and then nothing was
   * taken. `connection` is a number of the sender's connection.
   */
  submit(
    destination: Destination,
    source: RecordSource,
    connection: number,
    receivedAtMs: number,
  ): Submission | Shortage {
    // A request that nothing waits beside is not measured by what its objects cost: it could never be taken.
    let bytes = this.#waitingBytes === 0 ? 0 : source.records.length * limits.recordOverheadBytes
    for (const record of source.records) bytes += record.bytes
    const { budget } = this.#options
    if (!budget.fits(bytes)) return 'overloaded'
    if (isOverShare(source.records, budget.free)) return 'over_share'
    this.#submitted++
    const submission = new Submission()
    const lane = this.#options.spread > 1 ? connection % this.#options.spread : 0
    const open = this.#openOf(destination, lane)
    const isCrowd = hasCrowd(source)
    const all = isCrowd ? source.all : undefined
    const arena = isCrowd ? this.#takeCrowd(source, all) : undefined
    const call = { destination, open, source, lane, receivedAtMs, submission, arena }
    let at = 0
    for (let i = 0; i < source.records.length; i++) {
      this.#add(call, i, all === undefined ? at : all.at(i))
      at += source.records[i]!.bytes
    }
    if (arena !== undefined) this.#leave(arena, true)
    if (this.#ready.length > 0) this.#flushSoon()
    submission.leave(undefined)
    return submission
  }

  /** Sends what lingers, and waits until nothing is in flight. */
  async drain(): Promise<void> {
    clearTimeout(this.#lingering)
    this.#lingering = undefined
    this.#closeAll()
    this.#flush()
    if (this.#appending > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  #openOf({ topic, encoding }: Destination, lane: number): Map<Owner, Batch> {
    const key = `${topic} ${encoding} ${lane}`
    let open = this.#open.get(key)
    if (open === undefined) {
      open = new Map()
      this.#open.set(key, open)
    }
    return open
  }

  /** Record `i`, which has its place at `at` of the arena if there is one. */
  #add(call: Call, i: number, at: number): void {
    const { destination, open, source, submission, arena } = call
    const { owner, bytes, items } = source.records[i]!
    const { recordBytes } = this.#limits
    let batch = destination.joins ? open.get(owner) : undefined
    if (batch !== undefined && batch.valueBytes + bytes > recordBytes) {
      open.delete(owner)
      this.#ready.push(batch)
      batch = undefined
    }
    if (batch?.arena.isShared === true) {
      this.#addPiece(batch, call, i, at)
      return
    }
    if (batch !== undefined) this.#grow(batch, bytes)
    else {
      batch = this.#begin(call, bytes, owner, at)
      if (destination.joins && bytes < recordBytes) {
        open.set(owner, batch)
        this.#linger()
      } else this.#ready.push(batch)
    }
    if (batch.arena !== arena) source.copy(i, batch.arena.buffer, batch.firstBytes)
    batch.add(submission, bytes, items)
  }

  #begin(call: Call, bytes: number, owner: Owner, at: number): Batch {
    const { destination, lane, receivedAtMs, submission, arena } = call
    const own = arena ?? new Arena(this.#take(bytes, destination.joins), false)
    const batch = new Batch(
      destination,
      owner,
      lane,
      receivedAtMs,
      this.#ids,
      submission,
      own,
      arena ? at : 0,
    )
    if (arena === undefined) this.#charge(batch, own.buffer.length + limits.recordOverheadBytes, 0)
    else {
      arena.join()
      this.#charge(batch, limits.recordOverheadBytes, bytes)
    }
    return batch
  }

  /** Behind what lies in memory that others have as well: a piece of its own. */
  #addPiece(batch: Batch, { source, submission, arena }: Call, i: number, at: number): void {
    const { bytes, items } = source.records[i]!
    if (arena !== undefined) {
      arena.join()
      this.#charge(batch, limits.pieceOverheadBytes, bytes)
      batch.addPiece(submission, arena, at, bytes, items)
      return
    }
    const own = new Arena(this.#options.pool.take(bytes), false)
    source.copy(i, own.buffer, 0)
    this.#charge(batch, own.buffer.length + limits.pieceOverheadBytes, 0)
    batch.addPiece(submission, own, 0, bytes, items)
  }

  /** The memory of a request that brings a crowd, with its records in it. */
  #takeCrowd(source: RecordSource, all: RecordsTogether | undefined): Arena {
    const { records } = source
    const bytes = all?.bytes ?? records.reduce((sum, record) => sum + record.bytes, 0)
    const arena = new Arena(this.#options.pool.take(bytes), true)
    this.#hold(arena.heldBytes)
    let at = 0
    if (all !== undefined) all.copy(arena.buffer)
    else {
      for (const [i, record] of records.entries()) {
        source.copy(i, arena.buffer, at)
        at += record.bytes
      }
    }
    return arena
  }

  #take(bytes: number, mayGrow: boolean): Buffer {
    const { budget, pool } = this.#options
    const { recordBytes } = this.#limits
    const room = !mayGrow || bytes >= recordBytes ? bytes : bytes >= LARGE_BYTES ? recordBytes : bytes * 2
    // Under pressure a batch gets no more than it needs.
    return pool.take(budget.fits(room * 2) ? room : bytes)
  }

  #grow(batch: Batch, bytes: number): void {
    const needed = batch.valueBytes + bytes
    const { buffer } = batch.arena
    if (needed <= buffer.length) return
    const { pool } = this.#options
    const larger = pool.take(Math.min(this.#limits.recordBytes, needed * 2))
    buffer.copy(larger, 0, 0, batch.valueBytes)
    this.#charge(batch, larger.length - buffer.length, 0)
    pool.give(buffer)
    batch.arena = new Arena(larger, false)
  }

  #linger(): void {
    if (this.#lingering !== undefined) return
    const { lingerMs } = this.#limits
    if (this.#appending > 0) this.#alone = 0
    this.#submittedBefore = this.#submitted
    if (lingerMs === 0 || this.#alone >= limits.lingersAloneMax) {
      this.#closing = true
      this.#flushSoon()
      return
    }
    this.#lingering = setTimeout(() => {
      this.#lingering = undefined
      this.#closeWaiting()
      this.#flush()
    }, lingerMs)
  }

  #closeWaiting(): void {
    this.#alone = this.#submitted === this.#submittedBefore ? this.#alone + 1 : 0
    this.#closeAll()
  }

  #closeAll(): void {
    for (const open of this.#open.values()) {
      for (const batch of open.values()) this.#ready.push(batch)
      open.clear()
    }
  }

  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    setImmediate(() => {
      this.#flushing = false
      if (this.#closing) this.#closeWaiting()
      this.#closing = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#ready.length === 0) return
    const ready = this.#ready
    this.#ready = []
    // Each record is answered when it is durable, whatever becomes of its neighbours; only a crowd shares one append,
    // whose bookkeeping would otherwise cost more than the records.
    if (ready.length > limits.appendsApartMax) void this.#append(ready)
    else for (const batch of ready) void this.#append([batch])
  }

  async #append(batches: readonly Batch[]): Promise<void> {
    this.#appending++
    const started = performance.now()
    const outcomes = await this.#outcomes(batches)
    this.#options.published(batches[0]!.topic, (performance.now() - started) / 1e3)
    const failed: Promise<void>[] = []
    for (let i = 0; i < batches.length; i++) {
      const outcome = outcomes[i]
      if (outcome === undefined) this.#settle(batches[i]!)
      else failed.push(this.#settleFailed(batches[i]!, outcome))
    }
    if (failed.length > 0) await Promise.all(failed)
    if (--this.#appending === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** A bus never rejects; if one does all the same, no sender may wait for ever and no byte stay on the books. */
  async #outcomes(records: readonly BusRecord[]): Promise<AppendOutcome[]> {
    try {
      return await this.#options.bus.append(records, this.#appendOptions)
    } catch (error) {
      return records.map(() => retryable('GP_BUS_UNAVAILABLE', 'the bus failed; see the log', error))
    }
  }

  /** The records of a batch are durable. */
  #settle(batch: Batch): void {
    // A record that was spooled may still be on its way to the bus as well: its memory is left to the collector.
    const isSpooled = this.#isSpooled(batch)
    if (!isSpooled) batch.owner.published.value += batch.items
    this.#release(batch, !isSpooled)
    batch.settle(undefined)
  }

  async #settleFailed(batch: Batch, outcome: GuidepostError): Promise<void> {
    const { destination, owner } = batch
    const failure = outcome.canRetry
      ? reject(owner, batch, outcome)
      : await this.#rescue(destination, owner, batch.plain(), outcome)
    // A record that failed may still be on its way (an answer can be late): its memory is left to the collector.
    this.#release(batch, false)
    batch.settle(failure)
  }

  #release(batch: Batch, isOver: boolean): void {
    this.#charge(batch, -batch.heldBytes, batch.heldBytes - batch.ownerBytes)
    this.#leave(batch.arena, isOver)
    for (let piece = batch.more; piece !== undefined; piece = piece.next) this.#leave(piece.arena, isOver)
  }

  #leave(arena: Arena, isOver: boolean): void {
    if (arena.leave(this.#options.pool, isOver)) this.#hold(-arena.heldBytes)
  }

  /**
   * In the books that say what waits for the bus; less than zero is given back. `sharedBytes`: what the batch has of memory
   * that is on the books as a whole, and on its owner's for this part.
   */
  #charge(batch: Batch, bytes: number, sharedBytes: number): void {
    this.#hold(bytes)
    batch.heldBytes += bytes
    batch.ownerBytes += bytes + sharedBytes
    batch.owner.inflightBytes += bytes + sharedBytes
  }

  #hold(bytes: number): void {
    this.#options.budget.force(bytes)
    this.#waitingBytes += bytes
  }

  /**
   * What to do with a record that the bus did not take: refuse it to its sender when that may try again, else cut it,
   * else the dead letters. The failure to answer with, if any.
   */
  async #rescue(
    destination: Destination,
    owner: Owner,
    record: BusRecord,
    outcome: GuidepostError,
  ): Promise<GuidepostError | undefined> {
    if (outcome.canRetry) return reject(owner, record, outcome)
    const half = Math.min(this.#options.bus.recordBytesMax, record.value.length >> 1)
    const cut = outcome.code === 'GP_RECORD_TOO_LARGE' ? cutOf(destination, owner, record, half) : []
    if (cut.length < 2) return this.#deadLetter(owner, record, outcome)
    let failure: GuidepostError | undefined
    // One by one: the samples of a series must arrive in their order, also when only some of the parts fit.
    for (const part of cut) {
      const smaller = { ...record, ...part, batchId: this.#batchId() }
      // The sender will send all of it again; what comes behind a gap would only be out of order.
      if (failure !== undefined) reject(owner, smaller, failure)
      else failure = await this.#appendPart(destination, owner, smaller)
    }
    return failure
  }

  async #appendPart(
    destination: Destination,
    owner: Owner,
    part: BusRecord,
  ): Promise<GuidepostError | undefined> {
    const [outcome] = await this.#outcomes([part])
    if (outcome !== undefined) return this.#rescue(destination, owner, part, outcome)
    if (!this.#isSpooled(part)) owner.published.value += part.items
    return undefined
  }

  async #deadLetter(
    owner: Owner,
    record: BusRecord,
    refusal: GuidepostError,
  ): Promise<GuidepostError | undefined> {
    const letter: BusRecord = {
      ...record,
      batchId: this.#batchId(),
      topic: 'dead_letters',
      // A bus may take less than that; a letter that is refused as well would keep its sender repeating for ever.
      value: record.value.subarray(0, Math.min(limits.deadLetterBytesMax, this.#options.bus.recordBytesMax)),
      headers: { reason: refusal.code, topic: record.topic, bytes: String(record.value.length) },
    }
    const [outcome] = await this.#outcomes([letter])
    if (outcome === undefined) {
      // A dead letter in the spool is a dead letter already.
      this.#isSpooled(letter)
      owner.deadLettered.value += record.items
      this.#options.deadLettered(record, refusal.message)
      return undefined
    }
    // Neither topic takes it: the sender keeps it, since nobody else does.
    const why = `the dead letters cannot be written: ${outcome.message}`
    return reject(owner, record, retryable('GP_BUS_UNAVAILABLE', why, outcome))
  }

  #isSpooled(record: BusRecord): boolean {
    return this.#spooled.size > 0 && this.#spooled.delete(record)
  }

  #batchId(): string {
    return `${this.#ids.prefix}${++this.#ids.last}`
  }
}

/** The parts of a record; none when cutting fails, which may not keep the record from the dead letters. */
function cutOf(
  destination: Destination,
  owner: Owner,
  record: BusRecord,
  bytesMax: number,
): { value: Buffer; items: number }[] {
  try {
    return destination.cut(owner, record.value, bytesMax)
  } catch {
    return []
  }
}

/** The items go back to their senders, who will send them again. */
function reject(owner: Owner, record: BusRecord, failure: GuidepostError): GuidepostError {
  owner.rejected(reasonOf(failure)).value += record.items
  return failure
}
