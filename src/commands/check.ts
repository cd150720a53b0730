/** `guidepost check`: every problem of a configuration file, or its JSON schema. */
import { jsonSchema } from '../config/json-schema.ts'
import { formatProblem, loadConfig } from '../config/load.ts'
import { exitCodes, type Io } from './io.ts'

export interface CheckOptions {
  readonly file: string
  readonly schema: boolean
}

export function check({ file, schema }: CheckOptions, io: Io): number {
  if (schema) {
    io.stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`)
    return exitCodes.ok
  }
  const result = loadConfig({ file, env: io.env, cwd: io.cwd })
  for (const warning of result.warnings) io.stderr.write(`warning: ${formatProblem(warning)}\n`)
  if (result.config !== undefined) {
    io.stdout.write(`${file}: valid, bus ${result.config.bus.url}\n`)
    return exitCodes.ok
  }
  for (const problem of result.problems) io.stdout.write(`${formatProblem(problem)}\n`)
  const count = result.problems.length
  io.stderr.write(`${count} ${count === 1 ? 'problem' : 'problems'} in ${file}\n`)
  return exitCodes.failed
}
