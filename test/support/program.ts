/** The program as a child process, judged by its ports, its log lines and `/metrics`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { optionVariables } from '../../src/config/environment.ts'
import { type Sample, samplesOf } from './exposition.ts'
import { assertLedgerWhenIdle, type LedgerOptions } from './ledger.ts'
import { until } from './until.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
const READY_MS_MAX = 60_000
const STOP_MS_MAX = 30_000
const METRICS_MS_MAX = 10_000
/** Every port is chosen by the system. */
const anyPorts = Object.fromEntries(
  [...optionVariables].filter(([, { path }]) => path.at(-1) === 'port').map(([name]) => [name, '0']),
)

/**
 * Unless a test wants more: one process, whatever the machine has; and no spool, which would lie in the working directory
 * that they share, and would hide from them what senders are told without one.
 */
const alone = { GUIDEPOST_WORKERS: '1', GUIDEPOST_SPOOL_ENABLED: 'false' }

export interface ProgramOptions {
  /** A bus URL such as `log:DIR`. */
  readonly bus: string
  /** Further arguments of `run`. */
  readonly args?: readonly string[]
  /** Further environment variables. The ports are chosen by the system unless given here. */
  readonly env?: Readonly<Record<string, string>>
  /** A command that starts the program, such as one that gives it a bad disk; the process keeps its id. */
  readonly through?: readonly string[]
  /** Do not wait for `/readyz`, only for the listeners; for a bus that is away. */
  readonly whenListening?: boolean
  /** Milliseconds that it may take until it listens, and again until it is ready. */
  readonly readyMsMax?: number
}

export interface LogLine {
  readonly msg?: string
  readonly level?: number | string
  readonly [key: string]: unknown
}

/**
 * Where programs were started whose books nobody has looked at, by bus and spool. One that was killed hands these on to
 * the next; a test file that ends with one left has let it go unchecked, and fails.
 */
const unchecked = new Map<string, string>()

process.on('exit', () => {
  if (unchecked.size === 0 || process.argv[1]?.endsWith('.test.ts') !== true) return
  const places = [...unchecked].map(([place, line]) => `  ${place}, started ${line}`)
  process.stderr.write(
    `The ledger was not checked of the last program on\n${places.join('\n')}\nEnd it by stop() or end(), not by kill().\n`,
  )
  process.exitCode = 1
})

export class Program {
  readonly httpPort: number
  readonly adminPort: number
  readonly pid: number
  /** Lines of stdout and stderr so far; what is no JSON is in `msg` as it came. */
  readonly logs: readonly LogLine[]
  readonly #child: ChildProcess
  readonly #exited: Promise<number | NodeJS.Signals>
  readonly #options: ProgramOptions

  private constructor(
    child: ChildProcess,
    logs: LogLine[],
    exited: Promise<number | NodeJS.Signals>,
    options: ProgramOptions,
  ) {
    this.#child = child
    this.#exited = exited
    this.#options = options
    this.logs = logs
    this.pid = child.pid ?? 0
    this.httpPort = portOf(logs, 'http') ?? 0
    this.adminPort = portOf(logs, 'admin') ?? 0
  }

