/**
 * The books of what is spooled. An item is `spooled` from the moment at which its record is durable in the spool until it
 * is on the bus, and `published` from then on. What an earlier run left was received by that run: here it is counted as
 * received by `spool`, so that the sides stay equal.
 */
import type { BusRecord, Topic } from '../bus/bus.ts'
import type { Ledger, Signal } from '../telemetry/ledger.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/** The receiver under which the records of an earlier run are counted. */
const receiver = 'spool'

/** Of a dead letter nobody knows; it was counted when it became one. */
const signals: Readonly<Record<Topic, Signal | undefined>> = {
  otlp_spans: 'traces',
  'jaeger-spans': 'traces',
  otlp_logs: 'logs',
  otlp_metrics: 'metrics',
  prometheus_metrics: 'metrics',
  dead_letters: undefined,
}

type Counted = Pick<BusRecord, 'topic' | 'guid' | 'items'>

export class SpoolBooks {
  readonly #metrics: Metrics
  readonly #ledger: Ledger

  constructor(metrics: Metrics) {
    this.#metrics = metrics
    this.#ledger = metrics.ledger
  }

  spooled(record: Counted): void {
    const { topic, guid, items } = record
    const signal = signals[topic]
    if (signal !== undefined) this.#ledger.spooled(signal, guid).value += items
    this.#metrics.spoolWritten(items)
  }

  adopted(record: Counted): void {
    const signal = signals[record.topic]
    if (signal !== undefined) this.#ledger.received(receiver, signal, record.guid).value += record.items
    this.spooled(record)
  }

  delivered(record: Counted): void {
    this.#leave(record, (signal) => this.#ledger.published(signal, record.guid))
  }

  deadLettered(record: Counted): void {
    this.#leave(record, (signal) => this.#ledger.deadLettered(signal, record.guid))
  }

  #leave({ topic, guid, items }: Counted, side: (signal: Signal) => { value: number }): void {
    const signal = signals[topic]
    if (signal !== undefined) {
      this.#ledger.spooled(signal, guid).value -= items
      side(signal).value += items
    }
    this.#metrics.spoolDelivered(items)
  }
}
