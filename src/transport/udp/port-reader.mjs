/**
 * The reading of the sockets of one UDP port into its ring. It reads, counts and wakes, no more.
 *
 * Node hands on each datagram in memory of its own, with an object for the sender's address; under load that is slower than
 * one sender. So once a backlog shows, and where nobody needs the addresses, the rest of it is read by read(2) from the
 * socket's descriptor into one buffer, which keeps a backlog from growing (figures in docs/performance.md). The descriptor
 * is found by what Linux tells of this process; elsewhere everything goes through Node.
 *
 * Other ports are read by the same thread: in each turn of its loop a port has a bounded number of reads, and no port waits
 * for longer than the others' bounds together.
 */
import { createSocket } from 'node:dgram'
import { readFileSync, readSync } from 'node:fs'
import { RingWriter } from './ring.mjs'
import { dropsOf, findSocket } from './socket-table.mjs'

/**
 * @import { Socket } from 'node:dgram'
 * @import { KnownSocket } from './socket-table.mjs'
 * @import { PortFault, PortStart, PortWord, ThreadStart } from './words.ts'
 */

/** The sender's address of a datagram that came without one. */
const NO_PEER = '0.0.0.0'
/** A message to the main thread costs more than most datagrams; nobody waits for an answer to one. */
const WAKE_MS = 5
/** The least that Linux takes from a receive buffer for a datagram beside its bytes (`struct sk_buff`). */
const DATAGRAM_OVERHEAD_BYTES = 128

/**
 * A socket; the drops of the system that are counted already; the bytes of the system's buffer that have passed since the
 * drain began.
 *
 * @typedef {{ socket: Socket, known: KnownSocket | undefined, drops: number, passedBytes: number }} Bound
 */

export class PortReader {
  #start
  #bounds
  #buffer
  #say
  #ring
  /** @type {Bound[]} */
  #bound = []
  #needsPeer
  /** Datagrams since the loop's turn began, and those of them that read(2) took. */
  #taken = 0
  #plainReads = 0
  #waking = false
  #draining = false
  #closed = false

  /**
   * @param {PortStart} start
   * @param {ThreadStart} bounds
   * @param {Buffer} buffer of `readBytes` bytes; between two datagrams it is free for other ports
   * @param {(word: PortWord) => void} say
   */
  constructor(start, bounds, buffer, say) {
    this.#start = start
    this.#bounds = bounds
    this.#buffer = buffer
    this.#say = say
    this.#ring = new RingWriter(start.memory)
    this.#needsPeer = start.needsPeer
  }

