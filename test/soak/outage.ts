/**
 * `npm run outage`: the broker is away under the load of every protocol, for as long as wanted.
 *
 *     npm run outage -- --minutes 10                    killed, at full load
 *     npm run outage -- --minutes 10 --fault frozen     one of: killed, frozen, controllerless, full
 *     npm run outage -- --connections 4 --pause-ms 5    connections of each protocol, and the pause between two requests
 *     npm run outage -- --json FILE                     where the figures go, besides the table
 *
 * Exits 1 when something acknowledged is missing or out of order, when the spool is not delivered, when the books are not
 * even, or when memory rises during the outage.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type FaultName, faults } from '../support/broker-faults.ts'
import { type OutageResult, outage } from '../support/outage.ts'
import { isFlat } from '../support/process-watch.ts'
import { tableText } from '../support/table-text.ts'

/** What memory may rise by from the second third of an outage to the last: the peak of what is resident, and the heap. */
const bounds = { resident: { share: 0.15, least: 40 }, heap: { share: 0.2, least: 16 } } as const

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    fault: { type: 'string', default: 'killed' },
    connections: { type: 'string', default: '2' },
    'pause-ms': { type: 'string', default: '0' },
    seed: { type: 'string', default: process.env['GUIDEPOST_SEED'] ?? `${Date.now() % 1e6}` },
    json: { type: 'string' },
  },
})

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

function isFault(name: string): name is FaultName {
  return Object.hasOwn(faults, name)
}

function tell(result: OutageResult): void {
  const { phases, looks: _looks, residentInOutage, heapInOutage, ...figures } = result
  say(tableText(phases))
  say(
    tableText([
      { memory: 'resident, peak', ...residentInOutage },
      { memory: 'heap, floor', ...heapInOutage },
    ]),
  )
  const lines = Object.entries(figures).map(([name, value]) => `${name} ${format(value)}`)
  say(lines.join('\n'))
}

function format(value: number): string {
  return Number.isInteger(value) ? `${value}` : value.toFixed(2)
}

async function main(): Promise<number> {
  const { fault, minutes, connections, seed, json } = values
  if (!isFault(fault)) throw new Error(`--fault is one of ${Object.keys(faults).join(', ')}`)
  const outageSeconds = Number(minutes) * 60
  say(`seed ${seed}: the broker is ${fault} for ${outageSeconds} s`)
  const result = await outage({
    ...{ seed: Number(seed), fault, outageSeconds, connections: Number(connections) },
    ...{ pauseMs: Number(values['pause-ms']), lookMs: 1_000, said: say },
    quietSeconds: Math.min(30, outageSeconds),
    drainSecondsMax: 300 + outageSeconds,
  })
  tell(result)
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(result, undefined, 2)}\n`)
  const flat =
    isFlat(result.residentInOutage, bounds.resident.share, bounds.resident.least) &&
    isFlat(result.heapInOutage, bounds.heap.share, bounds.heap.least)
  say(flat ? 'flat: memory does not rise in the outage' : 'NOT FLAT: memory rises in the outage')
  return flat ? 0 : 1
}

process.exitCode = await main().catch((error: unknown) => {
  say(`FAILED: ${(error as Error).message}`)
  return 1
})
