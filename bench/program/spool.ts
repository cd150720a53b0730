/**
 * The spool of the whole program before a real Kafka.
 *
 *     spool/price/…   what it costs while Kafka is well: two gateways, one with and one without, loaded in turn
 *     spool/drain/…   Kafka is away for a while under load, then what was spooled is delivered
 *
 * A run counts only when Kafka then holds exactly what was acknowledged, by header.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Sample, sumOf } from '../../test/support/exposition.ts'
import { Program } from '../../test/support/program.ts'
import { until } from '../../test/support/until.ts'
import { recordedBodies } from '../support/bodies.ts'
import type { Case, Figure, RunOptions } from '../support/case.ts'
import { cpuSecondsOf } from '../support/process-usage.ts'
import { brokerAway, openBus } from './buses.ts'
import { Load, requestOf } from './load.ts'
import type { LoadSettings } from './load-messages.ts'
import { spanTraffic } from './span-work.ts'
import { listenerPort } from './subjects.ts'
import { warmUp } from './work.ts'

/** Windows of each gateway in one run. */
const alternations = 6
const settleSeconds = 0.5
const warmUpRequests = 32
const outageMsMax = 60_000
const drainMsMax = 300_000

interface Sending {
  readonly name: string
  readonly itemsEach: number
  /** The listener that takes it. */
  readonly listener: string
  sends(options: RunOptions): LoadSettings['sends']
}

const spans = (count: number): Sending => ({
  name: `otlp-grpc-${count}`,
  itemsEach: count,
  listener: 'otlpGrpc',
  sends: () => spanTraffic('grpc', count, 'identity'),
})
const remoteWrite: Sending = {
  name: 'v1-header',
  itemsEach: recordedBodies(1)[0]!.items,
  listener: 'http',
  sends: ({ connections }) => ({
    kind: 'ready',
    requests: recordedBodies(1).map((body) => requestOf(body, { 'X-Guid': 'shop' })),
    connections,
  }),
}
const sendings = [spans(100), spans(1_000), remoteWrite]

export const programSpoolCases: readonly Case[] = sendings.flatMap((sending) => [
  {
    name: `spool/price/${sending.name}`,
    isOnRequest: true,
    columns: ['CPU per item, with to without', 'with', 'without'],
    run: (options) => inFolder((directory) => price(sending, directory, options)),
  },
  {
    name: `spool/drain/${sending.name}`,
    isOnRequest: true,
    columns: ['spooled per second', 'drained per second', 'drained', 'CPU per item drained'],
    run: (options) => inFolder((directory) => drain(sending, directory, options)),
  },
])

