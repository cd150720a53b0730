/**
 * The primary of several workers: it owns the ports and hands each connection to the next worker in turn (node:cluster),
 * serves the admin port for all, passes on what it is told, and starts again what has died. No telemetry goes through it.
 */
import { type Admin, createAdmin, type Readiness } from '../admin/admin.ts'
import type { Config } from '../config/config.ts'
import { greet, tellListening } from '../greeting.ts'
import type { Runner } from '../lifecycle.ts'
import type { OpenPort } from '../listeners.ts'
import { CountsSum } from '../telemetry/counts.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Exposition } from '../telemetry/metrics.ts'
import { WorkerMetrics } from '../telemetry/worker-metrics.ts'
import type { Report } from './words.ts'
import { type Slot, Workers } from './workers.ts'

export class Primary implements Runner {
  readonly #config: Config
  readonly #log: Logger
  readonly #workers: Workers
  readonly #metrics: WorkerMetrics
  readonly #sum = new CountsSum()
  #ports: readonly OpenPort[] = []
  #admin: Admin | undefined
  #scrape: Promise<Exposition> | undefined
  #hasStarted = false
  #draining = false

  /** `config.workers` says how many. */
  constructor(config: Config, log: Logger) {
    this.#config = config
    this.#log = log
    this.#workers = new Workers(config, {
      log,
      ended: ({ report }, { hasDrained }) => {
        if (report === undefined) return
        // One that somebody else has ended is started again, and opens its spool anew.
        if (hasDrained && this.#draining) this.#sum.keep(report.counts)
        else this.#sum.retire(report.counts)
      },
      restarted: (worker) => this.#metrics.restarted(worker),
    })
    const { slots } = this.#workers
    this.#metrics = new WorkerMetrics(
      config.workers,
      (worker) => isServing(slots[worker - 1]),
      () => this.#readiness().ok,
    )
  }

  get broken(): Promise<string> {
    return this.#workers.broken
  }

  async start(): Promise<void> {
    try {
      const [ports] = await Promise.all([this.#workers.start(), this.#openAdmin()])
      this.#ports = ports
    } catch (error) {
      await this.drain(Promise.resolve())
      throw error
    }
    this.#hasStarted = true
    for (const open of this.#ports) tellListening(this.#log, open)
    const { ok, reasons } = this.#readiness()
    const { url } = this.#config.bus
    greet(this.#log, { config: this.#config, ports: this.#ports, url, up: ok, reason: reasons.join('; ') })
  }

  reload(config: Config): void {
    this.#workers.reload(config)
  }

  async drain(hurry: Promise<void>): Promise<boolean> {
    this.#draining = true
    const inTime = await this.#workers.stop(hurry)
    await this.#admin?.close()
    return inTime
  }

  async #openAdmin(): Promise<void> {
    const { admin } = this.#config
    if (admin === undefined) return
    this.#admin = createAdmin({
      ...admin,
      exposition: () => this.#exposition(),
      ready: () => this.#readiness(),
      status: () => this.#status(),
      log: this.#log,
    })
    await this.#admin.listen()
    tellListening(this.#log, { key: 'admin', host: admin.host, port: this.#admin.address?.port ?? 0 })
  }

  /** Scrapes at the same time share one round of questions. */
  #exposition(): Promise<Exposition> {
    this.#scrape ??= this.#ask().finally(() => {
      this.#scrape = undefined
    })
    return this.#scrape
  }

  async #ask(): Promise<Exposition> {
    const asked = this.#workers.slots.flatMap(({ process }) => process ?? [])
    await Promise.all(asked.map((process) => process.ask()))
    const own = await this.#metrics.registry.getMetricsAsJSON()
    // Of those that are here now: one that died meanwhile is among the retired. Its own are the first, see `together`.
    return await this.#sum.exposition([own, ...this.#reports().map(({ counts }) => counts)])
  }

  #reports(): readonly Report[] {
    return this.#workers.slots.flatMap(({ process }) => process?.report ?? [])
  }

  /**
   * At the start all have to serve, so that connections are shared evenly. Later one is enough: no connection is handed to
   * a worker that is not there, and to take the others out of service with it would not help anybody.
   */
  #readiness(): Readiness {
    if (this.#draining) return { ok: false, reasons: ['the gateway is draining'] }
    if (!this.#hasStarted && !this.#workers.slots.every(isServing)) {
      return { ok: false, reasons: ['the gateway is starting: not all workers have opened their ports yet'] }
    }
    const serving = this.#workers.slots.filter(isServing).flatMap(({ process }) => process?.report ?? [])
    if (serving.some(({ readiness }) => readiness.ok)) return { ok: true, reasons: [] }
    const reasons = new Set(serving.flatMap(({ readiness }) => readiness.reasons))
    return { ok: false, reasons: reasons.size === 0 ? ['no worker is running'] : [...reasons] }
  }

  #status(): Readonly<Record<string, unknown>> {
    const reports = this.#reports()
    const total = (name: string): number =>
      reports.reduce((sum, { status }) => sum + Number(status[name] ?? 0), 0)
    return {
      ...reports[0]?.status,
      inflightBytes: total('inflightBytes'),
      inflightBytesMax: total('inflightBytesMax'),
      ...spoolOf(reports),
      workers: this.#workers.slots.map((slot) => ({
        worker: slot.number,
        pid: slot.process?.pid,
        state: isServing(slot) ? 'serving' : slot.process === undefined ? 'ended' : 'starting',
        restarts: slot.restarts,
        ...slot.process?.report?.readiness,
        ...slot.process?.report?.status,
      })),
    }
  }
}

function isServing(slot: Slot | undefined): boolean {
  return slot?.process?.ports !== undefined
}

/** What all spools hold and may hold together; where each lies, and how it is, is said of its worker. */
function spoolOf(reports: readonly Report[]): { readonly spool?: Readonly<Record<string, number>> } {
  const sums: Record<string, number> = {}
  for (const { status } of reports) {
    const spool = status['spool'] ?? {}
    for (const name of ['bytes', 'bytesMax', 'records', 'parkedRecords']) {
      const value: unknown = Reflect.get(spool, name)
      if (typeof value === 'number') sums[name] = (sums[name] ?? 0) + value
    }
  }
  return Object.keys(sums).length === 0 ? {} : { spool: sums }
}
