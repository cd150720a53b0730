/**
 * `npm run bench`: measures the parts and the whole program.
 *
 *     npm run bench                                all cases but the long ones
 *     npm run bench -- program/kafka               the cases whose name holds one of these texts
 *     npm run bench -- otlp/grpc                   the gateway beside the Collector, with a table of ratios
 *     npm run bench -- jaeger                      the same for Jaeger's protocols
 *     npm run bench -- spool/price --runs 5        what the spool costs while Kafka is well
 *     npm run bench -- --list                      only their names
 *     npm run bench -- soak --seconds 600          memory under steady load
 *     options: --runs N (3), --seconds S (5 of measuring in each run), --connections N (16),
 *              --json FILE (bench/results/latest.json), --profile (a CPU profile of each case and its hottest functions)
 *
 * Time is CPU time, so that a busy machine disturbs less. Exits 1 when a case failed: a fast wrong answer is no figure.
 */
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { kernelCases } from './kernels/cases.ts'
import { jaegerKernelCases } from './kernels/jaeger.ts'
import { otlpKernelCases } from './kernels/otlp.ts'
import { segmentCases } from './kernels/segment.ts'
import { spoolCases } from './kernels/spool.ts'
import { zipkinJsonCases } from './kernels/zipkin-json.ts'
import { closeBuses } from './program/buses.ts'
import { programCases } from './program/cases.ts'
import { jaegerCases } from './program/jaeger.ts'
import { otlpCases } from './program/otlp.ts'
import { soakCases } from './program/soak.ts'
import { programSpoolCases } from './program/spool.ts'
import { udpCases } from './program/udp.ts'
import type { Case, Figure, RunOptions, TimeWindow } from './support/case.ts'
import { hottest, readProfile } from './support/cpu-profile.ts'
import { describeMachine, isQuiet } from './support/machine.ts'
import { type CaseResult, summarise, summaryTable, tableOf } from './support/results.ts'

const resultsDirectory = path.join(import.meta.dirname, 'results')
const hottestCount = 30

const all: readonly Case[] = [
  ...kernelCases,
  ...otlpKernelCases,
  ...jaegerKernelCases,
  ...zipkinJsonCases,
  ...segmentCases,
  ...spoolCases,
  ...programCases,
  ...otlpCases,
  ...jaegerCases,
  ...udpCases,
  ...soakCases,
  ...programSpoolCases,
]

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runs: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '5' },
      connections: { type: 'string', default: '16' },
      json: { type: 'string', default: path.join(resultsDirectory, 'latest.json') },
      profile: { type: 'boolean', default: false },
      'cpu-profile': { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
    },
  })
  const numbers = {
    runs: Number(values.runs),
    seconds: Number(values.seconds),
    connections: Number(values.connections),
  }
  for (const [name, value] of Object.entries(numbers)) {
    if (!(value > 0)) throw new Error(`--${name} wants a number above 0`)
  }
  const isProfiled = values.profile || values['cpu-profile']
  return { ...numbers, json: values.json, list: values.list, isProfiled, filters: positionals }
}

function choose(filters: readonly string[]): Case[] {
  return all.filter(({ name, isOnRequest }) =>
    filters.length === 0 ? isOnRequest !== true : filters.some((filter) => name.includes(filter)),
  )
}

async function measure(one: Case, runs: number, options: RunOptions): Promise<CaseResult> {
  const figures: (readonly Figure[])[] = []
  for (let run = 0; run < Math.min(runs, one.runsMax ?? runs); run++) figures.push(await one.run(options))
  return summarise(one.name, figures)
}

