/** The program with several workers on a real Kafka, and senders that keep count of what they were told. */
import assert from 'node:assert/strict'
import { readdirSync, readlinkSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sumOf } from './exposition.ts'
import { readMessages } from './kafka-read.ts'
import { assertLedger } from './ledger.ts'
import { Program, type ProgramOptions } from './program.ts'
import { messageV1, post, series, snappy } from './senders.ts'
import { until } from './until.ts'

/** One of several, as the admin port tells of it. */
export interface WorkerStatus {
  readonly worker: number
  readonly pid: number
  readonly state: 'serving' | 'starting' | 'ended'
  readonly restarts: number
  readonly inflightBytes: number
  readonly inflightBytesMax: number
}

export interface WorkerProgramOptions extends Omit<ProgramOptions, 'bus'> {
  readonly broker: string
  /** Where the configuration file and the spool lie. */
  readonly directory: string
  readonly workers?: number
  /** Lines of the configuration file beside those that switch the UDP ports off. */
  readonly config?: string
}

/** Three processes start at once. */
const READY_MS_MAX = 60_000
/** Nobody needs the UDP ports, and while they are chosen by the system the workers wait for each other. */
const withoutUdp = 'listeners:\n  jaegerCompact: off\n  jaegerBinary: off\n  zipkinCompact: off\n'

export async function startWorkers(options: WorkerProgramOptions): Promise<Program> {
  const { broker, directory, workers = 2, config = '', env, ...rest } = options
  const file = path.join(directory, 'guidepost.yaml')
  await writeFile(file, `${withoutUdp}${config}`)
  return await Program.start({
    readyMsMax: READY_MS_MAX,
    ...rest,
    bus: `kafka://${broker}`,
    args: ['--config', file],
    env: {
      GUIDEPOST_WORKERS: String(workers),
      GUIDEPOST_SPOOL_DIRECTORY: path.join(directory, 'spool'),
      ...env,
    },
  })
}

/** Waits until nothing is under way and nothing spooled, and asserts that every item has its place in the books. */
export async function assertBooks(program: Program): Promise<void> {
  await until('nothing is in flight', 60_000, async () => {
    const samples = await program.metrics()
    return sumOf(samples, 'guidepost_inflight_bytes') === 0 && sumOf(samples, 'guidepost_spooled_items') === 0
  })
  assertLedger(await program.metrics())
}

export async function workersOf(program: Program): Promise<readonly WorkerStatus[]> {
  const url = `http://127.0.0.1:${program.adminPort}/`
  const answer = await fetch(url, { headers: { accept: 'application/json' } })
  const { workers } = (await answer.json()) as { readonly workers?: readonly WorkerStatus[] }
  return workers ?? []
}

/** TCP connections that a process has; its connections to the brokers too. */
export function socketsOf(pid: number): number {
  const directory = `/proc/${pid}/fd`
  return readdirSync(directory).filter((name) => {
    try {
      return readlinkSync(path.join(directory, name)).startsWith('socket:')
    } catch {
      return false
    }
  }).length
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Waits until every worker serves, and `which` was started again at least once more than `restarts` times. */
export async function untilRestarted(program: Program, which: number, restarts = 0): Promise<void> {
  await until(`worker ${which} is back`, 120_000, async () => {
    const workers = await workersOf(program)
    return (
      workers.every(({ state }) => state === 'serving') &&
      workers.some((each) => each.worker === which && each.restarts > restarts)
    )
  })
}

/** Between two requests of a sender: they are to be many, and to leave the machine to the program. */
const PAUSE_MS = 10

/** Each sends one request after the other on a connection of its own, and opens another when that breaks. */
export class SteadySenders {
  /** Ids that were answered 2xx, by sender, in order. */
  readonly acknowledged: string[][]
  /** Answers other than 204, and connections that broke. */
  readonly troubles: string[][]
  #isOver = false
  readonly #running: Promise<void>[]

  constructor(port: number, name: string, count: number) {
    const numbers = Array.from({ length: count }, (_, index) => index)
    this.acknowledged = numbers.map(() => [])
    this.troubles = numbers.map(() => [])
    this.#running = numbers.map((index) => this.#run(port, `${name}-${index}`, index))
  }

  get count(): number {
    return this.acknowledged.reduce((sum, ids) => sum + ids.length, 0)
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#running)
  }

  async #run(port: number, name: string, index: number): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let number = 0; !this.#isOver; number++) {
      const id = `${name}-${number}`
      try {
        const { status } = await post(port, snappy(messageV1(series(`team-${index}`, id))), { agent })
        if (status === 204) this.acknowledged[index]!.push(id)
        else this.troubles[index]!.push(`status ${status}`)
      } catch (error) {
        this.troubles[index]!.push((error as NodeJS.ErrnoException).code ?? String(error))
      }
      await sleep(PAUSE_MS)
    }
    agent.destroy()
  }
}

/** Everything that was acknowledged is on Kafka; nothing else is promised. */
export async function assertArrived(broker: string, senders: SteadySenders): Promise<void> {
  const stored = new Set<string>()
  for (const { value } of await readMessages(broker, 'prometheus_metrics')) {
    for (const [, id = ''] of value.toString('latin1').matchAll(/([a-z]+-\d+-\d+)/g)) stored.add(id)
  }
  const missing = senders.acknowledged.flat().filter((id) => !stored.has(id))
  assert.deepEqual(missing, [], 'all that was acknowledged is on Kafka')
}
