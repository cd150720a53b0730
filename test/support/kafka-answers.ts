/** Stands for the client library's connections to brokers: takes produce requests apart and answers as it is told. */
import type { Connection, Writer } from '@platformatic/kafka'
import { Reader, type RecordsBatch, ResponseError, readRecordsBatch } from '@platformatic/kafka'
import type { ProducerConnections } from '../../src/bus/kafka/kafka-producer.ts'

/** A produce request as a broker would read it. */
export interface Sent {
  /** The broker it went to. */
  readonly host: string
  readonly version: number
  readonly bytes: Buffer
  readonly topic: string
  readonly partition: number
  readonly acks: number
  readonly batch: RecordsBatch
}

/** An offset acknowledges; a number is the broker's error code; an error is thrown as it is. */
export type Answer = bigint | number | Error

/** Reads a request with the library's reader, which knows nothing of how it was written. Throws when bytes are left. */
export function readProduce(host: string, version: number, bytes: Buffer): Sent {
  const reader = Reader.from(bytes)
  const isCompact = version >= 9
  const count = () => (isCompact ? reader.readUnsignedVarInt() - 1 : reader.readInt32())
  if (reader.readNullableString(isCompact) !== null) throw new Error('a transactional id')
  const acks = reader.readInt16()
  reader.readInt32()
  if (count() !== 1) throw new Error('not one topic')
  const topic = reader.readString(isCompact)
  if (count() !== 1) throw new Error('not one partition')
  const partition = reader.readInt32()
  const batchBytes = count()
  const end = reader.position + batchBytes
  const batch = readRecordsBatch(Reader.from(bytes.subarray(reader.position, end)))
  if (batch.length !== batchBytes - 12) throw new Error(`a batch of ${batch.length} in ${batchBytes} bytes`)
  const rest = bytes.subarray(end)
  if (!rest.equals(Buffer.alloc(isCompact ? 3 : 0)))
    throw new Error(`${rest.toString('hex')} after the batch`)
  return { host, version, bytes, topic, partition, acks, batch }
}

/** A cluster of brokers `broker-0`, `broker-1` …, of which `leader` leads every partition. */
export class FakeCluster {
  readonly sent: Sent[] = []
  readonly answers: Answer[] = []
  leader = 0
  lookups = 0
  ids = 0n
  closed = false
  /** Called when a request has been read, before it is answered. */
  onSent: () => void = () => {}
  readonly versions: { minVersion: number; maxVersion: number }

  constructor(versions = { minVersion: 0, maxVersion: 13 }) {
    this.versions = versions
  }

  get connections(): ProducerConnections {
    const fake = {
      initIdempotentProducer: () => Promise.resolve({ producerId: ++this.ids, producerEpoch: 0 }),
      listApis: () => Promise.resolve([{ apiKey: 0, name: 'Produce', ...this.versions }]),
      metadata: ({ topics }: { topics: string[] }) => {
        this.lookups++
        const partitions = Array.from({ length: 4 }, () => ({ leader: this.leader }))
        const brokers = [0, 1, 2].map((id) => [id, { host: `broker-${id}`, port: 9092 }] as const)
        return Promise.resolve({
          brokers: new Map(brokers),
          topics: new Map(topics.map((topic) => [topic, { partitions }])),
        })
      },
      connections: {
        [Symbol.iterator]: () => new Map().entries(),
        getEstablishedConnection: () => undefined,
        get: ({ host }: { host: string }) => Promise.resolve(this.#connection(host)),
      },
      close: () => {
        this.closed = true
        return Promise.resolve()
      },
    }
    return fake as unknown as ProducerConnections
  }

  #connection(host: string): Connection {
    const send = (
      _key: number,
      version: number,
      createPayload: () => Writer,
      _parser: unknown,
      _requestTags: boolean,
      _responseTags: boolean,
      callback: (error: Error | null, response?: unknown) => void,
    ) => {
      const sent = readProduce(host, version, Buffer.from(createPayload().buffer))
      this.sent.push(sent)
      this.onSent()
      const answer = this.answers.shift() ?? new Error('no answer is left')
      if (answer instanceof Error) callback(answer)
      else if (typeof answer === 'number') {
        callback(new ResponseError(0, version, { '/responses/0': [answer, null] }, {}))
      } else {
        const partitionResponses = [{ index: sent.partition, errorCode: 0, baseOffset: answer }]
        callback(null, { responses: [{ name: sent.topic, partitionResponses }] })
      }
    }
    return { send } as unknown as Connection
  }
}
