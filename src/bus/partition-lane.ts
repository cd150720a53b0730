/**
 * A lane: one idempotent producer, the queues of the partitions it owns, and at most one produce under way.
 *
 * Records of one partition are sent in the order they came; those that come while a produce is under way are packed
 * together into the next one. Several lanes, each with connections of its own, work at the same time.
 *
 * One produce per producer is a rule, not an economy. An idempotent producer numbers its batches per partition, and
 * the library keeps those numbers in one table per producer that any failed send clears; with a second send under
 * way, that one could go out under a number the broker has seen, be taken for a repeat, and be acknowledged without
 * being stored. Base offsets that do not rise would show it, and are checked besides.
 *
 * When the fate of a produce is unknown (its deadline passed, the connection broke for longer than the library's
 * bounded retries) the producer is destroyed, sockets first, and the next one gets a new producer id. So no retry of
 * the old one can leave this process later. What had already left may still be stored: its records were answered
 * with an error that asks for a repeat, and at-least-once allows the repeat to lie beside them.
 */
import { type GuidepostError, permanent, retryable } from '../errors.ts'
import { limits } from '../limits.ts'
import { type BusRecord, valueBytesOf } from './bus.ts'
import { ClientError, type PartitionProducer } from './partition-producer.ts'

/** A record with the place that wants to know its outcome. `settle` is called exactly once. */
export interface PendingRecord {
  readonly record: BusRecord
  readonly deadlineMs: number
  settle(outcome: GuidepostError | undefined): void
}

export interface LaneSettings {
  open(): Promise<PartitionProducer>
  /** Bytes of values that one produce for this topic may hold; a single larger record goes alone. */
  produceBytesMax(topic: string): number
  /** Milliseconds by `now` that must be left for a record to be sent at all. */
  readonly reserveMs: number
  /** Whether a record that is given up takes those of its guid and sender that wait behind it along. */
  readonly keepsOrder: boolean
  /** The lane went down; it stays so until `open` succeeds. */
  onDown(reason: string, failure: 'away' | 'operator'): void
  /** The broker acknowledged with an offset that it had given before. */
  onOffsetError(text: string): void
  now(): number
}

interface PartitionQueue {
  readonly topic: string
  readonly partition: number
  records: PendingRecord[]
  /** The base offset of the last produce, and the producer that had it. */
  offset: bigint
  producer: PartitionProducer | undefined
}

export class PartitionLane {
  readonly #settings: LaneSettings
  /** By topic, then by partition. */
  readonly #queues = new Map<string, PartitionQueue[]>()
  /** Queues that hold records, in the order in which they are served. */
  #ready: PartitionQueue[] = []
  #inFlight: PendingRecord[] = []
  #producer: PartitionProducer | undefined
  #producedRecords = 0
  /** Ends the wait for the produce under way, whose answer no longer matters. */
  #cut: () => void = () => {}
  #running = false
  #idle: (() => void)[] = []
  #reason = 'not connected yet'

  constructor(settings: LaneSettings) {
    this.#settings = settings
  }

  get isUp(): boolean {
    return this.#producer !== undefined
  }

