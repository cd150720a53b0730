/** What a span of OTLP is in Jaeger's model, rule by rule. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../src/limits.ts'
import { codeOf, Kernel } from '../../../src/wire/kernel.ts'
import { otlpToJaeger } from '../../../src/wire/translations/otlp-to-jaeger.ts'
import { type PlainJaegerSpan, type PlainTag, spansOfJaeger } from '../../support/plain-jaeger.ts'
import { otlpFile, otlpMessage, protoRoot } from '../../support/proto.ts'

type Fields = { readonly [field: string]: unknown }

const requestType = protoRoot([otlpFile('traces')])
  .resolveAll()
  .lookupType(otlpMessage('traces'))
const kernel = new Kernel()
const trace = '000102030405060708090a0b0c0d0e0f'
const START = 1_795_267_000_123_456_789n

function encoded(request: Fields): Buffer {
  return Buffer.from(requestType.encode(requestType.fromObject(request)).finish())
}

function translated(bytes: Buffer): Buffer | number {
  kernel.begin()
  kernel.putPlain([bytes], bytes.length)
  const length = kernel.translate(otlpToJaeger)
  return length < 0 ? length : kernel.payloadCopy()
}

function spansOf(request: Fields): PlainJaegerSpan[] {
  const bytes = translated(encoded(request))
  assert.ok(typeof bytes !== 'number', `code ${bytes}`)
  return spansOfJaeger(bytes)
}

/** One span in a resource and a scope. */
function spanOf(span: Fields, scope: Fields = {}, resource: Fields = {}): PlainJaegerSpan {
  const [only, ...others] = spansOf({ resourceSpans: [{ resource, scopeSpans: [{ scope, spans: [span] }] }] })
  assert.ok(only !== undefined && others.length === 0)
  return only
}

function id(hex: string): Buffer {
  return Buffer.from(hex, 'hex')
}

function text(key: string, stringValue: string): Fields {
  return { key, value: { stringValue } }
}

function tagsOf(...attributes: Fields[]): readonly PlainTag[] {
  return spanOf({ attributes }).tags
}

test('ids, name, start and duration', () => {
  const span = spanOf({
    traceId: id(trace),
    spanId: id('f001020304050607'),
    name: 'né',
    startTimeUnixNano: String(START),
    endTimeUnixNano: String(START + 2_000_000_001n),
  })
  assert.equal(span.traceId, trace)
  assert.equal(span.spanId, 'f001020304050607')
  assert.equal(span.operationName, 'né')
  assert.equal(span.startNs, START)
  assert.equal(span.durationNs, 2_000_000_001n)
  assert.deepEqual(span.tags, [])
})

test('a span without anything has all that a reader must find', () => {
  // Ids of zeros, a Timestamp and a Duration of zero, and a process: without, readers in Go fail or take the year 1.
  const bytes = translated(encoded({ resourceSpans: [{ scopeSpans: [{ spans: [{}] }] }] }))
  assert.ok(typeof bytes !== 'number')
  const span = `0a10${'00'.repeat(16)}1208${'00'.repeat(8)}32003a005200`
  assert.equal(bytes.toString('hex'), `0a240a22${span}`)
})

test('an end before the start is a negative duration', () => {
  const span = spanOf({ startTimeUnixNano: '5000000000', endTimeUnixNano: '2500000000' })
  assert.equal(span.durationNs, -2_500_000_000n)
})

test('a duration beyond 63 bits is cut, and a tag has the end', () => {
  const end = String(2n ** 64n - 1n)
  const span = spanOf({ startTimeUnixNano: '1', endTimeUnixNano: end })
  assert.equal(span.durationNs, 2n ** 63n - 1n)
  assert.deepEqual(span.tags, [['otlp.end_time_unix_nano', end]])
})

test('an attribute keeps its type', () => {
  const min = -(2n ** 63n)
  const tags = tagsOf(
    text('s', 'é'),
    { key: 'b', value: { boolValue: true } },
    { key: 'f', value: { boolValue: false } },
    { key: 'i', value: { intValue: String(min) } },
    { key: 'd', value: { doubleValue: -0 } },
    { key: 'n', value: { doubleValue: Number.NaN } },
    { key: 'y', value: { bytesValue: id('00ff') } },
    { key: 'e', value: {} },
    { key: 'none' },
    text('', ''),
  )
  assert.deepEqual(tags, [
    ['s', 'é'],
    ['b', true],
    ['f', false],
    ['i', min],
    ['d', -0],
    ['n', Number.NaN],
    ['y', { bytes: '00ff' }],
    ['e', ''],
    ['none', ''],
    ['', ''],
  ])
})

