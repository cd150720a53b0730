/**
 * Two workers beside one, in turn.
 *
 *     scaling/otlp-grpc/100, scaling/otlp-grpc/1000, scaling/prometheus-v1
 *
 * Two workers have twice the requests under way and twice the connections: each then does what one does alone.
 * CPU time is that of all processes of the gateway. Where the load and the broker share the cores with it, requests a second
 * say little: they are shown with the CPUs that everybody used. What the gateway itself keeps when it is two is in the items
 * of a CPU-second; twice their ratio is the speed-up on two cores of its own.
 */
import type { Case, Figure, RunOptions } from '../support/case.ts'
import { spanTraffic, spanWork } from './span-work.ts'
import { figuresOf, type Measured, measureWork, speedName, type Work } from './work.ts'
import { writeWork } from './write-work.ts'

const counts = [1, 2] as const
const connections = 32
const speedUpName = 'speed-up on two cores of its own'

const works: readonly (readonly [string, (workers: number) => Work])[] = [
  ...[100, 1_000].map(
    (spans) => [`otlp-grpc/${spans}`, (workers: number) => spansWork(spans, workers)] as const,
  ),
  ['prometheus-v1', (workers) => writeWork(1, connections * workers)],
]

function spansWork(spans: number, workers: number): Work {
  const traffic = spanTraffic('grpc', spans, 'identity')
  const { inFlight, connections: each } = traffic
  return spanWork({ ...traffic, inFlight: inFlight * workers, connections: each * workers })
}

export const scalingCases: readonly Case[] = works.map(([name, work]) => ({
  name: `scaling/${name}`,
  isOnRequest: true,
  columns: [speedUpName, 'requests per second, to one worker'],
  run: (options: RunOptions) => run(work, options),
}))

async function run(workOf: (workers: number) => Work, options: RunOptions): Promise<Figure[]> {
  const figures: Figure[] = []
  const measured: Measured[] = []
  for (const count of counts) {
    const work = workOf(count)
    const one = await measureWork('gateway', work, { ...options, env: { GUIDEPOST_WORKERS: String(count) } })
    measured.push(one)
    const { window, brokerCpuSeconds } = one
    const broker = {
      name: 'CPUs used by the broker',
      unit: '',
      value: brokerCpuSeconds / window.seconds,
    }
    const own = [...figuresOf(false, work, one), broker]
    figures.push(...own.map((figure) => ({ ...figure, name: `${count}: ${figure.name}` })))
  }
  const ratio = (of: (one: Measured) => number): number => of(measured[1]!) / of(measured[0]!)
  const speed = ratio(({ items, cpuSeconds }) => items / cpuSeconds)
  return [
    { name: speedUpName, unit: '×', value: counts[1] * speed },
    { name: `${speedName(workOf(1))}, to one worker`, unit: '×', value: speed },
    {
      name: 'requests per second, to one worker',
      unit: '×',
      value: ratio(({ window }) => window.acknowledged / window.seconds),
    },
    ...figures,
  ]
}
