/** Jaeger's protobuf to OTLP: what no well-behaved encoder writes, and the limits. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Translation } from '../../../src/wire/kernel.ts'
import { encodeMessage, encodeProto, processObject, spanObject } from '../../support/jaeger-encode.ts'
import { assertRefused, otlpSpans, plainSpan, toOtlp, translation } from '../../support/jaeger-translate.ts'
import type { PlainItem } from '../../support/plain-spans.ts'
import type { JaegerProcess, JaegerSpan, JaegerTag } from '../../support/random-jaeger.ts'

const text = (key: string, value: string): JaegerTag => ({ key, type: 'string', value })
const cart: JaegerProcess = { serviceName: 'cart', tags: [text('ip', '10.0.0.7'), text('zone', 'a')] }
const checkout: JaegerProcess = { serviceName: 'checkout', tags: [text('ip', '10.0.0.8')] }
const request = toOtlp('proto')
const spansOf = (payload: Buffer): PlainItem[] => otlpSpans('proto', payload)

/** A length-delimited field. */
function field(number: number, content: Buffer): Buffer {
  const length: number[] = []
  let rest = content.length
  for (; rest >= 0x80; rest >>>= 7) length.push((rest & 0x7f) | 0x80)
  return Buffer.concat([Buffer.from([number * 8 + 2, ...length, rest]), content])
}

const spanBytes = (span: JaegerSpan): Buffer => encodeMessage('Span', spanObject(span))
const processBytes = (process: JaegerProcess): Buffer => encodeMessage('Process', processObject(process))
/** A request of one batch with these fields. */
const batch = (...fields: readonly Buffer[]): Buffer => field(1, Buffer.concat(fields))
/** A request of one span with these fields. */
const oneSpan = (...fields: readonly Buffer[]): Buffer => batch(field(1, Buffer.concat(fields)))
const only = (payload: Buffer): PlainItem => {
  const items = spansOf(payload)
  assert.equal(items.length, 1)
  return items[0]!
}

test('an empty request, a process alone and fields of later versions have no spans', () => {
  assert.deepEqual(spansOf(Buffer.alloc(0)), [])
  assert.deepEqual(spansOf(batch()), [])
  assert.deepEqual(spansOf(batch(field(2, processBytes(cart)))), [])
  assert.deepEqual(spansOf(Buffer.concat([field(9, Buffer.from('later')), Buffer.from([0x50, 1])])), [])
})

test('ids: 16, 8 or no bytes for a trace, 8 or none for a span; any other length is refused', () => {
  const idsOf = (trace: number, span: number): unknown => {
    const item = only(oneSpan(field(1, Buffer.alloc(trace, 0xa1)), field(2, Buffer.alloc(span, 0xb2))))
    return [item.span.traceId, item.span.spanId]
  }
  assert.deepEqual(idsOf(16, 8), ['a1'.repeat(16), 'b2'.repeat(8)])
  assert.deepEqual(idsOf(8, 8), ['00'.repeat(8) + 'a1'.repeat(8), 'b2'.repeat(8)])
  assert.deepEqual(idsOf(0, 0), ['', ''])
  for (const length of [1, 7, 9, 15, 17, 32]) {
    assertRefused(request, oneSpan(field(1, Buffer.alloc(length, 1))), 'protobuf')
    assertRefused(request, oneSpan(field(4, field(1, Buffer.alloc(length, 1)))), 'protobuf')
  }
  for (const length of [1, 7, 9, 16]) {
    assertRefused(request, oneSpan(field(2, Buffer.alloc(length, 1))), 'protobuf')
    assertRefused(request, oneSpan(field(4, field(2, Buffer.alloc(length, 1)))), 'protobuf')
  }
})

test('the order of the fields does not matter, nor that of spans and process', () => {
  const span = plainSpan({
    references: [
      { type: 'child_of', traceId: Buffer.from('a1'.repeat(16), 'hex'), spanId: Buffer.alloc(8, 3) },
    ],
    logs: [
      { timeUs: 1n, fields: [text('event', 'one')] },
      { timeUs: 2n, fields: [text('event', 'two')] },
    ],
  })
  const whole = spanObject(span)
  const parts = Object.entries(whole).map(([name, value]) => encodeMessage('Span', { [name]: value }))
  const usual = encodeProto({ process: cart, spans: [span] })
  const backwards = Buffer.concat(parts.toReversed())
  assert.deepEqual(spansOf(batch(field(2, processBytes(cart)), field(1, backwards))), spansOf(usual))
  assert.deepEqual(spansOf(batch(field(1, backwards), field(2, processBytes(cart)))), spansOf(usual))
})

