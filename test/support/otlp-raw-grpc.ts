/** gRPC calls written frame by frame on a bare HTTP/2 connection. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from 'node:http2'

/** How a call ended. */
export interface RawReply {
  /** `:status`; 0 when the stream ended without an answer. */
  readonly httpStatus: number
  /** -1 when there was none. */
  readonly grpcStatus: number
  readonly message: string
  /** `grpc-status-details-bin`. */
  readonly details: Buffer
  /** The response's message, without its prefix. */
  readonly body: Buffer
}

/** A message with its five bytes in front. */
export function framed(message: Uint8Array, isCompressed = false): Buffer {
  const prefix = Buffer.alloc(5)
  prefix[0] = isCompressed ? 1 : 0
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

type Headers = Readonly<Record<string, string | string[]>>

export class RawGrpc {
  readonly session: ClientHttp2Session

  private constructor(session: ClientHttp2Session) {
    this.session = session
    session.on('error', () => undefined)
  }

  static async connect(port: number): Promise<RawGrpc> {
    const session = connect(`http://127.0.0.1:${port}`)
    const grpc = new RawGrpc(session)
    await new Promise<void>((resolve) => {
      session.once('connect', () => resolve())
      session.once('close', resolve)
    })
    return grpc
  }

  /** Opens a call; the caller writes it. */
  open(path: string, headers: Headers = {}): ClientHttp2Stream {
    const stream = this.session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    })
    stream.on('error', () => undefined)
    return stream
  }

  /** One unary call with one message. */
  call(path: string, message: Uint8Array, headers: Headers = {}): Promise<RawReply> {
    const stream = this.open(path, headers)
    stream.end(framed(message, headers['grpc-encoding'] !== undefined))
    return replyOf(stream)
  }

  async close(): Promise<void> {
    if (this.session.destroyed) return
    await new Promise<void>((resolve) => {
      this.session.once('close', resolve)
      this.session.destroy()
    })
  }
}

/** Waits for the end of a call. Never rejects: without an answer both numbers say so. */
export function replyOf(stream: ClientHttp2Stream): Promise<RawReply> {
  return new Promise((resolve) => {
    let headers: IncomingHttpHeaders = {}
    let trailers: IncomingHttpHeaders = {}
    const chunks: Buffer[] = []
    stream.on('response', (received) => {
      headers = received
    })
    stream.on('trailers', (received) => {
      trailers = received
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('close', () => {
      const end = { ...headers, ...trailers }
      const details = Buffer.from(String(end['grpc-status-details-bin'] ?? ''), 'base64')
      const body = Buffer.concat(chunks).subarray(5)
      const message = decodeURIComponent(String(end['grpc-message'] ?? ''))
      const grpcStatus = Number(end['grpc-status'] ?? -1)
      resolve({ httpStatus: Number(headers[':status'] ?? 0), grpcStatus, message, details, body })
    })
  })
}
