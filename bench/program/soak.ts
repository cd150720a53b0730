/**
 * Memory under steady load: the program gets a share of what it could take, for as long as asked, and its resident
 * memory is looked at all the while. Flat: the last third holds hardly more than the second.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { sumOf } from '../../test/support/exposition.ts'
import { Program } from '../../test/support/program.ts'
import type { Case, Figure, RunOptions } from '../support/case.ts'
import { residentBytesOf } from '../support/process-usage.ts'
import { type BenchBus, type BusKind, openBus } from './buses.ts'
import { Load, type LoadSettings, requestOf } from './load.ts'
import { traffics } from './traffic.ts'

const capacityShare = 0.6
const capacitySeconds = 5
const sampleSecondsMax = 5
const samplesMin = 12
/** The last third over the second. */
const flatMax = 1.05

export const soakCases: readonly Case[] = (['log', 'kafka'] as const).map((kind) => ({
  name: `soak/${kind}`,
  isOnRequest: true,
  runsMax: 1,
  run: (options: RunOptions) => run(kind, options),
}))

async function run(kind: BusKind, options: RunOptions): Promise<Figure[]> {
  const bus = await openBus(kind, 'some')
  try {
    return await soak(bus, options)
  } finally {
    await bus.clear()
  }
}

async function soak(bus: BenchBus, options: RunOptions): Promise<Figure[]> {
  const traffic = traffics.find(({ name }) => name === 'v1-namespaces')!
  const bodies = traffic.bodies()
  const program = await Program.start({ bus: bus.url, env: bus.env })
  try {
    const settings = {
      port: program.httpPort,
      sends: {
        kind: 'ready' as const,
        requests: bodies.map((body) => requestOf(body, traffic.headers)),
        connections: options.connections,
      },
      pid: program.pid,
    }
    const capacity = await loaded({ ...settings, ratePerSecond: undefined }, () =>
      sleep(capacitySeconds * 1e3),
    )
    const ratePerSecond = capacity.perSecond * capacityShare
    const samples: number[] = []
    const steady = await loaded({ ...settings, ratePerSecond }, (load) =>
      watch(program.pid, options.seconds, samples, load.failed),
    )
    const acknowledged = (capacity.acknowledged + steady.acknowledged) * bodies[0]!.items
    const metrics = await program.metrics()
    const published = sumOf(metrics, 'guidepost_published_items_total')
    if (published !== acknowledged)
      throw new Error(`${acknowledged} items acknowledged, ${published} published`)
    if ((await program.stop()) !== 0) throw new Error('the program did not end well')
    return [...figures(samples), { name: 'requests per second', unit: '', value: steady.perSecond }]
  } finally {
    await program.kill()
  }
}

/** Keeps the load up while `during` runs. */
async function loaded(
  settings: LoadSettings,
  during: (load: Load) => Promise<unknown>,
): Promise<{ acknowledged: number; perSecond: number }> {
  const load = await Load.start(settings)
  try {
    await load.begin()
    await Promise.race([during(load), load.failed])
    const window = await load.end()
    return { acknowledged: await load.stop(), perSecond: window.acknowledged / window.seconds }
  } finally {
    load.kill()
  }
}

/** Samples resident memory, each sample a line. */
async function watch(pid: number, seconds: number, samples: number[], failed: Promise<never>): Promise<void> {
  const everySeconds = Math.min(sampleSecondsMax, seconds / samplesMin)
  for (let at = everySeconds; at <= seconds; at += everySeconds) {
    await Promise.race([sleep(everySeconds * 1e3), failed])
    const megabytes = residentBytesOf(pid).now / 1e6
    samples.push(megabytes)
    process.stdout.write(`  ${at.toFixed(0).padStart(6)} s ${megabytes.toFixed(0).padStart(6)} MB\n`)
  }
}

function figures(samples: readonly number[]): Figure[] {
  const third = Math.floor(samples.length / 3)
  const mean = (values: readonly number[]): number =>
    values.reduce((all, one) => all + one, 0) / values.length
  const [second, last] = [mean(samples.slice(third, 2 * third)), mean(samples.slice(2 * third))]
  process.stdout.write(`  ${last / second <= flatMax ? 'flat' : 'NOT FLAT: memory still grows'}\n`)
  return [
    { name: 'RSS, second third', unit: 'MB', value: second },
    { name: 'RSS, last third', unit: 'MB', value: last },
    { name: 'RSS max', unit: 'MB', value: Math.max(...samples) },
    { name: 'last over second', unit: '', value: last / second },
  ]
}
