/** Which stamping a record on the bus was made with, for whoever has only the record: it came back from a spool. */
import type { BusRecord } from '../bus/bus.ts'
import type { Config } from '../config/config.ts'
import type { Ledger } from '../telemetry/ledger.ts'
import type { Kernel } from '../wire/kernel.ts'
import { Guid } from './guid.ts'
import { otlpStampings } from './otlp.ts'
import { prometheusStampings } from './prometheus.ts'
import { cutRecord, type Stamping } from './stamp.ts'

/** Undefined when records of this kind cannot be cut. */
export function stampingOf({ topic, encoding }: Pick<BusRecord, 'topic' | 'encoding'>): Stamping | undefined {
  if (encoding === 'prometheus_remote_write_1') return prometheusStampings[1]
  if (encoding === 'prometheus_remote_write_2') return prometheusStampings[2]
  if (encoding !== 'otlp_proto') return undefined
  if (topic === 'otlp_spans') return otlpStampings.traces
  if (topic === 'otlp_metrics') return otlpStampings.metrics
  return topic === 'otlp_logs' ? otlpStampings.logs : undefined
}

/**
 * Cuts records of which nothing is known but themselves, as `cutRecord`. A record is stamped once more for it: when the
 * receivers stamp under different names, it is not known under which, and nothing is cut.
 */
export function cutterOf(
  kernel: Kernel,
  { guid, receivers }: Config,
  ledger: Ledger,
): (record: BusRecord, bytesMax: number) => { value: Buffer; items: number }[] {
  const names = new Set([guid.name, ...Object.values(receivers).map((receiver) => receiver.guid.name)])
  return (record, bytesMax) => {
    const stamping = stampingOf(record)
    if (stamping === undefined || names.size > 1) return []
    const options = { name: guid.name, receiver: 'spool', signal: 'metrics', ledger } as const
    return cutRecord(kernel, stamping, new Guid(record.guid, options), record.value, bytesMax)
  }
}
