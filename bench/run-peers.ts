/**
 * `npm run bench:peers`: the whole program beside the Collector, and beside vmagent where `VMAGENT` names one.
 *
 *     npm run bench:peers                                    all of it, for hours
 *     npm run bench:peers -- otlp/grpc/1000/identity         the cases whose name holds one of these texts
 *     VMAGENT=/path/to/vmagent npm run bench:peers -- remote-write
 *     npm run bench:peers -- --list                          only their names
 *     npm run bench:peers -- --from A.json --from B.json     no runs: table and charts of what was measured before
 *     options: --rounds N (5), --seconds S (5 of measuring in each round), --connections N (16),
 *              --pin, --no-pin (cores of its own for the program under test; on from four CPUs),
 *              --json FILE (bench/results/peers.json), --charts FOLDER (bench/results)
 *
 * In each round the gateway and its peers take turns before the same Kafka, with the same requests; a case counts only
 * when everything acknowledged lies in Kafka with its guid. The Collector is built at first use. Cases without a
 * peer that declare how cost grows are drawn as well when they are named. Results are written after each case.
 *
 * Exits 1 when a case failed.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { allCases, chooseCases } from './cases.ts'
import type { Case, RunOptions } from './support/case.ts'
import { chartsOf } from './support/charts.ts'
import { begin, positive, resultsDirectory, say } from './support/output.ts'
import { pinPrograms } from './support/pinning.ts'
import type { CaseResult } from './support/results.ts'
import { runCases, summaries, writeResults } from './support/run-cases.ts'

const cases = allCases.filter(({ beside, growth }) => beside !== undefined || growth !== undefined)

function isThere({ beside }: Case): boolean {
  return beside === 'Collector' || (beside === 'vmagent' && Boolean(process.env['VMAGENT']))
}

function readArguments() {
  const { values, positionals: filters } = parseArgs({
    allowPositionals: true,
    allowNegative: true,
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '5' },
      connections: { type: 'string', default: '16' },
      pin: { type: 'boolean' },
      json: { type: 'string', default: path.join(resultsDirectory, 'peers.json') },
      charts: { type: 'string', default: resultsDirectory },
      from: { type: 'string', multiple: true, default: [] },
      list: { type: 'boolean', default: false },
    },
  })
  return {
    ...values,
    rounds: positive('rounds', values.rounds),
    seconds: positive('seconds', values.seconds),
    connections: positive('connections', values.connections),
    filters,
  }
}

function draw(chosen: readonly Case[], results: readonly CaseResult[], folder: string): void {
  mkdirSync(folder, { recursive: true })
  for (const { name, svg } of chartsOf(chosen, results)) {
    const file = path.join(folder, `${name}.svg`)
    writeFileSync(file, svg)
    say(`drawn: ${path.relative(process.cwd(), file)}`)
  }
}

/** Of a case that several files have, the last one's. */
function measuredBefore(files: readonly string[]): CaseResult[] {
  const found = new Map<string, CaseResult>()
  for (const file of files) {
    const { results } = JSON.parse(readFileSync(file, 'utf8')) as { results: readonly CaseResult[] }
    for (const result of results) found.set(result.name, result)
  }
  return [...found.values()]
}

async function main(): Promise<number> {
  const { filters, list, from, rounds, seconds, connections, pin, json, charts } = readArguments()
  const chosen = chooseCases(cases, filters, (one) => list || from.length > 0 || isThere(one))
  if (chosen.length === 0) {
    process.stderr.write(`bench/run-peers.ts: no case matches ${filters.join(' or ')}; --list shows them\n`)
    return 1
  }
  if (list) {
    for (const one of chosen) {
      const note = one.beside === undefined ? ' (only when named)' : isThere(one) ? '' : ' (needs VMAGENT)'
      say(`${one.name}${note}`)
    }
    return 0
  }
  if (from.length > 0) {
    const results = measuredBefore(from)
    for (const table of summaries(chosen, results)) say(`${table}\n`)
    draw(chosen, results, charts)
    return 0
  }
  const machine = begin()
  const pinning = pinPrograms(pin)
  say(pinning)
  say(`median of ${rounds} rounds of ${seconds} s, min … max\n`)
  const settings = { rounds, seconds, connections, pinning }
  const options: RunOptions = { seconds, connections, profileDirectory: undefined }
  const run = await runCases(chosen, rounds, options, (_, soFar) => {
    writeResults(json, machine, settings, soFar)
    return Promise.resolve()
  })
  draw(chosen, run.results, charts)
  say(`written to ${path.relative(process.cwd(), path.resolve(json))}`)
  return run.failures === 0 ? 0 : 1
}

process.exitCode = await main()
