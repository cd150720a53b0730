/** Requests of Jaeger's and Zipkin's spans that are large in one thing, each as small as it can be in the others. */
import { type Bytes, binaryAnnotation, coreList, ThriftBytes, thriftBatchOf, thriftTag } from './bad-spans.ts'
import { protoSpan as spanNamed } from './bad-spans-forgeries.ts'
import type { Way } from './bad-spans-world.ts'
import { contentOf, field } from './otlp-wire.ts'

export interface Large {
  readonly way: Way
  readonly body: Buffer
  /** What its sender is told, towards OTLP. */
  readonly fate: 'taken' | 'too large'
  /** Towards Jaeger's own form, where that differs. */
  readonly fateInJaeger?: 'taken' | 'too large'
  /** Spans that are on the bus then. */
  readonly spans: number
}

const many = 100_000
const w = new ThriftBytes('binary')

function repeat(count: number, make: (i: number) => Bytes): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, i) => Buffer.from(make(i))))
}
const repeated = (count: number, bytes: Buffer): Buffer => Buffer.alloc(bytes.length * count, bytes)

const keyValue = (key: string, value: string): Buffer => Buffer.concat([field(1, key), field(3, value)])
/** Written once, since there are many of it. */
const plainSpan = contentOf(spanNamed(''))
const protoSpan = (...more: readonly Buffer[]): Buffer => field(1, plainSpan, ...more)
const request = (...parts: readonly Buffer[]): Buffer => field(1, ...parts)
const reference = (i: number): Buffer => {
  const id = Buffer.alloc(8)
  id.writeUInt32BE(i + 1)
  return field(4, field(1, Buffer.alloc(16, 3)), field(2, id))
}

/** In jaeger.api_v2. */
const largeProto: Readonly<Record<string, () => Omit<Large, 'way'>>> = {
  '100,000 tags of one name': () => ({
    body: request(protoSpan(repeat(many, (i) => field(8, keyValue('k', `${i}`))))),
    ...{ fate: 'taken', spans: 1 },
  }),
  '100,000 tags': () => ({
    body: request(protoSpan(repeat(many, (i) => field(8, keyValue(`k${i}`, 'v'))))),
    ...{ fate: 'taken', spans: 1 },
  }),
  "100,000 tags with the stamp's name": () => ({
    body: request(
      protoSpan(),
      field(
        2,
        repeat(many, (i) => field(2, keyValue('guid', `g${i}`))),
      ),
    ),
    ...{ fate: 'taken', spans: 1 },
  }),
  '100,000 logs': () => ({
    body: request(protoSpan(repeat(many, (i) => field(9, field(2, keyValue('event', `${i}`)))))),
    ...{ fate: 'taken', spans: 1 },
  }),
  '100,000 references': () => ({
    body: request(protoSpan(repeat(many, reference))),
    ...{ fate: 'taken', spans: 1 },
  }),
  '7,000,000 warnings': () => ({
    body: request(protoSpan(repeated(7_000_000, field(12)))),
    ...{ fate: 'taken', spans: 1 },
  }),
  '7,000,000 empty tags': () => ({
    body: request(protoSpan(repeated(7_000_000, field(8)))),
    ...{ fate: 'too large', fateInJaeger: 'taken', spans: 1 },
  }),
  '7,000,000 empty logs': () => ({
    body: request(protoSpan(repeated(7_000_000, field(9)))),
    ...{ fate: 'too large', fateInJaeger: 'taken', spans: 1 },
  }),
  '7,000,000 empty spans': () => ({
    body: request(repeated(7_000_000, field(1))),
    ...{ fate: 'too large', spans: 0 },
  }),
  '7,000,000 empty batches around one with a span': () => ({
    body: Buffer.concat([repeated(3_500_000, field(1)), request(protoSpan()), repeated(3_500_000, field(1))]),
    ...{ fate: 'taken', spans: 1 },
  }),
  'a process in 7,000,000 parts': () => ({
    body: request(protoSpan(), repeated(7_000_000, field(2))),
    ...{ fate: 'taken', spans: 1 },
  }),
  "a span's process in 7,000,000 parts": () => ({
    body: request(protoSpan(repeated(7_000_000, field(10)))),
    ...{ fate: 'taken', spans: 1 },
  }),
  '10,000 processes of as many guids': () => ({
    body: request(
      repeat(10_000, (i) => protoSpan(field(10, field(1, `s${i}`), field(2, keyValue('hostname', `h${i}`))))),
    ),
    ...{ fate: 'taken', spans: 10_000 },
  }),
  '60,000 processes of one guid': () => ({
    body: request(repeat(60_000, (i) => protoSpan(field(10, field(1, `s${i}`))))),
    ...{ fate: 'taken', fateInJaeger: 'too large', spans: 60_000 },
  }),
  '130,000 guids': () => ({
    body: request(repeat(130_000, (i) => protoSpan(field(10, field(2, keyValue('hostname', `h${i}`)))))),
    ...{ fate: 'too large', spans: 0 },
  }),
  'a process of 1 MB, 10,000 spans': () => ({
    body: request(
      repeat(10_000, () => protoSpan()),
      field(2, field(1, 'x'.repeat(1_000_000))),
    ),
    // Each of Jaeger's spans holds its process.
    ...{ fate: 'taken', fateInJaeger: 'too large', spans: 10_000 },
  }),
}

