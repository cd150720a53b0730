/**
 * What a Kafka client library must offer so that the buses over it can share their queues, deadlines and recovery.
 * The two implementations are `kafka/` and `kafkajs/`; this file knows neither.
 */
import type { BusRecord } from './bus.ts'

/**
 * Why a client failed:
 * - `away`: the cluster or a leader cannot be reached now; it passes by itself;
 * - `operator`: it will not pass until somebody mends it (credentials, permissions, a deleted topic);
 * - `too-large`: the broker refuses these records for their size, and stored none of them;
 * - `refused`: the broker refuses these records for good for another reason, and stored none of them.
 */
export type ClientFailure = 'away' | 'operator' | 'too-large' | 'refused'

export class ClientError extends Error {
  readonly failure: ClientFailure

  constructor(failure: ClientFailure, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'ClientError'
    this.failure = failure
  }
}

/** What is known of a topic. Numbers that the broker does not tell us (no permission) are undefined. */
export interface TopicFacts {
  readonly partitions: number
  /** The smallest number of replicas of a partition. */
  readonly replication: number
  /** Replicas in sync of each partition. */
  readonly inSync: readonly number[]
  /** The partitions without a leader, which cannot be written to. */
  readonly leaderless: readonly number[]
  readonly inSyncMin: number | undefined
  /** `max.message.bytes`: bytes of one batch as the broker stores it. */
  readonly messageBytesMax: number | undefined
}

/** One idempotent producer with its own connections. At most one `produce` is under way at any time. */
export interface PartitionProducer {
  /**
   * Stores the records in one batch in their order, acknowledged by all replicas in sync. Settles with the offset of
   * the first. Throws a `ClientError`.
   */
  produce(topic: string, partition: number, records: readonly BusRecord[]): Promise<bigint>
  /** Cuts the connections: after it, not one more byte leaves this process on behalf of this producer. */
  destroy(): void
  /** Releases it when nothing is under way. */
  close(): Promise<void>
}

export interface PartitionClient {
  /** Facts of those of `topics` that exist. A fresh look each time. Throws a `ClientError`. */
  describe(topics: readonly string[]): Promise<Map<string, TopicFacts>>
  createTopics(topics: readonly string[], partitions: number, replication: number): Promise<void>
  /** A producer that is connected and has its producer id. Throws a `ClientError`. */
  openProducer(): Promise<PartitionProducer>
  /**
   * Cuts what the calls above opened, and those that are under way; producers that were handed out stay. What is opened
   * next asks another of the brokers first: the one that was asked may be the one that does not answer.
   */
  destroy(): void
}
