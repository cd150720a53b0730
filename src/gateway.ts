/**
 * The running gateway: what `guidepost run` starts, reloads and drains. Start order: bus, admin, listeners; a port that
 * answers is one that can serve. Drain order: readiness off, listeners, what is in flight, bus, admin.
 */
import { type Admin, createAdmin, type Readiness } from './admin/admin.ts'
import type { Bus, BusRecord } from './bus/bus.ts'
import type { BusConfig, Config } from './config/config.ts'
import { alone, type WorkerPlace } from './config/workers.ts'
import { greet, tellListening } from './greeting.ts'
import { limits } from './limits.ts'
import { Listeners, type OpenPort, prepareListeners, type Refusal } from './listeners.ts'
import { Receivers, topicsOf } from './receivers/receivers.ts'
import { Batcher } from './route/batcher.ts'
import { Budget } from './route/budget.ts'
import { collectGarbage } from './route/garbage.ts'
import { BufferPool } from './route/pool.ts'
import { Pressure } from './route/pressure.ts'
import { rescue } from './route/rescue.ts'
import { Shares } from './route/shares.ts'
import { SpoolBooks } from './route/spool-books.ts'
import { bytesLeftBehind } from './spool/left-behind.ts'
import { cutterOf } from './stamp/stampings.ts'
import { type Logger, Throttled } from './telemetry/log.ts'
import { expositionOf, Metrics } from './telemetry/metrics.ts'
import { Kernel } from './wire/kernel.ts'

/** Loaded only when it is used: the Kafka clients are large. */
async function makeBus(whole: Config, log: Logger, metrics: Metrics): Promise<Bus> {
  const config: BusConfig = whole.bus
  if (config.kind === 'log') {
    const { LogBus } = await import('./bus/log/log-bus.ts')
    return new LogBus(config, { log, onEvent: (event) => metrics.event(event.kind) })
  }
  const onEvent = (health: { up: boolean }): void => metrics.event(health.up ? 'bus_up' : 'bus_down')
  const topics = topicsOf(whole)
  // Where there is a spool nobody has to wait until Kafka is known to be there.
  const beside = whole.spool && { deadlineMsMin: whole.spool.afterMs, startMsMax: limits.spoolStartMs }
  const options = { log, onEvent, topics, ...beside }
  if (config.client === 'kafkajs') {
    const { KafkajsBus } = await import('./bus/kafkajs/kafkajs-bus.ts')
    return new KafkajsBus(config, options)
  }
  const { compilingLater } = await import('./bus/kafka/validators.ts')
  const { KafkaBus } = await compilingLater(() => import('./bus/kafka/kafka-bus.ts'))
  return new KafkaBus(config, options)
}

export class Gateway {
  readonly #log: Logger
  readonly #throttled: Throttled
  readonly #place: WorkerPlace
  readonly #metrics: Metrics
  readonly #budget: Budget
  readonly #shares: Shares
  readonly #pressure: Pressure
  readonly #pool = new BufferPool()
  readonly #kernel = new Kernel()
  #config: Config
  #bus!: Bus
  #batcher!: Batcher
  #receivers: Receivers | undefined
  #listeners: Listeners | undefined
  #admin: Admin | undefined
  #looking: NodeJS.Timeout | undefined
  #spoolStatus: () => Readonly<Record<string, unknown>> = () => ({})
  #isListening = false
  #draining = false

