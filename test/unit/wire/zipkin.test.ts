/** What single rules of the translation of Zipkin make of a span; bytes by independent encoders, or by hand where they are odd. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Kernel, type Translation } from '../../../src/wire/kernel.ts'
import { zipkinTranslation } from '../../../src/wire/translations/zipkin.ts'
import { type PlainItem, type PlainSpan, spansOfOtlp } from '../../support/plain-spans.ts'
import type { ZipkinSpan } from '../../support/random-zipkin.ts'
import { otlpRulesOf, stampOtlp } from '../../support/stamping-otlp.ts'
import { zipkinProto } from '../../support/zipkin-encode.ts'
import { rulesFor, translateZipkin, zipkinSpans } from '../../support/zipkin-translate.ts'

const kernel = new Kernel()

/** Of this process, whatever else runs on the machine. */
function cpuMs(begin: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begin)
  return (user + system) / 1000
}

const bare: ZipkinSpan = {
  traceId: Buffer.from('0af7651916cd43dd8448eb211c80319c', 'hex'),
  id: Buffer.from('b7ad6b7169203331', 'hex'),
  timestamp: 1_700_000_000_000_000n,
  duration: 250n,
  annotations: [],
  tags: [],
}

function items(spans: readonly ZipkinSpan[], ...rules: readonly string[]): PlainItem[] {
  const found = zipkinSpans(kernel, 'proto', zipkinProto(spans), rulesFor('guid', ...rules))
  assert.ok(typeof found !== 'string', `refused: ${String(found)}`)
  return found
}

function only(span: Partial<ZipkinSpan>, ...rules: readonly string[]): PlainItem {
  const found = items([{ ...bare, ...span }], ...rules)
  assert.equal(found.length, 1)
  return found[0]!
}

function tagged(...tags: ZipkinSpan['tags']): PlainSpan {
  return only({ tags }).span
}

test('a whole span', () => {
  const item = only({
    parentId: Buffer.from('00f067aa0ba902b7', 'hex'),
    kind: 2,
    name: 'GET /Items',
    localEndpoint: { serviceName: 'Checkout', ipv4: Buffer.from([10, 1, 2, 3]), port: 8080 },
    remoteEndpoint: { serviceName: 'gateway', ipv6: Buffer.from('20010db8000000000000000000000001', 'hex') },
    annotations: [{ timestamp: 1_700_000_000_000_100n, value: 'ws' }],
    tags: [
      ['http.method', 'GET'],
      ['guid', 'forged'],
      ['service.version', '1.2'],
      ['w3c.tracestate', 'a=b'],
      ['otel.scope.name', 'zipkin-js'],
      ['otel.scope.version', '0.22'],
      ['otel.status_code', 'ERROR'],
      ['otel.status_description', 'no stock'],
      ['error', 'true'],
    ],
    debug: true,
    shared: true,
  })
  assert.deepEqual(item, {
    resource: {
      attributes: [
        ['guid', 'forged'],
        ['service.name', 'Checkout'],
        ['service.version', '1.2'],
      ],
      droppedAttributesCount: 0,
    },
    scope: { name: 'zipkin-js', version: '0.22', attributes: [], droppedAttributesCount: 0 },
    span: {
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      parentSpanId: '00f067aa0ba902b7',
      traceState: 'a=b',
      flags: 0,
      name: 'GET /Items',
      kind: 2,
      startTimeUnixNano: 1_700_000_000_000_000_000n,
      endTimeUnixNano: 1_700_000_000_000_250_000n,
      events: [
        { timeUnixNano: 1_700_000_000_000_100_000n, name: 'ws', attributes: [], droppedAttributesCount: 0 },
      ],
      links: [],
      status: { code: 2, message: 'no stock' },
      attributes: [
        ['http.method', 'GET'],
        ['net.host.ip', '10.1.2.3'],
        ['net.host.port', 8080n],
        ['net.peer.ip', '2001:db8::1'],
        ['peer.service', 'gateway'],
        ['zipkin.debug', true],
        ['zipkin.shared', true],
      ],
      droppedAttributesCount: 0,
    },
  })
})

test('a trace id of eight bytes gets a high half of zeros', () => {
  assert.equal(only({ traceId: bare.id }).span.traceId, '0000000000000000b7ad6b7169203331')
})

