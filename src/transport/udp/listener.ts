/**
 * The listener of a UDP port: a thread that all of them share reads the sockets into a ring (`reader.mjs`, `ring.mjs`), and
 * the main thread hands on from it, some milliseconds at a time. UDP answers nothing: what has no room is dropped, and every
 * drop is counted.
 *
 *     socket → system's buffer → reader's thread → ring → handle()
 */
import { lookup } from 'node:dns/promises'
import { limits } from '../../limits.ts'
import type { Sender } from '../../stamp/guid-rules.ts'
import { listenError } from '../listen-error.ts'
import { RingReader, ringMemory } from './ring.mjs'
import { type OpenedPort, openInThread, type ThreadPort } from './thread.ts'
import type { DropReason, PortStart, RingMemory } from './words.ts'

/** The peer of a datagram whose sender's address was not asked for; no sender has it. `port-reader.mjs` writes the same. */
export const noPeer = '0.0.0.0'

/** One datagram as a receiver sees it. `peer` is `noPeer` when it was not asked for, see `needsPeer`. */
export interface Datagram extends Sender {
  /** In memory that threads share; borrowed, valid until `handle` returns. */
  readonly bytes: Buffer
}

export interface UdpListenerOptions {
  /** The block of the configuration that has the host and the port, such as `listeners.jaegerCompact`. */
  readonly block: string
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  /** Other processes read the same port: the system gives each sender to one of them. */
  readonly isShared?: boolean
  readonly guid: string | undefined
  /** The receive buffer that the system is asked for, SO_RCVBUF. */
  readonly bufferBytes: number
  /** Memory for datagrams that wait to be handed on. */
  readonly queueBytes: number
  /** Longer ones are dropped. */
  readonly datagramBytesMax: number
  /**
   * Whether every datagram needs its sender's address; asked at the start and at each reload. Where none does, bursts are
   * read faster, and the datagrams of a burst have no address. Undefined: needed.
   */
  readonly needsPeer?: () => boolean
  /** Whether a datagram can be taken now. While not, they wait, and the question is asked again every few milliseconds. */
  readonly admits: () => boolean
  /** Takes a datagram at once. What it throws goes to `failed`. */
  readonly handle: (datagram: Datagram) => void
  /**
   * Datagrams that were never handed on. `queue`: no room here; `kernel`: none in the system's buffer, or a wrong checksum,
   * where the system tells (Linux); `empty`, `too_large`: by their size; `stopped`: still queued when `destroy` came.
   */
  readonly dropped: (reason: DropReason | 'stopped', count: number) => void
  /** Something broke that no sender can be blamed for. */
  readonly failed: (error: unknown) => void
  /** Something that an operator can mend. */
  readonly told?: (fields: object, message: string) => void
}

let listeners = 0

export class UdpListener {
  readonly #options: UdpListenerOptions
  readonly #memory: RingMemory
  readonly #ring: RingReader
  /** Datagrams have no connection; all of a listener's have its number. */
  readonly #connection = ++listeners
  #addresses: PortStart['addresses'] = []
  #port: number
  /** While the port is read. */
  #reading: ThreadPort | undefined
  #openedMs = 0
  #state: 'new' | 'open' | 'draining' | 'closed' = 'new'
  #isTurnDue = false
  #retry: NodeJS.Timeout | undefined
  #restart: NodeJS.Timeout | undefined
  #counting: NodeJS.Timeout | undefined
  /** Resolves when everything is closed. */
  readonly #ended = Promise.withResolvers<void>()

  constructor(options: UdpListenerOptions) {
    this.#options = options
    this.#port = options.port
    this.#memory = ringMemory(options.queueBytes)
    this.#ring = new RingReader(this.#memory)
  }

