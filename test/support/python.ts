/** OpenTelemetry for Python from PyPI, as child processes: its exporters told what to send, and an application. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import type { Batch } from './otlp-clients.ts'
import type { OtlpSignal } from './otlp-items.ts'

const DIRECTORY = path.join(import.meta.dirname, 'otlp-python')
const ENVIRONMENT_MS_MAX = 200_000
const RUN_MS_MAX = 60_000

async function environment(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(path.join(DIRECTORY, 'make-environment'), args, {
    timeout: ENVIRONMENT_MS_MAX,
  })
  return stdout.trim()
}

/** For `requireReal`: makes the environment unless it is there. False when it is, else what is missing. */
export async function pythonAvailable(): Promise<string | false> {
  try {
    await environment()
    return false
  } catch (error) {
    const said = error instanceof Error ? error.message.trim().split('\n').at(-1) : String(error)
    return `Python's exporters could not be installed (${said}); on Debian: apt-get install python3-venv`
  }
}

export interface PythonJob {
  readonly protocol: 'grpc' | 'http/protobuf'
  /** Such as `http://127.0.0.1:4317`; without a path. */
  readonly endpoint: string
  readonly compression: 'gzip' | 'none'
  readonly headers: Readonly<Record<string, string>>
  readonly batches: Readonly<Record<OtlpSignal, Batch>>
}

/** Sends the batches; returns what each exporter says of its export: `SUCCESS` or `FAILURE`. */
export async function sendFromPython(job: PythonJob): Promise<Record<OtlpSignal, string>> {
  const program = path.join(await environment('--find'), 'bin', 'python')
  const said = await run(program, [path.join(DIRECTORY, 'send.py')], {}, JSON.stringify(job))
  return JSON.parse(said) as Record<OtlpSignal, string>
}

/** Runs an application under `opentelemetry-instrument`, configured by `variables` alone. One item of each signal for an id. */
export async function runInstrumented(
  variables: Readonly<Record<string, string>>,
  ids: readonly string[],
): Promise<void> {
  const bin = path.join(await environment('--find'), 'bin')
  const args = [path.join(bin, 'python'), path.join(DIRECTORY, 'application.py'), ...ids]
  await run(path.join(bin, 'opentelemetry-instrument'), args, variables, '')
}

/** Runs the program to its end and returns its output. Throws with what it said when it fails, or warns of a failure. */
async function run(
  program: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>>,
  input: string,
): Promise<string> {
  const foreign = Object.entries(process.env).filter(([name]) => !name.startsWith('OTEL_'))
  const child = spawn(program, [...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...Object.fromEntries(foreign), ...variables },
    timeout: RUN_MS_MAX,
  })
  child.stdin.end(input)
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  if (code !== 0 || /Failed to export|Transient error/.test(stderr)) {
    throw new Error(`${path.basename(program)} ended with ${code}: ${stderr}`)
  }
  return stdout
}
