import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../../src/limits.ts'
import { jsonToOtlp } from '../../../../src/wire/otlp-json/index.ts'
import type { OtlpSignal } from '../../../support/proto.ts'
import { decoded, requestTypes } from '../../../support/random-otlp-json.ts'

const bytesMax = 2 ** 26

function convert(text: string | Buffer, signal: OtlpSignal = 'traces', max = bytesMax) {
  const bytes = Buffer.from(text)
  return jsonToOtlp(signal, [bytes], bytes.length, max)
}

function message(text: string | Buffer, signal: OtlpSignal = 'traces'): Buffer {
  const result = convert(text, signal)
  return 'message' in result ? result.message : assert.fail(result.problem)
}

const span = (members: string) => `{"resourceSpans":[{"scopeSpans":[{"spans":[{${members}}]}]}]}`
const spanAt = span('').indexOf('{}') + 1
const point = (members: string) =>
  `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{${members}}]}}]}]}]}`
const pointAt = point('').indexOf('{}') + 1
const attribute = (value: string) => span(`"attributes":[{"key":"k","value":${value}}]`)

test('an empty body, an empty object and a lone mark are empty requests', () => {
  for (const text of [
    '',
    ' \n',
    '{}',
    '\ufeff{}',
    '\ufeff',
    '{"resourceSpans":null}',
    '{"resourceSpans":[]}',
  ]) {
    assert.equal(message(text).length, 0, JSON.stringify(text))
  }
})

test('a span becomes the bytes that its fields have', () => {
  const bytes = message(span('"name":"a","kind":2,"startTimeUnixNano":"1769000000123456789","flags":257'))
  const expected = `0a18121612142a0161300239${time(1769000000123456789n)}850101010000`
  assert.equal(bytes.toString('hex'), expected)
})

function time(value: bigint): string {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes.toString('hex')
}

test('what occurs twice is written twice, in its order', () => {
  const text =
    '{"resourceSpans":[{"resource":{"attributes":[{"key":"guid","value":{"stringValue":"a"}}]},' +
    '"resource":{"attributes":[{"key":"guid","value":{"stringValue":"b"}}]},"schemaUrl":"x","schema_url":"y"}]}'
  const json = JSON.stringify(decoded(requestTypes.traces, message(text)))
  assert.match(json, /"string_value":"a".*"string_value":"b"/)
  assert.match(json, /"schema_url":"y"/)
})

test('a default in a oneof is written, null is not', () => {
  const values = (text: string) => message(attribute(text)).toString('hex')
  assert.match(values('{"stringValue":""}'), /12020a00$/)
  assert.match(values('{"boolValue":false}'), /12021000$/)
  assert.match(values('{"intValue":0}'), /12021800$/)
  assert.match(values('{"stringValue":null}'), /1200$/)
  assert.match(values('{"arrayValue":{"values":[]}}'), /12022a00$/)
  assert.match(message(point('"asInt":"0"'), 'metrics').toString('hex'), /310000000000000000$/)
})

test('integers keep all their bits, written as text, number or with an exponent', () => {
  const cases: Record<string, bigint> = {
    '9007199254740993': 9007199254740993n,
    '"9223372036854775807"': 9223372036854775807n,
    '-9223372036854775808': -9223372036854775808n,
    '"-1"': -1n,
    '-4294967296': -4294967296n,
    '1e3': 1000n,
    '"12.50e1"': 125n,
    '1.0': 1n,
    '-0': 0n,
    '0e999999999999': 0n,
    '0.000e-5': 0n,
    '9.223372036854775807E+18': 9223372036854775807n,
  }
  for (const [text, expected] of Object.entries(cases)) {
    const bytes = message(point(`"asInt":${text}`), 'metrics')
    assert.equal(bytes.readBigInt64LE(bytes.length - 8), expected, text)
  }
})

test('doubles are the nearest ones', () => {
  const texts = [
    '0.1',
    '1e23',
    '5e-324',
    '2.5e-324',
    '123456789.123456',
    '-0',
    '9007199254740993',
    '1.7976931348623157e308',
    '"0.3"',
  ]
  for (const text of texts) {
    const bytes = message(point(`"asDouble":${text}`), 'metrics')
    assert.ok(Object.is(bytes.readDoubleLE(bytes.length - 8), Number(text.replaceAll('"', ''))), text)
  }
})

