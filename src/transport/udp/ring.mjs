/**
 * A queue of datagrams in memory that two threads share: one writes, one reads, neither waits for the other.
 *
 * `state` holds 32-bit words, each on a cache line of its own: HEAD, where the next record goes, written by the writer;
 * TAIL, where the oldest one begins, written by the reader; WAITING, 1 while the reader wants to be woken; and behind them
 * the counters of what was dropped. `bytes` holds the records, each in one piece and at a multiple of 8:
 *
 *     int32 bytes of the datagram · int32 bytes of the peer's address · the address · the datagram · up to 7 bytes of nothing
 *
 * -1 in the first word says that the next record begins at 0. HEAD = TAIL says empty, so the last 8 bytes are never filled.
 * A record is whole before HEAD moves behind it, and is read before TAIL does; the Atomics order both.
 *
 * Plain JavaScript, as all that the reader's thread loads: a thread that loads TypeScript keeps 14 MB for it.
 */

/** @import { DropReason, RingMemory } from './words.ts' */

/** @type {readonly DropReason[]} */
export const dropReasons = ['queue', 'kernel', 'empty', 'too_large']

/** Words of a cache line of 64 bytes. */
const LINE = 16
const HEAD = 0
const TAIL = LINE
const WAITING = 2 * LINE
const DROPPED = 3 * LINE
const STATE_BYTES = 4 * LINE * Int32Array.BYTES_PER_ELEMENT

const HEADER_BYTES = 8
const JUMP = -1

/**
 * Bytes that a datagram takes in the ring.
 *
 * @param {number} datagramBytes
 * @param {number} peerBytes
 */
export function recordBytes(datagramBytes, peerBytes) {
  return (HEADER_BYTES + peerBytes + datagramBytes + 7) & ~7
}

/**
 * Memory for about `bytes` bytes of records. A record of half of it always fits while the ring is empty.
 *
 * @param {number} bytes
 * @returns {RingMemory}
 */
export function ringMemory(bytes) {
  const size = Math.ceil(bytes / 8) * 8
  return {
    state: new SharedArrayBuffer(STATE_BYTES),
    // What may grow, if only to its own size, is mapped: pages that were never written take no memory.
    bytes: new SharedArrayBuffer(size, { maxByteLength: size }),
  }
}

/** The writing side. After its thread died, another one may go on with the same memory. */
export class RingWriter {
  #state
  #words
  #bytes
  #head
  #peer = ''
  #peerBytes = Buffer.alloc(0)

  /** @param {RingMemory} memory */
  constructor(memory) {
    this.#state = new Int32Array(memory.state)
    const { byteLength } = memory.bytes
    this.#words = new Int32Array(memory.bytes, 0, byteLength / Int32Array.BYTES_PER_ELEMENT)
    this.#bytes = Buffer.from(memory.bytes, 0, byteLength)
    this.#head = Atomics.load(this.#state, HEAD)
  }

