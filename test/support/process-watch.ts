/** A running program's figures over time, from Linux's /proc (man 5 proc) and its own metrics, and whether they rise. */
import { readdirSync, readFileSync } from 'node:fs'
import { type Sample, sumOf } from './exposition.ts'
import type { Program } from './program.ts'

/** Clock ticks of a second, on every architecture that Node runs on. */
const ticksPerSecond = 100
const MB = 1e6

/** One look at the program. Memory in MB. */
export interface Look {
  /** Seconds since the watch began. */
  readonly atSeconds: number
  readonly phase: string
  readonly residentMb: number
  readonly heapMb: number
  /** What V8 has taken from the system for it. */
  readonly heapTakenMb: number
  readonly externalMb: number
  readonly descriptors: number
  readonly handles: number
  /** 99th percentile of the event loop's delay since the last look, in milliseconds. */
  readonly lagMs: number
  /** CPU seconds that it has used since it was started. */
  readonly cpuSeconds: number
  readonly spooledItems: number
  readonly spoolMb: number
  readonly isBusUp: boolean
}

export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1])
}

export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is a name in parentheses that may hold anything; the next is number 3.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[14 - 3]) + Number(fields[15 - 3])) / ticksPerSecond
}

export class ProcessWatch {
  readonly looks: Look[] = []
  readonly #program: Program
  readonly #looked: ((look: Look) => void) | undefined
  readonly #startMs = performance.now()
  readonly #timer: NodeJS.Timeout
  #phase: string
  #looking: Promise<void> = Promise.resolve()
  #failure: unknown

  /** Looks every so many milliseconds, until `stop`; `looked` is told of each. */
  constructor(program: Program, phase: string, everyMs: number, looked?: (look: Look) => void) {
    this.#program = program
    this.#looked = looked
    this.#phase = phase
    this.#timer = setInterval(() => {
      this.#looking = this.#looking
        .then(() => this.#look())
        .catch((error: unknown) => {
          this.#failure ??= error
        })
    }, everyMs)
  }

  get phase(): string {
    return this.#phase
  }

  /** What is looked at from now on belongs to another part of the test. */
  enter(phase: string): void {
    this.#phase = phase
  }

  last(): Look | undefined {
    return this.looks.at(-1)
  }

  /** Throws when the program could not be looked at. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking
    if (this.#failure !== undefined) throw this.#failure
  }

  async #look(): Promise<void> {
    const phase = this.#phase
    const samples = await this.#program.metrics()
    const { pid } = this.#program
    const look = {
      atSeconds: (performance.now() - this.#startMs) / 1e3,
      phase,
      residentMb: residentBytes(pid) / MB,
      heapMb: sumOf(samples, 'nodejs_heap_size_used_bytes') / MB,
      heapTakenMb: sumOf(samples, 'nodejs_heap_size_total_bytes') / MB,
      externalMb: sumOf(samples, 'nodejs_external_memory_bytes') / MB,
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      handles: sumOf(samples, 'nodejs_active_handles_total'),
      lagMs: largest(samples, 'nodejs_eventloop_lag_p99_seconds') * 1e3,
      cpuSeconds: cpuSeconds(pid),
      spooledItems: sumOf(samples, 'guidepost_spooled_items'),
      spoolMb: sumOf(samples, 'guidepost_spool_bytes') / MB,
      isBusUp: sumOf(samples, 'guidepost_bus_up') > 0,
    }
    this.looks.push(look)
    this.#looked?.(look)
  }
}

function largest(samples: readonly Sample[], name: string): number {
  return Math.max(0, ...samples.filter((sample) => sample.name === name).map(({ value }) => value))
}

/** A straight line through values over time. */
export interface Trend {
  readonly mean: number
  readonly max: number
  /** By how much the line rises from the first value to the last. */
  readonly rise: number
}

/** The trend of the second half of the looks: what comes to rest only after a while has done so by then. */
export function trendOf(looks: readonly Look[], value: (look: Look) => number): Trend {
  const half = looks.slice(Math.floor(looks.length / 2))
  const points = half.map((look) => ({ x: look.atSeconds, y: value(look) }))
  const meanOf = (values: readonly number[]): number =>
    values.reduce((sum, one) => sum + one, 0) / Math.max(1, values.length)
  const meanX = meanOf(points.map(({ x }) => x))
  const mean = meanOf(points.map(({ y }) => y))
  const spread = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0)
  const slope =
    spread === 0 ? 0 : points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - mean), 0) / spread
  const seconds = (points.at(-1)?.x ?? 0) - (points[0]?.x ?? 0)
  return { mean, max: Math.max(0, ...points.map(({ y }) => y)), rise: slope * seconds }
}

/** Whether a trend is flat: it rises by no more than this share of its mean, or by no more than `least`. */
export function isFlat({ mean, rise }: Trend, share: number, least: number): boolean {
  return rise <= Math.max(mean * share, least)
}
