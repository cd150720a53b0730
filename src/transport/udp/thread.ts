/**
 * The thread that reads UDP ports, as the listeners have it: one for all ports of the process, since each costs some 12 MB.
 * The first port that is opened starts it, the last one that closes ends it.
 */
import { Worker } from 'node:worker_threads'
import { limits } from '../../limits.ts'
import type { Addressed, PortFault, PortOrder, PortStart, PortWord, ThreadStart } from './words.ts'

const READER = new URL('./reader.mjs', import.meta.url)

export interface PortEvents {
  /** There are datagrams in the ring of a reader that waits. */
  readonly wake: () => void
  /** An open port is read no more: it was drained, or for the fault that is given. Not told after `close`. */
  readonly ended: (fault: unknown) => void
}

/** What the system gave. */
export interface OpenedPort {
  readonly port: number
  readonly bufferBytes: number
}

/** A port from the order to open it on; the listener's end. */
export interface ThreadPort {
  /** Rejects with the system's error, its `code` included, or with that of the thread; the port is closed then. */
  readonly opened: Promise<OpenedPort>
  /** Of `peer` and `drain`. What is closed takes no more orders. */
  order(order: PortOrder): void
  /** Closes the port at once. */
  close(): void
}

interface Entry {
  /** The one that was asked for, and once it is open, the one that was got. */
  port: number
  readonly events: PortEvents
  readonly opening: PromiseWithResolvers<OpenedPort>
  isOpen: boolean
}

let current: ReaderThread | undefined

/**
 * Starts the thread ahead of its first port, beside what else is to be done until then. It keeps no process alive before it
 * has a port.
 */
export function startThread(): void {
  current ??= new ReaderThread()
}

/** Opens a port in the thread, which is started when there is none. */
export function openInThread(start: PortStart, events: PortEvents): ThreadPort {
  current ??= new ReaderThread()
  return current.open(start, events)
}

class ReaderThread {
  readonly #worker: Worker
  readonly #entries = new Map<number, Entry>()
  #numbers = 0
  #fault: unknown

  constructor() {
    const workerData: ThreadStart = {
      ...{ readBytes: limits.udpReadBytes, backlog: limits.udpBacklog },
      ...{ readsMax: limits.udpReadsMax, countMs: limits.udpCountMs },
    }
    this.#worker = new Worker(READER, {
      workerData,
      name: 'udp reader',
      // Flags of the main thread, such as those of a test runner, are not for this one.
      execArgv: [],
      resourceLimits: {
        maxOldGenerationSizeMb: limits.udpThreadHeapMiB,
        maxYoungGenerationSizeMb: limits.udpThreadYoungMiB,
      },
    })
    this.#worker.on('message', ({ number, content }: Addressed<PortWord>) => this.#onWord(number, content))
    this.#worker.on('error', (error) => {
      this.#fault = error
    })
    this.#worker.on('exit', (code) => this.#onExit(code))
    // Last: whoever listens to its messages waits for them.
    this.#worker.unref()
  }

  open(start: PortStart, events: PortEvents): ThreadPort {
    const number = ++this.#numbers
    this.#worker.ref()
    const opening = Promise.withResolvers<OpenedPort>()
    this.#entries.set(number, { port: start.port, events, opening, isOpen: false })
    this.#send(number, { kind: 'open', start })
    return {
      opened: opening.promise,
      order: (order) => this.#send(number, order),
      close: () => {
        this.#send(number, { kind: 'close' })
        this.#forget(number)
        opening.reject(new Error(`UDP port ${start.port} was closed before it was open`))
      },
    }
  }

  #send(number: number, content: PortOrder): void {
    if (!this.#entries.has(number)) return
    const order: Addressed<PortOrder> = { number, content }
    this.#worker.postMessage(order)
  }

  #onWord(number: number, word: PortWord): void {
    const entry = this.#entries.get(number)
    if (entry === undefined) return
    if (word.kind === 'wake') entry.events.wake()
    else if (word.kind === 'open') {
      entry.isOpen = true
      entry.port = word.port
      entry.opening.resolve(word)
    } else {
      this.#forget(number)
      end(entry, word.fault && errorOf(word.fault))
    }
  }

  /** Ends the thread with its last port; one that is opened after this has another thread. */
  #forget(number: number): void {
    if (!this.#entries.delete(number) || this.#entries.size > 0) return
    if (current === this) current = undefined
    void this.#worker.terminate()
  }

  /** By order, and then it has no ports, or because it died. */
  #onExit(code: number): void {
    if (current === this) current = undefined
    const entries = [...this.#entries.values()]
    this.#entries.clear()
    for (const entry of entries)
      end(entry, this.#fault ?? new Error(`the thread that reads UDP port ${entry.port} ended with ${code}`))
  }
}

function end({ isOpen, opening, events }: Entry, fault: unknown): void {
  if (isOpen) events.ended(fault)
  else opening.reject(fault ?? new Error('the port was drained before it was open'))
}

function errorOf({ code, message }: PortFault): Error {
  return Object.assign(new Error(message), { code })
}
