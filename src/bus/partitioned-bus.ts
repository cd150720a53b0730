/**
 * The bus over a Kafka cluster, whichever client library speaks to it: topics are checked, records find their
 * partition and its lane, a watchdog brings back what went down.
 *
 *   append → partitionOf → lane (queue, one produce under way) → client library → outcome
 *
 * States: `down` until a look at the cluster has found every topic writable and every lane has a producer; `up`
 * until a lane fails; then the watchdog looks again with growing pauses. While a lane is down its records are
 * answered at once with a retryable error, so nothing is held in memory during an outage but what was under way.
 *
 * A partition that has no leader, or too few replicas, makes the bus `down` for whoever asks, and takes nothing from the
 * others: its own records are answered at once, without a lane that they would hold up; all others are sent.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { KafkaBusConfig } from '../config/config.ts'
import { GuidepostError, permanent, retryable } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Logger } from '../telemetry/log.ts'
import { BoundedClient } from './bounded-client.ts'
import {
  type AppendOptions,
  type AppendOutcome,
  type Bus,
  type BusHealth,
  type BusRecord,
  type Topic,
  valueBytesOf,
} from './bus.ts'
import { partitionOf } from './partition.ts'
import { PartitionLane, type PendingRecord } from './partition-lane.ts'
import { ClientError, type PartitionClient, type TopicFacts } from './partition-producer.ts'
import { type Checked, checkTopics, describeRisk } from './topics.ts'

export interface PartitionedBusOptions {
  readonly log: Logger
  /** The topics that must be there. */
  readonly topics?: readonly Topic[]
  /** The shortest `deadlineMs` that `append` will be asked for; `appendMs` of the configuration unless given. */
  readonly deadlineMsMin?: number
  /** Milliseconds that `start` waits for the cluster at most; `connectMs` of the configuration where that is less, or unless given. */
  readonly startMsMax?: number
  /** Told at each change between up and down. */
  readonly onEvent?: (health: BusHealth) => void
}

/** One call of `append`. */
interface Call {
  readonly outcomes: AppendOutcome[]
  readonly failed: ((record: BusRecord) => void) | undefined
  readonly resolve: (outcomes: AppendOutcome[]) => void
  /** Records whose fate is not known. */
  waiting: number
}

/** A record of a call. Not a closure: a call may have thousands, which wait long enough for each object to be dear. */
class WaitingRecord implements PendingRecord {
  readonly record: BusRecord
  readonly deadlineMs: number
  readonly #call: Call
  readonly #index: number

  constructor(record: BusRecord, deadlineMs: number, call: Call, index: number) {
    this.record = record
    this.deadlineMs = deadlineMs
    this.#call = call
    this.#index = index
  }

  settle(outcome: AppendOutcome): void {
    const call = this.#call
    call.outcomes[this.#index] = outcome
    if (outcome?.canRetry === true) call.failed?.(this.record)
    if (--call.waiting === 0) call.resolve(call.outcomes)
  }
}

const defaultTopics: readonly Topic[] = ['prometheus_metrics', 'dead_letters']

export class PartitionedBus implements Bus {
  readonly url: string
  readonly #config: KafkaBusConfig
  readonly #options: PartitionedBusOptions
  readonly #topics: readonly Topic[]
  readonly #client: PartitionClient
  readonly #lanes: PartitionLane[] = []
  readonly #tickMs: number
  readonly #stop = new AbortController()
  #facts: ReadonlyMap<string, TopicFacts> = new Map()
  #unwritable: Checked['unwritable'] = new Map()
  /** Since no lane has failed the cluster has been looked at. */
  #isSeen = false
  #health: BusHealth
  #ticker: NodeJS.Timeout | undefined
  #watching: Promise<void> = Promise.resolve()
  /** Ends the watchdog's pause. */
  #wake: () => void = () => {}
  #operatorMustAct = false
  #riskTold = false

  constructor(config: KafkaBusConfig, options: PartitionedBusOptions, client: PartitionClient) {
    this.url = config.url
    this.#config = config
    this.#options = options
    this.#topics = options.topics ?? defaultTopics
    // A question may need connections to two brokers.
    this.#client = new BoundedClient(client, 2 * config.connectMs)
    this.#tickMs = Math.min(250, Math.max(10, this.#deadlineMsMin / 50))
    this.#health = { up: false, reason: `Kafka at ${config.brokers.join(', ')} has not been reached yet` }
    for (let index = 0; index < limits.kafkaLanesMax; index++) this.#lanes.push(this.#makeLane())
  }