  /** Of several workers, each has a gateway of its own; what is said once for all of them, the primary says. */
  constructor(config: Config, log: Logger, place: WorkerPlace = alone) {
    this.#config = config
    this.#place = place
    this.#log = log
    this.#throttled = new Throttled(log, limits.logThrottleMs)
    this.#metrics = new Metrics({ guidsMax: config.metrics.guidsMax })
    this.#budget = new Budget(config.limits.inflightBytes)
    this.#shares = new Shares(this.#budget)
    this.#pressure = new Pressure({
      shares: this.#shares,
      memoryBytes: config.limits.memoryBytes,
      residentBytes: () => process.memoryUsage.rss(),
      bufferBytes: () => process.memoryUsage().external,
      relieve: () => this.#relieve(),
      relieved: (before, after) => this.#tellRelieved(before, after),
    })
    this.#metrics.setPressure(() => this.#pressure)
  }

  /** Opens everything. Throws a coded error when an operator has to act; what was opened by then is closed again. */
  async start(): Promise<void> {
    const config = this.#config
    prepareListeners(config)
    this.#bus = await this.#openBus(config)
    this.#metrics.setInflightBytes(() => this.#budget.bytes)
    this.#metrics.setReady(() => this.readiness().ok)
    await this.#bus.start()
    try {
      await this.#serve(config)
    } catch (error) {
      this.#receivers?.stop()
      await this.#listeners?.drain()
      await this.#bus.close(0)
      await this.#admin?.close()
      throw error
    }
    if (this.#place.count > 1) return
    for (const open of this.ports) tellListening(this.#log, open)
    greet(this.#log, { config, ports: this.ports, url: this.#bus.url, ...this.#bus.health() })
  }

  /** Takes over rules and limits; says what only a restart can change. */
  reload(config: Config): void {
    const fixed = (of: Config): string =>
      JSON.stringify([
        of.bus,
        of.workers,
        of.spool,
        of.listeners,
        of.admin,
        of.metrics,
        of.logging,
        topicsOf(of),
      ])
    if (fixed(config) !== fixed(this.#config) && this.#place.number === 1) {
      this.#log.warn(
        'bus, workers, spool, listeners, admin, metrics, logging, and which receivers are on and what they write, keep their old configuration until a restart',
      )
    }
    this.#config = { ...this.#config, guid: config.guid, receivers: config.receivers, limits: config.limits }
    this.#budget.resize(config.limits.inflightBytes)
    this.#pressure.resize(config.limits.memoryBytes)
    this.#batcher.reload(config.limits)
    this.#receivers?.reload(config)
    this.#listeners?.reload(config)
    this.#log.info('the configuration was reloaded: rules and limits apply from now on')
  }

  /** Stops taking requests, finishes what is under way, and closes everything. False when the deadline cut it short. */
  async drain(hurry: Promise<void>): Promise<boolean> {
    this.#draining = true
    this.#log.info({ inflightBytes: this.#budget.bytes }, 'draining')
    const finished = Promise.all([this.#listeners?.drain(), this.#batcher.drain()]).then(() => true)
    const { promise: deadline, resolve } = Promise.withResolvers<boolean>()
    const timer = setTimeout(resolve, this.#config.limits.drainMs, false)
    const inTime = await Promise.race([finished, deadline, hurry.then(() => false)])
    clearTimeout(timer)
    clearInterval(this.#looking)
    this.#pressure.stop()
    this.#listeners?.destroy()
    this.#receivers?.stop()
    await this.#bus.close(inTime ? limits.appendMsMax : 0)
    await this.#admin?.close()
    return inTime
  }

  /** The bus, with a spool around it when there is to be one. */
  async #openBus(config: Config): Promise<Bus> {
    const metrics = this.#metrics
    const bus = await makeBus(config, this.#log, metrics)
    // What is up or down is the bus itself: with a spool senders do not notice, and an operator should.
    metrics.setBusHealth(() => bus.health())
    if (config.spool === undefined) {
      await this.#tellLeftBehind(config.spoolDirectory)
      return bus
    }
    const { SpooledBus } = await import('./bus/spooled/spooled-bus.ts')
    const { appendMs } = config.bus
    const { diskReserveBytes, segmentBytesMax: segmentBytes } = limits
    const books = new SpoolBooks(metrics)
    const cut = cutterOf(this.#kernel, config, metrics.ledger)
    const deadLettered = (record: BusRecord, reason: string): void => this.#tellDeadLetter(record, reason)
    const spooled = new SpooledBus(
      bus,
      { ...config.spool, worker: this.#place, appendMs, diskReserveBytes, segmentBytes },
      {
        log: this.#log,
        accounts: books,
        refused: (record, outcome) => rescue({ bus, books, cut, deadLettered }, record, outcome),
        onEvent: (name) => metrics.event(name),
      },
    )
    metrics.setSpool({
      bytes: () => spooled.spoolBytes,
      bytesMax: spooled.spoolBytesMax,
      parkedItems: () => spooled.parkedItems,
    })
    this.#spoolStatus = () => ({ spool: spooled.status() })
    return spooled
  }

  /** What was acknowledged and is in a spool that is off would be forgotten there. */
  async #tellLeftBehind(directory: string): Promise<void> {
    if (this.#place.number > 1) return
    const bytes = await bytesLeftBehind(directory)
    if (bytes === 0) return
    const text =
      'The spool is off, and holds records that were acknowledged and are not on Kafka; nobody delivers them'
    this.#log.error({ directory, bytes }, text)
  }

  async #serve(config: Config): Promise<void> {
    this.#batcher = new Batcher({
      bus: this.#bus,
      budget: this.#budget,
      pool: this.#pool,
      spread: config.bus.kind === 'kafka' ? config.bus.spread : 1,
      limits: config.limits,
      published: (topic, seconds) => this.#metrics.publishSeconds(topic, seconds),
      deadLettered: (record, reason) => this.#tellDeadLetter(record, reason),
    })
    const failed = (where: string, error: unknown): void =>
      this.#throttled.error(where, { error }, 'a request failed inside the gateway')
    const receivers = new Receivers(config, {
      ...{
        kernel: this.#kernel,
        bus: this.#bus,
        batcher: this.#batcher,
        shares: this.#shares,
        metrics: this.#metrics,
      },
      isLagging: () => this.#pressure.isLagging,
      told: (key, fields, message) => this.#throttled.warn(key, fields, message),
      noted: (level, fields, message) => this.#log[level](fields, message),
      failed: (error) => failed('receiver', error),
    })
    this.#receivers = receivers
    await receivers.start()
    this.#listeners = new Listeners({
      ...{ receivers, shares: this.#shares, failed },
      isServing: () => this.readiness().ok,
      isShared: this.#place.count > 1,
      refused: (listener, reason, refusal, count) => this.#refused(listener, reason, refusal, count),
      warned: (listener, fields, message) =>
        this.#throttled.warn(`${listener} ${message}`, { listener, ...fields }, message),
    })
    this.#pressure.start()
    this.#looking = setInterval(() => this.#shares.look(), limits.paceCheckMs).unref()
    await this.#listen(config)
  }

  /** Memory is short. Comes between requests, never within one. */
  #relieve(): void {
    this.#pool.clear()
    this.#kernel.relieve()
    collectGarbage()
  }

  #tellRelieved(before: number, after: number): void {
    const { memoryBytes } = this.#pressure
    this.#metrics.event('memory_short')
    this.#throttled.warn(
      'memory',
      { before, after, memoryBytes, inflightBytes: this.#budget.bytes },
      'memory is short (limits.memoryBytes): large requests are told to wait until less is in use',
    )
  }

  /** Counts what no receiver saw, and tells what its sender was told: one that drops its data should leave a line here. */
  #refused(listener: string, reason: string, refusal: Refusal | undefined, count = 1): void {
    this.#metrics.refusedRequest(listener, reason, count)
    if (refusal === undefined) return
    const { error, peer } = refusal
    const fields = { receiver: listener, code: error.code, ...(peer !== '' && { peer }) }
    this.#throttled.warn(`${listener} ${reason}`, fields, error.message)
  }

  async #listen(config: Config): Promise<void> {
    if (config.admin !== undefined && this.#place.count === 1) {
      this.#admin = createAdmin({
        ...config.admin,
        exposition: () => expositionOf(this.#metrics.registry),
        ready: () => this.readiness(),
        status: () => this.status(),
        log: this.#log,
      })
      await this.#admin.listen()
      const port = this.#admin.address?.port ?? 0
      tellListening(this.#log, { key: 'admin', host: config.admin.host, port })
    }
    await this.#listeners?.open(config)
    this.#isListening = true
  }

  /** Whether senders should be sent here now. */
  readiness(): Readiness {
    const reasons: string[] = []
    const { up, reason } = this.#bus.health()
    if (!this.#isListening) reasons.push('the gateway is starting: not all of its ports are open yet')
    if (this.#draining) reasons.push('the gateway is draining')
    if (!up) reasons.push(`the bus is down: ${reason}`)
    return { ok: reasons.length === 0, reasons }
  }

  /** Facts for an operator. */
  status(): Readonly<Record<string, unknown>> {
    return {
      ...Object.fromEntries(this.ports.map(({ key, host, port }) => [key, `${host}:${port}`])),
      bus: this.#bus.url,
      ...this.#spoolStatus(),
      inflightBytes: this.#budget.bytes,
      inflightBytesMax: this.#budget.bytesMax,
    }
  }

  /** Those that are open. */
  get ports(): readonly OpenPort[] {
    return this.#listeners?.ports ?? []
  }

  /** What was counted so far. */
  get metrics(): Metrics {
    return this.#metrics
  }

  #tellDeadLetter(record: BusRecord, reason: string): void {
    const { topic, guid, items, value } = record
    this.#throttled.error(
      `dead letter ${topic}`,
      { topic, guid, items, bytes: value.length, reason },
      'a record went to the dead letters',
    )
  }
}
