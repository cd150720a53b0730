import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GuidTable } from '../../../src/stamp/guid.ts'
import { otlpStampings } from '../../../src/stamp/otlp.ts'
import { cutRecord } from '../../../src/stamp/stamp.ts'
import { Ledger } from '../../../src/telemetry/ledger.ts'
import { Kernel } from '../../../src/wire/kernel.ts'
import { lengthDelimited } from '../../../src/wire/protobuf.ts'
import { decode, itemPaths, listOf, requestType, type Signal } from '../../support/oracle-otlp/index.ts'
import { decodeOtlp, encodeOtlp } from '../../support/otlp-items.ts'
import { type OtlpOutcome, type OtlpRules, otlpRulesOf, stampOtlp } from '../../support/stamping-otlp.ts'

const kernel = new Kernel()
const base: OtlpRules = {
  sources: [
    { kind: 'label', name: 'guid' },
    { kind: 'label', name: 'k8s.namespace.name' },
  ],
  name: 'guid',
  conflict: 'overwrite',
  missing: { action: 'stamp', guid: 'unassigned' },
  deep: false,
}

interface KeyValue {
  readonly key: string
  readonly value?: object
}

function attribute(key: string, value: string | object): KeyValue {
  return { key, value: typeof value === 'string' ? { stringValue: value } : value }
}

function span(name: string, more: object = {}): object {
  return {
    traceId: Buffer.alloc(16, 0xa1),
    spanId: Buffer.alloc(8, 0xb2),
    name,
    kind: 2,
    startTimeUnixNano: '1760000000000000000',
    endTimeUnixNano: '1760000000001000000',
    attributes: [attribute('http.route', '/cart'), attribute('http.status', { intValue: 200 })],
    ...more,
  }
}

function traces(resource: KeyValue[] | undefined, spans: object[], more: object = {}): Buffer {
  const group = { scopeSpans: [{ scope: { name: 'lib' }, spans, ...more }] }
  return encodeOtlp('traces', {
    resourceSpans: [resource === undefined ? group : { resource: { attributes: resource }, ...group }],
  })
}

function kept(outcome: OtlpOutcome): Exclude<OtlpOutcome, string> {
  if (typeof outcome === 'string') assert.fail(`the whole request was refused: ${outcome}`)
  return outcome
}

function run(
  payload: Buffer,
  rules: Partial<OtlpRules> = {},
  recordBytesMax = 1 << 20,
  signal: Signal = 'traces',
) {
  return stampOtlp(kernel, signal, payload, otlpRulesOf({ ...base, ...rules }), recordBytesMax)
}

function guidsOf(outcome: OtlpOutcome): string[] {
  return kept(outcome).records.map(({ guid }) => guid)
}

test('the output less the stamp is the input, byte for byte', () => {
  const payload = traces([attribute('k8s.namespace.name', 'shop')], [span('a'), span('b')])
  const [record] = kept(run(payload)).records
  const stamp = lengthDelimited(
    1,
    Buffer.concat([
      lengthDelimited(1, Buffer.from('guid')),
      lengthDelimited(2, lengthDelimited(1, Buffer.from('shop'))),
    ]),
  )
  const value = record!.value
  const at = value.indexOf(stamp)
  assert.ok(at > 0)
  // Of the request's 3 bytes of head and the resource's 2 only the lengths change, in place.
  const without = Buffer.concat([value.subarray(0, at), value.subarray(at + stamp.length)])
  const lengths = [1, 2, 4]
  assert.equal(without.length, payload.length)
  const differing = [...payload.keys()].filter((i) => payload[i] !== without[i])
  assert.ok(
    differing.every((i) => lengths.includes(i)),
    `bytes ${differing} differ`,
  )
})

test('an attribute of any kind is a source by its text', () => {
  const values: [object, string][] = [
    [{ stringValue: 'shop' }, 'shop'],
    [{ intValue: '9007199254740993' }, '9007199254740993'],
    [{ intValue: '-5' }, 'unassigned'],
    [{ boolValue: true }, 'true'],
    [{ boolValue: false }, 'false'],
    [{ doubleValue: 1.5 }, '1.5'],
    [{ bytesValue: Buffer.from('abc') }, 'YWJj'],
    [{ arrayValue: { values: [{ stringValue: 'a' }] } }, 'unassigned'],
    [{}, 'unassigned'],
  ]
  for (const [value, guid] of values) {
    const resource = [attribute('k8s.namespace.name', value)]
    assert.deepEqual(guidsOf(run(traces(resource, [span('a')]))), [guid], JSON.stringify(value))
  }
})

