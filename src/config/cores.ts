/**
 * The cores that this process may use: those of the machine that it may run on, or fewer where its container has a limit.
 *
 * Linux says the limit as so much time of a CPU in each period: cgroup v2 in `cpu.max` ("max 100000", "150000 100000"), v1
 * in `cpu.cfs_quota_us` (-1: none) and `cpu.cfs_period_us` (docs.kernel.org: admin-guide/cgroup-v2, scheduler/sched-bwc).
 * Inside a container the folder of its group may be mounted as the root; outside, `/proc/self/cgroup` names it.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

const root = '/sys/fs/cgroup'

/** `read` gives the text of a file, undefined when there is none; the machine's files unless given. */
export function coresOf(read: (file: string) => string | undefined = readFile): number {
  const groups = ['', ...groupPaths(read('/proc/self/cgroup') ?? '')]
  const limits = groups.flatMap((group) => [
    limitOf(read(`${root}${group}/cpu.max`)),
    ...['cpu', 'cpu,cpuacct'].map((controller) => {
      const folder = `${root}/${controller}${group}`
      return limitOf(`${read(`${folder}/cpu.cfs_quota_us`)} ${read(`${folder}/cpu.cfs_period_us`)}`)
    }),
  ])
  // A part of a core is none of its own: two processes on one and a half would wait for each other.
  const whole = Math.floor(Math.min(...limits))
  return Math.max(1, Math.min(availableParallelism(), whole))
}

/** The group of the controller `cpu` (v1), and that of all controllers (v2). */
function groupPaths(text: string): string[] {
  return [...text.matchAll(/^\d+:(|(?:.*,)?cpu(?:,.*)?):(\/.+)$/gm)].map(([, , path = '']) => path)
}

/** Cores of `QUOTA PERIOD`; infinite when there is no quota. */
function limitOf(text: string | undefined): number {
  const [quota = Number.NaN, period = Number.NaN] = (text ?? '').trim().split(/\s+/).map(Number)
  return quota > 0 && period > 0 ? quota / period : Number.POSITIVE_INFINITY
}

function readFile(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
