/**
 * Which cores the program under test may use, and which everything else: with a core of its own it neither waits for
 * the load and the broker, nor finds its caches full of theirs. By taskset (util-linux); a process hands its cores on to
 * those that it starts, so that the bench pins itself, and with that the load and the broker.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** CPUs by number. */
export interface Pins {
  readonly subject: readonly number[]
  readonly others: readonly number[]
}

/** One CPU of the system, and the core that it is a thread of. */
export interface Cpu {
  readonly number: number
  readonly core: string
}

/** From here on each side can have cores enough. */
const cpusMin = 4

/**
 * Half of the cores for the program under test, all threads of a core on one side. Below four CPUs nothing, unless it is
 * `wanted`: then the first CPU for the program and the others for everything else.
 */
export function planPins(cpus: readonly Cpu[], wanted: boolean | undefined): Pins | undefined {
  if (wanted === false || (wanted === undefined && cpus.length < cpusMin)) return undefined
  const numbers = cpus.map(({ number }) => number)
  if (numbers.length < 2) throw new Error('--pin wants two CPUs or more')
  if (numbers.length < cpusMin) return { subject: numbers.slice(0, 1), others: numbers.slice(1) }
  const byCore = new Map<string, number[]>()
  for (const { number, core } of cpus) byCore.set(core, [...(byCore.get(core) ?? []), number])
  const cores = byCore.size > 1 ? [...byCore.values()] : numbers.map((number) => [number])
  const half = cores.length >> 1
  return { subject: cores.slice(0, half).flat(), others: cores.slice(half).flat() }
}

/** `0-2,7` as Linux writes it (cpuset(7), list format). */
export function readCpuList(text: string): number[] {
  return text.split(',').flatMap((range) => {
    const [from = 0, to = from] = range.split('-').map(Number)
    return Array.from({ length: to - from + 1 }, (_, index) => from + index)
  })
}

let pins: Pins | undefined

/** Pins this process and all that it starts from now on. `wanted`: undefined for where there are cores for it. In words, what was done. */
export function pinPrograms(wanted: boolean | undefined): string {
  const hasTaskset = process.platform === 'linux' && spawnSync('taskset', ['--version']).status === 0
  if (!hasTaskset) {
    if (wanted === true) throw new Error('--pin wants taskset (util-linux)')
    return 'processes are not pinned: there is no taskset'
  }
  const cpus = allowedCpus()
  pins = planPins(cpus, wanted)
  if (pins === undefined)
    return wanted === false
      ? 'processes are not pinned'
      : `processes are not pinned: ${cpus.length} CPUs are too few unless --pin says so`
  const { status, stderr } = spawnSync('taskset', ['-a', '-c', '-p', pins.others.join(), String(process.pid)])
  if (status !== 0) throw new Error(`taskset: ${stderr.toString()}`)
  return `pinned: the program under test to CPU ${pins.subject.join()}, load, broker and bench to ${pins.others.join()}`
}

/** What a program under test is started through, as the first words of its command; it keeps its process id. */
export function throughPins(): readonly string[] {
  return pins === undefined ? [] : ['taskset', '-c', pins.subject.join()]
}

/** A subject that was started another way would have its figures beside those of pinned ones. */
export function assertPinned(pid: number): void {
  if (pins === undefined) return
  const found = allowedOf(pid).join()
  if (found !== [...pins.subject].sort((a, b) => a - b).join())
    throw new Error(`the program under test may use the CPUs ${found}, not ${pins.subject.join()}`)
}

function allowedOf(pid: number | 'self'): number[] {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return readCpuList(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? '')
}

function allowedCpus(): Cpu[] {
  return allowedOf('self').map((number) => {
    const topology = `/sys/devices/system/cpu/cpu${number}/topology`
    const read = (name: string): string => readFileSync(`${topology}/${name}`, 'utf8').trim()
    try {
      return { number, core: `${read('physical_package_id')}:${read('core_id')}` }
    } catch {
      return { number, core: `${number}` }
    }
  })
}