  get #deadlineMsMin(): number {
    return Math.min(this.#config.appendMs, this.#options.deadlineMsMin ?? this.#config.appendMs)
  }

  get recordBytesMax(): number {
    let bytes = this.#config.recordBytesMax
    for (const topic of this.#facts.values()) bytes = Math.min(bytes, valueBytesMax(topic, bytes))
    return bytes
  }

  async start(): Promise<void> {
    this.#ticker = setInterval(() => {
      const nowMs = performance.now()
      for (const lane of this.#lanes) lane.expire(nowMs)
    }, this.#tickMs)
    const { promise: first, resolve } = Promise.withResolvers<unknown>()
    this.#watching = this.#watch(resolve)
    const { startMsMax = Number.POSITIVE_INFINITY } = this.#options
    // What comes later only `health` says: the watchdog goes on, and somebody may mend it meanwhile.
    const failure = await within(Math.min(this.#config.connectMs, startMsMax), first)
    if (!(failure instanceof GuidepostError)) return
    await this.close(0)
    throw failure
  }

  append(records: readonly BusRecord[], options: AppendOptions = {}): Promise<AppendOutcome[]> {
    const outcomes = new Array<AppendOutcome>(records.length).fill(undefined)
    if (records.length === 0) return Promise.resolve(outcomes)
    const { appendMs } = this.#config
    const { failed, deadlineMs: askedMs = appendMs } = options
    const deadlineMs = performance.now() + Math.min(askedMs, appendMs) - 2 * this.#tickMs
    const bytesMax = this.recordBytesMax
    return new Promise((resolve) => {
      const call = { outcomes, failed, resolve, waiting: records.length }
      for (let index = 0; index < records.length; index++) {
        this.#place(new WaitingRecord(records[index]!, deadlineMs, call, index), bytesMax)
      }
    })
  }

  health(): BusHealth {
    return this.#health.up ? this.#health : { ...this.#health, takesSome: this.#takesSome }
  }

  async close(deadlineMs: number): Promise<void> {
    const reason = 'the connection to Kafka is being closed'
    if (!this.#stop.signal.aborted) {
      this.#stop.abort()
      this.#setHealth({ up: false, reason })
    }
    this.#wake()
    const drained = Promise.all(this.#lanes.map((lane) => lane.drained())).then(() => true)
    if ((await within(deadlineMs, drained)) === true) {
      // A close in good order may itself hang on a broker that is frozen, so it is bounded as well.
      const closing = Promise.allSettled(this.#lanes.map((lane) => lane.close(reason)))
      await within(limits.kafkaRetryMsMax, closing)
    }
    for (const lane of this.#lanes) lane.fail(reason, 'away')
    clearInterval(this.#ticker)
    this.#client.destroy()
    await within(limits.kafkaRetryMsMax, this.#watching)
  }

  #place(waiting: WaitingRecord, bytesMax: number): void {
    const { record } = waiting
    const { topic } = record
    if (this.#stop.signal.aborted) {
      waiting.settle(retryable('GP_BUS_UNAVAILABLE', this.#health.reason))
    } else if (valueBytesOf(record) > bytesMax) {
      const text = `a record of ${valueBytesOf(record)} bytes is over the ${bytesMax} that Kafka is offered`
      waiting.settle(permanent('GP_RECORD_TOO_LARGE', text))
    } else if (!this.#topics.includes(topic)) {
      waiting.settle(permanent('GP_BUS_REFUSED', `the topic ${topic} is not one of those opened at start`))
    } else {
      const facts = this.#facts.get(topic)
      if (facts === undefined) {
        waiting.settle(retryable('GP_BUS_UNAVAILABLE', this.#health.reason))
        return
      }
      const partition = partitionOf(record.guid, record.sender, this.#config.spread, facts.partitions)
      const reason = this.#unwritable.get(topic)?.get(partition)
      if (reason !== undefined) {
        waiting.settle(retryable('GP_BUS_UNAVAILABLE', reason))
        return
      }
      const lane = this.#lanes[(this.#topics.indexOf(topic) + partition) % this.#lanes.length]!
      lane.push(topic, partition, waiting)
    }
  }

  get #takesSome(): boolean {
    if (!this.#isSeen || !this.#lanes.some((lane) => lane.isUp)) return false
    for (const [topic, { partitions }] of this.#facts) {
      if ((this.#unwritable.get(topic)?.size ?? 0) < partitions) return true
    }
    return false
  }

  #makeLane(): PartitionLane {
    return new PartitionLane({
      open: () => this.#client.openProducer(),
      produceBytesMax: (topic) => {
        const facts = this.#facts.get(topic)
        const bytes = limits.kafkaProduceBytesMax
        return facts === undefined ? bytes : valueBytesMax(facts, bytes)
      },
      reserveMs: this.#deadlineMsMin / 10,
      keepsOrder: this.#options.deadlineMsMin !== undefined,
      now: () => performance.now(),
      onDown: (reason, failure) => {
        this.#operatorMustAct = failure === 'operator'
        this.#isSeen = false
        this.#setHealth({ up: false, reason })
        this.#wake()
      },
      onOffsetError: (text) => this.#options.log.error({ url: this.url }, text),
    })
  }

  #setHealth(health: BusHealth): void {
    const old = this.#health
    this.#health = health
    if (old.up !== health.up) this.#options.onEvent?.(health)
    if (health.up) this.#options.log.info({ url: this.url }, 'connected to Kafka')
    else if (old.reason !== health.reason && !this.#stop.signal.aborted) {
      const { log } = this.#options
      if (this.#takesSome) log.warn({ url: this.url }, `Kafka cannot take some records: ${health.reason}`)
      else log.warn({ url: this.url }, `Kafka cannot take records: ${health.reason}`)
    }
  }

  /** Looks at the cluster until closed. `first` gets what the first look came to: undefined, or its error. */
  async #watch(first: (outcome: unknown) => void): Promise<void> {
    let pauseMs = limits.kafkaBackoffMsMax / 20
    while (!this.#stop.signal.aborted) {
      try {
        await this.#connect()
        // Where some partitions cannot be written to, that may last.
        pauseMs = this.#health.up
          ? limits.kafkaBackoffMsMax / 20
          : Math.min(limits.kafkaBackoffMsMax, pauseMs * 2)
        first(undefined)
      } catch (error) {
        this.#client.destroy()
        this.#isSeen = false
        const isUp = this.#lanes.every((lane) => lane.isUp) && this.#health.up
        // A look that failed while every lane works is no outage: the lanes would say so.
        if (!isUp) this.#setHealth({ up: false, reason: messageOf(error) })
        pauseMs = Math.min(limits.kafkaBackoffMsMax, pauseMs * 2)
        first(error)
      }
      await this.#pause(this.#health.up ? limits.kafkaRefreshMs : pauseMs)
      // Looking succeeds although writing is forbidden, so a lane that needs an operator is not tried at once.
      if (this.#operatorMustAct) await this.#pause(limits.kafkaBackoffMsMax)
    }
    first(undefined)
  }

  async #connect(): Promise<void> {
    // A lane that fails from here on has not been looked at by this round.
    const { signal } = this.#stop
    const { facts, unwritable, problem } = await checkTopics(this.#client, this.#topics, this.#config, signal)
    this.#facts = facts
    this.#unwritable = unwritable
    this.#isSeen = true
    const risk = describeRisk(facts)
    if (risk !== undefined && !this.#riskTold) this.#options.log.warn({ url: this.url }, risk)
    this.#riskTold = true
    if (this.#stop.signal.aborted) return
    await Promise.all(this.#lanes.map((lane) => lane.open()))
    if (this.#stop.signal.aborted) {
      for (const lane of this.#lanes) lane.fail(this.#health.reason, 'away')
      return
    }
    if (!this.#lanes.every((lane) => lane.isUp)) return
    this.#operatorMustAct = false
    if (problem !== undefined) this.#setHealth({ up: false, reason: problem })
    else if (!this.#health.up) this.#setHealth({ up: true, reason: '' })
  }

  async #pause(pauseMs: number): Promise<void> {
    if (this.#stop.signal.aborted) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pauseMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = () => {}
  }
}

/** What `promise` settles with, or undefined when that takes longer than `ms`. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  const late = new AbortController()
  const pause = sleep(ms, undefined, { signal: late.signal }).catch(() => undefined)
  try {
    return await Promise.race([promise, pause])
  } finally {
    late.abort()
  }
}

function valueBytesMax(facts: TopicFacts, bytes: number): number {
  if (facts.messageBytesMax === undefined) return bytes
  return Math.max(1, Math.min(bytes, facts.messageBytesMax - limits.kafkaBatchOverheadBytes))
}

function messageOf(error: unknown): string {
  if (error instanceof ClientError || error instanceof GuidepostError) return error.message
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
