/**
 * Who may have how much of the bytes in flight. Whoever holds some may take more as long as it then holds no more than a
 * multiple of what is free at that moment: 2 for a connection, 4 for an address, 8 for a receiver. So one alone gets two
 * thirds (four fifths, eight ninths) of all, many get less each, and there is always room for a newcomer. It takes one
 * comparison of numbers for each, and no lists.
 *
 * Two kinds of bytes are held: bodies while they are read and inflated, which together have a half of the budget, so that
 * slow senders leave room for what is complete; and records that wait for the bus.
 *
 * Source: Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", IEEE/ACM
 * Transactions on Networking 6(2), 1998.
 */
import { limits } from '../limits.ts'
import type { Budget } from './budget.ts'

/** What somebody holds. */
export class Holder {
  /** Bytes of bodies that are read, inflated or dealt with. */
  reading = 0
  /** Bytes of records that wait for the bus. */
  waiting = 0
}

/** One address; its connections together. */
class Peer extends Holder {
  connections = 0
}

/** Why there is no room: all is taken, the taker holds too much of it, or memory is short. */
export type Shortage = 'overloaded' | 'over_share' | 'memory'

/** A body of which a part is there. */
export interface Unfinished {
  /** Bytes that came. */
  readonly bytes: number
  /** Bytes that had come at the last look. */
  seenBytes: number
  /** It came too slowly while others wait for room: it is given up, and its sender told to try again. */
  lose(): void
}

/** One connection, from its begin to its end. */
export class Link extends Holder {
  readonly peer: Holder
  readonly #ended: () => void

  constructor(peer: Holder, ended: () => void) {
    super()
    this.peer = peer
    this.#ended = ended
  }

  /** The connection is closed. Once. */
  end(): void {
    this.#ended()
  }
}

export class Shares {
  readonly whole: Budget
  readonly #share: number
  readonly #peers = new Map<string, Peer>()
  readonly #receivers = new Map<string, Holder>()
  readonly #unfinished = new Set<Unfinished>()
  /** Requests that hold more than `limits.shareBytesMin` of bodies, and bytes of others that were taken though memory was short. */
  large = 0
  beyond = 0
  #reading = 0
  /** Bytes in flight beyond which no more bodies are taken, since memory is short. */
  #ceiling = Number.POSITIVE_INFINITY

  /** `share`: of the whole budget for bodies, from 0 to 1. */
  constructor(whole: Budget, share: number = limits.bodiesShareMax) {
    this.whole = whole
    this.#share = share
  }

  /** Bytes of bodies. */
  get reading(): number {
    return this.#reading
  }

  get readingMax(): number {
    return this.whole.bytesMax * this.#share
  }

  /** While memory is short: new bodies have to fit below so many bytes in flight. */
  lower(ceiling: number): void {
    this.#ceiling = ceiling
  }

  /** A connection from an address, as node writes it. */
  connect(address: string): Link {
    const name = networkOf(address)
    let peer = this.#peers.get(name)
    if (peer === undefined) {
      peer = new Peer()
      this.#peers.set(name, peer)
    }
    const known = peer
    known.connections++
    return new Link(known, () => known.connections--)
  }

