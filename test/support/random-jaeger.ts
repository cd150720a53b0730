/**
 * Random batches of Jaeger spans as plain objects, of which every wire form (Thrift binary and compact, protobuf) can be
 * made. A seed gives one batch. Names and texts are drawn from those that the translation to OTLP treats in a special
 * way, so that every rule is met often.
 */
import type { Random } from './random.ts'

/** What a tag holds. Thrift and protobuf have the same five types under different numbers. */
export type JaegerValue =
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'int64'; readonly value: bigint }
  | { readonly type: 'double'; readonly value: number }
  | { readonly type: 'binary'; readonly value: Buffer }

export type JaegerTag = JaegerValue & { readonly key: string }

export interface JaegerProcess {
  readonly serviceName: string
  readonly tags: readonly JaegerTag[]
}

export interface JaegerReference {
  readonly type: 'child_of' | 'follows_from'
  /** 16 bytes. */
  readonly traceId: Buffer
  /** 8 bytes. */
  readonly spanId: Buffer
}

export interface JaegerLog {
  readonly timeUs: bigint
  readonly fields: readonly JaegerTag[]
}

export interface JaegerSpan {
  /** 16 bytes. */
  readonly traceId: Buffer
  /** 8 bytes. */
  readonly spanId: Buffer
  /** 8 bytes, all zero for none. Thrift only: protobuf has no such field, and a reference says it. */
  readonly parentSpanId: Buffer
  readonly operationName: string
  readonly references: readonly JaegerReference[]
  /** Unsigned, 32 bits. */
  readonly flags: number
  readonly startTimeUs: bigint
  readonly durationUs: bigint
  readonly tags: readonly JaegerTag[]
  readonly logs: readonly JaegerLog[]
  /** Protobuf only. */
  readonly process?: JaegerProcess
  /** Protobuf only. */
  readonly warnings?: readonly string[]
}

export interface JaegerBatch {
  /** Always there in Thrift; protobuf may leave it out. */
  readonly process?: JaegerProcess
  readonly spans: readonly JaegerSpan[]
}

export interface JaegerOptions {
  /** Spans at most; 0 are drawn, too. */
  readonly spansMax?: number
  /** The fields that protobuf alone has, and batches without a process. */
  readonly via?: 'proto' | 'thrift'
  /** Never the same key twice in one list of tags, and no tag `service.name` of a process. */
  readonly isDistinct?: boolean
}

const SERVICES = ['checkout', 'cart', '', 'né', 'x'.repeat(127), 'x'.repeat(128)]
const OPERATIONS = ['GET /cart', '', 'SELECT', '\u{1F600}', 'op'.repeat(64)]
const KEYS = [
  'http.method',
  'component',
  'guid',
  'hostname',
  'host.name',
  'jaeger.version',
  'opencensus.exporterversion',
  'service.name',
  'ip',
  'span.kind',
  'error',
  'otel.status_code',
  'otel.status_description',
  'http.status_code',
  'http.status_message',
  'w3c.tracestate',
  'otel.scope.name',
  'otel.scope.version',
  'otel.library.name',
  'event',
  'message',
  'sampler.param',
  '',
  'é',
  'k'.repeat(130),
]
const TEXTS = ['', 'team-a', 'GET', 'true', '404', 'né', '\u{1F600}', 'v'.repeat(127), 'v'.repeat(300)]
/** Texts that mean something under the key. */
const MEANINGS: Readonly<Record<string, readonly string[]>> = {
  'span.kind': ['client', 'server', 'producer', 'consumer', 'internal', 'Server', 'other'],
  'otel.status_code': ['OK', 'ERROR', 'error', 'Ok', 'UNSET', ''],
  'http.status_code': [
    '200',
    '404',
    '503',
    '+404',
    '-1',
    '99',
    '398',
    '399',
    '400',
    '499',
    '500',
    'x',
    '4 04',
  ],
  'otel.scope.name': ['io.opentelemetry.http', 'library', ''],
  'otel.scope.version': ['1.0', ''],
  'w3c.tracestate': ['a=1,b=2', ''],
  event: ['cache miss', 'error', ''],
}
const INTEGERS = [0n, 1n, -1n, 200n, 404n, 500n, 127n, 128n, 1n << 31n, (1n << 63n) - 1n, -(1n << 63n)]
const DOUBLES = [0, -0, 1.5, -1e300, 5e-324, Number.NaN, Infinity, -Infinity, 404]
const FLAGS = [0, 1, 1, 1, 2, 3, 8, 9, 0x7fffffff]
/** Of November 2026, and the epoch. Never outside of what OTLP and Go's time can hold. */
const STARTS = [1_795_267_000_000_000n, 1_795_267_000_123_456n, 1n, 0n, 999_999n, 1_000_000n]
const DURATIONS = [0n, 1n, 999n, 1_000_000n, 1_234_567n, 3_600_000_000n]

