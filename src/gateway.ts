/**
 * The running gateway: what `guidepost run` starts, reloads and drains. Start order: bus, admin, listeners; a port that
 * answers is one that can serve. Drain order: readiness off, listeners, what is in flight, bus, admin.
 */
import { type Admin, createAdmin } from './admin/admin.ts'
import type { Bus, BusRecord } from './bus/bus.ts'
import type { BusConfig, Config } from './config/config.ts'
import { limits } from './limits.ts'
import { paths, RemoteWriteReceiver, receiverName } from './receivers/prometheus-remote-write.ts'
import { Batcher } from './route/batcher.ts'
import { Budget, BudgetShare } from './route/budget.ts'
import { BufferPool } from './route/pool.ts'
import { GuidTable } from './stamp/guid.ts'
import { GuidRules } from './stamp/guid-rules.ts'
import { type Logger, Throttled } from './telemetry/log.ts'
import { Metrics } from './telemetry/metrics.ts'
import { HttpListener } from './transport/http.ts'
import { Kernel } from './wire/kernel.ts'

/** Loaded only when it is used: the Kafka clients are large. */
async function openBus(config: BusConfig, log: Logger, metrics: Metrics): Promise<Bus> {
  if (config.kind === 'log') {
    const { LogBus } = await import('./bus/log/log-bus.ts')
    return new LogBus(config, { log, onEvent: (event) => metrics.event(event.kind) })
  }
  const onEvent = (health: { up: boolean }): void => metrics.event(health.up ? 'bus_up' : 'bus_down')
  if (config.client === 'kafkajs') {
    const { KafkajsBus } = await import('./bus/kafkajs/kafkajs-bus.ts')
    return new KafkajsBus(config, { log, onEvent })
  }
  const { KafkaBus } = await import('./bus/kafka/kafka-bus.ts')
  return new KafkaBus(config, { log, onEvent })
}

export class Gateway {
  readonly #log: Logger
  readonly #throttled: Throttled
  readonly #metrics: Metrics
  readonly #budget: Budget
  #config: Config
  #bus!: Bus
  #batcher!: Batcher
  #remoteWrite!: RemoteWriteReceiver
  #http: HttpListener | undefined
  #admin: Admin | undefined
  #httpPort = 0
  #draining = false

  constructor(config: Config, log: Logger) {
    this.#config = config
    this.#log = log
    this.#throttled = new Throttled(log, limits.logThrottleMs)
    this.#metrics = new Metrics({ guidsMax: config.metrics.guidsMax })
    this.#budget = new Budget(config.limits.inflightBytes)
  }

  /** Opens everything. Throws a coded error when an operator has to act; what was opened by then is closed again. */
  async start(): Promise<void> {
    const config = this.#config
    this.#bus = await openBus(config.bus, this.#log, this.#metrics)
    this.#metrics.setInflightBytes(() => this.#budget.bytes)
    this.#metrics.setBusHealth(() => this.#bus.health())
    await this.#bus.start()
    try {
      await this.#serve(config)
    } catch (error) {
      await this.#bus.close(0)
      await this.#admin?.close()
      throw error
    }
    this.#greet()
  }

  /** Takes over rules and limits; says what only a restart can change. */
  reload(config: Config): void {
    const fixed = (of: Config): string =>
      JSON.stringify([of.bus, of.listeners, of.admin, of.metrics, of.logging])
    if (fixed(config) !== fixed(this.#config)) {
      this.#log.warn(
        'bus, listeners, admin, metrics and logging keep their old configuration until a restart',
      )
    }
    this.#config = { ...this.#config, guid: config.guid, receivers: config.receivers, limits: config.limits }
    this.#budget.resize(config.limits.inflightBytes)
    this.#batcher.reload(config.limits)
    this.#remoteWrite.reload({ rules: this.#rules(config), limits: config.limits })
    this.#http?.reload(config.limits)
    this.#log.info('the configuration was reloaded: rules and limits apply from now on')
  }

