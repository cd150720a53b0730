/**
 * The gRPC listener, on HTTP/2 of our own (docs/adr/0021-http2-of-our-own.md). It knows connections, streams and limits;
 * what a message means is the receivers'. Plain text only (h2c, by prior knowledge).
 */
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { GuidepostError, permanent, reasonOf, retryable } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { Shares } from '../../route/shares.ts'
import { overloaded } from '../body.ts'
import { Http2Connection } from '../http2/connection.ts'
import type { ConnectionHandler } from '../http2/connection-handler.ts'
import type { RequestHead } from '../http2/head.ts'
import { encodeHeaders } from '../http2/hpack.ts'
import type { Http2Stream } from '../http2/stream.ts'
import { listenOn } from '../listen.ts'
import { callBytes, codingOf, headTooLarge, type NotGrpc, notGrpcAnswer, timeoutMsOf } from './call-start.ts'
import { type CallHost, type Connection, type Exchange, endWithError } from './exchange.ts'
import { healthMethods } from './health.ts'
import type { GrpcMethod, GrpcServices, StreamMethod } from './method.ts'
import { reflectionMethods } from './reflection.ts'
import { StreamingCall } from './streaming.ts'
import { UnaryCall } from './unary.ts'

export interface GrpcListenerOptions extends GrpcServices {
  readonly host: string
  readonly port: number
  /** The block of the configuration that has host and port, for messages. */
  readonly block: string
  readonly guid: string | undefined
  readonly connections: number
  readonly requestMs: number
  /** Milliseconds after which a connection that says nothing is asked, or told to leave; unless said, `limits.idleMsMax`. */
  readonly idleMs?: number
  /** Bytes of a message, as it comes and inflated. */
  readonly messageBytes: number
  readonly shares: Shares
  /** For the health service. */
  readonly isServing: () => boolean
  /** A call was refused here, before any method saw it, or after `admit` and before `handle`; `error` is what it was told. */
  readonly refused: (reason: string, error?: GuidepostError, peer?: string) => void
  /** Something broke that no sender can be blamed for. */
  readonly failed: (error: unknown) => void
}

let connections = 0

export class GrpcListener {
  readonly #options: GrpcListenerOptions
  readonly #host: CallHost
  readonly #methods: ReadonlyMap<string, GrpcMethod>
  readonly #streams: ReadonlyMap<string, StreamMethod>
  /** One, or two where `localhost` has an IPv6 address as well. */
  readonly #servers: Server[] = []
  readonly #connected = new Set<Http2Connection>()
  readonly #calls = new Set<Exchange>()
  /** Settles when a drain has seen the last call. */
  readonly #idle = Promise.withResolvers<void>()
  #connections: number
  #check: NodeJS.Timeout | undefined
  #draining = false

  constructor(options: GrpcListenerOptions) {
    this.#options = options
    this.#connections = options.connections
    this.#host = {
      guid: options.guid,
      messageBytes: options.messageBytes,
      requestMs: options.requestMs,
      calls: this.#calls,
      refused: options.refused,
      failed: options.failed,
      ended: () => {
        if (this.#draining && this.#calls.size === 0) this.#idle.resolve()
      },
    }
    this.#methods = new Map(options.methods.map((method) => [method.path, method]))
    const { services, isServing } = options
    const streams = [...healthMethods(services, isServing), ...reflectionMethods(services)]
    this.#streams = new Map(streams.map((method) => [method.path, method]))
  }

  /** Begins to listen; the port that was got. Rejects with GP_PORT_TAKEN, or GP_CONFIG when the host cannot be used. */
  async listen(): Promise<number> {
    const port = await listenOn(
      this.#options,
      () => this.#server(),
      (server) => this.#servers.push(server),
    )
    this.#check = setInterval(() => this.#look(), limits.grpcCheckMs).unref()
    return port
  }