  /** Begins to listen; the port that was got. Rejects with GP_PORT_TAKEN, or GP_CONFIG when the host cannot be used. */
  async listen(): Promise<number> {
    const { host, bufferBytes, told } = this.#options
    const opened = await this.#open().catch((error: NodeJS.ErrnoException) => {
      throw this.#listenError(error)
    })
    this.#port = opened.port
    this.#state = 'open'
    this.#counting = setInterval(() => this.#count(), limits.udpCountMs).unref()
    this.#turn()
    if (opened.bufferBytes < bufferBytes) {
      told?.(
        { host, port: opened.port, got_bytes: opened.bufferBytes, asked_bytes: bufferBytes },
        `the system gives this UDP port a receive buffer of ${opened.bufferBytes} bytes, not ${bufferBytes}: short ` +
          `bursts may be lost. On Linux, set sysctl net.core.rmem_max=${bufferBytes}`,
      )
    }
    return opened.port
  }

  /** Asks anew whether senders' addresses are needed; limits of connections do not concern datagrams. */
  reload(_limits?: unknown): void {
    this.#reading?.order({ kind: 'peer', needsPeer: this.#needsPeer })
  }

  /** Reads what the system has now, closes the port, hands on what is queued, and resolves. */
  async drain(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'draining'
      clearTimeout(this.#restart)
      this.#reading?.order({ kind: 'drain' })
      this.#turn()
    }
    if (this.#state === 'draining') await this.#ended.promise
  }

  /** Closes the port at once. What is still queued is dropped and counted. */
  destroy(): void {
    if (this.#state === 'closed') return
    this.#close()
    let count = 0
    for (; this.#ring.next() !== undefined; this.#ring.release()) count++
    if (count > 0) this.#options.dropped('stopped', count)
  }

  get #needsPeer(): boolean {
    return this.#options.needsPeer?.() ?? true
  }

  /** Resolves when the thread reads the port, rejects when it cannot. */
  async #open(): Promise<OpenedPort> {
    const { host, bufferBytes, datagramBytesMax, isShared = false } = this.#options
    if (this.#addresses.length === 0) {
      const found = await lookup(host, { all: true })
      this.#addresses = host === 'localhost' ? found : found.slice(0, 1)
    }
    const start: PortStart = {
      ...{ memory: this.#memory, addresses: this.#addresses, port: this.#port, isShared },
      ...{ bufferBytes, datagramBytesMax, needsPeer: this.#needsPeer },
    }
    const reading = openInThread(start, {
      wake: () => this.#turn(),
      ended: (fault) => this.#onEnd(fault),
    })
    this.#reading = reading
    try {
      return await reading.opened
    } catch (error) {
      this.#reading = undefined
      throw error
    } finally {
      this.#openedMs = performance.now()
    }
  }

  /** The port is read no more: it was drained, or something broke, and it is opened again. */
  #onEnd(fault: unknown): void {
    this.#reading = undefined
    if (fault !== undefined) this.#options.failed(fault)
    if (this.#state === 'open') {
      // At once; but what breaks as soon as it is open may break for ever.
      if (performance.now() - this.#openedMs < limits.udpRestartMs) this.#reopenLater()
      else this.#reopen()
    }
    // The thread may have died before it could wake.
    this.#turn()
  }

  #reopenLater(): void {
    this.#restart = setTimeout(() => this.#reopen(), limits.udpRestartMs)
  }

  /** Now, and every second until it works. */
  #reopen(): void {
    this.#open().then(
      () => {
        if (this.#state === 'draining') this.#reading?.order({ kind: 'drain' })
      },
      (error: NodeJS.ErrnoException) => {
        if (this.#state === 'open') {
          this.#options.failed(this.#listenError(error))
          this.#reopenLater()
        } else this.#turn()
      },
    )
  }

  #listenError(error: NodeJS.ErrnoException): Error {
    const { host, block } = this.#options
    return listenError(error, host, this.#port, block)
  }

  /** Hands on what is queued, for some milliseconds; then other work has its turn. */
  #turn(): void {
    if (this.#isTurnDue || this.#retry !== undefined || this.#state === 'closed' || this.#state === 'new')
      return
    const { admits } = this.#options
    const endMs = performance.now() + limits.udpTurnMsMax
    do {
      const bytes = this.#ring.next()
      if (bytes === undefined) {
        if (this.#ring.wait()) {
          this.#endDrain()
          return
        }
        continue
      }
      if (!admits()) {
        this.#retry = setTimeout(() => {
          this.#retry = undefined
          this.#turn()
        }, limits.udpRetryMs)
        return
      }
      this.#handle(bytes)
    } while (performance.now() < endMs)
    this.#isTurnDue = true
    setImmediate(() => {
      this.#isTurnDue = false
      this.#turn()
    })
  }

  #handle(bytes: Buffer): void {
    const { guid, handle, failed } = this.#options
    try {
      handle(new UdpDatagram(bytes, guid, this.#ring.peer, this.#connection))
    } catch (error) {
      failed(error)
    }
    this.#ring.release()
  }

  #count(): void {
    this.#ring.takeDropped(this.#options.dropped)
  }

  /** Nothing is queued: when nothing is read any more either, the drain is done. */
  #endDrain(): void {
    if (this.#state === 'draining' && this.#reading === undefined && this.#ring.isEmpty) this.#close()
  }

  #close(): void {
    this.#state = 'closed'
    clearInterval(this.#counting)
    clearTimeout(this.#retry)
    clearTimeout(this.#restart)
    this.#reading?.close()
    this.#count()
    this.#ended.resolve()
  }
}

class UdpDatagram implements Datagram {
  readonly bytes: Buffer
  readonly listenerGuid: string | undefined
  readonly pathGuid: undefined
  readonly peer: string
  readonly connection: number

  constructor(bytes: Buffer, listenerGuid: string | undefined, peer: string, connection: number) {
    this.bytes = bytes
    this.listenerGuid = listenerGuid
    this.peer = peer
    this.connection = connection
  }

  header(): readonly string[] {
    return []
  }
}
