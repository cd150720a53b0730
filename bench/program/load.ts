/** The bench's handle on its load generator. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { RequestBody } from '../support/bodies.ts'
import { assertPinned } from '../support/pinning.ts'
import { LoadChild } from './load-child.ts'
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
    'POST /api/v1/write HTTP/1.1',
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
  readonly #child = new LoadChild<LoadCommand, LoadReport>('load-process.ts')

  private constructor() {}

  /** Connects and begins to send; returns when every connection is open. */
  static async start(settings: LoadSettings): Promise<Load> {
    assertPinned(settings.pid)
    const load = new Load()
    await load.#child.ask({ type: 'start', settings }, 'ready')
    return load
  }

  /** Starts a window of measurement. */
  async begin(): Promise<void> {
    await this.#child.ask({ type: 'begin' }, 'begun')
  }

  /** Ends the window; the load goes on. */
  async end(): Promise<LoadWindow> {
    return (await this.#child.ask({ type: 'end' }, 'window')).window
  }

  /** Ends the load. How many requests were acknowledged since its start: all that were sent. */
  async stop(): Promise<number> {
    return (await this.#child.ask({ type: 'stop' }, 'stopped')).acknowledged
  }

  /** Waits for so many seconds and until so many further requests were acknowledged; rejects when the load fails. */
  async last(seconds: number, acknowledgedMin: number): Promise<void> {
    const begunMs = performance.now()
    const { acknowledged } = await this.#child.ask({ type: 'progress' }, 'progress')
    await Promise.race([sleep(seconds * 1e3), this.#child.failed])
    for (;;) {
      const progress = await this.#child.ask({ type: 'progress' }, 'progress')
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
    return this.#child.failed
  }

  kill(): void {
    this.#child.kill()
  }
}