test('a list and a map become JSON, exact to the last digit', () => {
  const values = [
    { stringValue: 'a"\\\b\f\n\r\t\u0001<>&\u2028\u2029é' },
    { intValue: '9007199254740993' },
    { intValue: String(-(2n ** 63n)) },
    { doubleValue: 0.1 },
    { doubleValue: 3 },
    { doubleValue: -0 },
    { doubleValue: 1e21 },
    { doubleValue: 5e-324 },
    { doubleValue: Number.NaN },
    { doubleValue: -Infinity },
    { boolValue: false },
    { bytesValue: id('fb') },
    { bytesValue: id('fbff') },
    { bytesValue: id('fbfffe') },
    { arrayValue: {} },
    {},
  ]
  const kvlistValue = { values: [text('z', '1'), { key: 'a"', value: { arrayValue: { values } } }] }
  const tags = tagsOf({ key: 'map', value: { kvlistValue } }, { key: 'list', value: { arrayValue: {} } })
  const escaped = '"a\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u003c\\u003e\\u0026\\u2028\\u2029é"'
  const numbers = '9007199254740993,-9223372036854775808,0.1,3,-0,1e+21,5e-324,"NaN","-Infinity"'
  const list = `[${escaped},${numbers},false,"+w==","+/8=","+//+",[],null]`
  assert.deepEqual(tags, [
    ['map', `{"z":"1","a\\"":${list}}`],
    ['list', '[]'],
  ])
})

test('long texts and long JSON', () => {
  const long = 'é<'.repeat(20_000)
  const tags = tagsOf(text('k'.repeat(300), long), {
    key: 'list',
    value: { arrayValue: { values: [{ stringValue: long }] } },
  })
  assert.deepEqual(tags, [
    ['k'.repeat(300), long],
    ['list', `["${long.replaceAll('<', '\\u003c')}"]`],
  ])
})

test('the service is the process, the rest of the resource its tags, for every span', () => {
  const attributes = [text('host.name', 'h'), text('service.name', 'cart'), text('guid', 'a')]
  const resource = { attributes, droppedAttributesCount: 3 }
  const spans = [{}, { name: 'x'.repeat(200) }, {}]
  const other = { resource: { attributes: [text('service.name', 'b')] }, scopeSpans: [{ spans: [{}] }] }
  const jaeger = spansOf({ resourceSpans: [{ resource, scopeSpans: [{ spans }, { spans }] }, other] })
  const tags = [
    ['host.name', 'h'],
    ['guid', 'a'],
    ['otel.dropped_attributes_count', 3n],
  ]
  assert.equal(jaeger.length, 7)
  for (const span of jaeger.slice(0, 6)) assert.deepEqual(span.process, { serviceName: 'cart', tags })
  assert.deepEqual(jaeger[6]?.process, { serviceName: 'b', tags: [] })
})

test('a resource without a name of a service', () => {
  assert.deepEqual(spanOf({}).process, { serviceName: '', tags: [] })
  const number = { key: 'service.name', value: { intValue: '7' } }
  const attributes = [number, text('service.name', 'first'), text('service.name', 'second')]
  assert.deepEqual(spanOf({}, {}, { attributes }).process, {
    serviceName: 'first',
    tags: [
      ['service.name', 7n],
      ['service.name', 'second'],
    ],
  })
})

test('kind, status, trace state and scope become tags', () => {
  const attributes = [text('error', 'timeout')]
  const span = spanOf(
    { kind: 3, status: { code: 2, message: 'no' }, traceState: 'a=1', attributes },
    { name: 'lib', version: '1' },
  )
  // `error` before the attribute of that name: the last one counts where there can be one only.
  assert.deepEqual(span.tags, [
    ['otel.scope.name', 'lib'],
    ['otel.scope.version', '1'],
    ['error', true],
    ['error', 'timeout'],
    ['span.kind', 'client'],
    ['otel.status_code', 'ERROR'],
    ['otel.status_description', 'no'],
    ['w3c.tracestate', 'a=1'],
  ])
  const kinds = [0, 1, 2, 3, 4, 5, 6].map((kind) => spanOf({ kind }).tags.map(([, value]) => value))
  assert.deepEqual(kinds, [[], ['internal'], ['server'], ['client'], ['producer'], ['consumer'], []])
  // Readers look for the version only where there is a name.
  assert.deepEqual(spanOf({}, { version: '1' }).tags, [
    ['otel.scope.name', ''],
    ['otel.scope.version', '1'],
  ])
  assert.deepEqual(spanOf({ status: { code: 1 } }).tags, [['otel.status_code', 'OK']])
})

