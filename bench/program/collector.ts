/**
 * The OpenTelemetry Collector as the peer: OTLP, Jaeger or remote write 2.0 → guid into the resource → Kafka, each call
 * answered when the broker has acknowledged it. bench/peers/README.md says how it is built.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MiB } from '../../src/limits.ts'
import { throughPins } from '../support/pinning.ts'
import { seriesGuid } from './series-values.ts'

const startMsMax = 20_000
const stopMsMax = 20_000
/** Below the topic's own bound, which counts the batch's frame too. */
const batchBytesMax = 10_000_000

/**
 * `direct`: the exporter's queue is off and each request is one produce. `batch`: requests are joined for 3 ms by the queue,
 * which answers when the batch was written. `unanswered`: the same, but nobody waits for the batch, as is right for
 * datagrams alone.
 */
export type CollectorMode = 'direct' | 'batch' | 'unanswered'

function batchQueue(waits: boolean): string {
  return (
    `{enabled: true, wait_for_result: ${waits}, num_consumers: 10, queue_size: 1000000, sizer: items, ` +
    'batch: {flush_timeout: 3ms, min_size: 2500, max_size: 10000, sizer: items}}'
  )
}

const queues: Readonly<Record<CollectorMode, string>> = {
  direct: '{enabled: false}',
  batch: batchQueue(true),
  unanswered: batchQueue(false),
}

interface Entry {
  readonly signal: 'traces' | 'metrics'
  readonly receiver: string
  /** Its settings; `endpoint` is its address. */
  readonly settings: (endpoint: string) => string
}

function spanEntry(receiver: string, protocol: string, limits: string): Entry {
  const settings = (endpoint: string): string => `{protocols: {${protocol}: {${endpoint}, ${limits}}}}`
  return { signal: 'traces', receiver, settings }
}

/** The ways in, each as the receiver that has it and the protocol of that receiver. */
const entries = {
  grpc: spanEntry('otlp', 'grpc', 'max_recv_msg_size_mib: 64'),
  http: spanEntry('otlp', 'http', `max_request_body_size: ${64 * MiB}`),
  'jaeger-grpc': spanEntry('jaeger', 'grpc', 'max_recv_msg_size_mib: 64'),
  // This receiver and that of remote write close each connection after one request unless told otherwise.
  'jaeger-thrift': spanEntry(
    'jaeger',
    'thrift_http',
    `keep_alives_enabled: true, max_request_body_size: ${64 * MiB}`,
  ),
  // Its own queue holds 1000 datagrams, and its socket what the system gives unasked: as much as the gateway has instead.
  'jaeger-udp': spanEntry('jaeger', 'thrift_compact', `queue_size: 10000, socket_buffer_size: ${4 * MiB}`),
  'remote-write': {
    signal: 'metrics',
    receiver: 'prometheusremotewrite',
    settings: (endpoint: string): string =>
      `{${endpoint}, keep_alives_enabled: true, max_request_body_size: ${64 * MiB}}`,
  },
} as const satisfies Readonly<Record<string, Entry>>

/** Series have their namespace in a label, where the resource has none: all get the one guid that is cheapest to give. */
const resourceGuids: Readonly<Record<Entry['signal'], string>> = {
  traces: 'from_attribute: k8s.namespace.name',
  metrics: `value: ${seriesGuid}`,
}

/** Of the Collector's Kafka exporter; `COLLECTOR_COMPRESSION` to try another one. */
const compression = process.env['COLLECTOR_COMPRESSION'] ?? 'lz4'

export type CollectorEntry = keyof typeof entries

interface CollectorOptions {
  readonly mode: CollectorMode
  readonly entry: CollectorEntry
  readonly broker: string
  readonly topic: string
}

/**
 * Its own defaults are acks 1, no compression, and an answer before delivery: all three are set. LZ4 costs it less CPU time
 * than zstd does, for spans and for points.
 */
function configuration({ mode, entry, broker, topic }: CollectorOptions, port: number): string {
  const { signal, receiver, settings } = entries[entry]
  return `receivers:
  ${receiver}: ${settings(`endpoint: "127.0.0.1:${port}"`)}
processors:
  resource: {attributes: [{key: guid, ${resourceGuids[signal]}, action: upsert}]}
exporters:
  kafka:
    brokers: ["${broker}"]
    ${signal}: {topic: ${topic}, encoding: otlp_proto}
    sending_queue: ${queues[mode]}
    retry_on_failure: {enabled: false}
    producer: {compression: ${compression}, required_acks: -1, linger: 0ms, max_message_bytes: ${batchBytesMax}}
service:
  telemetry: {logs: {level: warn}, metrics: {level: none}}
  pipelines:
    ${signal}: {receivers: [${receiver}], processors: [resource], exporters: [kafka]}
`
}

/** Where the Collector is; it is built when the cache does not hold it. */
function findCollector(): string {
  const script = path.join(import.meta.dirname, '../peers/build-otelcol')
  const { status, stdout } = spawnSync(script, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  if (status === 0) return stdout.trim()
  throw new Error('no Collector, and it cannot be built; bench/peers/README.md says what that needs')
}

export class Collector {
  readonly port: number
  readonly pid: number
  readonly #child: ChildProcess
  readonly #directory: string
  #output = ''

  private constructor(child: ChildProcess, port: number, directory: string) {
    this.port = port
    this.pid = child.pid ?? 0
    this.#child = child
    this.#directory = directory
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-4_096)
      })
    }
  }

  /** Starts it with a configuration of its own; returns when it takes connections or datagrams. */
  static async start(options: CollectorOptions): Promise<Collector> {
    const file = findCollector()
    const directory = await mkdtemp(path.join(tmpdir(), 'guidepost-collector-'))
    const isUdp = options.entry === 'jaeger-udp'
    const port = await (isUdp ? freeUdpPort() : freePort())
    const config = path.join(directory, 'collector.yaml')
    await writeFile(config, configuration(options, port))
    const [command = '', ...args] = [...throughPins(), file, '--config', config]
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const collector = new Collector(child, port, directory)
    try {
      const deadlineMs = performance.now() + startMsMax
      while (!(isUdp ? isBound(port) : await canConnect(port))) {
        if (collector.#isOver || performance.now() > deadlineMs)
          throw new Error(`the Collector did not come up: ${collector.#output}`)
        await sleep(50)
      }
      return collector
    } catch (error) {
      await collector.kill()
      throw error
    }
  }

  /** SIGTERM. Throws when it does not end well. */
  async stop(): Promise<void> {
    const status = await this.#end('SIGTERM')
    if (status !== 0) throw new Error(`the Collector ended with ${status}: ${this.#output}`)
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
    await rm(this.#directory, { recursive: true, force: true })
  }

  get #isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    if (!this.#isOver) {
      const exit = once(this.#child, 'exit')
      this.#child.kill(signal)
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopMsMax)
      await exit
      clearTimeout(timer)
    }
    return this.#child.exitCode
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await once(server.close(), 'close')
  return port
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  await once(socket.close(), 'close')
  return port
}

/** Whether a process has a UDP port, by Linux's table of sockets: nobody answers there. */
function isBound(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  return readFileSync('/proc/net/udp', 'latin1').includes(`:${hex} 00000000:0000 `)
}

export function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const end = (result: boolean): void => {
      socket.destroy()
      resolve(result)
    }
    socket.once('connect', () => end(true)).once('error', () => end(false))
  })
}