  /** Starts `guidepost run`; returns when it is ready. Throws with its output when it ends before. */
  static async start(options: ProgramOptions): Promise<Program> {
    const launcher = path.join(ROOT, 'src', 'guidepost.mjs')
    const program = [process.execPath, launcher, 'run', '--bus', options.bus, ...(options.args ?? [])]
    const [command = '', ...args] = [...(options.through ?? []), ...program]
    const child = spawn(command, args, {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...foreignEnvironment(), ...alone, ...anyPorts, ...options.env },
    })
    const logs: LogLine[] = []
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => logs.push(parsed(line)))
    }
    const exited = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals)
    const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null
    const describe = (): string => logs.map((line) => JSON.stringify(line)).join('\n')
    const readyMsMax = options.readyMsMax ?? READY_MS_MAX
    try {
      await until('the program listens', readyMsMax, () => {
        if (isOver()) throw new Error(`the program ended early (${child.exitCode ?? child.signalCode})`)
        return portOf(logs, 'http') !== undefined && portOf(logs, 'admin') !== undefined
      })
      const program = new Program(child, logs, exited, options)
      if (options.whenListening !== true) {
        await until('the program is ready', readyMsMax, () => program.isReady())
      }
      unchecked.set(program.#place, lineOf(new Error('started')))
      return program
    } catch (error) {
      child.kill('SIGKILL')
      throw new Error(`${(error as Error).message}; it said:\n${describe()}`, { cause: error })
    }
  }

  /** The URL of a path on the HTTP port. */
  url(at: string): string {
    return `http://127.0.0.1:${this.httpPort}${at}`
  }

  async isReady(): Promise<boolean> {
    const answer = await fetch(`http://127.0.0.1:${this.adminPort}/readyz`)
    await answer.arrayBuffer()
    return answer.status === 200
  }

  /** `/metrics`, as samples. */
  async metrics(): Promise<Sample[]> {
    const signal = AbortSignal.timeout(METRICS_MS_MAX)
    const answer = await fetch(`http://127.0.0.1:${this.adminPort}/metrics`, { signal })
    return samplesOf(await answer.text())
  }

  /** Waits until nothing is in flight, and asserts that the books are even for each receiver, signal and guid. */
  async assertLedger(options: LedgerOptions = {}): Promise<void> {
    const isSummed = Number(this.#options.env?.['GUIDEPOST_WORKERS'] ?? 1) > 1
    await assertLedgerWhenIdle(() => this.metrics(), { ...options, isSummed })
    unchecked.delete(this.#place)
  }

  /**
   * Asserts the ledger, then sends the signal and waits for the end; returns the exit status, or the signal that ended
   * it. Of a program that has ended by itself there is nothing left to assert.
   */
  async stop(
    signal: NodeJS.Signals = 'SIGTERM',
    options: LedgerOptions = {},
  ): Promise<number | NodeJS.Signals> {
    try {
      if (this.#isRunning) await this.assertLedger(options)
    } catch (error) {
      await this.kill()
      throw error
    }
    return this.#signal(signal)
  }

  /** Ends a program that a test is done with: asserts the ledger and wastes no time on a drain. Again: nothing. */
  async end(options: LedgerOptions = {}): Promise<void> {
    try {
      if (this.#isRunning) await this.assertLedger(options)
    } finally {
      await this.kill()
    }
  }

  /**
   * Ends it as a power cut would. Its books end with it: those of the next program on its bus and spool are looked at
   * instead, unless the test says by `books` that there is none.
   */
  async kill({ books }: { readonly books?: 'lost' } = {}): Promise<void> {
    if (books === 'lost') unchecked.delete(this.#place)
    await this.#signal('SIGKILL')
  }

  /** What a program hands on to the next one. */
  get #place(): string {
    const spool = this.#options.env?.['GUIDEPOST_SPOOL_DIRECTORY']
    return spool === undefined ? this.#options.bus : `${this.#options.bus} with the spool ${spool}`
  }

  get #isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  async #signal(signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
    if (this.#isRunning) this.#child.kill(signal)
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS_MAX)
    try {
      return await this.#exited
    } finally {
      clearTimeout(timer)
    }
  }
}

/** The line of a test, or of its support, that started a program. */
function lineOf({ stack = '' }: Error): string {
  const lines = stack.split('\n').filter((line) => !line.includes(import.meta.url))
  return lines.find((line) => line.includes('.test.ts'))?.trim() ?? lines[1]?.trim() ?? 'somewhere'
}

/** This process's environment without what would configure the program or make Node's test runner adopt it. */
function foreignEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('GUIDEPOST_') && name !== 'NODE_TEST_CONTEXT' && name !== 'NODE_OPTIONS',
  )
  return Object.fromEntries(entries)
}

function parsed(line: string): LogLine {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as LogLine) : { msg: line }
  } catch {
    return { msg: line }
  }
}

function portOf(logs: readonly LogLine[], listener: string): number | undefined {
  const line = logs.find((entry) => entry.msg === 'listening' && entry['listener'] === listener)
  return typeof line?.['port'] === 'number' ? line['port'] : undefined
}