test('a list is matched as JSON text', () => {
  const value = {
    kvlistValue: {
      values: [
        attribute('z', { intValue: 3 }),
        attribute('team', 'a<b'),
        attribute('list', { arrayValue: { values: [{ boolValue: true }, {}, { doubleValue: 1e21 }] } }),
      ],
    },
  }
  const match = /^(?:\{"list":\[true,null,1e\+21\],"team":"a\\u003cb","z":)(.)\}$/
  const sources = [{ kind: 'label' as const, name: 'where', match }]
  assert.deepEqual(guidsOf(run(traces([attribute('where', value)], [span('a')]), { sources })), ['3'])
})

test('a resource that is not there is made, and empty Resource* are left out', () => {
  const payload = Buffer.concat([
    traces(undefined, [span('a')]),
    traces([attribute('guid', 'other')], []),
    encodeOtlp('traces', { resourceSpans: [{}] }),
  ])
  const outcome = kept(run(payload))
  assert.equal(outcome.stamped.items, 1)
  assert.deepEqual(guidsOf(outcome), ['unassigned'])
  const message = decodeOtlp('traces', outcome.records[0]!.value)
  assert.deepEqual(message.resourceSpans?.length, 1)
  assert.deepEqual(message.resourceSpans?.[0]?.resource, {
    attributes: [{ key: 'guid', value: { stringValue: 'unassigned' } }],
  })
})

test('requests without items are taken, and hold nothing', () => {
  for (const payload of [Buffer.alloc(0), encodeOtlp('traces', { resourceSpans: [{}] })]) {
    const outcome = kept(run(payload))
    assert.equal(outcome.stamped.items, 0)
    assert.deepEqual(outcome.records, [])
  }
})

test('a second resource field cannot smuggle a guid', () => {
  const first = lengthDelimited(1, resourceBytes([attribute('guid', 'mine')]))
  const second = lengthDelimited(1, resourceBytes([attribute('guid', 'theirs'), attribute('x', 'y')]))
  const scopes = lengthDelimited(2, lengthDelimited(2, lengthDelimited(5, Buffer.from('name'))))
  const payload = lengthDelimited(1, Buffer.concat([first, scopes, second]))
  const { records } = kept(run(payload))
  assert.deepEqual(
    records.map(({ guid }) => guid),
    ['mine'],
  )
  const { resource } = decodeOtlp('traces', records[0]!.value).resourceSpans![0]!
  assert.deepEqual(resource?.attributes, [attribute('x', 'y'), attribute('guid', 'mine')])
})

function resourceBytes(attributes: KeyValue[]): Buffer {
  const message = encodeOtlp('traces', { resourceSpans: [{ resource: { attributes } }] })
  // Request: tag, length; ResourceSpans: tag, length; then the resource. All of them below 128 bytes.
  return message.subarray(4)
}

test('an item with a bad id or text goes alone', () => {
  const bad = [
    span('short', { traceId: Buffer.alloc(15) }),
    span('parent', { parentSpanId: Buffer.alloc(1) }),
    span('link', { links: [{ traceId: Buffer.alloc(16), spanId: Buffer.alloc(9) }] }),
  ]
  const payload = traces(undefined, [span('a'), ...bad, span('b'), span('q\u{fffd}q')])
  // The replacement character is three bytes; its last one is made a lead byte.
  const at = payload.indexOf(Buffer.from('q\u{fffd}q'))
  payload[at + 3] = 0xff
  const { stamped, records } = kept(run(payload))
  assert.equal(stamped.items, 6)
  assert.deepEqual(stamped.refused, [
    { reason: 'id_length', count: 3 },
    { reason: 'not_utf8', count: 1 },
  ])
  const { scopeSpans } = decodeOtlp('traces', records[0]!.value).resourceSpans![0]!
  assert.deepEqual(
    scopeSpans?.[0]?.spans?.map(({ name }) => name),
    ['a', 'b'],
  )
})

test('a text at fault in a scope takes its items along, and no others', () => {
  const payload = Buffer.concat([
    traces(undefined, [span('a'), span('b')], { schemaUrl: 'bad' }),
    traces(undefined, [span('c')]),
  ])
  payload[payload.indexOf('bad')] = 0xff
  const { stamped, records } = kept(run(payload))
  assert.deepEqual(stamped.refused, [{ reason: 'not_utf8', count: 2 }])
  assert.deepEqual(
    records.map(({ items }) => items),
    [1],
  )
})

