/** The options of `listeners`. */
import type { ListenersConfig } from './config.ts'
import { guidText } from './schema-guid.ts'

export const host = {
  type: 'string',
  expects: 'an address or a host name',
  pattern: /^[A-Za-z0-9._:-]+$/,
  example: '0.0.0.0',
} as const

export const port = { type: 'integer', unit: 'port', min: 0, max: 65_535 } as const

export const listenerKeys = {
  host: { ...host, doc: 'The address to bind to.', neighbour: 'host' },
  guid: {
    type: 'string',
    expects: 'a guid',
    pattern: new RegExp(guidText.pattern),
    example: 'team-a',
    doc: 'The guid of everything that arrives here, for the source `listener` of `guid.from`.',
    neighbour: 'guid.from',
  },
} as const

export const portDoc = 'The TCP port; 0 lets the system choose.'
const udpPortDoc = 'The UDP port; 0 lets the system choose.'

/** Those that are UDP; all others are TCP. */
export const udpListeners = [
  'jaegerCompact',
  'jaegerBinary',
  'zipkinCompact',
] as const satisfies readonly (keyof ListenersConfig)[]

export const listenersBlock = {
  type: 'block',
  doc: 'Where senders connect. `off` in place of a listener’s block switches it off. One whose receivers are all off is not opened.',
  keys: {
    http: {
      type: 'block',
      off: true,
      on: true,
      doc: 'HTTP: remote write on `/write`, `/api/v1/write` and `/api/v1/push`, OTLP on `/v1/traces`, `/v1/metrics` and `/v1/logs`, Jaeger on `/api/traces`, Zipkin on `/api/v2/spans` and `/api/v1/spans`; each also under `/t/<guid>/`.',
      keys: { port: { ...port, default: 10_000, doc: portDoc }, ...listenerKeys },
    },
    otlpGrpc: {
      type: 'block',
      off: true,
      on: true,
      doc: 'OTLP over gRPC, without TLS. A guid cannot come in the path here: gRPC’s paths are fixed.',
      keys: { port: { ...port, default: 4317, doc: portDoc }, ...listenerKeys },
    },
    otlpHttp: {
      type: 'block',
      off: true,
      on: true,
      doc: 'OTLP over HTTP alone, on `/v1/traces`, `/v1/metrics` and `/v1/logs`, each also under `/t/<guid>/`.',
      keys: { port: { ...port, default: 4318, doc: portDoc }, ...listenerKeys },
    },
    jaegerGrpc: {
      type: 'block',
      off: true,
      on: true,
      doc: 'Jaeger over gRPC, as its collector takes it from agents and SDKs: spans and sampling strategies.',
      keys: { port: { ...port, default: 14_250, doc: portDoc }, ...listenerKeys },
    },
    jaegerHttp: {
      type: 'block',
      off: true,
      on: true,
      doc: 'Jaeger over HTTP, as its collector takes it from clients: Thrift on `/api/traces`, also under `/t/<guid>/`, and sampling strategies on `/api/sampling`.',
      keys: { port: { ...port, default: 14_268, doc: portDoc }, ...listenerKeys },
    },
    jaegerCompact: {
      type: 'block',
      off: true,
      on: true,
      doc: 'The Jaeger agent’s port for compact Thrift, over UDP. Nothing is answered here: what cannot be taken is counted and lost.',
      keys: { port: { ...port, default: 6831, doc: udpPortDoc }, ...listenerKeys },
    },
    jaegerBinary: {
      type: 'block',
      off: true,
      on: true,
      doc: 'The Jaeger agent’s port for binary Thrift, over UDP (Node.js clients).',
      keys: { port: { ...port, default: 6832, doc: udpPortDoc }, ...listenerKeys },
    },
    zipkinCompact: {
      type: 'block',
      off: true,
      on: true,
      doc: 'The Jaeger agent’s port for Zipkin’s spans in compact Thrift, over UDP.',
      keys: { port: { ...port, default: 5775, doc: udpPortDoc }, ...listenerKeys },
    },
    jaegerSampling: {
      type: 'block',
      off: true,
      on: true,
      doc: 'Where Jaeger’s clients and SDKs ask which spans to sample, over HTTP: `/sampling?service=…`.',
      keys: { port: { ...port, default: 5778, doc: portDoc }, host: listenerKeys.host },
    },
    zipkin: {
      type: 'block',
      off: true,
      on: true,
      doc: 'Zipkin over HTTP on `/api/v2/spans` and `/api/v1/spans`, each also under `/t/<guid>/`.',
      keys: { port: { ...port, default: 9411, doc: portDoc }, ...listenerKeys },
    },
  },
} as const
