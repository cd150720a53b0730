/**
 * How the cost of an item grows with the work, the gateway alone; each point before a process of its own, in turn.
 *
 *     growth/spans         spans a request, 10 to 8,000
 *     growth/guids         guids in turn, a request each, 1 to 10,000; of spans and of remote write 1.0
 *     growth/connections   1 to 512, with one request under way on each
 *     growth/payload       bytes of a span, 100 to 10,000
 */
import type { Case, Figure, RunOptions } from '../support/case.ts'
import { shapedWork } from './span-work.ts'
import { measureWork, type Work } from './work.ts'
import { writeGuidsWork, writeWork } from './write-work.ts'

const connections = 32
const figure = 'CPU per item'

interface Line {
  readonly line: string
  readonly points: readonly number[]
  work(at: number): Work
}

interface Axis {
  /** The last part of the case's name. */
  readonly name: string
  readonly axis: string
  readonly lines: readonly Line[]
}

const otlp = 'OTLP gRPC'
const remoteWrite = 'remote write 1.0'
const guidCounts = [1, 10, 100, 1_000, 10_000]
const connectionCounts = [1, 16, 64, 256, 512]
/** 512 requests of one sender under way are more than the defaults let in. */
const roomForAll = { GUIDEPOST_LIMITS_INFLIGHT_BYTES: '1GiB', GUIDEPOST_LIMITS_MEMORY_BYTES: '4GiB' }

const axes: readonly Axis[] = [
  {
    name: 'spans',
    axis: 'spans a request',
    lines: [
      { line: otlp, points: [10, 30, 100, 300, 1_000, 3_000, 8_000], work: (spans) => shapedWork(spans, {}) },
    ],
  },
  {
    name: 'guids',
    axis: 'guids',
    lines: [
      { line: `${otlp}, 1,000 spans`, points: guidCounts, work: (guids) => shapedWork(1_000, { guids }) },
      { line: remoteWrite, points: guidCounts, work: (guids) => writeGuidsWork(1, guids, connections) },
    ],
  },
  {
    name: 'connections',
    axis: 'connections',
    lines: [
      {
        line: `${otlp}, 100 spans`,
        points: connectionCounts,
        work: (count) => roomy(shapedWork(100, {}, { inFlight: count, connections: count })),
      },
      { line: remoteWrite, points: connectionCounts, work: (count) => roomy(writeWork(1, count)) },
    ],
  },
  {
    name: 'payload',
    axis: 'bytes of a span',
    lines: [
      {
        line: `${otlp}, 100 spans`,
        points: [100, 300, 1_000, 3_000, 10_000],
        work: (spanBytes) => shapedWork(100, { spanBytes }),
      },
    ],
  },
]

function pointName({ lines }: Axis, { line }: Line, at: number): string {
  return lines.length === 1 ? String(at) : `${line}, ${at}`
}

export const growthCases: readonly Case[] = axes.map((axis) => ({
  name: `growth/${axis.name}`,
  isOnRequest: true,
  growth: axis.lines.flatMap((each) =>
    each.points.map((at) => ({
      axis: axis.axis,
      at,
      line: each.line,
      figure: `${pointName(axis, each, at)}: ${figure}`,
    })),
  ),
  run: (options: RunOptions) => run(axis, options),
}))

function roomy(work: Work): Work {
  return { ...work, env: { ...work.env, ...roomForAll } }
}

async function run(axis: Axis, options: RunOptions): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const line of axis.lines) {
    for (const at of line.points) {
      const { cpuSeconds, items, window, memory } = await measureWork('gateway', line.work(at), options)
      const own: Figure[] = [
        { name: figure, unit: 'µs', value: (cpuSeconds * 1e6) / items },
        { name: 'CPU per request', unit: 'µs', value: (cpuSeconds * 1e6) / window.acknowledged },
        { name: 'p99', unit: 'ms', value: window.p99Ms },
        { name: 'RSS max', unit: 'MB', value: memory.max / 1e6 },
      ]
      const point = pointName(axis, line, at)
      figures.push(...own.map((each) => ({ ...each, name: `${point}: ${each.name}` })))
    }
  }
  return figures
}
