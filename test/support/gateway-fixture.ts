/** The whole path in this process, over a bus whose failures a test chooses. */
import type { AppendOutcome, Bus, BusHealth, BusRecord } from '../../src/bus/bus.ts'
import type { Config } from '../../src/config/config.ts'
import { loadConfig } from '../../src/config/load.ts'
import { permanent, retryable } from '../../src/errors.ts'
import { Listeners, type OpenPort } from '../../src/listeners.ts'
import { Receivers } from '../../src/receivers/receivers.ts'
import { Batcher } from '../../src/route/batcher.ts'
import { Budget } from '../../src/route/budget.ts'
import { BufferPool } from '../../src/route/pool.ts'
import { Shares } from '../../src/route/shares.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { Kernel } from '../../src/wire/kernel.ts'
import { type Sample, samplesOf } from './exposition.ts'

/** What the bus does with a record. */
export type Fate =
  | 'stored'
  | 'retry'
  | 'too_large'
  | 'refused'
  | 'rejects'
  | 'stored, but said to have failed'

export class FakeBus implements Bus {
  readonly url = 'fake:'
  recordBytesMax = 1_000_000
  isUp = true
  /** Decides each record's fate; `append` waits for it. */
  fate: (record: BusRecord) => Fate | Promise<Fate> = () => 'stored'
  /** What is durable; values are copies. */
  readonly stored: BusRecord[] = []
  /** Records of each call of `append`, durable or not. */
  readonly appends: BusRecord[][] = []

  start(): Promise<void> {
    return Promise.resolve()
  }

  async append(records: readonly BusRecord[]): Promise<AppendOutcome[]> {
    this.appends.push([...records])
    const outcomes: AppendOutcome[] = []
    for (const record of records) outcomes.push(this.#settle(record, await this.fate(record)))
    return outcomes
  }

  health(): BusHealth {
    return this.isUp ? { up: true, reason: '' } : { up: false, reason: 'the test says so' }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #settle(record: BusRecord, fate: Fate): AppendOutcome {
    switch (fate) {
      case 'stored':
        this.#store(record)
        return undefined
      case 'stored, but said to have failed':
        this.#store(record)
        return retryable('GP_BUS_DEADLINE', 'no answer in time')
      case 'retry':
        return retryable('GP_BUS_UNAVAILABLE', 'the bus is away')
      case 'too_large':
        return permanent('GP_RECORD_TOO_LARGE', `${record.value.length} bytes are too many`)
      case 'refused':
        return permanent('GP_BUS_REFUSED', 'no right to write')
      case 'rejects':
        throw new Error('a bus that breaks its own contract')
    }
  }

  #store(record: BusRecord): void {
    const { topic, guid, encoding, items, receiver, batchId, receivedAtMs, sender, value, headers } = record
    this.stored.push({
      ...{ topic, guid, encoding, items, batchId, receivedAtMs, sender, value: Buffer.from(value) },
      ...(receiver !== undefined && { receiver }),
      ...(headers !== undefined && { headers }),
    })
  }
}

/** Defaults, with the environment variables of `env` over them. */
export function configWith(env: Readonly<Record<string, string>> = {}): Config {
  const { config } = loadConfig({ env })
  if (config === undefined) throw new Error('the configuration of a test has problems')
  return config
}

const udpKeys: ReadonlySet<string> = new Set(['jaegerCompact', 'jaegerBinary', 'zipkinCompact'])

export class GatewayFixture {
  readonly bus = new FakeBus()
  readonly budget: Budget
  readonly shares: Shares
  readonly batcher: Batcher
  readonly metrics = new Metrics({ guidsMax: 200, runtime: false })
  /** Errors that no sender can be blamed for. */
  readonly failures: unknown[] = []
  /** Lines of the log about what senders were told. */
  readonly told: { readonly key: string; readonly fields: object; readonly message: string }[] = []
  readonly #receivers: Receivers
  readonly #listeners: Listeners

  private constructor(config: Config) {
    const { bus, metrics } = this
    this.budget = new Budget(config.limits.inflightBytes)
    this.shares = new Shares(this.budget, 1)
    metrics.setInflightBytes(() => this.budget.bytes)
    this.batcher = new Batcher({
      bus,
      budget: this.budget,
      pool: new BufferPool(),
      limits: config.limits,
      spread: 1,
      published: () => undefined,
      deadLettered: () => undefined,
    })
    const { batcher, shares } = this
    this.#receivers = new Receivers(config, {
      ...{ kernel: new Kernel(), bus, batcher, shares, metrics },
      told: (key, fields, message) => this.told.push({ key, fields, message }),
      noted: () => undefined,
      failed: (error) => this.failures.push(error),
    })
    this.#listeners = new Listeners({
      ...{ receivers: this.#receivers, shares },
      isShared: false,
      isServing: () => bus.isUp,
      refused: (listener, reason, _error, count) => metrics.refusedRequest(listener, reason, count),
      warned: () => undefined,
      failed: (_listener, error) => this.failures.push(error),
    })
  }

  /** With every listener open, each on a port of its own; those of UDP, which take a thread each, when asked for. */
  static async start(config = configWith(), { udp = false } = {}): Promise<GatewayFixture> {
    const fixture = new GatewayFixture(config)
    await fixture.#receivers.start()
    const anywhere = Object.entries(config.listeners).map(([key, at]) =>
      at === undefined || (!udp && udpKeys.has(key)) ? [key, undefined] : [key, { ...at, port: 0 }],
    )
    await fixture.#listeners.open({ ...config, listeners: Object.fromEntries(anywhere) })
    return fixture
  }

  /** The port for every protocol over HTTP. */
  get port(): number {
    return this.portOf('http')
  }

  portOf(key: OpenPort['key']): number {
    const open = this.#listeners.ports.find((port) => port.key === key)
    if (open === undefined) throw new Error(`${key} is not open`)
    return open.port
  }

  reload(config: Config): void {
    this.#receivers.reload(config)
    this.#listeners.reload(config)
    this.budget.resize(config.limits.inflightBytes)
    this.batcher.reload(config.limits)
  }

  async samples(): Promise<Sample[]> {
    return samplesOf(await this.metrics.registry.metrics())
  }

  /** Takes nothing more, and waits for what is under way. */
  async drain(): Promise<void> {
    await this.#listeners.drain()
  }

  async close(): Promise<void> {
    this.#receivers.stop()
    this.#listeners.destroy()
    await this.#listeners.drain()
  }
}
