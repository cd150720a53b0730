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
import { FrameReader, type FrameSink } from './frame-reader.ts'
import {
  defaultWindowBytes,
  Flag,
  FrameType,
  frameBytesMin,
  Http2Code,
  makeFrame,
  makeGoAway,
  makeNumberFrame,
  makeSettings,
  Setting,
  windowBytesMax,
} from './frames.ts'
import { areTrailers, type RequestHead, readHead } from './head.ts'
import { blockBytesMax, HeadBlocks } from './head-blocks.ts'
import { NO_TABLE } from './hpack.ts'
import { LastOnes } from './last-ones.ts'
import { Output } from './output.ts'
import { Http2Stream, type StreamHost } from './stream.ts'

export interface ConnectionHandler {
  /** A request. `list`: its names and values in turn. To be given a reader before this returns, or an answer. */
  open(stream: Http2Stream, head: RequestHead, list: readonly string[]): void
  /** A request whose head is larger than `limits.headerBytesMax`, to be answered. */
  headTooLarge(stream: Http2Stream): void
  /** The client broke the protocol, and the connection is being closed. */
  broken(text: string): void
  /** Something of ours broke; the connection is cut. */
  failed(error: unknown): void
  /** Once, when its last stream is gone and the socket is closed. */
  closed(): void
}

const ourSettings = makeSettings(
  [Setting.MAX_CONCURRENT_STREAMS, limits.grpcStreamsMax],
  [Setting.INITIAL_WINDOW_SIZE, limits.grpcStreamWindowBytes],
  [Setting.MAX_FRAME_SIZE, limits.grpcFrameBytesMax],
  [Setting.MAX_HEADER_LIST_SIZE, limits.headerBytesMax],
)
const settingsAck = makeFrame(FrameType.SETTINGS, Flag.ACK, 0)
const ourPing = makeFrame(FrameType.PING, 0, 0, Buffer.from('alive?  '))
const noPrefix = Buffer.alloc(0)

export class Http2Connection implements StreamHost {
  readonly socket: Socket
  sendWindow = defaultWindowBytes
  frameBytesMax = frameBytesMin
  readonly waiting = new Set<Http2Stream>()
  readonly #handler: ConnectionHandler
  readonly #output: Output
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
  /** The client said that it goes, once what it asked for is answered. */
  #isGoodbye = false
  #isOver = false
  /** Told when the client answers a ping of ours. */
  #pinged: (() => void) | undefined

  readonly #frames: FrameReader = new FrameReader(this.#sink())
  /** Whose DATA is being read; undefined when it is thrown away. */
  #dataStream: Http2Stream | undefined

  constructor(socket: Socket, handler: ConnectionHandler) {
    this.socket = socket
    this.#handler = handler
    this.#output = new Output(socket, () =>
      this.#break(new Broken(Http2Code.ENHANCE_YOUR_CALM, 'answers are not taken')),
    )
    const grow = limits.grpcConnectionWindowBytes - defaultWindowBytes
    socket.write(Buffer.concat([ourSettings, makeNumberFrame(FrameType.WINDOW_UPDATE, 0, grow)]))
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#isOver = true
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

  /** Asks whether the client lives. */
  ping(answered: () => void): void {
    this.#pinged = answered
    this.push(ourPing)
  }