test('everywhere: the stamp’s name stays nowhere but in the stamp', () => {
  const forged = [attribute('guid', 'evil'), attribute('x', 'y')]
  const spans = [
    span('a', {
      attributes: forged,
      events: [{ name: 'e', attributes: forged }],
      links: [{ attributes: forged }],
    }),
  ]
  const payload = traces([attribute('guid', 'mine')], spans, { scope: { name: 's', attributes: forged } })
  const text = (deep: boolean) => kept(run(payload, { deep })).records[0]!.value.toString('latin1')
  assert.equal(text(false).split('evil').length, 5)
  assert.equal(text(true).split('evil').length, 1)
  assert.equal(text(true).split('guid').length, 2)
})

test('a resource larger than a record is cut between its items', () => {
  const names = Array.from({ length: 500 }, (_, i) => `span-${i}`)
  const resource = [attribute('guid', 'shop'), attribute('pod', 'p'.repeat(100))]
  const payload = traces(
    resource,
    names.map((name) => span(name)),
    { schemaUrl: 'https://example.org/1' },
  )
  for (const max of [600, 1_000, 5_000, 16_380, 16_500, 40_000]) {
    const { records } = kept(run(payload, {}, max))
    assert.ok(records.length >= Math.ceil(payload.length / max), `${records.length} records at ${max}`)
    assert.ok(
      records.every(({ value }) => value.length <= max),
      `all within ${max}`,
    )
    // Nothing is wasted: two neighbours would not have fitted one record.
    for (const [i, { value }] of records.entries()) {
      const next = records[i + 1]
      if (next !== undefined) assert.ok(value.length + span('span-000').toString().length + 60 > max - 200)
    }
    const { resourceSpans } = decodeOtlp('traces', Buffer.concat(records.map(({ value }) => value)))
    const spans = resourceSpans!.flatMap(({ scopeSpans }) => scopeSpans!.flatMap((scope) => scope.spans!))
    assert.deepEqual(
      spans.map(({ name }) => name),
      names,
    )
    for (const group of resourceSpans!) {
      assert.deepEqual(group.resource?.attributes, [...resource.slice(1), resource[0]])
    }
  }
})

test('a span larger than a record gets one of its own', () => {
  const spans = [span('a'), span('b'.repeat(3_000)), span('c')]
  const { records } = kept(run(traces([attribute('guid', 'shop')], spans), {}, 1_000))
  assert.deepEqual(
    records.map(({ items }) => items),
    [1, 1, 1],
  )
  assert.deepEqual(
    records.map(({ value }) => value.length > 1_000),
    [false, true, false],
  )
})

test('a resource whose heads fill half a record is not cut', () => {
  const resource = [attribute('guid', 'shop'), attribute('big', 'x'.repeat(600))]
  const { records } = kept(run(traces(resource, [span('a'), span('b')]), {}, 1_000))
  assert.deepEqual(
    records.map(({ items }) => items),
    [2],
  )
})

test('data points are cut with their metric around them', () => {
  const dataPoints = Array.from({ length: 300 }, (_, i) => ({ asInt: String(i), timeUnixNano: '1' }))
  const metrics = [
    { name: 'a', unit: 's', sum: { dataPoints, aggregationTemporality: 2, isMonotonic: true } },
    { name: 'b', gauge: { dataPoints: dataPoints.slice(0, 2) } },
  ]
  const payload = encodeOtlp('metrics', { resourceMetrics: [{ scopeMetrics: [{ metrics }] }] })
  const { stamped, records } = kept(run(payload, {}, 700, 'metrics'))
  assert.equal(stamped.items, 302)
  assert.ok(records.length > 8 && records.every(({ value }) => value.length <= 700))
  const all = records.flatMap(({ value }) =>
    itemPaths('metrics', listOf(decode('metrics', value), requestType('metrics').fieldsById[1]!.name)),
  )
  assert.deepEqual(
    all.map((path) => (path[4] as { asInt?: string }).asInt),
    [...dataPoints, ...dataPoints.slice(0, 2)].map(({ asInt }) => asInt),
  )
  assert.ok(all.slice(0, 300).every((path) => path[3]!['isMonotonic'] === true && path[2]!['name'] === 'a'))
})

