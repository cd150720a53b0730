/**
 * What a connection writes. Frames of one turn of the event loop go to the socket together: a write of a hundred bytes
 * costs as much as one of ten thousand, and answers mostly become ready in groups. They are written one behind the other
 * into a buffer that lives as long as the turn: no buffer for each of them, and nothing to join.
 */
import type { Socket } from 'node:net'
import { KiB, limits } from '../../limits.ts'

/** Room for the first answers of a turn; it doubles. */
const FIRST_BYTES = KiB
/** Up to here frames are copied into one buffer; more than that is written piece by piece. */
const JOINED_BYTES = 64 * KiB
/** From here on frames are written from where they lie. */
const LARGE_BYTES = 16 * KiB

const nothing = Buffer.alloc(0)

export class Output {
  readonly #socket: Socket
  readonly #unread: () => void
  /** What leaves before `#open`. */
  #pieces: Buffer[] | undefined
  #open = nothing
  #bytes = 0
  #isScheduled = false

  /** `unread`: told once when the client takes so little that more than `limits.grpcUnreadBytesMax` wait for it. */
  constructor(socket: Socket, unread: () => void) {
    this.#socket = socket
    this.#unread = unread
  }

  /** Takes whole frames over; they leave at the end of this turn. */
  push(frames: Buffer): void {
    if (frames.length < LARGE_BYTES) {
      const at = this.reserve(frames.length)
      frames.copy(this.#open, at)
      return
    }
    this.#close()
    this.#pieces ??= []
    this.#pieces.push(frames)
    this.#schedule()
  }

  /** Makes room for whole frames of less than 16 KiB together: the place in `target` where they are to be written now. */
  reserve(bytes: number): number {
    if (this.#bytes + bytes > this.#open.length) this.#grow(bytes)
    const at = this.#bytes
    this.#bytes += bytes
    this.#schedule()
    return at
  }

  /** Where what was reserved last is to be written. */
  get target(): Buffer {
    return this.#open
  }

  flush(): void {
    this.#isScheduled = false
    const socket = this.#socket
    const open = this.#bytes === this.#open.length ? this.#open : this.#open.subarray(0, this.#bytes)
    const pieces = this.#pieces
    this.#open = nothing
    this.#bytes = 0
    this.#pieces = undefined
    if (!socket.writable) return
    if (pieces !== undefined) {
      socket.cork()
      for (const piece of pieces) socket.write(piece)
    }
    if (open.length > 0) socket.write(open)
    if (pieces !== undefined) socket.uncork()
    if (socket.writableLength > limits.grpcUnreadBytesMax) this.#unread()
  }

  #grow(bytes: number): void {
    if (this.#bytes + bytes > JOINED_BYTES) this.#close()
    const larger = Buffer.allocUnsafe(Math.max(FIRST_BYTES, 2 * this.#bytes, this.#bytes + bytes))
    this.#open.copy(larger, 0, 0, this.#bytes)
    this.#open = larger
  }

  #close(): void {
    if (this.#bytes === 0) return
    this.#pieces ??= []
    this.#pieces.push(this.#open.subarray(0, this.#bytes))
    this.#open = nothing
    this.#bytes = 0
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.flush())
  }
}
