/**
 * Unary gRPC calls over `node:http2` (gRPC over HTTP/2, "PROTOCOL-HTTP2.md"), with as little around them as there can be.
 * Lanes share a few connections.
 */
import { once } from 'node:events'
import {
  type ClientHttp2Session,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import type { Lane, LaneFailed } from './load-lane.ts'
import type { SpanEncoding } from './load-messages.ts'

const windowBytes = 1024 * 1024
/** MB that node:http2 lets one session hold: all requests under way, which its default of 10 would cut off. */
const sessionMegabytesMax = 1_000

export async function openSession(port: number, failed: LaneFailed): Promise<ClientHttp2Session> {
  const session = connect(`http://127.0.0.1:${port}`, {
    settings: { initialWindowSize: windowBytes },
    maxSessionMemory: sessionMegabytesMax,
  })
  session.on('error', (error: Error) => failed(error.message))
  session.on('goaway', (code) => failed(`the program said GOAWAY ${code}`))
  await once(session, 'connect')
  return session
}

/** Five bytes before a message: whether it is compressed, and its length. */
export function grpcFrame(message: Buffer, isCompressed: boolean): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(isCompressed ? 1 : 0)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

export class GrpcLane implements Lane {
  readonly #session: ClientHttp2Session
  readonly #headers: OutgoingHttpHeaders
  readonly #next: () => Buffer
  readonly #failed: LaneFailed
  #isClosed = false

  /** `next` gives a framed message, which must stay as it is until its call is answered. */
  constructor(
    session: ClientHttp2Session,
    path: string,
    encoding: SpanEncoding,
    next: () => Buffer,
    failed: LaneFailed,
  ) {
    this.#session = session
    this.#next = next
    this.#failed = failed
    this.#headers = {
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': 'grpc-bench/1.0',
      ...(encoding === 'identity' ? {} : { 'grpc-encoding': encoding }),
    }
  }

  send(answered: () => void): void {
    const stream = this.#session.request(this.#headers)
    let isAnswered = false
    const onTrailers = (headers: IncomingHttpHeaders): void => {
      if (headers['grpc-status'] !== '0') {
        this.#fail(`grpc-status ${headers['grpc-status']}: ${headers['grpc-message']}`)
        return
      }
      isAnswered = true
      answered()
    }
    stream.on('response', (headers) => {
      if (headers['grpc-status'] !== undefined) onTrailers(headers)
      else if (headers[':status'] !== 200) this.#fail(`status ${headers[':status']}`)
    })
    stream.on('trailers', onTrailers)
    stream.on('error', (error: Error) => this.#fail(error.message))
    stream.on('close', () => {
      if (!isAnswered) this.#fail(`a call ended without an answer (${stream.rstCode})`)
    })
    stream.resume()
    stream.end(this.#next())
  }

  close(): void {
    this.#isClosed = true
    this.#session.removeAllListeners('goaway').removeAllListeners('error')
    this.#session.on('error', () => undefined).destroy()
  }

  #fail(text: string): void {
    if (!this.#isClosed) this.#failed(text)
  }
}
