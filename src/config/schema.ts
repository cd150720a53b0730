/**
 * What users may write: every option with its type, unit, default, bounds and meaning. Defaults come from limits.ts.
 * docs/configuration.md and `guidepost check --schema` are made from this.
 */
import { GiB, KiB, limits, MiB } from '../limits.ts'
import { readOrigins, readRequestHeaders } from './cors.ts'
import { guidBlock, guidText, ownGuidBlock } from './schema-guid.ts'
import type { Block, Value } from './schema-nodes.ts'

const secondMs = 1_000
const hourMs = 3_600 * secondMs

const host = {
  type: 'string',
  expects: 'an address or a host name',
  pattern: /^[A-Za-z0-9._:-]+$/,
  example: '0.0.0.0',
} as const

const port = { type: 'integer', unit: 'port', min: 0, max: 65_535 } as const

const listenerKeys = {
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

const portDoc = 'The TCP port; 0 lets the system choose.'

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

export const schema = {
  type: 'block',
  doc: 'The configuration of guidepost.',
  keys: {
    bus: {
      type: 'string',
      expects: 'a bus URL',
      example: 'kafka://host:9092,host2:9092',
      default: 'log:./data',
      doc: 'Where records go: `log:DIRECTORY` for segment files on this machine, or `kafka://host:9092,host2:9092`. A relative directory is taken from the working directory.',
      neighbour: 'kafka',
    },
    host: { ...host, default: '127.0.0.1', doc: 'The address that listeners bind to unless they name one.' },
    listeners: {
      type: 'block',
      doc: 'Where senders connect. `off` in place of a listener’s block switches it off. One whose receivers are all off is not opened.',
      keys: {
        http: {
          type: 'block',
          off: true,
          on: true,
          doc: 'HTTP: remote write on `/write`, `/api/v1/write` and `/api/v1/push`, and OTLP on `/v1/traces`, `/v1/metrics` and `/v1/logs`; each also under `/t/<guid>/`.',
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
      },
    },
    admin: {
      type: 'block',
      off: true,
      on: true,
      doc: 'The operator’s port: `/metrics`, `/healthz`, `/readyz`. `off` in its place switches it off.',
      keys: {
        port: { ...port, default: 10_001, doc: portDoc },
        host: listenerKeys.host,
      },
    },
    guid: guidBlock,
    receivers: {
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
      },
    },
    log: {
      type: 'block',
      doc: 'For a `log:` bus.',
      keys: {
        segmentBytes: {
          type: 'bytes',
          default: limits.segmentBytesMax,
          min: 64 * KiB,
          max: 1 * GiB,
          doc: 'Size at which a segment file is closed and the next one begins.',
          neighbour: 'log.retentionBytes',
        },
        retentionBytes: {
          type: 'bytes',
          default: limits.logRetentionBytes,
          min: 1 * MiB,
          max: 1024 * 1024 * GiB,
          doc: 'What one topic may hold before its oldest segments are deleted.',
          neighbour: 'log.retentionHours',
        },
        retentionHours: {
          type: 'integer',
          unit: 'hours',
          default: limits.logRetentionHours,
          min: 1,
          max: 10 * 366 * 24,
          doc: 'How long a closed segment is kept.',
          neighbour: 'log.retentionBytes',
        },
        diskReserveBytes: {
          type: 'bytes',
          default: limits.diskReserveBytes,
          min: 0,
          max: 1024 * GiB,
          doc: 'What must stay free on the file system. Below it, appends fail and senders are told to wait.',
        },
      },
    },
    kafka: {
      type: 'block',
      doc: 'For a `kafka:` bus.',
      keys: {
        client: {
          type: 'choice',
          values: ['platformatic', 'kafkajs'],
          default: 'platformatic',
          doc: 'The client library. `kafkajs` is there for brokers with which the other has trouble; it takes several times the CPU.',
        },
        clientId: {
          type: 'string',
          expects: 'a name of 1 to 200 characters of A-Z a-z 0-9 . _ -',
          pattern: /^[A-Za-z0-9._-]{1,200}$/,
          example: 'guidepost',
          default: 'guidepost',
          doc: 'The name under which brokers see this client, for their logs and quotas.',
        },
        createTopics: {
          type: 'boolean',
          default: true,
          doc: 'Whether a missing topic is created at start. When off, a missing topic is named and stops the start, provided that Kafka answers at start; otherwise the gateway stays up and not ready.',
          neighbour: 'kafka.partitions',
        },
        partitions: {
          type: 'integer',
          unit: 'partitions',
          default: 12,
          min: 1,
          max: 10_000,
          doc: 'Partitions of a topic that is created here.',
          neighbour: 'kafka.createTopics',
        },
        replication: {
          type: 'integer',
          unit: 'replicas',
          default: 1,
          min: 1,
          max: 32,
          doc: 'Replicas of a topic that is created here. With fewer than three, losing a broker can lose data that was acknowledged.',
          neighbour: 'kafka.createTopics',
        },
        spread: {
          type: 'integer',
          unit: 'partitions',
          default: 1,
          min: 1,
          max: 1_000,
          doc: 'Partitions over which the records of one guid are spread. One sender’s connection stays on one of them, so its order is kept.',
        },
        compression: {
          type: 'choice',
          values: ['zstd', 'lz4', 'snappy', 'gzip', 'none'],
          default: 'zstd',
          doc: 'How record batches are compressed. Consumers do not see it.',
        },
        recordBytesMax: {
          type: 'bytes',
          default: limits.kafkaRecordBytesMax,
          min: 1 * KiB,
          max: limits.segmentRecordBytesMax,
          doc: 'The largest record that Kafka is offered; below the broker’s message.max.bytes (1,048,588 unless set) with room for key and headers.',
          neighbour: 'limits.recordBytes',
        },
        connectMs: {
          type: 'integer',
          unit: 'milliseconds',
          default: limits.kafkaConnectMsMax,
          min: 100,
          max: 60 * secondMs,
          doc: 'How long a connection to a broker may take.',
          neighbour: 'limits.appendMs',
        },
        sasl: {
          type: 'block',
          optional: true,
          doc: 'How to authenticate to the brokers. Not at all when not set.',
          keys: {
            mechanism: {
              type: 'choice',
              values: ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'],
              default: 'SCRAM-SHA-512',
              doc: 'PLAIN sends the password as it is: use it with TLS only.',
              neighbour: 'kafka.tls',
            },
            username: {
              type: 'string',
              expects: 'a user name',
              pattern: /^.+$/s,
              example: 'guidepost',
              doc: 'The user.',
            },
            password: {
              type: 'string',
              expects: 'a password',
              pattern: /^.+$/s,
              example: 'secret',
              secret: true,
              doc: 'The password. Better in `passwordFile` or in the environment.',
              neighbour: 'kafka.sasl.passwordFile',
            },
            passwordFile: {
              type: 'string',
              expects: 'a file name',
              pattern: /^.+$/s,
              example: '/run/secrets/kafka-password',
              doc: 'A file that holds the password; one line end after it is dropped. A relative name is taken from the folder of the configuration file.',
              neighbour: 'kafka.sasl.password',
            },
          },
        },
        tls: {
          type: 'block',
          optional: true,
          on: true,
          off: true,
          doc: 'TLS to the brokers: `true` for the system’s authorities, or a block. No TLS when not set. Relative file names are taken from the folder of the configuration file.',
          keys: {
            ca: {
              type: 'string',
              expects: 'a file name',
              pattern: /^.+$/s,
              example: 'ca.pem',
              doc: 'PEM file of the authorities to trust instead of the system’s.',
            },
            cert: {
              type: 'string',
              expects: 'a file name',
              pattern: /^.+$/s,
              example: 'client.pem',
              doc: 'PEM file of the client certificate.',
              neighbour: 'kafka.tls.key',
            },
            key: {
              type: 'string',
              expects: 'a file name',
              pattern: /^.+$/s,
              example: 'client.key',
              doc: 'PEM file of the client’s key.',
              neighbour: 'kafka.tls.cert',
            },
            serverName: {
              type: 'string',
              expects: 'a host name',
              pattern: /^[A-Za-z0-9._-]+$/,
              example: 'kafka.example.com',
              doc: 'The name that the brokers’ certificates must bear, when it is not the one they are reached by.',
            },
            verify: {
              type: 'boolean',
              default: true,
              doc: 'Whether the brokers’ certificates are checked. Off only to try something out.',
            },
          },
        },
      },
    },
    credentials: {
      type: 'reserved',
      doc: 'Bearer tokens, basic users and TLS subjects, and the guids they stand for. Not available yet: the place is kept.',
    },
    limits: {
      type: 'block',
      doc: 'Bounds. Past each of them a sender is told to wait, or that it is wrong, in its protocol’s own terms.',
      keys: {
        bodyBytes: {
          type: 'bytes',
          default: limits.bodyBytesMax,
          min: 1 * KiB,
          max: limits.segmentRecordBytesMax - 1 * MiB,
          doc: 'One HTTP request body as it arrives, compressed or not. Over it: 413.',
          neighbour: 'limits.inflatedBytes',
        },
        inflatedBytes: {
          type: 'bytes',
          default: limits.inflatedBytesMax,
          min: 1 * KiB,
          max: limits.segmentRecordBytesMax - 1 * MiB,
          doc: 'One HTTP request body after inflating. Over it: 413, without inflating further.',
          neighbour: 'limits.inflightBytes',
        },
        messageBytes: {
          type: 'bytes',
          default: limits.messageBytesMax,
          min: 1 * KiB,
          max: limits.segmentRecordBytesMax - 1 * MiB,
          doc: 'One gRPC message, as it arrives and after inflating. Over it: RESOURCE_EXHAUSTED without RetryInfo, which tells senders not to try again; senders batch below it.',
          neighbour: 'limits.inflightBytes',
        },
        inflightBytes: {
          type: 'bytes',
          default: limits.inflightBytesMax,
          min: 1 * MiB,
          max: 64 * GiB,
          doc: 'Everything in flight: bodies being read and records waiting for the bus. Over it: 503 with Retry-After, in gRPC UNAVAILABLE with RetryInfo.',
          neighbour: 'limits.inflatedBytes',
        },
        connections: {
          type: 'integer',
          unit: 'connections',
          default: limits.connectionsMax,
          min: 1,
          max: 1_000_000,
          doc: 'Open connections on one listener. Further ones are closed at once.',
        },
        requestMs: {
          type: 'integer',
          unit: 'milliseconds',
          default: limits.requestMsMax,
          min: 100,
          max: hourMs,
          doc: 'How long a sender may take to deliver a whole request. Over it: 503 and the connection is closed, in gRPC UNAVAILABLE, so that a slow sender tries again.',
        },
        appendMs: {
          type: 'integer',
          unit: 'milliseconds',
          default: limits.appendMsMax,
          min: 100,
          max: hourMs,
          doc: 'How long the bus may take to make a record durable. Over it the sender gets 503, in gRPC UNAVAILABLE, and tries again. Keep it below the senders’ own time-out (30 s for Prometheus). The one limit that a reload does not change: the bus keeps that of the start. A reload that finds it changed warns that the bus keeps its old configuration; restart to apply it.',
          neighbour: 'limits.drainMs',
        },
        drainMs: {
          type: 'integer',
          unit: 'milliseconds',
          default: limits.drainMsMax,
          min: 100,
          max: hourMs,
          doc: 'How long a drain may take after SIGTERM. Keep it below the orchestrator’s grace period (30 s in Kubernetes).',
          neighbour: 'limits.appendMs',
        },
        lingerMs: {
          type: 'integer',
          unit: 'milliseconds',
          default: limits.lingerMs,
          min: 0,
          max: 10 * secondMs,
          doc: 'How long a record waits for company of the same guid. Longer makes fewer, larger records.',
          neighbour: 'limits.recordBytes',
        },
        recordBytes: {
          type: 'bytes',
          default: limits.recordBytesTarget,
          min: 1 * KiB,
          max: limits.segmentRecordBytesMax,
          doc: 'Size at which a record is closed and sent.',
          neighbour: 'kafka.recordBytesMax',
        },
      },
    },
    metrics: {
      type: 'block',
      doc: 'What `/metrics` shows.',
      keys: {
        guidsMax: {
          type: 'integer',
          unit: 'guids',
          default: limits.metricGuidsMax,
          min: 0,
          max: limits.guidsCachedMax,
          doc: 'Guids that have series of their own; the rest are counted under `other`.',
        },
      },
    },
    logging: {
      type: 'block',
      doc: 'The program’s own log, on standard output.',
      keys: {
        level: {
          type: 'choice',
          values: ['trace', 'debug', 'info', 'warn', 'error', 'fatal'],
          default: 'info',
          doc: 'The least important lines that are written.',
        },
        format: {
          type: 'choice',
          values: ['auto', 'json', 'pretty'],
          default: 'auto',
          doc: '`auto` is readable lines on a terminal and JSON everywhere else.',
        },
      },
    },
  },
} as const satisfies Block

export type Written = Value<typeof schema>
