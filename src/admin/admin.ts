/**
 * The operator's port: `/metrics`, `/healthz`, `/readyz`, and `/` with what is running. It reads and changes nothing,
 * and is never on the data path; bodies are not taken at all.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { limits } from '../limits.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Exposition } from '../telemetry/metrics.ts'
import { version } from '../telemetry/version.ts'
import { pathOf } from '../transport/http-paths.ts'
import { listenOn } from '../transport/listen.ts'
import { createServer } from '../transport/node-http.ts'

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

interface Page {
  readonly status: number
  readonly type: string
  readonly text: string
}

export function createAdmin(options: AdminOptions): Admin {
  const servers: Server[] = []
  const { host, port } = options
  return {
    listen: async () => {
      const made = (server: Server): unknown => servers.push(server)
      await listenOn({ host, port, block: 'admin' }, () => serve(options), made)
    },
    close: async () => {
      const open = servers.filter((server) => server.listening)
      const closed = open.map((server) => new Promise((resolve) => server.close(resolve)))
      for (const server of open) server.closeAllConnections()
      await Promise.all(closed)
    },
    get address() {
      const bound = servers.find((server) => server.listening)?.address()
      return typeof bound === 'object' && bound !== null ? bound : undefined
    },
  }
}

function serve(options: AdminOptions): Server {
  const server = createServer(
    {
      requestTimeout: limits.requestMsMax,
      keepAliveTimeout: limits.idleMsMax,
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersMsMax,
    },
    (request, response) => void answer(request, response, options),
  )
  server.maxConnections = limits.adminConnectionsMax
  return server
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: AdminOptions,
): Promise<void> {
  const { status, type, text } = await pageOf(request, options).catch((error: unknown): Page => {
    options.log.error({ err: error, path: shown(request) }, 'the admin port failed to answer')
    return { status: 500, type: plain, text: 'internal error\n' }
  })
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    ...(hasBody(request) ? { connection: 'close' } : {}),
  })
  response.end(request.method === 'HEAD' ? '' : text)
}

const pages: Readonly<
  Record<string, (options: AdminOptions, request: IncomingMessage) => Page | Promise<Page>>
> = {
  '/metrics': async ({ exposition }) => {
    const { text, contentType } = await exposition()
    return { status: 200, type: contentType, text }
  },
  // That this is answered says all: the process lives and its event loop turns.
  '/healthz': () => ({ status: 200, type: plain, text: 'ok\n' }),
  '/readyz': ({ ready }) => {
    const { ok, reasons } = ready()
    if (ok) return { status: 200, type: plain, text: 'ok\n' }
    return { status: 503, type: plain, text: `${reasons.join('\n')}\n` }
  },
  '/': ({ ready, status }, { headers }) => {
    const { ok, reasons } = ready()
    const facts = {
      version,
      node: process.versions.node,
      uptimeSeconds: Math.floor(process.uptime()),
      ready: ok,
      ...(ok ? {} : { reasons }),
      ...status(),
    }
    if (headers.accept?.includes('application/json')) {
      return { status: 200, type: 'application/json; charset=utf-8', text: JSON.stringify(facts) }
    }
    const lines = Object.entries(facts).map(
      ([key, value]) => `${key}: ${typeof value === 'object' ? JSON.stringify(value) : value}`,
    )
    const text = `guidepost\n\n${lines.join('\n')}\n\n/metrics /healthz /readyz\n`
    return { status: 200, type: plain, text }
  },
}

async function pageOf(request: IncomingMessage, options: AdminOptions): Promise<Page> {
  const path = pathOf(request.url ?? '')
  const isAsked = request.method === 'GET' || request.method === 'HEAD'
  if (isAsked && Object.hasOwn(pages, path)) return await pages[path]!(options, request)
  const text = `There is no ${request.method} ${shown(request)} here: /metrics /healthz /readyz /\n`
  return { status: 404, type: plain, text }
}

/** One that is not read: its connection ends with the answer. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || headers['content-length'] !== undefined
}

/** As much of the request's target as an answer or a line of the log has room for. */
function shown({ url = '' }: IncomingMessage): string {
  return url.slice(0, 100)
}