test('ids of other lengths, and none, refuse the list', () => {
  const id = (bytes: number): Buffer => Buffer.alloc(bytes, 7)
  const wrong: Partial<ZipkinSpan>[] = [
    ...[0, 1, 7, 9, 15, 17, 32].map((bytes) => ({ traceId: id(bytes) })),
    ...[0, 1, 7, 9, 16].map((bytes) => ({ id: id(bytes) })),
    ...[1, 7, 9, 16].map((bytes) => ({ parentId: id(bytes) })),
  ]
  for (const fields of wrong)
    assert.equal(zipkinSpans(kernel, 'proto', zipkinProto([bare, { ...bare, ...fields }])), 'protobuf')
  assert.equal(only({ parentId: id(0) }).span.parentSpanId, '')
  assert.equal(zipkinSpans(kernel, 'proto', Buffer.from([0x0a, 0x00])), 'protobuf')
})

test('a span that is its own parent has none', () => {
  assert.equal(only({ parentId: bare.id }).span.parentSpanId, '')
})

test('spans of one service stand together in their order, and services where their first span stood', () => {
  const of = (serviceName: string, name: string, scope?: string): ZipkinSpan => ({
    ...bare,
    name,
    localEndpoint: { serviceName },
    tags: scope === undefined ? [] : [['otel.library.name', scope]],
  })
  const found = items([
    of('b', '1'),
    of('a', '2', 's'),
    of('b', '3', 's'),
    of('a', '4', 's'),
    of('b', '5'),
    of('', '6'),
  ])
  assert.deepEqual(
    found.map(({ resource, scope, span }) => [resource.attributes[0]?.[1], scope.name, span.name].join(' ')),
    ['b  1', 'b  5', 'b s 3', 'a s 2', 'a s 4', '  6'],
  )
})

test('a tag of the resource parts the spans of a service', () => {
  const of = (namespace: string): ZipkinSpan => ({
    ...bare,
    localEndpoint: { serviceName: 'shop' },
    tags: [['namespace', namespace]],
  })
  const found = items([of('a'), of('b'), of('a')], 'namespace')
  assert.deepEqual(
    found.map(({ resource }) => resource.attributes.find(([key]) => key === 'namespace')?.[1]),
    ['a', 'a', 'b'],
  )
})

test('a guid that a span claims is replaced by the stamp', () => {
  const rules = otlpRulesOf({
    sources: [{ kind: 'label', name: 'namespace' }],
    name: 'guid',
    conflict: 'overwrite',
    missing: { action: 'stamp', guid: 'unassigned' },
    deep: false,
  })
  const spans = ['team-a', 'team-b'].map((namespace) => ({
    ...bare,
    tags: [['guid', 'forged'] as const, ['namespace', namespace] as const, ['guid', 'again'] as const],
  }))
  const translated = translateZipkin(kernel, zipkinTranslation('proto'), zipkinProto(spans), rules.kernel)
  assert.ok(typeof translated !== 'string')
  const outcome = stampOtlp(kernel, 'traces', translated, rules)
  assert.ok(typeof outcome !== 'string')
  assert.deepEqual(outcome.records.map(({ guid }) => guid).toSorted(), ['team-a', 'team-b'])
  for (const { guid, value } of outcome.records) {
    assert.ok(!value.includes('forged') && !value.includes('again'))
    assert.deepEqual(
      spansOfOtlp(value)[0]?.resource.attributes.filter(([key]) => key === 'guid'),
      [['guid', guid]],
    )
  }
})

test('the status: what the code, the description and the error say', () => {
  const status = (...tags: ZipkinSpan['tags']): [number, string] => {
    const { code, message } = tagged(...tags).status
    return [code, message]
  }
  assert.deepEqual(status(['otel.status_code', 'OK']), [1, ''])
  assert.deepEqual(status(['otel.status_code', 'Ok']), [1, ''])
  assert.deepEqual(status(['otel.status_code', 'STATUS_CODE_ERROR'], ['otel.status_description', 'm']), [
    2,
    'm',
  ])
  assert.deepEqual(status(['otel.status_description', 'm']), [0, ''])
  assert.deepEqual(status(['error', 'timeout']), [2, ''])
  assert.deepEqual(tagged(['error', 'timeout']).attributes, [['error', 'timeout']])
  assert.deepEqual(tagged(['error', 'true']).attributes, [])
  assert.deepEqual(tagged(['otel.status_code', 'fine']).attributes, [['otel.status_code', 'fine']])
})

