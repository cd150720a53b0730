/**
 * What users may write: every option with its type, unit, default, bounds and meaning. Defaults come from limits.ts.
 * docs/configuration.md and `guidepost check --schema` are made from this.
 */
import { GiB, KiB, limits, MiB } from '../limits.ts'
import type { GuidSource } from './config.ts'
import { readOrigins, readRequestHeaders } from './cors.ts'
import { readGuidAllow, readGuidMissing, readGuidSources } from './guid-rules.ts'
import type { Block, Value } from './schema-nodes.ts'

const secondMs = 1_000
const hourMs = 3_600 * secondMs

const guidFromDefault: readonly GuidSource[] = [
  { kind: 'listener' },
  { kind: 'path' },
  { kind: 'header', name: 'x-guid', match: undefined },
  { kind: 'header', name: 'x-scope-orgid', match: undefined },
  { kind: 'label', name: 'guid', match: undefined },
  { kind: 'attribute', name: 'guid', match: undefined },
  { kind: 'label', name: 'namespace', match: undefined },
  { kind: 'attribute', name: 'k8s.namespace.name', match: undefined },
  { kind: 'label', name: 'name', match: undefined },
  { kind: 'attribute', name: 'host.name', match: undefined },
  { kind: 'attribute', name: 'hostname', match: undefined },
]

const guidText = { type: 'string', pattern: '^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$' }
const named = (kind: string) => ({
  type: 'object',
  properties: { [kind]: { type: 'string', minLength: 1 }, match: { type: 'string' } },
  required: [kind],
  additionalProperties: false,
})

const from = {
  type: 'custom',
  doc: 'Where a guid is looked for, in this order; the first source that yields a valid guid wins, for each series, resource or process by itself. Bare words: `listener` (the guid set on the listener) and `path` (`/t/<guid>/…`). With a name: `header: x-guid`, `label: namespace`, `attribute: k8s.namespace.name`, `label|attribute: guid` for both; each of these may carry `match:`, a regular expression with exactly one group that finds the guid inside the value (it may match anywhere unless `^` and `$` say otherwise). Patterns see what senders send, on the thread that serves all of them: a repetition inside a repeated group, as in `(a+)+`, lets one value stop the gateway. `guidepost check` and the start warn of these; other slow ones, such as `(a|a)+`, are not noticed. `peer: { 10.1.0.0/16: team-a }` goes by the sender’s address, the longest prefix wins; `constant: team-a` always yields.',
  neighbour: 'guid.missing',
  read: readGuidSources,
  spelling: 'list of sources',
  json: {
    type: 'array',
    minItems: 1,
    items: {
      anyOf: [
        { enum: ['listener', 'path'] },
        ...['header', 'label', 'attribute', 'label|attribute'].map(named),
        {
          type: 'object',
          properties: { constant: guidText },
          required: ['constant'],
          additionalProperties: false,
        },
        {
          type: 'object',
          properties: { peer: { type: 'object', minProperties: 1, additionalProperties: guidText } },
          required: ['peer'],
          additionalProperties: false,
        },
      ],
    },
  },
} as const

const name = {
  type: 'string',
  expects: 'a name of a label or attribute that does not begin with __',
  pattern: /^(?!__)[A-Za-z_][A-Za-z0-9_.]{0,127}$/,
  example: 'guid',
  doc: 'The label (remote write) or the attribute of the resource (OTLP) that is written. Every other occurrence of this name in the same place is removed; `guid.scope` says what of the other places in OTLP. Only a series’ own labels are stamped and cleaned: labels of exemplars are not looked at and stay as they came.',
} as const

const conflict = {
  type: 'choice',
  values: ['overwrite', 'keep', 'reject'],
  doc: 'What happens to an item that already carries another guid under `guid.name`: the right one replaces it (`overwrite`), it stays (`keep`), or the item is rejected (`reject`). `keep` chooses between two guids and is no source: with `missing: reject` or `drop` an item for which no source yields a guid is refused even when it carries a valid one under `guid.name`. To let that one count, name it in `guid.from`.',
} as const

const scope = {
  type: 'choice',
  values: ['resource', 'everywhere'],
  doc: 'How far OTLP is searched for attributes of the name `guid.name` that a sender wrote. `resource`: those of a resource are replaced by the stamp; an attribute of the same name in a scope, span, data point or log record is the application’s own and stays. `everywhere`: those are removed too. Remote write has labels in one place only, and does not look at it.',
} as const

