/**
 * A worker: the process that the primary starts, with a whole gateway in it. It does what the primary says, and drains by
 * itself when the primary is gone. Signals of the terminal or of the system's own supervisor reach it as well as the
 * primary: they mean the same, and are obeyed once.
 */
import cluster from 'node:cluster'
import { GuidepostError } from '../errors.ts'
import { Gateway } from '../gateway.ts'
import { survive } from '../lifecycle.ts'
import { limits } from '../limits.ts'
import { settleHeap } from '../route/garbage.ts'
import { createLogger } from '../telemetry/log.ts'
import type { Order, Report, Word } from './words.ts'

const failed = 1

class WorkerMain {
  readonly #start = Promise.withResolvers<Extract<Order, { kind: 'start' }>>()
  readonly #stop = Promise.withResolvers<void>()
  readonly #hurry = Promise.withResolvers<void>()
  #gateway: Gateway | undefined
  #isOpen = false
  #isReporting = false
  /** Came before the gateway was open. */
  #reload: (() => void) | undefined

  constructor() {
    process.on('message', (order: Order) => this.#onOrder(order))
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => this.#stop.resolve())
    process.on('SIGHUP', () => undefined)
    const { worker } = cluster
    // The primary is gone. Node ends this process here and now, unless the end was asked for: which is right while the
    // ports are not open, for they cannot be had without the primary.
    worker?.on('disconnect', () => {
      worker.exitedAfterDisconnect = this.#isOpen
      this.#stop.resolve()
    })
  }

  /** The exit status. */
  async run(): Promise<number> {
    const { config, place } = await this.#start.promise
    const log = createLogger(config.logging).child({ worker: place.number })
    survive(log, () => process.exit(failed))
    const gateway = new Gateway(config, log, place)
    this.#gateway = gateway
    const reporting = setInterval(() => void this.#report(undefined), limits.workerReportMs)
    try {
      await gateway.start()
    } catch (error) {
      if (!(error instanceof GuidepostError)) throw error
      await say({ kind: 'failed', code: error.code, message: error.message })
      return failed
    }
    this.#isOpen = true
    setTimeout(settleHeap, limits.heapSettleMs).unref()
    this.#reload?.()
    await say({ kind: 'open', ports: gateway.ports, report: await this.#reportOf(gateway) })
    await this.#stop.promise
    const inTime = await gateway.drain(this.#hurry.promise)
    clearInterval(reporting)
    await say({ kind: 'drained', inTime, report: await this.#reportOf(gateway) })
    return inTime ? 0 : failed
  }

  #onOrder(order: Order): void {
    switch (order.kind) {
      case 'start':
        this.#start.resolve(order)
        break
      case 'reload':
        this.#reload = () => this.#gateway?.reload(order.config)
        if (this.#isOpen) this.#reload()
        break
      case 'report':
        void this.#report(order.number)
        break
      case 'drain':
        this.#stop.resolve()
        break
      case 'hurry':
        this.#hurry.resolve()
        break
    }
  }

  async #report(number: number | undefined): Promise<void> {
    if (this.#gateway === undefined || (number === undefined && this.#isReporting)) return
    this.#isReporting = true
    await say({ kind: 'report', number, report: await this.#reportOf(this.#gateway) })
    this.#isReporting = false
  }

  async #reportOf(gateway: Gateway): Promise<Report> {
    const counts = await gateway.metrics.registry.getMetricsAsJSON()
    // Asked for last, so that it is not older than what it stands beside.
    return { readiness: gateway.readiness(), status: gateway.status(), counts }
  }
}

/** Settles when the word is on its way, or when nobody is there to hear it. */
function say(word: Word): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve()
    else process.send(word, undefined, undefined, () => resolve())
  })
}

// A disk or a socket that hangs would keep the process alive for ever; the log is written synchronously.
process.exit(await new WorkerMain().run())
