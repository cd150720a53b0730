/**
 * Random lists of Zipkin spans as plain objects, of version 2 (zipkin.proto) and of version 1 (zipkinCore.thrift). Names and
 * texts are drawn from those that the translation to OTLP treats in a special way, so that every rule is met often.
 */
import type { Random } from './random.ts'

export interface ZipkinEndpoint {
  readonly serviceName?: string
  readonly ipv4?: Buffer
  readonly ipv6?: Buffer
  /** int32. */
  readonly port?: number
}

export interface ZipkinSpan {
  /** 8 or 16 bytes. */
  readonly traceId: Buffer
  /** 8 bytes. */
  readonly id: Buffer
  /** 8 bytes. */
  readonly parentId?: Buffer
  readonly kind?: number
  readonly name?: string
  /** Unsigned, as the duration. */
  readonly timestamp?: bigint
  readonly duration?: bigint
  readonly localEndpoint?: ZipkinEndpoint
  readonly remoteEndpoint?: ZipkinEndpoint
  readonly annotations: readonly { readonly timestamp: bigint; readonly value: string }[]
  /** A list, since a key may come again. */
  readonly tags: readonly (readonly [key: string, value: string])[]
  readonly debug?: boolean
  readonly shared?: boolean
}

export interface CoreEndpoint {
  /** int32; 0 is none. */
  readonly ipv4: number
  /** 0 to 65,535. */
  readonly port: number
  readonly serviceName: string
  readonly ipv6?: Buffer
}

export interface CoreAnnotation {
  readonly timestamp: bigint
  readonly value: string
  readonly host?: CoreEndpoint
}

export interface CoreBinaryAnnotation {
  readonly key: string
  readonly value: Buffer
  /** 0 bool, 1 bytes, 2 i16, 3 i32, 4 i64, 5 double, 6 string. */
  readonly type: number
  readonly host?: CoreEndpoint
}

export interface CoreSpan {
  readonly traceId: bigint
  readonly traceIdHigh?: bigint
  readonly id: bigint
  readonly parentId?: bigint
  readonly name: string
  readonly annotations: readonly CoreAnnotation[]
  readonly binaryAnnotations: readonly CoreBinaryAnnotation[]
  readonly debug?: boolean
  readonly timestamp?: bigint
  readonly duration?: bigint
}

const services = ['', 'shop', 'cart', 'naïve', 'x'.repeat(140)]
const plainKeys = [
  'http.method',
  'http.path',
  'k',
  '',
  'é',
  'net.host.ip',
  'peer.service',
  'long.'.repeat(40),
]
const resourceKeys = ['guid', 'namespace', 'host.name', 'service.name', 'service.version', 'faas.name']
const meaningKeys = [
  'error',
  'otel.status_code',
  'otel.status_description',
  'span.kind',
  'w3c.tracestate',
  'otel.scope.name',
  'otel.scope.version',
  'otel.library.name',
  'otel.library.version',
  'otlp.service.name.source',
  'otlp.link.0',
  'otlp.link.1',
  'otlp.link.127',
  'otlp.link.128',
  'otlp.link.01',
  'census.status_code',
  'census.status_description',
  'opencensus.status_description',
  'http.status_code',
  'http.status_message',
]
const link = '0af7651916cd43dd8448eb211c80319c|b7ad6b7169203331'
const values = [
  '',
  'true',
  'false',
  'v',
  'internal',
  'client',
  'OK',
  'ERROR',
  'Unset',
  'STATUS_CODE_ERROR',
  'eRROR',
  '0',
  '2',
  '-7',
  '404',
  '200',
  '99999999999',
  'faas.name',
  'service.name',
  'team-a',
  'y'.repeat(200),
  `${link}|a=b|{}|0`,
  `${link}||{"n":1,"t":"x","b":true}|3`,
  `|||{}|1`,
  `${link}|{}|0`,
  `${link.slice(1)}||{}|0`,
]
const events = [
  '',
  'boom',
  'a|b',
  'name|{}|0',
  'name|{"a":1,"b":"two","c":false,"d":1.5,"e":-3e2}|4',
  '|{"k":"\\u00e9\\n\\ud83d\\ude00\\/"}|0',
  'name|{"a":1,"a":"last"}|0',
  'name|{"a":null}|0',
  'name|{"a":[1]}|0',
  'name|{"a":1}|x',
  'name|{"a":1|2}|0',
  'name|{"a":"x|y"}|4294967296',
  'z'.repeat(300),
  'cs',
]
const ipv6s = [
  '20010db8000000000000000000000001',
  '00000000000000000000ffff0a000001',
  '0'.repeat(32),
  'fe80'.repeat(8),
]
/** Microseconds at which something begins to differ: the last with nanoseconds in 64 bits, the ends of both kinds of number. */
const edges = [0n, 1n, 18446744073709551n, 18446744073709552n, (1n << 63n) - 1n]
const now = 1_700_000_000_000_000n

/** A list of version 2. */
export function randomZipkin(random: Random): ZipkinSpan[] {
  return Array.from({ length: random.below(6) }, () => randomSpan(random))
}

/** A list of version 1. */
export function randomCore(random: Random): CoreSpan[] {
  return Array.from({ length: random.below(6) }, () => randomCoreSpan(random))
}

