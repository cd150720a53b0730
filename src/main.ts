/** From signals and the command line to the gateway; the only file that ends the process. */
import { cli, type RunOptions } from './commands/cli.ts'
import { exitCodes, type Io } from './commands/io.ts'
import { formatProblem, loadConfig } from './config/load.ts'
import { GuidepostError } from './errors.ts'
import { createLogger, type Logger } from './telemetry/log.ts'

function interrupt(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort())
  return controller.signal
}

async function run(options: RunOptions, io: Io): Promise<number> {
  const load = () => loadConfig({ file: options.config, env: io.env, overrides: options, cwd: io.cwd })
  const first = load()
  for (const warning of first.warnings) io.stderr.write(`${formatProblem(warning)}\n`)
  if (first.config === undefined) {
    for (const problem of first.problems) io.stderr.write(`${formatProblem(problem)}\n`)
    return exitCodes.failed
  }
  const log = createLogger(first.config.logging)
  survive(log)
  // From here on a signal is ours: one that comes while the bus is being opened must not end the process half-way.
  const signals = new Signals()
  // Loaded only now: `check` and `tail` need none of it.
  const { Gateway } = await import('./gateway.ts')
  const gateway = new Gateway(first.config, log)
  try {
    await gateway.start()
  } catch (error) {
    if (!(error instanceof GuidepostError)) throw error
    log.fatal({ code: error.code }, error.message)
    return exitCodes.failed
  }
  signals.onReload(() => {
    const next = load()
    for (const warning of next.warnings) log.warn(formatProblem(warning))
    if (next.config !== undefined) gateway.reload(next.config)
    else {
      const problems = next.problems.map(formatProblem)
      log.error({ problems }, 'the new configuration has problems; the old one stays')
    }
  })
  await signals.stop
  const inTime = await gateway.drain(signals.hurry)
  log.info(
    { inTime },
    inTime ? 'drained; goodbye' : 'stopped before everything was drained; it was not acknowledged',
  )
  return inTime ? exitCodes.ok : exitCodes.failed
}

/** SIGTERM and SIGINT: the first stops, the second hurries. SIGHUP: reload, remembered until somebody can. */
class Signals {
  readonly stop: Promise<void>
  readonly hurry: Promise<void>
  #reload: (() => void) | undefined
  #reloadWanted = false

  constructor() {
    const stop = Promise.withResolvers<void>()
    const hurry = Promise.withResolvers<void>()
    this.stop = stop.promise
    this.hurry = hurry.promise
    let count = 0
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => (count++ === 0 ? stop.resolve() : hurry.resolve()))
    }
    process.on('SIGHUP', () => {
      if (this.#reload === undefined) this.#reloadWanted = true
      else this.#reload()
    })
  }

  onReload(reload: () => void): void {
    this.#reload = reload
    if (this.#reloadWanted) reload()
  }
}

/** A promise that nobody waits for may fail without harm; an exception that nobody caught leaves an unknown state. */
function survive(log: Logger): void {
  process.on('unhandledRejection', (error) =>
    log.error({ err: error }, 'something failed that nobody waited for'),
  )
  process.on('uncaughtException', (error) => {
    log.fatal(
      { err: error },
      'the gateway is in an unknown state and ends; nothing unacknowledged is promised',
    )
    process.exit(exitCodes.failed)
  })
}

process.exitCode = await cli(
  process.argv.slice(2),
  { stdout: process.stdout, stderr: process.stderr, env: process.env, cwd: process.cwd(), interrupt },
  {
    run: async (options, io) => {
      const code = await run(options, io)
      // A disk or a socket that hangs would keep the process alive for ever; the log is written synchronously.
      process.exit(code)
    },
  },
)
