/**
 * One kind of work for the program under test, whoever that is: what is sent, and what must then be in Kafka. A run counts
 * only when every request was answered with success and Kafka then holds exactly the items that were acknowledged, each
 * with its guid.
 */
import type { Figure, RunOptions } from '../support/case.ts'
import { cpuSecondsOf, residentBytesOf } from '../support/process-usage.ts'
import { brokerPid } from './buses.ts'
import { profiling } from './cases.ts'
import type { CollectorEntry } from './collector.ts'
import { Load } from './load.ts'
import type { LoadSettings, LoadWindow } from './load-messages.ts'
import type { Inspect } from './stored-items.ts'
import { type Subject, type SubjectName, startSubject } from './subjects.ts'
import type { Delivered } from './tally.ts'

const warmUpSeconds = 2
/**
 * CPU seconds that the program has used before it is measured. Until then V8 still compiles the path of a request: with
 * 2 s of wall clock on a busy machine it took a quarter of the CPU time at 10 spans, with this a twentieth.
 */
const warmUpCpuSeconds = 4
const warmUpSecondsMax = 60
/** Requests in a window for each one under way. Below it, what is under way at both of its ends would weigh too much. */
const windowRounds = 6

export interface Work {
  /** What is counted, in plural. */
  readonly item: 'spans' | 'series'
  readonly itemsEach: number
  readonly entry: CollectorEntry
  readonly sends: LoadSettings['sends']
  /** What the gateway needs for it beside its defaults. */
  readonly env: Readonly<Record<string, string>>
  /** Of the records that the gateway writes; unless said, they hold spans. */
  readonly inspect?: Inspect
  /** Items of each guid after so many requests. */
  expected(requests: number): ReadonlyMap<string, number>
  /** Whether the program may make several items of one, so that there may be more than were acknowledged. */
  readonly isSplit?: boolean
}

export interface Measured {
  readonly window: LoadWindow
  /** Of the window: requests times the items of each. */
  readonly items: number
  readonly cpuSeconds: number
  readonly brokerCpuSeconds: number
  /** Resident bytes of all its processes. */
  readonly memory: { readonly now: number; readonly max: number }
  readonly delivered: Delivered
  /** All items that were ever acknowledged, as they were sent. */
  readonly acknowledgedItems: number
}

export interface MeasureOptions extends Omit<RunOptions, 'connections'> {
  /** Requests a second; unless said, a request follows as soon as one was answered. */
  readonly ratePerSecond?: number
  /** Of the gateway, over those of the work. */
  readonly env?: Readonly<Record<string, string>>
  /** Warm or not: a load that is paced may never use as much CPU time as a warm-up waits for. */
  readonly warmUpSecondsMax?: number
}

function underWay({ sends }: Work): number {
  return sends.kind === 'spans' ? sends.inFlight : sends.connections
}

/** Starts the program, loads it, ends it, and reads back what it wrote. */
export async function measureWork(name: SubjectName, work: Work, options: MeasureOptions): Promise<Measured> {
  const env = { ...work.env, ...profiling(options), ...options.env }
  return measureSubject(name, () => startSubject(name, work.entry, env, work.inspect), work, options)
}

/** The same for a subject of one's own. */
export async function measureSubject(
  name: string,
  start: () => Promise<Subject>,
  work: Work,
  options: MeasureOptions,
): Promise<Measured> {
  const subject = await start()
  let load: Load | undefined
  try {
    const { pid, port, morePids } = subject
    load = await Load.start({
      pid,
      port,
      morePids,
      sends: work.sends,
      ratePerSecond: options.ratePerSecond,
    })
    const pids = [pid, ...morePids]
    await warmUp(pids, load, underWay(work), options.warmUpSecondsMax)
    const broker = cpuOf([await brokerPid()])
    await load.begin()
    await load.last(options.seconds, options.ratePerSecond === undefined ? windowRounds * underWay(work) : 0)
    const window = await load.end()
    const brokerCpuSeconds = cpuOf([await brokerPid()]) - broker
    const memory = residentOf(pids)
    const acknowledged = await load.stop()
    await subject.stop()
    const delivered = await subject.delivered()
    assertDelivered(delivered, work, acknowledged)
    if (name === 'gateway') options.onWindow?.(window)
    return {
      window,
      items: window.acknowledged * work.itemsEach,
      cpuSeconds: window.cpu.user + window.cpu.system,
      brokerCpuSeconds,
      memory,
      delivered,
      acknowledgedItems: acknowledged * work.itemsEach,
    }
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error })
  } finally {
    load?.kill()
    await subject.remove()
  }
}

