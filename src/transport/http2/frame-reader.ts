/**
 * Cuts what a socket brings into frames: RFC 9113, 3.4 (preface) and 4.1 (format), 6.1 (DATA and its padding).
 *
 * DATA is handed on in the pieces in which it arrives, as places in what the socket was read in: nothing is joined and
 * nothing copied. Every other frame is short, and is handed on when it is whole.
 */
import { Flag, FrameType, frameHeadBytes, preface, windowBytesMax } from './frames.ts'

/** Who is told, in this order. Any of them may throw, which ends the reading. */
export interface FrameSink {
  /** A frame has begun; its fields are the reader's. */
  begin(): void
  /** A piece of DATA, without padding: bytes `from` to `to` of what was read. */
  data(chunk: Buffer, from: number, to: number): void
  /** DATA is at its end. */
  dataEnd(): void
  /** A frame that is not DATA: bytes `from` to `to` of `payload`, which are not to be kept. */
  frame(payload: Buffer, from: number, to: number): void
  /** This is not HTTP/2, or DATA has more padding than bytes. */
  malformed(text: string): never
}

export class FrameReader {
  type = 0
  flags = 0
  /** The number of the stream. */
  id = 0
  /** Bytes of the payload. */
  length = 0
  /** Frames whose heads have come. */
  count = 0
  /** Nothing is read any more. */
  isStopped = false
  readonly #sink: FrameSink
  #prefaceBytes = 0
  readonly #head = Buffer.alloc(frameHeadBytes)
  #headBytes = 0
  /** What came of a frame other than DATA that is not whole. */
  #payload: Buffer | undefined
  #payloadBytes = 0
  /** Of DATA: bytes that are to come, of them padding at the end, and whether the padding's length is still to come. */
  #dataLeft = 0
  #paddingLeft = 0
  #awaitsPadding = false

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  /** The number of the frame, other than DATA, of which a part has come; -1 when there is none. */
  get begun(): number {
    if (this.#headBytes > 0) return this.count + 1
    return this.#payload === undefined ? -1 : this.count
  }

  read(chunk: Buffer): void {
    let at = this.#prefaceBytes < preface.length ? this.#readPreface(chunk) : 0
    while (at < chunk.length && !this.isStopped) {
      if (this.#dataLeft > 0) at = this.#readData(chunk, at)
      else if (this.#payload !== undefined) at = this.#readPayload(chunk, at, this.#payload)
      else at = this.#readHead(chunk, at)
    }
  }

  #readPreface(chunk: Buffer): number {
    const count = Math.min(preface.length - this.#prefaceBytes, chunk.length)
    if (preface.compare(chunk, 0, count, this.#prefaceBytes, this.#prefaceBytes + count) !== 0) {
      this.#sink.malformed('this is not HTTP/2')
    }
    this.#prefaceBytes += count
    return count
  }

  /** Reads a frame's head; a frame that is whole in this chunk is handed on where it lies. */
  #readHead(chunk: Buffer, from: number): number {
    let at = from
    if (this.#headBytes > 0 || chunk.length - at < frameHeadBytes) {
      const count = Math.min(frameHeadBytes - this.#headBytes, chunk.length - at)
      chunk.copy(this.#head, this.#headBytes, at, at + count)
      this.#headBytes += count
      at += count
      if (this.#headBytes < frameHeadBytes) return at
      this.#headBytes = 0
      this.#parseHead(this.#head, 0)
    } else {
      this.#parseHead(chunk, at)
      at += frameHeadBytes
    }
    this.#sink.begin()
    if (this.type === FrameType.DATA) {
      this.#dataLeft = this.length
      this.#paddingLeft = 0
      this.#awaitsPadding = (this.flags & Flag.PADDED) !== 0
      if (this.length > 0) return at
      if (this.#awaitsPadding) this.#sink.malformed('padding without its length')
      this.#sink.dataEnd()
      return at
    }
    const end = at + this.length
    if (end <= chunk.length) {
      this.#sink.frame(chunk, at, end)
      return end
    }
    this.#payload = Buffer.allocUnsafe(this.length)
    this.#payloadBytes = 0
    return at
  }

  #parseHead(head: Buffer, at: number): void {
    this.count++
    this.length = (head[at]! << 16) | (head[at + 1]! << 8) | head[at + 2]!
    this.type = head[at + 3]!
    this.flags = head[at + 4]!
    this.id = head.readUInt32BE(at + 5) & windowBytesMax
  }

  #readPayload(chunk: Buffer, at: number, payload: Buffer): number {
    const count = Math.min(payload.length - this.#payloadBytes, chunk.length - at)
    chunk.copy(payload, this.#payloadBytes, at, at + count)
    this.#payloadBytes += count
    if (this.#payloadBytes === payload.length) {
      this.#payload = undefined
      this.#sink.frame(payload, 0, payload.length)
    }
    return at + count
  }

  #readData(chunk: Buffer, from: number): number {
    let at = from
    if (this.#awaitsPadding) {
      this.#awaitsPadding = false
      this.#paddingLeft = chunk[at++]!
      this.#dataLeft--
      if (this.#paddingLeft > this.#dataLeft) this.#sink.malformed('more padding than DATA')
    }
    const end = Math.min(chunk.length, at + this.#dataLeft - this.#paddingLeft)
    if (end > at) {
      this.#dataLeft -= end - at
      this.#sink.data(chunk, at, end)
      at = end
    }
    if (this.#dataLeft === this.#paddingLeft) {
      const count = Math.min(this.#dataLeft, chunk.length - at)
      this.#dataLeft -= count
      this.#paddingLeft -= count
      at += count
    }
    if (this.#dataLeft === 0) this.#sink.dataEnd()
    return at
  }
}