  /** Begins the claim of one request; whose it is stays fixed. */
  open(link: Link, receiver: string, connection: number): Claim {
    return new Claim(this, link, this.#receiver(receiver), connection)
  }

  /**
   * To be called every `limits.paceCheckMs`. While bodies hold more than half of what they may, those lose their place, the
   * oldest first, that came slower than `limits.paceBytes` since the last look. Addresses that have no connection and hold
   * nothing are forgotten.
   */
  look(): void {
    const enough = this.readingMax * limits.paceShareMin
    for (const body of this.#unfinished) {
      const came = body.bytes - body.seenBytes
      const isNew = body.seenBytes === 0
      body.seenBytes = body.bytes
      if (!isNew && came < limits.paceBytes && this.#reading > enough) body.lose()
    }
    for (const [name, peer] of this.#peers) {
      if (peer.connections <= 0 && peer.reading === 0 && peer.waiting === 0) this.#peers.delete(name)
    }
  }

  /** A body of which more is to come: until `forget` it has to keep the pace. */
  watch(body: Unfinished): void {
    this.#unfinished.add(body)
  }

  forget(body: Unfinished): void {
    this.#unfinished.delete(body)
  }

  /** Addresses that are known. */
  get peers(): number {
    return this.#peers.size
  }

  /** What bodies can still have. */
  get free(): number {
    const { whole } = this
    return Math.min(this.readingMax - this.#reading, whole.free, this.#ceiling - whole.bytes)
  }

  /** Whether records without a body, of so many bytes, have room. */
  hasRoom(bytes: number): boolean {
    const { whole } = this
    return bytes <= Math.min(whole.free, this.#ceiling - whole.bytes)
  }

  /** As `free`, for a request that is the only one: if memory is short for good, one at a time gets through. */
  get freeAlone(): number {
    return Math.min(this.readingMax - this.#reading, this.whole.free)
  }

  add(bytes: number): void {
    this.#reading += bytes
    this.whole.force(bytes)
  }

  remove(bytes: number): void {
    this.#reading -= bytes
    this.whole.give(bytes)
  }

  #receiver(name: string): Holder {
    let holder = this.#receivers.get(name)
    if (holder === undefined) {
      holder = new Holder()
      this.#receivers.set(name, holder)
    }
    return holder
  }
}

/** What one request holds, on the books of its connection, its address and its receiver. */
export class Claim {
  /** The number of its connection. */
  readonly connection: number
  readonly #shares: Shares
  readonly #link: Link
  readonly #receiver: Holder
  #reading = 0
  /** What of it was taken, as a small request, though memory was short. */
  #beyond = 0

  constructor(shares: Shares, link: Link, receiver: Holder, connection: number) {
    this.#shares = shares
    this.#link = link
    this.#receiver = receiver
    this.connection = connection
  }

  /** Takes `bytes` of a body when there is room for them; the taker gives the same number back. */
  take(bytes: number): boolean {
    if (!this.fits(bytes)) return false
    const shares = this.#shares
    if (bytes > shares.free && this.#reading + bytes <= limits.shareBytesMin) {
      this.#beyond += bytes
      shares.beyond += bytes
    }
    if (this.#reading <= limits.shareBytesMin && this.#reading + bytes > limits.shareBytesMin) shares.large++
    this.#reading += bytes
    this.#link.reading += bytes
    this.#link.peer.reading += bytes
    this.#receiver.reading += bytes
    shares.add(bytes)
    return true
  }

  give(bytes: number): void {
    const shares = this.#shares
    const beyond = Math.min(bytes, this.#beyond)
    this.#beyond -= beyond
    shares.beyond -= beyond
    if (this.#reading > limits.shareBytesMin && this.#reading - bytes <= limits.shareBytesMin) shares.large--
    this.#reading -= bytes
    this.#link.reading -= bytes
    this.#link.peer.reading -= bytes
    this.#receiver.reading -= bytes
    shares.remove(bytes)
  }

  /** Whether `bytes` could be taken now. */
  fits(bytes: number): boolean {
    const shares = this.#shares
    const { free } = shares
    if (bytes > free) return bytes <= shares.freeAlone && this.#mayPassCeiling(bytes)
    // What has all to itself may be as large as a request may be at all.
    if (this.#reading === shares.reading) return true
    const held = this.#link.reading + bytes
    if (held > limits.connectionShareMax * free) return false
    if (held <= limits.shareBytesMin) return true
    return (
      this.#link.peer.reading + bytes <= limits.peerShareMax * free &&
      this.#receiver.reading + bytes <= limits.receiverShareMax * free
    )
  }

  /** A body of this request of which more is to come: until `forget` it has to keep the pace. */
  watch(body: Unfinished): void {
    this.#shares.watch(body)
  }

  forget(body: Unfinished): void {
    this.#shares.forget(body)
  }

  /**
   * While memory is short, if for good: one large request at a time, when nearly nothing else is in flight, and beside it
   * small ones.
   */
  #mayPassCeiling(bytes: number): boolean {
    const shares = this.#shares
    const reading = this.#reading
    if (reading + bytes <= limits.shareBytesMin) {
      return shares.beyond + bytes <= limits.memoryInflightBytesMin
    }
    const others = shares.large - (reading > limits.shareBytesMin ? 1 : 0)
    return others === 0 && shares.whole.bytes - reading <= limits.memoryInflightBytesMin
  }

  /** Why `bytes` do not fit, once `fits` or `take` said so. */
  shortage(bytes: number): Shortage {
    if (bytes <= this.#shares.free) return 'over_share'
    return bytes <= this.#shares.freeAlone ? 'memory' : 'overloaded'
  }

  /**
   * Notes `bytes` of records that begin to wait for the bus; false when that is more than a share. The batcher takes them
   * from the budget itself. What was noted is to be given to `settled`.
   */
  wait(bytes: number): boolean {
    const { free } = this.#shares.whole
    const link = this.#link
    const { peer } = link
    const held = link.waiting + bytes
    if (link.waiting > 0 && held > limits.connectionShareMax * free) return false
    if (held > limits.shareBytesMin) {
      if (peer.waiting > 0 && peer.waiting + bytes > limits.peerShareMax * free) return false
      const receiver = this.#receiver
      if (receiver.waiting > 0 && receiver.waiting + bytes > limits.receiverShareMax * free) return false
    }
    this.#shares.whole.force(limits.requestOverheadBytes)
    link.waiting = held
    peer.waiting += bytes
    this.#receiver.waiting += bytes
    return true
  }

  /** The fate of records that waited is known. */
  settled(bytes: number): void {
    this.#shares.whole.give(limits.requestOverheadBytes)
    this.#link.waiting -= bytes
    this.#link.peer.waiting -= bytes
    this.#receiver.waiting -= bytes
  }

  get bytesMax(): number {
    return this.#shares.whole.bytesMax
  }
}

/** Whom an address belongs to: of IPv6 a sender mostly has a whole network of 64 bits. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped !== null) return mapped[1]!
  const [head = '', tail] = address.split('%', 1)[0]!.split('::', 2)
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const behind = tail === '' ? 0 : tail.split(':').length
    while (groups.length + behind < IPV6_GROUPS) groups.push('0')
    if (tail !== '') groups.push(...tail.split(':'))
  }
  return groups.slice(0, IPV6_GROUPS / 2).join(':')
}

const IPV6_GROUPS = 8
