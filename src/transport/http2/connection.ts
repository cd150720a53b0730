/**
 * The server's end of one HTTP/2 connection, for requests that are read as they come and answers that are short: RFC
 * 9113. It reads frames, keeps the windows, and opens streams; what a request means is the `ConnectionHandler`'s. No
 * priorities (deprecated by 5.3.2) and no push.
 */
import type { Socket } from 'node:net'
import { limits } from '../../limits.ts'
import { Allowance } from './allowance.ts'
import { Broken } from './broken.ts'
import { readSettings } from './client-settings.ts'
import type { ConnectionHandler } from './connection-handler.ts'
import { FrameReader, type FrameSink } from './frame-reader.ts'
import { checkFrameHead } from './frame-rules.ts'
import {
  defaultWindowBytes,
  Flag,
  FrameType,
  frameBytesMin,
  Http2Code,
  makeFrame,
  makeGoAway,
  makeNumberFrame,
  windowBytesMax,
} from './frames.ts'
import { areTrailers, HeadReader } from './head.ts'
import { fragmentFrom, fragmentTo, HeadBlocks } from './head-blocks.ts'
import { NO_TABLE } from './hpack.ts'
import { LastOnes } from './last-ones.ts'
import { hello, ourPing, settingsAck } from './our-frames.ts'
import { Output } from './output.ts'
import { Owed } from './owed.ts'
import { Http2Stream, type StreamHost } from './stream.ts'

const noPrefix = Buffer.alloc(0)

export class Http2Connection implements StreamHost {
  readonly socket: Socket
  sendWindow = defaultWindowBytes
  frameBytesMax = frameBytesMin
  readonly waiting = new Set<Http2Stream>()
  readonly #handler: ConnectionHandler
  readonly output: Output
  readonly #streams = new Map<number, Http2Stream>()
  /** Streams that were reset here while their request was under way: what still comes for them is no fault. */
  readonly #forgotten = new LastOnes(limits.grpcStreamsMax)
  readonly #blocks = new HeadBlocks()
  readonly #useless = new Allowance(limits.grpcResetsBurst, limits.grpcResetsPerSecond)
  /** The highest number that was dealt with, which a GOAWAY names; and that came. */
  #lastStream = 0
  #highestStream = 0
  /** The window of new streams that the client announced. */
  #streamWindow = defaultWindowBytes
  #receiveWindow: number = limits.grpcConnectionWindowBytes
  #mustEmptyTable = false
  /** The client has said that it speaks HTTP/2. */
  hasSettings = false
  /** We said that no more streams are taken. */
  #isLeaving = false
  #isOver = false
  /** Cuts a connection that is at its end if its client does not close it. */
  #cut: NodeJS.Timeout | undefined
  readonly #owed = new Owed()
  readonly #heads = new HeadReader()
  /** The frame with which the open header block begins. */
  #blockFrame = 0
  /** Of the DATA that is being read. */
  #hasBytes = false
  /** Told when the client answers a ping of ours. */
  #pinged: (() => void) | undefined

  readonly #frames: FrameReader = new FrameReader(this.#sink())
  /** Whose DATA is being read; undefined when it is thrown away. */
  #dataStream: Http2Stream | undefined