async function inFolder<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(path.join(tmpdir(), 'guidepost-bench-'))
  try {
    return await work(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** One gateway, and what it has done in its windows so far. */
class Side {
  readonly program: Program
  readonly #sending: Sending
  readonly #options: RunOptions
  items = 0
  cpuSeconds = 0
  /** Acknowledged, the windows and all else. */
  acknowledgedItems = 0

  constructor(program: Program, sending: Sending, options: RunOptions) {
    this.program = program
    this.#sending = sending
    this.#options = options
  }

  get cpuPerItem(): number {
    return this.cpuSeconds / this.items
  }

  /** Loads it alone; `work` is done meanwhile. */
  async under(work: (load: Load) => Promise<void>): Promise<void> {
    const load = await Load.start({
      port: listenerPort(this.program, this.#sending.listener),
      pid: this.program.pid,
      sends: this.#sending.sends(this.#options),
      ratePerSecond: undefined,
    })
    try {
      await work(load)
      this.acknowledgedItems += (await load.stop()) * this.#sending.itemsEach
    } finally {
      load.kill()
    }
  }

  /** CPU seconds per item of one window. */
  async window(seconds: number): Promise<number> {
    const before = { items: this.items, cpuSeconds: this.cpuSeconds }
    await this.under(async (load) => {
      await load.last(settleSeconds, 0)
      await load.begin()
      await load.last(seconds, 0)
      const { acknowledged, cpu } = await load.end()
      this.items += acknowledged * this.#sending.itemsEach
      this.cpuSeconds += cpu.user + cpu.system
    })
    return (this.cpuSeconds - before.cpuSeconds) / (this.items - before.items)
  }
}

let turns = 0

/**
 * Both gateways live all the time, so that they meet the same broker and the same neighbours; only one of them is under
 * load at a time. Which of them is first changes with each pair of windows, and which was started first with each run.
 */
async function price(sending: Sending, directory: string, options: RunOptions): Promise<Figure[]> {
  const bus = await openBus('kafka', 'all')
  const programs: Program[] = []
  try {
    const start = async (enabled: boolean): Promise<Side> => {
      const env = {
        GUIDEPOST_SPOOL_ENABLED: String(enabled),
        ...(enabled && { GUIDEPOST_SPOOL_DIRECTORY: directory }),
      }
      const program = await Program.start({ bus: bus.url, env: { ...bus.env, ...env } })
      programs.push(program)
      const side = new Side(program, sending, options)
      await side.under((load) => warmUp([program.pid], load, warmUpRequests))
      return side
    }
    const isFirst = turns++ % 2 === 0
    const sides = [await start(isFirst), await start(!isFirst)] as const
    const [on, off] = isFirst ? sides : [sides[1], sides[0]]
    const ratios: number[] = []
    for (let turn = 0; turn < alternations; turn++) {
      const [first, second] = turn % 2 === 0 ? ([on, off] as const) : ([off, on] as const)
      const costs = [await first.window(options.seconds), await second.window(options.seconds)] as const
      ratios.push(turn % 2 === 0 ? costs[0] / costs[1] : costs[1] / costs[0])
    }
    const written = sumOf(await on.program.metrics(), 'guidepost_spool_written_items_total')
    if (written > 0) throw new Error(`Kafka was too slow: ${written} items were spooled`)
    for (const program of programs) await program.stop()
    await assertStored(bus, on.acknowledgedItems + off.acknowledgedItems)
    ratios.sort((a, b) => a - b)
    return [
      { name: 'CPU per item, with to without', unit: '×', value: on.cpuPerItem / off.cpuPerItem },
      { name: 'least of the pairs', unit: '×', value: ratios[0]! },
      { name: 'most of the pairs', unit: '×', value: ratios.at(-1)! },
      { name: 'with', unit: 'µs', value: on.cpuPerItem * 1e6 },
      { name: 'without', unit: 'µs', value: off.cpuPerItem * 1e6 },
    ]
  } finally {
    for (const program of programs) await program.kill()
    await bus.clear()
  }
}

async function drain(sending: Sending, directory: string, options: RunOptions): Promise<Figure[]> {
  const bus = await openBus('kafka', 'all')
  const env = {
    GUIDEPOST_SPOOL_ENABLED: 'true',
    GUIDEPOST_SPOOL_DIRECTORY: directory,
    // As fast as it can.
    GUIDEPOST_SPOOL_DRAIN_BYTES_PER_SECOND: '4GiB',
  }
  const program = await Program.start({ bus: bus.url, env: { ...bus.env, ...env } })
  const counter = async (name: string): Promise<number> => sumOf(await program.metrics(), name)
  try {
    const side = new Side(program, sending, options)
    let samples: Sample[] = []
    let intoPerSecond = 0
    await side.under((load) => warmUp([program.pid], load, warmUpRequests))
    await brokerAway(async () => {
      await side.under(async (load) => {
        await until('it spools', outageMsMax, async () => (await counter('guidepost_spooled_items')) > 0)
        await load.begin()
        await load.last(options.seconds, 0)
        const { acknowledged, seconds } = await load.end()
        intoPerSecond = (acknowledged * sending.itemsEach) / seconds
      })
      samples = await program.metrics()
    })
    const spooled = sumOf(samples, 'guidepost_spooled_items')
    const bytes = sumOf(samples, 'guidepost_spool_bytes')
    const delivered = () => counter('guidepost_spool_delivered_items_total')
    const before = await delivered()
    await until('it is delivered', drainMsMax, async () => (await delivered()) > before)
    const cpu = (): number => Object.values(cpuSecondsOf(program.pid)).reduce((sum, each) => sum + each, 0)
    const [startedMs, startedCpu, already] = [performance.now(), cpu(), await delivered()]
    while ((await counter('guidepost_spooled_items')) > 0) {
      if (performance.now() - startedMs > drainMsMax) throw new Error('the spool was not drained')
      await sleep(20)
    }
    const seconds = (performance.now() - startedMs) / 1e3
    const items = (await delivered()) - already
    const cpuSeconds = cpu() - startedCpu
    await program.stop()
    await assertStored(bus, side.acknowledgedItems)
    return [
      { name: 'spooled per second', unit: 'k', value: intoPerSecond / 1e3 },
      { name: 'items spooled', unit: 'k', value: spooled / 1e3 },
      { name: 'drained per second', unit: 'k', value: items / seconds / 1e3 },
      { name: 'drained', unit: 'MB/s', value: ((bytes / spooled) * items) / seconds / 1e6 },
      { name: 'CPU per item drained', unit: 'µs', value: (cpuSeconds * 1e6) / items },
    ]
  } finally {
    await program.kill()
    await bus.clear()
  }
}

/** Each item once, unless a broker that was killed has stored what it did not answer. */
async function assertStored(
  bus: Awaited<ReturnType<typeof openBus>>,
  acknowledgedItems: number,
): Promise<void> {
  const seen = new Set<string>()
  let items = 0
  await bus.count(({ headers }) => {
    const { batch_id: id = '', items: count } = headers
    if (!seen.has(id)) items += Number(count)
    seen.add(id)
  })
  if (items !== acknowledgedItems)
    throw new Error(`Kafka holds ${items} items, not the acknowledged ${acknowledgedItems}`)
}
