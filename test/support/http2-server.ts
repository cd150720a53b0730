/** The server's end of HTTP/2 under test, with a handler that keeps what comes: on a socket of memory, or on a port. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { Http2Connection } from '../../src/transport/http2/connection.ts'
import type { ConnectionHandler } from '../../src/transport/http2/connection-handler.ts'
import { preface } from '../../src/transport/http2/frames.ts'
import { encodeHeaders } from '../../src/transport/http2/hpack.ts'
import type { Http2Stream } from '../../src/transport/http2/stream.ts'
import { Frame, frame } from './grpc-raw.ts'

export const okBlock = encodeHeaders([':status', '200'])
export const endBlock = encodeHeaders(['grpc-status', '0'])

/** One request, as its reader saw it. */
export interface SeenRequest {
  readonly stream: Http2Stream
  /** Names and values in turn. */
  readonly list: readonly string[]
  readonly body: Buffer[]
  hasEnded: boolean
  drained: number
  /** How often its reader was told so; never but once. */
  closed: number
}

export interface Seen {
  readonly requests: SeenRequest[]
  readonly broken: string[]
  readonly failed: unknown[]
  headsTooLarge: number
  closed: number
}

/** The answer that a request gets at its end unless a test says otherwise: a head, a body, trailers. */
export function answer({ stream }: SeenRequest, body = 'hello'): void {
  stream.respond(okBlock)
  stream.write(Buffer.from(body))
  stream.end(endBlock)
}

/** `ended`: what is done with a request at its end. */
export function seeing(ended = (request: SeenRequest): void => answer(request)): {
  seen: Seen
  handler: ConnectionHandler
} {
  const seen: Seen = { requests: [], broken: [], failed: [], headsTooLarge: 0, closed: 0 }
  const handler: ConnectionHandler = {
    open: (stream, _head, list) => {
      const request: SeenRequest = { stream, list, body: [], hasEnded: false, drained: 0, closed: 0 }
      seen.requests.push(request)
      stream.reader = {
        data: (chunk, from, to) => request.body.push(chunk.subarray(from, to)),
        ended: () => {
          request.hasEnded = true
          ended(request)
        },
        drained: () => request.drained++,
        closed: () => request.closed++,
      }
    },
    headTooLarge: (stream) => {
      seen.headsTooLarge++
      stream.respondOnly(encodeHeaders([':status', '431']))
      stream.stopReading()
    },
    broken: (text) => seen.broken.push(text),
    failed: (error) => seen.failed.push(error),
    closed: () => seen.closed++,
  }
  return { seen, handler }
}

/** A socket without a network: the test says what comes and when, and sees what was written; `wrote` is told at once. */
class MemorySocket extends Duplex {
  readonly written: Buffer[] = []
  /** Nothing more leaves. */
  isStalled = false
  #held: (() => void) | undefined

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written.push(chunk)
    this.emit('wrote', chunk)
    if (this.isStalled) this.#held = done
    else done()
  }

  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => this.destroy())
  }

  go(): void {
    this.isStalled = false
    this.#held?.()
  }
}

export interface SeenFrame {
  readonly type: number
  readonly flags: number
  readonly id: number
  readonly payload: Buffer
}

/** A connection on a socket of memory. */
export class MemoryConnection {
  readonly socket = new MemorySocket()
  readonly connection: Http2Connection
  readonly seen: Seen

  /** Says hello with these settings, or nothing. */
  constructor(ended?: (request: SeenRequest) => void, settings: Buffer | 'nothing' = Buffer.alloc(0)) {
    const { seen, handler } = seeing(ended)
    this.seen = seen
    this.connection = new Http2Connection(this.socket as unknown as Socket, handler)
    if (settings !== 'nothing') this.take(helloOf(settings))
  }

  /** Brings bytes, in one piece. */
  take(...parts: readonly Buffer[]): void {
    this.socket.emit('data', Buffer.concat(parts))
  }

  /** Lets everything leave that is written; the frames that are new since the last time. */
  async frames(): Promise<SeenFrame[]> {
    for (let i = 0; i < 4; i++) await turn()
    return parseFrames(Buffer.concat(this.socket.written.splice(0)))
  }

  /** The same without SETTINGS and the windows. */
  async answers(): Promise<SeenFrame[]> {
    const frames = await this.frames()
    return frames.filter(({ type }) => type !== Frame.SETTINGS && type !== Frame.WINDOW_UPDATE)
  }

  async close(): Promise<void> {
    this.socket.destroy()
    for (let i = 0; i < 4; i++) await turn()
  }
}

export function helloOf(settings: Buffer): Buffer {
  return Buffer.concat([preface, frame(Frame.SETTINGS, 0, 0, settings)])
}

export function parseFrames(bytes: Buffer): SeenFrame[] {
  const frames: SeenFrame[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 9 + bytes.readUIntBE(at, 3)
    if (end > bytes.length) throw new Error(`a frame is cut off: ${bytes.subarray(at).toString('hex')}`)
    const id = bytes.readUInt32BE(at + 5)
    frames.push({ type: bytes[at + 3]!, flags: bytes[at + 4]!, id, payload: bytes.subarray(at + 9, end) })
    at = end
  }
  return frames
}

/** SETTINGS from numbers and values in turn. */
export function settingsOf(...pairs: readonly (readonly [number: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6)
  for (const [i, [number, value]] of pairs.entries()) {
    payload.writeUInt16BE(number, i * 6)
    payload.writeUInt32BE(value, i * 6 + 2)
  }
  return payload
}

/** The payload of RST_STREAM, WINDOW_UPDATE. */
export function numberOf(value: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(value)
  return payload
}

/** The same on a port of its own, for clients of others. */
export class Http2TestServer {
  readonly seen: Seen
  readonly #handler: ConnectionHandler
  readonly #sockets = new Set<Socket>()
  readonly #server = createServer({ noDelay: true }, (socket) => {
    this.#sockets.add(socket)
    new Http2Connection(socket, this.#handler)
  })

  constructor(ended?: (request: SeenRequest) => void) {
    const { seen, handler } = seeing(ended)
    this.seen = seen
    this.#handler = handler
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }
}
