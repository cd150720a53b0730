/** What the figures were measured on, and whether the machine was quiet. */
import { cpus, loadavg, totalmem } from 'node:os'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly node: string
  readonly kernel: string
  readonly loadAverage: number
  readonly measuredAt: string
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.versions.node,
    kernel: `${process.platform} ${process.arch}`,
    loadAverage: Number((loadavg()[0] ?? 0).toFixed(2)),
    measuredAt: new Date().toISOString(),
  }
}

/** Above this something else was at work in the last minute. */
const QUIET_LOAD_MAX = 1

export function isQuiet(machine: Machine): boolean {
  return machine.loadAverage <= QUIET_LOAD_MAX
}
