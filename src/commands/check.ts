/** `guidepost check`: every problem of a configuration file and of the files it names, or its JSON schema. */
import { readFileSync } from 'node:fs'
import { jsonSchema } from '../config/json-schema.ts'
import { formatProblem, loadConfig } from '../config/load.ts'
import { readStrategies } from '../receivers/jaeger-strategies-file.ts'
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
  const { strategiesFile } = result.config?.receivers.jaeger ?? {}
  const strategies = strategiesFile === undefined ? none : strategiesIn(strategiesFile)
  for (const warning of strategies.warnings) io.stderr.write(`warning: ${strategiesFile}: ${warning}\n`)
  if (result.config !== undefined && strategies.problems.length === 0) {
    io.stdout.write(`${file}: valid, bus ${result.config.bus.url}\n`)
    return exitCodes.ok
  }
  const problems = [
    ...(result.config === undefined ? result.problems : []).map(formatProblem),
    ...strategies.problems.map((problem) => `${strategiesFile}: ${problem}`),
  ]
  for (const problem of problems) io.stdout.write(`${problem}\n`)
  const count = problems.length
  io.stderr.write(`${count} ${count === 1 ? 'problem' : 'problems'} in ${file}\n`)
  return exitCodes.failed
}

const none = { problems: [], warnings: [] }

/** What is wrong with the file of sampling strategies, and what is hardly meant. */
function strategiesIn(file: string): {
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
} {
  try {
    return readStrategies(readFileSync(file, 'utf8'))
  } catch (error) {
    return {
      problems: [`cannot be read: ${error instanceof Error ? error.message : String(error)}`],
      warnings: [],
    }
  }
}