test('a kind that only a tag says', () => {
  assert.equal(tagged(['span.kind', 'internal']).kind, 1)
  assert.deepEqual(tagged(['span.kind', 'internal']).attributes, [])
  assert.deepEqual(tagged(['span.kind', 'other']).attributes, [['span.kind', 'other']])
  assert.deepEqual(only({ kind: 77 }).span.attributes, [['zipkin.kind', 77n]])
})

test('the service name under the name that its source says', () => {
  const item = only({
    localEndpoint: { serviceName: 'fn' },
    tags: [['otlp.service.name.source', 'faas.name']],
  })
  assert.deepEqual(item.resource.attributes, [['faas.name', 'fn']])
  assert.deepEqual(item.span.attributes, [])
})

test('a tag service.name counts, and the other name is kept', () => {
  const item = only({ localEndpoint: { serviceName: 'a' }, tags: [['service.name', 'b']] })
  assert.deepEqual(item.resource.attributes, [['service.name', 'b']])
  assert.deepEqual(item.span.attributes, [['zipkin.localEndpoint.serviceName', 'a']])
})

test('an endpoint with both addresses keeps both', () => {
  const { attributes } = only({
    localEndpoint: { ipv4: Buffer.from([1, 2, 3, 4]), ipv6: Buffer.alloc(16) },
    remoteEndpoint: { ipv4: Buffer.from([1, 2, 3]), port: -1 },
  }).span
  assert.deepEqual(attributes, [
    ['net.host.ip', '::'],
    ['net.peer.ip', { bytes: '010203' }],
    ['net.peer.port', -1n],
    ['zipkin.localEndpoint.ipv4', '1.2.3.4'],
  ])
})

test('IPv6 addresses as RFC 5952 has them', () => {
  const addresses = {
    '00000000000000000000000000000000': '::',
    '00000000000000000000000000000001': '::1',
    '20010db8000000000001000000000001': '2001:db8::1:0:0:1',
    '20010db8000100000001000100010001': '2001:db8:1:0:1:1:1:1',
    '00010000000000000000000000000000': '1::',
    '0000000000000000000000000a000001': '::a00:1',
    '00000000000000000000ffff0a000001': '10.0.0.1',
    fe80fe80fe80fe80fe80fe80fe80fe80: 'fe80:fe80:fe80:fe80:fe80:fe80:fe80:fe80',
    '00000001000000000000000200000000': '0:1::2:0:0',
  }
  for (const [hex, text] of Object.entries(addresses)) {
    const { attributes } = only({ localEndpoint: { ipv6: Buffer.from(hex, 'hex') } }).span
    assert.deepEqual(attributes, [['net.host.ip', text]])
  }
})

test('a span without a timestamp says so and begins at zero', () => {
  const { timestamp: _, ...timeless } = bare
  const { span } = items([timeless])[0]!
  assert.deepEqual([span.startTimeUnixNano, span.endTimeUnixNano], [0n, 250_000n])
  assert.deepEqual(span.attributes, [['otel.zipkin.absentField.startTime', true]])
})

test('times that OTLP has not are the nearest, and are kept in microseconds', () => {
  const most = (1n << 63n) - 1n
  const latest = (1n << 64n) - 1n
  const { span } = only({
    timestamp: most,
    duration: 1n << 62n,
    annotations: [{ timestamp: most, value: 'late' }],
  })
  assert.deepEqual([span.startTimeUnixNano, span.endTimeUnixNano], [latest, latest])
  assert.deepEqual(span.attributes, [
    ['zipkin.duration', 1n << 62n],
    ['zipkin.timestamp', most],
  ])
  assert.deepEqual(span.events[0]?.attributes, [['zipkin.timestamp', most]])
})

test('what is negative, written with the same 64 bits, is before 1970', () => {
  const { span } = only({ timestamp: (1n << 64n) - 5n, duration: (1n << 64n) - 1n })
  assert.deepEqual([span.startTimeUnixNano, span.endTimeUnixNano], [0n, 0n])
  assert.deepEqual(span.attributes, [
    ['zipkin.duration', -1n],
    ['zipkin.timestamp', -5n],
  ])
})

test('of a repeated tag the last value counts, and the others are counted', () => {
  const span = tagged(
    ['k', 'a'],
    ['k', 'b'],
    ['k', 'b'],
    ['error', 'x'],
    ['error', 'true'],
    ['guid', 'a'],
    ['guid', 'b'],
  )
  assert.deepEqual(span.attributes, [['k', 'b']])
  assert.equal(span.droppedAttributesCount, 3)
})

