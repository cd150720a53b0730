/**
 * The workers of a primary: started, watched, started again when they die or hang, and ended together.
 *
 *     starting ── open ──→ serving ── drain ──→ gone
 *        ↑  └── dies ──┐      └── dies, hangs ──┐
 *        └─── pause ───┴────────────────────────┘
 *
 * The pause is none after the first death and grows with those that follow soon. One that does not come as far as opening
 * its ports, again and again, breaks the program.
 */
import cluster from 'node:cluster'
import { fileURLToPath } from 'node:url'
import type { Config } from '../config/config.ts'
import { shareOf } from '../config/workers.ts'
import { type GuidepostError, permanent } from '../errors.ts'
import { limits } from '../limits.ts'
import type { OpenPort } from '../listeners.ts'
import type { Logger } from '../telemetry/log.ts'
import { hasChosenPort, reloaded, withPorts } from './config.ts'
import { type WorkerEnd, WorkerProcess } from './worker-process.ts'

export interface WorkersOptions {
  readonly log: Logger
  /** A process has ended; its last report is what is left of it. */
  readonly ended: (process: WorkerProcess, end: WorkerEnd) => void
  /** One is started again. */
  readonly restarted: (worker: number) => void
}

/** The place of one worker: the process that has it now, and how those before it fared. */
export interface Slot {
  readonly number: number
  process: WorkerProcess | undefined
  /** Processes that were started again. */
  restarts: number
  /** Deaths with little between them; starts that failed in succession. */
  deaths: number
  failedStarts: number
  timer: NodeJS.Timeout | undefined
}

export class Workers {
  readonly slots: readonly Slot[]
  readonly #options: WorkersOptions
  readonly #started = Promise.withResolvers<void>()
  readonly #broken = Promise.withResolvers<string>()
  #config: Config
  /** As the first worker that opened them has them. */
  #ports: readonly OpenPort[] = []
  #ticking: NodeJS.Timeout | undefined
  #isStopping = false

  /** `config.workers` says how many. */
  constructor(config: Config, options: WorkersOptions) {
    this.#config = config
    this.#options = options
    this.slots = Array.from({ length: config.workers }, (_, index) => ({
      ...{ number: index + 1, process: undefined, timer: undefined },
      ...{ restarts: 0, deaths: 0, failedStarts: 0 },
    }))
    cluster.schedulingPolicy = cluster.SCHED_RR
    cluster.setupPrimary({
      exec: fileURLToPath(new URL('./worker.ts', import.meta.url)),
      args: [],
      // A configuration holds regular expressions.
      serialization: 'advanced',
    })
  }

  /** Resolves when there is no use in going on, with the reason. */
  get broken(): Promise<string> {
    return this.#broken.promise
  }

  /** The open ports, once all workers have them. Rejects with a coded error when an operator has to act. */
  async start(): Promise<readonly OpenPort[]> {
    this.#ticking = setInterval(() => this.#tick(), limits.workerReportMs)
    const [first] = this.slots
    // Others than the first may have to wait for its ports, see `#onOpen`.
    for (const slot of hasChosenPort(this.#config) ? [first!] : this.slots) this.#fork(slot)
    await Promise.race([this.#started.promise, this.#broken.promise.then(brokenError)])
    return this.#ports
  }

  /** Hands rules and limits on to all, and keeps them for those that are started later. */
  reload(config: Config): void {
    for (const { process } of this.slots) process?.order({ kind: 'reload', config: this.#shareOf(config) })
    this.#config = reloaded(this.#config, config)
  }

  /** Drains all. False when one of them was cut short; `hurry` does that. */
  async stop(hurry: Promise<void>): Promise<boolean> {
    this.#isStopping = true
    clearInterval(this.#ticking)
    for (const { timer } of this.slots) clearTimeout(timer)
    const living = this.slots.flatMap(({ process }) => process ?? [])
    const kill = (): void => {
      for (const process of living) process.kill()
    }
    for (const process of living) process.order({ kind: 'drain' })
    const drainMsMax = this.#config.limits.drainMs + limits.appendMsMax + limits.workerEndMsMax
    const timers = [setTimeout(kill, drainMsMax)]
    void hurry.then(() => {
      for (const process of living) process.order({ kind: 'hurry' })
      timers.push(setTimeout(kill, limits.workerEndMsMax))
    })
    const ends = await Promise.all(living.map(({ ended }) => ended))
    for (const timer of timers) clearTimeout(timer)
    return ends.every(({ hasDrained }) => hasDrained)
  }

  #shareOf(config: Config): Config {
    return withPorts(shareOf(config, this.slots.length), this.#ports)
  }

  #fork(slot: Slot): void {
    const place = { number: slot.number, count: this.slots.length }
    const process = new WorkerProcess(this.#shareOf(this.#config), place, () => this.#onOpen(process))
    slot.process = process
    void process.ended.then((end) => this.#onEnd(slot, process, end))
  }

  #onOpen({ ports = [] }: WorkerProcess): void {
    if (this.#ports.length === 0) this.#ports = ports
    for (const slot of this.slots) {
      const isWaiting = slot.process === undefined && slot.timer === undefined && slot.deaths === 0
      if (isWaiting && !this.#isStopping) this.#fork(slot)
    }
    if (this.slots.every(({ process }) => process?.ports !== undefined)) this.#started.resolve()
  }

  #onEnd(slot: Slot, process: WorkerProcess, end: WorkerEnd): void {
    slot.process = undefined
    this.#options.ended(process, end)
    if (this.#isStopping) return
    const { code, signal, fault } = end
    const isSteady =
      process.ports !== undefined && performance.now() - process.openedAtMs > limits.workerSteadyMs
    slot.deaths = isSteady ? 1 : slot.deaths + 1
    slot.failedStarts = process.ports === undefined ? slot.failedStarts + 1 : 0
    const isFirst = this.#ports.length === 0
    // What an operator has to mend at the start, a second try does not.
    if (fault !== undefined && isFirst) this.#started.reject(permanent(fault.code, fault.message))
    else if (slot.failedStarts >= limits.workerStartsFailedMax) this.#break(slot, end)
    else {
      const restartMs = pauseMs(slot.deaths)
      this.#options.log.error(
        { worker: slot.number, code, signal, restartMs, ...(fault && { fault: fault.message }) },
        'a worker died: what it had not answered is not acknowledged; it is started again',
      )
      slot.timer = setTimeout(() => this.#restart(slot), restartMs)
    }
  }

  #restart(slot: Slot): void {
    slot.timer = undefined
    slot.restarts++
    this.#options.restarted(slot.number)
    this.#fork(slot)
  }

  #break({ number, failedStarts }: Slot, { code, signal, fault }: WorkerEnd): void {
    const how = fault?.message ?? `it ended with ${signal ?? `status ${code}`}, see its lines above`
    this.#broken.resolve(`worker ${number} could not be started ${failedStarts} times in succession: ${how}`)
  }

  #tick(): void {
    for (const { number, process } of this.slots) {
      if (process?.isHungAfter(limits.workerReportMs) !== true) continue
      this.#options.log.error(
        { worker: number, pid: process.pid, silentMs: limits.workerSilentMsMax },
        'a worker hangs: it has not reported for too long, and is ended',
      )
      process.kill()
    }
  }
}

function pauseMs(deaths: number): number {
  const { workerRestartMsMax } = limits
  return deaths <= 1 ? 0 : Math.min(workerRestartMsMax, (workerRestartMsMax / 100) * 2 ** (deaths - 2))
}

function brokenError(reason: string): never {
  throw permanent('GP_INTERNAL', reason) satisfies GuidepostError
}
