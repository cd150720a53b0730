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
import type { AppendOptions, AppendOutcome, Bus, BusRecord, Encoding, Topic } from '../bus/bus.ts'
import { type GuidepostError, reasonOf, retryable } from '../errors.ts'
import { KiB, limits } from '../limits.ts'
import { Batch, type Owner } from './batch.ts'
import type { Budget } from './budget.ts'
import type { BufferPool } from './pool.ts'
import type { Shortage } from './shares.ts'
import { Submission } from './submission.ts'

/** The records of one request, still in the kernel's memory. */
export interface RecordSource {
  readonly records: readonly { readonly owner: Owner; readonly bytes: number; readonly items: number }[]
  /** Copies record `i` into `target` at `targetAt`. */
  copy(i: number, target: Buffer, targetAt: number): void
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
/** Records of a request that brings at least so many get no room to grow: company is unlikely, and memory is dear. */
const CROWD = 256

interface Ready {
  readonly destination: Destination
  readonly batch: Batch
}

export class Batcher {
  readonly #options: BatcherOptions
  #limits: BatcherLimits
  /** By topic, encoding and lane, then by owner; the owner of a guid may be replaced, and then the older batch comes first. */
  readonly #open = new Map<string, Map<Owner, Ready>>()
  #ready: Ready[] = []
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
  readonly #prefix = randomBytes(8).toString('hex')
  #records = 0
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
    for (let i = 0; i < source.records.length; i++)
      this.#add(destination, open, source, i, lane, receivedAtMs, submission)
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

  #openOf({ topic, encoding }: Destination, lane: number): Map<Owner, Ready> {
    const key = `${topic} ${encoding} ${lane}`
    let open = this.#open.get(key)
    if (open === undefined) {
      open = new Map()
      this.#open.set(key, open)
    }
    return open
  }

  #add(
    destination: Destination,
    open: Map<Owner, Ready>,
    source: RecordSource,
    i: number,
    lane: number,
    receivedAtMs: number,
    submission: Submission,
  ): void {
    const { owner, bytes, items } = source.records[i]!
    let ready = destination.joins ? open.get(owner) : undefined
    if (ready !== undefined && ready.batch.bytes + bytes > this.#limits.recordBytes) {
      open.delete(owner)
      this.#ready.push(ready)
      ready = undefined
    }
    if (ready === undefined) {
      const batch = new Batch(
        owner,
        destination.encoding,
        lane,
        this.#take(owner, bytes, destination.joins && source.records.length < CROWD),
        receivedAtMs,
        submission,
      )
      ready = { destination, batch }
      if (destination.joins && bytes < this.#limits.recordBytes) {
        open.set(owner, ready)
        this.#linger()
      } else this.#ready.push(ready)
    } else this.#grow(ready.batch, bytes)
    const { batch } = ready
    source.copy(i, batch.buffer, batch.bytes)
    batch.add(submission, bytes, items)
  }

  #take(owner: Owner, bytes: number, mayGrow: boolean): Buffer {
    const { budget, pool } = this.#options
    const { recordBytes } = this.#limits
    const room = !mayGrow || bytes >= recordBytes ? bytes : bytes >= LARGE_BYTES ? recordBytes : bytes * 2
    // Under pressure a batch gets no more than it needs.
    const buffer = pool.take(budget.fits(room * 2) ? room : bytes)
    this.#charge(owner, buffer.length + limits.recordOverheadBytes)
    return buffer
  }

  #grow(batch: Batch, bytes: number): void {
    const needed = batch.bytes + bytes
    if (needed <= batch.buffer.length) return
    const { pool } = this.#options
    const { recordBytes } = this.#limits
    const larger = pool.take(Math.min(recordBytes, needed * 2))
    batch.buffer.copy(larger, 0, 0, batch.bytes)
    this.#charge(batch.owner, larger.length - batch.buffer.length)
    pool.give(batch.buffer)
    batch.buffer = larger
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
      for (const ready of open.values()) this.#ready.push(ready)
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
    else for (const one of ready) void this.#append([one])
  }

  async #append(ready: readonly Ready[]): Promise<void> {
    this.#appending++
    const started = performance.now()
    const records = ready.map(({ destination, batch }) => this.#record(destination, batch))
    const outcomes = await this.#outcomes(records)
    this.#options.published(records[0]!.topic, (performance.now() - started) / 1e3)
    const failed: Promise<void>[] = []
    for (const [i, one] of ready.entries()) {
      const outcome = outcomes[i]
      if (outcome === undefined) this.#settle(one.batch, records[i]!)
      else failed.push(this.#settleFailed(one, records[i]!, outcome))
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

  #record(destination: Destination, batch: Batch): BusRecord {
    return {
      topic: destination.topic,
      guid: batch.owner.text,
      receiver: batch.owner.receiver,
      encoding: batch.encoding,
      items: batch.items,
      batchId: this.#batchId(),
      receivedAtMs: batch.receivedAtMs,
      sender: batch.lane,
      value: batch.bytes === batch.buffer.length ? batch.buffer : batch.buffer.subarray(0, batch.bytes),
    }
  }

  /** The records of a batch are durable. */
  #settle(batch: Batch, record: BusRecord): void {
    // A record that was spooled may still be on its way to the bus as well: its buffer is left to the collector.
    if (!this.#isSpooled(record)) {
      batch.owner.published.value += batch.items
      this.#options.pool.give(batch.buffer)
    }
    this.#release(batch)
    batch.settle(undefined)
  }

  async #settleFailed(
    { destination, batch }: Ready,
    record: BusRecord,
    outcome: GuidepostError,
  ): Promise<void> {
    const failure = await this.#rescue(destination, batch.owner, record, outcome)
    // A record that failed may still be on its way (an answer can be late): its buffer is left to the collector.
    this.#release(batch)
    batch.settle(failure)
  }

  #release(batch: Batch): void {
    this.#charge(batch.owner, -(batch.buffer.length + limits.recordOverheadBytes))
  }

  /** In all books that say what waits for the bus; less than zero is given back. */
  #charge(owner: Owner, bytes: number): void {
    this.#options.budget.force(bytes)
    this.#waitingBytes += bytes
    owner.inflightBytes += bytes
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
    return `${this.#prefix}-${++this.#records}`
  }
}

/**
 * Whether one of the guids would have more than its share: twice what is free. One of which nothing waits never has. The
 * records of a guid lie side by side.
 */
function isOverShare(records: RecordSource['records'], free: number): boolean {
  const bytesMax = limits.guidShareMax * free
  let last: Owner | undefined
  let held = 0
  for (const { owner, bytes } of records) {
    if (owner !== last) {
      last = owner
      held = owner.inflightBytes
    }
    held += bytes
    if (held > bytesMax && owner.inflightBytes > 0) return true
  }
  return false
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