const missing = {
  type: 'custom',
  doc: 'What happens to an item for which no source yields a guid: it is stamped with the one given, rejected (the sender is told), or dropped (the sender is not told; it is counted).',
  neighbour: 'guid.allow',
  read: readGuidMissing,
  spelling: '`reject`, `drop` or `{ stamp: GUID }`',
  json: {
    anyOf: [
      { enum: ['reject', 'drop'] },
      { type: 'object', properties: { stamp: guidText }, required: ['stamp'], additionalProperties: false },
    ],
  },
} as const

const allow = {
  type: 'custom',
  doc: 'The guids that are let through; items of any other are rejected. Entries are guids, guids with `*` for any run of characters, or a `/regular expression/` of the whole guid, of which the same is to be said as of `match` in `guid.from`. Every valid guid when not set.',
  neighbour: 'guid.missing',
  read: readGuidAllow,
  spelling: 'list of guids and patterns',
  json: { type: 'array', minItems: 1, items: { type: 'string', minLength: 1 } },
} as const

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

const ownGuid = {
  type: 'block',
  doc: 'Overrides the global `guid` block for this receiver, key by key; a key that is not written here is as there.',
  keys: { from, name, conflict, scope, missing, allow },
} as const

const cors = {
  type: 'block',
  optional: true,
  off: true,
  doc: 'Which web pages may send OTLP over HTTP from a browser (CORS). None when not set. Browsers alone keep to it: it keeps no other program out.',
  keys: {
    origins: {
      type: 'custom',
      doc: 'The origins of the pages: scheme, host and a port other than the scheme’s own, as in `https://app.example.com`. `*.` as the begin of a host stands for all names below it, as in `https://*.example.com`; `*` alone is every page.',
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
    guid: {
      type: 'block',
      doc: 'Which guid an item gets.',
      keys: {
        from: {
          ...from,
          default: guidFromDefault,
          defaultText:
            'listener, path, header x-guid, header x-scope-orgid, label\\|attribute guid, label namespace, attribute k8s.namespace.name, label name, attribute host.name, attribute hostname',
        },
        name: { ...name, default: 'guid' },
        conflict: { ...conflict, default: 'overwrite' },
        scope: { ...scope, default: 'resource' },
        missing: {
          ...missing,
          default: { action: 'stamp', guid: 'unassigned' },
          defaultText: '{ stamp: unassigned }',
        },
        allow,
      },
    },
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
            guid: ownGuid,
          },
        },
        otlp: {
          type: 'block',
          doc: 'OpenTelemetry’s traces, metrics and logs, over gRPC and HTTP.',
          keys: {
            enabled: { type: 'boolean', default: true, doc: 'Whether it is served.' },
            cors,
            guid: ownGuid,
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
          doc: 'One request body as it arrives, compressed or not. Over it: 413.',
          neighbour: 'limits.inflatedBytes',
        },
        inflatedBytes: {
          type: 'bytes',
          default: limits.inflatedBytesMax,
          min: 1 * KiB,
          max: limits.segmentRecordBytesMax - 1 * MiB,
          doc: 'One request body after inflating. Over it: 413, without inflating further.',
          neighbour: 'limits.inflightBytes',
        },
        messageBytes: {
          type: 'bytes',
          default: limits.messageBytesMax,
          min: 1 * KiB,
          max: limits.segmentRecordBytesMax - 1 * MiB,
          doc: 'One gRPC message, as it arrives and after inflating. Over it: RESOURCE_EXHAUSTED, which no sender tries again; senders batch below it.',
          neighbour: 'limits.inflightBytes',
        },
        inflightBytes: {
          type: 'bytes',
          default: limits.inflightBytesMax,
          min: 1 * MiB,
          max: 64 * GiB,
          doc: 'Everything in flight: bodies being read and records waiting for the bus. Over it: 503 with Retry-After.',
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
          doc: 'How long a sender may take to deliver a whole request. Over it: 503 and the connection is closed, so that a slow sender tries again.',
        },
        appendMs: {
          type: 'integer',
          unit: 'milliseconds',
          default: limits.appendMsMax,
          min: 100,
          max: hourMs,
          doc: 'How long the bus may take to make a record durable. Over it the sender gets 503 and tries again. Keep it below the senders’ own time-out (30 s for Prometheus). The one limit that a reload does not change: the bus keeps that of the start. A reload that finds it changed warns that the bus keeps its old configuration; restart to apply it.',
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
