/** Configurations, records and an independent reader for tests of the Kafka buses. */
import { setTimeout as sleep } from 'node:timers/promises'
import pino from 'pino'
import type { Bus, BusRecord, Topic } from '../../src/bus/bus.ts'
import { KafkaBus } from '../../src/bus/kafka/kafka-bus.ts'
import { KafkajsBus } from '../../src/bus/kafkajs/kafkajs-bus.ts'
import type { PartitionedBusOptions } from '../../src/bus/partitioned-bus.ts'
import type { KafkaBusConfig } from '../../src/config/config.ts'
import { limits } from '../../src/limits.ts'

export const allTopics: readonly Topic[] = [
  'otlp_spans',
  'otlp_metrics',
  'otlp_logs',
  'prometheus_metrics',
  'dead_letters',
]

/** `GUIDEPOST_LOG=debug` shows what the bus says. */
export const quietLog = pino({ level: process.env['GUIDEPOST_LOG'] ?? 'silent', base: null })

export function kafkaConfig(address: string, changes: Partial<KafkaBusConfig> = {}): KafkaBusConfig {
  return {
    kind: 'kafka',
    url: `kafka://${address}`,
    brokers: [address],
    client: 'platformatic',
    clientId: 'guidepost-test',
    createTopics: true,
    partitions: 3,
    replication: 1,
    spread: 1,
    compression: 'auto',
    recordBytesMax: limits.kafkaRecordBytesMax,
    appendMs: limits.appendMsMax,
    connectMs: limits.kafkaConnectMsMax,
    sasl: undefined,
    tls: undefined,
    ...changes,
  }
}

let count = 0

export function makeRecord(changes: Partial<BusRecord> = {}): BusRecord {
  const number = count++
  return {
    topic: 'prometheus_metrics',
    guid: 'shop',
    encoding: 'prometheus_remote_write_1',
    items: 1,
    batchId: `batch-${process.pid}-${number}`,
    receivedAtMs: 1_760_000_000_000 + number,
    sender: 1,
    value: Buffer.from(`value ${number}`),
    ...changes,
  }
}

/** The buses under test, by their name in `kafka.client`. */
export const clients = ['platformatic', 'kafkajs'] as const

export function makeBus(config: KafkaBusConfig, options: Partial<PartitionedBusOptions> = {}): Bus {
  const all = { log: quietLog, ...options }
  return config.client === 'kafkajs' ? new KafkajsBus(config, all) : new KafkaBus(config, all)
}

/** Waits until `holds`, looking often; says what was waited for when it takes too long. */
export async function until(what: string, holds: () => boolean, msMax = 30_000): Promise<void> {
  const endMs = performance.now() + msMax
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`waited ${msMax} ms in vain: ${what}`)
    await sleep(10)
  }
}
