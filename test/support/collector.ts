/**
 * A real OpenTelemetry Collector as a child process on loopback: built by bench/peers/build-otelcol into a cache that all
 * test runs share, configured by the files beside it, whose ports and paths are environment variables.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { type Sample, samplesOf } from './exposition.ts'
import { until } from './until.ts'

const PEERS = path.resolve(import.meta.dirname, '../../bench/peers')
const READY_MS_MAX = 30_000
const STOP_MS_MAX = 15_000
const OUTPUT_CHARS_MAX = 16_384
/** From nothing on two busy cores; whoever finds a build under way waits as long for it. */
const BUILD_MS_MAX = 900_000

/** Prints the path of the program; builds it first unless only asked to find it. */
async function build(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(path.join(PEERS, 'build-otelcol'), args, {
    timeout: BUILD_MS_MAX,
    maxBuffer: 2 ** 26,
  })
  return stdout.trim()
}

/** For `requireReal`: builds the Collector unless it is there. False when it is, else what is missing. */
export async function collectorAvailable(): Promise<string | false> {
  try {
    await build('--find')
    return false
  } catch {
    // It is not there yet.
  }
  const isWanted = process.env['CI'] === 'true' || process.env['GUIDEPOST_REAL'] === 'require'
  if (!isWanted) return 'it is not built yet; about four minutes, with Go: bench/peers/build-otelcol'
  try {
    await build()
    return false
  } catch (error) {
    return `it could not be built (${error instanceof Error ? error.message.slice(-2000) : String(error)})`
  }
}

export interface CollectorOptions {
  /** A file of bench/peers. */
  readonly config:
    | 'otelcol-consumer.yaml'
    | 'otelcol-sender.yaml'
    | 'otelcol-jaeger-consumer.yaml'
    | 'otelcol-jaeger-judge.yaml'
  /** What the file takes from the environment, beside the ports that are chosen below. */
  readonly env: Readonly<Record<string, string>>
}

interface Ports {
  readonly grpc: number
  readonly http: number
  readonly metrics: number
}

export class Collector {
  readonly grpcPort: number
  readonly httpPort: number
  readonly #metricsPort: number
  readonly #directory: string
  readonly #child: ChildProcess
  #output = ''

  private constructor(directory: string, child: ChildProcess, ports: Ports) {
    this.#directory = directory
    this.#child = child
    this.grpcPort = ports.grpc
    this.httpPort = ports.http
    this.#metricsPort = ports.metrics
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_CHARS_MAX)
      })
    }
  }

  /** Starts it and waits until its health check says that the pipelines run. Only after `collectorAvailable`. */
  static async start({ config, env }: CollectorOptions): Promise<Collector> {
    const program = await build('--find')
    const directory = await mkdtemp(path.join(tmpdir(), 'guidepost-collector-'))
    const [health = 0, grpc = 0, http = 0, metrics = 0] = await freePorts(4)
    const child = spawn(program, ['--config', path.join(PEERS, config)], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        HEALTH_PORT: `${health}`,
        OTLP_GRPC_PORT: `${grpc}`,
        OTLP_HTTP_PORT: `${http}`,
        METRICS_PORT: `${metrics}`,
        OUTPUT_FILE: path.join(directory, 'output.jsonl'),
        // The file names them whether its pipelines use them or not.
        COMPRESSION: 'none',
        GATEWAY_GRPC_PORT: '1',
        GATEWAY_HTTP_PORT: '1',
        ...env,
      },
    })
    const collector = new Collector(directory, child, { grpc, http, metrics })
    try {
      await until('the Collector is ready', READY_MS_MAX, async () => {
        if (child.exitCode !== null) throw new Error(`the Collector ended early (${child.exitCode})`)
        const answer = await fetch(`http://127.0.0.1:${health}/`)
        await answer.arrayBuffer()
        return answer.status === 200
      })
      return collector
    } catch (error) {
      const said = collector.output
      await collector.remove()
      throw new Error(`${(error as Error).message}; it said:\n${said}`, { cause: error })
    }
  }

  /** The last of what it wrote to stdout and stderr. */
  get output(): string {
    return this.#output
  }

  /** Its own metrics; only of a configuration that shows them. */
  async metrics(): Promise<Sample[]> {
    const answer = await fetch(`http://127.0.0.1:${this.#metricsPort}/metrics`)
    return samplesOf(await answer.text())
  }

  /** Whole lines of the file exporter so far, parsed. The last one may still be growing. */
  async lines(): Promise<unknown[]> {
    const text = await readFile(path.join(this.#directory, 'output.jsonl'), 'utf8').catch(() => '')
    return text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as unknown)
  }

  /** SIGTERM, upon which it empties its queues; returns the exit status. */
  async stop(): Promise<number | null> {
    await this.#end('SIGTERM')
    return this.#child.exitCode
  }

  /** Ends it if it still runs, and removes its folder. */
  async remove(): Promise<void> {
    await this.#end('SIGKILL')
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#child.kill(signal)
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS_MAX)
    await exit
    clearTimeout(timer)
  }
}

/** Ports that were free a moment ago, all different. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => {
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return address.port
  })
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}