function randomSpan(random: Random): ZipkinSpan {
  const id = bytes(random, 8)
  return {
    traceId: bytes(random, random.pick([8, 16])),
    id,
    ...maybe(random, () => ({ parentId: random.oneIn(4) ? id : bytes(random, 8) })),
    ...maybe(random, () => ({ kind: random.below(7) })),
    ...maybe(random, () => ({ name: random.pick(['get', 'GET /x', 'n'.repeat(130)]) })),
    ...maybe(random, () => ({ timestamp: time(random, (1n << 64n) - 1n) })),
    ...maybe(random, () => ({ duration: random.oneIn(2) ? 12_345n : time(random, (1n << 64n) - 1n) })),
    ...maybe(random, () => ({ localEndpoint: endpoint(random) })),
    ...maybe(random, () => ({ remoteEndpoint: endpoint(random) })),
    annotations: list(random, 4, () => ({
      timestamp: time(random, (1n << 64n) - 1n),
      value: random.pick(events),
    })),
    tags: list(random, random.oneIn(10) ? 60 : 8, () => [key(random), random.pick(values)] as const),
    ...maybe(random, () => ({ debug: random.oneIn(2) })),
    ...maybe(random, () => ({ shared: random.oneIn(2) })),
  }
}

function endpoint(random: Random): ZipkinEndpoint {
  return {
    ...maybe(random, () => ({ serviceName: random.pick(services) })),
    ...maybe(random, () => ({
      ipv4: random.oneIn(9) ? bytes(random, 3) : Buffer.from([10, 0, 255, random.below(3)]),
    })),
    ...maybe(random, () => ({
      ipv6: random.oneIn(9) ? bytes(random, 17) : Buffer.from(random.pick(ipv6s), 'hex'),
    })),
    ...maybe(random, () => ({ port: random.pick([0, 80, 65535, 70_000, -1]) })),
  }
}

const coreValues = ['cs', 'cr', 'sr', 'ss', 'ms', 'mr', 'ws', ...events]

function randomCoreSpan(random: Random): CoreSpan {
  const times = [now, now + 100n, time(random, (1n << 63n) - 1n), -time(random, 1n << 63n)]
  const id = signed(random)
  return {
    traceId: signed(random),
    ...maybe(random, () => ({ traceIdHigh: signed(random) })),
    id,
    ...maybe(random, () => ({ parentId: random.oneIn(4) ? id : signed(random) })),
    name: random.pick(['', 'get', 'n'.repeat(130)]),
    annotations: list(random, 5, () => ({
      timestamp: random.pick(times),
      value: random.pick(coreValues),
      ...maybe(random, () => ({ host: coreEndpoint(random) })),
    })),
    binaryAnnotations: list(random, random.oneIn(10) ? 60 : 8, () => binaryAnnotation(random)),
    ...maybe(random, () => ({ debug: random.oneIn(2) })),
    ...maybe(random, () => ({ timestamp: random.pick(times) })),
    ...maybe(random, () => ({ duration: random.pick([0n, 100n, -100n, time(random, (1n << 63n) - 1n)]) })),
  }
}

function coreEndpoint(random: Random): CoreEndpoint {
  return {
    ipv4: random.pick([0, 0x0a000001, -1]),
    port: random.pick([0, 80, 65535]),
    serviceName: random.pick(['', 'shop', 'cart']),
    ...maybe(random, () => ({
      ipv6: random.oneIn(9) ? bytes(random, 5) : Buffer.from(random.pick(ipv6s), 'hex'),
    })),
  }
}

function binaryAnnotation(random: Random): CoreBinaryAnnotation {
  const host = random.oneIn(2) ? { host: coreEndpoint(random) } : {}
  if (random.oneIn(4))
    return { key: random.pick(['sa', 'ca', 'ma']), value: Buffer.from([random.below(2)]), type: 0, ...host }
  const type = random.pick([6, 6, 6, 6, 6, 0, 1, 2, 3, 4, 5, 9])
  const fitting = { 0: 1, 2: 2, 3: 4, 4: 8, 5: 8 }[type]
  const value =
    type === 6
      ? Buffer.from(random.pick(values))
      : bytes(random, random.oneIn(5) ? random.below(10) : (fitting ?? 3))
  return { key: random.oneIn(6) ? 'lc' : key(random), value, type, ...host }
}

function key(random: Random): string {
  const kind = random.below(4)
  return kind < 2 ? random.pick(meaningKeys) : random.pick(kind === 2 ? resourceKeys : plainKeys)
}

function maybe<Fields extends object>(random: Random, make: () => Fields): Fields | Record<string, never> {
  return random.oneIn(3) ? {} : make()
}

function list<Item>(random: Random, bound: number, make: () => Item): Item[] {
  return Array.from({ length: random.below(bound) }, make)
}

function bytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => (random.oneIn(3) ? 0 : random.below(256))))
}

function signed(random: Random): bigint {
  return bytes(random, 8).readBigInt64BE()
}

function time(random: Random, largest: bigint): bigint {
  if (!random.oneIn(4)) return now + BigInt(random.below(1000))
  return random.pick([...edges, largest])
}