  constructor(socket: Socket, handler: ConnectionHandler) {
    this.socket = socket
    this.#handler = handler
    this.output = new Output(socket, () =>
      this.#break(new Broken(Http2Code.ENHANCE_YOUR_CALM, 'answers are not taken')),
    )
    socket.write(hello)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#isOver = true
      clearTimeout(this.#cut)
      for (const stream of [...this.#streams.values()]) stream.close()
      this.#handler.closed()
    })
  }

  get streamCount(): number {
    return this.#streams.size
  }

  /** Takes no more streams and tells the client so by GOAWAY; closes when those under way are at their end. */
  leave(): void {
    if (this.#isLeaving || this.#isOver) return
    this.#isLeaving = true
    this.push(makeGoAway(this.#lastStream, Http2Code.NO_ERROR))
    this.#endWhenIdle()
  }

  /** A look at the time, every now and then: what is sent drop by drop shall not keep a connection busy. */
  look(nowMs: number): void {
    if (this.#isOver || !this.#owed.isLate(nowMs)) return
    // Until its first SETTINGS it is not known to speak HTTP/2 at all.
    if (this.hasSettings) this.#break(new Broken(Http2Code.ENHANCE_YOUR_CALM, 'a frame came too slowly'))
    else this.socket.destroy()
  }

  /** Asks whether the client lives. */
  ping(answered: () => void): void {
    this.#pinged = answered
    this.push(ourPing)
  }

  push(frames: Buffer): void {
    if (!this.#isOver) this.output.push(frames)
  }

  headerPrefix(): Buffer {
    if (!this.#mustEmptyTable) return noPrefix
    this.#mustEmptyTable = false
    return NO_TABLE
  }

  closed(stream: Http2Stream): void {
    this.#streams.delete(stream.id)
    if (this.#dataStream === stream) this.#dataStream = undefined
    if (!stream.isRequestEnded) this.#forgotten.add(stream.id)
    if (this.#isLeaving) this.#endWhenIdle()
  }

  #endWhenIdle(): void {
    if (this.#streams.size > 0 || this.#isOver) return
    this.output.flush()
    this.socket.end()
    this.#cutLater()
  }

  #cutLater(): void {
    this.#cut ??= setTimeout(() => this.socket.destroy(), limits.unreadMsMax).unref()
  }

  #take(chunk: Buffer): void {
    if (this.#isOver) return
    try {
      this.#frames.read(chunk)
      const frame = this.#blocks.stream === 0 ? this.#frames.begun : this.#blockFrame
      this.#owed.note(this.hasSettings ? frame : 0)
    } catch (error) {
      if (error instanceof Broken) this.#break(error)
      else {
        this.#isOver = true
        this.#frames.isStopped = true
        this.#handler.failed(error)
        this.socket.destroy()
      }
    }
  }

  #break({ code, message: text }: Broken): void {
    if (this.#isOver) return
    this.output.push(makeGoAway(this.#lastStream, code, text))
    this.#isOver = true
    this.#frames.isStopped = true
    this.output.flush()
    this.#handler.broken(text)
    // What was answered leaves if the client takes it; it is not waited for.
    this.socket.destroySoon()
    this.#cutLater()
    for (const stream of [...this.#streams.values()]) stream.close()
  }

  /** What the reader of frames is told to do; apart, so that it is nobody else's to call. */
  #sink(): FrameSink {
    return {
      begin: () => this.#begin(),
      data: (chunk, from, to) => {
        const stream = this.#dataStream
        this.#hasBytes = true
        if (stream === undefined) return
        stream.receivedBytes += to - from
        stream.reader.data(chunk, from, to)
      },
      dataEnd: () => this.#dataEnd(),
      frame: (payload, from, to) => this.#frame(payload, from, to),
      malformed: (text) => {
        throw new Broken(Http2Code.PROTOCOL_ERROR, text)
      },
    }
  }

  #begin(): void {
    const { type, flags, id, length } = this.#frames
    checkFrameHead(type, id, length)
    if (!this.hasSettings && (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0)) {
      throw new Broken(Http2Code.PROTOCOL_ERROR, 'the first frame is not SETTINGS')
    }
    const { stream } = this.#blocks
    if (stream !== 0 && (type !== FrameType.CONTINUATION || id !== stream)) {
      throw new Broken(Http2Code.PROTOCOL_ERROR, 'a header block is interrupted')
    }
    if (type === FrameType.HEADERS) this.#blockFrame = this.#frames.count
    if (type === FrameType.DATA) this.#beginData(id, length)
  }

  // DATA (6.1)

  #beginData(id: number, length: number): void {
    if (this.#isIdle(id)) throw new Broken(Http2Code.PROTOCOL_ERROR, 'DATA for no stream')
    this.#receiveWindow -= length
    if (this.#receiveWindow < 0) {
      throw new Broken(Http2Code.FLOW_CONTROL_ERROR, 'more DATA than the window of the connection')
    }
    const window = limits.grpcConnectionWindowBytes
    if (this.#receiveWindow <= window / 2) {
      this.push(makeNumberFrame(FrameType.WINDOW_UPDATE, 0, window - this.#receiveWindow))
      this.#receiveWindow = window
    }
    this.#hasBytes = false
    this.#dataStream = this.#dataStreamOf(id, length)
  }

  get #endsStream(): boolean {
    return (this.#frames.flags & Flag.END_STREAM) !== 0
  }

  /** The stream that may have DATA; undefined when what comes is to be thrown away. */
  #dataStreamOf(id: number, length: number): Http2Stream | undefined {
    const stream = this.#streams.get(id)
    if (stream === undefined) {
      if (!this.#forgotten.has(id)) this.#rejectClosed(id)
      return undefined
    }
    if (stream.isRequestEnded) {
      this.#fault(stream, Http2Code.STREAM_CLOSED)
      return undefined
    }
    stream.receiveWindow -= length
    if (stream.receiveWindow < 0) {
      this.#fault(stream, Http2Code.FLOW_CONTROL_ERROR)
      return undefined
    }
    const window = limits.grpcStreamWindowBytes
    if (stream.receiveWindow <= window / 2 && !this.#endsStream) {
      this.push(makeNumberFrame(FrameType.WINDOW_UPDATE, id, window - stream.receiveWindow))
      stream.receiveWindow = window
    }
    return stream
  }

  #dataEnd(): void {
    const stream = this.#dataStream
    this.#dataStream = undefined
    if (!this.#endsStream) {
      // Padding is none.
      if (!this.#hasBytes) this.#allow('frames without a byte')
      return
    }
    if (stream === undefined) this.#forgotten.delete(this.#frames.id)
    else this.#endRequest(stream)
  }

  #endRequest(stream: Http2Stream): void {
    const { announcedBytes, receivedBytes } = stream
    if (announcedBytes !== undefined && announcedBytes !== receivedBytes)
      this.#fault(stream, Http2Code.PROTOCOL_ERROR)
    else stream.requestEnded()
  }

  // All other frames

  #frame(payload: Buffer, from: number, to: number): void {
    switch (this.#frames.type) {
      case FrameType.HEADERS:
        this.#headers(payload, from, to)
        break
      case FrameType.CONTINUATION:
        this.#continuation(payload, from, to)
        break
      case FrameType.RST_STREAM:
        this.#rstStream()
        break
      case FrameType.SETTINGS:
        this.#settings(payload, from, to)
        break
      case FrameType.PING:
        this.#ping(payload, from, to)
        break
      case FrameType.GOAWAY:
        // Streams of ours, which it would name, there are none: the client goes, once what it asked for is answered.
        this.leave()
        break
      case FrameType.WINDOW_UPDATE:
        this.#windowUpdate(payload, from)
        break
      case FrameType.PRIORITY:
        this.#priority()
        break
      default:
        // 5.5: what is not known is passed over.
        this.#allow('unknown frames')
    }
  }

  #headers(payload: Buffer, from: number, to: number): void {
    const { id, flags } = this.#frames
    const at = fragmentFrom(flags, from)
    const end = fragmentTo(payload, flags, from, to)
    if (at > end) throw new Broken(Http2Code.PROTOCOL_ERROR, 'HEADERS shorter than their padding')
    this.#blocks.begin(id, this.#endsStream)
    this.#block(payload, at, end)
  }

  #continuation(payload: Buffer, from: number, to: number): void {
    if (this.#blocks.stream === 0) throw new Broken(Http2Code.PROTOCOL_ERROR, 'CONTINUATION of nothing')
    this.#allow('CONTINUATION')
    this.#block(payload, from, to)
  }

  #block(payload: Buffer, from: number, to: number): void {
    if ((this.#frames.flags & Flag.END_HEADERS) === 0) {
      if (!this.#blocks.add(payload, from, to)) throw tooLong()
      return
    }
    const { stream: id, endsStream } = this.#blocks
    const result = this.#blocks.decode(payload, from, to)
    const { list } = this.#blocks
    if (result === undefined) throw tooLong()
    if (result === 'broken')
      throw new Broken(Http2Code.COMPRESSION_ERROR, 'header fields that cannot be read')
    const stream = this.#streams.get(id)
    if (stream !== undefined) this.#trailers(stream, endsStream && result === 'ok' && areTrailers(list))
    else if (this.#isIdle(id)) this.#open(id, endsStream, result === 'ok' ? list : undefined)
    else if (!this.#forgotten.has(id)) this.#rejectHeaders(id)
    else if (endsStream) this.#forgotten.delete(id)
    else this.#allow('HEADERS for streams that were reset')
  }

  #trailers(stream: Http2Stream, isWellFormed: boolean): void {
    if (stream.isRequestEnded) this.#fault(stream, Http2Code.STREAM_CLOSED)
    else if (isWellFormed) this.#endRequest(stream)
    else this.#fault(stream, Http2Code.PROTOCOL_ERROR)
  }

  /** `list`: undefined for a head that is too large. */
  #open(id: number, endsStream: boolean, list: readonly string[] | undefined): void {
    this.#highestStream = id
    // Behind a GOAWAY streams are passed over: the client knows that they were not processed (6.8).
    if (this.#isLeaving) return
    this.#lastStream = id
    if (this.#streams.size >= limits.grpcStreamsMax) {
      this.#refuse(id, Http2Code.REFUSED_STREAM, endsStream)
      return
    }
    const head = list === undefined ? undefined : this.#heads.read(list)
    if (list !== undefined && head === undefined) {
      this.#refuse(id, Http2Code.PROTOCOL_ERROR, endsStream)
      return
    }
    const stream = new Http2Stream(this, id, limits.grpcStreamWindowBytes, this.#streamWindow)
    // Whoever answers at once must know it.
    stream.isRequestEnded = endsStream
    this.#streams.set(id, stream)
    if (list === undefined || head === undefined) this.#handler.headTooLarge(stream)
    else {
      const length = head['content-length']
      if (length !== undefined) stream.announcedBytes = Number(length)
      this.#handler.open(stream, head, list)
    }
    if (endsStream && !stream.isClosed) this.#endRequest(stream)
  }

  #refuse(id: number, code: Http2Code, hasEnded: boolean): void {
    this.#allow('streams that are refused')
    this.push(makeNumberFrame(FrameType.RST_STREAM, id, code))
    if (!hasEnded) this.#forgotten.add(id)
  }

  #rejectClosed(id: number): void {
    if (this.#isLeaving && id > this.#lastStream) return
    this.#allow('frames for closed streams')
    this.push(makeNumberFrame(FrameType.RST_STREAM, id, Http2Code.STREAM_CLOSED))
  }

  /** Trailers behind the end of a request, or a number below one that was used (5.1.1). */
  #rejectHeaders(id: number): void {
    if (this.#isLeaving && id > this.#lastStream) return
    throw new Broken(Http2Code.STREAM_CLOSED, 'HEADERS for a closed stream')
  }

  #rstStream(): void {
    if (this.#isIdle(this.#frames.id)) throw new Broken(Http2Code.PROTOCOL_ERROR, 'RST_STREAM of no stream')
    this.#allow('streams that are reset')
    this.#streams.get(this.#frames.id)?.close()
    this.#forgotten.delete(this.#frames.id)
  }

  #settings(payload: Buffer, from: number, to: number): void {
    if ((this.#frames.flags & Flag.ACK) !== 0) {
      if (from !== to) throw new Broken(Http2Code.FRAME_SIZE_ERROR, 'an acknowledgement with SETTINGS')
      return
    }
    // Each may move the windows of all streams.
    this.#allow('SETTINGS')
    const { tableBytes, windowBytes, frameBytes } = readSettings(payload, from, to)
    this.hasSettings = true
    this.push(settingsAck)
    // Nothing is ever put into its table; a client that makes it smaller wants to be told so (RFC 7541, 4.2).
    if (tableBytes !== undefined && tableBytes < limits.headerTableBytes) this.#mustEmptyTable = true
    if (frameBytes !== undefined) this.frameBytesMax = Math.min(frameBytes, limits.grpcFrameBytesMax)
    if (windowBytes !== undefined) this.#moveWindows(windowBytes)
  }

  /** Of streams that are open as well (6.9.2). */
  #moveWindows(bytes: number): void {
    const grown = bytes - this.#streamWindow
    this.#streamWindow = bytes
    for (const stream of [...this.#streams.values()]) {
      if (stream.sendWindow + grown > windowBytesMax) {
        throw new Broken(Http2Code.FLOW_CONTROL_ERROR, 'the window of a stream is too large')
      }
      stream.sendWindow += grown
      if (grown > 0) stream.resume()
    }
  }

  #ping(payload: Buffer, from: number, to: number): void {
    if ((this.#frames.flags & Flag.ACK) === 0) {
      this.push(makeFrame(FrameType.PING, Flag.ACK, 0, payload.subarray(from, to)))
      return
    }
    this.#pinged?.()
    this.#pinged = undefined
  }

  #windowUpdate(payload: Buffer, from: number): void {
    const { id } = this.#frames
    if (id !== 0 && this.#isIdle(id)) throw new Broken(Http2Code.PROTOCOL_ERROR, 'WINDOW_UPDATE of no stream')
    const more = payload.readUInt32BE(from) & windowBytesMax
    if (id === 0) this.#growConnection(more)
    else this.#growStream(this.#streams.get(id), more)
  }

  #growConnection(more: number): void {
    if (more === 0) throw new Broken(Http2Code.PROTOCOL_ERROR, 'WINDOW_UPDATE by 0')
    this.sendWindow += more
    if (this.sendWindow > windowBytesMax)
      throw new Broken(Http2Code.FLOW_CONTROL_ERROR, 'the window is too large')
    // By turns: who has to wait again stands behind all others.
    for (const stream of this.waiting) {
      if (this.sendWindow <= 0) return
      this.waiting.delete(stream)
      stream.resume()
    }
  }

  #growStream(stream: Http2Stream | undefined, more: number): void {
    if (stream === undefined) return
    if (more === 0) this.#fault(stream, Http2Code.PROTOCOL_ERROR)
    else if (stream.sendWindow + more > windowBytesMax) this.#fault(stream, Http2Code.FLOW_CONTROL_ERROR)
    else {
      stream.sendWindow += more
      stream.resume()
    }
  }

  #priority(): void {
    this.#allow('PRIORITY')
    if (this.#frames.length === 5) return
    const stream = this.#streams.get(this.#frames.id)
    if (stream === undefined) throw new Broken(Http2Code.FRAME_SIZE_ERROR, 'PRIORITY is not of 5 bytes')
    stream.reset(Http2Code.FRAME_SIZE_ERROR)
  }

  /** Clients open streams with odd numbers that rise; one beyond the last was not opened yet. */
  #isIdle(id: number): boolean {
    return id > this.#highestStream || (id & 1) === 0
  }

  /** A stream error (5.4.2). What its request has begun goes on, so it counts as if the client had reset it. */
  #fault(stream: Http2Stream, code: Http2Code): void {
    stream.reset(code)
    this.#allow('streams that break the rules')
  }

  #allow(what: string): void {
    if (!this.#useless.take()) throw new Broken(Http2Code.ENHANCE_YOUR_CALM, `too many ${what}`)
  }
}

function tooLong(): Broken {
  return new Broken(Http2Code.ENHANCE_YOUR_CALM, 'a header block without an end')
}