  /** Makes a producer when there is none. Throws a `ClientError`. */
  async open(): Promise<void> {
    if (this.#producer !== undefined) return
    this.#producer = await this.#settings.open()
    this.#producedRecords = 0
  }

  /** Takes a record; its outcome comes later. While the lane is down the outcome is an error, at once. */
  push(topic: string, partition: number, pending: PendingRecord): void {
    if (this.#producer === undefined) {
      pending.settle(retryable('GP_BUS_UNAVAILABLE', this.#reason))
      return
    }
    const queue = this.#queueOf(topic, partition)
    queue.records.push(pending)
    if (queue.records.length === 1) this.#ready.push(queue)
    if (this.#running) return
    this.#running = true
    // Starting a moment later lets the records of one call, and of calls made together, travel together.
    queueMicrotask(() => void this.#run())
  }

  #queueOf(topic: string, partition: number): PartitionQueue {
    let queues = this.#queues.get(topic)
    if (queues === undefined) {
      queues = []
      this.#queues.set(topic, queues)
    }
    queues[partition] ??= { topic, partition, records: [], offset: -1n, producer: undefined }
    return queues[partition]
  }

  /** Settles when nothing is queued or under way. */
  drained(): Promise<void> {
    if (!this.#running) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  /** Settles what is overdue by `nowMs`. An overdue produce takes its producer with it. */
  expire(nowMs: number): void {
    if (this.#inFlight.some((pending) => pending.deadlineMs <= nowMs)) {
      const text = 'Kafka did not acknowledge in time'
      this.#settleInFlight(() => retryable('GP_BUS_DEADLINE', text))
      this.fail(text, 'away')
      return
    }
    for (const queue of this.#ready) this.#dropOverdue(queue, nowMs)
    this.#ready = this.#ready.filter((queue) => queue.records.length > 0)
  }

  /** Takes the lane down: cuts its producer and answers everything it holds. */
  fail(reason: string, failure: 'away' | 'operator'): void {
    const producer = this.#producer
    this.#producer = undefined
    this.#reason = reason
    producer?.destroy()
    this.#cut()
    this.#settleInFlight(() => retryable('GP_BUS_UNAVAILABLE', reason))
    const queues = this.#ready
    this.#ready = []
    for (const queue of queues) {
      for (const pending of queue.records.splice(0)) pending.settle(retryable('GP_BUS_UNAVAILABLE', reason))
    }
    if (producer !== undefined) this.#settings.onDown(reason, failure)
  }

  /** Releases the producer in good order. Only after `drained`. */
  async close(reason: string): Promise<void> {
    const producer = this.#producer
    this.#producer = undefined
    this.#reason = reason
    await producer?.close()
  }

  async #run(): Promise<void> {
    while (this.#producer !== undefined) {
      const queue = this.#ready.shift()
      if (queue === undefined) break
      const batch = this.#take(queue)
      if (queue.records.length > 0) this.#ready.push(queue)
      if (batch.length > 0) await this.#send(queue, batch, this.#producer)
      if (this.#producedRecords >= limits.kafkaProducerRecordsMax) await this.#renew()
    }
    this.#running = false
    for (const resolve of this.#idle.splice(0)) resolve()
    // `fail` may have emptied the lane and `open` refilled it while the last produce was coming to its end.
    if (this.#ready.length > 0 && this.#producer !== undefined) {
      this.#running = true
      queueMicrotask(() => void this.#run())
    }
  }

  #dropOverdue(queue: PartitionQueue, untilMs: number): void {
    if (!queue.records.some((pending) => pending.deadlineMs <= untilMs)) return
    const dropped: PendingRecord[] = []
    const senders = new Set<string>()
    queue.records = queue.records.filter((pending) => {
      const { guid, sender } = pending.record
      const name = `${sender} ${guid}`
      if (pending.deadlineMs > untilMs && !senders.has(name)) return true
      if (this.#settings.keepsOrder) senders.add(name)
      dropped.push(pending)
      return false
    })
    for (const pending of dropped) {
      pending.settle(retryable('GP_BUS_DEADLINE', 'Kafka took too long for what came before'))
    }
  }

  /** The records of the next produce. What has too little time left is not begun: a cut produce costs the lane. */
  #take(queue: PartitionQueue): PendingRecord[] {
    this.#dropOverdue(queue, this.#settings.now() + this.#settings.reserveMs)
    const bytesMax = this.#settings.produceBytesMax(queue.topic)
    let count = 0
    let bytes = 0
    while (count < queue.records.length) {
      bytes += valueBytesOf(queue.records[count]!.record) + limits.kafkaRecordOverheadBytes
      if (count > 0 && bytes > bytesMax) break
      count++
    }
    return queue.records.splice(0, count)
  }

  /** Sends one batch and settles its records. A batch that is refused is halved until one record is to blame. */
  async #send(queue: PartitionQueue, batch: PendingRecord[], producer: PartitionProducer): Promise<void> {
    this.#inFlight.push(...batch)
    const parts: PendingRecord[][] = [batch]
    while (parts.length > 0) {
      const part = parts.shift()!
      const failure = await this.#produce(queue, part, producer)
      // The lane was failed meanwhile: everything in flight has its answer, and this producer is gone.
      if (this.#producer !== producer) return
      if (failure === undefined) {
        this.#settle(part, undefined)
      } else if (failure.failure === 'away' || failure.failure === 'operator') {
        this.fail(failure.message, failure.failure)
        return
      } else if (part.length > 1) {
        const half = part.length >> 1
        parts.unshift(part.slice(0, half), part.slice(half))
      } else {
        this.#settle(part, refusal(failure, part[0]!.record))
      }
    }
  }

  /** Settles when the broker has answered, or when the lane is failed, whatever the library does then. */
  #produce(
    queue: PartitionQueue,
    part: readonly PendingRecord[],
    producer: PartitionProducer,
  ): Promise<ClientError | undefined> {
    const records = part.map((pending) => pending.record)
    this.#producedRecords += records.length
    return new Promise((resolve) => {
      this.#cut = () => resolve(new ClientError('away', 'cut'))
      producer.produce(queue.topic, queue.partition, records).then(
        (offset) => resolve(this.#checkOffset(queue, offset, producer)),
        (error: unknown) =>
          resolve(error instanceof ClientError ? error : new ClientError('away', String(error), error)),
      )
    })
  }

  #checkOffset(queue: PartitionQueue, offset: bigint, producer: PartitionProducer): ClientError | undefined {
    if (this.#producer !== producer) return undefined
    const last = queue.offset
    const isOwn = queue.producer === producer
    // Also after a failure the newest answer is what the next is compared with: a topic that was deleted and made
    // anew begins at 0 again, and that must cost one append, not all.
    queue.offset = offset
    queue.producer = producer
    if (offset > last) return undefined
    const text = `Kafka acknowledged ${queue.topic}-${queue.partition} at offset ${offset} after ${last}`
    // The first batch of a producer can be no repeat, so it is stored: it is what came before that is gone.
    if (!isOwn) {
      this.#settings.onOffsetError(`${text}: the topic was made anew, or has lost its last records`)
      return undefined
    }
    this.#settings.onOffsetError(text)
    return new ClientError('away', `${text}; it is not taken for stored`)
  }

  #settle(part: readonly PendingRecord[], outcome: GuidepostError | undefined): void {
    // The parts of a batch come to their end in order, so these are the first in flight.
    this.#inFlight.splice(0, part.length)
    for (const pending of part) pending.settle(outcome)
  }

  #settleInFlight(outcome: () => GuidepostError): void {
    for (const pending of this.#inFlight.splice(0)) pending.settle(outcome())
  }

  /** Sequence numbers are 31 bits and the library does not wrap them: a new producer id starts at 0. */
  async #renew(): Promise<void> {
    const old = this.#producer
    if (old === undefined) return
    try {
      const next = await this.#settings.open()
      if (this.#producer !== old) {
        next.destroy()
        return
      }
      this.#producer = next
      this.#producedRecords = 0
      await old.close()
    } catch (error) {
      if (this.#producer === old) this.fail(error instanceof Error ? error.message : String(error), 'away')
    }
  }
}

function refusal(failure: ClientError, record: BusRecord): GuidepostError {
  if (failure.failure === 'too-large') {
    const text = `Kafka's topic ${record.topic} does not take a record of ${valueBytesOf(record)} bytes`
    return permanent('GP_RECORD_TOO_LARGE', text, failure)
  }
  return permanent(
    'GP_BUS_REFUSED',
    `Kafka refused a record for ${record.topic}: ${failure.message}`,
    failure,
  )
}
