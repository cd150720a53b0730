/**
 * `npm run crash`: the gateway is killed under load, as often as wanted.
 *
 *     npm run crash -- --rounds 2000               on the log and on Kafka in every weather, in turn
 *     npm run crash -- --rounds 100 --bus log      one of: log, calm, frozen, killed, workers (all but the first: Kafka)
 *     npm run crash -- --seed 7                    the first seed; each campaign of a hundred rounds has the next one
 *
 * Prints a line of figures for each campaign. Exits 1 when a promise is broken, with the seed.
 */
import { parseArgs } from 'node:util'
import type { CampaignResult } from '../support/crash.ts'
import { type Bounds, crashOnKafka, crashOnLog } from '../support/crash-buses.ts'

const roundsMax = 100
const buses = ['log', 'calm', 'frozen', 'killed', 'workers'] as const

function read(): { rounds: number; seed: number; chosen: readonly (typeof buses)[number][] } {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '400' },
      seed: { type: 'string', default: process.env['GUIDEPOST_SEED'] ?? `${Date.now() % 1e6}` },
      bus: { type: 'string' },
    },
  })
  const chosen = buses.filter((bus) => values.bus === undefined || bus === values.bus)
  const [rounds, seed] = [Number(values.rounds), Number(values.seed)]
  if (chosen.length === 0) throw new Error(`--bus is one of ${buses.join(', ')}`)
  if (!(rounds > 0) || !Number.isInteger(seed)) throw new Error('--rounds and --seed are whole numbers')
  return { rounds, seed, chosen }
}

function tell(bus: string, seed: number, seconds: number, result: CampaignResult): void {
  const { kills, ...figures } = result
  const all = Object.entries({ ...figures, ...kills }).map(([name, value]) => `${name} ${value}`)
  process.stdout.write(`${bus} seed ${seed} ${seconds.toFixed(0)} s: ${all.join(', ')}\n`)
}

function crash(bus: (typeof buses)[number], bounds: Bounds): Promise<CampaignResult> {
  if (bus === 'log') return crashOnLog(bounds)
  return bus === 'workers' ? crashOnKafka(bounds, 'killed', 2) : crashOnKafka(bounds, bus)
}

async function main(): Promise<number> {
  const { rounds, seed, chosen } = read()
  let done = 0
  for (let turn = 0; done < rounds; turn++) {
    const bus = chosen[turn % chosen.length]!
    const bounds = { seed: seed + turn * 10, rounds: Math.min(roundsMax, rounds - done) }
    const startMs = performance.now()
    const result = await crash(bus, bounds)
    tell(bus, bounds.seed, (performance.now() - startMs) / 1e3, result)
    done += bounds.rounds
  }
  process.stdout.write(`killed ${done} times: all that was acknowledged is on the bus\n`)
  return 0
}

process.exitCode = await main().catch((error: unknown) => {
  process.stdout.write(`FAILED: ${(error as Error).message}\n`)
  return 1
})
