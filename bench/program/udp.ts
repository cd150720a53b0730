/**
 * The agent's UDP port under datagrams of ten spans in compact Thrift. Nothing is answered there, so the sender counts.
 *
 *     program/kafka/udp   the gateway alone: what it takes without loss, and the cost of half of that
 *     jaeger/udp          the same, and then the Collector under the same half, with the ratio
 *
 * The capacity is found by steps, each a fourth faster than the one before, until one loses a datagram, leaves a backlog, or
 * is more than the sender can do. At half of it every span must be in Kafka, or the run counts for nothing. What was lost
 * above the capacity must be in the gateway's own counters, to the datagram.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { sumOf } from '../../test/support/exposition.ts'
import type { Case, Figure, RunOptions } from '../support/case.ts'
import { cpuSecondsOf, mainThreadSecondsOf, monotonicUs, residentBytesOf } from '../support/process-usage.ts'
import { profiling } from './cases.ts'
import { LoadChild } from './load-child.ts'
import { type GatewaySubject, type Subject, startCollector, startGateway } from './span-subjects.ts'
import type { UdpCommand, UdpReport } from './udp-messages.ts'

const spansInDatagram = 10
const firstPerSecond = 2_000
const stepFactor = 1.25
const stepSeconds = 1.5
/** A step whose datagrams are all through after this has left no backlog. */
const lagMsMax = 500
/** Of the pace that was asked for: below it the sender is the bound. */
const paceShareMin = 0.9
const capacityShare = 0.5
const settleSeconds = 1
const fateMsMax = 10_000

const speedName = 'spans per CPU-second'

export const udpCases: readonly Case[] = [
  { name: 'program/kafka/udp', run: async (options) => (await measureGateway(options)).figures },
  { name: 'jaeger/udp', isOnRequest: true, run: compare },
]

type Sender = LoadChild<UdpCommand, UdpReport>

interface Usage {
  readonly us: number
  readonly datagrams: number
  readonly cpuSeconds: number
  readonly systemSeconds: number
  readonly mainThreadSeconds: number
  readonly senderCpuSeconds: number
}

function usageOf(pid: number, { datagrams, cpuSeconds }: Extract<UdpReport, { type: 'sent' }>): Usage {
  const { user, system } = cpuSecondsOf(pid)
  const main = mainThreadSecondsOf(pid)
  return {
    us: monotonicUs(),
    datagrams,
    cpuSeconds: user + system,
    systemSeconds: system,
    mainThreadSeconds: main.user + main.system,
    senderCpuSeconds: cpuSeconds,
  }
}

/** What was sent and used between two moments. */
class Window {
  readonly from: Usage
  readonly to: Usage

  constructor(from: Usage, to: Usage) {
    this.from = from
    this.to = to
  }

  of(key: keyof Usage): number {
    return this.to[key] - this.from[key]
  }

  get datagramsPerSecond(): number {
    return this.of('datagrams') / (this.of('us') / 1e6)
  }

  /** When `share` of what was sent arrived. */
  spansPerCpuSecond(share = 1): number {
    return (this.of('datagrams') * spansInDatagram * share) / this.of('cpuSeconds')
  }
}

/** Starts the sender, and has `use` work with it. */
async function withSender<T>(
  { port }: Subject,
  use: (sender: Sender, datagramBytes: number) => Promise<T>,
): Promise<T> {
  const sender: Sender = new LoadChild('udp-load-process.ts')
  try {
    const { datagramBytes } = await sender.ask({ type: 'start', port, spans: spansInDatagram }, 'ready')
    return await use(sender, datagramBytes)
  } finally {
    sender.kill()
  }
}

/** Sends so many datagrams a second for so long, and no more after that. */
async function send({ pid }: Subject, sender: Sender, perSecond: number, seconds: number): Promise<Window> {
  const from = usageOf(pid, await sender.ask({ type: 'pace', perSecond }, 'sent'))
  await Promise.race([sleep(seconds * 1e3), sender.failed])
  const to = usageOf(pid, await sender.ask({ type: 'pace', perSecond: 0 }, 'sent'))
  return new Window(from, to)
}

/** What has become of all datagrams that were ever sent. */
interface Fate {
  readonly lost: number
  /** From the last that was sent to the last that was received. */
  readonly lagMs: number
}

/** Waits until the gateway has counted every datagram as received or as lost. */
async function fateOf(subject: GatewaySubject, sent: number): Promise<Fate> {
  const begunMs = performance.now()
  let received = -1
  let lagMs = 0
  for (;;) {
    const metrics = await subject.metrics()
    const now = sumOf(metrics, 'guidepost_received_items_total') / spansInDatagram
    const lost = sumOf(metrics, 'guidepost_refused_requests_total')
    if (now !== received) lagMs = performance.now() - begunMs
    received = now
    if (received + lost === sent) return { lost, lagMs }
    if (performance.now() - begunMs > fateMsMax)
      throw new Error(`of ${sent} datagrams ${received} were received and ${lost} counted as lost`)
    await sleep(20)
  }
}

interface Capacity {
  /** The fastest step that lost nothing. */
  readonly window: Window
  /** Of all datagrams of the next step, as a percentage; 0 when it left a backlog, or the sender could not do it. */
  readonly lostAbovePercent: number
  /** Datagrams. */
  readonly lost: number
}

async function findCapacity(subject: GatewaySubject, sender: Sender): Promise<Capacity> {
  let best: Window | undefined
  for (let perSecond = firstPerSecond; ; perSecond *= stepFactor) {
    const window = await send(subject, sender, perSecond, stepSeconds)
    const { lost, lagMs } = await fateOf(subject, window.to.datagrams)
    const isTooFast = window.datagramsPerSecond < perSecond * paceShareMin
    if (lost > 0 || lagMs > lagMsMax || isTooFast) {
      if (best === undefined) throw new Error(`the gateway does not take ${perSecond} datagrams a second`)
      return { window: best, lostAbovePercent: (100 * lost) / window.of('datagrams'), lost }
    }
    best = window
  }
}