/** One batch. What it holds is well formed throughout: texts are UTF-8, ids have their length, no id is zero. */
export function randomJaeger(random: Random, options: JaegerOptions = {}): JaegerBatch {
  return new Maker(random, options).batch()
}

class Maker {
  readonly #random: Random
  readonly #isProto: boolean
  readonly #isDistinct: boolean
  readonly #spansMax: number
  readonly #traceIds: readonly Buffer[]
  readonly #spanIds: readonly Buffer[]
  readonly #processes: readonly JaegerProcess[]

  constructor(random: Random, { via = 'thrift', isDistinct = false, spansMax = 6 }: JaegerOptions) {
    this.#random = random
    this.#isProto = via === 'proto'
    this.#isDistinct = isDistinct
    this.#spansMax = spansMax
    this.#traceIds = [this.#id(16), this.#id(16), Buffer.concat([Buffer.alloc(8), this.#id(8)])]
    this.#spanIds = Array.from({ length: 5 }, () => this.#id(8))
    this.#processes = Array.from({ length: 3 }, () => this.#process())
  }

  batch(): JaegerBatch {
    const spans = this.#several(this.#spansMax + 1, () => this.#span())
    if (this.#isProto && this.#random.oneIn(8)) return { spans }
    return { process: this.#random.pick(this.#processes), spans }
  }

  #span(): JaegerSpan {
    const random = this.#random
    const span: JaegerSpan = {
      traceId: random.pick(this.#traceIds),
      spanId: random.pick(this.#spanIds),
      parentSpanId: this.#isProto || random.oneIn(2) ? Buffer.alloc(8) : random.pick(this.#spanIds),
      operationName: random.pick(OPERATIONS),
      references: random.oneIn(2) ? [] : this.#several(4, () => this.#reference()),
      flags: random.pick(FLAGS),
      startTimeUs: random.pick(STARTS),
      durationUs: random.pick(DURATIONS),
      tags: this.#tags(12),
      logs: random.oneIn(2) ? [] : this.#several(4, () => this.#log()),
    }
    if (!this.#isProto) return span
    return {
      ...span,
      ...(random.oneIn(3) ? { process: random.pick(this.#processes) } : {}),
      ...(random.oneIn(8) ? { warnings: this.#several(3, () => random.pick(TEXTS)) } : {}),
    }
  }

  #reference(): JaegerReference {
    const type = this.#random.oneIn(3) ? 'follows_from' : 'child_of'
    return { type, traceId: this.#random.pick(this.#traceIds), spanId: this.#random.pick(this.#spanIds) }
  }

  #log(): JaegerLog {
    return { timeUs: this.#random.pick(STARTS), fields: this.#tags(4) }
  }

  #process(): JaegerProcess {
    // The name of the service is a tag in OTLP.
    const tags = this.#tags(6).filter(({ key }) => !this.#isDistinct || key !== 'service.name')
    return { serviceName: this.#random.pick(SERVICES), tags }
  }

  #tags(countMax: number): JaegerTag[] {
    const tags = this.#several(countMax + 1, () => this.#tag())
    if (!this.#isDistinct) return tags
    return [...new Map(tags.map((tag) => [tag.key, tag])).values()]
  }

  #tag(): JaegerTag {
    const random = this.#random
    const key = random.pick(KEYS)
    const meanings = MEANINGS[key]
    if (meanings !== undefined && !random.oneIn(4))
      return { key, type: 'string', value: random.pick(meanings) }
    if (key === 'error' && !random.oneIn(4)) return { key, type: 'bool', value: random.oneIn(2) }
    switch (random.below(8)) {
      case 0:
        return { key, type: 'bool', value: random.oneIn(2) }
      case 1:
        return { key, type: 'int64', value: random.pick(INTEGERS) }
      case 2:
        return { key, type: 'double', value: random.pick(DOUBLES) }
      case 3:
        return { key, type: 'binary', value: this.#bytes(random.pick([0, 1, 7, 127, 128])) }
      default:
        return { key, type: 'string', value: random.pick(TEXTS) }
    }
  }

  #id(bytes: number): Buffer {
    const id = this.#bytes(bytes)
    // Beginnings of 0x80 and more are negative in Thrift; no id is all zero.
    if (id.every((byte) => byte === 0)) id[0] = 1
    return id
  }

  #bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.#random.below(256)))
  }

  #several<Item>(bound: number, make: () => Item): Item[] {
    return Array.from({ length: this.#random.below(bound) }, make)
  }
}
