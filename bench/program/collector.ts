/**
 * The OpenTelemetry Collector as the peer: OTLP → guid into the resource → Kafka, each call answered when the broker has
 * acknowledged it. bench/peers/README.md says how it is built.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MiB } from '../../src/limits.ts'

const startMsMax = 20_000
const stopMsMax = 20_000
/** Below the topic's own bound, which counts the batch's frame too. */
const batchBytesMax = 10_000_000

/**
 * `direct`: the exporter's queue is off and each request is one produce. `batch`: requests are joined for 3 ms by the queue,
 * which answers when the batch was written.
 */
export type CollectorMode = 'direct' | 'batch'

const queues: Readonly<Record<CollectorMode, string>> = {
  direct: '{enabled: false}',
  batch:
    '{enabled: true, wait_for_result: true, num_consumers: 10, queue_size: 1000000, sizer: items, ' +
    'batch: {flush_timeout: 3ms, min_size: 2500, max_size: 10000, sizer: items}}',
}

interface CollectorOptions {
  readonly mode: CollectorMode
  readonly broker: string
  readonly topic: string
}

interface Ports {
  readonly grpc: number
  readonly http: number
}

/** Its own defaults are acks 1, no compression, and an answer before delivery: all three are set. */
function configuration({ mode, broker, topic }: CollectorOptions, { grpc, http }: Ports): string {
  return `receivers:
  otlp:
    protocols:
      grpc: {endpoint: 127.0.0.1:${grpc}, max_recv_msg_size_mib: 64}
      http: {endpoint: 127.0.0.1:${http}, max_request_body_size: ${64 * MiB}}
processors:
  resource: {attributes: [{key: guid, from_attribute: k8s.namespace.name, action: upsert}]}
exporters:
  kafka:
    brokers: ["${broker}"]
    traces: {topic: ${topic}, encoding: otlp_proto}
    sending_queue: ${queues[mode]}
    retry_on_failure: {enabled: false}
    producer: {compression: zstd, required_acks: -1, linger: 0ms, max_message_bytes: ${batchBytesMax}}
service:
  telemetry: {logs: {level: warn}, metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], processors: [resource], exporters: [kafka]}
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
  readonly grpcPort: number
  readonly httpPort: number
  readonly pid: number
  readonly #child: ChildProcess
  readonly #directory: string
  #output = ''

  private constructor(child: ChildProcess, ports: Ports, directory: string) {
    this.grpcPort = ports.grpc
    this.httpPort = ports.http
    this.pid = child.pid ?? 0
    this.#child = child
    this.#directory = directory
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-4_096)
      })
    }
  }

  /** Starts it with a configuration of its own; returns when it takes connections. */
  static async start(options: CollectorOptions): Promise<Collector> {
    const file = findCollector()
    const directory = await mkdtemp(path.join(tmpdir(), 'guidepost-collector-'))
    const ports = await freePorts()
    const config = path.join(directory, 'collector.yaml')
    await writeFile(config, configuration(options, ports))
    const child = spawn(file, ['--config', config], { stdio: ['ignore', 'pipe', 'pipe'] })
    const collector = new Collector(child, ports, directory)
    try {
      const deadlineMs = performance.now() + startMsMax
      while (!((await canConnect(ports.grpc)) && (await canConnect(ports.http)))) {
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

async function freePorts(): Promise<Ports> {
  const servers = [createServer(), createServer()].map((server) => server.listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const [grpc, http] = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return { grpc: grpc!, http: http! }
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const end = (result: boolean): void => {
      socket.destroy()
      resolve(result)
    }
    socket.once('connect', () => end(true)).once('error', () => end(false))
  })
}