test('an annotation with attributes in it becomes an event with attributes', () => {
  const event = (value: string) => only({ annotations: [{ timestamp: 1n, value }] }).span.events[0]!
  const { name, attributes, droppedAttributesCount } = event(
    'e|{ "t":"a|b\\"\\u00e9\\ud83d\\ude00", "i": -12, "d":0.1, "whole":5e0, "b":false,"t":"last" }|7',
  )
  assert.equal(name, 'e')
  assert.equal(droppedAttributesCount, 8)
  assert.deepEqual(attributes, [
    ['b', false],
    ['d', 0.1],
    ['i', -12n],
    ['t', 'last'],
    ['whole', 5n],
  ])
  assert.deepEqual(event('e|{"t":"a|b\\"\\u00e9\\ud83d\\ude00\\n"}|0').attributes, [['t', 'a|b"é😀\n']])
})

test('an annotation of nearly that form stays the text that it is', () => {
  const texts = [
    'e|{}', 'e|{}|', 'e|{|0', '|}|0', 'e|{"a"}|0', 'e|{"a":}|0', 'e|{"a":1,}|0', 'e|{,}|0', 'e|{"a":1 "b":2}|0',
    'e|{"a":null}|0', 'e|{"a":[1]}|0', 'e|{"a":{}}|0', 'e|{"a":01}|0', 'e|{"a":1.}|0', 'e|{"a":.5}|0', 'e|{"a":-}|0',
    'e|{"a":1e}|0', 'e|{"a":1e999}|0', 'e|{"a":1234567890123456789}|0', 'e|{"a":0.12345678901234567}|0',
    'e|{"a":"\\x"}|0', 'e|{"a":"\\ud800"}|0', 'e|{"a":"\\ud800\\u0041"}|0', 'e|{"a":"\\udc00"}|0', 'e|{"a":"\\u12"}|0',
    'e|{"a":"\n"}|0', 'e|{"a":"}|0', 'e|{"a":tru}|0', 'e|{a:1}|0', 'e|{"a":1}x|0', 'e|{"a":1}|99999999999', 'e|{"a":1}|4294967296',
  ] // biome-ignore format: one text each
  for (const value of texts) {
    const { name, attributes } = only({ annotations: [{ timestamp: 1n, value }] }).span.events[0]!
    assert.deepEqual({ name, attributes }, { name: value, attributes: [] })
  }
})

test('links are read, and stay attributes when they cannot be', () => {
  const good = '0AF7651916cd43dd8448eb211c80319c|b7ad6b7169203331|x=y|{"k":"v"}|2'
  const span = tagged(['otlp.link.1', good], ['otlp.link.0', 'odd'], ['otlp.link.128', good])
  assert.deepEqual(span.links, [
    {
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      traceState: 'x=y',
      flags: 0,
      attributes: [['k', 'v']],
      droppedAttributesCount: 2,
    },
  ])
  assert.deepEqual(span.attributes, [
    ['otlp.link.0', 'odd'],
    ['otlp.link.128', good],
  ])
})

test('texts of every width of a length come whole', () => {
  for (const bytes of [
    0,
    1,
    15,
    16,
    100,
    113,
    114,
    120,
    126,
    127,
    128,
    16_370,
    16_383,
    16_384,
    2 ** 21 - 1,
    2 ** 21,
  ]) {
    const text = 'x'.repeat(bytes)
    const item = only({
      name: text,
      localEndpoint: { serviceName: text },
      annotations: [{ timestamp: 1n, value: text }],
      tags: [
        ['k', text],
        ['w3c.tracestate', text],
        ['otel.scope.name', text],
      ],
    })
    assert.equal(item.resource.attributes[0]?.[1] ?? '', text)
    assert.ok(
      [item.span.name, item.span.traceState, item.scope.name, item.span.events[0]?.name].every(
        (one) => one === text,
      ),
    )
    assert.deepEqual(item.span.attributes, [['k', text]])
  }
})

test('fields of another type than their own, and unknown ones, are passed over', () => {
  const span = zipkinProto([bare])
  // name (5) as a varint, kind (4) as bytes, timestamp (6) as a varint, duration (7) as four bytes, 99 of each type.
  const odd = Buffer.from(
    '2801 220161 3001 3d01020304 9a0600 980601 990600000000000000009d0600000000'.replaceAll(' ', ''),
    'hex',
  )
  const inner = Buffer.concat([span.subarray(2), odd])
  const list = Buffer.concat([
    Buffer.from([0x0a, inner.length]),
    inner,
    Buffer.from('12020a00 1801'.replaceAll(' ', ''), 'hex'),
  ])
  assert.deepEqual(zipkinSpans(kernel, 'proto', list), items([bare]))
})