  /** Applies to connections and calls from now on. */
  reload(settings: {
    readonly connections: number
    readonly requestMs: number
    readonly messageBytes: number
  }): void {
    this.#connections = settings.connections
    for (const server of this.#servers) server.maxConnections = settings.connections
    this.#host.requestMs = settings.requestMs
    this.#host.messageBytes = settings.messageBytes
  }

  /**
   * Accepts no more connections, tells each client to go elsewhere (GOAWAY), and waits for the calls under way. A call
   * that was on its way and came behind the GOAWAY was not processed, and the client knows it by the stream's number:
   * gRPC's clients repeat it by themselves.
   */
  async drain(): Promise<void> {
    this.#draining = true
    const servers = this.#servers.filter((server) => server.listening)
    const closed = Promise.all(servers.map((server) => once(server, 'close')))
    for (const server of servers) server.close()
    for (const connection of this.#connected) connection.leave()
    for (const call of this.#calls) call.drain()
    if (this.#calls.size > 0) await this.#idle.promise
    // What is left are connections whose clients do not close their side.
    const timer = setTimeout(() => this.destroy(), limits.unreadMsMax)
    await closed
    clearTimeout(timer)
    clearInterval(this.#check)
  }

  /** Cuts what is left. */
  destroy(): void {
    clearInterval(this.#check)
    for (const { socket } of this.#connected) socket.destroy()
  }

  #server(): Server {
    const server: Server & { dropMaxConnection?: boolean } = createServer({ noDelay: true }, (socket) =>
      this.#begin(socket),
    )
    server.maxConnections = this.#connections
    // Without it, workers that are all full would hand a connection to each other for ever.
    server.dropMaxConnection = true
    server.on('drop', () => this.#options.refused('connections'))
    return server
  }

  #begin(socket: Socket): void {
    const peer = socket.remoteAddress ?? ''
    const link = this.#options.shares.connect(peer)
    const connection: Connection = { link, number: ++connections, peer, services: 0 }
    const handler: ConnectionHandler = {
      open: (stream, head, list) => this.#open(connection, stream, head, list),
      headTooLarge: (stream) => this.#answer(stream, headTooLarge),
      broken: () => this.#options.refused('http'),
      failed: (error) => this.#options.failed(error),
      closed: () => {
        this.#connected.delete(connected)
        link.end()
      },
    }
    const connected = new Http2Connection(socket, handler)
    this.#connected.add(connected)
    if (this.#draining) connected.leave()
    // A callback of setTimeout would be told once.
    socket.setTimeout(this.#options.idleMs ?? limits.idleMsMax)
    socket.on('timeout', () => this.#ask(connected))
  }

  /** Nothing came for a while: a connection in use is asked whether its client lives, another one is closed. */
  #ask(connection: Http2Connection): void {
    const { socket } = connection
    if (connection.streamCount === 0) connection.leave()
    const timer = setTimeout(() => socket.destroy(), limits.unreadMsMax).unref()
    socket.once('close', () => clearTimeout(timer))
    connection.ping(() => clearTimeout(timer))
  }

  #look(): void {
    const nowMs = performance.now()
    for (const call of this.#calls) call.look(nowMs)
    for (const connection of this.#connected) connection.look(nowMs)
  }

  #open(
    connection: Connection,
    stream: Http2Stream,
    headers: RequestHead,
    rawHeaders: readonly string[],
  ): void {
    const other = notGrpcAnswer(headers)
    if (other !== undefined) {
      this.#answer(stream, other)
      return
    }
    const path = headers[':path']
    const coding = codingOf(headers)
    if (coding instanceof GuidepostError) {
      this.#refuse(connection, stream, coding)
      return
    }
    const timeoutMs = timeoutMsOf(headers)
    if (timeoutMs instanceof GuidepostError) {
      this.#refuse(connection, stream, timeoutMs)
      return
    }
    if (this.#draining) {
      this.#refuse(connection, stream, retryable('GP_DRAINING', 'the gateway is stopping; try again'))
      return
    }
    const method = this.#methods.get(path) ?? this.#streams.get(path)
    if (method !== undefined) {
      const { shares, receiver } = this.#options
      const claim = shares.open(connection.link, receiver, connection.number)
      const chargedBytes = callBytes(rawHeaders)
      if (!claim.take(chargedBytes)) {
        this.#refuse(connection, stream, overloaded(claim, chargedBytes))
        return
      }
      const start = { stream, connection, path, coding, timeoutMs, rawHeaders, claim, chargedBytes }
      if ('handle' in method) new UnaryCall(this.#host, start, method).open()
      else new StreamingCall(this.#host, start).open(method)
      return
    }
    const reason = this.#options.unimplemented.get(path) ?? this.#unknown(path)
    this.#refuse(connection, stream, permanent('GP_PATH', reason))
  }

  #unknown(path: string): string {
    return `there is no method ${path.slice(0, SHOWN_PATH)}; there is ${[...this.#methods.keys()].join(', ')}`
  }

  #refuse({ peer }: Connection, stream: Http2Stream, error: GuidepostError): void {
    this.#options.refused(reasonOf(error), error, peer)
    endWithError(stream, error)
  }

  /** In HTTP's own terms. */
  #answer(stream: Http2Stream, { status, reason, headers }: NotGrpc): void {
    this.#options.refused(reason)
    stream.respondOnly(encodeHeaders([':status', String(status), ...Object.entries(headers).flat()]))
    stream.stopReading()
  }
}

const SHOWN_PATH = 200