  push(frames: Buffer): void {
    if (!this.#isOver) this.#output.push(frames)
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
    if (this.#isLeaving || this.#isGoodbye) this.#endWhenIdle()
  }

  #endWhenIdle(): void {
    if (this.#streams.size > 0 || this.#isOver) return
    this.#output.flush()
    this.socket.end()
  }

  #take(chunk: Buffer): void {
    if (this.#isOver) return
    try {
      this.#frames.read(chunk)
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
    this.#output.push(makeGoAway(this.#lastStream, code, text))
    this.#isOver = true
    this.#frames.isStopped = true
    this.#output.flush()
    this.#handler.broken(text)
    // What was answered leaves if the client takes it; it is not waited for.
    this.socket.destroySoon()
    setTimeout(() => this.socket.destroy(), limits.unreadMsMax).unref()
    for (const stream of [...this.#streams.values()]) stream.close()
  }

  /** What the reader of frames is told to do; apart, so that it is nobody else's to call. */
  #sink(): FrameSink {
    return {
      begin: () => this.#begin(),
      data: (chunk) => {
        const stream = this.#dataStream
        if (stream === undefined) return
        stream.receivedBytes += chunk.length
        stream.reader.data(chunk)
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
    if (length > (type === FrameType.DATA ? limits.grpcFrameBytesMax : blockBytesMax)) {
      throw new Broken(Http2Code.FRAME_SIZE_ERROR, 'a frame is too large')
    }
    if (!this.hasSettings && (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0)) {
      throw new Broken(Http2Code.PROTOCOL_ERROR, 'the first frame is not SETTINGS')
    }
    const { stream } = this.#blocks
    if (stream !== 0 && (type !== FrameType.CONTINUATION || id !== stream)) {
      throw new Broken(Http2Code.PROTOCOL_ERROR, 'a header block is interrupted')
    }
    if (type === FrameType.DATA) this.#beginData(id, length)
  }

  // DATA (6.1)

  #beginData(id: number, length: number): void {
    if (id === 0 || this.#isIdle(id)) throw new Broken(Http2Code.PROTOCOL_ERROR, 'DATA for no stream')
    this.#receiveWindow -= length
    if (this.#receiveWindow < 0) {
      throw new Broken(Http2Code.FLOW_CONTROL_ERROR, 'more DATA than the window of the connection')
    }
    const window = limits.grpcConnectionWindowBytes
    if (this.#receiveWindow <= window / 2) {
      this.push(makeNumberFrame(FrameType.WINDOW_UPDATE, 0, window - this.#receiveWindow))
      this.#receiveWindow = window
    }
    this.#dataStream = this.#dataStreamOf(id, length)
    if (length === 0 && !this.#endsStream) this.#allow('frames without a byte')
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
      stream.reset(Http2Code.STREAM_CLOSED)
      return undefined
    }
    stream.receiveWindow -= length
    if (stream.receiveWindow < 0) {
      stream.reset(Http2Code.FLOW_CONTROL_ERROR)
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
    if (!this.#endsStream) return
    if (stream === undefined) this.#forgotten.delete(this.#frames.id)
    else this.#endRequest(stream)
  }

  #endRequest(stream: Http2Stream): void {
    const { announcedBytes, receivedBytes } = stream
    if (announcedBytes !== undefined && announcedBytes !== receivedBytes)
      stream.reset(Http2Code.PROTOCOL_ERROR)
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
        this.#goAway()
        break
      case FrameType.WINDOW_UPDATE:
        this.#windowUpdate(payload, from)
        break
      case FrameType.PRIORITY:
        this.#priority()
        break
      case FrameType.PUSH_PROMISE:
        throw new Broken(Http2Code.PROTOCOL_ERROR, 'PUSH_PROMISE from a client')
      default:
        // 5.5: what is not known is passed over.
        this.#allow('unknown frames')
    }
  }

  #headers(payload: Buffer, from: number, to: number): void {
    const { id } = this.#frames
    if ((id & 1) === 0)
      throw new Broken(Http2Code.PROTOCOL_ERROR, 'HEADERS for a stream that no client opens')
    let at = from
    let end = to
    if ((this.#frames.flags & Flag.PADDED) !== 0) end -= at < end ? payload[at++]! : 1
    if ((this.#frames.flags & Flag.PRIORITY) !== 0) at += 5
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
      if (!this.#blocks.add(payload, from, to)) {
        throw new Broken(Http2Code.ENHANCE_YOUR_CALM, 'a header block without an end')
      }
      return
    }
    const { stream: id, endsStream } = this.#blocks
    const list: string[] = []
    const result = this.#blocks.decode(payload, from, to, list)
    if (result === 'broken')
      throw new Broken(Http2Code.COMPRESSION_ERROR, 'header fields that cannot be read')
    const stream = this.#streams.get(id)
    if (stream !== undefined) this.#trailers(stream, endsStream && result === 'ok' && areTrailers(list))
    else if (this.#isIdle(id)) this.#open(id, endsStream, result === 'ok' ? list : undefined)
    else if (!this.#forgotten.has(id)) this.#rejectHeaders(id)
    else if (endsStream) this.#forgotten.delete(id)
  }

  #trailers(stream: Http2Stream, isWellFormed: boolean): void {
    if (stream.isRequestEnded) stream.reset(Http2Code.STREAM_CLOSED)
    else if (isWellFormed) this.#endRequest(stream)
    else stream.reset(Http2Code.PROTOCOL_ERROR)
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
    const head = list === undefined ? undefined : readHead(list)
    if (list !== undefined && head === undefined) {
      this.#refuse(id, Http2Code.PROTOCOL_ERROR, endsStream)
      return
    }
    const stream = new Http2Stream(this, id, limits.grpcStreamWindowBytes, this.#streamWindow)
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
    if (this.#frames.length !== 4)
      throw new Broken(Http2Code.FRAME_SIZE_ERROR, 'RST_STREAM is not of 4 bytes')
    if (this.#frames.id === 0 || this.#isIdle(this.#frames.id))
      throw new Broken(Http2Code.PROTOCOL_ERROR, 'RST_STREAM of no stream')
    this.#allow('streams that are reset')
    this.#streams.get(this.#frames.id)?.close()
    this.#forgotten.delete(this.#frames.id)
  }

  #settings(payload: Buffer, from: number, to: number): void {
    const { id, flags } = this.#frames
    if (id !== 0) throw new Broken(Http2Code.PROTOCOL_ERROR, 'SETTINGS of a stream')
    if ((flags & Flag.ACK) !== 0) {
      if (from !== to) throw new Broken(Http2Code.FRAME_SIZE_ERROR, 'an acknowledgement with SETTINGS')
      return
    }
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
    if (this.#frames.id !== 0) throw new Broken(Http2Code.PROTOCOL_ERROR, 'PING of a stream')
    if (to - from !== 8) throw new Broken(Http2Code.FRAME_SIZE_ERROR, 'PING is not of 8 bytes')
    if ((this.#frames.flags & Flag.ACK) === 0) {
      this.push(makeFrame(FrameType.PING, Flag.ACK, 0, payload.subarray(from, to)))
      return
    }
    this.#pinged?.()
    this.#pinged = undefined
  }

  /** What it names are streams of ours that it has seen, and there are none. */
  #goAway(): void {
    const { id, length } = this.#frames
    if (id !== 0) throw new Broken(Http2Code.PROTOCOL_ERROR, 'GOAWAY of a stream')
    if (length < 8) throw new Broken(Http2Code.FRAME_SIZE_ERROR, 'GOAWAY is shorter than 8 bytes')
    this.#isGoodbye = true
    this.#endWhenIdle()
  }

  #windowUpdate(payload: Buffer, from: number): void {
    if (this.#frames.length !== 4)
      throw new Broken(Http2Code.FRAME_SIZE_ERROR, 'WINDOW_UPDATE is not of 4 bytes')
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
    if (this.waiting.size === 0) return
    const waiting = [...this.waiting]
    this.waiting.clear()
    for (const stream of waiting) stream.resume()
  }

  #growStream(stream: Http2Stream | undefined, more: number): void {
    if (stream === undefined) return
    if (more === 0) stream.reset(Http2Code.PROTOCOL_ERROR)
    else if (stream.sendWindow + more > windowBytesMax) stream.reset(Http2Code.FLOW_CONTROL_ERROR)
    else {
      stream.sendWindow += more
      stream.resume()
    }
  }

  #priority(): void {
    if (this.#frames.id === 0) throw new Broken(Http2Code.PROTOCOL_ERROR, 'PRIORITY of no stream')
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

  #allow(what: string): void {
    if (!this.#useless.take()) throw new Broken(Http2Code.ENHANCE_YOUR_CALM, `too many ${what}`)
  }
}