/** As the library writes it, its elements already joined. */
const listOf = (count: number, elements: Buffer): Buffer => w.list('struct', [elements], count)
const spanWith = (id: number, list: Buffer): Buffer =>
  thriftBatchOf(w, { id: '', span: new Map([[id, w.field(id, 'list', list)]]) })

/** In jaeger.thrift. */
const largeThrift: Readonly<Record<string, () => Omit<Large, 'way'>>> = {
  '100,000 tags': () => ({
    body: spanWith(
      10,
      listOf(
        many,
        repeat(many, (i) => thriftTag(w, `k${i}`, 'v')),
      ),
    ),
    ...{ fate: 'taken', spans: 1 },
  }),
  '250,000 tags of the process': () => ({
    body: thriftBatchOf(w, {
      id: '',
      processFields: [
        w.field(
          2,
          'list',
          listOf(
            250_000,
            repeat(250_000, (i) => thriftTag(w, i.toString(36), '')),
          ),
        ),
      ],
    }),
    ...{ fate: 'taken', spans: 1 },
  }),
  '100,000 logs': () => ({
    body: spanWith(
      11,
      listOf(
        many,
        repeat(many, (i) =>
          w.struct(
            w.field(1, 'i64', w.integer(64, i)),
            w.field(2, 'list', listOf(1, thriftTag(w, 'event', 'e'))),
          ),
        ),
      ),
    ),
    ...{ fate: 'taken', spans: 1 },
  }),
  '100,000 references': () => ({
    body: spanWith(
      6,
      listOf(
        many,
        repeat(many, (i) =>
          w.struct(
            w.field(1, 'i32', w.integer(32, i % 2)),
            ...[2, 3, 4].map((id) => w.field(id, 'i64', w.integer(64, i + 1))),
          ),
        ),
      ),
    ),
    ...{ fate: 'taken', spans: 1 },
  }),
  '30,000,000 empty structs in an unknown field': () => ({
    body: spanWith(99, listOf(30_000_000, Buffer.alloc(30_000_000))),
    ...{ fate: 'taken', spans: 1 },
  }),
  '6,000,000 empty lists in an unknown field': () => ({
    body: spanWith(99, w.list('list', [repeated(6_000_000, w.list('list', []))], 6_000_000)),
    ...{ fate: 'taken', spans: 1 },
  }),
}

const head = '"traceId":"0af7651916cd43dd","id":"b7ad6b7169203331"'
const text = (count: number, make: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => make(i)).join()
const jsonSpan = (members: string): Buffer => Buffer.from(`[{${head}${members}}]`)

