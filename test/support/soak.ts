/**
 * Everything at once at a moderate pace, for as long as wanted: all protocols, guids and connections that come and go,
 * senders of rubbish and senders that break off, reloads, and on Kafka a broker that is restarted in the middle. The
 * program's figures are looked at all the while; in the end everything acknowledged is on the bus.
 */
import { createSocket } from 'node:dgram'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BusReader } from '../../src/bus/bus.ts'
import { KafkaReader } from '../../src/bus/kafka/kafka-reader.ts'
import { LogReader } from '../../src/bus/log/log-reader.ts'
import { Acknowledged, type Comparison } from './acknowledged.ts'
import { listenerPort } from './entry-senders.ts'
import { sumOf } from './exposition.ts'
import { KafkaBroker } from './kafka.ts'
import { allTopics, kafkaConfig } from './kafka-bus.ts'
import { assertLedger } from './ledger.ts'
import { MixedLoad } from './mixed-load.ts'
import { type Look, ProcessWatch } from './process-watch.ts'
import { Program } from './program.ts'
import { Random } from './random.ts'
import { head, post, RawSender } from './senders.ts'
import { agentMessage } from './span-thrift.ts'
import { until } from './until.ts'

const readMsMax = 600_000
const settledMsMax = 120_000
const guidsAtOnce = 20
/** What comes by UDP is of this guid, and in no sender's book. */
const datagramGuid = 'datagrams'
const breakSeconds = 5

export interface SoakOptions {
  readonly seed: number
  readonly bus: 'log' | 'kafka'
  readonly seconds: number
  readonly connections: number
  readonly pauseMs: number
  readonly requestsPerConnection: number
  readonly guidSeconds: number
  readonly reloadSeconds: number
  readonly lookMs: number
  /** Kills the broker in the middle, for some seconds. */
  readonly restartsBroker: boolean
  readonly env?: Readonly<Record<string, string>>
  readonly looked?: (look: Look) => void
}

export interface SoakResult extends Comparison {
  readonly looks: readonly Look[]
  readonly requests: number
  readonly refused: number
  readonly rubbishRefused: number
  readonly datagrams: number
  /** Items of those datagrams that the bus holds. */
  readonly datagramsStored: number
  readonly reloads: number
  readonly guids: number
}

interface World {
  readonly url: string
  readonly env: Readonly<Record<string, string>>
  readonly broker: KafkaBroker | undefined
  reader(): BusReader
}

/** Throws, naming the seed, when something is missing or the books are not even. Whether it is flat is the caller's. */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const directory = await mkdtemp(join(tmpdir(), 'guidepost-soak-'))
  const broker = options.bus === 'kafka' ? await KafkaBroker.started() : undefined
  try {
    return await new Soak(options, worldOf(directory, broker), directory).run()
  } catch (error) {
    throw new Error(`GUIDEPOST_SEED=${options.seed}: ${(error as Error).message}`, { cause: error })
  } finally {
    await broker?.remove()
    await rm(directory, { recursive: true, force: true })
  }
}

function worldOf(directory: string, broker: KafkaBroker | undefined): World {
  const log = join(directory, 'log')
  if (broker === undefined) return { url: `log:${log}`, env: {}, broker, reader: () => new LogReader(log) }
  const { address } = broker
  return {
    url: `kafka://${address}`,
    env: { GUIDEPOST_SPOOL_ENABLED: 'true', GUIDEPOST_SPOOL_DIRECTORY: join(directory, 'spool') },
    broker,
    reader: () => new KafkaReader(kafkaConfig(address), allTopics),
  }
}

class Soak {
  readonly #options: SoakOptions
  readonly #world: World
  readonly #configFile: string
  readonly #acknowledged = new Acknowledged()
  readonly #counts = { rubbishRefused: 0, datagrams: 0, datagramsStored: 0, reloads: 0, guids: guidsAtOnce }

  constructor(options: SoakOptions, world: World, directory: string) {
    this.#options = options
    this.#world = world
    this.#configFile = join(directory, 'guidepost.yaml')
  }

