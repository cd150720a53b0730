/** What a process has used, from Linux's /proc (man 5 proc). */
import { readFileSync } from 'node:fs'

/** Clock ticks of a second: a constant of the kernel's interface on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100

export interface CpuSeconds {
  readonly user: number
  readonly system: number
}

/** User and system seconds of all threads, to 10 ms. */
export function cpuSecondsOf(pid: number): CpuSeconds {
  return secondsIn(`/proc/${pid}/stat`)
}

/** The same of the thread alone that the process began with. */
export function mainThreadSecondsOf(pid: number): CpuSeconds {
  return secondsIn(`/proc/${pid}/task/${pid}/stat`)
}

function secondsIn(file: string): CpuSeconds {
  const stat = readFileSync(file, 'utf8')
  // The second field is a name in parentheses that may hold anything; the next is number 3.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return {
    user: Number(fields[14 - 3]) / TICKS_PER_SECOND,
    system: Number(fields[15 - 3]) / TICKS_PER_SECOND,
  }
}

/** Resident memory now and at its most, in bytes. */
export function residentBytesOf(pid: number): { readonly now: number; readonly max: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const read = (name: string): number =>
    1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1])
  return { now: read('VmRSS'), max: read('VmHWM') }
}

export function monotonicUs(): number {
  return Number(process.hrtime.bigint() / 1_000n)
}