test('messages in several parts are joined', () => {
  const usual = spansOf(
    encodeProto({ process: cart, spans: [plainSpan(), plainSpan({ process: checkout })] }),
  )
  const halves = (process: JaegerProcess): Buffer[] => [
    processBytes({ ...process, tags: process.tags.slice(0, 1) }),
    encodeMessage('Process', { tags: processObject(process)['tags'] as unknown[] }).subarray(
      encodeMessage('Process', { tags: (processObject(process)['tags'] as unknown[]).slice(0, 1) }).length,
    ),
  ]
  const [cartOne, cartTwo] = halves(cart)
  const [checkoutOne, checkoutTwo] = halves(checkout)
  const second = Buffer.concat([
    spanBytes(plainSpan()),
    field(10, checkoutOne!),
    field(10, checkoutTwo!),
    field(10, Buffer.alloc(0)),
  ])
  const payload = Buffer.concat([
    batch(field(2, cartOne!), field(1, spanBytes(plainSpan()))),
    batch(field(1, second), field(2, cartTwo!)),
  ])
  assert.deepEqual(spansOf(payload), usual)
  const times = oneSpan(
    field(6, Buffer.from([0x08, 5])),
    field(7, Buffer.from([0x08, 1])),
    field(6, Buffer.from([0x10, 7])),
    field(7, Buffer.from([0x08, 2])),
  )
  assert.equal(only(times).span.startTimeUnixNano, 5_000_000_007n)
  assert.equal(only(times).span.endTimeUnixNano, 7_000_000_007n)
})

test("a span's own process counts before the batch's; each process is one resource, in the order of the spans", () => {
  const spans = [
    plainSpan({ operationName: '1', process: checkout }),
    plainSpan({ operationName: '2' }),
    plainSpan({ operationName: '3', process: { serviceName: '', tags: [] } }),
    plainSpan({ operationName: '4', process: checkout }),
    plainSpan({ operationName: '5', process: cart }),
  ]
  const namesOf = (items: readonly PlainItem[]): unknown =>
    items.map(({ resource, span }) => `${String(resource.attributes[0]?.[1])} ${span.name}`)
  assert.deepEqual(namesOf(spansOf(encodeProto({ process: cart, spans }))), [
    'checkout 1',
    'checkout 4',
    'cart 2',
    'cart 5',
    'undefined 3',
  ])
  // No process and an empty one are the same.
  assert.deepEqual(namesOf(spansOf(encodeProto({ spans: spans.slice(1, 4) }))), [
    'undefined 2',
    'undefined 3',
    'checkout 4',
  ])
})

test('thousands of processes are told apart in no long time', () => {
  const spans = Array.from({ length: 20_000 }, (_, number) =>
    plainSpan({ process: { serviceName: `service-${number % 10_000}`, tags: [] }, tags: [] }),
  )
  const startedMs = performance.now()
  const items = spansOf(encodeProto({ process: cart, spans }))
  // Looking at each pair would take a minute.
  assert.ok(performance.now() - startedMs < 5_000)
  assert.equal(items.length, 20_000)
  assert.deepEqual(items[1]?.resource.attributes, [['service.name', 'service-0']])
  assert.deepEqual(items[2]?.resource.attributes, [['service.name', 'service-1']])
})

test('scopes may change from span to span, and lengths may be of any width', () => {
  const scoped = (name: string | undefined, value: string): JaegerSpan =>
    plainSpan({
      tags: [...(name === undefined ? [] : [text('otel.scope.name', name)]), text('value', value)],
    })
  const spans = [
    scoped('a', 'x'),
    scoped('a', 'x'.repeat(20_000)),
    scoped(undefined, 'x'.repeat(3_000_000)),
    scoped('b'.repeat(200), ''),
    scoped('a', 'x'.repeat(100)),
  ]
  const items = spansOf(encodeProto({ process: cart, spans }))
  assert.deepEqual(
    items.map(({ scope, span }) => [scope.name.length, (span.attributes[0]![1] as string).length]),
    [
      [1, 1],
      [1, 20_000],
      [0, 3_000_000],
      [200, 0],
      [1, 100],
    ],
  )
})

test('times that OTLP cannot hold are clamped and kept as attributes', () => {
  const at = (start: [number | string, number], duration: [number | string, number]) => {
    const seconds = (pair: [number | string, number]): unknown => ({ seconds: pair[0], nanos: pair[1] })
    const bytes = encodeMessage('Span', { start_time: seconds(start), duration: seconds(duration) })
    const { startTimeUnixNano, endTimeUnixNano, attributes } = only(batch(field(1, bytes))).span
    return [startTimeUnixNano, endTimeUnixNano, attributes]
  }
  const nanosMax = 2n ** 64n - 1n
  const last = '9223372036854775807'
  assert.deepEqual(at([5, -1], [0, -999_999_999]), [4_999_999_999n, 4_000_000_000n, []])
  assert.deepEqual(at([18_446_744_073, 709_551_615], [0, 0]), [nanosMax, nanosMax, []])
  assert.deepEqual(at([18_446_744_073, 709_551_615], [0, 1]), [nanosMax, nanosMax, [['jaeger.duration', 0n]]])
  assert.deepEqual(at([0, -1], [1, 0]), [0n, 999_999_999n, [['jaeger.start_time', -1n]]])
  assert.deepEqual(at([1, 0], [-2, 0]), [1_000_000_000n, 0n, [['jaeger.duration', -2_000_000n]]])
  assert.deepEqual(at([last, 2_147_483_647], [last, 2_147_483_647]), [
    nanosMax,
    nanosMax,
    [
      ['jaeger.start_time', 2n ** 63n - 1n],
      ['jaeger.duration', 2n ** 63n - 1n],
    ],
  ])
})

