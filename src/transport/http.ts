/**
 * The HTTP/1.1 listener. It knows sockets, limits and paths; what a body means is the receivers'. Every route is reachable
 * under `/t/<guid>/` too. Bodies are handed over as streams: nothing is read before the receiver admits the request.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { GuidepostError, permanent, retryable } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Link, Shares } from '../route/shares.ts'
import type { Sender } from '../stamp/guid-rules.ts'
import { type Answer, answerFor } from './answer.ts'
import { continues } from './body.ts'
import type { CorsPolicy } from './cors.ts'
import { HttpPaths } from './http-paths.ts'
import { listenOn } from './listen.ts'
import { createServer } from './node-http.ts'

/** One request as a receiver sees it. */
export interface HttpRequest extends Sender {
  readonly raw: IncomingMessage
  /** The connection, as whoever shares out the bytes in flight knows it. */
  readonly link: Link
  /** Ends the request of a route's `take`; only the first answer counts. */
  answer(answer: Answer): void
}

interface RouteAt {
  readonly path: string
  /** What the path is asked by; undefined: POST alone. */
  readonly method?: 'GET' | 'POST'
  /** Asked for each request, since a reload may change it. Without a policy, pages of browsers may not send. */
  readonly cors?: () => CorsPolicy | undefined
}

/** A route answers by the promise of `handle`; or `take` takes a request over and answers it at any time, with no promise. */
export type HttpRoute = RouteAt &
  (
    | {
        /** Never rejects for what a sender did. */
        handle(request: HttpRequest): Promise<Answer>
      }
    | {
        /** Never throws for what a sender did. */
        take(request: HttpRequest): void
      }
  )

export interface HttpListenerOptions {
  /** The block of the configuration that has the host and the port, such as `listeners.http`. */
  readonly block: string
  readonly host: string
  readonly port: number
  readonly guid: string | undefined
  readonly connections: number
  readonly requestMs: number
  readonly shares: Shares
  readonly routes: readonly HttpRoute[]
  /** A request was refused here, before any receiver saw it; `error` is what a sender was told that drops its data. */
  readonly refused: (reason: string, error?: GuidepostError, peer?: string) => void
  /** Something broke that no sender can be blamed for. */
  readonly failed: (error: unknown) => void
}

const none: readonly string[] = []

type Reply = (response: ServerResponse, answer: Answer, more?: Readonly<Record<string, string>>) => void

class Request implements HttpRequest {
  readonly raw: IncomingMessage
  readonly listenerGuid: string | undefined
  readonly pathGuid: string | undefined
  readonly #response: ServerResponse
  readonly #connection: Connection
  readonly #cors: CorsPolicy | undefined
  readonly #reply: Reply

  constructor(
    raw: IncomingMessage,
    response: ServerResponse,
    listenerGuid: string | undefined,
    pathGuid: string | undefined,
    connection: Connection,
    cors: CorsPolicy | undefined,
    reply: Reply,
  ) {
    this.raw = raw
    this.#response = response
    this.listenerGuid = listenerGuid
    this.pathGuid = pathGuid
    this.#connection = connection
    this.#cors = cors
    this.#reply = reply
  }

  get peer(): string {
    return this.#connection.peer
  }

  get connection(): number {
    return this.#connection.number
  }

  get link(): Link {
    return this.#connection.link
  }

  header(name: string): readonly string[] {
    // Node makes the distinct ones of all headers at once; mostly what is asked for is not there.
    if (!Object.hasOwn(this.raw.headers, name)) return none
    const { headersDistinct } = this.raw
    return Object.hasOwn(headersDistinct, name) ? headersDistinct[name]! : none
  }

  answer(answer: Answer): void {
    this.#reply(this.#response, answer, this.#cors?.headers(this.raw.headers))
  }
}

/** What is known of a connection. */
interface Connection {
  readonly number: number
  /** The address of its other end. */
  readonly peer: string
  readonly link: Link
  /** Requests of it that are not answered to their end. */
  requests: number
  /** The last answer is out, and what still comes is thrown away. */
  isAnswered: boolean
}

const connectionKey = Symbol('connection')
type KnownSocket = Socket & { [connectionKey]?: Connection }
let connections = 0

export class HttpListener {
  readonly #options: HttpListenerOptions
  readonly #paths: HttpPaths<HttpRoute>
  /** One, or two where `localhost` has an IPv6 address as well. */
  readonly #servers: Server[] = []
  readonly #sockets = new Set<KnownSocket>()
  readonly #replyTo: Reply = (response, answer, more) => this.#reply(response, answer, more)
  #draining = false