/** Text, the byte that the problem names, and the rest of what it says. */
const malformed: readonly (readonly [string | Buffer, number, RegExp, OtlpSignal?])[] = [
  ['[]', 0, /: expected an object, found \[$/],
  ['null', 0, /expected an object, found n$/],
  ['{', 1, /expected a key in quotes, found the end$/],
  ['{}x', 2, /expected the end after the request, found x$/],
  ['{} {}', 3, /expected the end/],
  ['{"a":1,}', 7, /expected a key in quotes, found }$/],
  ['{"a" 1}', 5, /: after the key, found 1$/],
  ['{"a":1 "b":2}', 7, /expected , or }, found "$/],
  ['{a:1}', 1, /expected a key in quotes, found a$/],
  ["{'a':1}", 1, /expected a key/],
  ['{"a":[1,]}', 8, /in \(unknown\): expected a value, found ]$/],
  ['{"a":[1 2]}', 8, /expected , or ]/],
  ['{"a":01}', 6, /expected , or }, found 1$/],
  ['{"a":-}', 6, /expected a digit, found }$/],
  ['{"a":1.}', 7, /expected a digit/],
  ['{"a":1e+}', 8, /expected a digit/],
  ['{"a":+1}', 5, /expected a value, found \+$/],
  ['{"a":.5}', 5, /expected a value/],
  ['{"a":NaN}', 5, /expected a value, found N$/],
  ['{"a":tru}', 5, /expected true/],
  ['{"a":nul', 5, /expected null/],
  ['{"a":"\n"}', 6, /expected control characters to be escaped, found the byte 0x0a$/],
  ['{"a":"\\x"}', 6, /expected an escape of JSON, found \\ and x$/],
  ['{"a":"\\u12g4"}', 6, /four hexadecimal digits/],
  ['{"a":"b', 7, /expected the closing quote of a string, found the end$/],
  ['{"a":1}\u00a0', 7, /expected the end after the request, found the byte 0xc2$/],
  [
    Buffer.from([...Buffer.from('{"a":"é'), 0xc3, 0x28, ...Buffer.from('"}')]),
    8,
    /in \(unknown\): expected UTF-8$/,
  ],
  [Buffer.from([...Buffer.from(span('"name":"é')), 0xff]), spanAt + 17, /spans\[0\]\.name: expected UTF-8$/],
  [Buffer.from('{"resourceSpans":[]}', 'utf16le'), 1, /found the byte 0x00$/],
  ['{"resourceSpans":{}}', 17, /in resourceSpans: expected a list, found {$/],
  ['{"resourceSpans":[null]}', 18, /in resourceSpans\[0\]: expected an object, found n$/],
  [
    '{"resourceSpans":[{},{"scopeSpans":[1]}]}',
    36,
    /in resourceSpans\[1\]\.scopeSpans\[0\]: expected an object/,
  ],
  [
    span('"traceId":"0AF"'),
    spanAt + 11,
    /spans\[0\]\.traceId: expected an even number of hexadecimal digits, found 3$/,
  ],
  [span('"traceId":"0AFg"'), spanAt + 14, /spans\[0\]\.traceId: expected hexadecimal digits$/],
  [span('"links":[{},{"spanId":"zz"}]'), spanAt + 23, /links\[1\]\.spanId: expected hexadecimal/],
  [span('"parent_span_id":7'), spanAt + 17, /parentSpanId: expected hexadecimal digits in quotes, found 7$/],
  [span('"kind":"SERVER"'), spanAt + 8, /kind: expected a number, or a name like SPAN_KIND_CONSUMER$/],
  [span('"kind":2147483648'), spanAt + 7, /a signed integer of 32 bits can hold$/],
  [span('"name":5'), spanAt + 7, /name: expected a string, found 5$/],
  [span('"startTimeUnixNano":-1'), spanAt + 20, /an unsigned integer of 64 bits can hold$/],
  [span('"startTimeUnixNano":"18446744073709551616"'), spanAt + 20, /an unsigned integer of 64 bits/],
  [span('"startTimeUnixNano":1.5'), spanAt + 20, /expected an integer, found a fraction$/],
  [span('"startTimeUnixNano":"1.5e0"'), spanAt + 20, /found a fraction$/],
  [span('"startTimeUnixNano":"5 "'), spanAt + 21, /expected an integer$/],
  [span('"startTimeUnixNano":""'), spanAt + 21, /expected an integer$/],
  [span('"startTimeUnixNano":1e-1'), spanAt + 20, /found a fraction$/],
  [span('"startTimeUnixNano":1e99999999999999999999'), spanAt + 20, /64 bits can hold$/],
  [span('"droppedEventsCount":4294967296'), spanAt + 21, /an unsigned integer of 32 bits/],
  [attribute('{"boolValue":"true"}'), spanAt + 46, /value\.boolValue: expected true or false/],
  [
    attribute('{"bytesValue":"A"}'),
    spanAt + 48,
    /bytesValue: expected base64, found a length that it cannot have$/,
  ],
  [attribute('{"bytesValue":"QQ=A"}'), spanAt + 50, /bytesValue: expected base64$/],
  [attribute('{"arrayValue":{"values":[null]}}'), spanAt + 58, /arrayValue\.values\[0\]: expected an object/],
  [point('"asDouble":1e400'), pointAt + 11, /expected what a double can hold$/, 'metrics'],
  [point('"asDouble":"+1"'), pointAt + 12, /expected a number, NaN, Infinity or -Infinity$/, 'metrics'],
  [point('"asDouble":true'), pointAt + 11, /expected a number, found t$/, 'metrics'],
  [
    point('"exemplars":[{"traceId":"x"}]'),
    pointAt + 25,
    /exemplars\[0\]\.traceId: expected an even/,
    'metrics',
  ],
]

