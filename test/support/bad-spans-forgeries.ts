/**
 * Spans in whose process or tags a sender hides a guid, in each form that spans come in. The forged guid is `evil` wherever
 * it is a text; each span is known by its `test.id`.
 */
import { gzipSync } from 'node:zlib'
import {
  type Bytes,
  binaryAnnotation,
  coreList,
  processTags,
  ThriftBytes,
  thriftBatchOf,
  thriftTag,
} from './bad-spans.ts'
import type { Way } from './bad-spans-world.ts'
import { field, loose, tag, varint } from './otlp-wire.ts'

export interface Forgery {
  readonly way: Way
  readonly body: (id: string) => Buffer
  /** The guid when the sender says none otherwise; what the bytes mean to a reader of their form. */
  readonly fallback: string
  /** The same towards Jaeger's own form, where that differs. */
  readonly fallbackInJaeger?: string
  /** Whether the request is gzip. */
  readonly isGzip?: boolean
}

// ---- protobuf of Jaeger ----------------------------------------------------------------------------------------------------

const service = field(1, 'cart')
const keyValue = (key: Bytes, value: Bytes): Buffer => Buffer.concat([field(1, key), field(3, value)])
/** Process.tags */
const processTag = (...parts: readonly Bytes[]): Buffer => field(2, ...parts)
const evil = processTag(keyValue('guid', 'evil'))
const type = (number: number): Buffer => Buffer.concat([tag(2, 0), varint(number)])
const key = field(1, 'guid')

/** A Span of a batch; `more` follows its own fields. */
export function protoSpan(id: string, ...more: readonly Bytes[]): Buffer {
  return field(
    1,
    ...[field(1, Buffer.alloc(16, 1)), field(2, Buffer.alloc(8, 2)), field(3, 'work')],
    field(6, tag(1, 0), varint(1_700_000_000)),
    field(7, tag(1, 0), varint(1)),
    field(8, keyValue('test.id', id)),
    ...more,
  )
}

/** A request with one span and these parts of the batch behind it. */
const behind =
  (...parts: readonly Buffer[]) =>
  (id: string): Buffer =>
    field(1, protoSpan(id), ...parts)
/** A request whose process has these tags. */
const tagged = (...tags: readonly Buffer[]): ((id: string) => Buffer) => behind(field(2, service, ...tags))

const manyTags = Buffer.concat(Array.from({ length: 100_000 }, (_, i) => processTag(keyValue(`k${i}`, 'v'))))

