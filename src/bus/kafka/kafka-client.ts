/** A Kafka cluster by way of @platformatic/kafka: topics and producers, without queues or policy. */
import { Admin, ConfigResourceTypes, Producer } from '@platformatic/kafka'
import type { KafkaBusConfig } from '../../config/config.ts'
import { isBrokerError, toClientError } from '../client-errors.ts'
import type { PartitionClient, PartitionProducer, TopicFacts } from '../partition-producer.ts'
import { connectionOptions, cut } from './kafka-options.ts'
import { KafkaProducer } from './kafka-producer.ts'
import { lookAtTopics } from './metadata.ts'

const inSyncName = 'min.insync.replicas'
const bytesName = 'max.message.bytes'

export class KafkaClient implements PartitionClient {
  readonly #config: KafkaBusConfig
  /** In the order in which they are asked. */
  #brokers: readonly string[]
  #admin: Admin | undefined
  readonly #opening = new Set<Producer>()

  constructor(config: KafkaBusConfig) {
    this.#config = config
    this.#brokers = config.brokers
  }

  async describe(topics: readonly string[]): Promise<Map<string, TopicFacts>> {
    try {
      const admin = this.#connected()
      const connection = await admin.connections.getFirstAvailable(this.#brokers.map(placeOf))
      const known = await lookAtTopics(connection, topics)
      const found = [...known.topics.keys()]
      if (found.length === 0) return new Map()
      const settings = await this.#settings(admin, found)
      const facts = new Map<string, TopicFacts>()
      for (const [topic, { partitions }] of known.topics) {
        facts.set(topic, {
          partitions: partitions.length,
          replication: Math.min(...partitions.map((partition) => partition.replicas.length)),
          inSync: partitions.map((partition) => partition.isr.length),
          leaderless: partitions.flatMap((partition, index) => (partition.leader < 0 ? [index] : [])),
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
    const producer = new Producer({ ...this.#options(), idempotent: true })
    this.#opening.add(producer)
    try {
      return await KafkaProducer.open(producer, this.#config)
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
    this.#brokers = [...this.#brokers.slice(1), ...this.#brokers.slice(0, 1)]
  }

  #options(): ReturnType<typeof connectionOptions> {
    return connectionOptions({ ...this.#config, brokers: this.#brokers })
  }

  #connected(): Admin {
    this.#admin ??= new Admin(this.#options())
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

/** `host:port`, with an IPv6 address in brackets. */
function placeOf(broker: string): { host: string; port: number } {
  const colon = broker.lastIndexOf(':')
  return { host: broker.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(broker.slice(colon + 1)) }
}
