/**
 * The HTTP/1.1 listener. It knows sockets, limits and paths; what a body means is the receivers'. Every route is reachable
 * under `/t/<guid>/` too. Bodies are handed over as streams: nothing is read before the receiver admits the request.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { GuidepostError, permanent, retryable } from '../errors.ts'
import { limits } from '../limits.ts'
import { type Answer, answerFor } from './answer.ts'

/** One request as a receiver sees it. */
export interface HttpRequest {
  readonly raw: IncomingMessage
  readonly pathGuid: string | undefined
  readonly listenerGuid: string | undefined
  readonly peer: string
  /** Stays the same for all requests of one connection. */
  readonly connection: number
}

export interface HttpRoute {
  readonly path: string
  /** Never rejects for what a sender did. */
  handle(request: HttpRequest): Promise<Answer>
}

export interface HttpListenerOptions {
  readonly host: string
  readonly port: number
  readonly guid: string | undefined
  readonly connections: number
  readonly requestMs: number
  readonly routes: readonly HttpRoute[]
  /** A request was refused here, before any receiver saw it. */
  readonly refused: (reason: string) => void
  /** Something broke that no sender can be blamed for. */
  readonly failed: (error: unknown) => void
}

const connectionNumber = Symbol('connection')
let connections = 0

export class HttpListener {
  readonly #options: HttpListenerOptions
  readonly #fastify: FastifyInstance
  #server!: Server
  #draining = false

  constructor(options: HttpListenerOptions) {
    this.#options = options
    this.#fastify = Fastify({
      serverFactory: (handler) => {
        this.#server = serve(handler, options)
        return this.#server
      },
      logger: false,
      exposeHeadRoutes: false,
      return503OnClosing: false,
      forceCloseConnections: 'idle',
      routerOptions: { ignoreTrailingSlash: true },
    })
    // Bodies stay streams, whatever type they claim.
    this.#fastify.removeAllContentTypeParsers()
    this.#fastify.addContentTypeParser('*', (_request, _payload, done) => done(null))
    for (const route of options.routes) this.#add(route)
    this.#fastify.setNotFoundHandler(async (request, reply) => {
      options.refused('path')
      const known = options.routes.map((route) => route.path).join(', ')
      const error = permanent(
        'GP_PATH',
        `nothing is served at ${request.url.slice(0, 200)}; there is ${known}`,
      )
      return this.#reply(reply.raw, answerFor(error), true)
    })
    this.#fastify.setErrorHandler(async (error, _request, reply) => {
      options.failed(error)
      return this.#reply(
        reply.raw,
        answerFor(permanent('GP_INTERNAL', 'the gateway failed; see its log')),
        true,
      )
    })
  }

  /** Begins to listen; the port that was got. Rejects with GP_PORT_TAKEN. */
  async listen(): Promise<number> {
    const { host, port } = this.#options
    try {
      await this.#fastify.listen({ host, port })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      throw permanent(
        'GP_PORT_TAKEN',
        `${host}:${port} is taken; stop what listens there, or move listeners.http.port`,
      )
    }
    return (this.#server.address() as AddressInfo).port
  }

  /** Applies to connections and requests from now on. */
  reload({ connections, requestMs }: { readonly connections: number; readonly requestMs: number }): void {
    this.#server.maxConnections = connections
    this.#server.requestTimeout = requestMs
  }

  /** Accepts no more connections, answers what is under way with `Connection: close`, and waits for it. */
  async drain(): Promise<void> {
    this.#draining = true
    await this.#fastify.close()
  }

  /** Cuts what is left. */
  destroy(): void {
    this.#server.closeAllConnections()
  }

  #add(route: HttpRoute): void {
    for (const path of [route.path, `/t/:guid${route.path}`]) {
      this.#fastify.all<{ Params: { guid?: string } }>(path, async (request, reply) => {
        reply.hijack()
        const { raw } = request
        const answer = await this.#handle(route, {
          raw,
          pathGuid: request.params.guid,
          listenerGuid: this.#options.guid,
          peer: raw.socket.remoteAddress ?? '',
          connection: numberOf(raw.socket),
        })
        this.#reply(reply.raw, answer, !raw.complete)
      })
    }
  }

  async #handle(route: HttpRoute, request: HttpRequest): Promise<Answer> {
    if (this.#draining) {
      this.#options.refused('draining')
      return answerFor(retryable('GP_DRAINING', 'the gateway is stopping; try again'))
    }
    if (request.raw.method !== 'POST') {
      this.#options.refused('method')
      const error = permanent(
        'GP_METHOD',
        `${request.raw.method} does nothing here; senders POST to ${route.path}`,
      )
      return answerFor(error, { allow: 'POST' })
    }
    try {
      return await route.handle(request)
    } catch (error) {
      if (error instanceof GuidepostError) return answerFor(error)
      this.#options.failed(error)
      return answerFor(permanent('GP_INTERNAL', 'the gateway failed; see its log'))
    }
  }

  /** `unread`: the body was not read to its end, so the connection cannot be used again. */
  #reply(response: ServerResponse, answer: Answer, unread: boolean): void {
    if (response.destroyed || response.headersSent) return
    const { status, text, headers } = answer
    const close = this.#draining || (unread && !response.req.complete)
    response.writeHead(status, {
      ...headers,
      ...(close ? { connection: 'close' } : {}),
      ...(text === ''
        ? {}
        : { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(text) }),
    })
    response.end(text)
  }
}

function serve(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  options: HttpListenerOptions,
): Server {
  const server = createServer(
    {
      headersTimeout: limits.headersMsMax,
      requestTimeout: options.requestMs,
      keepAliveTimeout: limits.idleMsMax,
      maxHeaderSize: limits.headerBytesMax,
      connectionsCheckingInterval: limits.connectionsCheckMs,
    },
    handler,
  )
  server.maxConnections = options.connections
  server.on('drop', () => options.refused('connections'))
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    options.refused(error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'timeout' : 'http')
    if (!socket.writable || error.code === 'ECONNRESET') {
      socket.destroy()
      return
    }
    socket.end(`HTTP/1.1 ${clientErrorStatus(error.code)}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
  })
  return server
}

/** A sender that was merely slow gets 503, not 408: senders drop what is answered with a 4xx. */
function clientErrorStatus(code: string | undefined): string {
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large'
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '503 Service Unavailable' : '400 Bad Request'
}

function numberOf(socket: Socket & { [connectionNumber]?: number }): number {
  socket[connectionNumber] ??= ++connections
  return socket[connectionNumber]
}
