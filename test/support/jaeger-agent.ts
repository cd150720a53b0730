/** Jaeger's own agent and ingester, version 1.62.0, as child processes on loopback; built by bench/peers/build-jaeger. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import path from 'node:path'
import { promisify } from 'node:util'
import { until } from './until.ts'

const BUILD = path.resolve(import.meta.dirname, '../../bench/peers/build-jaeger')
const READY_MS_MAX = 30_000
const STOP_MS_MAX = 15_000
const OUTPUT_CHARS_MAX = 16_384
/** From nothing on two busy cores; whoever finds a build under way waits as long for it. */
const BUILD_MS_MAX = 900_000

type Name = 'agent' | 'ingester'

async function build(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(BUILD, args, { timeout: BUILD_MS_MAX, maxBuffer: 2 ** 26 })
  return stdout.trim()
}

/** For `requireReal`: builds the program unless it is there, where it must be. False when it is, else what is missing. */
export async function jaegerAvailable(name: Name): Promise<string | false> {
  try {
    await build('--find', name)
    return false
  } catch {
    // It is not there yet.
  }
  const isWanted = process.env['CI'] === 'true' || process.env['GUIDEPOST_REAL'] === 'require'
  if (!isWanted) return `it is not built yet; about two minutes, with Go: bench/peers/build-jaeger ${name}`
  try {
    await build(name)
    return false
  } catch (error) {
    return `it could not be built (${error instanceof Error ? error.message.slice(-2000) : String(error)})`
  }
}

/** One of the programs. */
export class JaegerProgram {
  readonly #child: ChildProcess
  #output = ''

  protected constructor(child: ChildProcess) {
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_CHARS_MAX)
      })
    }
  }

  /** The last of what it wrote to stdout and stderr. */
  get output(): string {
    return this.#output
  }

  /** SIGTERM; returns the exit status. */
  async stop(): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode
    const exit = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS_MAX)
    await exit
    clearTimeout(timer)
    return this.#child.exitCode
  }

  protected static async spawn(name: Name, args: readonly string[], env = {}): Promise<ChildProcess> {
    const stdio = ['ignore', 'pipe', 'pipe'] as const
    return spawn(await build('--find', name), [...args], {
      stdio: [...stdio],
      env: { ...process.env, ...env },
    })
  }

  /** Waits until its health check says that it is available. */
  protected async ready(adminPort: number): Promise<void> {
    try {
      await until('Jaeger is ready', READY_MS_MAX, async () => {
        if (this.#child.exitCode !== null) throw new Error(`it ended early (${this.#child.exitCode})`)
        const answer = await fetch(`http://127.0.0.1:${adminPort}/`)
        await answer.arrayBuffer()
        return answer.status === 200
      })
    } catch (error) {
      await this.stop()
      throw new Error(`${(error as Error).message}; it said:\n${this.output}`, { cause: error })
    }
  }
}

/** Takes Thrift over UDP and relays it over gRPC. */
export class JaegerAgent extends JaegerProgram {
  readonly compactPort: number
  readonly binaryPort: number
  readonly zipkinPort: number
  /** Where it serves sampling strategies, which it asks its collector for. */
  readonly httpPort: number

  private constructor(child: ChildProcess, ports: readonly number[], httpPort: number) {
    super(child)
    const [compact = 0, binary = 0, zipkin = 0] = ports
    this.compactPort = compact
    this.binaryPort = binary
    this.zipkinPort = zipkin
    this.httpPort = httpPort
  }

  /** `collectorPort` is that of a CollectorService on 127.0.0.1. Tags are added to every process. */
  static async start(
    collectorPort: number,
    tags: Readonly<Record<string, string>> = {},
  ): Promise<JaegerAgent> {
    const udp = await freeUdpPorts(3)
    const [admin = 0, http = 0] = await freeTcpPorts(2)
    const [compact, binary, zipkin] = udp
    const pairs = Object.entries(tags).map(([key, value]) => `${key}=${value}`)
    const child = await JaegerProgram.spawn('agent', [
      `--reporter.grpc.host-port=127.0.0.1:${collectorPort}`,
      `--admin.http.host-port=127.0.0.1:${admin}`,
      `--http-server.host-port=127.0.0.1:${http}`,
      `--processor.jaeger-compact.server-host-port=127.0.0.1:${compact}`,
      `--processor.jaeger-binary.server-host-port=127.0.0.1:${binary}`,
      `--processor.zipkin-compact.server-host-port=127.0.0.1:${zipkin}`,
      ...(pairs.length === 0 ? [] : [`--agent.tags=${pairs.join(',')}`]),
    ])
    const agent = new JaegerAgent(child, udp, http)
    await agent.ready(admin)
    return agent
  }
}

/** Reads spans from Kafka and writes them to a storage server. */
export class JaegerIngester extends JaegerProgram {
  private constructor(child: ChildProcess) {
    super(child)
  }

  /**
   * Returns when it reads the topic, which must be there. Topic and encoding are its own defaults, `jaeger-spans` and
   * `protobuf`. The addresses are `host:port`.
   */
  static async start(broker: string, storage: string): Promise<JaegerIngester> {
    const [admin = 0] = await freeTcpPorts(1)
    const args = [
      // It speaks 0.8 unless told, which Kafka 4 does not any more.
      '--kafka.consumer.protocol-version=2.3.0',
      `--kafka.consumer.brokers=${broker}`,
      `--grpc-storage.server=${storage}`,
      `--admin.http.host-port=127.0.0.1:${admin}`,
    ]
    const ingester = new JaegerIngester(
      await JaegerProgram.spawn('ingester', args, { SPAN_STORAGE_TYPE: 'grpc' }),
    )
    await ingester.ready(admin)
    // It begins with what comes after: a topic of whose reading nothing is known yet is read from its end.
    await until('the ingester reads', READY_MS_MAX, () =>
      ingester.output.includes('Starting message handler'),
    )
    return ingester
  }
}

/** Ports that were free a moment ago, all different. */
async function freeTcpPorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => {
    const address = server.address()
    return address === null || typeof address === 'string' ? 0 : address.port
  })
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

async function freeUdpPorts(count: number): Promise<number[]> {
  const sockets = Array.from({ length: count }, () => createSocket('udp4').bind(0, '127.0.0.1'))
  await Promise.all(sockets.map((socket) => once(socket, 'listening')))
  const ports = sockets.map((socket) => socket.address().port)
  await Promise.all(sockets.map((socket) => once(socket.close(), 'close')))
  return ports
}
