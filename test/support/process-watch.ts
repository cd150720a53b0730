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

/** A figure in the second third of the looks and in the last: what comes to rest only after a while has done so by then. */
export interface Change {
  readonly second: number
  readonly last: number
}

/**
 * What of a third is compared. `floor`: the least, which of memory is what is left after a collection. `peak`: the most.
 * `mean`: of what does not go up and down by itself.
 */
export type Side = 'floor' | 'peak' | 'mean'

export function changeOf(looks: readonly Look[], value: (look: Look) => number, side: Side): Change {
  const third = Math.floor(looks.length / 3)
  const of = (part: readonly Look[]): number => sideOf(part.map(value), side)
  return { second: of(looks.slice(third, 2 * third)), last: of(looks.slice(2 * third)) }
}

function sideOf(values: readonly number[], side: Side): number {
  if (values.length === 0) return 0
  if (side === 'mean') return values.reduce((sum, one) => sum + one, 0) / values.length
  return side === 'floor' ? Math.min(...values) : Math.max(...values)
}

/** Whether a figure stays where it was: it rises by no more than this share, or by no more than `least`. */
export function isFlat({ second, last }: Change, share: number, least: number): boolean {
  return last - second <= Math.max(second * share, least)
}
