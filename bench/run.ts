/**
 * `npm run bench`: measures the parts, and by name everything else.
 *
 *     npm run bench                                the parts that work in memory, below a minute
 *     npm run bench -- kernel                      those that write files too
 *     npm run bench -- program/kafka               the cases whose name holds one of these texts
 *     npm run bench -- spool/price --runs 5        what the spool costs while Kafka is well
 *     npm run bench -- soak --seconds 600          memory under steady load
 *     npm run bench -- --list                      only their names
 *     options: --runs N (3), --seconds S (of measuring in each run: 5, without a name 0.5), --connections N (16),
 *              --json FILE (bench/results/latest.json), --profile (a CPU profile of each case and its hottest functions)
 *
 * `npm run bench:peers` (run-peers.ts) measures the program beside others, `npm run bench:check` (run-check.ts) holds
 * the parts to what they were.
 *
 * Time is CPU time, so that a busy machine disturbs less. Exits 1 when a case failed: a fast wrong answer is no figure.
 */
import path from 'node:path'
import { parseArgs } from 'node:util'
import { allCases, chooseCases, isKernel } from './cases.ts'
import type { RunOptions } from './support/case.ts'
import { begin, positive, resultsDirectory, say } from './support/output.ts'
import { profileCase } from './support/profile-case.ts'
import { runCases, writeResults } from './support/run-cases.ts'

const namedSeconds = '5'
const unnamedSeconds = '0.5'

function readArguments() {
  const { values, positionals: filters } = parseArgs({
    allowPositionals: true,
    options: {
      runs: { type: 'string', default: '3' },
      seconds: { type: 'string' },
      connections: { type: 'string', default: '16' },
      json: { type: 'string', default: path.join(resultsDirectory, 'latest.json') },
      profile: { type: 'boolean', default: false },
      'cpu-profile': { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
    },
  })
  return {
    runs: positive('runs', values.runs),
    seconds: positive('seconds', values.seconds ?? (filters.length > 0 ? namedSeconds : unnamedSeconds)),
    connections: positive('connections', values.connections),
    json: values.json,
    list: values.list,
    isProfiled: values.profile || values['cpu-profile'],
    filters,
  }
}

async function main(): Promise<number> {
  const { filters, list, runs, seconds, connections, json, isProfiled } = readArguments()
  const chosen = chooseCases(allCases, filters, (one) => list || isKernel(one))
  if (chosen.length === 0) {
    process.stderr.write(`bench/run.ts: no case matches ${filters.join(' or ')}; --list shows them\n`)
    return 1
  }
  if (list) {
    for (const one of chosen) say(isKernel(one) ? one.name : `${one.name} (only when named)`)
    return 0
  }
  const machine = begin()
  say(`median of ${runs} runs of ${seconds} s, min … max\n`)
  const options: RunOptions = { seconds, connections, profileDirectory: undefined }
  const run = await runCases(chosen, runs, options, async (one) => {
    if (isProfiled) await profileCase(one, options)
  })
  writeResults(json, machine, { runs, seconds, connections }, run)
  say(`written to ${path.relative(process.cwd(), path.resolve(json))}`)
  return run.failures === 0 ? 0 : 1
}

process.exitCode = await main()
