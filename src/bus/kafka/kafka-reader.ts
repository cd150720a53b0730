/**
 * Reads records back from Kafka, for `tail`. It asks the leaders for ranges of offsets and joins no consumer group,
 * so it leaves nothing behind on the cluster and disturbs no consumer.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Admin,
  Consumer,
  FetchIsolationLevels,
  ListOffsetTimestamps,
  type RecordsBatch,
} from '@platformatic/kafka'
import type { KafkaBusConfig } from '../../config/config.ts'
import { permanent, retryable } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { BusReader, ReadOptions, StoredRecord } from '../bus.ts'
import { isBrokerError, toClientError } from '../client-errors.ts'
import { checkClientVersion, connectionOptions, cut } from './kafka-options.ts'

/** Where the reading of one partition stands. */
interface Place {
  readonly topic: string
  readonly partition: number
  /** The next offset wanted. */
  offset: bigint
  /** The offset at which to stop; undefined to follow. */
  readonly end: bigint | undefined
}

type TopicConsumer = Consumer<Buffer, Buffer, Buffer, Buffer>

type FetchResponse = Awaited<ReturnType<TopicConsumer['fetch']>>

const controlBatch = 0b10_0000

export class KafkaReader implements BusReader {
  readonly #config: KafkaBusConfig
  readonly #topics: readonly string[]
  readonly #closed = new AbortController()

  /** `topics` are those of the bus, read when a caller names none. */
  constructor(config: KafkaBusConfig, topics: readonly string[]) {
    checkClientVersion()
    this.#config = config
    this.#topics = topics
  }

