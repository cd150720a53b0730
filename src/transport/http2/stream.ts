/** One stream of a connection: RFC 9113, section 5. It is a request that comes in and an answer that goes out. */
import { KiB } from '../../limits.ts'
import { Flag, FrameType, frameHeadBytes, Http2Code, makeNumberFrame, writeFrameHead } from './frames.ts'
import type { Output } from './output.ts'

/** Who reads the request. What is called here may answer or reset the stream at once. */
export interface RequestReader {
  /** A part of the body: bytes `from` to `to` of what the socket was read in, of which a view may be kept. */
  data(chunk: Buffer, from: number, to: number): void
  /** The body is complete. */
  ended(): void
  /** All that was written has left; only told after a write that made `isWaiting` true. */
  drained(): void
  /** Both sides are at their end, or it was reset. The last that is told, exactly once. */
  closed(): void
}

/** The connection, as its streams know it. */
export interface StreamHost {
  /** Bytes of DATA that the client takes on the whole connection. */
  sendWindow: number
  /** Bytes of one frame's payload that the client takes. */
  readonly frameBytesMax: number
  push(frames: Buffer): void
  readonly output: Output
  /** What a header block must begin with now, mostly nothing. */
  headerPrefix(): Buffer
  /** Streams that wait for the window of the connection. */
  readonly waiting: Set<Http2Stream>
  closed(stream: Http2Stream): void
}

/** Up to here a whole answer is written in one piece. */
const ANSWER_BYTES = 4 * KiB

const nobody: RequestReader = { data() {}, ended() {}, drained() {}, closed() {} }

export class Http2Stream {
  readonly id: number
  /** Set when the stream is opened. */
  reader: RequestReader = nobody
  /** Bytes that may still come before the client must wait. */
  receiveWindow: number
  /** Bytes of DATA that the client takes now. */
  sendWindow: number
  /** Bytes of DATA that came, and that were announced (`content-length`). */
  receivedBytes = 0
  announcedBytes: number | undefined
  /** The client's side is at its end. */
  isRequestEnded = false
  headersSent = false
  isClosed = false
  readonly #host: StreamHost
  /** DATA that the windows have no room for yet. */
  #unsent: Buffer[] | undefined
  #trailers: Buffer | undefined
  #isAnswerEnded = false
  /** What the client still has to say is of no interest once the answer has left. */
  #stopsReading = false

  constructor(host: StreamHost, id: number, receiveWindow: number, sendWindow: number) {
    this.#host = host
    this.id = id
    this.receiveWindow = receiveWindow
    this.sendWindow = sendWindow
  }

  /** Whether something written has not left yet. */
  get isWaiting(): boolean {
    return this.#unsent !== undefined && this.#unsent.length > 0
  }

  /** The head of the answer: a header block of `encodeHeaders`. */
  respond(block: Buffer): void {
    if (this.isClosed || this.headersSent) return
    this.headersSent = true
    this.#pushHeaders(block, 0)
  }

  /** An answer that is a header block alone. */
  respondOnly(block: Buffer): void {
    if (this.isClosed || this.headersSent) return
    this.headersSent = true
    this.#end(block)
  }

