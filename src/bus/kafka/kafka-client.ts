/** A Kafka cluster by way of @platformatic/kafka: topics and producers, without queues or policy. */
import {
  Admin,
  type Base,
  ConfigResourceTypes,
  compressionsAlgorithms,
  ProduceAcks,
  Producer,
} from '@platformatic/kafka'
import type { KafkaBusConfig } from '../../config/config.ts'
import type { BusRecord } from '../bus.ts'
import { isBrokerError, toClientError } from '../client-errors.ts'
import { recordHeaders } from '../headers.ts'
import {
  ClientError,
  type PartitionClient,
  type PartitionProducer,
  type TopicFacts,
} from '../partition-producer.ts'
import { compressNow } from '../zstd.ts'
import { connectionOptions } from './kafka-options.ts'

// The library's table of codecs is public and has no option for the level; this entry serves this process's producers.
Object.assign(compressionsAlgorithms.zstd, {
  compressSync: (data: Buffer | { readonly buffer: Buffer }) =>
    compressNow(Buffer.isBuffer(data) ? data : data.buffer),
})

const inSyncName = 'min.insync.replicas'
const bytesName = 'max.message.bytes'

/** Cuts the sockets first: a close in good order would still write what they hold. */
export function cut(client: Base): void {
  for (const [, connection] of client.connections) connection.socket?.destroy()
  client.close().catch(() => {})
}

export class KafkaClient implements PartitionClient {
  readonly #config: KafkaBusConfig
  #admin: Admin | undefined
  readonly #opening = new Set<Producer>()

  constructor(config: KafkaBusConfig) {
    this.#config = config
  }

  async describe(topics: readonly string[]): Promise<Map<string, TopicFacts>> {
    try {
      const admin = this.#connected()
      const existing = new Set(await admin.listTopics())
      const found = topics.filter((topic) => existing.has(topic))
      if (found.length === 0) return new Map()
      const metadata = await admin.metadata({ topics: found, forceUpdate: true })
      const settings = await this.#settings(admin, found)
      const facts = new Map<string, TopicFacts>()
      for (const topic of found) {
        const partitions = metadata.topics.get(topic)?.partitions
        if (partitions === undefined) continue
        facts.set(topic, {
          partitions: partitions.length,
          replication: Math.min(...partitions.map((partition) => partition.replicas.length)),
          inSync: Math.min(...partitions.map((partition) => partition.isr.length)),
          leaderless: partitions.filter((partition) => partition.leader < 0).length,
          inSyncMin: settings.get(`${topic} ${inSyncName}`),
          messageBytesMax: settings.get(`${topic} ${bytesName}`),
        })
      }
      return facts
    } catch (error) {
      throw toClientError(error, 'looking at the topics')
    }
  }

  async createTopics(topics: readonly string[], partitions: number, replication: number): Promise<void> {
    try {
      await this.#connected().createTopics({ topics: [...topics], partitions, replicas: replication })
    } catch (error) {
      // Another gateway may have been faster; what is missing still shows when the topics are described again.
      if (!isBrokerError(error, 'TOPIC_ALREADY_EXISTS')) {
        throw toClientError(error, `creating ${topics.join(', ')}`)
      }
    }
  }

  async openProducer(): Promise<PartitionProducer> {
    const producer = new Producer({
      ...connectionOptions(this.#config),
      idempotent: true,
      acks: ProduceAcks.ALL,
      compression: this.#config.compression,
      repeatOnStaleMetadata: true,
    })
    this.#opening.add(producer)
    try {
      await producer.initIdempotentProducer({})
      return new KafkaProducer(producer)
    } catch (error) {
      cut(producer)
      throw toClientError(error, 'opening a producer')
    } finally {
      this.#opening.delete(producer)
    }
  }

  destroy(): void {
    for (const producer of this.#opening) cut(producer)
    if (this.#admin !== undefined) cut(this.#admin)
    this.#admin = undefined
  }

  #connected(): Admin {
    this.#admin ??= new Admin(connectionOptions(this.#config))
    return this.#admin
  }

  /** Numeric settings by `<topic> <name>`; empty when the gateway's user may not read them. */
  async #settings(admin: Admin, topics: readonly string[]): Promise<Map<string, number>> {
    const settings = new Map<string, number>()
    try {
      const resources = topics.map((topic) => ({
        resourceType: ConfigResourceTypes.TOPIC,
        resourceName: topic,
        configurationKeys: [inSyncName, bytesName],
      }))
      for (const found of await admin.describeConfigs({ resources })) {
        for (const { name, value } of found.configs) {
          if (value !== null && value !== undefined)
            settings.set(`${found.resourceName} ${name}`, Number(value))
        }
      }
    } catch (error) {
      if (toClientError(error, '').failure !== 'operator') throw error
    }
    return settings
  }
}

const headerNames = new Map<string, Buffer>()

function headerName(name: string): Buffer {
  let bytes = headerNames.get(name)
  if (bytes === undefined) {
    bytes = Buffer.from(name)
    // Only the names that every record has are kept: those of dead letters are few, but not ours to bound.
    if (headerNames.size < 16) headerNames.set(name, bytes)
  }
  return bytes
}

class KafkaProducer implements PartitionProducer {
  readonly #producer: Producer

  constructor(producer: Producer) {
    this.#producer = producer
  }

  async produce(topic: string, partition: number, records: readonly BusRecord[]): Promise<bigint> {
    try {
      const messages = records.map((record) => {
        const headers = new Map<Buffer, Buffer>()
        for (const [name, value] of Object.entries(recordHeaders(record))) {
          headers.set(headerName(name), Buffer.from(value))
        }
        const timestamp = BigInt(record.receivedAtMs)
        return { topic, partition, key: Buffer.from(record.guid), value: record.value, headers, timestamp }
      })
      const { offsets } = await this.#producer.send({ messages })
      const stored = offsets?.find((entry) => entry.topic === topic && entry.partition === partition)
      if (stored === undefined) throw new ClientError('away', `no acknowledgement of ${topic}-${partition}`)
      return stored.offset
    } catch (error) {
      throw error instanceof ClientError ? error : toClientError(error, `writing to ${topic}-${partition}`)
    }
  }

  destroy(): void {
    cut(this.#producer)
  }

  async close(): Promise<void> {
    await this.#producer.close()
  }
}
