/** The bench's handle on its load generator. */
import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { RequestBody } from '../support/bodies.ts'
import type { LoadCommand, LoadReport, LoadSettings, LoadWindow } from './load-messages.ts'

const lastSecondsMax = 120

export type { LoadSettings } from './load-messages.ts'

const contentTypes = {
  1: 'application/x-protobuf',
  2: 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
} as const

/** A whole request as Prometheus words it. */
export function requestOf(body: RequestBody, headers: Readonly<Record<string, string>> = {}): Buffer {
  const head = [
    'POST /write HTTP/1.1',
    'Host: 127.0.0.1',
    'User-Agent: Prometheus/3.15.0',
    `Content-Length: ${body.packed.length}`,
    'Content-Encoding: snappy',
    `Content-Type: ${contentTypes[body.version]}`,
    `X-Prometheus-Remote-Write-Version: ${body.version === 1 ? '0.1.0' : '2.0.0'}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body.packed])
}

export class Load {
  readonly #child: ChildProcess
  readonly #waiting = new Map<LoadReport['type'], (report: LoadReport) => void>()
  #reject: (error: Error) => void = () => {}
  readonly #failed: Promise<never>

  private constructor() {
    const { promise, reject } = Promise.withResolvers<never>()
    this.#failed = promise
    this.#reject = reject
    promise.catch(() => undefined)
    // Without NODE_OPTIONS and flags of ours, so that it is never the one that is profiled.
    const { NODE_OPTIONS: _, ...env } = process.env
    this.#child = fork(fileURLToPath(new URL('load-process.ts', import.meta.url)), [], {
      serialization: 'advanced',
      execArgv: [],
      env,
    })
    this.#child.on('message', (report: LoadReport) => {
      if (report.type === 'failed') this.#reject(new Error(`the load failed: ${report.text}`))
      this.#waiting.get(report.type)?.(report)
    })
    this.#child.on('exit', (code) => this.#reject(new Error(`the load generator ended (${code})`)))
  }

  /** Connects and begins to send; returns when every connection is open. */
  static async start(settings: LoadSettings): Promise<Load> {
    const load = new Load()
    await load.#ask({ type: 'start', settings }, 'ready')
    return load
  }

  /** Starts a window of measurement. */
  async begin(): Promise<void> {
    await this.#ask({ type: 'begin' }, 'begun')
  }

  /** Ends the window; the load goes on. */
  async end(): Promise<LoadWindow> {
    return (await this.#ask({ type: 'end' }, 'window')).window
  }

  /** Ends the load. How many requests were acknowledged since its start: all that were sent. */
  async stop(): Promise<number> {
    return (await this.#ask({ type: 'stop' }, 'stopped')).acknowledged
  }

  /** Waits for so many seconds and until so many further requests were acknowledged; rejects when the load fails. */
  async last(seconds: number, acknowledgedMin: number): Promise<void> {
    const begunMs = performance.now()
    const { acknowledged } = await this.#ask({ type: 'progress' }, 'progress')
    await Promise.race([sleep(seconds * 1e3), this.#failed])
    for (;;) {
      const progress = await this.#ask({ type: 'progress' }, 'progress')
      if (progress.acknowledged - acknowledged >= acknowledgedMin) return
      const tookSeconds = (performance.now() - begunMs) / 1e3
      if (tookSeconds > lastSecondsMax)
        throw new Error(
          `only ${progress.acknowledged - acknowledged} requests in ${tookSeconds.toFixed(0)} s`,
        )
      await sleep(10)
    }
  }

  /** Rejects as soon as something goes wrong, so that nobody sleeps through it. */
  get failed(): Promise<never> {
    return this.#failed
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #ask<Type extends LoadReport['type']>(
    command: LoadCommand,
    type: Type,
  ): Promise<Extract<LoadReport, { type: Type }>> {
    const answer = new Promise<LoadReport>((resolve) => this.#waiting.set(type, resolve))
    this.#child.send(command)
    return Promise.race([answer, this.#failed]) as Promise<Extract<LoadReport, { type: Type }>>
  }
}
