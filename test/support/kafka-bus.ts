/** Configurations, records and an independent reader for tests of the Kafka buses. */
import pino from 'pino'
import type { BusRecord, Topic } from '../../src/bus/bus.ts'
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
    compression: 'zstd',
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