  /**
   * Adds the first `bytes` bytes of `source`, which are copied. False when there is no room.
   *
   * @param {Buffer} source
   * @param {number} bytes
   * @param {string} peer
   */
  put(source, bytes, peer) {
    if (peer !== this.#peer) {
      this.#peer = peer
      this.#peerBytes = Buffer.from(peer, 'latin1')
    }
    const peerBytes = this.#peerBytes
    const size = recordBytes(bytes, peerBytes.length)
    const at = this.#place(size)
    if (at < 0) return false
    if (at !== this.#head) this.#words[this.#head >> 2] = JUMP
    this.#words[at >> 2] = bytes
    this.#words[(at >> 2) + 1] = peerBytes.length
    let to = at + HEADER_BYTES
    for (let i = 0; i < peerBytes.length; i++) this.#bytes[to++] = /** @type {number} */ (peerBytes[i])
    source.copy(this.#bytes, to, 0, bytes)
    const end = at + size
    this.#head = end === this.#bytes.length ? 0 : end
    Atomics.store(this.#state, HEAD, this.#head)
    return true
  }

  /** Whether the reader wants to be woken. */
  get isReaderWaiting() {
    return Atomics.load(this.#state, WAITING) === 1
  }

  /** True when the reader has to be woken now; it is asked for once. */
  takeWaiting() {
    return Atomics.exchange(this.#state, WAITING, 0) === 1
  }

  /**
   * @param {DropReason} reason
   * @param {number} count
   */
  dropped(reason, count) {
    Atomics.add(this.#state, DROPPED + dropReasons.indexOf(reason), count)
  }

  /**
   * Where a record of `size` bytes goes: at the head, at 0, or -1: nowhere. The head may not come to the tail.
   *
   * @param {number} size
   */
  #place(size) {
    const head = this.#head
    const tail = Atomics.load(this.#state, TAIL)
    if (head < tail) return size < tail - head ? head : -1
    const rest = this.#bytes.length - head
    if (size < rest || (size === rest && tail > 0)) return head
    return size < tail ? 0 : -1
  }
}

/** The reading side. */
export class RingReader {
  #state
  #words
  #bytes
  #told = new Int32Array(dropReasons.length)
  #tail = 0
  #end = 0
  #peer = ''
  #peerBytes = Buffer.alloc(0)

  /** @param {RingMemory} memory */
  constructor(memory) {
    this.#state = new Int32Array(memory.state)
    const { byteLength } = memory.bytes
    this.#words = new Int32Array(memory.bytes, 0, byteLength / Int32Array.BYTES_PER_ELEMENT)
    this.#bytes = Buffer.from(memory.bytes, 0, byteLength)
  }

  get isEmpty() {
    return Atomics.load(this.#state, HEAD) === this.#tail
  }

  /**
   * The oldest datagram, in the shared memory and valid until `release`; undefined: there is none.
   *
   * @returns {Buffer | undefined}
   */
  next() {
    if (this.isEmpty) return undefined
    if (this.#words[this.#tail >> 2] === JUMP) this.#tail = 0
    const bytes = /** @type {number} */ (this.#words[this.#tail >> 2])
    const peerBytes = /** @type {number} */ (this.#words[(this.#tail >> 2) + 1])
    const peerAt = this.#tail + HEADER_BYTES
    const from = peerAt + peerBytes
    if (!this.#isPeer(peerAt, from)) {
      this.#peerBytes = Buffer.from(this.#bytes.subarray(peerAt, from))
      this.#peer = this.#peerBytes.toString('latin1')
    }
    this.#end = this.#tail + recordBytes(bytes, peerBytes)
    return this.#bytes.subarray(from, from + bytes)
  }

  /** The address that the datagram of `next` came with. */
  get peer() {
    return this.#peer
  }

  /** Gives the memory of the datagram of `next` back to the writer. */
  release() {
    this.#tail = this.#end === this.#bytes.length ? 0 : this.#end
    Atomics.store(this.#state, TAIL, this.#tail)
  }

  /** Asks to be woken by the next datagram. False when there is one already, and nobody will wake. */
  wait() {
    Atomics.store(this.#state, WAITING, 1)
    return this.isEmpty || Atomics.exchange(this.#state, WAITING, 0) === 0
  }

  /**
   * Hands over what was dropped since the last call, each reason for itself.
   *
   * @param {(reason: DropReason, count: number) => void} tell
   */
  takeDropped(tell) {
    for (const [i, reason] of dropReasons.entries()) {
      const total = Atomics.load(this.#state, DROPPED + i)
      const count = (total - /** @type {number} */ (this.#told[i])) >>> 0
      this.#told[i] = total
      if (count > 0) tell(reason, count)
    }
  }

  /**
   * @param {number} from
   * @param {number} end
   */
  #isPeer(from, end) {
    const known = this.#peerBytes
    if (end - from !== known.length) return false
    for (let i = 0; i < known.length; i++) if (this.#bytes[from + i] !== known[i]) return false
    return true
  }
}
