/**
 * Random lists of Zipkin spans as clients write them: every field well formed and within its range, and tags with a meaning
 * for OTLP among the plain ones. For readers that refuse what no client sends.
 */
import { judgedAttribute } from './jaeger-judge.ts'
import type { Random } from './random.ts'
import type { ZipkinEndpoint, ZipkinSpan } from './random-zipkin.ts'

const kinds = ['CLIENT', 'SERVER', 'PRODUCER', 'CONSUMER'] as const
const keys = [
  'http.method',
  'http.path',
  'é',
  'error',
  'otel.status_code',
  'otel.status_description',
  'http.status_code',
  'w3c.tracestate',
  'otel.scope.name',
  'otel.scope.version',
  'otlp.link.0',
  'guid',
]
const values = ['', 'true', 'false', 'GET', '404', '503', 'né', '\u{1F600}', 'v'.repeat(200)]
const meanings: Readonly<Record<string, readonly string[]>> = {
  'otel.status_code': ['OK', 'ERROR', 'STATUS_CODE_ERROR', 'STATUS_CODE_OK'],
  'w3c.tracestate': ['a=1,b=2'],
  'otel.scope.name': ['io.opentelemetry.http', 'library'],
  'otel.scope.version': ['1.0'],
  'otlp.link.0': ['0af7651916cd43dd8448eb211c80319c|b7ad6b7169203331|a=b|{}|0'],
}
const events = ['wire send', 'né', 'name|{"a":1,"b":"two","c":false}|4', 'z'.repeat(300)]
const now = 1_795_267_000_000_000n

/** Spans that have an id of their own each, and an attribute by which they are known. */
export function clientSpans(random: Random, name: string): ZipkinSpan[] {
  return Array.from({ length: random.below(6) }, (_, index) => clientSpan(random, `${name} ${index}`))
}

function clientSpan(random: Random, name: string): ZipkinSpan {
  const maybe = <Fields extends object>(make: () => Fields): Fields | Record<string, never> =>
    random.oneIn(3) ? {} : make()
  const tags = new Map(Array.from({ length: random.below(8) }, () => tag(random)))
  return {
    traceId: bytes(random, 16),
    id: bytes(random, 8),
    ...maybe(() => ({ parentId: bytes(random, 8) })),
    ...maybe(() => ({ kind: 1 + random.below(kinds.length) })),
    ...maybe(() => ({ name: random.pick(['get', 'get /cart', 'n'.repeat(130)]) })),
    timestamp: now + BigInt(random.below(1_000_000)),
    duration: BigInt(1 + random.below(1_000_000)),
    ...maybe(() => ({ localEndpoint: endpoint(random) })),
    ...maybe(() => ({ remoteEndpoint: endpoint(random) })),
    annotations: Array.from({ length: random.below(4) }, () => ({
      timestamp: now + BigInt(random.below(1_000_000)),
      value: random.pick(events),
    })),
    tags: [...tags, [judgedAttribute, name]],
    ...maybe(() => ({ debug: random.oneIn(2) })),
    ...maybe(() => ({ shared: random.oneIn(2) })),
  }
}

function tag(random: Random): [string, string] {
  const key = random.pick(keys)
  return [key, random.pick(meanings[key] ?? values)]
}

function endpoint(random: Random): ZipkinEndpoint {
  const address = Buffer.from([10, 0, 255, random.below(3)])
  const long = Buffer.from('20010db8000000000000000000000001', 'hex')
  return {
    serviceName: random.pick(['shop', 'cart', 'né']),
    ...(random.oneIn(3) ? { ipv6: long } : { ipv4: address }),
    ...(random.oneIn(3) ? {} : { port: random.pick([80, 8080, 65_535]) }),
  }
}

function bytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => 1 + random.below(255)))
}

/** The list as text of version 2. */
export function zipkinText(spans: readonly ZipkinSpan[]): Buffer {
  return Buffer.from(JSON.stringify(spans.map(textSpan)))
}

function textSpan(span: ZipkinSpan): object {
  const { traceId, id, parentId, kind, timestamp, duration, localEndpoint, remoteEndpoint, tags } = span
  return {
    ...span,
    traceId: traceId.toString('hex'),
    id: id.toString('hex'),
    parentId: parentId?.toString('hex'),
    kind: kind === undefined ? undefined : kinds[kind - 1],
    timestamp: Number(timestamp),
    duration: Number(duration),
    localEndpoint: textEndpoint(localEndpoint),
    remoteEndpoint: textEndpoint(remoteEndpoint),
    annotations: span.annotations.map(({ timestamp: time, value }) => ({ timestamp: Number(time), value })),
    tags: Object.fromEntries(tags),
  }
}

function textEndpoint(end: ZipkinEndpoint | undefined): object | undefined {
  if (end === undefined) return undefined
  const { ipv4, ipv6, ...others } = end
  const long = ipv6?.toString('hex').replaceAll(/(.{4})(?=.)/g, '$1:')
  return { ...others, ipv4: ipv4?.join('.'), ipv6: long }
}
