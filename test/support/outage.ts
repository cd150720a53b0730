/**
 * A broker that is away for a while under the load of every protocol, and a gateway with a spool: nothing acknowledged is
 * missing, memory stays where it was, the spool is delivered beside what arrives, and the books are even.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { KafkaReader } from '../../src/bus/kafka/kafka-reader.ts'
import { Acknowledged, type Comparison } from './acknowledged.ts'
import { type BrokerFault, type FaultName, faults } from './broker-faults.ts'
import { sumOf } from './exposition.ts'
import { allTopics, kafkaConfig } from './kafka-bus.ts'
import { assertLedger } from './ledger.ts'
import { MixedLoad } from './mixed-load.ts'
import { type Change, changeOf, type Look, ProcessWatch } from './process-watch.ts'
import { Program } from './program.ts'
import { Random } from './random.ts'
import { until } from './until.ts'

const readMsMax = 600_000
/** Requests that are answered in each phase, before which it does not end, and how long that may take. */
const answersMin = 30
const answersMsMax = 60_000
const guids = ['shop', 'bank', 'mail', 'maps', 'news', 'wiki']

export interface OutageOptions {
  readonly seed: number
  readonly fault: FaultName
  /** Seconds before the outage and after the spool is empty. */
  readonly quietSeconds: number
  readonly outageSeconds: number
  /** Seconds that delivering the spool may take. */
  readonly drainSecondsMax: number
  /** Connections of each protocol. */
  readonly connections: number
  /** Milliseconds between two requests of one connection; 0 for full load. */
  readonly pauseMs: number
  readonly lookMs: number
  readonly env?: Readonly<Record<string, string>>
  readonly said?: (text: string) => void
}

export const phases = ['before', 'outage', 'drain', 'after'] as const
export type Phase = (typeof phases)[number]

export interface PhaseFigures {
  readonly phase: Phase
  readonly seconds: number
  readonly requestsPerSecond: number
  readonly itemsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly residentMbMean: number
  readonly residentMbMax: number
  /** Cores that the gateway used. */
  readonly cores: number
}

export interface OutageResult extends Comparison {
  readonly phases: readonly PhaseFigures[]
  readonly refused: number
  readonly spooledItemsMax: number
  readonly spoolMbMax: number
  readonly drainMbPerSecond: number
  /** In the outage: the peak of resident memory, and what a collection leaves of the heap. In MB. */
  readonly residentInOutage: Change
  readonly heapInOutage: Change
  readonly looks: readonly Look[]
}

interface Answers {
  readonly histogram: RecordableHistogram
  items: number
  seconds: number
}

/** Throws, naming the seed, when a promise is broken. */
export async function outage(options: OutageOptions): Promise<OutageResult> {
  const directory = await mkdtemp(join(tmpdir(), 'guidepost-outage-'))
  const fault = await faults[options.fault]()
  try {
    return await new Outage(options, directory, fault).run()
  } catch (error) {
    throw new Error(`GUIDEPOST_SEED=${options.seed}: ${(error as Error).message}`, { cause: error })
  } finally {
    await fault.remove()
    await rm(directory, { recursive: true, force: true })
  }
}

