/** What the log says once all ports are open: where they are, how the bus stands, and what to point at them. */
import type { Config } from './config/config.ts'
import type { OpenPort } from './listeners.ts'
import type { Logger } from './telemetry/log.ts'

export interface Start {
  readonly config: Config
  readonly ports: readonly OpenPort[]
  /** Of the bus, without secrets. */
  readonly url: string
  /** Whether requests can succeed now; `reason` says why not. */
  readonly up: boolean
  readonly reason: string
}

export function tellListening(log: Logger, { key, host, port }: TellablePort): void {
  log.info({ listener: key, host, port }, 'listening')
}

type TellablePort = Omit<OpenPort, 'key'> & { readonly key: OpenPort['key'] | 'admin' }

export function greet(log: Logger, { config, ports, url, up, reason }: Start): void {
  if (up) log.info({ bus: url }, 'ready')
  else log.warn({ bus: url, reason }, 'not ready: the bus is down; senders are told to wait')
  for (const open of ports) log.info(greetings[open.key](addressOf(open)))
  const http = ports.find(({ key }) => key === 'http')
  if (http === undefined || !config.receivers.remoteWrite.enabled) return
  const first = `npm run send-sample -- --url ${addressOf(http).url}/write`
  log.info(`a first sample: ${first}   read it back: npx guidepost tail`)
}

/** What a newcomer points at each port. */
const greetings: Readonly<Record<OpenPort['key'], (at: Address) => string>> = {
  http: ({ url }) => `remote write: ${url}/write   OTLP: ${url}`,
  otlpGrpc: ({ url }) =>
    `OTLP over gRPC: OTEL_EXPORTER_OTLP_ENDPOINT=${url} OTEL_EXPORTER_OTLP_PROTOCOL=grpc`,
  otlpHttp: ({ url }) => `OTLP over HTTP: OTEL_EXPORTER_OTLP_ENDPOINT=${url}`,
  jaegerGrpc: ({ authority }) => `Jaeger agents: --reporter.grpc.host-port=${authority}`,
  jaegerHttp: ({ url }) => `Jaeger clients over HTTP: JAEGER_ENDPOINT=${url}/api/traces`,
  jaegerCompact: ({ host, port }) =>
    `Jaeger clients over UDP: JAEGER_AGENT_HOST=${host} JAEGER_AGENT_PORT=${port}`,
  jaegerBinary: ({ host, port }) =>
    `Jaeger clients over UDP, Node.js: JAEGER_AGENT_HOST=${host} JAEGER_AGENT_PORT=${port}`,
  zipkinCompact: ({ host, port }) => `Zipkin's spans in compact Thrift over UDP: ${host}:${port}`,
  jaegerSampling: ({ url }) => `sampling strategies: JAEGER_SAMPLING_ENDPOINT=${url}/sampling`,
  zipkin: ({ url }) => `Zipkin: ${url}/api/v2/spans`,
}

/** How a port is reached from this machine. */
interface Address {
  readonly host: string
  readonly port: number
  readonly authority: string
  readonly url: string
}

function addressOf({ host: bound, port }: OpenPort): Address {
  const host = bound === '0.0.0.0' || bound === '::' ? '127.0.0.1' : bound
  const authority = `${host}:${port}`
  return { host, port, authority, url: `http://${authority}` }
}
