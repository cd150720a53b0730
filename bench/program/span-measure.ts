/**
 * Spans over gRPC and HTTP: the gateway beside the Collector in its two durable configurations, in turn, before the same
 * Kafka, with the same requests. A run counts only when every call succeeded and Kafka then holds exactly the spans that
 * were acknowledged, every resource with its guid.
 */
import type { Figure, RunOptions } from '../support/case.ts'
import { cpuSecondsOf, residentBytesOf } from '../support/process-usage.ts'
import { profiling } from './cases.ts'
import { Load } from './load.ts'
import type { SpanProtocol, SpanRequests } from './load-messages.ts'
import { type SubjectName, startSubject } from './span-subjects.ts'

const warmUpSeconds = 2
/**
 * CPU seconds that the program has used before it is measured. Until then V8 still compiles the path of a request: with
 * 2 s of wall clock on a busy machine it took a quarter of the CPU time at 10 spans, with this a twentieth.
 */
const warmUpCpuSeconds = 4
const warmUpSecondsMax = 60
const inFlight = 32
const grpcConnections = 4
/** Below it, what is under way at both ends of the window would weigh too much. */
const windowRequestsMin = 6 * inFlight

const speedName = 'spans per CPU-second'
export const collectors = ['direct', 'batch'] as const
const everybody = ['gateway', ...collectors] as const

export function spanTraffic(
  protocol: SpanProtocol,
  spans: number,
  encoding: SpanRequests['encoding'],
): SpanRequests {
  const isGrpc = protocol === 'grpc' || protocol === 'jaeger-grpc'
  const connections = isGrpc ? grpcConnections : inFlight
  return { kind: 'spans', protocol, encoding, spans, inFlight, connections }
}

/** The figures of `compareSpans` that make a line of the summary. */
export const comparedColumns = [
  'ratio',
  ...[speedName, 'p99', 'RSS max'].flatMap((figure) => everybody.map((name) => figureName(name, figure))),
]

function figureName(name: SubjectName, figure: string): string {
  return `${name === 'gateway' ? name : `Collector ${name}`}: ${figure}`
}

/** All in turn; the runs of a case make that A B C A B C. */
export async function measureAll(
  names: readonly SubjectName[],
  traffic: SpanRequests,
  options: RunOptions,
): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const name of names) {
    for (const figure of await measureSpans(name, traffic, options))
      figures.push({ ...figure, name: figureName(name, figure.name) })
  }
  return figures
}

/** The gateway's speed over that of the better Collector. Under the profiler the gateway alone. */
export async function compareSpans(traffic: SpanRequests, options: RunOptions): Promise<Figure[]> {
  if (options.profileDirectory !== undefined) return measureAll(['gateway'], traffic, options)
  const figures = await measureAll(everybody, traffic, options)
  const speed = (name: SubjectName): number =>
    figures.find((figure) => figure.name === figureName(name, speedName))?.value ?? Number.NaN
  const ratio = speed('gateway') / Math.max(...collectors.map(speed))
  return [{ name: 'ratio', unit: '×', value: ratio }, ...figures]
}

/** Until V8 has compiled what a request runs through. */
export async function warmUp(pid: number, load: Load): Promise<void> {
  const endMs = performance.now() + warmUpSecondsMax * 1e3
  await load.last(warmUpSeconds, inFlight)
  for (;;) {
    const { user, system } = cpuSecondsOf(pid)
    if (user + system >= warmUpCpuSeconds || performance.now() > endMs) return
    await load.last(0.1, 0)
  }
}

/**
 * The largest requests of the bench, all under way at once, are more than the gateway lets in by default: it would tell
 * some senders to wait, and every call is to succeed here.
 */
function roomFor({ spans }: SpanRequests): Record<string, string> {
  return spans < 8_000 ? {} : { GUIDEPOST_LIMITS_INFLIGHT_BYTES: '512MiB' }
}

export async function measureSpans(
  name: SubjectName,
  traffic: SpanRequests,
  options: RunOptions,
): Promise<Figure[]> {
  const subject = await startSubject(name, traffic.protocol, { ...roomFor(traffic), ...profiling(options) })
  let load: Load | undefined
  try {
    load = await Load.start({
      port: subject.port,
      pid: subject.pid,
      sends: traffic,
      ratePerSecond: undefined,
    })
    await warmUp(subject.pid, load)
    await load.begin()
    await load.last(options.seconds, windowRequestsMin)
    const window = await load.end()
    const memory = residentBytesOf(subject.pid)
    const acknowledged = await load.stop()
    await subject.stop()
    const delivered = await subject.delivered()
    if (delivered.spans !== acknowledged * traffic.spans) {
      const expected = acknowledged * traffic.spans
      throw new Error(`Kafka holds ${delivered.spans} spans, not the acknowledged ${expected}`)
    }
    if (name === 'gateway') options.onWindow?.(window)
    const cpuSeconds = window.cpu.user + window.cpu.system
    // Of Node.js only: Go's first thread is one like the others.
    const outside = {
      name: 'of it outside the main thread',
      unit: 'µs',
      value: ((cpuSeconds - window.mainThreadSeconds) * 1e6) / window.acknowledged,
    }
    return [
      { name: speedName, unit: 'k', value: (window.acknowledged * traffic.spans) / cpuSeconds / 1e3 },
      { name: 'CPU per request', unit: 'µs', value: (cpuSeconds * 1e6) / window.acknowledged },
      { name: 'of it in the system', unit: 'µs', value: (window.cpu.system * 1e6) / window.acknowledged },
      ...(name === 'gateway' ? [outside] : []),
      { name: 'requests per second', unit: '', value: window.acknowledged / window.seconds },
      { name: 'CPUs used', unit: '', value: cpuSeconds / window.seconds },
      { name: 'CPUs used by the load', unit: '', value: window.loadCpuSeconds / window.seconds },
      { name: 'p50', unit: 'ms', value: window.p50Ms },
      { name: 'p99', unit: 'ms', value: window.p99Ms },
      { name: 'spans per record', unit: '', value: delivered.spans / delivered.records },
      { name: 'RSS', unit: 'MB', value: memory.now / 1e6 },
      { name: 'RSS max', unit: 'MB', value: memory.max / 1e6 },
    ]
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error })
  } finally {
    load?.kill()
    await subject.remove()
  }
}