const inProto: Readonly<Record<string, Omit<Forgery, 'way'>>> = {
  'in the process': { body: tagged(evil), fallback: 'evil' },
  'in a second process': { body: behind(field(2, service), field(2, evil)), fallback: 'evil' },
  'in a process before the spans': {
    body: (id) => field(1, field(2, evil), protoSpan(id), field(2, service)),
    fallback: 'evil',
  },
  'in a batch of its own': {
    body: (id) =>
      Buffer.concat([field(1, field(2, evil)), field(1, protoSpan(id)), field(1, field(2, service))]),
    fallback: 'evil',
  },
  "in the span's process": {
    body: (id) => field(1, protoSpan(id, field(10, service, evil)), field(2, service)),
    fallback: 'evil',
  },
  "in the span's second process": {
    body: (id) =>
      field(1, protoSpan(id, field(10, service), field(10, evil), field(10, evil)), field(2, evil)),
    fallback: 'evil',
  },
  "in the batch's process, while the span has its own": {
    body: (id) => field(1, protoSpan(id, field(10, service)), field(2, service, evil)),
    fallback: 'unassigned',
  },
  'a bool': { body: tagged(processTag(key, type(1), tag(4, 0), varint(1))), fallback: 'true' },
  'an int': { body: tagged(processTag(key, type(2), tag(5, 0), varint(42))), fallback: '42' },
  'a double': {
    body: tagged(processTag(key, type(3), Buffer.from('31000000000000f83f', 'hex'))),
    fallback: '1.5',
  },
  bytes: { body: tagged(processTag(key, type(4), field(7, 'evil!!'))), fallback: 'ZXZpbCEh' },
  'a text that calls itself a bool': {
    body: tagged(processTag(key, type(1), field(3, 'evil'))),
    fallback: 'false',
  },
  'a type that there is not': {
    body: tagged(processTag(key, type(9), field(3, 'evil'))),
    fallback: 'evil',
    fallbackInJaeger: 'unassigned',
  },
  'the text twice, the type twice': {
    body: tagged(processTag(key, field(3, 'good'), field(3, 'evil'), type(4), type(0))),
    fallback: 'evil',
  },
  'the key twice': { body: tagged(processTag(field(1, 'other'), field(3, 'evil'), key)), fallback: 'evil' },
  'the tag twice': { body: tagged(evil, processTag(keyValue('guid', 'evil')), evil), fallback: 'evil' },
  'lengths longer than needed': {
    body: tagged(loose(2, 5, loose(1, 4, 'guid'), loose(3, 5, 'evil'))),
    fallback: 'evil',
  },
  'behind 100,000 others': { body: tagged(manyTags, evil), fallback: 'evil' },
  'empty text': { body: tagged(processTag(key)), fallback: 'unassigned' },
  'a text of 129 bytes': {
    body: tagged(processTag(keyValue('guid', 'e'.repeat(129)))),
    fallback: 'unassigned',
  },
  'a path': { body: tagged(processTag(keyValue('guid', '../../etc'))), fallback: 'unassigned' },
  'a NUL': { body: tagged(processTag(keyValue('guid', 'a\0b'))), fallback: 'unassigned' },
}

// ---- Thrift of Jaeger ------------------------------------------------------------------------------------------------------

const w = new ThriftBytes('binary')
const thriftEvil = thriftTag(w, 'guid', 'evil')
const batch =
  (...processFields: readonly Bytes[]) =>
  (id: string): Buffer =>
    thriftBatchOf(w, { id, processFields })
/** A Tag of another type than string, whose value is the field of that number. */
const typed = (vType: number, ...value: readonly Bytes[]): Buffer =>
  w.struct(w.field(1, 'text', w.text('guid')), w.field(2, 'i32', w.integer(32, vType)), ...value)
const secondProcess = (...fields: readonly Bytes[]): Buffer =>
  w.field(1, 'struct', w.struct(w.field(1, 'text', w.text('cart')), ...fields))

const inThrift: Readonly<Record<string, Omit<Forgery, 'way'>>> = {
  'in the process': { body: batch(processTags(w, thriftEvil)), fallback: 'evil' },
  'in a second process': {
    body: (id) => thriftBatchOf(w, { id, behind: [secondProcess(processTags(w, thriftEvil))] }),
    fallback: 'evil',
  },
  'in a first process': {
    body: (id) => thriftBatchOf(w, { id, before: [secondProcess(processTags(w, thriftEvil))] }),
    fallback: 'unassigned',
  },
  'in a second list of tags': {
    body: batch(processTags(w), processTags(w, thriftEvil)),
    fallback: 'evil',
  },
  'in a first list of tags': {
    body: batch(processTags(w, thriftEvil), processTags(w, thriftTag(w, 'zone', 'z'))),
    fallback: 'unassigned',
  },
  'a bool': { body: batch(processTags(w, typed(2, w.boolField(5, true)))), fallback: 'true' },
  'a long': { body: batch(processTags(w, typed(3, w.field(6, 'i64', w.integer(64, 42))))), fallback: '42' },
  'a double': { body: batch(processTags(w, typed(1, w.field(4, 'double', w.double(1.5))))), fallback: '1.5' },
  bytes: {
    body: batch(processTags(w, typed(4, w.field(7, 'text', w.text('evil!!'))))),
    fallback: 'ZXZpbCEh',
  },
  'the key twice': {
    body: batch(processTags(w, thriftTag(w, 'other', 'evil', w.field(1, 'text', w.text('guid'))))),
    fallback: 'evil',
  },
  'the tag three times': {
    body: batch(processTags(w, thriftEvil, thriftTag(w, 'zone', 'z'), thriftEvil, thriftEvil)),
    fallback: 'evil',
  },
  'behind 100,000 others': {
    body: batch(
      processTags(w, ...Array.from({ length: 100_000 }, (_, i) => thriftTag(w, `k${i}`, 'v')), thriftEvil),
    ),
    fallback: 'evil',
  },
}

