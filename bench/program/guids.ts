/**
 * What many guids cost: the same items, of one guid and of many, in turn and each before a gateway of its own.
 *
 *     guids/otlp-grpc/1000      1,000 spans a request of one guid; over all requests 1, 100 or 10,000 guids in turn. Then
 *                               1,000 resources a request with a span each, of one guid and of 1,000.
 *     guids/prometheus-v1     the recorded body; 1, 100 or 10,000 guids in the header of each request in turn. Then
 *                               the same series with one namespace and with 1,000, which are their guids.
 *
 * A ratio is the cost of an item over that of the first line. Where the requests themselves are others, as with 1,000
 * resources, the ratio to the same requests of one guid stands beside it. Kafka must hold exactly as many items of each
 * guid as were sent.
 */
import type { Case, Figure, RunOptions } from '../support/case.ts'
import { shapedWork } from './span-work.ts'
import { figuresOf, measureWork, type Work } from './work.ts'
import { writeGuidsWork, writeNamespacesWork } from './write-work.ts'

const spans = 1_000
const connections = 32
const inTurn = [1, 100, 10_000]
const atOnce = 1_000

interface Line {
  readonly name: string
  readonly work: Work
  /** The line of one guid whose requests are the same otherwise. */
  readonly like?: string
}

function spanLines(): Line[] {
  return [
    ...inTurn.map((guids) => ({ name: `${guids} in turn`, work: shapedWork(spans, { guids }) })),
    { name: 'one in 1000 resources', work: shapedWork(spans, { resources: atOnce, guids: 1 }) },
    {
      name: '1000 in a request',
      work: shapedWork(spans, { resources: atOnce, guids: atOnce }),
      like: 'one in 1000 resources',
    },
  ]
}

function seriesLines(): Line[] {
  return [
    ...inTurn.map((guids) => ({ name: `${guids} in turn`, work: writeGuidsWork(1, guids, connections) })),
    { name: 'one namespace', work: writeNamespacesWork(1, connections) },
    { name: '1000 in a request', work: writeNamespacesWork(atOnce, connections), like: 'one namespace' },
  ]
}

const ratioName = (line: Line): string => `${line.name}: CPU per item, to one guid`

function caseOf(name: string, lines: readonly Line[]): Case {
  return {
    name: `guids/${name}`,
    isOnRequest: true,
    columns: lines.slice(1).map(ratioName),
    run: (options) => run(lines, options),
  }
}

export const guidCases: readonly Case[] = [
  caseOf('otlp-grpc/1000', spanLines()),
  caseOf('prometheus-v1', seriesLines()),
]

const shown = ['CPU per item', 'requests per second', 'p99', 'per record', 'RSS', 'RSS max']

async function run(lines: readonly Line[], options: RunOptions): Promise<Figure[]> {
  const figures: Figure[] = []
  const costs = new Map<string, number>()
  for (const line of lines) {
    const measured = await measureWork('gateway', line.work, options)
    const cost = measured.cpuSeconds / measured.items
    costs.set(line.name, cost)
    const own: Figure[] = [
      { name: 'CPU per item', unit: 'µs', value: cost * 1e6 },
      { name: 'guids', unit: '', value: measured.delivered.guids.size },
      ...figuresOf(true, line.work, measured).filter(({ name }) => shown.some((end) => name.endsWith(end))),
    ]
    figures.push(...own.map((figure) => ({ ...figure, name: `${line.name}: ${figure.name}` })))
  }
  const one = costs.get(lines[0]!.name)!
  const ratios = lines.slice(1).flatMap((line) => {
    const cost = costs.get(line.name)!
    const toOne = { name: ratioName(line), unit: '×', value: cost / one }
    if (line.like === undefined) return [toOne]
    return [
      toOne,
      { name: `${line.name}: to the same of one guid`, unit: '×', value: cost / costs.get(line.like)! },
    ]
  })
  return [...ratios, ...figures]
}
