/**
 * The program's own metrics. Items are counted in the ledger; here is what is counted by request, by append, or read
 * from elsewhere at the moment of a scrape. All of it is described in `definitions.ts`.
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { definitions, type MetricName } from './definitions.ts'
import { Durations, Observations } from './durations.ts'
import { type EventName, events } from './events.ts'
import { type Cell, Ledger } from './ledger.ts'
import { version } from './version.ts'

type Labels = Readonly<Record<string, string>>

/** What is counted for each set of values of a metric's labels: looked up by them, and not hashed by prom-client each time. */
class Children<Child> {
  readonly #children = new Map<string, Child>()
  readonly #names: readonly string[]
  readonly #create: (labels: Labels) => Child

  constructor(names: readonly string[], create: (labels: Labels) => Child) {
    this.#names = names
    this.#create = create
  }

  get(first = '', second = ''): Child {
    const key = second === '' ? first : `${first}\0${second}`
    const known = this.#children.get(key)
    if (known !== undefined) return known
    const values = [first, second]
    const child = this.#create(Object.fromEntries(this.#names.map((name, i) => [name, values[i] ?? ''])))
    this.#children.set(key, child)
    return child
  }

  all(): Iterable<Child> {
    return this.#children.values()
  }
}

/** One count of a counter, shown when somebody scrapes. */
interface Count extends Cell {
  readonly labels: Labels
}

/** What a receiver counts with each request: looked up once, and shown from the first on. */
export class RequestCounts {
  readonly #receiver: string
  readonly #bytes: Children<Count>
  readonly #seconds: Children<Observations>
  #received: Count | undefined
  readonly #byCode = new Map<number, Observations>()

  constructor(receiver: string, bytes: Children<Count>, seconds: Children<Observations>) {
    this.#receiver = receiver
    this.#bytes = bytes
    this.#seconds = seconds
  }

  /** Body bytes as they arrived, before inflating. */
  received(bytes: number): void {
    this.#received ??= this.#bytes.get(this.#receiver)
    this.#received.value += bytes
  }

  /** One answered request. `code` is the status of the answer in the receiver's own protocol. */
  answered(code: number, seconds: number): void {
    let observations = this.#byCode.get(code)
    if (observations === undefined) {
      observations = this.#seconds.get(this.#receiver, String(code))
      this.#byCode.set(code, observations)
    }
    observations.observe(seconds)
  }
}

/** What a scrape gets. */
export interface Exposition {
  readonly text: string
  readonly contentType: string
}

export async function expositionOf(registry: Registry): Promise<Exposition> {
  return { text: await registry.metrics(), contentType: registry.contentType }
}

export interface MetricsOptions {
  /** Guids that have series of their own (`metrics.guidsMax`). */
  readonly guidsMax: number
  /** The runtime's own metrics as well; off only in tests that make many of these. */
  readonly runtime?: boolean
}

/** The state of a spool, read at each scrape. */
export interface SpoolFacts {
  readonly bytes: () => number
  readonly bytesMax: number
  readonly parkedItems: () => number
}