test('parts of an endpoint are joined, and the last value of a repeated field counts', () => {
  const first = zipkinProto([{ ...bare, name: 'a', localEndpoint: { serviceName: 's', port: 1 } }]).subarray(
    2,
  )
  const second = zipkinProto([{ ...bare, name: 'b', localEndpoint: { port: 2 } }]).subarray(2)
  const list = Buffer.concat([Buffer.from([0x0a, first.length + second.length]), first, second])
  const found = zipkinSpans(kernel, 'proto', list)
  assert.deepEqual(found, items([{ ...bare, name: 'b', localEndpoint: { serviceName: 's', port: 2 } }]))
})

test('a list cut off at any byte is refused, or is the spans before', () => {
  const spans = Array.from({ length: 3 }, (_, i) => ({ ...bare, name: `n${i}`, tags: [['k', 'v'] as const] }))
  const payload = zipkinProto(spans)
  const ends = spans.map((_, i) => zipkinProto(spans.slice(0, i)).length)
  for (let bytes = 0; bytes < payload.length; bytes++) {
    const found = zipkinSpans(kernel, 'proto', payload.subarray(0, bytes))
    if (ends.includes(bytes)) assert.equal(found.length, ends.indexOf(bytes))
    else assert.equal(found, 'protobuf')
  }
})

test('a span of 100,000 tags is translated in a moment, whether they differ or not', () => {
  const tags = Array.from({ length: 100_000 }, (_, i) => [`key-${i}`, 'v'] as const)
  const sets = [
    tags,
    tags.map((): [string, string] => ['k', 'v']),
    tags.map(([key]): [string, string] => ['guid', key]),
  ]
  for (const set of sets) {
    const payload = zipkinProto([{ ...bare, tags: set }])
    const begin = process.cpuUsage()
    const found = translateZipkin(kernel, zipkinTranslation('proto'), payload)
    assert.ok(cpuMs(begin) < 500)
    assert.ok(typeof found !== 'string')
    const { span } = spansOfOtlp(found)[0]!
    assert.equal(span.attributes.length, set === tags ? 100_000 : set === sets[1] ? 1 : 0)
    assert.equal(span.droppedAttributesCount, set === sets[2] ? 99_999 : 0)
  }
})

test('more spans, attributes or bytes than may be are refused', () => {
  const limited = (items: number, bytes: number): Translation => ({
    run: (x, at, length) => x.zipkinToOtlp(0, at, length, items, bytes),
  })
  const payload = zipkinProto([
    bare,
    { ...bare, tags: Array.from({ length: 2000 }, (_, i) => [`k${i}`, 'v'] as const) },
  ])
  const much = 1 << 20
  assert.equal(translateZipkin(kernel, limited(1, much), payload), 'items')
  assert.equal(translateZipkin(kernel, limited(1999, much), payload), 'items')
  assert.equal(translateZipkin(kernel, limited(2000, 1000), payload), 'too_large')
  const whole = translateZipkin(kernel, limited(2000, much), payload)
  assert.ok(typeof whole !== 'string')
  assert.equal(spansOfOtlp(whole).length, 2)
})

test('a translation that begins again with larger tables gives back what it took', () => {
  const usual = Array.from({ length: 20_000 }, () => ({ ...bare, tags: [['k', 'v'.repeat(100)]] as const }))
  const large = { ...bare, tags: Array.from({ length: 2000 }, (_, i) => [`k${i}`, 'v'] as const) }
  const memoryOf = (spans: readonly ZipkinSpan[]): number => {
    const toOtlp = zipkinTranslation('proto')
    let taken = 0
    const measured: Translation = {
      run: (x, at, bytes) => {
        const before = x.arenaBytes()
        const code = toOtlp.run(x, at, bytes)
        taken = x.arenaBytes() - before
        return code
      },
    }
    assert.ok(typeof translateZipkin(kernel, measured, zipkinProto(spans)) !== 'string')
    return taken
  }
  // The tables for 2,000 attributes are some 640 KB; the spans before them fill some 4 MB.
  assert.ok(memoryOf([...usual, large]) < memoryOf(usual) + 2e6)
})
