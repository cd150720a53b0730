/**
 * The operator's port: `/metrics`, `/healthz`, `/readyz`, and `/` with what is running. It reads and changes nothing,
 * and is never on the data path; bodies are not taken at all.
 */
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { limits } from '../limits.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Exposition } from '../telemetry/metrics.ts'
import { version } from '../telemetry/version.ts'
import { listenError } from '../transport/listen-error.ts'

export interface Readiness {
  readonly ok: boolean
  /** Why not, each a sentence for an operator. */
  readonly reasons: readonly string[]
}

export interface AdminOptions {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  /** What `/metrics` shows. */
  readonly exposition: () => Promise<Exposition>
  /** Whether senders should be sent here now. */
  readonly ready: () => Readiness
  /** Facts for the status page, in the order in which they are shown: listeners, bus and so on. */
  readonly status: () => Readonly<Record<string, unknown>>
  readonly log: Logger
}

export interface Admin {
  /** Starts to serve. Throws GP_PORT_TAKEN, or GP_CONFIG when the host cannot be used. */
  listen(): Promise<void>
  /** Ends every connection at once, a request in the middle too: nothing here may hold up a drain. */
  close(): Promise<void>
  /** Where it serves, with the port that the system chose; undefined before `listen`. */
  readonly address: AddressInfo | undefined
}

const plain = 'text/plain; charset=utf-8'

export function createAdmin(options: AdminOptions): Admin {
  const server = Fastify({
    bodyLimit: limits.adminBodyBytesMax,
    requestTimeout: limits.requestMsMax,
    keepAliveTimeout: limits.idleMsMax,
    http: { maxHeaderSize: limits.headerBytesMax, headersTimeout: limits.headersMsMax },
    forceCloseConnections: true,
    return503OnClosing: false,
  })
  server.server.maxConnections = limits.adminConnectionsMax
  serve(server, options)
  let address: AddressInfo | undefined
  return {
    async listen() {
      const { host, port } = options
      try {
        await server.listen({ host, port })
      } catch (error) {
        throw listenError(error as NodeJS.ErrnoException, host, port, 'admin')
      }
      const bound = server.server.address()
      address = typeof bound === 'object' && bound !== null ? bound : undefined
    },
    close: () => server.close(),
    get address() {
      return address
    },
  }
}

function serve(server: FastifyInstance, { exposition, ready, status, log }: AdminOptions): void {
  server.get('/metrics', async (_request, reply) => {
    const { text, contentType } = await exposition()
    return reply.header('content-type', contentType).send(text)
  })
  // That this is answered says all: the process lives and its event loop turns.
  server.get('/healthz', (_request, reply) => reply.type(plain).send('ok\n'))
  server.get('/readyz', (_request, reply) => {
    const { ok, reasons } = ready()
    if (ok) return reply.type(plain).send('ok\n')
    return reply
      .code(503)
      .type(plain)
      .send(`${reasons.join('\n')}\n`)
  })
  server.get('/', (request, reply) => {
    const { ok, reasons } = ready()
    const facts = {
      version,
      node: process.versions.node,
      uptimeSeconds: Math.floor(process.uptime()),
      ready: ok,
      ...(ok ? {} : { reasons }),
      ...status(),
    }
    if (request.headers.accept?.includes('application/json')) return reply.send(facts)
    const lines = Object.entries(facts).map(
      ([key, value]) => `${key}: ${typeof value === 'object' ? JSON.stringify(value) : value}`,
    )
    return reply.type(plain).send(`guidepost\n\n${lines.join('\n')}\n\n/metrics /healthz /readyz\n`)
  })
  server.setNotFoundHandler((request, reply) =>
    reply
      .code(404)
      .type(plain)
      .send(`There is no ${request.method} ${request.url.slice(0, 100)} here: /metrics /healthz /readyz /\n`),
  )
  server.setErrorHandler((error: Error & { readonly statusCode?: number }, request, reply) => {
    const code = error.statusCode ?? 500
    if (code >= 500)
      log.error({ err: error, path: request.url.slice(0, 100) }, 'the admin port failed to answer')
    return reply
      .code(code)
      .type(plain)
      .send(code >= 500 ? 'internal error\n' : `${error.message}\n`)
  })
}
