/** Header blocks as they come: in one frame or, rarely, in several (RFC 9113, 4.3), of which one is open at a time. */
import { limits } from '../../limits.ts'
import { HpackDecoder } from './hpack.ts'

/** A block of literals is a little longer than its fields; one that is more than that is not read to its end. */
export const blockBytesMax = 2 * limits.headerBytesMax

export class HeadBlocks {
  /** Whose block is open; 0: none is. */
  stream = 0
  endsStream = false
  readonly #decoder = new HpackDecoder()
  #parts: Buffer[] = []
  #bytes = 0

  begin(stream: number, endsStream: boolean): void {
    this.stream = stream
    this.endsStream = endsStream
  }

  /** Keeps a copy of a part that is not the last. False when the block is too long. */
  add(payload: Buffer, from: number, to: number): boolean {
    this.#bytes += to - from
    if (this.#bytes > blockBytesMax) return false
    this.#parts.push(Buffer.from(payload.subarray(from, to)))
    return true
  }

  /** Closes the block with its last part, and appends its names and values to `list`. */
  decode(payload: Buffer, from: number, to: number, list: string[]): 'ok' | 'too_large' | 'broken' {
    this.stream = 0
    if (this.#parts.length === 0) return this.#decode(payload, from, to, list)
    const whole = Buffer.concat([...this.#parts, payload.subarray(from, to)])
    this.#parts = []
    this.#bytes = 0
    return this.#decode(whole, 0, whole.length, list)
  }

  #decode(block: Buffer, from: number, to: number, list: string[]): 'ok' | 'too_large' | 'broken' {
    return this.#decoder.decode(block, from, to, list, limits.headerBytesMax)
  }
}
