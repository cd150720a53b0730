/**
 * An idempotent producer over the connections of @platformatic/kafka: its own batches, sequence numbers and repeats;
 * the library's connections, metadata, producer ids and readers of answers.
 *
 * A produce is framed and compressed once. Every repeat sends the same bytes with the same sequence number, so a broker
 * that has stored them already answers with the offset that they have (it remembers a producer's last five batches of
 * a partition, and no later batch is begun before this one has its answer).
 *
 * After a produce that failed the producer id is given up, whatever the reason was: if an attempt before the last one
 * was stored and its answer lost, the next batch under the same number would be taken for its repeat, and be
 * acknowledged without being stored.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Broker,
  compressionsAlgorithms,
  findErrorBy,
  GenericError,
  NetworkError,
  type Producer,
  type ProducerInfo,
} from '@platformatic/kafka'
import type { KafkaBusConfig } from '../../config/config.ts'
import { limits } from '../../limits.ts'
import { compressLz4 } from '../../wire/lz4.ts'
import type { BusRecord } from '../bus.ts'
import { toClientError } from '../client-errors.ts'
import { type Compression, compressionOf, reachOf } from '../compression.ts'
import { ClientError, type PartitionProducer } from '../partition-producer.ts'
import { compressNow, type Reach } from '../zstd.ts'
import { brokerTimeoutMs, cut, repeatPauseMs } from './kafka-options.ts'
import { findPartitions } from './metadata.ts'
import { chooseProduceApi, makeProduceHead, type ProduceApi, type ProduceRequest } from './produce-api.ts'
import { RecordFramer, sequenceAfter, writeBatchHead } from './record-batch.ts'

interface Codec {
  /** In the attributes of a batch. */
  readonly code: number
  /** `data` is not touched once the call has returned or its promise is settled. */
  compress(data: Buffer, reach: Reach): Buffer | Promise<Buffer>
}

const { gzip, snappy, lz4, zstd } = compressionsAlgorithms
const codecs: Readonly<Record<Compression, Codec>> = {
  none: { code: 0, compress: (data) => data },
  gzip: { code: gzip.bitmask, compress: (data) => gzip.compress(data) },
  snappy: { code: snappy.bitmask, compress: (data) => snappy.compressSync(data) },
  lz4: { code: lz4.bitmask, compress: (data) => compressLz4(data) },
  zstd: { code: zstd.bitmask, compress: compressNow },
}

/** What of the library's producer is used: not its sending. */
export type ProducerConnections = Pick<
  Producer,
  'initIdempotentProducer' | 'listApis' | 'metadata' | 'connections' | 'close'
>

export class KafkaProducer implements PartitionProducer {
  readonly #client: ProducerConnections
  readonly #config: KafkaBusConfig
  readonly #api: ProduceApi
  readonly #framer = new RecordFramer()
  /** Undefined until the next produce asks for a new one. */
  #identity: ProducerInfo | undefined
  /** The next sequence number by topic and partition; 0 where there is none. Cleared with the identity. */
  readonly #sequences = new Map<string, number>()
  /** The leader by topic and partition. Looked up anew after an attempt that failed. */
  readonly #leaders = new Map<string, Broker>()
  readonly #destroyed = new AbortController()

  private constructor(
    client: ProducerConnections,
    config: KafkaBusConfig,
    api: ProduceApi,
    identity: ProducerInfo,
  ) {
    this.#client = client
    this.#config = config
    this.#api = api
    this.#identity = identity
  }

  /** Connects `client`, which belongs to the producer from then on, and has a producer id assigned. */
  static async open(client: ProducerConnections, config: KafkaBusConfig): Promise<KafkaProducer> {
    const identity = await client.initIdempotentProducer({})
    return new KafkaProducer(client, config, chooseProduceApi(await client.listApis()), identity)
  }

