/**
 * The agent's UDP port under datagrams of ten spans in compact Thrift. Nothing is answered there, so the sender counts.
 *
 *     program/kafka/udp   the gateway alone: what it takes without loss, and the cost of half of that
 *     jaeger/udp          the same, and then the Collector under the same half, with the ratio
 *
 * The capacity is found by steps, each a fourth faster than the one before, until one loses a datagram, leaves a backlog, or
 * is more than the sender can do. What is lost there must be in the gateway's own counters, to the datagram. Then a new
 * process gets half of it: every span must be in Kafka, or the run counts for nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Case, Figure, RunOptions } from '../support/case.ts'
import { residentBytesOf } from '../support/process-usage.ts'
import { profiling } from './cases.ts'
import { spansGuid } from './span-values.ts'
import { type Subject, startCollector, startGateway } from './subjects.ts'
import { findCapacity } from './udp-capacity.ts'
import { cpuOf, type Sender, send, spansInDatagram, type Window, withSender } from './udp-load.ts'

const capacityShare = 0.5
/** Until then V8 still compiles the path of a datagram. */
const warmUpCpuSeconds = 4
const warmUpSecondsMax = 20
/** Of half a second. */
const quietCpuSeconds = 0.02
/** A program under the profiler is never quiet. */
const quietSecondsMax = 15
const speedName = 'spans per CPU-second'

export const udpCases: readonly Case[] = [
  { name: 'program/kafka/udp', run: async (options) => (await measureGateway(options)).figures },
  { name: 'jaeger/udp', isOnRequest: true, beside: 'Collector', run: compare },
]

interface Measured {
  readonly window: Window
  /** What Kafka holds in the end, of all that was sent. Nobody is told what is lost. */
  readonly arrivedShare: number
  readonly figures: readonly Figure[]
}

/** Under a load that stays as it is. */
async function measureAt(subject: Subject, perSecond: number, seconds: number): Promise<Measured> {
  try {
    const { window, memory, datagramBytes } = await withSender(subject, async (sender, datagramBytes) => {
      await warmUp(subject, sender, perSecond)
      const window = await send(subject, sender, perSecond, seconds)
      await quiet(subject.pid)
      return { window, memory: residentBytesOf(subject.pid), datagramBytes }
    })
    await subject.stop()
    const { items: spans, records, guids } = await subject.delivered()
    if (guids.size !== 1 || !guids.has(spansGuid))
      throw new Error(`Kafka holds the guids ${[...guids.keys()]}`)
    const arrivedShare = spans / (window.to.datagrams * spansInDatagram)
    const [windowSeconds, datagrams] = [window.of('us') / 1e6, window.of('datagrams')]
    const spansPerSecond = window.datagramsPerSecond * spansInDatagram
    const figures = [
      { name: speedName, unit: 'k', value: window.spansPerCpuSecond(arrivedShare) / 1e3 },
      { name: 'lost', unit: '%', value: 100 * (1 - arrivedShare) },
      { name: 'spans sent per second', unit: 'k', value: spansPerSecond / 1e3 },
      { name: 'CPU per datagram', unit: 'µs', value: (window.of('cpuSeconds') * 1e6) / datagrams },
      { name: 'of it in the system', unit: 'µs', value: (window.of('systemSeconds') * 1e6) / datagrams },
      { name: 'CPUs used', unit: '', value: window.of('cpuSeconds') / windowSeconds },
      { name: 'CPUs used by the sender', unit: '', value: window.of('senderCpuSeconds') / windowSeconds },
      { name: 'bytes of a datagram', unit: '', value: datagramBytes },
      { name: 'spans per record', unit: '', value: spans / records },
      { name: 'RSS', unit: 'MB', value: memory.now / 1e6 },
      { name: 'RSS max', unit: 'MB', value: memory.max / 1e6 },
    ]
    return { window, arrivedShare, figures }
  } finally {
    await subject.remove()
  }
}

/** With the load that is measured, until the program has used so much CPU time. */
async function warmUp(subject: Subject, sender: Sender, perSecond: number): Promise<void> {
  const endMs = performance.now() + warmUpSecondsMax * 1e3
  do await send(subject, sender, perSecond, 1)
  while (cpuOf(subject.pid) < warmUpCpuSeconds && performance.now() < endMs)
}

/** Waits until the process has nothing left to do. */
async function quiet(pid: number): Promise<void> {
  const endMs = performance.now() + quietSecondsMax * 1e3
  let before: number
  do {
    before = cpuOf(pid)
    await sleep(500)
  } while (cpuOf(pid) - before > quietCpuSeconds && performance.now() < endMs)
}

/** The figures at half of the capacity, and what that is in datagrams a second. */
async function measureGateway(options: RunOptions): Promise<{ figures: Figure[]; perSecond: number }> {
  try {
    const capacity = await findCapacity()
    const perSecond = capacity.window.datagramsPerSecond * capacityShare
    const subject = await startGateway('jaeger-udp', profiling(options))
    const { window, arrivedShare, figures } = await measureAt(subject, perSecond, options.seconds)
    if (arrivedShare !== 1) throw new Error(`at half of the capacity ${arrivedShare} of the spans arrived`)
    options.onWindow?.({ fromUs: window.from.us, toUs: window.to.us })
    const outsideSeconds = window.of('cpuSeconds') - window.of('mainThreadSeconds')
    const outsideUs = (outsideSeconds * 1e6) / window.of('datagrams')
    const capacitySpans = capacity.window.datagramsPerSecond * spansInDatagram
    return {
      perSecond,
      figures: [
        ...figures,
        { name: 'CPU outside the main thread', unit: 'µs', value: outsideUs },
        { name: 'capacity, spans per second', unit: 'k', value: capacitySpans / 1e3 },
        { name: `there, ${speedName}`, unit: 'k', value: capacity.window.spansPerCpuSecond() / 1e3 },
        { name: 'lost one step above it', unit: '%', value: capacity.lostAbovePercent },
      ],
    }
  } catch (error) {
    throw new Error(`gateway: ${(error as Error).message}`, { cause: error })
  }
}

/** The Collector in its better mode: with a produce for each datagram it loses most of them and costs twice as much. */
async function compare(options: RunOptions): Promise<Figure[]> {
  const { figures, perSecond } = await measureGateway(options)
  if (options.profileDirectory !== undefined) return figures
  const collector = await startCollector('unanswered', 'jaeger-udp')
  const peer = await measureAt(collector, perSecond, options.seconds)
  const named = (name: string, of: readonly Figure[]): Figure[] =>
    of.map((figure) => ({ ...figure, name: `${name}: ${figure.name}` }))
  return [
    { name: 'ratio', unit: '×', value: figures[0]!.value / peer.figures[0]!.value },
    ...named('gateway', figures),
    ...named('Collector', peer.figures),
  ]
}