  /** A part of the answer's body, taken over; it leaves as the windows allow. */
  write(chunk: Buffer): void {
    if (this.isClosed || this.#isAnswerEnded || chunk.length === 0) return
    this.#unsent ??= []
    this.#unsent.push(chunk)
    this.#send(this.#unsent)
  }

  /** Ends the answer with trailers, a header block, behind all that was written. */
  end(trailers: Buffer): void {
    if (this.isClosed || this.#isAnswerEnded) return
    if (!this.isWaiting) {
      this.#end(trailers)
      return
    }
    this.#isAnswerEnded = true
    this.#trailers = trailers
  }

  /** A whole answer: its head, `chunk` (taken over), and the trailers. Mostly short, and then one piece of three frames. */
  respondWhole(block: Buffer, chunk: Buffer, trailers: Buffer): void {
    if (this.isClosed || this.headersSent) return
    const host = this.#host
    const room = Math.min(this.sendWindow, host.sendWindow, host.frameBytesMax)
    if (chunk.length === 0 || chunk.length > room || chunk.length > ANSWER_BYTES) {
      this.respond(block)
      this.write(chunk)
      this.end(trailers)
      return
    }
    this.headersSent = true
    this.#isAnswerEnded = true
    this.sendWindow -= chunk.length
    host.sendWindow -= chunk.length
    const { id } = this
    const prefix = host.headerPrefix()
    const headBytes = prefix.length + block.length
    const { output } = host
    let at = output.reserve(3 * frameHeadBytes + headBytes + chunk.length + trailers.length)
    const { target } = output
    at = writeFrameHead(target, at, headBytes, FrameType.HEADERS, Flag.END_HEADERS, id)
    if (prefix.length > 0) at += prefix.copy(target, at)
    at += block.copy(target, at)
    at = writeFrameHead(target, at, chunk.length, FrameType.DATA, 0, id)
    at += chunk.copy(target, at)
    const flags = Flag.END_HEADERS | Flag.END_STREAM
    trailers.copy(target, writeFrameHead(target, at, trailers.length, FrameType.HEADERS, flags, id))
    this.#ended()
  }

  /** RST_STREAM: neither side has more to say, and what waits is forgotten. */
  reset(code: Http2Code): void {
    if (this.isClosed) return
    this.#host.push(makeNumberFrame(FrameType.RST_STREAM, this.id, code))
    this.close()
  }

  /**
   * Lets go of a stream whose answer is complete while its request is not: RST_STREAM with NO_ERROR, behind the answer,
   * asks the client to send no more (8.1). What is on its way already is counted for flow control and forgotten. While
   * a part of the answer waits for the windows, so does this.
   */
  stopReading(): void {
    if (this.isRequestEnded) return
    if (this.#isAnswerEnded && !this.isWaiting) this.reset(Http2Code.NO_ERROR)
    else this.#stopsReading = true
  }

  /** The request came to its end. */
  requestEnded(): void {
    this.isRequestEnded = true
    if (this.#isAnswerEnded && !this.isWaiting) this.close()
    else this.reader.ended()
  }

  /** A window has grown. */
  resume(): void {
    const unsent = this.#unsent
    if (unsent === undefined || unsent.length === 0) return
    this.#send(unsent)
    if (unsent.length === 0 && !this.#isAnswerEnded) this.reader.drained()
  }

  /** Sends what the windows have room for. */
  #send(unsent: Buffer[]): void {
    const host = this.#host
    while (unsent.length > 0) {
      const chunk = unsent[0]!
      const room = Math.min(this.sendWindow, host.sendWindow, host.frameBytesMax)
      if (room <= 0) {
        if (this.sendWindow > 0) host.waiting.add(this)
        return
      }
      const part = chunk.length <= room ? chunk : chunk.subarray(0, room)
      if (part === chunk) unsent.shift()
      else unsent[0] = chunk.subarray(room)
      this.sendWindow -= part.length
      host.sendWindow -= part.length
      const frame = Buffer.allocUnsafe(frameHeadBytes + part.length)
      part.copy(frame, writeFrameHead(frame, 0, part.length, FrameType.DATA, 0, this.id))
      host.push(frame)
    }
    if (this.#trailers !== undefined) this.#end(this.#trailers)
  }

  /** Forgets the stream, without a word to the client. */
  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#unsent = undefined
    this.#trailers = undefined
    this.#host.waiting.delete(this)
    this.#host.closed(this)
    this.reader.closed()
  }

  #end(block: Buffer): void {
    this.#trailers = undefined
    this.#isAnswerEnded = true
    this.#pushHeaders(block, Flag.END_STREAM)
    this.#ended()
  }

  /** All of the answer has been written. */
  #ended(): void {
    if (this.isRequestEnded) this.close()
    else if (this.#stopsReading) this.reset(Http2Code.NO_ERROR)
  }

  /** Blocks are short: a status, and a message of at most a few KiB. So they are one frame. */
  #pushHeaders(block: Buffer, flags: number): void {
    const prefix = this.#host.headerPrefix()
    const length = prefix.length + block.length
    const frame = Buffer.allocUnsafe(frameHeadBytes + length)
    let at = writeFrameHead(frame, 0, length, FrameType.HEADERS, flags | Flag.END_HEADERS, this.id)
    at += prefix.copy(frame, at)
    block.copy(frame, at)
    this.#host.push(frame)
  }
}
