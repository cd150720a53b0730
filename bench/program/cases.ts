/**
 * The whole program, as a process of its own, under load over loopback. A run counts only when every request was
 * answered with 204 and the bus then holds exactly the items that were acknowledged.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Program } from '../../test/support/program.ts'
import type { Case, Figure, RunOptions } from '../support/case.ts'
import { residentBytesOf } from '../support/process-usage.ts'
import { type BenchBus, type BusKind, openBus } from './buses.ts'
import { Load, requestOf } from './load.ts'
import { type Traffic, traffics } from './traffic.ts'

const warmUpSeconds = 2

export const programCases: readonly Case[] = (['log', 'kafka', 'kafkajs'] as const).flatMap((bus) =>
  traffics.map((traffic) => ({
    name: `program/${bus}/${traffic.name}`,
    run: (options: RunOptions) => runProgram(bus, traffic, options),
    isOnRequest: bus === 'kafkajs',
  })),
)

async function runProgram(kind: BusKind, traffic: Traffic, options: RunOptions): Promise<Figure[]> {
  const bus = await openBus(kind, 'all')
  try {
    return await measure(bus, traffic, options)
  } finally {
    await bus.clear()
  }
}

async function measure(bus: BenchBus, traffic: Traffic, options: RunOptions): Promise<Figure[]> {
  const bodies = traffic.bodies()
  const itemsEach = bodies[0]!.items
  if (bodies.some(({ items }) => items !== itemsEach))
    throw new Error('the bodies hold different numbers of items')
  const program = await Program.start({ bus: bus.url, env: { ...bus.env, ...profiling(options) } })
  let load: Load | undefined
  try {
    load = await Load.start({
      port: program.httpPort,
      sends: {
        kind: 'ready',
        requests: bodies.map((body) => requestOf(body, traffic.headers)),
        connections: options.connections,
      },
      ratePerSecond: undefined,
      pid: program.pid,
    })
    await Promise.race([sleep(warmUpSeconds * 1e3), load.failed])
    await load.begin()
    await Promise.race([sleep(options.seconds * 1e3), load.failed])
    const window = await load.end()
    const memory = residentBytesOf(program.pid)
    const acknowledged = await load.stop()
    const status = await program.stop()
    if (status !== 0)
      throw new Error(`the program ended with ${status}: ${JSON.stringify(program.logs.slice(-3))}`)
    const found = await bus.count()
    if (found.items !== acknowledged * itemsEach || found.guids !== traffic.guids) {
      const expected = `${acknowledged * itemsEach} items of ${traffic.guids} guids`
      throw new Error(
        `the bus holds ${found.items} items of ${found.guids} guids, not the acknowledged ${expected}`,
      )
    }
    options.onWindow?.(window)
    const items = window.acknowledged * itemsEach
    const cpuSeconds = window.cpu.user + window.cpu.system
    return [
      { name: 'series per CPU-second', unit: 'k', value: items / cpuSeconds / 1e3 },
      { name: 'CPU per request', unit: 'µs', value: (cpuSeconds * 1e6) / window.acknowledged },
      { name: 'of it in the system', unit: 'µs', value: (window.cpu.system * 1e6) / window.acknowledged },
      { name: 'requests per second', unit: '', value: window.acknowledged / window.seconds },
      { name: 'CPUs used', unit: '', value: cpuSeconds / window.seconds },
      { name: 'p50', unit: 'ms', value: window.p50Ms },
      { name: 'p99', unit: 'ms', value: window.p99Ms },
      { name: 'items per record', unit: '', value: found.items / found.records },
      { name: 'RSS', unit: 'MB', value: memory.now / 1e6 },
      { name: 'RSS max', unit: 'MB', value: memory.max / 1e6 },
    ]
  } finally {
    load?.kill()
    await program.kill()
  }
}

/** Through the environment, because the launcher starts the program anew with flags of its own. */
export function profiling({
  profileDirectory,
}: Pick<RunOptions, 'profileDirectory'>): Record<string, string> {
  return profileDirectory === undefined
    ? {}
    : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profileDirectory} --cpu-prof-interval=500` }
}