  constructor(options: HttpListenerOptions) {
    this.#options = options
    this.#paths = new HttpPaths(options.routes)
  }

  /** Begins to listen; the port that was got. Rejects with GP_PORT_TAKEN, or GP_CONFIG when the host cannot be used. */
  listen(): Promise<number> {
    return listenOn(
      this.#options,
      () => serve((request, response) => this.#take(request, response), this.#options),
      (server) => {
        server.on('connection', (socket: Socket) => this.#keep(socket))
        this.#servers.push(server)
      },
    )
  }

  /** Applies to connections and requests from now on. */
  reload({ connections, requestMs }: { readonly connections: number; readonly requestMs: number }): void {
    for (const server of this.#servers) {
      server.maxConnections = connections
      server.requestTimeout = requestMs
      server.headersTimeout = Math.min(limits.headersMsMax, requestMs)
    }
  }

  /**
   * Accepts no more connections, answers what is under way with `Connection: close`, and waits for it. Connections
   * without a request under way are closed at once, those too that were opened and never used.
   */
  async drain(): Promise<void> {
    this.#draining = true
    const closed = this.#servers.map(
      (server) => server.listening && new Promise((resolve) => server.close(resolve)),
    )
    for (const socket of this.#sockets) {
      if ((socket[connectionKey]?.requests ?? 0) === 0) socket.destroy()
    }
    await Promise.all(closed)
  }

  /** Cuts what is left. */
  destroy(): void {
    for (const server of this.#servers) server.closeAllConnections()
  }

  #keep(socket: KnownSocket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
  }

  /** Nothing here looks at the body or its type: both are the receivers'. */
  #take(request: IncomingMessage, response: ServerResponse): void {
    const found = this.#paths.find(request.url ?? '')
    if (found === undefined) this.#refusePath(request, response)
    else this.#serve(found.route, request, response, found.guid)
  }

  #serve(
    route: HttpRoute,
    raw: IncomingMessage,
    response: ServerResponse,
    pathGuid: string | undefined,
  ): void {
    const { shares, guid, refused } = this.#options
    const connection = connectionOf(raw.socket, shares)
    if (++connection.requests > limits.pipelinedMax) {
      // Senders wait for an answer before they send more on a connection; one that does not would fill the memory.
      if (!raw.socket.destroyed) refused('pipelining')
      raw.socket.destroy()
      return
    }
    response.on('close', () => connection.requests--)
    const cors = route.cors?.()
    const request = new Request(raw, response, guid, pathGuid, connection, cors, this.#replyTo)
    const early = this.#answerEarly(route, cors, request)
    if (early !== undefined) {
      request.answer(early)
      return
    }
    try {
      if ('take' in route) route.take(request)
      else
        route.handle(request).then(
          (answer) => request.answer(answer),
          (error: unknown) => request.answer(this.#answerBroken(error)),
        )
    } catch (error) {
      request.answer(this.#answerBroken(error))
    }
  }

  /** What is answered before any receiver sees it. */
  #answerEarly(route: HttpRoute, cors: CorsPolicy | undefined, request: HttpRequest): Answer | undefined {
    // Answered in a drain too: by any other answer a browser would not ask whether it may try again.
    const preflight = cors?.preflight(request.raw)
    if (preflight !== undefined) return preflight
    if (this.#draining) {
      this.#options.refused('draining')
      return answerFor(retryable('GP_DRAINING', 'the gateway is stopping; try again'))
    }
    const { method = 'POST' } = route
    if (request.raw.method === method) return undefined
    this.#options.refused('method')
    const what = method === 'POST' ? 'senders POST to' : 'clients GET'
    const error = permanent('GP_METHOD', `${request.raw.method} does nothing here; ${what} ${route.path}`)
    return answerFor(error, { allow: cors === undefined ? method : `${method}, OPTIONS` })
  }

  #answerBroken(error: unknown): Answer {
    if (error instanceof GuidepostError) return answerFor(error)
    this.#options.failed(error)
    return answerFor(permanent('GP_INTERNAL', 'the gateway failed; see its log'))
  }

  #refusePath({ url = '', method, socket }: IncomingMessage, response: ServerResponse): void {
    const known = this.#options.routes.map((route) => route.path).join(', ')
    // Without the query: there may be a password in it, and the text goes to the log as well.
    const path = url.split('?', 1)[0]!.slice(0, SHOWN_URL)
    const error = permanent('GP_PATH', `nothing is served at ${path}; there is ${known}`)
    // What is no POST is no sender but somebody who looks whether the port is open, perhaps every second.
    this.#options.refused('path', method === 'POST' ? error : undefined, socket.remoteAddress)
    this.#reply(response, answerFor(error))
  }

  #reply(response: ServerResponse, answer: Answer, more?: Readonly<Record<string, string>>): void {
    if (response.destroyed || response.headersSent) return
    const { status, body, headers } = answer
    const { req: request } = response
    // A body that was not read to its end leaves a connection that cannot be used again.
    const isUnread = !request.complete && hasBody(request)
    const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length
    const contentType = answer.contentType ?? (bytes === 0 ? undefined : TEXT)
    response.writeHead(status, {
      ...headers,
      ...more,
      ...(this.#draining || isUnread ? { connection: 'close' } : {}),
      ...(status === 204 ? {} : { 'content-length': bytes }),
      ...(contentType === undefined ? {} : { 'content-type': contentType }),
    })
    if (isUnread) endUnread(request, response, body)
    // Without an empty body, which node would write apart.
    else if (bytes === 0) response.end()
    else response.end(body)
  }
}

