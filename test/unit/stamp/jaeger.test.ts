import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GuidTable } from '../../../src/stamp/guid.ts'
import { jaegerStamping } from '../../../src/stamp/jaeger.ts'
import { Ledger } from '../../../src/telemetry/ledger.ts'
import { Kernel } from '../../../src/wire/kernel.ts'
import { lengthDelimited, varintField } from '../../../src/wire/protobuf.ts'
import { protoRoot } from '../../support/proto.ts'
import { type JaegerRules, jaegerRulesOf, stampJaeger } from '../../support/stamping-jaeger.ts'
import type { OtlpOutcome } from '../../support/stamping-otlp.ts'

const kernel = new Kernel()
const root = protoRoot(['jaeger/api_v2/collector.proto'])
const requestType = root.lookupType('jaeger.api_v2.PostSpansRequest')
const spanType = root.lookupType('jaeger.api_v2.Span')
const base: JaegerRules = {
  sources: [
    { kind: 'label', name: 'guid' },
    { kind: 'label', name: 'hostname' },
  ],
  name: 'guid',
  conflict: 'overwrite',
  missing: { action: 'stamp', guid: 'unassigned' },
  deep: false,
}

interface Tag {
  readonly key: string
  readonly vType?: number
  readonly vStr?: string
}

interface Span {
  readonly operationName?: string
  readonly process?: { readonly serviceName?: string; readonly tags?: readonly Tag[] }
}

function span(operationName: string, more: object = {}): object {
  return {
    traceId: Buffer.alloc(16, 0xa1),
    spanId: Buffer.alloc(8, 0xb2),
    operationName,
    flags: 1,
    startTime: { seconds: 1_795_267_000, nanos: 123_456_000 },
    duration: { nanos: 1_000_000 },
    tags: [text('http.method', 'GET'), { key: 'http.status_code', vType: 2, vInt64: 200 }],
    ...more,
  }
}

function text(key: string, vStr: string): Tag {
  return { key, vStr }
}

function process(...tags: object[]): object {
  return { serviceName: 'cart', tags }
}

function encode(batch: object): Buffer {
  return Buffer.from(requestType.encode(requestType.fromObject({ batch })).finish())
}

function run(payload: Buffer, rules: Partial<JaegerRules> = {}): OtlpOutcome {
  return stampJaeger(kernel, payload, jaegerRulesOf({ ...base, ...rules }))
}

function kept(outcome: OtlpOutcome): Exclude<OtlpOutcome, string> {
  if (typeof outcome === 'string') assert.fail(`the whole request was refused: ${outcome}`)
  return outcome
}

function guidsOf(outcome: OtlpOutcome): string[] {
  return kept(outcome).records.map(({ guid }) => guid)
}

function spansOf(outcome: OtlpOutcome): Span[] {
  return kept(outcome).records.map(({ value }) => spanType.toObject(spanType.decode(value)) as Span)
}

test('each span becomes a record with its batch’s process inside', () => {
  const payload = encode({ spans: [span('a'), span('b')], process: process(text('hostname', 'web-1')) })
  const outcome = run(payload)
  assert.deepEqual(guidsOf(outcome), ['web-1', 'web-1'])
  assert.deepEqual(
    spansOf(outcome).map(({ operationName }) => operationName),
    ['a', 'b'],
  )
  for (const one of spansOf(outcome)) {
    assert.deepEqual(one.process, process(text('hostname', 'web-1'), text('guid', 'web-1')))
  }
})

test('a span’s own process counts, an empty one too', () => {
  const spans = [
    span('a', { process: process(text('hostname', 'own')) }),
    span('b', { process: {} }),
    span('c'),
  ]
  const outcome = run(encode({ spans, process: process(text('hostname', 'shared')) }))
  assert.deepEqual(guidsOf(outcome), ['own', 'unassigned', 'shared'])
  assert.deepEqual(spansOf(outcome)[1]!.process, { tags: [text('guid', 'unassigned')] })
})

test('a batch without a process gets one with the stamp alone', () => {
  const [record] = kept(run(encode({ spans: [span('a')] }))).records
  const plain = Buffer.from(spanType.encode(spanType.fromObject(span('a'))).finish())
  const table = new GuidTable({ name: 'guid', receiver: 'jaeger', signal: 'traces', ledger: new Ledger(10) })
  const stamp = jaegerStamping.stampOf(table.get('unassigned'))
  assert.deepEqual(record!.value, Buffer.concat([plain, lengthDelimited(10, stamp)]))
})

test('requests without spans are taken, and hold nothing', () => {
  for (const payload of [Buffer.alloc(0), encode({}), encode({ process: process(text('guid', 'x')) })]) {
    const { stamped, records } = kept(run(payload))
    assert.equal(stamped.items, 0)
    assert.deepEqual(records, [])
  }
})

test('a message of nothing but unknown fields is something else', () => {
  assert.equal(run(varintField(7, 1)), 'protobuf')
})

