/**
 * Every metric of the program, in one place: what `/metrics` shows and what docs/metrics.md says come from here. A
 * name or label, once released, is part of the contract. Units are in the names, as Prometheus asks.
 */

export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  /** For an operator: when to look at it and what it says then. Only in docs/metrics.md. */
  readonly note: string
  readonly buckets?: readonly number[]
  /** What several workers show becomes one value so; their sum unless given. */
  readonly together?: 'max' | 'min' | 'first'
}

const requestSecondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30]
const publishSecondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15]

export const definitions = {
  guidepost_received_items_total: {
    type: 'counter',
    help: 'Items (series, metadata entries, spans …) that arrived in requests that could be read.',
    labels: ['receiver', 'signal', 'guid'],
    note: 'For each receiver, signal and guid, received = published + spooled + rejected + dead-lettered, once nothing is in flight; `guidepost inspect --ledger` checks it. A sender that is told to retry sends the same items again, and they are counted again.',
  },
  guidepost_published_items_total: {
    type: 'counter',
    help: 'Items that are durable on the bus.',
    labels: ['receiver', 'signal', 'guid'],
    note: 'Its rate beside that of received items is the first thing to look at.',
  },
  guidepost_rejected_items_total: {
    type: 'counter',
    help: 'Items that were refused, by reason.',
    labels: ['receiver', 'signal', 'reason', 'guid'],
    note: 'A reason that passes (overloaded, bus away) means that the sender was told to try again; any other means that it must be mended. The sender is told, except of `guid_dropped` (`guid.missing: drop`) and `metadata_guid_missing`: a request of which nothing else was refused is answered 204. Of a worker that died: `worker_died`, what it had not answered, so that senders send it again; `worker_died_spooled`, what it had spooled, which is counted as received by `spool` when its spool is opened again, and is not lost.',
  },
  guidepost_dead_lettered_items_total: {
    type: 'counter',
    help: 'Items that no record could hold and that went to the topic dead_letters.',
    labels: ['receiver', 'signal', 'guid'],
    note: 'Should stay at zero. The log names what it was.',
  },
  guidepost_spooled_items: {
    type: 'gauge',
    help: 'Items that are durable in the spool and not yet on the bus.',
    labels: ['receiver', 'signal', 'guid'],
    note: 'Should be zero while Kafka is well. What an earlier run left is counted as received by the receiver `spool`, and leaves under it.',
  },
  guidepost_spool_bytes: {
    type: 'gauge',
    help: 'Bytes of the spool on the disk.',
    labels: [],
    note: 'At `spool.bytesMax` senders are told to wait. It falls when whole segments are delivered.',
  },
  guidepost_spool_bytes_max: {
    type: 'gauge',
    help: 'Bytes of the spool on the disk at which it takes no more; 0 when there is none.',
    labels: [],
    note: '`spool.bytesMax` less what is kept free for moves within the spool, three of its segments. When `guidepost_spool_bytes` comes there, senders are told to wait.',
  },
  guidepost_spool_parked_items: {
    type: 'gauge',
    help: 'Items of the spool that Kafka does not take although it takes others.',
    labels: [],
    note: 'Part of `guidepost_spooled_items`. Above zero for long: a partition has no leader, or the dead letters are refused.',
  },
  guidepost_spool_written_items_total: {
    type: 'counter',
    help: 'Items that went into the spool.',
    labels: [],
    note: 'Dead letters in the spool included, here and below.',
  },
  guidepost_spool_delivered_items_total: {
    type: 'counter',
    help: 'Items that left the spool: on the bus, dead letters, or damaged.',
    labels: [],
    note: 'While its rate is zero and items are spooled, Kafka is away or refuses them: the log says which.',
  },
  guidepost_refused_requests_total: {
    type: 'counter',
    help: 'Requests refused as a whole and datagrams lost, by reason.',
    labels: ['receiver', 'reason'],
    note: 'Most are refused before their items are known, so that nobody could count those. A request that is answered 503 because of the bus counts here as well, while its items are in `guidepost_rejected_items_total`: do not add the two.',
  },
  guidepost_received_bytes_total: {
    type: 'counter',
    help: 'Bytes of request bodies as they arrived, compressed or not.',
    labels: ['receiver'],
    note: '',
  },
  guidepost_request_duration_seconds: {
    type: 'histogram',
    help: 'Seconds from the first byte of a request to its answer, by answer.',
    labels: ['receiver', 'code'],
    note: 'Holds the wait for the bus, because success is answered only when the items are durable.',
    buckets: requestSecondsBuckets,
  },
  guidepost_publish_duration_seconds: {
    type: 'histogram',
    help: 'Seconds from handing records to the bus until their fate was known.',
    labels: ['topic'],
    note: 'When this grows, the bus is slow; when only the request duration grows, the gateway is.',
    buckets: publishSecondsBuckets,
  },
  guidepost_inflight_bytes: {
    type: 'gauge',
    help: 'Bytes of bodies being read and of records waiting for the bus.',
    labels: [],
    note: 'At `limits.inflightBytes` senders are told to wait.',
  },
  guidepost_event_loop_lag_seconds: {
    type: 'gauge',
    help: 'Seconds that everything waited for its turn at least, for half a second or more.',
    labels: [],
    note: 'One long turn does not show here. Above 0.5, new requests are refused (`lagging`): the CPU is not enough. Of several workers, the longest.',
    together: 'max',
  },
  guidepost_memory_bytes_max: {
    type: 'gauge',
    help: 'Bytes that the program may occupy, all workers together.',
    labels: [],
    note: '`process_resident_memory_bytes` stays below it. Beyond three quarters of it only small requests are taken (`memory`).',
  },
  guidepost_bus_up: {
    type: 'gauge',
    help: '1 when the bus takes all records, 0 when it takes none, or none of some partitions.',
    labels: [],
    note: 'At 0, `/readyz` says why. Of several workers, 0 when it is for one of them.',
    together: 'min',
  },
  guidepost_ready: {
    type: 'gauge',
    help: '1 when senders are served, 0 when they are told to wait or to go elsewhere.',
    labels: [],
    note: 'What `/readyz` answers. With a spool it stays at 1 while Kafka is away and the largest record has room. Of several workers, 1 while one of them serves.',
    together: 'first',
  },
  guidepost_events_total: {
    type: 'counter',
    help: 'Things worth an operator’s notice that should be rare, by name.',
    labels: ['event'],
    note: 'All names, with what each means and what to do, are in [runbook.md](runbook.md#events). The log tells of each.',
  },
  guidepost_build_info: {
    type: 'gauge',
    help: 'Always 1; the labels say what is running.',
    labels: ['version', 'node'],
    note: '',
    together: 'first',
  },
  guidepost_worker_up: {
    type: 'gauge',
    help: '1 when this worker has its ports open, 0 when it does not.',
    labels: ['worker'],
    note: 'Only where there are several workers. One that stays at 0 is started again and again: the log says why. One that hangs stays at 1 until it is ended, after 20 s.',
  },
  guidepost_worker_restarts_total: {
    type: 'counter',
    help: 'Times that this worker was started again, because it had died or hung.',
    labels: ['worker'],
    note: 'Only where there are several workers. Should stay at zero; the log says how each ended.',
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>

export type MetricName = keyof typeof definitions
