/**
 * Callers without manners: a node:http2 client that writes any bytes into a call, and a bare socket that writes any frames.
 *
 * Frames: RFC 9113, 4.1: three bytes of length, type, flags, four bytes of stream. Headers: RFC 7541, 6.2.2, literal
 * fields without indexing, names and values as they are.
 */
import { once } from 'node:events'
import * as http2 from 'node:http2'
import { connect as connectSocket, type Socket } from 'node:net'
import { PATH } from './grpc-fixture.ts'
import { until } from './until.ts'

const WAIT_MS = 10_000

export const callHeaders = {
  ':method': 'POST',
  ':scheme': 'http',
  ':path': PATH,
  ':authority': 'localhost',
  'content-type': 'application/grpc',
  te: 'trailers',
}

/** A message behind its five bytes; both may lie. */
export function prefixed(message: Buffer, { flag = 0, length = message.length } = {}): Buffer {
  const prefix = Buffer.alloc(5)
  prefix[0] = flag
  prefix.writeUInt32BE(length, 1)
  return Buffer.concat([prefix, message])
}

export interface RawReply {
  readonly httpStatus: number
  /** `grpc-status`, NaN without one. */
  readonly status: number
  readonly message: string
  readonly headers: http2.IncomingHttpHeaders
  readonly body: Buffer
  readonly rstCode: number
}

/** A client of node:http2 on a connection of its own. */
export class RawCaller {
  readonly session: http2.ClientHttp2Session

  constructor(port: number) {
    this.session = http2.connect(`http://127.0.0.1:${port}`)
    this.session.on('error', () => undefined)
  }

  /** Opens a call; the caller writes to it and ends it. */
  open(
    headers: http2.OutgoingHttpHeaders = {},
    endStream = false,
  ): { stream: http2.ClientHttp2Stream; reply: Promise<RawReply> } {
    const stream = this.session.request({ ...callHeaders, ...headers }, { endStream })
    return { stream, reply: replyOf(stream) }
  }

  /** Sends one call, in these pieces, and ends it. */
  async call(pieces: readonly Buffer[], headers: http2.OutgoingHttpHeaders = {}): Promise<RawReply> {
    const { stream, reply } = this.open(headers)
    for (const piece of pieces) stream.write(piece)
    stream.end()
    return reply
  }

  close(): void {
    this.session.destroy()
  }
}

function replyOf(stream: http2.ClientHttp2Stream): Promise<RawReply> {
  return new Promise((resolve) => {
    let headers: http2.IncomingHttpHeaders = {}
    const body: Buffer[] = []
    const add = (more: http2.IncomingHttpHeaders): void => {
      headers = { ...headers, ...more }
    }
    stream.on('response', add)
    stream.on('trailers', add)
    stream.on('data', (chunk: Buffer) => body.push(chunk))
    stream.on('error', () => undefined)
    stream.on('close', () =>
      resolve({
        httpStatus: Number(headers[':status']),
        status: Number(headers['grpc-status'] ?? Number.NaN),
        message: decodeURIComponent(String(headers['grpc-message'] ?? '')),
        headers,
        body: Buffer.concat(body),
        rstCode: stream.rstCode ?? 0,
      }),
    )
  })
}

export const Frame = {
  DATA: 0,
  HEADERS: 1,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const

export const ACK = 1
export const END_STREAM = 1
export const END_HEADERS = 4

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** Header fields as a block. Each name and value is below 16 KiB. */
export function headerBlock(headers: Readonly<Record<string, string>> = callHeaders): Buffer {
  const text = (value: string): Buffer => {
    const { length } = value
    const prefix = length < 127 ? [length] : [127, ((length - 127) & 127) | 128, (length - 127) >> 7]
    return Buffer.concat([Buffer.from(prefix), Buffer.from(value)])
  }
  return Buffer.concat(
    Object.entries(headers).flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]),
  )
}

/** A socket that has said hello in HTTP/2, and then says what it likes. What comes is counted and thrown away. */
export class RawSocket {
  readonly socket: Socket
  received = 0
  isClosed = false

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk) => {
      this.received += chunk.length
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.isClosed = true
    })
  }

  static async connect(port: number, { settings = Buffer.alloc(0), reads = true } = {}): Promise<RawSocket> {
    const socket = connectSocket(port, '127.0.0.1')
    await once(socket, 'connect')
    const raw = new RawSocket(socket)
    if (!reads) socket.pause()
    raw.write(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(Frame.SETTINGS, 0, 0, settings))
    return raw
  }

  write(...frames: readonly Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames))
  }

  /** Writes the same until the other end has had enough, or so many times. True when it had enough. */
  async flood(times: number, make: (i: number) => Buffer): Promise<boolean> {
    for (let i = 0; i < times && !this.isClosed; i++) {
      if (this.socket.destroyed || this.socket.write(make(i))) continue
      const { promise, resolve } = Promise.withResolvers<void>()
      this.socket.once('drain', resolve).once('close', resolve)
      await promise
      this.socket.off('drain', resolve).off('close', resolve)
    }
    return this.isClosed
  }

  async closed(): Promise<void> {
    await until('the other end closes', WAIT_MS, () => this.isClosed)
  }

  close(): void {
    this.socket.destroy()
  }
}
