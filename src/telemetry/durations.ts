/**
 * A histogram that is observed with each request: buckets are numbers in an array that the observer has at hand, and become
 * prom-client's values when somebody scrapes. Its own `observe` looks at the labels and hashes them each time.
 */
import { Histogram, type HistogramConfiguration } from 'prom-client'

type Values = Awaited<ReturnType<Histogram['get']>>

/** The observations of one set of labels. */
export class Observations {
  readonly labels: Readonly<Record<string, string>>
  readonly #bounds: readonly number[]
  /** By bucket, each alone; the last is of what is above all bounds. */
  readonly #counts: Float64Array
  #sum = 0

  constructor(labels: Readonly<Record<string, string>>, bounds: readonly number[]) {
    this.labels = labels
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    const bounds = this.#bounds
    let bucket = 0
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++
    this.#counts[bucket]!++
    this.#sum += value
  }

  /** As prom-client shows them: each bucket with all below it, then the sum and the count. */
  values(name: string): Values['values'] {
    const { labels } = this
    let count = 0
    const buckets = [...this.#bounds, '+Inf'].map((le, bucket) => {
      count += this.#counts[bucket]!
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: count }
    })
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels: { ...labels }, value: this.#sum },
      { metricName: `${name}_count`, labels: { ...labels }, value: count },
    ]
  }
}

/** Shows `observations` in the registry of its configuration. */
export class Durations extends Histogram {
  readonly #name: string
  readonly #observations: () => Iterable<Observations>
  /** Says all but the values. */
  readonly #empty: Histogram

  constructor(configuration: HistogramConfiguration<string>, observations: () => Iterable<Observations>) {
    super(configuration)
    this.#name = configuration.name
    this.#observations = observations
    this.#empty = new Histogram({ ...configuration, registers: [] })
  }

  override async get(): Promise<Values> {
    const values = [...this.#observations()].flatMap((each) => each.values(this.#name))
    return { ...(await this.#empty.get()), values }
  }

  /** What the registry asks for its text, where a metric has it. */
  getForPromString(): Promise<Values> {
    return this.get()
  }
}
