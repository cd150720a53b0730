/** The buses under the program, and the count of what lies on them afterwards. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Admin } from '@platformatic/kafka'
import type { BusReader } from '../../src/bus/bus.ts'
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
  /** Reads back everything on the bus. */
  count(): Promise<Found>
  /** Removes what was written. */
  clear(): Promise<void>
}

const topics = ['prometheus_metrics', 'dead_letters'] as const

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
    count: () => count(new LogReader(directory), []),
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
    count: () => count(new KafkaReader(kafkaConfig(address), topics), topics),
    clear: async () => {
      const admin = new Admin({ clientId: 'bench', bootstrapBrokers: [address] })
      try {
        await admin.deleteTopics({ topics: [...topics] })
      } finally {
        await admin.close()
      }
    },
  }
}

export async function closeBuses(): Promise<void> {
  const running = await broker?.catch(() => undefined)
  broker = undefined
  await running?.remove()
}

async function count(reader: BusReader, names: readonly string[]): Promise<Found> {
  const guids = new Set<string>()
  let items = 0
  let records = 0
  const signal = new AbortController().signal
  try {
    for await (const { topic, headers } of reader.read({
      topics: names,
      from: 'begin',
      follow: false,
      signal,
    })) {
      if (topic === 'dead_letters') throw new Error('a record went to the dead letters')
      items += Number(headers['items'])
      records++
      guids.add(headers['guid'] ?? '')
    }
  } finally {
    await reader.close()
  }
  return { items, records, guids: guids.size }
}
