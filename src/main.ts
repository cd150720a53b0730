/** From signals and the command line to the gateway; with `workers/worker.ts` the only files that end a process. */
import { cli, type RunOptions } from './commands/cli.ts'
import { exitCodes, type Io } from './commands/io.ts'
import type { Config } from './config/config.ts'
import { formatProblem, loadConfig } from './config/load.ts'
import { GuidepostError } from './errors.ts'
import { type Runner, Signals, survive } from './lifecycle.ts'
import { limits } from './limits.ts'
import { settleHeap } from './route/garbage.ts'
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
  survive(log, () => process.exit(exitCodes.failed))
  // From here on a signal is ours: one that comes while the bus is being opened must not end the process half-way.
  const signals = new Signals()
  const runner = await makeRunner(first.config, log)
  try {
    await runner.start()
    setTimeout(settleHeap, limits.heapSettleMs).unref()
  } catch (error) {
    if (!(error instanceof GuidepostError)) throw error
    log.fatal({ code: error.code }, error.message)
    return exitCodes.failed
  }
  signals.onReload(() => {
    const next = load()
    for (const warning of next.warnings) log.warn(formatProblem(warning))
    if (next.config !== undefined) runner.reload(next.config)
    else {
      const problems = next.problems.map(formatProblem)
      log.error({ problems }, 'the new configuration has problems; the old one stays')
    }
  })
  const brokenBy = await Promise.race([signals.stop, runner.broken ?? signals.stop])
  if (brokenBy !== undefined) log.fatal({ reason: brokenBy }, 'the gateway cannot go on, and ends')
  const inTime = await runner.drain(signals.hurry)
  log.info(
    { inTime },
    inTime ? 'drained; goodbye' : 'stopped before everything was drained; it was not acknowledged',
  )
  return inTime && brokenBy === undefined ? exitCodes.ok : exitCodes.failed
}

/** One process is a gateway; of several, this one is their primary. Loaded only now, and only what is needed. */
async function makeRunner(config: Config, log: Logger): Promise<Runner> {
  if (config.workers === 1) {
    const { Gateway } = await import('./gateway.ts')
    return new Gateway(config, log)
  }
  const { Primary } = await import('./workers/primary.ts')
  return new Primary(config, log)
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
