/** The options of `receivers`. */
import { limits } from '../limits.ts'
import { readOrigins, readRequestHeaders } from './cors.ts'
import { ownGuidBlock } from './schema-guid.ts'

/** What the bus gets of spans that did not come as OTLP. */
const spanEncoding = {
  type: 'choice',
  values: ['otlp_proto', 'jaeger_proto'],
  default: 'otlp_proto',
  doc: 'What the bus gets: OTLP traces in `otlp_spans`, so that consumers have one format for spans; or Jaeger’s own form in `jaeger-spans`, one span a record, as Jaeger’s ingester reads it.',
} as const

const cors = {
  type: 'block',
  optional: true,
  off: true,
  doc: 'Which web pages may send OTLP over HTTP from a browser (CORS). None when not set. Browsers alone keep to it: it keeps no other program out.',
  keys: {
    origins: {
      type: 'custom',
      doc: 'The origins of the pages: scheme, host and a port other than the scheme’s own, as in `https://app.example.com`. `*.` as the begin of a host stands for all names below it, as in `https://*.example.com`; `*` alone is every page, which may then not send with credentials: `navigator.sendBeacon`, by which some SDKs send when a page is left, does, and needs its origin named.',
      read: readOrigins,
      spelling: 'list of origins',
      json: { type: 'array', minItems: 1, items: { type: 'string', minLength: 1 } },
    },
    headers: {
      type: 'custom',
      default: [],
      defaultText: '`[]`',
      doc: 'Request headers that a page may set beside `content-type`, `content-encoding`, `x-guid` and those that the receiver’s `guid.from` asks for. Not `*`, which does not cover `authorization`.',
      neighbour: 'guid.from',
      read: readRequestHeaders,
      spelling: 'list of header names',
      json: { type: 'array', items: { type: 'string', minLength: 1 } },
    },
    maxAgeSeconds: {
      type: 'integer',
      unit: 'seconds',
      default: limits.corsMaxAgeSeconds,
      min: 0,
      max: 86_400,
      doc: 'How long a browser may go on after one preflight. Browsers have bounds of their own: two hours in Chromium, a day in Firefox.',
    },
  },
} as const

export const receiversBlock = {
  type: 'block',
  doc: 'One block for each protocol. A receiver that is not mentioned is on when a listener reaches it.',
  keys: {
    remoteWrite: {
      type: 'block',
      doc: 'Prometheus remote write 1.0 and 2.0.',
      keys: {
        enabled: { type: 'boolean', default: true, doc: 'Whether it is served.' },
        encoding: {
          type: 'choice',
          values: ['prometheus_remote_write', 'otlp_proto'],
          default: 'prometheus_remote_write',
          doc: 'What the bus gets: the sender’s own encoding, stamped, in `prometheus_metrics`; or OTLP metrics made from it, in `otlp_metrics`, so that consumers have one format for metrics.',
        },
        guid: ownGuidBlock('Attributes yield nothing here, since series have labels.', 'No effect here.'),
      },
    },
    otlp: {
      type: 'block',
      doc: 'OpenTelemetry’s traces, metrics and logs, over gRPC and HTTP.',
      keys: {
        enabled: { type: 'boolean', default: true, doc: 'Whether it is served.' },
        cors,
        guid: ownGuidBlock('Labels yield nothing here, since resources have attributes.'),
      },
    },
    jaeger: {
      type: 'block',
      doc: 'Jaeger’s spans, over gRPC, HTTP and UDP, and its sampling strategies.',
      keys: {
        enabled: { type: 'boolean', default: true, doc: 'Whether it is served.' },
        encoding: spanEncoding,
        strategiesFile: {
          type: 'string',
          expects: 'a file name',
          pattern: /^.+$/s,
          example: 'strategies.json',
          doc: 'The sampling strategies that clients are told, in the format of Jaeger’s `--sampling.strategies-file`; read again when it changes. A relative name is taken from the folder of the configuration file. When not set, every service is told to sample one trace in a thousand, as Jaeger does.',
        },
        guid: ownGuidBlock(
          'Attributes are the tags of a process here, by the names that Jaeger has for them (`hostname`); labels yield nothing.',
        ),
      },
    },
    zipkin: {
      type: 'block',
      doc: 'Zipkin’s spans of both versions, in JSON, protobuf and Thrift.',
      keys: {
        enabled: { type: 'boolean', default: true, doc: 'Whether it is served.' },
        encoding: spanEncoding,
        guid: ownGuidBlock('Attributes are the tags of a span here; labels yield nothing.'),
      },
    },
  },
} as const
