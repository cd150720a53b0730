/**
 * Real clients of Jaeger as child processes: npm's jaeger-client, and from PyPI jaeger-client,
 * OpenTelemetry's old exporters and py_zipkin.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'

const PYTHON = path.join(import.meta.dirname, 'jaeger-python')
const ENVIRONMENT_MS_MAX = 200_000
const RUN_MS_MAX = 60_000

/** Runs an application under npm's jaeger-client, configured by `variables` (JAEGER_…) alone: a span for each id. */
export async function runNodeJaeger(
  variables: Readonly<Record<string, string>>,
  ids: readonly string[],
): Promise<void> {
  const file = path.join(import.meta.dirname, 'jaeger-clients-application.ts')
  // Node 24 says that the client's `url.parse()` and `new Buffer()` are deprecated; nobody else reads that.
  const args = ['--no-deprecation', file, ...ids]
  const sampled = { JAEGER_SAMPLER_TYPE: 'const', JAEGER_SAMPLER_PARAM: '1', ...variables }
  await run(process.execPath, args, sampled, '')
}

export interface PythonJaegerJob {
  /** Jaeger's own over UDP (compact); OpenTelemetry's over UDP (compact), HTTP (binary) or gRPC. */
  readonly client: 'jaeger-client' | 'otel-udp' | 'otel-http' | 'otel-grpc'
  /** On 127.0.0.1. */
  readonly port: number
  readonly service: string
  /** Tags of the process; of OpenTelemetry attributes of the resource. */
  readonly tags: Readonly<Record<string, string>>
  readonly ids: readonly string[]
}

/** Sends a span for each id; throws when the client says that it could not. */
export async function sendFromPythonJaeger(job: PythonJaegerJob): Promise<void> {
  const program = path.join(await pythonJaegerEnvironment('--find'), 'bin', 'python')
  await run(program, [path.join(PYTHON, 'send.py')], {}, JSON.stringify(job))
}

export interface PythonZipkinJob {
  /** With the path, `/api/v1/spans` or `/api/v2/spans`. */
  readonly url: string
  readonly encoding: 'V1_JSON' | 'V1_THRIFT' | 'V2_JSON' | 'V2_PROTO3'
  readonly service: string
  /** Tags of every span. */
  readonly tags: Readonly<Record<string, string>>
  readonly ids: readonly string[]
}

/** Sends a span for each id with py_zipkin; throws unless the answer was 200 or 202. */
export async function sendFromPythonZipkin(job: PythonZipkinJob): Promise<void> {
  const program = path.join(await pythonJaegerEnvironment('--find'), 'bin', 'python')
  await run(program, [path.join(PYTHON, 'send_zipkin.py')], {}, JSON.stringify(job))
}

/** For `requireReal`: makes the environment unless it is there. False when it is, else what is missing. */
export async function pythonJaegerAvailable(): Promise<string | false> {
  try {
    await pythonJaegerEnvironment()
    return false
  } catch (error) {
    const said = error instanceof Error ? error.message.trim().split('\n').at(-1) : String(error)
    return `Python's clients of Jaeger could not be installed (${said}); on Debian: apt-get install python3-venv`
  }
}

/** The environment's folder; with `--find` it is not made when it is not there, and the promise is rejected. */
export async function pythonJaegerEnvironment(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(path.join(PYTHON, 'make-environment'), args, {
    timeout: ENVIRONMENT_MS_MAX,
  })
  return stdout.trim()
}

/** Runs the program to its end. Throws with what it said when it fails. */
async function run(
  program: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>>,
  input: string,
): Promise<void> {
  const own = Object.entries(process.env).filter(
    ([name]) =>
      !/^(JAEGER|OTEL|GUIDEPOST)_/.test(name) && name !== 'NODE_TEST_CONTEXT' && name !== 'NODE_OPTIONS',
  )
  const child = spawn(program, [...args], {
    stdio: ['pipe', 'ignore', 'pipe'],
    env: { ...Object.fromEntries(own), ...variables },
    timeout: RUN_MS_MAX,
  })
  child.stdin.end(input)
  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  if (code !== 0 || /fail|error/i.test(stderr)) {
    throw new Error(`${path.basename(program)} ended with ${code}: ${stderr}`)
  }
}