test('process_id and the value of a tag of unknown type are kept', () => {
  const bytes = encodeMessage('Span', {
    process_id: 'p1',
    tags: [
      { key: 'a', v_type: 7, v_int64: 5 },
      { key: 'b', v_type: 7 },
      { key: 'c', v_type: 2, v_str: 'not this' },
    ],
    flags: 4_294_967_295,
  })
  assert.deepEqual(only(batch(field(1, bytes))).span.attributes, [
    ['a', 5n],
    ['b', ''],
    ['c', 0n],
    ['jaeger.flags', 4_294_967_295n],
    ['jaeger.process_id', 'p1'],
  ])
})

test('known fields of another wire type, groups and overlong lengths are refused; unknown fields pass', () => {
  const varint = (number: number): Buffer => Buffer.from([number * 8, 1])
  const numbers = [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12]
  for (const number of numbers) assertRefused(request, oneSpan(varint(number)), 'protobuf')
  assertRefused(request, oneSpan(field(5, Buffer.from('1'))), 'protobuf')
  for (const number of [1, 2]) assertRefused(request, batch(varint(number)), 'protobuf')
  assertRefused(request, varint(1), 'protobuf')
  for (const number of [1, 3, 7]) assertRefused(request, oneSpan(field(8, varint(number))), 'protobuf')
  for (const number of [2, 4, 5, 6]) {
    assertRefused(request, oneSpan(field(8, field(number, Buffer.alloc(0)))), 'protobuf')
  }
  for (const number of [1, 2]) assertRefused(request, oneSpan(field(9, varint(number))), 'protobuf')
  for (const number of [1, 2])
    assertRefused(request, batch(field(1, Buffer.alloc(0)), field(2, varint(number))), 'protobuf')
  for (const byte of [0x6b, 0x6c, 0x6e, 0x6f, 0x00])
    assertRefused(request, oneSpan(Buffer.from([byte])), 'protobuf')
  const unknown = [
    field(13, Buffer.from('later')),
    Buffer.from([0x69, 1, 2, 3, 4, 5, 6, 7, 8]),
    Buffer.from([0x6d, 1, 2, 3, 4]),
  ]
  assert.deepEqual(only(oneSpan(spanBytes(plainSpan()), ...unknown)), only(oneSpan(spanBytes(plainSpan()))))
})

test('a request cut short anywhere is refused', () => {
  const spans = [
    plainSpan({ logs: [{ timeUs: 5n, fields: [text('event', 'x')] }] }),
    plainSpan({ process: checkout }),
  ]
  const payload = encodeProto({ process: cart, spans })
  for (let length = 1; length < payload.length; length++) {
    assertRefused(request, payload.subarray(0, length), 'protobuf')
  }
  // The same for what is inside of whole frames: a span that ends early.
  const bytes = spanBytes(spans[0]!)
  let refused = 0
  const refusals: Translation = {
    run: (x, at, count) => {
      const code = request.run(x, at, count)
      if (code < 0) refused++
      return Math.max(code, 0)
    },
  }
  for (let length = 0; length < bytes.length; length++)
    translation(refusals, oneSpan(bytes.subarray(0, length)))
  assert.ok(refused > bytes.length / 2, `${refused} of ${bytes.length}`)
})

test('more spans, tags or bytes than the limits are refused as such', () => {
  const limited = (items: number, bytesMax: number): Translation => ({
    run: (x, at, count) => x.jaegerProtoToOtlp(at, count, items, bytesMax),
  })
  const three = encodeProto({
    process: cart,
    spans: [plainSpan(), plainSpan({ process: checkout }), plainSpan()],
  })
  assertRefused(limited(2, 1e6), three, 'items')
  const { length } = translation(limited(3, 1e6), three)
  assert.equal(translation(limited(3, length), three).length, length)
  assertRefused(limited(3, length - 1), three, 'too_large')
  const tags = Array.from({ length: 300 }, (_, number) => text(`key-${number}`, 'v'))
  const tagged = encodeProto({ process: cart, spans: [plainSpan({ tags })] })
  assertRefused(limited(299, 1e6), tagged, 'items')
  assert.ok(translation(limited(300, 1e6), tagged).length > 0)
  const references = Array.from({ length: 300 }, () => ({
    type: 'follows_from' as const,
    traceId: Buffer.alloc(16, 1),
    spanId: Buffer.alloc(8, 1),
  }))
  const linked = encodeProto({ process: cart, spans: [plainSpan({ references })] })
  assertRefused(limited(299, 1e6), linked, 'items')
  assert.equal(only(linked).span.links.length, 300)
})
