/** A Kafka cluster by way of kafkajs: topics and producers, without queues or policy. */
import type { Socket } from 'node:net'
import { connect as connectPlain } from 'node:net'
import { connect as connectTls } from 'node:tls'
import kafkajs, {
  type Admin,
  type CompressionTypes,
  type ISocketFactory,
  type Kafka,
  type KafkaConfig,
  type PartitionMetadata,
  type Producer,
} from 'kafkajs'
import type { KafkaBusConfig } from '../../config/config.ts'
import { permanent } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { BusRecord } from '../bus.ts'
import { toClientError } from '../client-errors.ts'
import { type Compression, compressionOf, reachOf } from '../compression.ts'
import { recordHeaders } from '../headers.ts'
import {
  ClientError,
  type PartitionClient,
  type PartitionProducer,
  type TopicFacts,
} from '../partition-producer.ts'
import { prepareKafkajs } from './kafkajs-repairs.ts'

const inSyncName = 'min.insync.replicas'
const bytesName = 'max.message.bytes'

const compressions: Readonly<Record<Compression, CompressionTypes | undefined>> = {
  none: kafkajs.CompressionTypes.None,
  gzip: kafkajs.CompressionTypes.GZIP,
  zstd: kafkajs.CompressionTypes.ZSTD,
  lz4: kafkajs.CompressionTypes.LZ4,
  snappy: undefined,
}

/** The sockets of one client, so that they can be cut: kafkajs itself only closes them in good order. */
class Sockets {
  readonly #open = new Set<Socket>()
  #isCut = false

  readonly make: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    const socket = ssl
      ? connectTls({ ...ssl, host, port }, onConnect)
      : connectPlain({ host, port }, onConnect)
    socket.setKeepAlive(true, limits.kafkaKeepAliveMs).setNoDelay(true)
    this.#open.add(socket)
    socket.once('close', () => this.#open.delete(socket))
    if (this.#isCut) queueMicrotask(() => socket.destroy(new Error('the client was cut')))
    return socket
  }

  cut(): void {
    this.#isCut = true
    // With an error, because kafkajs does not listen for a close without one.
    for (const socket of this.#open) socket.destroy(new Error('the client was cut'))
  }
}

export class KafkajsClient implements PartitionClient {
  readonly #config: KafkaBusConfig
  /** In the order in which they are asked. */
  #brokers: readonly string[]
  readonly #opening = new Set<Sockets>()
  #admin: { readonly client: Admin; readonly sockets: Sockets } | undefined

  /** Throws a permanent `GP_CONFIG` error for a compression that kafkajs has no codec for. */
  constructor(config: KafkaBusConfig) {
    const { compression } = config
    if (compression !== 'auto' && compressions[compression] === undefined) {
      const text = `kafka.compression ${compression} needs the platformatic client; kafkajs does auto, zstd, lz4, gzip, none`
      throw permanent('GP_CONFIG', text)
    }
    prepareKafkajs()
    this.#config = config
    this.#brokers = config.brokers
  }

  async describe(topics: readonly string[]): Promise<Map<string, TopicFacts>> {
    try {
      const admin = await this.#connected()
      const existing = new Set(await admin.listTopics())
      const found = topics.filter((topic) => existing.has(topic))
      if (found.length === 0) return new Map()
      const metadata = await admin.fetchTopicMetadata({ topics: found })
      const settings = await this.#settings(admin, found)
      const facts = new Map<string, TopicFacts>()
      for (const { name, partitions } of metadata.topics) {
        facts.set(name, {
          partitions: partitions.length,
          replication: Math.min(...partitions.map((partition) => partition.replicas.length)),
          inSync: inOrder(partitions).map((partition) => partition.isr.length),
          leaderless: inOrder(partitions).flatMap(({ leader }, index) => (leader < 0 ? [index] : [])),
          inSyncMin: settings.get(`${name} ${inSyncName}`),
          messageBytesMax: settings.get(`${name} ${bytesName}`),
        })
      }
      return facts
    } catch (error) {
      throw toClientError(error, 'looking at the topics')
    }
  }

  async createTopics(topics: readonly string[], partitions: number, replication: number): Promise<void> {
    try {
      const admin = await this.#connected()
      const wanted = topics.map((topic) => ({
        topic,
        numPartitions: partitions,
        replicationFactor: replication,
      }))
      await admin.createTopics({ topics: wanted, waitForLeaders: false })
    } catch (error) {
      throw toClientError(error, `creating ${topics.join(', ')}`)
    }
  }

  async openProducer(): Promise<PartitionProducer> {
    const sockets = new Sockets()
    // `maxInFlightRequests` stays unset: the lanes allow one produce at a time, and with it set kafkajs would queue.
    const producer = this.#kafka(sockets).producer({
      idempotent: true,
      allowAutoTopicCreation: false,
      metadataMaxAge: 5 * limits.kafkaRefreshMs,
    })
    this.#opening.add(sockets)
    try {
      await producer.connect()
      return new KafkajsProducer(producer, sockets, this.#config)
    } catch (error) {
      sockets.cut()
      throw toClientError(error, 'opening a producer')
    } finally {
      this.#opening.delete(sockets)
    }
  }

  destroy(): void {
    for (const sockets of this.#opening) sockets.cut()
    this.#admin?.sockets.cut()
    this.#admin?.client.disconnect().catch(() => {})
    this.#admin = undefined
    this.#brokers = [...this.#brokers.slice(1), ...this.#brokers.slice(0, 1)]
  }

  async #connected(): Promise<Admin> {
    if (this.#admin === undefined) {
      const sockets = new Sockets()
      const client = this.#kafka(sockets).admin()
      this.#admin = { client, sockets }
      await client.connect()
    }
    return this.#admin.client
  }

  #kafka(sockets: Sockets): Kafka {
    const { sasl, tls } = this.#config
    const options: KafkaConfig = {
      clientId: this.#config.clientId,
      brokers: [...this.#brokers],
      connectionTimeout: this.#config.connectMs,
      authenticationTimeout: this.#config.connectMs,
      requestTimeout: this.#config.appendMs,
      retry: {
        retries: limits.kafkaRetriesMax,
        initialRetryTime: limits.kafkaRetryMsMax / 10,
        maxRetryTime: limits.kafkaRetryMsMax,
      },
      socketFactory: sockets.make,
      logLevel: kafkajs.logLevel.NOTHING,
    }
    if (sasl !== undefined) options.sasl = saslOf(sasl)
    if (tls !== undefined) {
      options.ssl = {
        rejectUnauthorized: tls.verify,
        ...(tls.ca === undefined ? {} : { ca: tls.ca }),
        ...(tls.cert === undefined ? {} : { cert: tls.cert }),
        ...(tls.key === undefined ? {} : { key: tls.key }),
        ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
      }
    }
    return new kafkajs.Kafka(options)
  }

  /** Numeric settings by `<topic> <name>`; empty when the gateway's user may not read them. */
  async #settings(admin: Admin, topics: readonly string[]): Promise<Map<string, number>> {
    const settings = new Map<string, number>()
    try {
      const resources = topics.map((name) => ({
        type: kafkajs.ConfigResourceTypes.TOPIC,
        name,
        configNames: [inSyncName, bytesName],
      }))
      const answer = await admin.describeConfigs({ resources, includeSynonyms: false })
      for (const { resourceName, configEntries } of answer.resources) {
        for (const { configName, configValue } of configEntries) {
          if (configValue !== null) settings.set(`${resourceName} ${configName}`, Number(configValue))
        }
      }
    } catch (error) {
      if (toClientError(error, '').failure !== 'operator') throw error
    }
    return settings
  }
}

