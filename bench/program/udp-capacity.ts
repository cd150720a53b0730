/**
 * How many datagrams a second the gateway takes without loss, found by steps. What is lost above that must be in its own
 * counters, to the datagram.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { sumOf } from '../../test/support/exposition.ts'
import { type GatewaySubject, startGateway } from './subjects.ts'
import { type Sender, send, spansInDatagram, type Window, withSender } from './udp-load.ts'

const firstPerSecond = 2_000
const stepFactor = 1.25
const stepSeconds = 1.5
/** A step whose datagrams are all through after this has left no backlog. */
const lagMsMax = 500
/** Of the pace that was asked for: below it the sender is the bound. */
const paceShareMin = 0.9
const fateMsMax = 10_000

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

export interface Capacity {
  /** The fastest step that lost nothing. */
  readonly window: Window
  /** Of the datagrams of the next step, as a percentage; 0 when it left a backlog, or the sender could not do it. */
  readonly lostAbovePercent: number
}

/** In a process of its own: what a flood leaves in memory is not what half of it costs. */
export async function findCapacity(): Promise<Capacity> {
  const subject = await startGateway('jaeger-udp', {})
  try {
    const { capacity, received } = await withSender(subject, (sender) => ramp(subject, sender))
    await subject.stop()
    const { items: spans } = await subject.delivered()
    if (spans !== received * spansInDatagram)
      throw new Error(`Kafka holds ${spans} spans of ${received} datagrams that were received`)
    return capacity
  } finally {
    await subject.remove()
  }
}

async function ramp(
  subject: GatewaySubject,
  sender: Sender,
): Promise<{ readonly capacity: Capacity; readonly received: number }> {
  let best: Window | undefined
  for (let perSecond = firstPerSecond; ; perSecond *= stepFactor) {
    const window = await send(subject, sender, perSecond, stepSeconds)
    const { lost, lagMs } = await fateOf(subject, window.to.datagrams)
    const isTooFast = window.datagramsPerSecond < perSecond * paceShareMin
    if (lost === 0 && lagMs <= lagMsMax && !isTooFast) {
      best = window
      continue
    }
    if (best === undefined) throw new Error(`the gateway does not take ${perSecond} datagrams a second`)
    const lostAbovePercent = (100 * lost) / window.of('datagrams')
    return { capacity: { window: best, lostAbovePercent }, received: window.to.datagrams - lost }
  }
}