test('the scope is that of the span, not of the one before', () => {
  const scopeSpans = [{ scope: { name: 'a', version: '1' }, spans: [{}] }, { spans: [{}] }]
  const tags = spansOf({ resourceSpans: [{ scopeSpans }] }).map((span) => span.tags.length)
  assert.deepEqual(tags, [2, 0])
})

test('dropped counts become tags', () => {
  const span = spanOf({ droppedAttributesCount: 1, droppedEventsCount: 2, droppedLinksCount: 4294967295 })
  assert.deepEqual(span.tags, [
    ['otel.dropped_attributes_count', 1n],
    ['otel.dropped_events_count', 2n],
    ['otel.dropped_links_count', 4294967295n],
  ])
})

test('events become logs', () => {
  const events = [
    { timeUnixNano: String(START), name: 'miss', attributes: [text('k', 'v')], droppedAttributesCount: 2 },
    { name: 'other', attributes: [text('event', 'told')] },
    { name: 'same', attributes: [text('event', 'same')] },
    {},
  ]
  assert.deepEqual(spanOf({ events }).logs, [
    {
      timeNs: START,
      fields: [
        ['event', 'miss'],
        ['k', 'v'],
        ['otel.dropped_attributes_count', 2n],
      ],
    },
    {
      timeNs: 0n,
      fields: [
        ['event', 'other'],
        ['event', 'told'],
      ],
    },
    { timeNs: 0n, fields: [['event', 'same']] },
    { timeNs: 0n, fields: [] },
  ])
})

const parent = 'aa01020304050607'
const near = 'bb01020304050607'
const far = 'ff'.repeat(16)

function link(spanId: string, type?: string, traceId = trace): Fields {
  const attributes = type === undefined ? [] : [text('opentracing.ref_type', type)]
  return { traceId: id(traceId), spanId: id(spanId), attributes }
}

/** `type spanId` of each reference; those of another trace with a prime. */
function referencesOf(parentSpanId: string, ...links: Fields[]): string[] {
  const { references } = spanOf({ traceId: id(trace), parentSpanId: id(parentSpanId), links })
  return references.map(
    ({ type, traceId, spanId }) => `${type} ${spanId.slice(0, 2)}${traceId === trace ? '' : "'"}`,
  )
}

test('the parent is the first reference, links are the others', () => {
  assert.deepEqual(referencesOf(''), [])
  assert.deepEqual(referencesOf('00'.repeat(8)), [])
  assert.deepEqual(referencesOf(parent), ['child_of aa'])
  assert.deepEqual(referencesOf(parent, link(near), link(near, 'child_of', far)), [
    'child_of aa',
    'follows_from bb',
    "child_of bb'",
  ])
  assert.deepEqual(referencesOf('', link(near, 'child_of'), {}), ['child_of bb', "follows_from 00'"])
})

test('a link to the parent says the type of its reference', () => {
  assert.deepEqual(referencesOf(parent, link(parent, 'follows_from'), link(near)), [
    'follows_from aa',
    'follows_from bb',
  ])
  assert.deepEqual(referencesOf(parent, link(parent, 'child_of')), ['child_of aa'])
  assert.deepEqual(referencesOf(parent, link(parent, 'follows_from', far)), [
    'child_of aa',
    "follows_from aa'",
  ])
  // With a child_of in the trace, a reader would take that one for the parent.
  assert.deepEqual(referencesOf(parent, link(parent, 'follows_from'), link(near, 'child_of')), [
    'child_of aa',
    'follows_from aa',
    'child_of bb',
  ])
})

test('what a reference cannot say of a link is in a tag', () => {
  const attributes = [text('opentracing.ref_type', 'child_of'), text('k', 'a|"b"')]
  const rich = {
    ...link(near, undefined, far),
    traceState: 'a=1,b=2',
    attributes,
    droppedAttributesCount: 7,
  }
  const span = spanOf({ links: [link(near, 'child_of'), rich, { droppedAttributesCount: 1 }] })
  assert.deepEqual(
    span.references.map(({ type }) => type),
    ['child_of', 'child_of', 'follows_from'],
  )
  assert.deepEqual(span.tags, [
    ['otlp.link.1', `${far}|${near}|a=1,b=2|{"opentracing.ref_type":"child_of","k":"a|\\"b\\""}|7`],
    ['otlp.link.2', `${'0'.repeat(32)}|${'0'.repeat(16)}||{}|1`],
  ])
})

test('what a translation from Jaeger keeps in attributes is a field again', () => {
  const warnings = { arrayValue: { values: [{ stringValue: 'clock skew' }, { stringValue: '' }] } }
  const attributes = [
    { key: 'jaeger.flags', value: { intValue: '9' } },
    { key: '@jaeger@warnings', value: warnings },
    text('jaeger.process_id', 'p1'),
    text('k', 'v'),
  ]
  const span = spanOf({ attributes })
  assert.equal(span.flags, 9)
  assert.equal(span.processId, 'p1')
  assert.deepEqual(span.warnings, ['clock skew', ''])
  assert.deepEqual(span.tags, [['k', 'v']])
})

