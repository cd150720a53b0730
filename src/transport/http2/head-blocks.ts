/** Header blocks as they come: in one frame or, rarely, in several (RFC 9113, 4.3), of which one is open at a time. */
import { limits } from '../../limits.ts'
import { Flag } from './frames.ts'
import { type HeadersDecoded, HpackDecoder } from './hpack.ts'

/** A block of literals is a little longer than its fields; one that is more than that is not read to its end. */
export const blockBytesMax = 2 * limits.headerBytesMax

/** Where the part of a block begins in a HEADERS frame (RFC 9113, 6.2): behind the padding's length, and the priority. */
export function fragmentFrom(flags: number, from: number): number {
  return from + ((flags & Flag.PADDED) === 0 ? 0 : 1) + ((flags & Flag.PRIORITY) === 0 ? 0 : PRIORITY_BYTES)
}

/** Where it ends: before the padding, which may be longer than the frame. */
export function fragmentTo(payload: Buffer, flags: number, from: number, to: number): number {
  return (flags & Flag.PADDED) === 0 || from === to ? to : to - payload[from]!
}

const PRIORITY_BYTES = 5

/** A block that is longer is read anew each time, so that a connection does not hold much for it. */
const KNOWN_BYTES_MAX = 512

const nothing: readonly string[] = []

export class HeadBlocks {
  /** Whose block is open; 0: none is. */
  stream = 0
  endsStream = false
  readonly #decoder = new HpackDecoder()
  /** What came of a block in several frames: taken once, so that many small parts cost no more than a large one. */
  #parts: Buffer | undefined
  #bytes = 0
  /** Names and values in turn of the last block; the same object again when the block was the same again. */
  list: readonly string[] = nothing
  /** The last block that came whole and left the table as it was, how many changes the table had seen, and what it says. */
  #known = Buffer.alloc(0)
  #knownBytes = -1
  #knownChanges = 0
  #knownList: readonly string[] = nothing

  begin(stream: number, endsStream: boolean): void {
    this.stream = stream
    this.endsStream = endsStream
  }

  /** Keeps a copy of a part that is not the last. False when the block is too long. */
  add(payload: Buffer, from: number, to: number): boolean {
    if (this.#bytes + to - from > blockBytesMax) return false
    this.#parts ??= Buffer.allocUnsafeSlow(blockBytesMax)
    this.#bytes += payload.copy(this.#parts, this.#bytes, from, to)
    return true
  }

  /** Closes the block with its last part, and puts its names and values into `list`; undefined when it is too long. */
  decode(payload: Buffer, from: number, to: number): HeadersDecoded | undefined {
    if (this.#parts !== undefined && !this.add(payload, from, to)) return undefined
    const parts = this.#parts
    const bytes = this.#bytes
    this.stream = 0
    this.#parts = undefined
    this.#bytes = 0
    if (parts === undefined) return this.#decodeWhole(payload, from, to)
    const list: string[] = []
    this.list = list
    return this.#decoder.decode(parts, 0, bytes, list, limits.headerBytesMax)
  }

  /**
   * A client that calls the same method again and again sends the same octets again and again, once the table holds what
   * they stand for: they are read once.
   */
  #decodeWhole(payload: Buffer, from: number, to: number): HeadersDecoded {
    const decoder = this.#decoder
    const bytes = to - from
    if (
      bytes === this.#knownBytes &&
      decoder.tableChanges === this.#knownChanges &&
      payload.compare(this.#known, 0, bytes, from, to) === 0
    ) {
      this.list = this.#knownList
      return 'ok'
    }
    const changes = decoder.tableChanges
    const list: string[] = []
    this.list = list
    const result = decoder.decode(payload, from, to, list, limits.headerBytesMax)
    if (result === 'ok' && bytes <= KNOWN_BYTES_MAX && decoder.tableChanges === changes) {
      if (this.#known.length === 0) this.#known = Buffer.allocUnsafeSlow(KNOWN_BYTES_MAX)
      this.#knownBytes = payload.copy(this.#known, 0, from, to)
      this.#knownChanges = changes
      this.#knownList = list
    }
    return result
  }
}
