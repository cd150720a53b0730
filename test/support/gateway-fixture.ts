/** The whole path in this process, over a bus whose failures a test chooses. */
import type { AppendOutcome, Bus, BusHealth, BusRecord } from '../../src/bus/bus.ts'
import type { Config } from '../../src/config/config.ts'
import { loadConfig } from '../../src/config/load.ts'
import { permanent, retryable } from '../../src/errors.ts'
import { RemoteWriteReceiver, receiverName } from '../../src/receivers/prometheus-remote-write.ts'
import { Batcher } from '../../src/route/batcher.ts'
import { Budget } from '../../src/route/budget.ts'
import { BufferPool } from '../../src/route/pool.ts'
import { GuidTable } from '../../src/stamp/guid.ts'
import { GuidRules } from '../../src/stamp/guid-rules.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { HttpListener } from '../../src/transport/http.ts'
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
    this.stored.push({ ...record, value: Buffer.from(record.value) })
  }
}

/** Defaults, with the environment variables of `env` over them. */
export function configWith(env: Readonly<Record<string, string>> = {}): Config {
  const { config } = loadConfig({ env })
  if (config === undefined) throw new Error('the configuration of a test has problems')
  return config
}

export class GatewayFixture {
  readonly bus = new FakeBus()
  readonly budget: Budget
  readonly batcher: Batcher
  readonly metrics = new Metrics({ guidsMax: 200, runtime: false })
  /** Errors that the listener reported, which no sender can be blamed for. */
  readonly failures: unknown[] = []
  readonly #listener: HttpListener
  port = 0

  private constructor(config: Config) {
    const { bus, metrics } = this
    this.budget = new Budget(config.limits.inflightBytes)
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
    const { guid } = config.receivers.remoteWrite
    const { ledger } = metrics
    const table = new GuidTable({ name: guid.name, receiver: receiverName, signal: 'metrics', ledger })
    const receiver = new RemoteWriteReceiver(
      {
        kernel: new Kernel(),
        bus,
        batcher: this.batcher,
        budget: this.budget,
        metrics,
        told: () => undefined,
      },
      { rules: new GuidRules(guid, table, 'label'), limits: config.limits },
    )
    this.#listener = new HttpListener({
      host: '127.0.0.1',
      port: 0,
      guid: undefined,
      connections: config.limits.connections,
      requestMs: config.limits.requestMs,
      routes: receiver.routes(),
      refused: (reason) => metrics.refusedRequest('http', reason),
      failed: (error) => this.failures.push(error),
    })
  }

  static async start(config = configWith()): Promise<GatewayFixture> {
    const fixture = new GatewayFixture(config)
    fixture.port = await fixture.#listener.listen()
    return fixture
  }

  async samples(): Promise<Sample[]> {
    return samplesOf(await this.metrics.registry.metrics())
  }

  async close(): Promise<void> {
    this.#listener.destroy()
    await this.#listener.drain()
  }
}
