/**
 * What several processes have counted, as one: counters, histograms and gauges are added up, except of those whose
 * definition says otherwise. What a process had counted stays counted when it has died.
 */
import { AggregatorRegistry, type PrometheusContentType, type Registry } from 'prom-client'
import { limits } from '../limits.ts'
import { definitions, type MetricDefinition, type MetricName } from './definitions.ts'
import type { Exposition } from './metrics.ts'

/** All values of all metrics of one process. Plain data, which a process can send to another. */
export type Counts = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

type Metric = Counts[number]
type Labels = Readonly<Record<string, string | number | undefined>>

/** How values of several processes become one, other than by adding them up; of the runtime's own metrics. */
const runtime: Readonly<Record<string, MetricDefinition['together']>> = {
  // That of the primary, which is there all the time.
  process_start_time_seconds: 'min',
  process_max_fds: 'min',
  nodejs_version_info: 'first',
}
/** The worst one is what a sender may meet. */
const lag = /^nodejs_eventloop_lag/

/** The reason under which items are counted whose fate the death of their process left open; not acknowledged. */
export const diedReason = 'worker_died'
/** The same for those in its spool: acknowledged, on the disk, and counted anew as received by `spool`. */
export const diedSpooledReason = 'worker_died_spooled'

export class CountsSum {
  /** What processes had counted that are no more; a few of them at most, see `#compact`. */
  readonly #retired: Counts[] = []
  #isCompacting = false

  /**
   * A process has died: its counters stay, its gauges go, and its books are closed. `counts` are the last it has reported;
   * what it counted after them is lost on all sides of the books alike.
   */
  retire(counts: Counts): void {
    this.#retired.push(closeBooks(counts).filter(({ type }) => isLasting(type)))
    if (this.#retired.length > limits.workerCountsMax) void this.#compact()
  }

  /** A process has ended in order: what it counted stays as it was. */
  keep(counts: Counts): void {
    this.#retired.push(counts)
  }

  /** All together, with those of `living` processes. */
  async exposition(living: readonly Counts[]): Promise<Exposition> {
    const registry = aggregate([...living, ...this.#retired])
    return { text: await registry.metrics(), contentType: registry.contentType }
  }

  async #compact(): Promise<void> {
    if (this.#isCompacting) return
    this.#isCompacting = true
    try {
      const several = [...this.#retired]
      const one = await aggregate(several).getMetricsAsJSON()
      this.#retired.splice(0, several.length, one)
    } finally {
      this.#isCompacting = false
    }
  }
}

function isLasting(type: unknown): boolean {
  // The library writes names here where its types have numbers.
  return type === 'counter' || type === 'histogram'
}

function aggregate(counts: readonly Counts[]): Registry<PrometheusContentType> {
  const all = counts.map((each) => each.map((metric) => ({ ...metric, aggregator: togetherOf(metric.name) })))
  return AggregatorRegistry.aggregate<PrometheusContentType>(all)
}

function togetherOf(name: string): string {
  if (lag.test(name)) return 'max'
  const own: MetricDefinition | undefined = Object.hasOwn(definitions, name)
    ? definitions[name as MetricName]
    : undefined
  return own?.together ?? runtime[name] ?? 'sum'
}

/** What was received and has no known fate counts as rejected; what is spooled is received anew by whoever opens the spool. */
function closeBooks(counts: Counts): Counts {
  const metricOf = (name: MetricName): Metric | undefined => counts.find((each) => each.name === name)
  const rejected = metricOf('guidepost_rejected_items_total')
  const received = metricOf('guidepost_received_items_total')
  if (rejected === undefined || received === undefined) return counts
  const spooled = itemsByAccount(metricOf('guidepost_spooled_items'))
  const settled = [
    spooled,
    ...(['guidepost_published_items_total', 'guidepost_dead_lettered_items_total'] as const).map((name) =>
      itemsByAccount(metricOf(name)),
    ),
    itemsByAccount(rejected),
  ]
  const closing = received.values.flatMap(({ value, labels }) => {
    const account = accountOf(labels)
    const open = settled.reduce((left, items) => left - (items.get(account) ?? 0), value)
    const { receiver = '', signal = '', guid = '' } = labels
    return [
      { value: open, labels: { receiver, signal, reason: diedReason, guid } },
      { value: spooled.get(account) ?? 0, labels: { receiver, signal, reason: diedSpooledReason, guid } },
    ].filter((each) => each.value > 0)
  })
  const closed = { ...rejected, values: [...rejected.values, ...closing] }
  return counts.map((each) => (each === rejected ? closed : each))
}

function itemsByAccount(metric: Metric | undefined): Map<string, number> {
  const items = new Map<string, number>()
  for (const { value, labels } of metric?.values ?? []) {
    const account = accountOf(labels)
    items.set(account, (items.get(account) ?? 0) + value)
  }
  return items
}

/** Which books an item is in. */
function accountOf({ receiver, signal, guid }: Labels): string {
  return `${receiver}\0${signal}\0${guid}`
}
