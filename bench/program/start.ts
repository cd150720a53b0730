/**
 * From the spawn of `guidepost run` until `/readyz` answers 200, and the CPU time that the process has used by then.
 *
 *     start/log, start/kafka
 *
 * `first`: nothing of an earlier start is there; home, cache and temporary folders are new, and with the log the bus too.
 * `again`: the same folders once more, with what Node compiled at the first start. The two take turns; each figure is the
 * median of all turns of a run. The topics of Kafka are there from the first turn on, which does not count.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { optionVariables } from '../../src/config/environment.ts'
import type { Case, Figure } from '../support/case.ts'
import { cpuSecondsOf, residentBytesOf } from '../support/process-usage.ts'
import { type BusKind, openBus } from './buses.ts'
import { freePort } from './collector.ts'

const root = path.resolve(import.meta.dirname, '../..')
const turns = 10
/** Milliseconds between two looks: a refused connection costs next to nothing. */
const lookMs = 2
const readyMsMax = 30_000
const ways = ['first', 'again'] as const

interface Start {
  readonly readyMs: number
  readonly cpuMs: number
  readonly residentBytes: number
}

export const startCases: readonly Case[] = (['log', 'kafka'] as const).map((kind) => ({
  name: `start/${kind}`,
  isOnRequest: true,
  columns: ways.flatMap((way) => [`${way}: until ready`, `${way}: CPU until ready`]),
  run: () => run(kind),
}))

async function run(kind: BusKind): Promise<Figure[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'guidepost-start-'))
  const bus = await openBus(kind, 'all')
  try {
    const starts = new Map(ways.map((way) => [way, [] as Start[]]))
    for (let turn = 0; turn <= turns; turn++) {
      const home = path.join(folder, String(turn))
      await mkdir(home)
      const url = kind === 'log' ? `log:${home}` : bus.url
      const [first, again] = [await start(url, home, bus.env), await start(url, home, bus.env)]
      if (turn > 0) {
        starts.get('first')?.push(first)
        starts.get('again')?.push(again)
      }
      await rm(home, { recursive: true })
    }
    return ways.flatMap((way) => figuresOf(way, starts.get(way)!))
  } finally {
    await bus.clear()
    await rm(folder, { recursive: true, force: true })
  }
}

function figuresOf(way: string, starts: readonly Start[]): Figure[] {
  const sorted = (of: (one: Start) => number): number[] => starts.map(of).sort((a, b) => a - b)
  const median = (values: readonly number[]): number =>
    (values[(values.length - 1) >> 1]! + values[values.length >> 1]!) / 2
  const ready = sorted(({ readyMs }) => readyMs)
  return [
    { name: `${way}: until ready`, unit: 'ms', value: median(ready) },
    { name: `${way}: until ready, least`, unit: 'ms', value: ready[0]! },
    { name: `${way}: until ready, most`, unit: 'ms', value: ready.at(-1)! },
    { name: `${way}: CPU until ready`, unit: 'ms', value: median(sorted(({ cpuMs }) => cpuMs)) },
    {
      name: `${way}: RSS when ready`,
      unit: 'MB',
      value: median(sorted(({ residentBytes }) => residentBytes)) / 1e6,
    },
  ]
}

/** Starts the program with all its listeners, looks until it is ready, and ends it by SIGTERM. */
async function start(bus: string, home: string, more: Readonly<Record<string, string>>): Promise<Start> {
  const port = await freePort()
  const launcher = path.join(root, 'src', 'guidepost.mjs')
  const begunMs = performance.now()
  const child = spawn(process.execPath, [launcher, 'run', '--bus', bus], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...environment(home), GUIDEPOST_ADMIN_PORT: String(port), ...more },
  })
  const exit = once(child, 'exit')
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  try {
    const pid = child.pid ?? 0
    while (!(await isReady(port))) {
      if (child.exitCode !== null) throw new Error(`the program ended with ${child.exitCode}: ${said}`)
      if (performance.now() - begunMs > readyMsMax) throw new Error(`not ready in ${readyMsMax} ms: ${said}`)
      await sleep(lookMs)
    }
    const readyMs = performance.now() - begunMs
    const { user, system } = cpuSecondsOf(pid)
    const residentBytes = residentBytesOf(pid).now
    child.kill('SIGTERM')
    const [status] = (await exit) as [number | null]
    if (status !== 0) throw new Error(`the program ended with ${status}: ${said}`)
    return { readyMs, cpuMs: (user + system) * 1e3, residentBytes }
  } finally {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await exit
    }
  }
}

/** One process on ports of the system's choice, without a spool as in the other cases, and nothing from outside. */
function environment(home: string): Record<string, string> {
  const ports = [...optionVariables].filter(([, option]) => option.path.at(-1) === 'port')
  return {
    ...Object.fromEntries(ports.map(([name]) => [name, '0'])),
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    TMPDIR: home,
    XDG_CACHE_HOME: home,
    GUIDEPOST_WORKERS: '1',
    GUIDEPOST_SPOOL_ENABLED: 'false',
  }
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ host: '127.0.0.1', port, path: '/readyz', agent: false }, (answer) => {
      answer.resume()
      resolve(answer.statusCode === 200)
    })
    asked.on('error', () => resolve(false)).end()
  })
}
