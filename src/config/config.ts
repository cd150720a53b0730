/**
 * The configuration as the program sees it: complete, checked, units in the names. `schema.ts` describes what users
 * write, `load.ts` turns that into this. Nothing here is mutable; a reload makes a new one.
 */

export interface Config {
  readonly bus: BusConfig
  /** Processes that share the ports; 1 for a log. */
  readonly workers: number
  /** Undefined: off, or the bus needs none. */
  readonly spool: SpoolConfig | undefined
  /** Where it lies, or did while it was on. */
  readonly spoolDirectory: string
  readonly listeners: ListenersConfig
  readonly admin: ListenerConfig | undefined
  readonly guid: GuidConfig
  readonly receivers: ReceiversConfig
  readonly limits: LimitsConfig
  readonly metrics: { readonly guidsMax: number }
  readonly logging: { readonly level: LogLevel; readonly format: 'auto' | 'json' | 'pretty' }
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'

/** Undefined: off, or nothing that it could serve is on. */
export interface ListenersConfig {
  /** Every protocol that runs over HTTP. */
  readonly http: ListenerConfig | undefined
  readonly otlpGrpc: ListenerConfig | undefined
  readonly otlpHttp: ListenerConfig | undefined
  readonly jaegerGrpc: ListenerConfig | undefined
  readonly jaegerHttp: ListenerConfig | undefined
  /** UDP, as the other two of the Jaeger agent. */
  readonly jaegerCompact: ListenerConfig | undefined
  readonly jaegerBinary: ListenerConfig | undefined
  readonly zipkinCompact: ListenerConfig | undefined
  readonly jaegerSampling: ListenerConfig | undefined
  readonly zipkin: ListenerConfig | undefined
}

export interface ListenerConfig {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  /** The guid of everything that arrives here, for `guid.from: listener`. */
  readonly guid: string | undefined
}

export type BusConfig = LogBusConfig | KafkaBusConfig

export interface LogBusConfig {
  readonly kind: 'log'
  readonly url: string
  /** Absolute. */
  readonly directory: string
  readonly segmentBytes: number
  readonly retentionBytes: number
  readonly retentionHours: number
  readonly diskReserveBytes: number
  readonly appendMs: number
}

export interface KafkaBusConfig {
  readonly kind: 'kafka'
  readonly url: string
  readonly brokers: readonly string[]
  readonly client: 'platformatic' | 'kafkajs'
  readonly clientId: string
  readonly createTopics: boolean
  /** For topics that the gateway creates. */
  readonly partitions: number
  /** For topics that the gateway creates. */
  readonly replication: number
  /** Partitions over which one guid's records are spread; 1 keeps them on one. */
  readonly spread: number
  readonly compression: 'auto' | 'zstd' | 'lz4' | 'snappy' | 'gzip' | 'none'
  readonly recordBytesMax: number
  readonly appendMs: number
  readonly connectMs: number
  readonly sasl: SaslConfig | undefined
  readonly tls: TlsConfig | undefined
}

/** Where records go while Kafka does not take them. */
export interface SpoolConfig {
  /** Absolute. */
  readonly directory: string
  readonly bytesMax: number
  /** Milliseconds that Kafka is given for a record before it is spooled. */
  readonly afterMs: number
  readonly drainBytesPerSecond: number
}

export interface SaslConfig {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
  readonly username: string
  readonly password: string
}

/** PEM texts, already read from the files that the configuration names. */
export interface TlsConfig {
  readonly ca: string | undefined
  readonly cert: string | undefined
  readonly key: string | undefined
  readonly serverName: string | undefined
  readonly verify: boolean
}

/** Where a guid may come from; the first source that yields a valid value wins. */
export type GuidSource =
  | { readonly kind: 'credential' | 'listener' | 'path' }
  | { readonly kind: 'header'; readonly name: string; readonly match: RegExp | undefined }
  | { readonly kind: 'label' | 'attribute'; readonly name: string; readonly match: RegExp | undefined }
  /** The longest prefixes first, so that the first network that holds an address is the nearest. */
  | { readonly kind: 'peer'; readonly table: readonly { readonly cidr: string; readonly guid: string }[] }
  | { readonly kind: 'constant'; readonly value: string }

export interface GuidConfig {
  readonly from: readonly GuidSource[]
  /** The label or attribute that is written. */
  readonly name: string
  /** When the item already carries another guid under `name`. */
  readonly conflict: 'overwrite' | 'keep' | 'reject'
  /** Where other occurrences of `name` are removed: in resources alone, or in scopes and items too. */
  readonly scope: 'resource' | 'everywhere'
  /** When no source yields a guid. */
  readonly missing:
    | { readonly action: 'stamp'; readonly guid: string }
    | { readonly action: 'reject' | 'drop' }
  /** Whole-value patterns; undefined allows every valid guid. */
  readonly allow: readonly RegExp[] | undefined
}

export interface ReceiversConfig {
  readonly remoteWrite: RemoteWriteConfig
  readonly otlp: OtlpConfig
  readonly jaeger: JaegerConfig
  readonly zipkin: ZipkinConfig
}

/** What the bus gets of spans that did not come as OTLP. */
export type SpanEncoding = 'otlp_proto' | 'jaeger_proto'

export interface RemoteWriteConfig {
  /** On, and a listener reaches it. */
  readonly enabled: boolean
  /** What the bus gets. */
  readonly encoding: 'prometheus_remote_write' | 'otlp_proto'
  /** The receiver's own rules, already merged over the global ones. */
  readonly guid: GuidConfig
}

export interface OtlpConfig {
  /** On, and a listener reaches it. */
  readonly enabled: boolean
  /** Undefined: no page of another origin may send. */
  readonly cors: CorsConfig | undefined
  /** The receiver's own rules, already merged over the global ones. */
  readonly guid: GuidConfig
}

export interface JaegerConfig {
  /** On, and a listener reaches it. */
  readonly enabled: boolean
  readonly encoding: SpanEncoding
  /** Absolute; the sampling strategies that clients are told. Undefined: Jaeger's own default for all. */
  readonly strategiesFile: string | undefined
  /** The receiver's own rules, already merged over the global ones. */
  readonly guid: GuidConfig
}

export interface ZipkinConfig {
  /** On, and a listener reaches it. */
  readonly enabled: boolean
  readonly encoding: SpanEncoding
  /** The receiver's own rules, already merged over the global ones. */
  readonly guid: GuidConfig
}

/** Which browsers' pages may send (WHATWG, Fetch, 3.3). */
export interface CorsConfig {
  /**
   * Each is an origin as browsers write it (`https://app.example.com`), an origin whose host begins with `*.`
   * (`https://*.example.com`), or `*` for all.
   */
  readonly origins: readonly string[]
  /** Every request header that a page may set, in lower case, none twice. */
  readonly headers: readonly string[]
  readonly maxAgeSeconds: number
}

export interface LimitsConfig {
  readonly bodyBytes: number
  readonly inflatedBytes: number
  readonly messageBytes: number
  readonly inflightBytes: number
  /** What the process may occupy; of several workers all together. */
  readonly memoryBytes: number
  readonly connections: number
  readonly requestMs: number
  readonly drainMs: number
  readonly lingerMs: number
  readonly recordBytes: number
}