  async run(): Promise<SoakResult> {
    await this.#writeConfig()
    const { url: bus, env } = this.#world
    const args = ['--config', this.#configFile]
    const program = await Program.start({ bus, args, env: { ...env, ...this.#options.env } })
    try {
      const watch = new ProcessWatch(program, 'soak', this.#options.lookMs, this.#options.looked)
      const sent = await this.#send(program).finally(() => watch.stop())
      await until('nothing is in flight or in the spool', settledMsMax, async () => {
        const samples = await program.metrics()
        return ['guidepost_inflight_bytes', 'guidepost_spooled_items'].every(
          (name) => sumOf(samples, name) === 0,
        )
      })
      assertLedger(await program.metrics())
      const status = await program.stop()
      if (status !== 0) throw new Error(`the gateway ended with ${status}`)
      await this.#readBack()
      return { ...this.#acknowledged.compare(), ...sent, ...this.#counts, looks: watch.looks }
    } finally {
      await program.kill()
    }
  }

  async #send(program: Program): Promise<{ requests: number; refused: number }> {
    const { seed, seconds, connections, pauseMs, requestsPerConnection } = this.#options
    const load = new MixedLoad(program, {
      ...{ name: 'load', random: new Random(seed), acknowledged: this.#acknowledged, connections, pauseMs },
      requestsPerConnection,
      guids: () => Array.from({ length: guidsAtOnce }, (_, index) => `team-${this.#counts.guids - index}`),
      sizes: [1, 2, 5, 20, 50],
    })
    const beside = new Beside()
    const { guidSeconds, reloadSeconds, restartsBroker } = this.#options
    beside.every(guidSeconds * 1e3, () => {
      this.#counts.guids += 1
    })
    beside.every(reloadSeconds * 1e3, () => this.#reload(program))
    beside.every(pauseMs + 50, () => this.#datagram(program))
    beside.every(pauseMs + 200, () => this.#rubbish(program))
    const { broker } = this.#world
    if (broker !== undefined && restartsBroker) {
      beside.once(async () => {
        await sleep((seconds * 1e3) / 2, undefined, { signal: beside.signal })
        await broker.kill()
        await sleep(breakSeconds * 1e3)
        await broker.start()
      })
    }
    try {
      const endMs = performance.now() + seconds * 1e3
      while (performance.now() < endMs) {
        load.check()
        beside.check()
        await sleep(100)
      }
      await load.stop()
    } finally {
      await beside.stop()
      await load.gone().catch(() => undefined)
    }
    beside.check()
    return { requests: load.counts.acknowledged, refused: load.counts.refused }
  }

  /** Another configuration each time, of what a reload may change. */
  async #reload(program: Program): Promise<void> {
    this.#counts.reloads += 1
    await this.#writeConfig()
    process.kill(program.pid, 'SIGHUP')
    await until('the configuration was reloaded', settledMsMax, () => {
      const told = program.logs.filter(
        ({ msg }) => msg?.startsWith('the configuration was reloaded') === true,
      )
      return told.length >= this.#counts.reloads
    })
  }

  async #writeConfig(): Promise<void> {
    const inflightMiB = 128 + (this.#counts.reloads % 2) * 16
    await writeFile(this.#configFile, `limits:\n  inflightBytes: ${inflightMiB}MiB\n`)
  }

  async #datagram(program: Program): Promise<void> {
    const id = `${datagramGuid}/${this.#counts.datagrams}`
    const process = { serviceName: 'cart', tags: { 'k8s.namespace.name': datagramGuid } }
    const message = agentMessage('compact', process, [{ operationName: 'work', tags: { 'test.id': id } }])
    const socket = createSocket('udp4')
    const { promise, resolve } = Promise.withResolvers<void>()
    socket.send(message, listenerPort(program, 'jaegerCompact'), '127.0.0.1', () => resolve())
    await promise
    socket.close()
    this.#counts.datagrams += 1
  }

  /** One request that is refused, and one that breaks off in the middle. */
  async #rubbish(program: Program): Promise<void> {
    const reply = await post(program.httpPort, Buffer.from('rubbish'))
    if (reply.status !== 400) throw new Error(`rubbish is answered ${reply.status}`)
    this.#counts.rubbishRefused += 1
    const sender = await RawSender.connect(program.httpPort)
    sender.write(head({ 'content-length': 1_000 }), 'the beginning')
    await sleep(10)
    sender.close()
  }

  async #readBack(): Promise<void> {
    const reader = this.#world.reader()
    try {
      const signal = AbortSignal.timeout(readMsMax)
      const topics = this.#options.bus === 'kafka' ? allTopics : []
      for await (const record of reader.read({ topics, from: 'begin', follow: false, signal })) {
        if (record.key === datagramGuid) this.#counts.datagramsStored += Number(record.headers['items'])
        else this.#acknowledged.read(record)
      }
      signal.throwIfAborted()
    } finally {
      await reader.close()
    }
  }
}

/** What goes on beside the load, each thing for itself. */
class Beside {
  readonly #running: Promise<void>[] = []
  readonly #end = new AbortController()
  #failure: unknown

  get signal(): AbortSignal {
    return this.#end.signal
  }

  every(ms: number, work: () => void | Promise<void>): void {
    this.once(async () => {
      for (;;) {
        await sleep(ms, undefined, { signal: this.signal })
        await work()
      }
    })
  }

  once(work: () => Promise<void>): void {
    const run = work().catch((error: unknown) => {
      if (!this.signal.aborted) this.#failure ??= error
    })
    this.#running.push(run)
  }

  /** Throws what has gone wrong. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  async stop(): Promise<void> {
    this.#end.abort()
    await Promise.all(this.#running)
  }
}