  async produce(topic: string, partition: number, records: readonly BusRecord[]): Promise<bigint> {
    try {
      this.#identity ??= await this.#client.initIdempotentProducer({})
      const place = `${topic}:${partition}`
      const baseSequence = this.#sequences.get(place) ?? 0
      const reach = reachOf(records)
      const codec = codecs[compressionOf(this.#config.compression, reach)]
      const body = await codec.compress(this.#framer.frame(records), reach)
      const timeoutMs = brokerTimeoutMs(this.#config)
      const head = makeProduceHead(this.#api.version, topic, partition, timeoutMs, body.length)
      const { producerId, producerEpoch } = this.#identity
      writeBatchHead(head, records, { producerId, producerEpoch, baseSequence }, codec.code, body)
      const offset = await this.#sendPatiently(topic, partition, place, { head, body })
      this.#sequences.set(place, sequenceAfter(baseSequence, records.length))
      return offset
    } catch (error) {
      this.#identity = undefined
      this.#sequences.clear()
      throw error instanceof ClientError ? error : toClientError(error, `writing to ${topic}-${partition}`)
    }
  }

  destroy(): void {
    this.#destroyed.abort()
    cut(this.#client)
  }

  async close(): Promise<void> {
    await this.#client.close()
  }

  /** Repeats what may pass, the same bytes each time, at most `limits.kafkaRetriesMax` times. */
  async #sendPatiently(
    topic: string,
    partition: number,
    place: string,
    request: ProduceRequest,
  ): Promise<bigint> {
    const errors: unknown[] = []
    for (;;) {
      try {
        const leader =
          this.#leaders.get(place) ?? (await this.#findLeader(topic, partition, errors.length > 0))
        this.#leaders.set(place, leader)
        return await this.#send(topic, partition, leader, request)
      } catch (error) {
        this.#leaders.delete(place)
        errors.push(error)
        if (errors.length > limits.kafkaRetriesMax || !canRepeat(error)) {
          throw errors.length === 1 ? error : new AggregateError(errors, `failed ${errors.length} times`)
        }
        await sleep(repeatPauseMs(errors.length), undefined, { signal: this.#destroyed.signal })
      }
    }
  }

  async #send(topic: string, partition: number, leader: Broker, request: ProduceRequest): Promise<bigint> {
    const { connections } = this.#client
    const established = connections.getEstablishedConnection(leader)
    const connection = established?.isConnected() ? established : await connections.get(leader)
    this.#destroyed.signal.throwIfAborted()
    const { responses } = await this.#api.async(connection, request)
    const answer = responses
      .find(({ name }) => name === topic)
      ?.partitionResponses.find(({ index }) => index === partition)
    // An error of the broker has been thrown by now. An answer without an offset acknowledges nothing that could be
    // checked.
    if (answer === undefined || answer.baseOffset < 0n) {
      throw new ClientError('away', `no acknowledgement of ${topic}-${partition}`)
    }
    return answer.baseOffset
  }

  async #findLeader(topic: string, partition: number, forceUpdate: boolean): Promise<Broker> {
    // The repeats are ours.
    const metadata = await findPartitions(this.#client, [topic], forceUpdate)
    const leader = metadata.topics.get(topic)?.partitions[partition]?.leader
    const broker = leader === undefined ? undefined : metadata.brokers.get(leader)
    if (broker === undefined) throw new NetworkError(`${topic}-${partition} has no leader now.`)
    return broker
  }
}

/**
 * Broken connections, and what the protocol's table of errors calls retriable: nothing was stored, or the repeat is
 * recognised by its sequence number. Not among them are DUPLICATE_SEQUENCE_NUMBER, which is answered for numbers that
 * lie too far back to be this batch's own, OUT_OF_ORDER_SEQUENCE_NUMBER, UNKNOWN_PRODUCER_ID and a fenced epoch: the
 * broker's count and ours have parted, so the producer is to be replaced.
 */
function canRepeat(error: unknown): boolean {
  return (
    error instanceof Error && GenericError.isGenericError(error) && !findErrorBy(error, 'canRetry', false)
  )
}
