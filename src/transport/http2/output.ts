/**
 * What a connection writes. Frames of one turn of the event loop go to the socket together: a write of a hundred bytes
 * costs as much as one of ten thousand, and answers mostly become ready in groups.
 */
import type { Socket } from 'node:net'
import { KiB, limits } from '../../limits.ts'

/** Up to here frames are copied into one buffer; more than that is written piece by piece. */
const JOINED_BYTES = 64 * KiB

export class Output {
  readonly #socket: Socket
  readonly #unread: () => void
  #frames: Buffer[] = []
  #bytes = 0
  #isScheduled = false

  /** `unread`: told once when the client takes so little that more than `limits.grpcUnreadBytesMax` wait for it. */
  constructor(socket: Socket, unread: () => void) {
    this.#socket = socket
    this.#unread = unread
  }

  /** Takes whole frames over; they leave at the end of this turn. */
  push(frames: Buffer): void {
    this.#frames.push(frames)
    this.#bytes += frames.length
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.flush())
  }

  flush(): void {
    this.#isScheduled = false
    const frames = this.#frames
    const bytes = this.#bytes
    if (frames.length === 0) return
    this.#frames = []
    this.#bytes = 0
    if (!this.#socket.writable) return
    if (frames.length === 1) this.#socket.write(frames[0]!)
    else if (bytes <= JOINED_BYTES) this.#socket.write(Buffer.concat(frames, bytes))
    else {
      this.#socket.cork()
      for (const frame of frames) this.#socket.write(frame)
      this.#socket.uncork()
    }
    if (this.#socket.writableLength > limits.grpcUnreadBytesMax) this.#unread()
  }
}
