/**
 * The gRPC listener, on node:http2 itself (docs/adr/0007-grpc-on-http2.md). It knows connections, streams and limits;
 * what a message means is the receivers'. Plain text only (h2c, by prior knowledge).
 */
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { GuidepostError, permanent, reasonOf, retryable } from '../../errors.ts'
import { limits, MiB } from '../../limits.ts'
import type { Shares } from '../../route/shares.ts'
import { overloaded } from '../body.ts'
import { listenError } from '../listen-error.ts'
import { callBytes, codingOf, notGrpcAnswer, timeoutMsOf } from './call-start.ts'
import { type CallHost, type Connection, type Exchange, endWithError, stopReading } from './exchange.ts'
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

const connectionKey = Symbol('connection')
type KnownSession = ServerHttp2Session & { [connectionKey]?: Connection }
let connections = 0

export class GrpcListener {
  readonly #options: GrpcListenerOptions
  readonly #host: CallHost
  readonly #methods: ReadonlyMap<string, GrpcMethod>
  readonly #streams: ReadonlyMap<string, StreamMethod>
  /** One, or two where `localhost` has an IPv6 address as well. */
  readonly #servers: Http2Server[] = []
  readonly #sockets = new Set<Socket>()
  readonly #calls = new Set<Exchange>()
  /** Settles when a drain has seen the last call. */
  readonly #idle = Promise.withResolvers<void>()
  #arrived: Socket | undefined
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
    const { host, block } = this.#options
    let { port } = this.#options
    try {
      for (const address of await addressesOf(host)) port = await this.#listen(address, port)
    } catch (error) {
      throw listenError(error as NodeJS.ErrnoException, host, port, block)
    }
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
   *
   * A GOAWAY in two steps, as other servers do it, is not to be had from node: behind any GOAWAY, nghttp2 passes over new
   * streams, whatever number was named, and a client that was promised they would be served would wait in vain.
   */
  async drain(): Promise<void> {
    this.#draining = true
    const closed = Promise.all(this.#servers.map((server) => once(server, 'close')))
    for (const server of this.#servers) server.close()
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
    for (const socket of this.#sockets) socket.destroy()
  }

  async #listen(host: string, port: number): Promise<number> {
    const server: Http2Server & { dropMaxConnection?: boolean } = createServer(serverOptions)
    server.maxConnections = this.#connections
    // Without it, workers that are all full would hand a connection to each other for ever.
    server.dropMaxConnection = true
    server.on('drop', () => this.#options.refused('connections'))
    server.prependListener('connection', (socket: Socket) => this.#keep(socket))
    server.on('session', (session: KnownSession) => this.#begin(session))
    server.on('stream', (stream, headers, _flags, rawHeaders) => this.#open(stream, headers, rawHeaders))
    server.on('sessionError', (error: NodeJS.ErrnoException, session: KnownSession) => {
      const isGone = error.code === 'ECONNRESET' || error.code === 'EPIPE'
      // grpc-go's goodbye is a GOAWAY that names its last stream, which nghttp2 takes for an error.
      const isGoodbye = session[connectionKey]?.hasServed === true && session[connectionKey].calls === 0
      if (!isGone && !isGoodbye) this.#options.refused('http')
    })
    server.listen(port, host)
    await once(server, 'listening')
    this.#servers.push(server)
    return (server.address() as AddressInfo).port
  }

  /** Comes before `session`, which is emitted within the server's own listener. */
  #keep(socket: Socket): void {
    this.#arrived = socket
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
  }

  #begin(session: KnownSession): void {
    const socket = this.#arrived!
    const link = this.#options.shares.connect(socket.remoteAddress ?? '')
    socket.on('close', () => link.end())
    session[connectionKey] = {
      link,
      number: ++connections,
      peer: socket.remoteAddress ?? '',
      socket,
      calls: 0,
      hasServed: false,
      services: 0,
    }
    session.setLocalWindowSize(limits.grpcConnectionWindowBytes)
    // Until its first SETTINGS it is not known to speak HTTP/2 at all.
    session.setTimeout(limits.headersMsMax, () => this.#ask(session, socket))
    session.once('remoteSettings', () => session.setTimeout(limits.idleMsMax))
  }

  /** Nothing came for a while: a connection in use is asked whether its client lives, another one is closed. */
  #ask(session: KnownSession, socket: Socket): void {
    const timer = setTimeout(() => socket.destroy(), limits.unreadMsMax).unref()
    socket.once('close', () => clearTimeout(timer))
    if (session.destroyed) return
    if (session[connectionKey]!.calls === 0) {
      session.close()
      return
    }
    session.ping(() => {
      clearTimeout(timer)
      if (!session.destroyed) session.setTimeout(limits.idleMsMax)
    })
  }

  #look(): void {
    const nowMs = performance.now()
    for (const call of this.#calls) call.look(nowMs)
  }

  #open(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: readonly string[]): void {
    // Without a listener, a stream that is reset with an error would end the process.
    stream.on('error', ignore)
    const connection = (stream.session as KnownSession | undefined)?.[connectionKey]
    if (stream.destroyed || stream.closed || connection === undefined) return
    const other = notGrpcAnswer(headers)
    if (other !== undefined) {
      this.#options.refused(other.reason)
      stream.respond({ ':status': other.status, ...other.headers }, { endStream: true })
      stopReading(stream)
      return
    }
    const path = headers[':path'] ?? ''
    const coding = codingOf(headers)
    if (coding instanceof GuidepostError) {
      this.#refuse(stream, coding)
      return
    }
    const timeoutMs = timeoutMsOf(headers)
    if (timeoutMs instanceof GuidepostError) {
      this.#refuse(stream, timeoutMs)
      return
    }
    if (this.#draining) {
      this.#refuse(stream, retryable('GP_DRAINING', 'the gateway is stopping; try again'))
      return
    }
    const method = this.#methods.get(path) ?? this.#streams.get(path)
    if (method !== undefined) {
      const { shares, receiver } = this.#options
      const claim = shares.open(connection.link, receiver, connection.number)
      const chargedBytes = callBytes(rawHeaders)
      if (!claim.take(chargedBytes)) {
        this.#refuse(stream, overloaded(claim, chargedBytes))
        return
      }
      const start = { stream, connection, path, coding, timeoutMs, rawHeaders, claim, chargedBytes }
      if ('handle' in method) new UnaryCall(this.#host, start, method).open()
      else new StreamingCall(this.#host, start).open(method)
      return
    }
    const reason = this.#options.unimplemented.get(path) ?? this.#unknown(path)
    this.#refuse(stream, permanent('GP_PATH', reason))
  }

  #unknown(path: string): string {
    return `there is no method ${path.slice(0, SHOWN_PATH)}; there is ${[...this.#methods.keys()].join(', ')}`
  }

  #refuse(stream: ServerHttp2Stream, error: GuidepostError): void {
    const peer = (stream.session as KnownSession | undefined)?.[connectionKey]?.peer
    this.#options.refused(reasonOf(error), error, peer)
    endWithError(stream, error)
  }
}

const SHOWN_PATH = 200

function ignore(): void {}

/** `localhost` means each of its addresses, as it does for HTTP. */
async function addressesOf(host: string): Promise<readonly string[]> {
  if (host !== 'localhost') return [host]
  return (await lookup(host, { all: true })).map(({ address }) => address)
}

const serverOptions: ServerOptions = {
  settings: {
    enablePush: false,
    maxConcurrentStreams: limits.grpcStreamsMax,
    initialWindowSize: limits.grpcStreamWindowBytes,
    maxFrameSize: limits.grpcFrameBytesMax,
    maxHeaderListSize: limits.headerBytesMax,
  },
  maxHeaderListPairs: limits.grpcHeadersMax,
  maxSessionMemory: limits.grpcSessionBytesMax / MiB,
  streamResetBurst: limits.grpcResetsBurst,
  streamResetRate: limits.grpcResetsPerSecond,
}
