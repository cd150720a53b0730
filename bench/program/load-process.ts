/**
 * The load generator, a process of its own: it keeps every lane busy with one request at a time, counts the answers and
 * how long each took.
 */
import { type CpuSeconds, cpuSecondsOf, mainThreadSecondsOf, monotonicUs } from '../support/process-usage.ts'
import type { Lane } from './load-lane.ts'
import { openLanes } from './load-lanes.ts'
import type { LoadCommand, LoadReport, LoadSettings, LoadWindow } from './load-messages.ts'

function report(message: LoadReport): void {
  process.send?.(message)
}

function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

function programCpu({ pid, morePids = [] }: LoadSettings): CpuSeconds {
  const each = [pid, ...morePids].map(cpuSecondsOf)
  return {
    user: each.reduce((sum, { user }) => sum + user, 0),
    system: each.reduce((sum, { system }) => sum + system, 0),
  }
}

function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

function mainThreadSeconds(pid: number): number {
  const { user, system } = mainThreadSecondsOf(pid)
  return user + system
}

class Load {
  readonly #settings: LoadSettings
  #lanes: readonly Lane[] = []
  #acknowledged = 0
  #underWay = 0
  #isOver = false
  #nextAtMs = performance.now()
  #latenciesMs: number[] = []
  #lateMs: number[] = []
  #window = {
    fromUs: 0,
    cpu: { user: 0, system: 0 },
    mainThreadSeconds: 0,
    loadCpuSeconds: 0,
    acknowledged: 0,
  }

  constructor(settings: LoadSettings) {
    this.#settings = settings
  }

  async open(): Promise<void> {
    this.#lanes = await openLanes(this.#settings, (text) => this.#fail(text))
    for (const lane of this.#lanes) this.#drive(lane)
  }

  progress(): void {
    report({ type: 'progress', acknowledged: this.#acknowledged })
  }

  begin(): void {
    this.#latenciesMs = []
    this.#lateMs = []
    this.#window = {
      fromUs: monotonicUs(),
      cpu: programCpu(this.#settings),
      mainThreadSeconds: mainThreadSeconds(this.#settings.pid),
      loadCpuSeconds: ownCpuSeconds(),
      acknowledged: this.#acknowledged,
    }
  }

  end(): void {
    const { fromUs, cpu: before } = this.#window
    const toUs = monotonicUs()
    const { user, system } = programCpu(this.#settings)
    const sorted = Float64Array.from(this.#latenciesMs).sort()
    const window: LoadWindow = {
      fromUs,
      toUs,
      seconds: (toUs - fromUs) / 1e6,
      cpu: { user: user - before.user, system: system - before.system },
      mainThreadSeconds: mainThreadSeconds(this.#settings.pid) - this.#window.mainThreadSeconds,
      loadCpuSeconds: ownCpuSeconds() - this.#window.loadCpuSeconds,
      acknowledged: this.#acknowledged - this.#window.acknowledged,
      p50Ms: percentile(sorted, 0.5),
      p99Ms: percentile(sorted, 0.99),
      p999Ms: percentile(sorted, 0.999),
      lateP99Ms: percentile(Float64Array.from(this.#lateMs).sort(), 0.99),
    }
    report({ type: 'window', window })
  }

  /** Sends nothing more; the report comes with the last answer. */
  stop(): void {
    this.#isOver = true
    this.#reportWhenDone()
  }

  #drive(lane: Lane): void {
    let startedMs = 0
    const answered = (): void => {
      this.#underWay--
      this.#acknowledged++
      this.#latenciesMs.push(performance.now() - startedMs)
      next()
    }
    const send = (): void => {
      if (this.#isOver) {
        this.#reportWhenDone()
        return
      }
      this.#underWay++
      lane.send(answered)
    }
    const sendDue = (): void => {
      this.#lateMs.push(performance.now() - startedMs)
      send()
    }
    const next = (): void => {
      if (!this.#isOver) startedMs = this.#slot()
      const waitMs = startedMs - performance.now()
      if (waitMs <= 0) send()
      else setTimeout(sendDue, waitMs)
    }
    next()
  }

  /** When the next request is due. Its latency counts from then, so that a stall shows in all that wait for it. */
  #slot(): number {
    const nowMs = performance.now()
    const { ratePerSecond } = this.#settings
    if (ratePerSecond === undefined) return nowMs
    const dueMs = this.#nextAtMs
    this.#nextAtMs += 1e3 / ratePerSecond
    return dueMs
  }

  #reportWhenDone(): void {
    if (!this.#isOver || this.#underWay > 0 || this.#lanes.length === 0) return
    this.#close()
    report({ type: 'stopped', acknowledged: this.#acknowledged })
    process.disconnect()
  }

  #fail(text: string): void {
    if (!process.connected) return
    report({ type: 'failed', text: text.slice(0, 500) })
    this.#isOver = true
    this.#close()
    process.disconnect()
  }

  #close(): void {
    for (const lane of this.#lanes) lane.close()
    this.#lanes = []
  }
}

let load: Load | undefined
process.on('message', (command: LoadCommand) => {
  if (command.type === 'start') {
    load = new Load(command.settings)
    load.open().then(
      () => report({ type: 'ready' }),
      (error: unknown) => report({ type: 'failed', text: String(error) }),
    )
  } else if (command.type === 'begin') {
    load?.begin()
    report({ type: 'begun' })
  } else if (command.type === 'progress') load?.progress()
  else if (command.type === 'end') load?.end()
  else load?.stop()
})
