/**
 * The books of what is spooled. An item is `spooled` from the moment at which its record is durable in the spool until it
 * is on the bus, and `published` from then on, each time under the receiver that it came by. What an earlier run left was
 * received by that run: here it is counted as received by `spool`, and leaves under that, so that the sides stay equal.
 */
import type { BusRecord, Topic } from '../bus/bus.ts'
import type { Account, Ledger, Signal } from '../telemetry/ledger.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/** The receiver under which the records of an earlier run are counted. */
const earlierRun = 'spool'

/** Of a dead letter nobody knows; it was counted when it became one. */
const signals: Readonly<Record<Topic, Signal | undefined>> = {
  otlp_spans: 'traces',
  'jaeger-spans': 'traces',
  otlp_logs: 'logs',
  otlp_metrics: 'metrics',
  prometheus_metrics: 'metrics',
  dead_letters: undefined,
}

type Counted = Pick<BusRecord, 'topic' | 'guid' | 'items' | 'receiver'>

export class SpoolBooks {
  readonly #metrics: Metrics
  readonly #ledger: Ledger

  constructor(metrics: Metrics) {
    this.#metrics = metrics
    this.#ledger = metrics.ledger
  }

  /** It is durable in the spool, and its sender is told so. */
  spooled(record: Counted): void {
    const account = this.#account(record)
    if (account !== undefined) account.spooled.value += record.items
    this.#metrics.spoolWritten(record.items)
  }

  /**
   * It is in the spool and nobody counts it: an earlier run left it, or its sender was told that it failed, and will send
   * it once more.
   */
  adopted(record: Counted): void {
    const account = this.#account(record)
    if (account !== undefined) account.received.value += record.items
    this.spooled(record)
  }

  delivered(record: Counted): void {
    this.#leave(record, 'published')
  }

  deadLettered(record: Counted): void {
    this.#leave(record, 'deadLettered')
  }

  /** Items of records that can no longer be read. */
  damaged(lost: Counted): void {
    const account = this.#account(lost)
    if (account !== undefined) {
      account.spooled.value -= lost.items
      account.rejected('damaged').value += lost.items
    }
    this.#metrics.spoolDelivered(lost.items)
  }

  #leave(record: Counted, side: 'published' | 'deadLettered'): void {
    const account = this.#account(record)
    if (account !== undefined) {
      account.spooled.value -= record.items
      account[side].value += record.items
    }
    this.#metrics.spoolDelivered(record.items)
  }

  #account({ topic, guid, receiver = earlierRun }: Counted): Account | undefined {
    const signal = signals[topic]
    return signal === undefined ? undefined : this.#ledger.account(receiver, signal, guid)
  }
}