  /** Stops taking requests, finishes what is under way, and closes everything. False when the deadline cut it short. */
  async drain(hurry: Promise<void>): Promise<boolean> {
    this.#draining = true
    this.#log.info({ inflightBytes: this.#budget.bytes }, 'draining')
    const finished = Promise.all([this.#http?.drain(), this.#batcher.drain()]).then(() => true)
    const { promise: deadline, resolve } = Promise.withResolvers<boolean>()
    const timer = setTimeout(resolve, this.#config.limits.drainMs, false)
    const inTime = await Promise.race([finished, deadline, hurry.then(() => false)])
    clearTimeout(timer)
    this.#http?.destroy()
    await this.#bus.close(inTime ? limits.appendMsMax : 0)
    await this.#admin?.close()
    return inTime
  }

  async #serve(config: Config): Promise<void> {
    this.#batcher = new Batcher({
      bus: this.#bus,
      budget: this.#budget,
      pool: new BufferPool(),
      spread: config.bus.kind === 'kafka' ? config.bus.spread : 1,
      limits: config.limits,
      published: (topic, seconds) => this.#metrics.publishSeconds(topic, seconds),
      deadLettered: (record, reason) => this.#tellDeadLetter(record, reason),
    })
    this.#remoteWrite = new RemoteWriteReceiver(
      {
        kernel: new Kernel(),
        bus: this.#bus,
        batcher: this.#batcher,
        budget: new BudgetShare(this.#budget, limits.bodiesShareMax),
        metrics: this.#metrics,
        told: (key, fields, message) => this.#throttled.warn(key, fields, message),
      },
      { rules: this.#rules(config), limits: config.limits },
    )
    await this.#listen(config)
  }

  async #listen(config: Config): Promise<void> {
    if (config.admin !== undefined) {
      this.#admin = createAdmin({
        ...config.admin,
        metrics: this.#metrics,
        ready: () => this.#readiness(),
        status: () => this.#status(),
        log: this.#log,
      })
      await this.#admin.listen()
      this.#tellListening('admin', config.admin.host, this.#admin.address?.port ?? 0)
    }
    const { http } = config.listeners
    if (http === undefined) return
    this.#http = new HttpListener({
      ...http,
      connections: config.limits.connections,
      requestMs: config.limits.requestMs,
      routes: config.receivers.remoteWrite.enabled ? this.#remoteWrite.routes() : [],
      refused: (reason) => this.#metrics.refusedRequest('http', reason),
      failed: (error) => this.#throttled.error('http', { error }, 'a request failed inside the gateway'),
    })
    this.#httpPort = await this.#http.listen()
    this.#tellListening('http', http.host, this.#httpPort)
  }

  #rules(config: Config): GuidRules {
    const { guid } = config.receivers.remoteWrite
    const { ledger } = this.#metrics
    return new GuidRules(
      guid,
      new GuidTable({ name: guid.name, receiver: receiverName, signal: 'metrics', ledger }),
      'label',
    )
  }

  #readiness(): { ok: boolean; reasons: string[] } {
    const reasons: string[] = []
    const { up, reason } = this.#bus.health()
    if (this.#draining) reasons.push('the gateway is draining')
    if (!up) reasons.push(`the bus is down: ${reason}`)
    return { ok: reasons.length === 0, reasons }
  }

  #status(): Readonly<Record<string, unknown>> {
    return {
      http: this.#http === undefined ? 'off' : `${this.#config.listeners.http?.host}:${this.#httpPort}`,
      remoteWrite: paths.join(', '),
      bus: this.#bus.url,
      inflightBytes: this.#budget.bytes,
      inflightBytesMax: this.#budget.bytesMax,
    }
  }

  #tellListening(listener: string, host: string, port: number): void {
    this.#log.info({ listener, host, port }, 'listening')
  }

  #tellDeadLetter(record: BusRecord, reason: string): void {
    const { topic, guid, items, value } = record
    this.#throttled.error(
      `dead letter ${topic}`,
      { topic, guid, items, bytes: value.length, reason },
      'a record went to the dead letters',
    )
  }

  #greet(): void {
    const { http } = this.#config.listeners
    if (http === undefined) return
    const host = http.host === '0.0.0.0' || http.host === '::' ? '127.0.0.1' : http.host
    const url = `http://${host}:${this.#httpPort}/write`
    this.#log.info({ bus: this.#bus.url }, `remote write: ${url}`)
    this.#log.info(`a first sample: npm run send-sample -- --url ${url}   read it back: npx guidepost tail`)
  }
}
