/**
 * A gateway that is killed again and again under load, on one bus; at the end everything that was ever acknowledged is
 * looked for on the bus. One campaign has several lanes at the same time: each is a gateway with a folder of its own,
 * restarted on what the killed one has left.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { optionVariables } from '../../src/config/environment.ts'
import { Acknowledged, type Comparison, type ReadRecord } from './acknowledged.ts'
import { sumOf } from './exposition.ts'
import { assertLedger } from './ledger.ts'
import { MixedLoad, opensAll } from './mixed-load.ts'
import { Program, type ProgramOptions } from './program.ts'
import { Random } from './random.ts'
import { until } from './until.ts'

const emptiedMsMax = 60_000
/** A round is over when it has so many answers, or after this time. */
const answersMax = 100
const roundMsMax = 2_500
/** Small requests mostly, some of more than a page, few that fill a record. */
const sizes = [1, 1, 1, 1, 2, 2, 5, 5, 20, 20, 50, 200]

export interface LaneOptions {
  readonly name: string
  readonly program: ProgramOptions
  /** It has workers, of which one is killed before the whole is. */
  readonly hasWorkers?: boolean
  /** Some kills are held back until the spool has something, which the weather sees to. */
  readonly awaitsSpool?: boolean
  /** For the last start, after which everything must arrive. */
  readonly lastEnv?: Readonly<Record<string, string>>
}

export interface CampaignOptions {
  readonly seed: number
  readonly rounds: number
  /** Seconds after which no further round begins, however slow the machine is; none unless given. */
  readonly secondsMax?: number
  readonly lanes: readonly LaneOptions[]
  /** What goes on beside the lanes until they have ended; then all must be well again. */
  readonly weather?: (random: Random, isOver: () => boolean) => Promise<void>
  /** Every record on the bus, those of a partition in their order. */
  readonly read: () => AsyncIterable<ReadRecord>
}

export interface CampaignResult extends Comparison {
  readonly rounds: number
  /** How often the gateway was killed while it started, under load, and while it ended; and one of its workers alone. */
  readonly kills: Readonly<Record<Moment, number>>
  readonly requests: number
  readonly refused: number
  /** Starts at which the spool of a killed gateway had something left. */
  readonly startsWithSpool: number
}

type Moment = 'starting' | 'loaded' | 'ending' | 'worker'

interface Tally {
  kills: Record<Moment, number>
  requests: number
  refused: number
  startsWithSpool: number
}

/** Throws, naming the seed, when a promise is broken. */
export async function campaign(options: CampaignOptions): Promise<CampaignResult> {
  try {
    return await run(options)
  } catch (error) {
    throw new Error(`GUIDEPOST_SEED=${options.seed}: ${(error as Error).message}`, { cause: error })
  }
}

async function run(options: CampaignOptions): Promise<CampaignResult> {
  const { seed, rounds, secondsMax = Number.POSITIVE_INFINITY, lanes, weather, read } = options
  const endMs = performance.now() + secondsMax * 1e3
  const acknowledged = new Acknowledged()
  const tally: Tally = {
    kills: { starting: 0, loaded: 0, ending: 0, worker: 0 },
    requests: 0,
    refused: 0,
    startsWithSpool: 0,
  }
  let isOver = false
  let left = rounds
  // One that ends in order leaves Node's compile cache behind, which halves the time of every further start.
  const [first] = lanes
  if (first !== undefined) await (await Program.start(first.program)).stop()
  const running = lanes.map(async (lane, index) => {
    const random = new Random(seed + index)
    const state: LaneState = { lane, random, acknowledged, tally, loads: 0 }
    while (left > 0 && !isOver && performance.now() < endMs) {
      left -= 1
      await round(state)
    }
    return state
  })
  const outside = weather?.(new Random(seed - 1), () => isOver)
  try {
    const states = await Promise.all(running)
    isOver = true
    await outside
    for (const state of states) await deliverRest(state)
  } finally {
    isOver = true
    await Promise.allSettled([...running, outside])
  }
  for await (const record of read()) acknowledged.read(record)
  return { ...acknowledged.compare(), ...tally, rounds: rounds - left }
}

interface LaneState {
  readonly lane: LaneOptions
  readonly random: Random
  readonly acknowledged: Acknowledged
  readonly tally: Tally
  /** Loads so far. */
  loads: number
}

