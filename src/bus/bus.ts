/**
 * The bus: where records become durable. One interface, implemented by `log/` (segments on disk), `kafka/`
 * (@platformatic/kafka) and `kafkajs/`; `test/contract/bus.ts` holds them to the same behaviour.
 */
import type { GuidepostError } from '../errors.ts'

/** What `encoding` in a record's headers says about its value. The names are part of the contract. */
export type Encoding =
  | 'otlp_proto'
  | 'prometheus_remote_write_1'
  | 'prometheus_remote_write_2'
  | 'jaeger_proto'

export type Topic =
  | 'otlp_spans'
  | 'otlp_metrics'
  | 'otlp_logs'
  | 'prometheus_metrics'
  | 'jaeger-spans'
  | 'dead_letters'

/** Where spans in Jaeger's own form go: what its ingester reads by default. */
export const jaegerTopic = 'jaeger-spans' satisfies Topic

/** Where OTLP of each signal goes: what consumers read by default (the Collector's kafka receiver). */
export const otlpTopics = {
  traces: 'otlp_spans',
  metrics: 'otlp_metrics',
  logs: 'otlp_logs',
} as const satisfies Readonly<Record<string, Topic>>

/** One record on its way to the bus. It holds items of exactly one guid. */
export interface BusRecord {
  readonly topic: Topic
  /** The key and the header `guid`. */
  readonly guid: string
  readonly encoding: Encoding
  /** Items in the value (series, metadata entries, spans …), at least 1. */
  readonly items: number
  /** Under which receiver its items are counted; no part of what the bus stores. */
  readonly receiver?: string
  /** Unique for each record; a consumer drops what it has seen. */
  readonly batchId: string
  /** For a record that makes its batch id when it is asked for it: the two parts of it, the first the same for many. */
  readonly batchPrefix?: string
  readonly batchNumber?: number
  /** Unix milliseconds at which the first of its bytes was received; also the record's timestamp. */
  readonly receivedAtMs: number
  /** A number that stays the same for one sender connection; picks one of a guid's `spread` partitions. */
  readonly sender: number
  /** Owned by the caller, who leaves it unchanged until `append` settles. Never empty. */
  readonly value: Buffer
  /** For a record that makes its value when it is asked for it: the bytes of the value, and a copy of them to `target`. */
  readonly valueBytes?: number
  copyValue?(target: Buffer, targetAt: number): void
  /** Further headers, for dead letters only (`reason`, `topic`, `bytes`). */
  readonly headers?: Readonly<Record<string, string>>
}

/** Bytes of the value of `record`, which need not be made for it. */
export function valueBytesOf(record: BusRecord): number {
  return record.valueBytes ?? record.value.length
}

/** Copies the value of `record` to `target`, which has room for it at `targetAt`. */
export function copyValueOf(record: BusRecord, target: Buffer, targetAt: number): void {
  if (record.copyValue === undefined) record.value.copy(target, targetAt)
  else record.copyValue(target, targetAt)
}

/** `undefined`: durable. Otherwise why not; `GP_RECORD_TOO_LARGE` asks for a smaller record. */
export type AppendOutcome = GuidepostError | undefined

/** What the caller of `append` may add. A bus that knows nothing of an option leaves it out. */
export interface AppendOptions {
  /** Milliseconds in which it must settle; a bus takes the smaller of this and its own. */
  readonly deadlineMs?: number
  /**
   * Told of each record that gets an outcome that may be retried, at the moment at which that is known: before a later
   * call can store a record of the same guid and sender, and in the order of the calls. `append` settles later.
   */
  readonly failed?: (record: BusRecord) => void
  /** Told of each record whose outcome is success because it is durable on a disk of ours, to be delivered later. */
  readonly spooled?: (record: BusRecord) => void
}

export interface BusHealth {
  readonly up: boolean
  /** One sentence for an operator: what is wrong and what to do. Empty when up. */
  readonly reason: string
  /** Of a bus that is not up: it takes records all the same, of some partitions. */
  readonly takesSome?: boolean
}

export interface Bus {
  /** The bus URL without secrets, for log lines. */
  readonly url: string
  /** Bytes of the largest value that `append` takes. */
  readonly recordBytesMax: number

  /**
   * Opens the bus and checks what must be there (directories, topics). Throws a permanent `GP_CONFIG` error when an
   * operator has to act. A bus that is merely away is no error: `start` returns within a few seconds, `health()`
   * says that it is down, and it comes up by itself.
   */
  start(): Promise<void>

  /**
   * Appends records; settles when the fate of every one of them is known, with one outcome for each, in their order.
   * Never rejects, and always settles within `appendMs`. Records of one guid and sender are stored in the order of
   * the calls. A record whose outcome is an error may be stored nevertheless (an answer can be lost): delivery is at
   * least once.
   */
  append(records: readonly BusRecord[], options?: AppendOptions): Promise<AppendOutcome[]>

  health(): BusHealth

  /** Waits for what is in flight, at most `deadlineMs`, then releases everything. */
  close(deadlineMs: number): Promise<void>
}

/** One record read back, by `tail` and tests. The bytes belong to the receiver of the object. */
export interface StoredRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly value: Buffer
}

export interface ReadOptions {
  /** All topics of the bus when empty. */
  readonly topics: readonly string[]
  readonly from: 'begin' | 'end'
  /** Keep waiting for new records, until the signal aborts. Otherwise end at what is stored now. */
  readonly follow: boolean
  readonly signal: AbortSignal
}

export interface BusReader {
  read(options: ReadOptions): AsyncIterable<StoredRecord>
  close(): Promise<void>
}