class Outage {
  readonly #options: OutageOptions
  readonly #directory: string
  readonly #fault: BrokerFault
  readonly #acknowledged = new Acknowledged()
  readonly #answers = Object.fromEntries(
    phases.map((phase) => [phase, { histogram: createHistogram(), items: 0, seconds: 0 }]),
  ) as Record<Phase, Answers>
  #phase: Phase = 'before'
  #phaseStartMs = performance.now()

  constructor(options: OutageOptions, directory: string, fault: BrokerFault) {
    this.#options = options
    this.#directory = directory
    this.#fault = fault
  }

  async run(): Promise<OutageResult> {
    const { address } = this.#fault.broker
    const spool = { GUIDEPOST_SPOOL_ENABLED: 'true', GUIDEPOST_SPOOL_DIRECTORY: this.#directory }
    const program = await Program.start({
      bus: `kafka://${address}`,
      env: { ...spool, ...this.#options.env },
    })
    try {
      const watch = new ProcessWatch(program, 'before', this.#options.lookMs)
      const refused = await this.#weather(program, watch).finally(() => watch.stop())
      await until('nothing is in flight or in the spool', 60_000, async () => {
        const samples = await program.metrics()
        return ['guidepost_inflight_bytes', 'guidepost_spooled_items'].every(
          (name) => sumOf(samples, name) === 0,
        )
      })
      assertLedger(await program.metrics())
      const status = await program.stop()
      if (status !== 0) throw new Error(`the gateway ended with ${status}`)
      this.#options.said?.(`reading ${this.#acknowledged.count} items back`)
      await this.#readBack(address)
      return { ...this.#acknowledged.compare(), ...this.#figures(watch.looks), refused }
    } finally {
      await program.kill()
    }
  }

  /** All phases under load; how many requests were refused for a while. */
  async #weather(program: Program, watch: ProcessWatch): Promise<number> {
    const { quietSeconds, outageSeconds, drainSecondsMax, seed, connections, pauseMs } = this.#options
    this.#enter(watch, 'before')
    const load = new MixedLoad(program, {
      ...{ name: 'load', random: new Random(seed), acknowledged: this.#acknowledged, connections, pauseMs },
      guids: () => guids,
      sizes: [1, 5, 20, 20, 50],
      answered: (ms, items) => this.#answered(ms, items),
    })
    try {
      await this.#pass(load, quietSeconds)
      await this.#fault.begin()
      this.#enter(watch, 'outage')
      await this.#pass(load, outageSeconds)
      if ((watch.last()?.spooledItems ?? 0) === 0) throw new Error('nothing was spooled in the outage')
      await this.#fault.end()
      this.#enter(watch, 'drain')
      await until('the spool is empty', drainSecondsMax * 1e3, () => {
        load.check()
        const last = watch.last()
        return last?.phase === 'drain' && last.isBusUp && last.spooledItems === 0
      })
      this.#enter(watch, 'after')
      await this.#pass(load, quietSeconds)
      this.#close()
      await load.stop()
      return load.counts.refused
    } finally {
      await load.gone().catch(() => undefined)
    }
  }

  /** So many seconds, and longer when there were no answers yet. */
  async #pass(load: MixedLoad, seconds: number): Promise<void> {
    const endMs = performance.now() + seconds * 1e3
    const goal = load.counts.acknowledged + answersMin
    await until('senders are answered', answersMsMax, () => {
      load.check()
      return load.counts.acknowledged >= goal
    })
    while (performance.now() < endMs) {
      load.check()
      await sleep(Math.min(200, Math.max(1, endMs - performance.now())))
    }
  }

  #enter(watch: ProcessWatch, phase: Phase): void {
    if (phase !== 'before') this.#close()
    this.#phase = phase
    this.#phaseStartMs = performance.now()
    watch.enter(phase)
    this.#options.said?.(phase)
  }

  #close(): void {
    this.#answers[this.#phase].seconds = (performance.now() - this.#phaseStartMs) / 1e3
  }

  #answered(ms: number, items: number): void {
    const answers = this.#answers[this.#phase]
    answers.histogram.record(Math.max(1, Math.round(ms * 1e3)))
    answers.items += items
  }

  async #readBack(address: string): Promise<void> {
    const reader = new KafkaReader(kafkaConfig(address), allTopics)
    try {
      const signal = AbortSignal.timeout(readMsMax)
      for await (const record of reader.read({ topics: allTopics, from: 'begin', follow: false, signal })) {
        this.#acknowledged.read(record)
      }
      signal.throwIfAborted()
    } finally {
      await reader.close()
    }
  }

  #figures(looks: readonly Look[]): Omit<OutageResult, keyof Comparison | 'refused'> {
    const of = (phase: Phase): Look[] => looks.filter((look) => look.phase === phase)
    const spoolMbMax = Math.max(0, ...looks.map(({ spoolMb }) => spoolMb))
    return {
      phases: phases.map((phase) => phaseFigures(phase, this.#answers[phase], of(phase))),
      spooledItemsMax: Math.max(0, ...looks.map(({ spooledItems }) => spooledItems)),
      spoolMbMax,
      drainMbPerSecond: spoolMbMax / this.#answers.drain.seconds,
      residentInOutage: changeOf(of('outage'), ({ residentMb }) => residentMb, 'peak'),
      heapInOutage: changeOf(of('outage'), ({ heapMb }) => heapMb, 'floor'),
      looks,
    }
  }
}

function phaseFigures(phase: Phase, answers: Answers, looks: readonly Look[]): PhaseFigures {
  const { histogram, items, seconds } = answers
  const ms = (us: number): number => us / 1e3
  const resident = looks.map(({ residentMb }) => residentMb)
  const [first, last] = [looks[0], looks.at(-1)]
  const span = (last?.atSeconds ?? 0) - (first?.atSeconds ?? 0)
  return {
    phase,
    seconds,
    requestsPerSecond: histogram.count / seconds,
    itemsPerSecond: items / seconds,
    p50Ms: ms(histogram.percentile(50)),
    p99Ms: ms(histogram.percentile(99)),
    maxMs: histogram.count === 0 ? 0 : ms(histogram.max),
    residentMbMean: resident.reduce((sum, one) => sum + one, 0) / Math.max(1, resident.length),
    residentMbMax: Math.max(0, ...resident),
    cores: span === 0 ? 0 : ((last?.cpuSeconds ?? 0) - (first?.cpuSeconds ?? 0)) / span,
  }
}
