/** Which reader reads which bus. */
import type { BusReader } from '../bus/bus.ts'
import type { BusConfig } from '../config/config.ts'

/** The topics of the design's section on bus records; a bus that lacks one is read without it. */
const topics = [
  'otlp_spans',
  'otlp_metrics',
  'otlp_logs',
  'prometheus_metrics',
  'jaeger-spans',
  'dead_letters',
]

/** `onDamage` hears of what had to be passed over, in words. */
export async function openReader(bus: BusConfig, onDamage: (text: string) => void): Promise<BusReader> {
  // The Kafka client is large; nobody else should wait for it.
  if (bus.kind === 'kafka') {
    const { KafkaReader } = await import('../bus/kafka/kafka-reader.ts')
    return new KafkaReader(bus, topics)
  }
  const { LogReader } = await import('../bus/log/log-reader.ts')
  const { describeEvent } = await import('./describe-event.ts')
  return new LogReader(bus.directory, { onEvent: (event) => onDamage(describeEvent(event)) })
}