  /** Binds the sockets and begins to read; when the port cannot be had, says why. */
  async open() {
    try {
      const opened = await this.#bind()
      if (!this.#closed) this.#say({ kind: 'open', ...opened })
    } catch (error) {
      this.#fail(error)
    }
  }

  /** @param {boolean} needsPeer */
  askPeer(needsPeer) {
    this.#needsPeer = needsPeer
  }

  /**
   * Reads on until a whole turn of the loop has found nothing, or as much has passed as the buffers can hold: what comes
   * now may never end. Then closes.
   */
  drain() {
    if (this.#draining) return
    this.#draining = true
    for (const bound of this.#bound) bound.passedBytes = 0
    let before = -1
    const look = () => {
      if (this.#closed) return
      const passed = this.#bound.reduce((sum, { passedBytes }) => sum + passedBytes, 0)
      if (passed !== before && this.#bound.some(mayHold)) {
        before = passed
        setImmediate(look)
        return
      }
      for (const bound of this.#bound) {
        if (bound.known !== undefined) this.#countDrops(bound, readFileSync(bound.known.table, 'latin1'))
      }
      this.#end(undefined)
    }
    setImmediate(look)
  }

  /** Closes the port at once; nothing is said of it after this. */
  close() {
    if (this.#closed) return
    this.#closed = true
    for (const { socket } of this.#bound) socket.close()
  }

  /** The tables in which the system counts what it drops here. */
  get tables() {
    return this.#bound.flatMap(({ known }) => known?.table ?? [])
  }

  /**
   * Counts what the system has dropped since the last look.
   *
   * @param {ReadonlyMap<string, string>} texts of the tables
   */
  lookForDrops(texts) {
    for (const bound of this.#bound) this.#countDrops(bound, texts.get(bound.known?.table ?? '') ?? '')
  }

  async #bind() {
    let { port } = this.#start
    let bufferBytes = Number.POSITIVE_INFINITY
    for (const { address, family } of this.#start.addresses) {
      const socket = createSocket({
        type: family === 6 ? 'udp6' : 'udp4',
        reusePort: this.#start.isShared,
      })
      /** @type {Bound} */
      const bound = { socket, known: undefined, drops: 0, passedBytes: 0 }
      socket.on('message', (bytes, { address }) => this.#onMessage(bound, bytes, address))
      try {
        await bind(socket, address, port)
      } catch (error) {
        socket.close()
        // `localhost` may have a second address on paper alone.
        const { code } = /** @type {NodeJS.ErrnoException} */ (error)
        if (this.#bound.length > 0 && code === 'EADDRNOTAVAIL') continue
        throw error
      }
      if (this.#closed) {
        socket.close()
        break
      }
      socket.on('error', (error) => this.#fail(error))
      this.#bound.push(bound)
      bufferBytes = Math.min(bufferBytes, growBuffer(socket, this.#start.bufferBytes))
      port = socket.address().port
      bound.known = findSocket(family === 6 ? 6 : 4, port)
    }
    return { port, bufferBytes }
  }

  /** @param {unknown} error */
  #fail(error) {
    const { code, message } = /** @type {NodeJS.ErrnoException} */ (error)
    this.#end({ code, message })
  }

  /** @param {PortFault | undefined} fault */
  #end(fault) {
    if (this.#closed) return
    this.close()
    this.#say({ kind: 'closed', fault })
  }

  /**
   * @param {Bound} bound
   * @param {Buffer} bytes
   * @param {string} address
   */
  #onMessage(bound, bytes, address) {
    // The descriptor is not this port's any more.
    if (this.#closed) return
    if (this.#taken === 0) setImmediate(this.#endTurn)
    this.#take(bound, bytes, bytes.length, withoutZone(address))
    const { backlog, readsMax } = this.#bounds
    const descriptor = bound.known?.descriptor
    if (this.#taken < backlog || this.#needsPeer || descriptor === undefined) return
    if (this.#plainReads === readsMax) return
    while (this.#plainReads < readsMax) {
      const length = readNow(descriptor, this.#buffer)
      if (length < 0) return
      this.#plainReads++
      this.#take(bound, this.#buffer, length, NO_PEER)
    }
    // More may be there yet, and the ring is filling.
    this.#wake()
  }

  /**
   * @param {Bound} bound
   * @param {Buffer} source
   * @param {number} bytes
   * @param {string} peer
   */
  #take(bound, source, bytes, peer) {
    this.#taken++
    bound.passedBytes += bytes + DATAGRAM_OVERHEAD_BYTES
    if (bytes === 0) this.#ring.dropped('empty', 1)
    else if (bytes > this.#start.datagramBytesMax) this.#ring.dropped('too_large', 1)
    else if (!this.#ring.put(source, bytes, peer)) this.#ring.dropped('queue', 1)
  }

  /** Wakes the main thread a little later, so that it takes several datagrams at once. */
  #endTurn = () => {
    this.#taken = 0
    this.#plainReads = 0
    if (this.#waking || !this.#ring.isReaderWaiting) return
    this.#waking = true
    setTimeout(() => {
      this.#waking = false
      this.#wake()
    }, WAKE_MS)
  }

  #wake() {
    if (!this.#closed && this.#ring.takeWaiting()) this.#say({ kind: 'wake' })
  }

  /**
   * @param {Bound} bound
   * @param {string} text of its table
   */
  #countDrops(bound, text) {
    const drops = bound.known === undefined ? undefined : dropsOf(text, bound.known.inode)
    if (drops === undefined || drops <= bound.drops) return
    this.#ring.dropped('kernel', drops - bound.drops)
    bound.drops = drops
  }
}

/**
 * Whether something may be left of what the system held when the drain began.
 *
 * @param {Bound} bound
 */
function mayHold({ socket, passedBytes }) {
  return passedBytes <= socket.getRecvBufferSize()
}

/**
 * @param {Socket} socket
 * @param {string} address
 * @param {number} port
 * @returns {Promise<void>}
 */
function bind(socket, address, port) {
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', reject)
      resolve()
    })
  })
}

/**
 * Asks for a receive buffer; the bytes that were got. Some systems refuse what is too much, Linux gives less.
 *
 * @param {Socket} socket
 * @param {number} bytes
 */
function growBuffer(socket, bytes) {
  for (let asked = bytes; asked >= 1; asked = Math.floor(asked / 2)) {
    try {
      socket.setRecvBufferSize(asked)
      break
    } catch {
      // The next one is half of it.
    }
  }
  const got = socket.getRecvBufferSize()
  // Linux says twice what was asked for, for its own bookkeeping (socket(7), SO_RCVBUF).
  return process.platform === 'linux' ? got / 2 : got
}

/**
 * The bytes of one datagram that was there, or -1: there is none, or what is wrong comes to light in Node's own read.
 *
 * @param {number} descriptor
 * @param {Buffer} buffer
 */
function readNow(descriptor, buffer) {
  const { stackTraceLimit } = Error
  // The end of a backlog is an exception each time, and nobody reads where it came from.
  Error.stackTraceLimit = 0
  try {
    return readSync(descriptor, buffer, 0, buffer.length, null)
  } catch {
    return -1
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/**
 * `fe80::1%eth0` without the name of the interface, which no table of addresses has.
 *
 * @param {string} address
 */
function withoutZone(address) {
  const zone = address.indexOf('%')
  return zone < 0 ? address : address.slice(0, zone)
}