test('every tag of the stamp’s name goes, of whatever type, and the first one counts', () => {
  const forged = [
    { key: 'guid', vType: 2, vInt64: 7 },
    text('a', 'b'),
    text('guid', 'second'),
    { key: 'guid', vType: 4, vBinary: Buffer.from('x') },
  ]
  const payload = encode({
    spans: [span('a'), span('b', { process: process(...forged) })],
    process: process(...forged),
  })
  const outcome = run(payload)
  assert.deepEqual(guidsOf(outcome), ['7', '7'])
  for (const one of spansOf(outcome))
    assert.deepEqual(one.process, process(text('a', 'b'), text('guid', '7')))
})

test('a tag of any type is a source by its text', () => {
  const values: [object, string][] = [
    [{ vStr: 'shop' }, 'shop'],
    [{ vType: 2, vInt64: '9007199254740993' }, '9007199254740993'],
    [{ vType: 2, vInt64: '-5' }, 'unassigned'],
    [{ vType: 2 }, '0'],
    [{ vType: 1, vBool: true }, 'true'],
    [{ vType: 1, vStr: 'shop' }, 'false'],
    [{ vType: 3, vFloat64: 1.5 }, '1.5'],
    [{ vType: 4, vBinary: Buffer.from('abc') }, 'YWJj'],
    [{ vType: 9, vStr: 'shop' }, 'unassigned'],
    [{}, 'unassigned'],
  ]
  for (const [value, guid] of values) {
    const payload = encode({ spans: [span('a')], process: process({ key: 'hostname', ...value }) })
    assert.deepEqual(guidsOf(run(payload)), [guid], JSON.stringify(value))
  }
})

test('a second process or batch cannot smuggle a guid', () => {
  const own = lengthDelimited(10, lengthDelimited(2, tagBytes('guid', 'mine')))
  const theirs = lengthDelimited(10, lengthDelimited(2, tagBytes('guid', 'theirs')))
  const name = lengthDelimited(3, Buffer.from('a'))
  const one = lengthDelimited(1, lengthDelimited(1, Buffer.concat([own, name, theirs])))
  assert.deepEqual(guidsOf(run(one)), ['mine'])
  assert.deepEqual(spansOf(run(one))[0]!.process, { tags: [text('guid', 'mine')] })
  // A later batch's process is one with that of the first.
  const batches = [
    encode({ spans: [span('a')], process: { tags: [text('guid', 'mine'), text('x', 'y')] } }),
    encode({ spans: [span('b')], process: { tags: [text('guid', 'mime'), text('z', 'y')] } }),
  ]
  const outcome = run(Buffer.concat(batches))
  assert.deepEqual(guidsOf(outcome), ['mine', 'mine'])
  const tags = [text('x', 'y'), text('z', 'y'), text('guid', 'mine')]
  for (const { process } of spansOf(outcome)) assert.deepEqual(process, { tags })
})

test('a process in two parts of which one is taken out as a whole', () => {
  // What is kept is as long as the last part, and is not it.
  const batches = [
    encode({ spans: [span('a')], process: { tags: [text('aaaa', 'kept')] } }),
    encode({ process: { tags: [text('guid', 'evil')] } }),
  ]
  const sources = [{ kind: 'constant' as const, value: 'mine' }]
  const [{ process } = {}] = spansOf(run(Buffer.concat(batches), { sources }))
  assert.deepEqual(process, { tags: [text('aaaa', 'kept'), text('guid', 'mine')] })
})

function tagBytes(key: string, value: string): Buffer {
  return Buffer.concat([lengthDelimited(1, Buffer.from(key)), lengthDelimited(3, Buffer.from(value))])
}

test('everywhere: the stamp’s name stays nowhere but in the stamp', () => {
  const forged = [text('guid', 'evil'), text('x', 'y')]
  const logs = [{ timestamp: { seconds: 1 }, fields: forged }, { fields: [text('x', 'y')] }]
  const payload = encode({
    spans: [span('a', { tags: forged, logs })],
    process: process(text('guid', 'mine')),
  })
  const written = (deep: boolean) => kept(run(payload, { deep })).records[0]!.value.toString('latin1')
  assert.equal(written(false).split('evil').length, 3)
  assert.equal(written(true).split('evil').length, 1)
  assert.equal(written(true).split('guid').length, 2)
})

test('a span with a text that is not UTF-8 goes alone, with a process of that kind all that have it', () => {
  const bad = (payload: Buffer): Buffer => {
    payload[payload.indexOf('bad')] = 0xff
    return payload
  }
  const one = run(bad(encode({ spans: [span('a'), span('bad'), span('c')] })))
  assert.deepEqual(kept(one).stamped.refused, [{ reason: 'not_utf8', count: 1 }])
  assert.deepEqual(
    spansOf(one).map(({ operationName }) => operationName),
    ['a', 'c'],
  )
  const spans = [span('a'), span('b', { process: process() }), span('c')]
  const shared = run(bad(encode({ spans, process: process(text('x', 'bad')) })))
  assert.deepEqual(kept(shared).stamped.refused, [{ reason: 'not_utf8', count: 2 }])
  assert.deepEqual(
    spansOf(shared).map(({ operationName }) => operationName),
    ['b'],
  )
})

