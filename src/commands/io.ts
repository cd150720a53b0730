/** What a command has of the world: its two streams, the environment, and word of Ctrl-C. */
import { once } from 'node:events'
import type { Environment } from '../config/environment.ts'

export type Stream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number }

export interface Io {
  readonly stdout: Stream
  readonly stderr: Stream
  readonly env: Environment
  readonly cwd: string
  /** From this call on, SIGINT and SIGTERM abort the signal instead of ending the process. */
  readonly interrupt: () => AbortSignal
}

/** Exit codes, the same for every command. */
export const exitCodes = {
  ok: 0,
  /** Problems were found, or it did not work. */
  failed: 1,
  /** The command line was wrong. */
  usage: 2,
} as const

/** Colours are for people: on a terminal, unless NO_COLOR is set. */
export function hasColours(stream: Stream, env: Environment): boolean {
  return stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
}

/**
 * Writes lines at the pace of whoever reads them. When the reader goes away (`| head`), `closed` aborts and further
 * lines are dropped: that is no failure. A pipe tells of it only when something is written to it.
 */
export class Output {
  readonly #stream: Stream
  readonly #closed = new AbortController()

  constructor(stream: Stream) {
    this.#stream = stream
    stream.on('error', (error: Error) => this.#closed.abort(error))
    stream.on('close', () => this.#closed.abort())
  }

  /** Aborts when nobody reads any more. */
  get closed(): AbortSignal {
    return this.#closed.signal
  }

  async line(text: string): Promise<void> {
    if (this.closed.aborted || this.#stream.write(`${text}\n`)) return
    await once(this.#stream, 'drain', { signal: this.closed }).catch(() => undefined)
  }
}