/** Until V8 has compiled what a request runs through, in each of the processes if they share the work. */
export async function warmUp(
  pids: readonly number[],
  load: Load,
  requestsMin: number,
  secondsMax = warmUpSecondsMax,
): Promise<void> {
  const endMs = performance.now() + secondsMax * 1e3
  await load.last(warmUpSeconds, requestsMin)
  const cpuSecondsMin = warmUpCpuSeconds * Math.max(1, pids.length - 1)
  while (cpuOf(pids) < cpuSecondsMin && performance.now() < endMs) await load.last(0.1, 0)
}

function cpuOf(pids: readonly number[]): number {
  return pids.map(cpuSecondsOf).reduce((sum, { user, system }) => sum + user + system, 0)
}

function residentOf(pids: readonly number[]): Measured['memory'] {
  const each = pids.map(residentBytesOf)
  return {
    now: each.reduce((sum, { now }) => sum + now, 0),
    max: each.reduce((sum, { max }) => sum + max, 0),
  }
}

function assertDelivered({ items, guids }: Delivered, work: Work, requests: number): void {
  const isAll = (found: number, sent: number): boolean =>
    found === sent || (work.isSplit === true && found > sent)
  if (!isAll(items, requests * work.itemsEach))
    throw new Error(`Kafka holds ${items} ${work.item}, not the acknowledged ${requests * work.itemsEach}`)
  const expected = work.expected(requests)
  if (guids.size !== expected.size)
    throw new Error(`Kafka holds ${guids.size} guids, not the ${expected.size} sent`)
  for (const [guid, count] of expected) {
    if (!isAll(guids.get(guid) ?? 0, count))
      throw new Error(`Kafka holds ${guids.get(guid)} ${work.item} of ${guid}, not the acknowledged ${count}`)
  }
}

export function speedName({ item }: Work): string {
  return `${item} per CPU-second`
}

/** What most cases show. The speed comes first. */
export function figuresOf(isGateway: boolean, work: Work, measured: Measured): Figure[] {
  const { window, items, cpuSeconds, memory, delivered } = measured
  // Of Node.js only: Go's first thread is one like the others.
  const outside = {
    name: 'of it outside the main thread',
    unit: 'µs',
    value: ((cpuSeconds - window.mainThreadSeconds) * 1e6) / window.acknowledged,
  }
  return [
    { name: speedName(work), unit: 'k', value: items / cpuSeconds / 1e3 },
    { name: 'CPU per request', unit: 'µs', value: (cpuSeconds * 1e6) / window.acknowledged },
    { name: 'of it in the system', unit: 'µs', value: (window.cpu.system * 1e6) / window.acknowledged },
    ...(isGateway ? [outside] : []),
    { name: 'requests per second', unit: '', value: window.acknowledged / window.seconds },
    { name: 'CPUs used', unit: '', value: cpuSeconds / window.seconds },
    { name: 'CPUs used by the load', unit: '', value: window.loadCpuSeconds / window.seconds },
    { name: 'p50', unit: 'ms', value: window.p50Ms },
    { name: 'p99', unit: 'ms', value: window.p99Ms },
    { name: `${work.item} per record`, unit: '', value: delivered.items / delivered.records },
    { name: 'RSS', unit: 'MB', value: memory.now / 1e6 },
    { name: 'RSS max', unit: 'MB', value: memory.max / 1e6 },
  ]
}