test('what Jaeger’s own reader refuses is malformed', () => {
  const bad: [string, object][] = [
    ['trace id of 15 bytes', { traceId: Buffer.alloc(15) }],
    ['span id of 9 bytes', { spanId: Buffer.alloc(9) }],
    ['reference', { references: [{ traceId: Buffer.alloc(16), spanId: Buffer.alloc(7) }] }],
    ['year 10000', { startTime: { seconds: 253_402_300_800 } }],
    ['year 0', { startTime: { seconds: -62_135_596_801 } }],
    ['negative nanoseconds of a time', { startTime: { seconds: 1, nanos: -1 } }],
    ['a second of nanoseconds', { logs: [{ timestamp: { nanos: 1_000_000_000 } }] }],
    ['duration of two signs', { duration: { seconds: 1, nanos: -1 } }],
    ['duration beyond 64 bits', { duration: { seconds: 9_223_372_036, nanos: 854_775_808 } }],
  ]
  for (const [what, more] of bad)
    assert.equal(run(encode({ spans: [span('a'), span('b', more)] })), 'protobuf', what)
  // That is how no encoder writes an id that is not there.
  for (const field of [1, 2]) {
    const empty = lengthDelimited(field, Buffer.alloc(0))
    assert.equal(run(lengthDelimited(1, lengthDelimited(1, empty))), 'protobuf')
  }
  const good: object[] = [
    { traceId: Buffer.alloc(8), references: [{ traceId: Buffer.alloc(8), spanId: Buffer.alloc(8) }] },
    { startTime: { seconds: 253_402_300_799, nanos: 999_999_999 } },
    { startTime: { seconds: -62_135_596_800 } },
    { duration: { seconds: 9_223_372_036, nanos: 854_775_807 } },
    { duration: { seconds: -9_223_372_036, nanos: -854_775_807 } },
    { duration: { nanos: -1 } },
  ]
  for (const more of good) assert.equal(guidsOf(run(encode({ spans: [span('b', more)] }))).length, 1)
})

test('the lengths around the stamp grow at every width of a varint', () => {
  for (const edge of [127, 128, 16_383, 16_384, 1 << 21]) {
    for (let bytes = edge - 40; bytes <= edge; bytes += bytes === edge ? 1 : edge > 1e6 ? 20 : 1) {
      const shared = { serviceName: 'x'.repeat(bytes), tags: [text('hostname', 'web-1')] }
      const outcome = run(encode({ spans: [span('a'), span('b', { process: shared })], process: shared }))
      for (const { process } of spansOf(outcome)) {
        assert.deepEqual(process, { ...shared, tags: [...shared.tags, text('guid', 'web-1')] })
      }
    }
  }
})

test('a request that would become too much is refused', () => {
  // One process of a megabyte in each of a hundred spans.
  const spans = Array.from({ length: 100 }, (_, i) => span(`${i}`))
  assert.equal(run(encode({ spans, process: process(text('x', 'y'.repeat(1 << 20))) })), 'too_large')
  const many = Buffer.concat(Array.from({ length: 100_001 }, () => Buffer.of(0x0a, 0)))
  assert.equal(run(lengthDelimited(1, many)), 'too_large')
})

test('a process repeated in every span cannot make a flood of a small request', () => {
  const tiny = (count: number) => Array.from({ length: count }, () => ({ spanId: Buffer.alloc(8, 1) }))
  const large = process(text('x', 'y'.repeat(32_000)))
  // What fits into a datagram, and would become sixty megabytes.
  const payload = encode({ spans: tiny(1_900), process: large })
  assert.ok(payload.length < 65_507)
  assert.equal(run(payload), 'too_large')
  // Small requests may grow by any factor, others by as much as real processes make them.
  assert.equal(guidsOf(run(encode({ spans: tiny(30), process: large }))).length, 30)
  const usual = encode({
    spans: Array.from({ length: 3_000 }, () => span('work')),
    process: process(text('x', 'y'.repeat(2_000))),
  })
  assert.equal(guidsOf(run(usual)).length, 3_000)
})

test('conflicts are judged by the effective process', () => {
  const spans = [span('a'), span('b', { process: process(text('guid', 'other')) })]
  const payload = encode({ spans, process: process(text('guid', 'listener')) })
  const sources = [{ kind: 'constant' as const, value: 'listener' }]
  assert.deepEqual(guidsOf(run(payload, { sources, conflict: 'keep' })), ['listener', 'other'])
  const rejecting = run(payload, { sources, conflict: 'reject' })
  assert.deepEqual(kept(rejecting).stamped.refused, [{ reason: 'guid_conflict', count: 1 }])
  assert.deepEqual(guidsOf(rejecting), ['listener'])
})