async function round(state: LaneState): Promise<void> {
  const { lane, random, tally } = state
  if (random.oneIn(12)) {
    await killWhileStarting(lane.program, random.below(700))
    tally.kills.starting += 1
    return
  }
  const isEnding = random.oneIn(10)
  const program = await Program.start(lane.program)
  try {
    // Without waiting for `/readyz`, which a bus that is away would hold up.
    await until('every port is open', emptiedMsMax, () => opensAll(program))
    // By its line: what is little may be delivered before anybody could read a metric.
    const found = program.logs.some(({ msg }) => msg?.includes('records of an earlier run') === true)
    if (found) tally.startsWithSpool += 1
    const load = loadOf(state, program)
    await someAnswers(load, random)
    if (lane.awaitsSpool === true && random.oneIn(4)) await somethingSpooled(program, load)
    load.allowCut()
    if (lane.hasWorkers === true) {
      process.kill(random.pick(childrenOf(program.pid)), 'SIGKILL')
      tally.kills.worker += 1
      await someAnswers(load, random)
    }
    if (isEnding) {
      process.kill(program.pid, 'SIGTERM')
      await sleep(random.below(60))
    }
    await program.kill()
    await load.gone()
    tally.kills[isEnding ? 'ending' : 'loaded'] += 1
    tally.requests += load.counts.acknowledged
    tally.refused += load.counts.refused
  } catch (error) {
    throw new Error(`${(error as Error).message}; the program said ${lastLines(program)}`, { cause: error })
  } finally {
    await program.kill()
  }
}

/** Waits for some more answers, any number, and for a moment that is no answer's. */
async function someAnswers(load: MixedLoad, random: Random): Promise<void> {
  const goal = load.counts.acknowledged + random.below(answersMax)
  const pauseMs = random.below(30)
  const endMs = performance.now() + roundMsMax
  while (load.counts.acknowledged < goal && performance.now() < endMs) {
    load.check()
    await sleep(1)
  }
  await sleep(pauseMs)
}

/** Waits until the spool holds something, for a while. */
async function somethingSpooled(program: Program, load: MixedLoad): Promise<void> {
  const endMs = performance.now() + roundMsMax
  while (performance.now() < endMs) {
    load.check()
    if (sumOf(await program.metrics(), 'guidepost_spooled_items') > 0) return
    await sleep(20)
  }
}

/** The processes that a process has started, from Linux's /proc. */
function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.split(' ').flatMap((word) => (word === '' ? [] : [Number(word)]))
}

/** What the program has said last. */
function lastLines({ logs }: Program): string {
  return logs
    .slice(-10)
    .map((line) => JSON.stringify(line))
    .join('\n')
}

function loadOf(state: LaneState, program: Program): MixedLoad {
  const { lane, random, acknowledged } = state
  const guids = [`${lane.name}-a`, `${lane.name}-b`, `${lane.name}-c`]
  // A connection reaches one of the workers, which keeps its order; the next one may reach another.
  const hasWorkers = lane.hasWorkers === true
  const name = hasWorkers ? `${lane.name}-${state.loads++}` : lane.name
  const options = { name, random, acknowledged, guids: () => guids, sizes, reconnects: hasWorkers }
  return new MixedLoad(program, options)
}

/** One more start, without a kill: what is spooled is delivered, the books are even, and it ends in order. */
async function deliverRest(state: LaneState): Promise<void> {
  const { lane } = state
  const env = { ...lane.program.env, ...lane.lastEnv }
  const program = await Program.start({ ...lane.program, env, whenListening: false })
  try {
    const load = loadOf(state, program)
    await until('some more are acknowledged', emptiedMsMax, () => {
      load.check()
      return load.counts.acknowledged > 20
    })
    await load.stop()
    await until('nothing is in flight or in the spool', emptiedMsMax, async () => {
      const samples = await program.metrics()
      return ['guidepost_inflight_bytes', 'guidepost_spooled_items'].every(
        (name) => sumOf(samples, name) === 0,
      )
    })
    assertLedger(await program.metrics())
    const status = await program.stop()
    if (status !== 0) throw new Error(`it ended with ${status}: ${JSON.stringify(program.logs.slice(-5))}`)
  } finally {
    await program.kill()
  }
}

/** Starts the program and kills it so much later, whatever it has come to by then. */
async function killWhileStarting({ bus, args = [], env = {} }: ProgramOptions, ms: number): Promise<void> {
  const root = resolve(import.meta.dirname, '../..')
  const ports = [...optionVariables]
    .filter(([, { path }]) => path.at(-1) === 'port')
    .map(([name]) => [name, '0'])
  const own = Object.entries(process.env).filter(([name]) => !/^GUIDEPOST_|^NODE_(TEST|OPTIONS)/.test(name))
  const child = spawn(process.execPath, [join(root, 'src', 'guidepost.mjs'), 'run', '--bus', bus, ...args], {
    cwd: root,
    stdio: 'ignore',
    env: { ...Object.fromEntries([...own, ...ports]), ...env },
  })
  const exit = once(child, 'exit')
  await sleep(ms)
  child.kill('SIGKILL')
  await exit
}