/** Zipkin, JSON of version 2. */
const largeJson: Readonly<Record<string, () => Omit<Large, 'way'>>> = {
  '100,000 tags': () => ({
    body: jsonSpan(`,"tags":{${text(many, (i) => `"k${i}":"v"`)}}`),
    ...{ fate: 'taken', spans: 1 },
  }),
  '1,900,000 tags': () => ({
    body: jsonSpan(`,"tags":{${text(1_900_000, (i) => `"k${i}":"v"`)}}`),
    ...{ fate: 'too large', spans: 0 },
  }),
  '900,000 times the key tags': () => ({
    body: jsonSpan(',"tags":{"a":"b"}'.repeat(900_000)),
    ...{ fate: 'taken', spans: 1 },
  }),
  '700,000 endpoints with an address that is none': () => ({
    body: jsonSpan(',"localEndpoint":{"ipv4":"x"}'.repeat(700_000)),
    ...{ fate: 'taken', spans: 1 },
  }),
  'a name of 5,000,000 escapes': () => ({
    body: jsonSpan(`,"name":"${'\\u0041'.repeat(5_000_000)}"`),
    ...{ fate: 'taken', spans: 1 },
  }),
  '300,000 services': () => ({
    body: Buffer.from(
      `[${text(300_000, (i) => `{"traceId":"1","id":"1","localEndpoint":{"serviceName":"s${i}"}}`)}]`,
    ),
    ...{ fate: 'taken', fateInJaeger: 'too large', spans: 300_000 },
  }),
}

/** Zipkin, JSON of version 1. */
const largeJsonV1: Readonly<Record<string, () => Omit<Large, 'way'>>> = {
  '300,000 annotations of as many endpoints': () => ({
    body: jsonSpan(
      `,"annotations":[${text(300_000, (i) => `{"timestamp":${i},"value":"sr","endpoint":{"serviceName":"s${i}"}}`)}]`,
    ),
    ...{ fate: 'taken', spans: 1 },
  }),
  '1,000,000 times the key annotations': () => ({
    body: jsonSpan(',"annotations":[]'.repeat(1_000_000)),
    ...{ fate: 'taken', spans: 1 },
  }),
}

/** Zipkin, binary. */
const largeZipkinProto: Readonly<Record<string, () => Omit<Large, 'way'>>> = {
  '10,000 spans of as many guids': () => ({
    body: repeat(10_000, (i) =>
      field(
        1,
        ...[field(1, Buffer.alloc(8, 1)), field(3, Buffer.alloc(8, 2)), field(8, field(1, `s${i}`))],
        field(11, field(1, 'guid'), field(2, `g${i}`)),
      ),
    ),
    ...{ fate: 'taken', spans: 10_000 },
  }),
  '5,000,000 empty tags': () => ({
    body: field(
      1,
      field(1, Buffer.alloc(8, 1)),
      field(3, Buffer.alloc(8, 2)),
      repeated(5_000_000, field(11)),
    ),
    ...{ fate: 'too large', spans: 0 },
  }),
}
const largeZipkinThrift: Readonly<Record<string, () => Omit<Large, 'way'>>> = {
  '100,000 binary annotations': () => ({
    body: coreList(
      w,
      '',
      Array.from({ length: many }, (_, i) => binaryAnnotation(w, `k${i}`, 'v')),
    ),
    ...{ fate: 'taken', spans: 1 },
  }),
}

function* of(
  way: Way,
  cases: Readonly<Record<string, () => Omit<Large, 'way'>>>,
): Generator<[string, () => Large]> {
  for (const [name, make] of Object.entries(cases)) yield [`${way}, ${name}`, () => ({ way, ...make() })]
}

/** By name; each is made when it is asked for. */
export const largeRequests: ReadonlyMap<string, () => Large> = new Map([
  ...of('grpc', largeProto),
  ...of('thrift', largeThrift),
  ...of('zipkinJson', largeJson),
  ...of('zipkinJsonV1', largeJsonV1),
  ...of('zipkinProto', largeZipkinProto),
  ...of('zipkinThrift', largeZipkinThrift),
])
