/**
 * A bus in memory that does what Kafka's does: records wait in queues, one for each guid, and are stored in their order;
 * when one fails, those of its queue fail with it, at once and in their order. A test makes it slow, or takes it down.
 */
import type {
  AppendOptions,
  AppendOutcome,
  Bus,
  BusHealth,
  BusReader,
  BusRecord,
  StoredRecord,
} from '../../src/bus/bus.ts'
import { type GuidepostError, permanent, retryable } from '../../src/errors.ts'

interface Waiting {
  readonly record: BusRecord
  readonly atMs: number
  readonly settle: (outcome: AppendOutcome) => void
}

export class MemoryBus implements Bus, BusReader {
  readonly url = 'memory:'
  recordBytesMax = 1_000_000
  /** Every copy that was ever stored, in its order. */
  readonly stored: BusRecord[] = []
  /** Milliseconds that it takes to store. */
  delayMs = 0
  /** Guids of which it takes nothing, though it is up. */
  readonly blocked = new Set<string>()
  /** Decides about a record that is to be stored: an error, or undefined. */
  judge: (record: BusRecord) => GuidepostError | undefined = () => undefined
  /** Whether what fails is stored nevertheless. */
  storesWhatFails = false
  #isUp = true
  #isClosed = false
  readonly #queues = new Map<string, Waiting[]>()
  #timer: NodeJS.Timeout | undefined

  start(): Promise<void> {
    return Promise.resolve()
  }

  append(records: readonly BusRecord[], options: AppendOptions = {}): Promise<AppendOutcome[]> {
    return Promise.all(
      records.map(
        (record) =>
          new Promise<AppendOutcome>((resolve) => {
            const settle = (outcome: AppendOutcome): void => {
              if (outcome?.canRetry === true) options.failed?.(record)
              resolve(outcome)
            }
            this.#push(record, options.deadlineMs ?? Number.POSITIVE_INFINITY, settle)
          }),
      ),
    )
  }

  health(): BusHealth {
    return this.#isUp && !this.#isClosed
      ? { up: true, reason: '' }
      : { up: false, reason: 'the test says so' }
  }

  /** Everything that waits fails. */
  down(): void {
    this.#isUp = false
    for (const queue of this.#queues.values()) this.#fail(queue)
  }

  up(): void {
    this.#isUp = true
  }

  /** Fails what waits for one guid, though the bus stays up. */
  stumble(guid: string): void {
    for (const [key, queue] of this.#queues) if (key.endsWith(`\0${guid}`)) this.#fail(queue)
  }

  close(): Promise<void> {
    for (const queue of this.#queues.values()) {
      for (const waiting of queue.splice(0)) this.#store(waiting)
    }
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#timer = undefined
    return Promise.resolve()
  }

  async *read({
    topics,
    follow,
    from,
    signal,
  }: Parameters<BusReader['read']>[0]): AsyncGenerator<StoredRecord> {
    let next = from === 'end' ? this.stored.length : 0
    while (!signal.aborted) {
      for (; next < this.stored.length; next++) {
        const record = this.stored[next]!
        if (topics.length === 0 || topics.includes(record.topic)) yield toStored(record, next)
        if (signal.aborted) return
      }
      if (!follow) return
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  #push(record: BusRecord, deadlineMs: number, settle: (outcome: AppendOutcome) => void): void {
    if (record.value.length > this.recordBytesMax) {
      settle(permanent('GP_RECORD_TOO_LARGE', 'too large'))
      return
    }
    if (!this.#isUp || this.#isClosed) {
      settle(retryable('GP_BUS_UNAVAILABLE', 'the test says so'))
      return
    }
    const key = `${record.topic}\0${record.guid}`
    const queue = this.#queues.get(key) ?? []
    this.#queues.set(key, queue)
    queue.push({ record, atMs: performance.now() + Math.min(this.delayMs, deadlineMs), settle })
    this.#timer ??= setTimeout(() => this.#turn(), this.delayMs / 4)
  }

  #turn(): void {
    this.#timer = undefined
    const nowMs = performance.now()
    let isWaiting = false
    for (const queue of this.#queues.values()) {
      while (queue.length > 0 && queue[0]!.atMs <= nowMs) {
        if (this.blocked.has(queue[0]!.record.guid)) this.#fail(queue)
        else this.#store(queue.shift()!)
      }
      isWaiting ||= queue.length > 0
    }
    if (isWaiting) this.#timer = setTimeout(() => this.#turn(), 1)
  }

  #store({ record, settle }: Waiting): void {
    const refusal = this.judge(record)
    if (refusal === undefined) this.stored.push({ ...record, value: Buffer.from(record.value) })
    settle(refusal)
  }

  #fail(queue: Waiting[]): void {
    for (const { record, settle } of queue.splice(0)) {
      if (this.storesWhatFails) this.stored.push({ ...record, value: Buffer.from(record.value) })
      settle(retryable('GP_BUS_UNAVAILABLE', 'the test says so'))
    }
  }
}

function toStored(record: BusRecord, offset: number): StoredRecord {
  const { topic, guid, encoding, items, batchId, receivedAtMs, value } = record
  const headers = {
    guid,
    encoding,
    items: String(items),
    batch_id: batchId,
    received_at: String(receivedAtMs),
    ...record.headers,
  }
  return { topic, partition: 0, offset, timestampMs: receivedAtMs, key: guid, headers, value }
}
