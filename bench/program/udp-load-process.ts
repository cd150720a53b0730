/**
 * A sender of datagrams, a process of its own: so many a second, in bursts of some milliseconds, as many applications
 * together would send them. Nothing is answered, so it counts what it has handed to the system.
 */
import { createSocket } from 'node:dgram'
import { jaegerEncoder } from './jaeger-payload.ts'
import type { UdpCommand, UdpReport } from './udp-messages.ts'

/** Between two bursts. */
const burstMs = 2
/** What a busy machine kept it from sending is made up for as far as this; the rest is not sent. */
const lateMsMax = 10
/** Datagrams that exist, each with spans of its own; of those that the system has not taken yet none is changed. */
const slots = 512

const encode = jaegerEncoder('datagram')

function report(message: UdpReport): void {
  process.send?.(message)
}

class Sender {
  readonly #socket = createSocket('udp4')
  readonly #datagrams
  readonly #free: number[]
  #perMs = 0
  /** Datagrams that are due; not a whole number. */
  #due = 0
  #lastMs = performance.now()
  #sent = 0

  constructor(spans: number) {
    this.#datagrams = Array.from({ length: slots }, (_, seed) => encode(spans, seed))
    this.#free = this.#datagrams.map((_, slot) => slot)
  }

  open(port: number): void {
    this.#socket.on('error', (error) => report({ type: 'failed', text: error.message }))
    this.#socket.connect(port, '127.0.0.1', () => {
      const bytes = this.#datagrams.reduce((sum, { message }) => sum + message.length, 0)
      report({ type: 'ready', datagramBytes: bytes / slots })
      this.#burst()
    })
  }

  /** The report comes when every datagram of the former pace has left. */
  pace(perSecond: number): void {
    this.#perMs = 0
    this.#due = 0
    if (this.#free.length < slots) {
      setTimeout(() => this.pace(perSecond), 1)
      return
    }
    this.#perMs = perSecond / 1e3
    this.#lastMs = performance.now()
    const { user, system } = process.cpuUsage()
    report({ type: 'sent', datagrams: this.#sent, cpuSeconds: (user + system) / 1e6 })
  }

  #burst(): void {
    const nowMs = performance.now()
    this.#due = Math.min(this.#due + (nowMs - this.#lastMs) * this.#perMs, lateMsMax * this.#perMs)
    this.#lastMs = nowMs
    for (; this.#due >= 1 && this.#free.length > 0; this.#due--) this.#send(this.#free.pop()!)
    setTimeout(() => this.#burst(), burstMs)
  }

  #send(slot: number): void {
    const { message, ids } = this.#datagrams[slot]!
    ids.renew(message, 0)
    this.#sent++
    this.#socket.send(message, (error) => {
      this.#free.push(slot)
      if (error !== null) report({ type: 'failed', text: error.message })
    })
  }
}

let sender: Sender | undefined
process.on('message', (command: UdpCommand) => {
  if (command.type === 'start') {
    sender = new Sender(command.spans)
    sender.open(command.port)
  } else sender?.pace(command.perSecond)
})
process.on('disconnect', () => process.exit())