const TEXT = 'text/plain; charset=utf-8'
const SHOWN_URL = 200

/** Whether a request says that a body follows (RFC 9112, 6.3). */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/**
 * Answers a request whose body is still on its way. A socket that is closed with unread bytes in it resets the
 * connection, and the sender may never see the answer (RFC 9112, 9.6): so the answer goes out whole, what still comes is
 * thrown away, and the connection is closed when the sender is done, or after a while.
 */
function endUnread(request: IncomingMessage, response: ServerResponse, body: string | Buffer): void {
  const connection = (request.socket as KnownSocket)[connectionKey]
  if (connection !== undefined) connection.isAnswered = true
  if (body.length === 0) response.flushHeaders()
  else response.write(body)
  const timer = setTimeout(() => response.end(), limits.unreadMsMax)
  const end = (): void => {
    clearTimeout(timer)
    response.end()
  }
  request.once('end', end).once('close', end).resume()
}

function serve(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  options: HttpListenerOptions,
): Server {
  const server: Server & { httpAllowHalfOpen?: boolean; dropMaxConnection?: boolean } = createServer(
    {
      headersTimeout: Math.min(limits.headersMsMax, options.requestMs),
      requestTimeout: options.requestMs,
      keepAliveTimeout: limits.idleMsMax,
      maxHeaderSize: limits.headerBytesMax,
      connectionsCheckingInterval: limits.connectionsCheckMs,
    },
    handler,
  )
  // A sender that closes its half behind a whole request still waits for the answer.
  server.httpAllowHalfOpen = true
  // Bounded by bytes alone: by number, the last headers would be dropped in silence, and a proxy adds its guid last.
  server.maxHeadersCount = 0
  server.maxConnections = options.connections
  // Without it, workers that are all full would hand a connection to each other for ever.
  server.dropMaxConnection = true
  server.on('drop', () => options.refused('connections'))
  server.on('clientError', (error, socket) => refuseBroken(error, socket as KnownSocket, options))
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    continues.set(request, () => response.writeContinue())
    handler(request, response)
  })
  return server
}

/** What the parser did not take, or what did not come in time. A request that a receiver has is counted there. */
function refuseBroken(error: NodeJS.ErrnoException, socket: KnownSocket, options: HttpListenerOptions): void {
  const { requests = 0, isAnswered = false } = socket[connectionKey] ?? {}
  if (requests === 0 && !isAnswered)
    options.refused(error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'timeout' : 'http')
  if (isAnswered || !socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  socket.end(`HTTP/1.1 ${brokenStatus(error.code)}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
  // A sender that does not close its side would keep what it has sent in memory.
  setTimeout(() => socket.destroy(), limits.unreadMsMax).unref()
}

/** A sender that was slow or cut off gets 503, not 408 or 400: senders drop what is answered with a 4xx. */
function brokenStatus(code: string | undefined): string {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return '431 Request Header Fields Too Large'
    case 'ERR_HTTP_REQUEST_TIMEOUT':
    case 'HPE_INVALID_EOF_STATE':
      return `503 Service Unavailable\r\nretry-after: ${limits.retryAfterSeconds}`
    default:
      return '400 Bad Request'
  }
}

/** Made with the first request of a connection. */
function connectionOf(socket: KnownSocket, shares: Shares): Connection {
  const known = socket[connectionKey]
  if (known !== undefined) return known
  const peer = socket.remoteAddress ?? ''
  const link = shares.connect(peer)
  // A socket that is closed already says so no more.
  if (socket.destroyed) link.end()
  else socket.once('close', () => link.end())
  const connection = { number: ++connections, peer, link, requests: 0, isAnswered: false }
  socket[connectionKey] = connection
  return connection
}