export class Metrics {
  readonly registry = new Registry()
  readonly ledger: Ledger
  readonly #requestSeconds: Children<Observations>
  readonly #publishSeconds: Children<Observations>
  readonly #receivedBytes: Children<Count>
  readonly #refusedRequests: Children<Count>
  readonly #events: Children<Count>
  #inflightBytes: () => number = () => 0
  #spool: SpoolFacts = { bytes: () => 0, bytesMax: 0, parkedItems: () => 0 }
  #pressure: () => { readonly lagSeconds: number; readonly memoryBytes: number } = () => ({
    lagSeconds: 0,
    memoryBytes: 0,
  })
  readonly #spoolWritten: Children<Count>
  readonly #spoolDelivered: Children<Count>
  #busHealth: () => { readonly up: boolean } = () => ({ up: false })
  #isReady: () => boolean = () => false

  constructor(options: MetricsOptions) {
    this.ledger = new Ledger(options.guidsMax)
    this.ledger.expose(this.registry)
    this.#requestSeconds = this.#histogram('guidepost_request_duration_seconds')
    this.#publishSeconds = this.#histogram('guidepost_publish_duration_seconds')
    this.#receivedBytes = this.#counter('guidepost_received_bytes_total')
    this.#refusedRequests = this.#counter('guidepost_refused_requests_total')
    this.#events = this.#counter('guidepost_events_total')
    // From 0 on, since a series that begins at 1 does not rise: `increase()` would miss the first of each.
    for (const name of Object.keys(events)) this.#events.get(name)
    this.#spoolWritten = this.#counter('guidepost_spool_written_items_total')
    this.#spoolDelivered = this.#counter('guidepost_spool_delivered_items_total')
    this.#gauge('guidepost_spool_bytes', () => this.#spool.bytes())
    this.#gauge('guidepost_spool_bytes_max', () => this.#spool.bytesMax)
    this.#gauge('guidepost_spool_parked_items', () => this.#spool.parkedItems())
    this.#gauge('guidepost_inflight_bytes', () => this.#inflightBytes())
    this.#gauge('guidepost_event_loop_lag_seconds', () => this.#pressure().lagSeconds)
    this.#gauge('guidepost_memory_bytes_max', () => this.#pressure().memoryBytes)
    this.#gauge('guidepost_bus_up', () => (this.#busHealth().up ? 1 : 0))
    this.#gauge('guidepost_ready', () => (this.#isReady() ? 1 : 0))
    new Gauge({ ...this.#head('guidepost_build_info'), registers: [this.registry] })
      .labels(version, process.versions.node)
      .set(1)
    if (options.runtime !== false) collectDefaultMetrics({ register: this.registry })
  }

  /** For a receiver to keep. */
  requests(receiver: string): RequestCounts {
    return new RequestCounts(receiver, this.#receivedBytes, this.#requestSeconds)
  }

  /** One append to the bus whose fate is known. */
  publishSeconds(topic: string, seconds: number): void {
    this.#publishSeconds.get(topic).observe(seconds)
  }

  /** Whole requests refused, or datagrams lost, before their items were known. `reason` is one of a small fixed set. */
  refusedRequest(receiver: string, reason: string, count = 1): void {
    this.#refusedRequests.get(receiver, reason).value += count
  }

  /** A rare event. */
  event(name: EventName): void {
    this.#events.get(name).value++
  }

  /** Where the bytes in flight are read at each scrape. */
  setInflightBytes(read: () => number): void {
    this.#inflightBytes = read
  }

  /** Items that went into the spool. */
  spoolWritten(items: number): void {
    this.#spoolWritten.get().value += items
  }

  /** Items that left it. */
  spoolDelivered(items: number): void {
    this.#spoolDelivered.get().value += items
  }

  /** What is told of the spool at each scrape. */
  setSpool(spool: SpoolFacts): void {
    this.#spool = spool
  }

  /** Where the lag of the event loop and the bound of memory are read at each scrape. */
  setPressure(read: () => { readonly lagSeconds: number; readonly memoryBytes: number }): void {
    this.#pressure = read
  }

  /** Where the state of the bus is read at each scrape; down until set. */
  setBusHealth(read: () => { readonly up: boolean }): void {
    this.#busHealth = read
  }

  /** Where it is read at each scrape whether senders are served; not until set. */
  setReady(read: () => boolean): void {
    this.#isReady = read
  }

  #head(name: MetricName): { name: string; help: string; labelNames: string[] } {
    const { help, labels } = definitions[name]
    return { name, help, labelNames: [...labels] }
  }

  #histogram(
    name: 'guidepost_request_duration_seconds' | 'guidepost_publish_duration_seconds',
  ): Children<Observations> {
    const { buckets, labels } = definitions[name]
    const children = new Children(labels, (of) => new Observations(of, buckets))
    const shown = { ...this.#head(name), buckets: [...buckets], registers: [this.registry] }
    new Durations(shown, () => children.all())
    return children
  }

  #counter(name: MetricName): Children<Count> {
    const children = new Children<Count>(definitions[name].labels, (labels) => ({ labels, value: 0 }))
    new Counter({
      ...this.#head(name),
      registers: [this.registry],
      collect() {
        this.reset()
        for (const { labels, value } of children.all()) this.inc({ ...labels }, value)
      },
    })
    return children
  }

  #gauge(name: MetricName, read: () => number): void {
    new Gauge({
      ...this.#head(name),
      registers: [this.registry],
      collect() {
        this.set(read())
      },
    })
  }
}