test('attributes of those names that hold something else stay tags', () => {
  const attributes = [
    text('jaeger.flags', '9'),
    { key: 'jaeger.flags', value: { intValue: '-1' } },
    { key: '@jaeger@warnings', value: { arrayValue: { values: [{ intValue: '1' }] } } },
    { key: '@jaeger@warnings', value: { arrayValue: {} } },
    { key: 'jaeger.process_id', value: { intValue: '1' } },
  ]
  const span = spanOf({ attributes })
  assert.equal(span.flags, 0)
  assert.equal(span.processId, '')
  assert.deepEqual(span.warnings, [])
  assert.deepEqual(span.tags, [
    ['jaeger.flags', '9'],
    ['jaeger.flags', -1n],
    ['@jaeger@warnings', '[1]'],
    ['@jaeger@warnings', '[]'],
    ['jaeger.process_id', 1n],
  ])
})

test('a request without spans is a batch without spans', () => {
  assert.deepEqual(spansOf({}), [])
  assert.deepEqual(spansOf({ resourceSpans: [{ resource: {} }, { scopeSpans: [{}] }] }), [])
})

test('a large request', () => {
  const span = {
    traceId: id(trace),
    spanId: id(near),
    name: 'op',
    attributes: [text('k', 'v'.repeat(100))],
  }
  const resourceSpans = [{ scopeSpans: [{ spans: Array.from({ length: 30_000 }, () => span) }] }]
  const spans = spansOf({ resourceSpans })
  assert.equal(spans.length, 30_000)
  assert.deepEqual(spans.at(-1), spans[0])
})

test('ids of a wrong length are refused', () => {
  const broken = [
    { traceId: id('00') },
    { spanId: id(trace) },
    { parentSpanId: id('00') },
    { links: [{ traceId: id('00') }] },
    { links: [{ spanId: id('00') }] },
  ]
  for (const span of broken) {
    const bytes = encoded({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] })
    assert.equal(translated(bytes), codeOf('protobuf'), JSON.stringify(span))
  }
})

test('a request that ends too early, wherever, is refused', () => {
  const attributes = [
    text('k', 'v'),
    { key: 'list', value: { arrayValue: { values: [{ intValue: '300' }] } } },
  ]
  const span = {
    traceId: id(trace),
    spanId: id(near),
    attributes,
    events: [{ name: 'e' }],
    links: [link(near)],
  }
  const one = encoded({ resourceSpans: [{ resource: { attributes }, scopeSpans: [{ spans: [span] }] }] })
  for (let bytes = 1; bytes < one.length; bytes++) {
    assert.equal(translated(one.subarray(0, bytes)), codeOf('protobuf'), `cut at ${bytes}`)
  }
})

function delimited(field: number, content: Buffer): Buffer {
  const length: number[] = []
  let rest = content.length
  for (; rest > 0x7f; rest >>= 7) length.push((rest & 0x7f) | 0x80)
  return Buffer.concat([Buffer.from([(field << 3) | 2, ...length, rest]), content])
}

test('values nested as deeply as allowed are read, and deeper ones are refused', () => {
  // Resource, attribute and value stand below ResourceSpans; each list adds two levels.
  const listsMax = (limits.otlpNestingMax - 4) / 2
  for (const lists of [listsMax, listsMax + 1]) {
    let value: Buffer = Buffer.alloc(0)
    for (let list = 0; list < lists; list++) value = delimited(5, delimited(1, value))
    const resource = delimited(1, delimited(1, delimited(2, value)))
    const bytes = translated(delimited(1, Buffer.concat([resource, id('12021200')])))
    if (lists > listsMax) assert.equal(bytes, codeOf('protobuf'))
    else {
      assert.ok(typeof bytes !== 'number')
      const tag = `${'['.repeat(lists)}null${']'.repeat(lists)}`
      assert.deepEqual(spansOfJaeger(bytes)[0]?.process.tags, [['', tag]])
    }
  }
})

test('a resource repeated for each of many spans meets the bound of the output', () => {
  const resource = { attributes: [text('k', 'v'.repeat(10_000))] }
  const spans = Array.from({ length: 10_000 }, () => ({}))
  const started = performance.now()
  const bytes = encoded({ resourceSpans: [{ resource, scopeSpans: [{ spans }] }] })
  assert.equal(translated(bytes), codeOf('too_large'))
  assert.ok(performance.now() - started < 2_000)
})