/** The figures of half the capacity, and what that is in datagrams a second. */
async function measureGateway(options: RunOptions): Promise<{ figures: Figure[]; perSecond: number }> {
  const subject = await startGateway('jaeger-udp', profiling(options))
  try {
    const { capacity, window, datagramBytes, sent } = await withSender(
      subject,
      async (sender, datagramBytes) => {
        const capacity = await findCapacity(subject, sender)
        const perSecond = capacity.window.datagramsPerSecond * capacityShare
        await send(subject, sender, perSecond, settleSeconds)
        const window = await send(subject, sender, perSecond, options.seconds)
        const sent = window.to.datagrams
        const { lost } = await fateOf(subject, sent)
        if (lost !== capacity.lost)
          throw new Error(`${lost - capacity.lost} datagrams were lost at half of the capacity`)
        return { capacity, window, datagramBytes, sent }
      },
    )
    const memory = residentBytesOf(subject.pid)
    await subject.stop()
    const delivered = await subject.delivered()
    const expected = (sent - capacity.lost) * spansInDatagram
    if (delivered.spans !== expected)
      throw new Error(`Kafka holds ${delivered.spans} spans, not the ${expected} that were received`)
    options.onWindow?.({ fromUs: window.from.us, toUs: window.to.us })
    const datagrams = window.of('datagrams')
    const outsideSeconds = window.of('cpuSeconds') - window.of('mainThreadSeconds')
    const capacitySpans = capacity.window.datagramsPerSecond * spansInDatagram
    return {
      perSecond: window.datagramsPerSecond,
      figures: [
        ...common(window, 1),
        { name: 'CPU per datagram', unit: 'µs', value: (window.of('cpuSeconds') * 1e6) / datagrams },
        { name: 'of it in the system', unit: 'µs', value: (window.of('systemSeconds') * 1e6) / datagrams },
        { name: 'of it outside the main thread', unit: 'µs', value: (outsideSeconds * 1e6) / datagrams },
        { name: 'capacity, spans per second', unit: 'k', value: capacitySpans / 1e3 },
        { name: `there, ${speedName}`, unit: 'k', value: capacity.window.spansPerCpuSecond() / 1e3 },
        { name: 'lost one step above it', unit: '%', value: capacity.lostAbovePercent },
        { name: 'bytes of a datagram', unit: '', value: datagramBytes },
        { name: 'spans per record', unit: '', value: delivered.spans / delivered.records },
        ...memoryFigures(memory),
      ],
    }
  } catch (error) {
    throw new Error(`gateway: ${(error as Error).message}`, { cause: error })
  } finally {
    await subject.remove()
  }
}

function common(window: Window, arrivedShare: number): Figure[] {
  const seconds = window.of('us') / 1e6
  const spansPerSecond = window.datagramsPerSecond * spansInDatagram
  return [
    { name: speedName, unit: 'k', value: window.spansPerCpuSecond(arrivedShare) / 1e3 },
    { name: 'lost', unit: '%', value: 100 * (1 - arrivedShare) },
    { name: 'spans sent per second', unit: 'k', value: spansPerSecond / 1e3 },
    { name: 'CPUs used', unit: '', value: window.of('cpuSeconds') / seconds },
    { name: 'CPUs used by the sender', unit: '', value: window.of('senderCpuSeconds') / seconds },
  ]
}

function memoryFigures({ now, max }: ReturnType<typeof residentBytesOf>): Figure[] {
  return [
    { name: 'RSS', unit: 'MB', value: now / 1e6 },
    { name: 'RSS max', unit: 'MB', value: max / 1e6 },
  ]
}

/**
 * Under the same load, in its better mode: with a produce for each datagram it loses most of them and costs twice as much.
 * What it loses it tells nobody: what Kafka holds in the end is what arrived.
 */
async function measureCollector(perSecond: number, options: RunOptions): Promise<Figure[]> {
  const subject = await startCollector('unanswered', 'jaeger-udp')
  try {
    const window = await withSender(subject, async (sender) => {
      await send(subject, sender, perSecond, settleSeconds)
      return send(subject, sender, perSecond, options.seconds)
    })
    await quiet(subject.pid)
    const memory = residentBytesOf(subject.pid)
    await subject.stop()
    const delivered = await subject.delivered()
    const arrivedShare = delivered.spans / (window.to.datagrams * spansInDatagram)
    return [...common(window, arrivedShare), ...memoryFigures(memory)]
  } catch (error) {
    throw new Error(`Collector: ${(error as Error).message}`, { cause: error })
  } finally {
    await subject.remove()
  }
}

/** Waits until the process has nothing left to do. */
async function quiet(pid: number): Promise<void> {
  const spent = (): number => {
    const { user, system } = cpuSecondsOf(pid)
    return user + system
  }
  for (let before = -1; spent() - before > 0.02; await sleep(500)) before = spent()
}

async function compare(options: RunOptions): Promise<Figure[]> {
  const { figures, perSecond } = await measureGateway(options)
  if (options.profileDirectory !== undefined) return figures
  const named = (name: string, of: readonly Figure[]): Figure[] =>
    of.map((figure) => ({ ...figure, name: `${name}: ${figure.name}` }))
  const peer = await measureCollector(perSecond, options)
  return [
    { name: 'ratio', unit: '×', value: figures[0]!.value / peer[0]!.value },
    ...named('gateway', figures),
    ...named('Collector', peer),
  ]
}