// ---- Zipkin ----------------------------------------------------------------------------------------------------------------

const core =
  (...annotations: readonly Bytes[]) =>
  (id: string): Buffer =>
    coreList(w, id, annotations)
const head = '"traceId":"0af7651916cd43dd","id":"b7ad6b7169203331","timestamp":1700000000000000'
const json =
  (tags: string) =>
  (id: string): Buffer =>
    Buffer.from(`[{${head},"tags":{"test.id":"${id}"${tags}}}]`)
const jsonV1 =
  (...annotations: readonly string[]) =>
  (id: string): Buffer =>
    Buffer.from(
      `[{${head},"binaryAnnotations":[${[`{"key":"test.id","value":"${id}"}`, ...annotations].join()}]}]`,
    )
const zipkinTag = (name: Bytes, value: Bytes): Buffer => field(11, field(1, name), field(2, value))
const zipkinProto =
  (...fields: readonly Buffer[]) =>
  (id: string): Buffer =>
    field(
      1,
      ...[field(1, Buffer.alloc(8, 1)), field(3, Buffer.alloc(8, 2)), zipkinTag('test.id', id)],
      ...fields,
    )

const inZipkinJson: Readonly<Record<string, Omit<Forgery, 'way'>>> = {
  'in the tags': { body: json(',"guid":"evil"'), fallback: 'evil' },
  'with escapes': { body: json(',"gu\\u0069d":"ev\\u0069l"'), fallback: 'evil' },
  twice: { body: json(',"guid":"evil","guid":"evil","gu\\u0069d":"evil"'), fallback: 'evil' },
  'in second tags': { body: json('},"tags":{"guid":"evil"'), fallback: 'evil' },
  'in first tags': { body: json(',"guid":"evil"},"tags":{"zone":"z"'), fallback: 'evil' },
  'a number': { body: json(',"guid":42'), fallback: '42' },
  'a bool': { body: json(',"guid":true'), fallback: 'true' },
  empty: { body: json(',"guid":""'), fallback: 'unassigned' },
  'in a gzip body': { body: (id) => gzipSync(json(',"guid":"evil"')(id)), fallback: 'evil', isGzip: true },
}

const inZipkinJsonV1: Readonly<Record<string, Omit<Forgery, 'way'>>> = {
  'in a binary annotation': { body: jsonV1('{"key":"guid","value":"evil"}'), fallback: 'evil' },
  'its value before its key': { body: jsonV1('{"value":"evil","key":"guid"}'), fallback: 'evil' },
  'a second key': {
    body: jsonV1('{"key":"other","value":"evil","k\\u0065y":"gu\\u0069d"}'),
    fallback: 'evil',
  },
  'a bool': { body: jsonV1('{"key":"guid","value":true}'), fallback: 'true' },
  'a number': { body: jsonV1('{"key":"guid","value":42}'), fallback: '42' },
  'a text of type I64': { body: jsonV1('{"key":"guid","value":"42","type":"I64"}'), fallback: '42' },
  'a text of type BYTES': {
    body: jsonV1('{"key":"guid","value":"ZXZpbCEh","type":"BYTES"}'),
    fallback: 'ZXZpbCEh',
  },
  'in second annotations': {
    body: (id) =>
      Buffer.from(
        `[{${head},"binaryAnnotations":[{"key":"guid","value":"evil"}],"binaryAnnotations":[{"key":"test.id","value":"${id}"}]}]`,
      ),
    fallback: 'evil',
  },
}

