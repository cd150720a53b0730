/**
 * The thread that reads the sockets of one UDP port into a ring, so that what the main thread is busy with costs no
 * datagram: the system's own buffer lasts for a millisecond or two of a fast sender. It reads, counts and wakes, no more.
 *
 * Node hands on each datagram in memory of its own, with an object for the sender's address; under load that is slower than
 * one sender. So once a backlog shows, and where nobody needs the addresses, the rest of it is read by read(2) from the
 * socket's descriptor into one buffer, which keeps a backlog from growing (figures in docs/performance.md). The descriptor
 * is found by what Linux tells of this process; elsewhere everything goes through Node.
 */
import { createSocket } from 'node:dgram'
import { readFileSync, readSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { RingWriter } from './ring.mjs'
import { dropsOf, findSocket } from './socket-table.mjs'

/**
 * @import { Socket } from 'node:dgram'
 * @import { MessagePort } from 'node:worker_threads'
 * @import { KnownSocket } from './socket-table.mjs'
 * @import { ReaderOrder, ReaderStart, ReaderWord } from './words.ts'
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

class Reader {
  #start
  #port
  #ring
  /** @type {Bound[]} */
  #bound = []
  #buffer
  #needsPeer
  /** Datagrams since the loop's turn began. */
  #taken = 0
  #waking = false
  #draining = false
  /** @type {NodeJS.Timeout | undefined} */
  #counting

  /**
   * @param {ReaderStart} start
   * @param {MessagePort} port
   */
  constructor(start, port) {
    this.#start = start
    this.#port = port
    this.#ring = new RingWriter(start.memory)
    this.#buffer = Buffer.allocUnsafeSlow(start.readBytes)
    this.#needsPeer = start.needsPeer
  }

  /** Binds the sockets and begins to read; when the port cannot be had, says why and ends. */
  async open() {
    let { port } = this.#start
    let bufferBytes = Number.POSITIVE_INFINITY
    for (const { address, family } of this.#start.addresses) {
      const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4' })
      /** @type {Bound} */
      const bound = { socket, known: undefined, drops: 0, passedBytes: 0 }
      socket.on('message', (bytes, { address }) => this.#onMessage(bound, bytes, address))
      try {
        await bind(socket, address, port)
      } catch (error) {
        const { code, message } = /** @type {NodeJS.ErrnoException} */ (error)
        socket.close()
        // `localhost` may have a second address on paper alone.
        if (this.#bound.length > 0 && code === 'EADDRNOTAVAIL') continue
        this.#say({ kind: 'refused', code, message })
        this.#close()
        return
      }
      bufferBytes = Math.min(bufferBytes, growBuffer(socket, this.#start.bufferBytes))
      port = socket.address().port
      bound.known = findSocket(family === 6 ? 6 : 4, port)
      this.#bound.push(bound)
    }
    this.#counting = setInterval(() => void this.#look(), this.#start.countMs)
    this.#port.on('message', (/** @type {ReaderOrder} */ order) => {
      if (order === 'drain') this.#drain()
      else this.#needsPeer = order.needsPeer
    })
    this.#say({ kind: 'open', port, bufferBytes })
  }

  /** @param {ReaderWord} word */
  #say(word) {
    this.#port.postMessage(word)
  }

  /** Nothing keeps the thread then, and it ends. */
  #close() {
    clearInterval(this.#counting)
    for (const { socket } of this.#bound) socket.close()
    this.#port.close()
  }

  /** Counts what the system has dropped since the last look. */
  async #look() {
    for (const bound of this.#bound) {
      if (bound.known === undefined) continue
      const text = await readFile(bound.known.table, 'latin1').catch(() => '')
      this.#countDrops(bound, text)
    }
  }

  /**
   * @param {Bound} bound
   * @param {Buffer} bytes
   * @param {string} address
   */
  #onMessage(bound, bytes, address) {
    if (this.#taken === 0) setImmediate(this.#endTurn)
    this.#take(bound, bytes, bytes.length, withoutZone(address))
    const { backlog, readsMax } = this.#start
    const descriptor = bound.known?.descriptor
    if (this.#taken < backlog || this.#needsPeer || descriptor === undefined) return
    for (let i = 0; i < readsMax; i++) {
      const length = readNow(descriptor, this.#buffer)
      if (length < 0) return
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
    if (this.#waking || !this.#ring.isReaderWaiting) return
    this.#waking = true
    setTimeout(() => {
      this.#waking = false
      this.#wake()
    }, WAKE_MS)
  }

  #wake() {
    if (this.#ring.takeWaiting()) this.#say({ kind: 'wake' })
  }

  /**
   * Reads on until a whole turn of the loop has found nothing, or as much has passed as the buffers can hold: what comes
   * now may never end. Then closes.
   */
  #drain() {
    if (this.#draining) return
    this.#draining = true
    for (const bound of this.#bound) bound.passedBytes = 0
    let before = -1
    const look = () => {
      const passed = this.#bound.reduce((sum, { passedBytes }) => sum + passedBytes, 0)
      if (passed !== before && this.#bound.some(mayHold)) {
        before = passed
        setImmediate(look)
        return
      }
      for (const bound of this.#bound) {
        if (bound.known !== undefined) this.#countDrops(bound, readFileSync(bound.known.table, 'latin1'))
      }
      this.#close()
    }
    setImmediate(look)
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
    // An error after this one has no listener and ends the thread, which is started anew.
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

if (parentPort !== null) {
  await new Reader(workerData, parentPort).open()
}