for (const [text, at, pattern, signal] of malformed) {
  test(`malformed: ${text.toString('utf8').slice(-60)}`, () => {
    const result = convert(text, signal)
    if (!('problem' in result)) return assert.fail('accepted')
    assert.match(result.problem, pattern)
    assert.equal(result.at, at, result.problem)
    assert.ok(result.problem.startsWith(`at byte ${at}`), result.problem)
    assert.equal(result.isTooLarge, undefined)
  })
}

test('cut anywhere, a request is refused where it ends or breaks off', () => {
  const text = Buffer.from(
    span(
      '"name":"\\u00e9\\ud83d\\ude00é","kind":"SPAN_KIND_SERVER","flags":1.0e0,"x":[true,null,{"y":-0.5}]',
    ),
  )
  message(text)
  for (let size = 1; size < text.length; size++) {
    const result = convert(text.subarray(0, size))
    assert.ok('problem' in result && result.at <= size, text.toString('utf8', 0, size))
  }
})

test('nesting has an end, in values and in what is not known', () => {
  const values = (levels: number) =>
    attribute(`${'{"arrayValue":{"values":['.repeat(levels)}{}${']}}'.repeat(levels)}`)
  // Below the request: resource spans, scope spans, span, attribute, value; two for each list.
  const levelsMax = Math.floor((limits.otlpNestingMax - 5) / 2)
  decoded(requestTypes.traces, message(values(levelsMax)))
  const tooDeep = convert(values(levelsMax + 1))
  assert.ok(
    'problem' in tooDeep && /too deeply nested$/.test(tooDeep.problem) && tooDeep.problem.length < 500,
  )
  assert.ok('problem' in convert(values(1_000_000)))
  const unknown = (levels: number) => `{"a":${'[{"b":'.repeat(levels / 2)}1${'}]'.repeat(levels / 2)}}`
  message(unknown(limits.otlpNestingMax))
  assert.ok('problem' in convert(unknown(limits.otlpNestingMax + 2)))
  assert.ok('problem' in convert(`{"a":${'['.repeat(1_000_000)}`))
})

test('what becomes too large says so', () => {
  const zeros = `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"bucketCounts":[${'0,'.repeat(999)}0]}]}}]}]}]}`
  const enough = message(zeros, 'metrics').length
  assert.ok(enough > 8_000)
  assert.ok('message' in convert(zeros, 'metrics', enough))
  const result = convert(zeros, 'metrics', enough - 1)
  assert.ok('problem' in result && result.isTooLarge === true && /more than \d+ bytes$/.test(result.problem))
})

test('a request in many pieces, and one that is one large text', () => {
  const text = Buffer.from(span(`"name":"${'é\\n'.repeat(500_000)}"`))
  const pieces = Array.from({ length: 100 }, (_, index) =>
    text.subarray((index * text.length) / 100, ((index + 1) * text.length) / 100),
  )
  const result = jsonToOtlp('traces', pieces, text.length, bytesMax)
  assert.ok('message' in result && result.message.includes(Buffer.from('é\né\n')))
})

test('half of a pair of surrogates, which JSON.stringify writes for a text that was cut there, becomes U+FFFD', () => {
  const name = (escapes: string) =>
    JSON.stringify(decoded(requestTypes.traces, message(span(`"name":"${escapes}"`))))
  assert.match(name('b\\ud83d'), /"b\ufffd"/)
  assert.match(name('\\ude00\\ud83dx'), /"\ufffd\ufffdx"/)
  assert.match(name('\\ud83d\\ud83d\\ude00'), /"\ufffd\u{1f600}"/u)
})

test('a whole number beyond 64 bits, which SDKs for JavaScript write as intValue, becomes a double', () => {
  const value = (text: string) =>
    JSON.stringify(decoded(requestTypes.traces, message(attribute(`{"intValue":${text}}`))))
  assert.match(value('1e300'), /"double_value":1e\+300/)
  assert.match(value('"-9223372036854775809"'), /"double_value":-9223372036854776000/)
  assert.match(value('9223372036854775807'), /"int_value":"9223372036854775807"/)
  assert.match(value('1e3'), /"int_value":"1000"/)
})

test('items under the keys of OTLP before 0.19 are refused, since they would vanish', () => {
  for (const key of ['instrumentationLibrarySpans', 'instrumentation_library_spans']) {
    const result = convert(`{"resourceSpans":[{"${key}":[{"spans":[{}]}]}]}`)
    assert.ok('problem' in result && /expected the keys of OTLP 0\.19 or later/.test(result.problem))
  }
})
