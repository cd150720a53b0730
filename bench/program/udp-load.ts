/** The bench's handle on its sender of datagrams, and what a program used while it sent. */
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSecondsOf, mainThreadSecondsOf, monotonicUs } from '../support/process-usage.ts'
import { LoadChild } from './load-child.ts'
import type { Subject } from './subjects.ts'
import type { UdpCommand, UdpReport } from './udp-messages.ts'

export const spansInDatagram = 10

export type Sender = LoadChild<UdpCommand, UdpReport>

interface Usage {
  readonly us: number
  readonly datagrams: number
  readonly cpuSeconds: number
  readonly systemSeconds: number
  readonly mainThreadSeconds: number
  readonly senderCpuSeconds: number
}

/** CPU seconds of the process since its start. */
export function cpuOf(pid: number): number {
  const { user, system } = cpuSecondsOf(pid)
  return user + system
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
export class Window {
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

  /** Of what arrived, when that was `share` of what was sent. */
  spansPerCpuSecond(share = 1): number {
    return (this.of('datagrams') * spansInDatagram * share) / this.of('cpuSeconds')
  }
}

/** Starts the sender, and has `use` work with it. */
export async function withSender<T>(
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
export async function send(
  { pid }: Subject,
  sender: Sender,
  perSecond: number,
  seconds: number,
): Promise<Window> {
  const from = usageOf(pid, await sender.ask({ type: 'pace', perSecond }, 'sent'))
  await Promise.race([sleep(seconds * 1e3), sender.failed])
  const to = usageOf(pid, await sender.ask({ type: 'pace', perSecond: 0 }, 'sent'))
  return new Window(from, to)
}