const inZipkinProto: Readonly<Record<string, Omit<Forgery, 'way'>>> = {
  'in the tags': { body: zipkinProto(zipkinTag('guid', 'evil')), fallback: 'evil' },
  'three times': {
    body: zipkinProto(
      zipkinTag('guid', 'evil'),
      zipkinTag('z', 'z'),
      zipkinTag('guid', 'evil'),
      zipkinTag('guid', 'evil'),
    ),
    fallback: 'evil',
  },
  'the value before the key': {
    body: zipkinProto(field(11, field(2, 'evil'), field(1, 'guid'))),
    fallback: 'evil',
  },
  'a second key': {
    body: zipkinProto(field(11, field(1, 'other'), field(2, 'evil'), field(1, 'guid'))),
    fallback: 'evil',
  },
  'no value': { body: zipkinProto(field(11, field(1, 'guid'))), fallback: 'unassigned' },
  'lengths longer than needed': {
    body: zipkinProto(loose(11, 5, loose(1, 3, 'guid'), loose(2, 4, 'evil'))),
    fallback: 'evil',
  },
  'behind 100,000 others': {
    body: zipkinProto(
      Buffer.concat(Array.from({ length: 100_000 }, (_, i) => zipkinTag(`k${i}`, 'v'))),
      zipkinTag('guid', 'evil'),
    ),
    fallback: 'evil',
  },
}

const inZipkinThrift: Readonly<Record<string, Omit<Forgery, 'way'>>> = {
  'in a binary annotation': { body: core(binaryAnnotation(w, 'guid', 'evil')), fallback: 'evil' },
  'three times': {
    body: core(...Array.from({ length: 3 }, () => binaryAnnotation(w, 'guid', 'evil'))),
    fallback: 'evil',
  },
  'a bool': { body: core(binaryAnnotation(w, 'guid', Buffer.of(1), 0)), fallback: 'true' },
  bytes: { body: core(binaryAnnotation(w, 'guid', 'evil!!', 1)), fallback: 'ZXZpbCEh' },
  'an i16': { body: core(binaryAnnotation(w, 'guid', Buffer.of(0, 42), 2)), fallback: '42' },
  'an i32': { body: core(binaryAnnotation(w, 'guid', Buffer.of(0, 0, 0, 42), 3)), fallback: '42' },
  'an i64': {
    body: core(binaryAnnotation(w, 'guid', Buffer.of(0, 0, 0, 0, 0, 0, 0, 42), 4)),
    fallback: '42',
  },
  'a double': {
    body: core(binaryAnnotation(w, 'guid', Buffer.from('3ff8000000000000', 'hex'), 5)),
    fallback: '1.5',
  },
  'an i64 of three bytes': { body: core(binaryAnnotation(w, 'guid', 'evi', 4)), fallback: 'ZXZp' },
  'a type that there is not': {
    body: core(binaryAnnotation(w, 'guid', 'evil!!', 77)),
    fallback: 'ZXZpbCEh',
  },
}

function of(way: Way, cases: Readonly<Record<string, Omit<Forgery, 'way'>>>): [string, Forgery][] {
  return Object.entries(cases).map(([name, each]) => [`${way}: ${name}`, { way, ...each }])
}

export const forgeries: ReadonlyMap<string, Forgery> = new Map([
  ...of('grpc', inProto),
  ...of('thrift', inThrift),
  ...of('zipkinJson', inZipkinJson),
  ...of('zipkinJsonV1', inZipkinJsonV1),
  ...of('zipkinProto', inZipkinProto),
  ...of('zipkinThrift', inZipkinThrift),
])
