/**
 * The load generator, a process of its own: keep-alive connections over which whole, ready-made requests are written
 * and their answers counted. One request is under way on a connection at any time. Raw sockets, because an HTTP client
 * would take as much of the machine as the program that is measured.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { cpuSecondsOf, monotonicUs } from '../support/process-usage.ts'
import type { LoadCommand, LoadReport, LoadSettings } from './load-messages.ts'

const success = 'HTTP/1.1 204 '
const headEnd = '\r\n\r\n'

function report(message: LoadReport): void {
  process.send?.(message)
}

class Load {
  readonly #settings: LoadSettings
  readonly #sockets: Socket[] = []
  #sent = 0
  #acknowledged = 0
  #underWay = 0
  #isOver = false
  #nextAtMs = performance.now()
  #latenciesMs: number[] = []
  #window = { fromUs: 0, cpu: { user: 0, system: 0 }, acknowledged: 0 }

  constructor(settings: LoadSettings) {
    this.#settings = settings
  }

  async open(): Promise<void> {
    const { port, connections } = this.#settings
    for (let i = 0; i < connections; i++)
      this.#sockets.push(connect({ port, host: '127.0.0.1', noDelay: true }))
    await Promise.all(this.#sockets.map((socket) => once(socket, 'connect')))
    for (const socket of this.#sockets) this.#drive(socket)
  }

  begin(): void {
    this.#latenciesMs = []
    this.#window = {
      fromUs: monotonicUs(),
      cpu: cpuSecondsOf(this.#settings.pid),
      acknowledged: this.#acknowledged,
    }
  }

  end(): void {
    const { fromUs, cpu: before } = this.#window
    const toUs = monotonicUs()
    const { user, system } = cpuSecondsOf(this.#settings.pid)
    const cpu = { user: user - before.user, system: system - before.system }
    const acknowledged = this.#acknowledged - this.#window.acknowledged
    const sorted = Float64Array.from(this.#latenciesMs).sort()
    const at = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
    const seconds = (toUs - fromUs) / 1e6
    const window = { fromUs, toUs, seconds, cpu, acknowledged, p50Ms: at(0.5), p99Ms: at(0.99) }
    report({ type: 'window', window })
  }

  /** Sends nothing more; the report comes with the last answer. */
  stop(): void {
    this.#isOver = true
    this.#reportWhenDone()
  }

  #drive(socket: Socket): void {
    let answer = ''
    let startedMs = 0
    const write = (): void => {
      const { requests } = this.#settings
      this.#underWay++
      socket.write(requests[this.#sent++ % requests.length]!)
    }
    const next = (): void => {
      if (this.#isOver) {
        this.#reportWhenDone()
        return
      }
      startedMs = this.#slot()
      const waitMs = startedMs - performance.now()
      if (waitMs <= 0) write()
      else setTimeout(() => (this.#isOver ? this.#reportWhenDone() : write()), waitMs)
    }
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
      if (!answer.endsWith(headEnd) || !answer.startsWith(success)) {
        if (answer.includes(headEnd)) this.#fail(answer)
        return
      }
      answer = ''
      this.#underWay--
      this.#acknowledged++
      this.#latenciesMs.push(performance.now() - startedMs)
      next()
    })
    socket.on('error', (error) => this.#fail(error.message))
    socket.on('close', () => this.#fail('the program closed a connection'))
    next()
  }

  /** When the next request is due. Its latency counts from then, so that a stall shows in all that wait for it. */
  #slot(): number {
    const nowMs = performance.now()
    const { ratePerSecond } = this.#settings
    if (ratePerSecond === undefined) return nowMs
    const dueMs = this.#nextAtMs
    this.#nextAtMs += 1e3 / ratePerSecond
    return dueMs
  }

  #reportWhenDone(): void {
    if (!this.#isOver || this.#underWay > 0) return
    for (const socket of this.#sockets) socket.removeAllListeners('close').destroy()
    report({ type: 'stopped', acknowledged: this.#acknowledged })
    process.disconnect()
  }

  #fail(text: string): void {
    report({ type: 'failed', text: text.slice(0, 500) })
    for (const socket of this.#sockets) socket.removeAllListeners().destroy()
    process.disconnect()
  }
}

let load: Load | undefined
process.on('message', (command: LoadCommand) => {
  if (command.type === 'start') {
    load = new Load(command.settings)
    load.open().then(
      () => report({ type: 'ready' }),
      (error: unknown) => report({ type: 'failed', text: String(error) }),
    )
  } else if (command.type === 'begin') {
    load?.begin()
    report({ type: 'begun' })
  } else if (command.type === 'end') load?.end()
  else load?.stop()
})
