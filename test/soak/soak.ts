/**
 * `npm run soak`: everything at once at a moderate pace, and whether memory, descriptors and lag stay where they are.
 *
 *     npm run soak -- --minutes 30                     on the log
 *     npm run soak -- --minutes 30 --bus kafka         on Kafka, whose broker is killed for a moment in the middle
 *     npm run soak -- --connections 4 --pause-ms 10    connections of each protocol, and the pause between two requests
 *     npm run soak -- --json FILE                      where the figures go, besides the table
 *
 * Prints the figures of each minute. Exits 1 when something acknowledged is missing, when the books are not even, or when a
 * figure is higher in the last third than in the second by more than `bounds` allow.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { changeOf, isFlat, type Look } from '../support/process-watch.ts'
import { type SoakResult, soak } from '../support/soak.ts'
import { tableText } from '../support/table-text.ts'

/** What is compared of a figure, and what it may rise by from the second third to the last: a share, or so much. */
const bounds = {
  residentMb: { side: 'peak', share: 0.1, least: 32 },
  heapMb: { side: 'floor', share: 0.2, least: 12 },
  externalMb: { side: 'floor', share: 0.2, least: 12 },
  descriptors: { side: 'mean', share: 0, least: 6 },
  handles: { side: 'mean', share: 0, least: 6 },
  lagMs: { side: 'mean', share: 0.5, least: 10 },
} as const

const linesPerRun = 30

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    bus: { type: 'string', default: 'log' },
    connections: { type: 'string', default: '2' },
    'pause-ms': { type: 'string', default: '40' },
    seed: { type: 'string', default: process.env['GUIDEPOST_SEED'] ?? `${Date.now() % 1e6}` },
    json: { type: 'string' },
  },
})

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** The means of some looks as a row of the table. */
function rowOf(looks: readonly Look[]): object {
  const mean = (value: (look: Look) => number): number =>
    looks.reduce((sum, look) => sum + value(look), 0) / looks.length
  const [first, last] = [looks[0]!, looks.at(-1)!]
  const seconds = last.atSeconds - first.atSeconds
  return {
    minute: last.atSeconds / 60,
    ...Object.fromEntries(figures.map((name) => [name, mean((look) => look[name])])),
    heapTakenMb: mean(({ heapTakenMb }) => heapTakenMb),
    spoolMb: mean(({ spoolMb }) => spoolMb),
    cores: seconds === 0 ? 0 : (last.cpuSeconds - first.cpuSeconds) / seconds,
  }
}

const figures = Object.keys(bounds) as (keyof typeof bounds)[]

/** The names of the figures that rise. */
function judge(looks: readonly Look[]): string[] {
  const rows = figures.map((name) => {
    const { side, share, least } = bounds[name]
    const change = changeOf(looks, (look) => look[name], side)
    return { figure: name, side, ...change, flat: isFlat(change, share, least) }
  })
  say(tableText(rows))
  return rows.filter(({ flat }) => !flat).map(({ figure }) => figure)
}

function tell({ looks, ...counts }: SoakResult): void {
  const size = Math.max(1, Math.ceil(looks.length / linesPerRun))
  const parts = Array.from({ length: Math.ceil(looks.length / size) }, (_, at) =>
    looks.slice(at * size, (at + 1) * size),
  )
  say(tableText(parts.map(rowOf)))
  say(
    Object.entries(counts)
      .map(([name, value]) => `${name} ${value}`)
      .join('\n'),
  )
}

async function main(): Promise<number> {
  const { minutes, bus, connections, seed, json } = values
  if (bus !== 'log' && bus !== 'kafka') throw new Error('--bus is log or kafka')
  const seconds = Number(minutes) * 60
  say(`seed ${seed}: ${seconds} s on ${bus}`)
  const result = await soak({
    ...{ seed: Number(seed), bus, seconds, connections: Number(connections), restartsBroker: true },
    ...{ pauseMs: Number(values['pause-ms']), requestsPerConnection: 200, guidSeconds: 1 },
    reloadSeconds: Math.min(30, seconds / 4),
    lookMs: Math.min(2_000, seconds * 10),
  })
  tell(result)
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(result, undefined, 2)}\n`)
  const rising = judge(result.looks)
  say(rising.length === 0 ? 'flat' : `NOT FLAT: ${rising.join(', ')}`)
  return rising.length === 0 ? 0 : 1
}

process.exitCode = await main().catch((error: unknown) => {
  say(`FAILED: ${(error as Error).message}`)
  return 1
})
