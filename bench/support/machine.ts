/** What the figures were measured on, and whether the machine was quiet. */
import { readFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir, totalmem } from 'node:os'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly node: string
  readonly kernel: string
  /** Where the cases write: `ext4 on /dev/vda`. */
  readonly disk: string
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
    disk: diskOf(tmpdir()),
    loadAverage: Number((loadavg()[0] ?? 0).toFixed(2)),
    measuredAt: new Date().toISOString(),
  }
}

/** File system and device of a folder, from Linux's list of mounts (proc(5)). */
function diskOf(folder: string): string {
  let found = { at: '', text: 'an unknown disk' }
  for (const line of readMounts()) {
    const [device = '', at = '', type = ''] = line.split(' ')
    const isAbove = at === '/' || folder === at || folder.startsWith(`${at}/`)
    if (isAbove && at.length >= found.at.length) found = { at, text: `${type} on ${device}` }
  }
  return found.text
}

function readMounts(): string[] {
  try {
    return readFileSync('/proc/self/mounts', 'utf8').trimEnd().split('\n')
  } catch {
    return []
  }
}

/** Above this something else was at work in the last minute. */
const QUIET_LOAD_MAX = 1

export function isQuiet(machine: Machine): boolean {
  return machine.loadAverage <= QUIET_LOAD_MAX
}
