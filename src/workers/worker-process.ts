/** A worker as the primary has it: its process, what it has reported last, and the orders to it. */
import type { ChildProcess } from 'node:child_process'
import cluster, { type Worker } from 'node:cluster'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config/config.ts'
import type { WorkerPlace } from '../config/workers.ts'
import { limits } from '../limits.ts'
import type { OpenPort } from '../listeners.ts'
import type { Order, Report, Word } from './words.ts'

/** How a worker ended. */
export interface WorkerEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** What an operator has to mend, where it said so. */
  readonly fault: Extract<Word, { kind: 'failed' }> | undefined
  /** Its drain was asked for or not; whether everything was finished. */
  readonly hasDrained: boolean
}

export class WorkerProcess {
  readonly place: WorkerPlace
  /** Resolves when the process is gone and its last word was heard. */
  readonly ended: Promise<WorkerEnd>
  /** Once its ports are open. */
  ports: readonly OpenPort[] | undefined
  report: Report | undefined
  openedAtMs = 0
  readonly #worker: Worker
  readonly #answers = new Map<number, () => void>()
  #numbers = 0
  #silentMs = 0
  #fault: WorkerEnd['fault']
  #hasDrained = false
  #isChannelOpen = true

  /** Starts the process. `opened` is called once, when its ports are open. */
  constructor(config: Config, place: WorkerPlace, opened: () => void) {
    this.place = place
    this.#worker = cluster.fork()
    const closeOffered = watchOffered(this.#worker.process)
    // What could not be sent to a process that is ending; its end is told apart.
    this.#worker.on('error', () => undefined)
    this.#worker.process.once('disconnect', () => {
      this.#isChannelOpen = false
    })
    this.#worker.on('message', (word: Word) => this.#onWord(word, opened))
    this.ended = this.#endOf(this.#worker).then((end) => {
      closeOffered()
      for (const answer of this.#answers.values()) answer()
      return end
    })
    this.order({ kind: 'start', config, place })
  }

  get pid(): number | undefined {
    return this.#worker.process.pid
  }

  /** To one that is gone, nothing is said. */
  order(order: Order): void {
    if (this.#worker.isConnected()) this.#worker.send(order, () => undefined)
  }

  /** Its report of now, or its last one when it does not answer in time. */
  async ask(): Promise<Report | undefined> {
    const number = ++this.#numbers
    const answered = Promise.withResolvers<void>()
    this.#answers.set(number, answered.resolve)
    this.order({ kind: 'report', number })
    const timer = setTimeout(answered.resolve, limits.workerScrapeMsMax)
    await answered.promise
    clearTimeout(timer)
    this.#answers.delete(number)
    return this.report
  }

  /** Another while has passed; whether it has said nothing for so long that it must be hung. */
  isHungAfter(ms: number): boolean {
    this.#silentMs += ms
    const { workerSilentMsMax, workerStartMsMax } = limits
    return this.#silentMs > (this.ports === undefined ? workerStartMsMax : workerSilentMsMax)
  }

  /** Ends it at once, whatever it does. */
  kill(): void {
    this.#worker.process.kill('SIGKILL')
  }

  /** When the process is gone, and all that it said was heard: some of it may come behind the news of its end. */
  async #endOf(worker: Worker): Promise<WorkerEnd> {
    const silence = new Promise<void>((resolve) => worker.on('disconnect', resolve))
    const isStarted = worker.process.pid !== undefined
    const [code, signal] = await new Promise<readonly [number | null, NodeJS.Signals | null]>((resolve) => {
      worker.on('exit', (status: number | null, by: NodeJS.Signals | null) => resolve([status, by]))
      // One that could not be started at all has no end either.
      if (!isStarted) resolve([null, null])
    })
    const endMs = performance.now() + limits.workerEndMsMax
    while (isStarted && worker.isConnected() && performance.now() < endMs) await sleep(limits.workerEndLookMs)
    // Node keeps this event back until the answer has come to a connection that it has offered. A dead process does not
    // answer; and while its end is not told, node:cluster goes on offering it connections.
    if (this.#isChannelOpen) worker.process.emit('disconnect')
    await silence
    return { code, signal, fault: this.#fault, hasDrained: this.#hasDrained }
  }

  #onWord(word: Word, opened: () => void): void {
    this.#silentMs = 0
    if (word.kind === 'failed') {
      this.#fault = word
      return
    }
    this.report = word.report
    if (word.kind === 'report' && word.number !== undefined) this.#answers.get(word.number)?.()
    if (word.kind === 'drained') this.#hasDrained = word.inTime
    if (word.kind !== 'open') return
    this.ports = word.ports
    this.openedAtMs = performance.now()
    opened()
  }
}

interface Handle {
  close(): void
}

/**
 * Follows the connections that node:cluster offers to a process. One that is on its way to a process which dies would stay
 * open for ever, with a sender that waits; the function that is returned closes it. What the process had taken is closed
 * here already, and closing it again does nothing.
 */
function watchOffered(child: ChildProcess): () => void {
  /** The last one of each port: the next is offered when that was taken. */
  const offered = new Map<unknown, Handle>()
  const send = child.send.bind(child) as (...parameters: unknown[]) => boolean
  child.send = (message: unknown, handle?: unknown, ...more: unknown[]): boolean => {
    if (isOffer(message) && isHandle(handle)) offered.set(message.key, handle)
    return send(message, handle, ...more)
  }
  return () => {
    for (const handle of offered.values()) handle.close()
  }
}

function isOffer(message: unknown): message is { readonly key: unknown } {
  return typeof message === 'object' && message !== null && 'act' in message && message.act === 'newconn'
}

function isHandle(handle: unknown): handle is Handle {
  return (
    typeof handle === 'object' && handle !== null && 'close' in handle && typeof handle.close === 'function'
  )
}