test('a record of ours can be cut once more', () => {
  const spans = Array.from({ length: 100 }, (_, i) => span(`span-${i}`))
  const [record] = kept(run(traces([attribute('guid', 'shop')], spans))).records
  const table = new GuidTable({ name: 'guid', receiver: 'otlp', signal: 'traces', ledger: new Ledger(10) })
  const cut = cutRecord(kernel, otlpStampings.traces, table.get('shop'), record!.value, 2_000)
  assert.ok(cut.length > 4 && cut.every(({ value }) => value.length <= 2_000))
  assert.equal(
    cut.reduce((sum, { items }) => sum + items, 0),
    100,
  )
  const { resourceSpans } = decodeOtlp('traces', Buffer.concat(cut.map(({ value }) => value)))
  const named = resourceSpans!.flatMap(({ scopeSpans }) => scopeSpans!.flatMap((scope) => scope.spans!))
  assert.deepEqual(
    named.map(({ name }) => name),
    spans.map((one) => (one as { name: string }).name),
  )
})

test('values nest as deep as other readers take them, and no deeper', () => {
  // Below the request: ResourceSpans, ScopeSpans, Span, KeyValue, AnyValue; each array adds an ArrayValue and an AnyValue.
  const nested = (arrays: number): Buffer => {
    let value = lengthDelimited(1, Buffer.from('x'))
    for (let i = 0; i < arrays; i++) value = lengthDelimited(5, lengthDelimited(1, value))
    const pair = Buffer.concat([lengthDelimited(1, Buffer.from('k')), lengthDelimited(2, value)])
    return lengthDelimited(1, lengthDelimited(2, lengthDelimited(2, lengthDelimited(9, pair))))
  }
  assert.deepEqual(guidsOf(run(nested(47))), ['unassigned'])
  assert.doesNotThrow(() => decodeOtlp('traces', nested(47)))
  assert.equal(run(nested(48)), 'protobuf')
})

test('the messages of another signal are refused', () => {
  const metrics = encodeOtlp('metrics', {
    resourceMetrics: [
      { scopeMetrics: [{ metrics: [{ name: 'requests', sum: { dataPoints: [{ asInt: '1' }] } }] }] },
    ],
  })
  const logs = encodeOtlp('logs', {
    resourceLogs: [{ scopeLogs: [{ logRecords: [{ timeUnixNano: '1', body: { stringValue: 'x' } }] }] }],
  })
  const bodies = { traces: traces(undefined, [span('GET /')]), metrics, logs }
  for (const sent of ['traces', 'metrics', 'logs'] as const) {
    for (const asked of ['traces', 'metrics', 'logs'] as const) {
      const outcome = run(bodies[sent], {}, 1 << 20, asked)
      assert.equal(typeof outcome === 'string', sent !== asked, `${sent} sent as ${asked}`)
    }
  }
})

test('scopes where OTLP before 0.19 had them are refused: some readers look there, and nobody checked them', () => {
  const scopes = encodeOtlp('traces', { resourceSpans: [{ scopeSpans: [{ spans: [{ name: 'old' }] }] }] })
  // From the Resource* (tag, length) to its field 2 (tag, length), whose contents get the tag of field 1000.
  const contents = scopes.subarray(4)
  const old = Buffer.concat([Buffer.of(0xc2, 0x3e, contents.length), contents])
  for (const whole of [old, Buffer.concat([scopes.subarray(2), old])]) {
    assert.equal(stampOtlp(kernel, 'traces', lengthDelimited(1, whole), otlpRulesOf(base)), 'protobuf')
  }
})

test('fields of a later version pass, and a message of nothing else is refused', () => {
  const later = Buffer.concat([Buffer.of(0xc2, 0x3e, 3), Buffer.from('new')])
  const payload = Buffer.concat([later, traces(undefined, [span('a')]), later])
  const [record] = kept(run(payload)).records
  assert.equal(record!.value.toString('latin1').split('new').length, 3)
  assert.equal(run(later), 'protobuf')
})

test('items are counted as refused with their resource', () => {
  const payload = Buffer.concat([
    traces([attribute('guid', 'a')], [span('a'), span('b')]),
    traces([attribute('guid', 'b')], [span('c')]),
  ])
  const { stamped, records } = kept(run(payload, { allow: [/^b$/] }))
  assert.deepEqual(stamped.refused, [{ reason: 'guid_not_allowed', count: 2 }])
  assert.deepEqual(
    records.map(({ guid, items }) => [guid, items]),
    [['b', 1]],
  )
  assert.deepEqual(kernel.firstRefused(5, new Set()), [{ item: 0, reason: 'guid_not_allowed' }])
})
