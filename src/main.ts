/** Wiring; the only file that ends the process. */
import { cli } from './commands/cli.ts'
import { exitCodes } from './commands/io.ts'

function interrupt(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort())
  return controller.signal
}

process.exitCode = await cli(
  process.argv.slice(2),
  { stdout: process.stdout, stderr: process.stderr, env: process.env, cwd: process.cwd(), interrupt },
  {
    run: async (_options, io) => {
      io.stderr.write('guidepost run: not wired yet\n')
      return exitCodes.failed
    },
  },
)
