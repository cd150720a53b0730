/** The buses under the program, and the count of what lies on them afterwards. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Admin } from '@platformatic/kafka'
import type { BusReader, StoredRecord } from '../../src/bus/bus.ts'
import { KafkaReader } from '../../src/bus/kafka/kafka-reader.ts'
import { LogReader } from '../../src/bus/log/log-reader.ts'
import { GiB, MiB } from '../../src/limits.ts'
import { KafkaBroker, kafkaAvailable } from '../../test/support/kafka.ts'
import { kafkaConfig } from '../../test/support/kafka-bus.ts'

export type BusKind = 'log' | 'kafka' | 'kafkajs'

export interface Found {
  /** Sum of the records' `items` headers. */
  readonly items: number
  readonly records: number
  readonly guids: number
}

export interface BenchBus {
  readonly url: string
  /** What the program needs besides the URL. */
  readonly env: Readonly<Record<string, string>>
  /** Reads back everything on the bus; `look` sees each record. */
  count(look?: (record: StoredRecord) => void): Promise<Found>
  /** Removes what was written. */
  clear(): Promise<void>
}

/** A Kafka topic that another program writes to. */
export interface PeerTopic {
  readonly broker: string
  readonly topic: string
  /** Shows every record to `look`. */
  read(look: (record: StoredRecord) => void): Promise<void>
  /** Deletes the topic. */
  clear(): Promise<void>
}

const topics = ['prometheus_metrics', 'otlp_spans', 'otlp_metrics', 'otlp_logs', 'dead_letters'] as const

/** As many as the gateway creates by default. */
const partitions = 12

/** Bytes of a record batch on a peer's topic: its own batches are larger than Kafka's default allows. */
const peerBatchBytesMax = 10 * MiB

/** `keep`: whether everything must still be there for the count, or a long run's oldest records may go. */
export async function openBus(kind: BusKind, keep: 'all' | 'some'): Promise<BenchBus> {
  return kind === 'log' ? openLog(keep) : openKafka(kind)
}

async function openLog(keep: 'all' | 'some'): Promise<BenchBus> {
  const directory = await mkdtemp(path.join(tmpdir(), 'guidepost-bench-'))
  return {
    url: `log:${directory}`,
    // No run may be so fast that retention deletes what is to be counted.
    env: { GUIDEPOST_LOG_RETENTION_BYTES: keep === 'all' ? '64GiB' : '1GiB' },
    count: (look) => count(new LogReader(directory), look),
    clear: () => rm(directory, { recursive: true, force: true }),
  }
}

let broker: Promise<KafkaBroker> | undefined

/** One broker serves all runs; `closeBuses` ends it. */
async function startBroker(): Promise<KafkaBroker> {
  const missing = await kafkaAvailable()
  if (missing !== false) throw new Error(missing)
  return KafkaBroker.started({
    properties: {
      'log.segment.delete.delay.ms': '1000',
      // Of each partition: more than a short run writes, less than would fill a disk in a long one.
      'log.retention.bytes': String(4 * GiB),
      'log.segment.bytes': String(256 * MiB),
      'log.retention.check.interval.ms': '10000',
    },
  })
}

async function openKafka(kind: 'kafka' | 'kafkajs'): Promise<BenchBus> {
  broker ??= startBroker()
  const { address } = await broker
  return {
    url: `kafka://${address}`,
    env: { GUIDEPOST_KAFKA_CLIENT: kind === 'kafka' ? 'platformatic' : 'kafkajs' },
    count: (look) => count(new KafkaReader(kafkaConfig(address), topics), look),
    clear: () =>
      asAdmin(address, async (admin) => {
        const existing = new Set(await admin.listTopics())
        await admin.deleteTopics({ topics: topics.filter((topic) => existing.has(topic)) })
      }),
  }
}

/** The broker that all runs share. */
export async function brokerPid(): Promise<number> {
  const pid = (await broker)?.pid
  if (pid === undefined) throw new Error('there is no broker')
  return pid
}

async function asAdmin<T>(address: string, act: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Admin({ clientId: 'bench', bootstrapBrokers: [address] })
  try {
    return await act(admin)
  } finally {
    await admin.close()
  }
}

/** Kills the broker, and starts it again when `work` is done. */
export async function brokerAway(work: () => Promise<void>): Promise<void> {
  broker ??= startBroker()
  const running = await broker
  await running.kill()
  try {
    await work()
  } finally {
    await running.start()
  }
}

let peerTopics = 0

/** A new topic on the broker that the gateway is measured with, with as many partitions. */
export async function openPeerTopic(): Promise<PeerTopic> {
  broker ??= startBroker()
  const { address } = await broker
  const topic = `peer_${++peerTopics}`
  await asAdmin(address, (admin) =>
    admin.createTopics({
      topics: [topic],
      partitions,
      replicas: 1,
      configs: [{ name: 'max.message.bytes', value: String(peerBatchBytesMax) }],
    }),
  )
  return {
    broker: address,
    topic,
    read: async (look) => {
      await readAll(new KafkaReader(kafkaConfig(address), [topic]), look)
    },
    clear: () => asAdmin(address, (admin) => admin.deleteTopics({ topics: [topic] })),
  }
}

export async function closeBuses(): Promise<void> {
  const running = await broker?.catch(() => undefined)
  broker = undefined
  await running?.remove()
}

async function count(reader: BusReader, look?: (record: StoredRecord) => void): Promise<Found> {
  const guids = new Set<string>()
  let items = 0
  let records = 0
  await readAll(reader, (record) => {
    if (record.topic === 'dead_letters') throw new Error('a record went to the dead letters')
    items += Number(record.headers['items'])
    records++
    guids.add(record.headers['guid'] ?? '')
    look?.(record)
  })
  return { items, records, guids: guids.size }
}

/** Shows all records of all topics that are there to `look`. */
async function readAll(reader: BusReader, look: (record: StoredRecord) => void): Promise<void> {
  const signal = new AbortController().signal
  try {
    for await (const record of reader.read({ topics: [], from: 'begin', follow: false, signal })) look(record)
  } finally {
    await reader.close()
  }
}