/** Runs the case once more under the profiler: its figures are not those of a case left alone. */
async function profile(one: Case, options: RunOptions): Promise<void> {
  const directory = mkdtempSync(path.join(resultsDirectory, 'profile-'))
  const kept = path.join(resultsDirectory, `${one.name.replaceAll('/', '-')}.cpuprofile`)
  let window: TimeWindow | undefined
  try {
    const onWindow = (measured: TimeWindow): void => {
      window = measured
    }
    const run = (): Promise<unknown> => one.run({ ...options, profileDirectory: directory, onWindow })
    if (one.name.startsWith('kernel/')) writeFileSync(kept, JSON.stringify(await profileHere(run)))
    else {
      await run()
      // Each thread writes one: the main thread's number is 0 (`CPU.<date>.<time>.<pid>.<thread>.<count>.cpuprofile`).
      const file = readdirSync(directory).find((name) => /\.0\.\d+\.cpuprofile$/.test(name))
      if (file === undefined) throw new Error('no profile was written')
      renameSync(path.join(directory, file), kept)
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  const { busyShare, functions, places } = await hottest(readProfile(kept), window, hottestCount)
  const lines = (shares: typeof functions): string =>
    shares.map(({ what, share }) => `  ${(share * 100).toFixed(1).padStart(5)} %  ${what}`).join('\n')
  say(`main thread busy ${(busyShare * 100).toFixed(0)} % of the time; ${path.relative(process.cwd(), kept)}`)
  say(`self time by function, of busy time\n${lines(functions)}`)
  say(`self time by file or package\n${lines(places)}\n`)
}

/** Profiles this process while `work` runs. */
async function profileHere(work: () => Promise<unknown>): Promise<object> {
  const session = new Session()
  session.connect()
  try {
    await session.post('Profiler.enable')
    await session.post('Profiler.start')
    await work()
    return (await session.post('Profiler.stop')).profile
  } finally {
    session.disconnect()
  }
}

/** One table for the cases that name the same columns, of those that have a result. */
function summaries(chosen: readonly Case[], results: readonly CaseResult[]): string[] {
  const groups = new Map<string, { columns: readonly string[]; names: Set<string> }>()
  for (const { name, columns } of chosen) {
    if (columns === undefined) continue
    const group = groups.get(columns.join()) ?? { columns, names: new Set() }
    groups.set(columns.join(), group)
    group.names.add(name)
  }
  return [...groups.values()]
    .map(({ columns, names }) => ({ columns, found: results.filter(({ name }) => names.has(name)) }))
    .filter(({ found }) => found.length > 0)
    .map(({ columns, found }) => summaryTable(columns, found))
}

async function main(): Promise<number> {
  const { filters, list, runs, seconds, connections, json, isProfiled } = readArguments()
  const chosen = choose(filters)
  if (chosen.length === 0) {
    process.stderr.write(`bench/run.ts: no case matches ${filters.join(' or ')}; --list shows them\n`)
    return 1
  }
  if (list) {
    for (const { name, isOnRequest } of chosen) say(isOnRequest ? `${name} (only when named)` : name)
    return 0
  }
  const machine = describeMachine()
  const { cpu, cores, memoryGiB, node, disk, loadAverage } = machine
  say(`${cores} × ${cpu}, ${memoryGiB} GiB, ${disk}, Node ${node}, load average ${loadAverage}`)
  if (!isQuiet(machine)) say('WARNING: this machine is busy with something else; the figures are worth less')
  say(`median of ${runs} runs of ${seconds} s, min … max\n`)
  mkdirSync(resultsDirectory, { recursive: true })
  const options: RunOptions = { seconds, connections, profileDirectory: undefined }
  const results: CaseResult[] = []
  let failures = 0
  try {
    for (const one of chosen) {
      try {
        const result = await measure(one, runs, options)
        results.push(result)
        say(tableOf(result))
        if (isProfiled) await profile(one, options)
      } catch (error) {
        failures++
        say(`${one.name}\n  FAILED: ${(error as Error).message}\n`)
      }
    }
  } finally {
    await closeBuses()
  }
  const tables = summaries(chosen, results)
  for (const table of tables) say(`${table}\n`)
  const written = { machine, runs, seconds, connections, results, tables }
  writeFileSync(json, `${JSON.stringify(written, undefined, 2)}\n`)
  say(`written to ${path.relative(process.cwd(), path.resolve(json))}`)
  return failures === 0 ? 0 : 1
}

process.exitCode = await main()