function inOrder(partitions: readonly PartitionMetadata[]): PartitionMetadata[] {
  return partitions.toSorted((a, b) => a.partitionId - b.partitionId)
}

function saslOf(sasl: NonNullable<KafkaBusConfig['sasl']>): NonNullable<KafkaConfig['sasl']> {
  const { username, password } = sasl
  if (sasl.mechanism === 'PLAIN') return { mechanism: 'plain', username, password }
  if (sasl.mechanism === 'SCRAM-SHA-256') return { mechanism: 'scram-sha-256', username, password }
  return { mechanism: 'scram-sha-512', username, password }
}

class KafkajsProducer implements PartitionProducer {
  readonly #producer: Producer
  readonly #sockets: Sockets
  readonly #compression: KafkaBusConfig['compression']
  readonly #timeoutMs: number

  constructor(producer: Producer, sockets: Sockets, { compression, appendMs }: KafkaBusConfig) {
    this.#producer = producer
    this.#sockets = sockets
    this.#compression = compression
    this.#timeoutMs = Math.ceil(appendMs / 2)
  }

  async produce(topic: string, partition: number, records: readonly BusRecord[]): Promise<bigint> {
    try {
      const stored = await this.#producer.send({
        topic,
        acks: -1,
        compression: compressions[compressionOf(this.#compression, reachOf(records))]!,
        timeout: this.#timeoutMs,
        messages: records.map((record) => ({
          partition,
          key: record.guid,
          value: record.value,
          headers: recordHeaders(record),
          timestamp: String(record.receivedAtMs),
        })),
      })
      const offset = stored.find((entry) => entry.partition === partition)?.baseOffset
      if (offset === undefined) throw new ClientError('away', `no acknowledgement of ${topic}-${partition}`)
      return BigInt(offset)
    } catch (error) {
      throw error instanceof ClientError ? error : toClientError(error, `writing to ${topic}-${partition}`)
    }
  }

  destroy(): void {
    this.#sockets.cut()
    this.#producer.disconnect().catch(() => {})
  }

  async close(): Promise<void> {
    await this.#producer.disconnect()
    this.#sockets.cut()
  }
}
