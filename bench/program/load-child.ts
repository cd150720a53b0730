/** The bench's end of a process that makes load. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

interface AnyReport {
  readonly type: string
}

/** The process of a file beside this one. It answers commands with reports; one of type `failed` has a `text`. */
export class LoadChild<Command extends object, Report extends AnyReport> {
  readonly #child: ChildProcess
  readonly #waiting = new Map<string, (report: Report) => void>()
  /** Rejects as soon as something goes wrong, so that nobody sleeps through it. */
  readonly failed: Promise<never>

  constructor(file: string) {
    const { promise, reject } = Promise.withResolvers<never>()
    this.failed = promise
    promise.catch(() => undefined)
    // Without NODE_OPTIONS and flags of ours, so that it is never the one that is profiled.
    const { NODE_OPTIONS: _, ...env } = process.env
    this.#child = fork(fileURLToPath(new URL(file, import.meta.url)), [], {
      serialization: 'advanced',
      execArgv: [],
      env,
    })
    this.#child.on('message', (report: Report) => {
      if (report.type === 'failed' && 'text' in report) reject(new Error(`the load failed: ${report.text}`))
      this.#waiting.get(report.type)?.(report)
    })
    this.#child.on('exit', (code) => reject(new Error(`the load generator ended (${code})`)))
  }

  /** Resolves with the next report of that type. */
  ask<Type extends Report['type']>(
    command: Command,
    type: Type,
  ): Promise<Extract<Report, { readonly type: Type }>> {
    const answer = new Promise<Report>((resolve) => this.#waiting.set(type, resolve))
    this.#child.send(command)
    return Promise.race([answer, this.failed]) as Promise<Extract<Report, { readonly type: Type }>>
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}
