/** A real Prometheus and a real node exporter on loopback, as Debian packages them. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { type Sample, samplesOf } from './exposition.ts'
import { until } from './until.ts'

const PROGRAMS = ['prometheus', 'prometheus-node-exporter']
const READY_MS_MAX = 30_000

/** For `requireReal`: what is missing and how to have it, or false. */
export async function probePrometheus(): Promise<string | false> {
  for (const program of PROGRAMS) {
    try {
      await promisify(execFile)(program, ['--version'])
    } catch {
      return `there is no ${program}; on Debian: apt-get install ${PROGRAMS.join(' ')}`
    }
  }
  return false
}

export interface PrometheusOptions {
  /** Where it writes to. */
  readonly writeUrl: string
  /** Labels of the target, such as `namespace`. */
  readonly targetLabels?: Readonly<Record<string, string>>
}

export class Prometheus {
  readonly port: number
  readonly #directory: string
  readonly #options: PrometheusOptions
  readonly #exporterPort: number
  readonly #children: ChildProcess[]

  private constructor(options: PrometheusOptions, directory: string, ports: readonly [number, number]) {
    this.#options = options
    this.#directory = directory
    this.port = ports[0]
    this.#exporterPort = ports[1]
    this.#children = []
  }

  /** Starts both; Prometheus scrapes the exporter each second and writes what it finds. */
  static async start(options: PrometheusOptions): Promise<Prometheus> {
    const directory = await mkdtemp(path.join(tmpdir(), 'guidepost-prometheus-'))
    const prometheus = new Prometheus(options, directory, [await freePort(), await freePort()])
    try {
      await prometheus.#writeConfig(true)
      prometheus.#spawn('prometheus-node-exporter', [
        `--web.listen-address=127.0.0.1:${prometheus.#exporterPort}`,
      ])
      prometheus.#spawn('prometheus', [
        `--config.file=${prometheus.#configFile}`,
        `--storage.tsdb.path=${path.join(directory, 'data')}`,
        `--web.listen-address=127.0.0.1:${prometheus.port}`,
        '--web.enable-lifecycle',
        '--log.level=warn',
      ])
      await until('Prometheus is ready', READY_MS_MAX, async () => {
        const answer = await fetch(prometheus.#url('/-/ready'))
        await answer.arrayBuffer()
        return answer.status === 200
      })
      return prometheus
    } catch (error) {
      await prometheus.stop()
      throw error
    }
  }

  /** Takes the target away; what was scraped is still written. */
  async stopScraping(): Promise<void> {
    await this.#writeConfig(false)
    const answer = await fetch(this.#url('/-/reload'), { method: 'POST' })
    if (answer.status !== 200) throw new Error(`Prometheus did not reload: ${await answer.text()}`)
  }

  /** Its own metrics. */
  async metrics(): Promise<Sample[]> {
    const answer = await fetch(this.#url('/metrics'))
    return samplesOf(await answer.text())
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return
        child.kill('SIGKILL')
        await once(child, 'exit')
      }),
    )
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 3 })
  }

  get #configFile(): string {
    return path.join(this.#directory, 'prometheus.yml')
  }

  #url(at: string): string {
    return `http://127.0.0.1:${this.port}${at}`
  }

  #spawn(program: string, args: readonly string[]): void {
    const child = spawn(program, args, { stdio: 'ignore' })
    child.on('error', () => undefined)
    this.#children.push(child)
  }

  /** JSON is YAML. */
  async #writeConfig(isScraping: boolean): Promise<void> {
    const targets = [`127.0.0.1:${this.#exporterPort}`]
    const config = {
      global: { scrape_interval: '1s', scrape_timeout: '1s' },
      scrape_configs: isScraping
        ? [{ job_name: 'node', static_configs: [{ targets, labels: this.#options.targetLabels ?? {} }] }]
        : [],
      remote_write: [
        {
          url: this.#options.writeUrl,
          metadata_config: { send_interval: '1s' },
          queue_config: { batch_send_deadline: '1s' },
        },
      ],
    }
    await writeFile(this.#configFile, JSON.stringify(config))
  }
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