  /**
   * Records of all partitions; in order within a partition. Holds at most one fetch of each broker in memory
   * (`limits.kafkaFetchBytesMax`, before inflating). Throws a retryable error when the cluster cannot be reached and
   * the reader does not follow; a follower waits for it. Throws a permanent one for a topic that is not there.
   */
  async *read(options: ReadOptions): AsyncGenerator<StoredRecord> {
    const signal = AbortSignal.any([options.signal, this.#closed.signal])
    if (signal.aborted) return
    const consumer: TopicConsumer = new Consumer<Buffer, Buffer, Buffer, Buffer>({
      ...connectionOptions(this.#config),
      groupId: `${this.#config.clientId}-reader`,
      isolationLevel: FetchIsolationLevels.READ_COMMITTED,
    })
    const onAbort = () => cut(consumer)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const topics = options.topics.length > 0 ? options.topics : await this.#existing()
      consumer.topics.trackAll(...topics)
      let places = await locate(consumer, topics, options)
      while (!signal.aborted) {
        places = places.filter((place) => place.end === undefined || place.offset < place.end)
        if (places.length === 0) return
        for (const place of await this.#fetchPatiently(consumer, places, options.follow, signal)) yield* place
      }
    } catch (error) {
      if (signal.aborted) return
      if (isBrokerError(error, 'UNKNOWN_TOPIC_OR_PARTITION') || String(error).includes('Unknown topic')) {
        throw permanent('GP_CONFIG', `Kafka has no topic ${options.topics.join(' or ')}`, error)
      }
      throw retryable('GP_BUS_UNAVAILABLE', toClientError(error, 'reading from Kafka').message, error)
    } finally {
      signal.removeEventListener('abort', onAbort)
      cut(consumer)
    }
  }

  close(): Promise<void> {
    this.#closed.abort()
    return Promise.resolve()
  }

  async #existing(): Promise<string[]> {
    const admin = new Admin(connectionOptions(this.#config))
    try {
      const existing = new Set(await admin.listTopics())
      return this.#topics.filter((topic) => existing.has(topic))
    } finally {
      cut(admin)
    }
  }

  /** One fetch of every broker that leads one of `places`; a follower outlives an outage. */
  async #fetchPatiently(
    consumer: TopicConsumer,
    places: readonly Place[],
    follow: boolean,
    signal: AbortSignal,
  ): Promise<Generator<StoredRecord>[]> {
    try {
      return await fetchAll(consumer, places)
    } catch (error) {
      if (signal.aborted) return []
      if (isBrokerError(error, 'OFFSET_OUT_OF_RANGE')) await skipDeleted(consumer, places)
      else if (!follow || toClientError(error, '').failure !== 'away') throw error
      consumer.clearMetadata()
      await sleep(limits.kafkaRetryMsMax / 4, undefined, { signal }).catch(() => {})
      return []
    }
  }
}

async function locate(
  consumer: TopicConsumer,
  topics: readonly string[],
  options: ReadOptions,
): Promise<Place[]> {
  const places: Place[] = []
  if (topics.length === 0) return places
  const names = [...topics]
  const ends = await consumer.listOffsets({ topics: names, timestamp: ListOffsetTimestamps.LATEST })
  const begins =
    options.from === 'end'
      ? ends
      : await consumer.listOffsets({ topics: names, timestamp: ListOffsetTimestamps.EARLIEST })
  for (const topic of names) {
    for (const [partition, end] of (ends.get(topic) ?? []).entries()) {
      const offset = begins.get(topic)?.[partition] ?? 0n
      places.push({ topic, partition, offset, end: options.follow ? undefined : end })
    }
  }
  return places
}

/** Retention may delete what was about to be read: reading goes on with the oldest that is left. */
async function skipDeleted(consumer: TopicConsumer, places: readonly Place[]): Promise<void> {
  const topics = [...new Set(places.map((place) => place.topic))]
  const begins = await consumer.listOffsets({ topics, timestamp: ListOffsetTimestamps.EARLIEST })
  for (const place of places) {
    const begin = begins.get(place.topic)?.[place.partition] ?? place.offset
    if (begin > place.offset) place.offset = begin
  }
}

async function fetchAll(
  consumer: TopicConsumer,
  places: readonly Place[],
): Promise<Generator<StoredRecord>[]> {
  const topics = [...new Set(places.map((place) => place.topic))]
  const metadata = await consumer.metadata({ topics })
  const names = new Map<string, string>()
  const byLeader = new Map<number, Map<string, Place[]>>()
  for (const place of places) {
    const found = metadata.topics.get(place.topic)
    const leader = found?.partitions[place.partition]?.leader
    if (found === undefined || leader === undefined) continue
    names.set(found.id, place.topic)
    const byTopic = byLeader.get(leader) ?? new Map<string, Place[]>()
    byLeader.set(leader, byTopic)
    byTopic.set(found.id, [...(byTopic.get(found.id) ?? []), place])
  }
  const responses = await Promise.all(
    [...byLeader].map(([node, wanted]) => fetchFrom(consumer, node, wanted)),
  )
  return responses.map((response) => recordsOf(response, names, places))
}

function fetchFrom(
  consumer: TopicConsumer,
  node: number,
  wanted: ReadonlyMap<string, readonly Place[]>,
): Promise<FetchResponse> {
  return consumer.fetch({
    node,
    minBytes: 1,
    maxBytes: limits.kafkaFetchBytesMax,
    maxWaitTime: limits.kafkaFetchWaitMs,
    topics: [...wanted].map(([topicId, places]) => ({
      topicId,
      partitions: places.map(({ partition, offset }) => ({
        partition,
        fetchOffset: offset,
        currentLeaderEpoch: -1,
        lastFetchedEpoch: -1,
        partitionMaxBytes: limits.kafkaFetchBytesMax,
      })),
    })),
  })
}

function* recordsOf(
  response: FetchResponse,
  names: ReadonlyMap<string, string>,
  places: readonly Place[],
): Generator<StoredRecord> {
  for (const { topicId, partitions } of response.responses) {
    const topic = names.get(topicId)
    for (const { partitionIndex, records } of partitions) {
      const place = places.find((entry) => entry.topic === topic && entry.partition === partitionIndex)
      if (place === undefined) continue
      for (const batch of records ?? []) yield* recordsOfBatch(batch, place)
    }
  }
}

function* recordsOfBatch(batch: RecordsBatch, place: Place): Generator<StoredRecord> {
  for (const record of (batch.attributes & controlBatch) === 0 ? batch.records : []) {
    const offset = batch.firstOffset + BigInt(record.offsetDelta)
    // A fetch answers with whole batches: the first may begin before, the last may end after what is wanted.
    if (offset < place.offset) continue
    if (place.end !== undefined && offset >= place.end) break
    const headers: Record<string, string> = {}
    for (const [name, value] of record.headers) headers[name?.toString() ?? ''] ??= value?.toString() ?? ''
    yield {
      topic: place.topic,
      partition: place.partition,
      offset: Number(offset),
      timestampMs: Number(batch.firstTimestamp + record.timestampDelta),
      key: record.key?.toString() ?? '',
      headers,
      value: record.value ?? Buffer.alloc(0),
    }
  }
  const next = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n
  if (next > place.offset) place.offset = next
}
