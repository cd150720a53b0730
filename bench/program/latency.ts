/**
 * Latency at half of what can be taken, the gateway beside the Collector.
 *
 *     latency/otlp-grpc/10, /100, /1000, latency/prometheus-v2
 *     latency/lone/otlp-grpc/100   one request under way, and what the linger adds to it
 *
 * First each program takes what it can, a request following as soon as one was answered. Then all of them get half of what
 * the slowest took, and the gateway also half of its own. Requests are sent when they are due, whatever became of those
 * before, and a latency counts from then: a stall shows in all requests that wait for it. There are more connections than
 * are needed for that. How late the load itself was stands beside the latencies, which hold it too: its timers are those
 * of Node.js, in steps of a millisecond.
 */
import { limits } from '../../src/limits.ts'
import type { Case, Figure, RunOptions } from '../support/case.ts'
import { everybody, figureName } from './compare.ts'
import { shapedWork } from './span-work.ts'
import type { SubjectName } from './subjects.ts'
import { type Measured, measureWork, type Work } from './work.ts'
import { writeWork } from './write-work.ts'

const capacityShare = 0.5
/** Enough for half of a capacity while a second of it is held up; and no more spans than one sender may have in flight. */
const pacedInFlight = 256
const pacedSpansMax = 100_000
const closedInFlight = 32
const grpcConnections = 4
/** A paced load at which the program idles may never come to the CPU time of a whole warm-up. */
const pacedWarmUpSeconds = 10

interface Pair {
  readonly closed: Work
  readonly paced: Work
}

function spanPair(spans: number): Pair {
  const work = (inFlight: number): Work => shapedWork(spans, {}, { inFlight, connections: grpcConnections })
  return { closed: work(closedInFlight), paced: work(Math.min(pacedInFlight, pacedSpansMax / spans)) }
}

const pairs: readonly (readonly [string, Pair])[] = [
  ...[10, 100, 1_000].map((spans) => [`otlp-grpc/${spans}`, spanPair(spans)] as const),
  ['prometheus-v2', { closed: writeWork(2, closedInFlight), paced: writeWork(2, pacedInFlight) }],
]

/** Above 1 the gateway is the quicker one. */
const ratioName = 'p99 of the Collector, to the gateway'

export const latencyCases: readonly Case[] = [
  ...pairs.map(([name, pair]) => ({
    name: `latency/${name}`,
    isOnRequest: true,
    beside: 'Collector' as const,
    columns: [ratioName, ...everybody.map((who) => figureName(who, 'p99'))],
    run: (options: RunOptions) => run(pair, options),
  })),
  {
    name: 'latency/lone/otlp-grpc/100',
    isOnRequest: true,
    columns: ['held for company', 'p50', 'p99', 'without a linger: p50'],
    run: (options: RunOptions) => lone(options),
  },
]

async function run({ closed, paced }: Pair, options: RunOptions): Promise<Figure[]> {
  const capacities: { name: SubjectName; perSecond: number }[] = []
  for (const name of everybody) {
    const { window } = await measureWork(name, closed, options)
    capacities.push({ name, perSecond: window.acknowledged / window.seconds })
  }
  const rates = capacities.map(({ perSecond }) => perSecond * capacityShare)
  const offered = Math.min(...rates)
  const figures: Figure[] = []
  const at = async (name: SubjectName, ratePerSecond: number, suffix: string): Promise<number> => {
    const measured = await measureWork(name, paced, {
      ...options,
      ratePerSecond,
      warmUpSecondsMax: pacedWarmUpSeconds,
    })
    const own = latencies(measured, ratePerSecond)
    figures.push(...own.map((figure) => ({ ...figure, name: `${figureName(name, figure.name)}${suffix}` })))
    return measured.window.p99Ms
  }
  const gateway = await at('gateway', offered, '')
  const peers = [await at('direct', offered, ''), await at('batch', offered, '')]
  await at('gateway', rates[0]!, ' at half of its own')
  return [
    { name: ratioName, unit: '×', value: Math.min(...peers) / gateway },
    { name: 'offered', unit: '/s', value: offered },
    ...figures,
    ...capacities.map(({ name, perSecond }) => ({
      name: figureName(name, 'capacity'),
      unit: '/s',
      value: perSecond,
    })),
  ]
}

function latencies({ window, cpuSeconds }: Measured, ratePerSecond: number): Figure[] {
  return [
    { name: 'p50', unit: 'ms', value: window.p50Ms },
    { name: 'p99', unit: 'ms', value: window.p99Ms },
    { name: 'p999', unit: 'ms', value: window.p999Ms },
    { name: 'sent late, p99', unit: 'ms', value: window.lateP99Ms },
    {
      name: 'answered of what was due',
      unit: '',
      value: window.acknowledged / window.seconds / ratePerSecond,
    },
    { name: 'CPUs used', unit: '', value: cpuSeconds / window.seconds },
  ]
}

/** With the default linger and with none, in turn: the difference is what a request waits for company that never comes. */
async function lone(options: RunOptions): Promise<Figure[]> {
  const work = shapedWork(100, {}, { inFlight: 1, connections: 1 })
  const measure = (env: Record<string, string>): Promise<Measured> =>
    measureWork('gateway', work, { ...options, env })
  const usual = (await measure({})).window
  const hasty = (await measure({ GUIDEPOST_LIMITS_LINGER_MS: '0' })).window
  return [
    { name: 'held for company', unit: 'ms', value: usual.p50Ms - hasty.p50Ms },
    { name: 'linger', unit: 'ms', value: limits.lingerMs },
    { name: 'p50', unit: 'ms', value: usual.p50Ms },
    { name: 'p99', unit: 'ms', value: usual.p99Ms },
    { name: 'p999', unit: 'ms', value: usual.p999Ms },
    { name: 'without a linger: p50', unit: 'ms', value: hasty.p50Ms },
    { name: 'without a linger: p99', unit: 'ms', value: hasty.p99Ms },
    { name: 'without a linger: p999', unit: 'ms', value: hasty.p999Ms },
  ]
}
