import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../../src/limits.ts'
import { zipkinJsonV1 } from '../../../../src/wire/zipkin-json/index.ts'
import { type ThriftStruct, thriftStructs } from '../../../support/zipkin-read.ts'

const bytesMax = 2 ** 26

function convert(text: string | Buffer, max = bytesMax) {
  const bytes = Buffer.from(text)
  return zipkinJsonV1([bytes], bytes.length, max)
}

function message(text: string | Buffer): Buffer {
  const result = convert(text)
  return 'message' in result ? result.message : assert.fail(result.problem)
}

const ids = '"traceId":"a","id":"b",'
const list = (members: string) => `[{${ids}${members}}]`
/** The byte at which the members begin. */
const at = list('').length - 2

/** The one span of these members, without its ids. */
function span(members: string): ThriftStruct {
  const [first, ...others] = thriftStructs(message(list(members)))
  assert.deepEqual(others, [])
  const { 1: low, 12: high, 4: id, ...rest } = first ?? {}
  assert.deepEqual([low, high, id], ['10', '0', '11'])
  return rest
}

const binaryAnnotation = (members: string) => span(`"binaryAnnotations":[{"key":"k",${members}}]`)[8]
const bytes = (hex: string) => Buffer.from(hex, 'hex')
const text = (value: string) => Buffer.from(value)

test('an empty list, an empty body and a lone mark are lists of nothing', () => {
  for (const empty of ['[]', ' [ ]\n', '', ' \n', '\ufeff[]', '\ufeff']) {
    assert.equal(message(empty).toString('hex'), '0c00000000', JSON.stringify(empty))
  }
})

test('a span becomes the bytes that its fields have', () => {
  const written = message(
    '[{"traceId":"48485a3953bb61246b221d5bc9e6496c","id":"6b221d5bc9e6496c","name":"get","timestamp":1,"debug":true,' +
      '"annotations":[{"timestamp":2,"value":"sr","endpoint":{"serviceName":"a","ipv4":"1.2.3.4","port":65535}}],' +
      '"binaryAnnotations":[{"key":"k","value":"v"}]}]',
  )
  const expected =
    '0c00000001 0a0001 6b221d5bc9e6496c 0a000c 48485a3953bb6124 0a0004 6b221d5bc9e6496c 0b0003 00000003 676574' +
    '0a000a 0000000000000001 020009 01' +
    '0f0006 0c 00000001 0a0001 0000000000000002 0b0002 00000002 7372 0c0003 0b0003 00000001 61 080001 01020304 060002 ffff 00 00' +
    '0f0008 0c 00000001 0b0001 00000001 6b 080003 00000006 0b0002 00000001 76 00 00'
  assert.equal(written.toString('hex'), expected.replaceAll(' ', ''))
})

test('trace ids have two halves, with zeros before them', () => {
  const traceIds: Record<string, readonly [high: string, low: string]> = {
    A: ['0', '10'],
    ffffffffffffffff: ['0', '-1'],
    '1463AC35C9F6413AD': ['1', '5060571933882717101'],
    '80000000000000000000000000000000': ['-9223372036854775808', '0'],
  }
  for (const [id, [high, low]] of Object.entries(traceIds)) {
    const [first] = thriftStructs(message(`[{"traceId":"${id}","id":"1"}]`))
    assert.deepEqual([first?.[12], first?.[1]], [high, low], id)
  }
  assert.deepEqual(span('"parentId":"aB"'), { 5: '171' })
  assert.deepEqual(span('"parentId":""'), { 5: '0' })
  assert.deepEqual(span('"parentId":null'), {})
})

test('times are signed integers of 64 bits', () => {
  const members = '"timestamp":9223372036854775807,"duration":"-9223372036854775808"'
  assert.deepEqual(span(members), { 10: '9223372036854775807', 11: '-9223372036854775808' })
  assert.deepEqual(span('"timestamp":1.5e3'), { 10: '1500' })
})

test('values of binary annotations have the type that they are written as', () => {
  const cases: Record<string, readonly [type: number, value: Buffer]> = {
    '"value":"v"': [6, text('v')],
    '"value":""': [6, text('')],
    '"value":"\\u00e9\\n"': [6, text('é\n')],
    '"value":true': [0, bytes('01')],
    '"value":false': [0, bytes('00')],
    '"value":-2': [4, bytes('fffffffffffffffe')],
    '"value":9223372036854775807': [4, bytes('7fffffffffffffff')],
    '"value":1.5': [5, bytes('3ff8000000000000')],
    '"value":1e3': [5, bytes('408f400000000000')],
    '"value":9223372036854775808': [5, bytes('43e0000000000000')],
    '"value":1e400': [6, text('1e400')],
    '"value":null': [6, text('')],
    '"type":"STRING"': [6, text('')],
  }
  for (const [members, [type, value]] of Object.entries(cases)) {
    assert.deepEqual(binaryAnnotation(members), [{ 1: text('k'), 3: type, 2: value }], members)
  }
})

test('a type says what a text or a number means, if it can mean that', () => {
  const cases: Record<string, readonly [type: number, value: Buffer]> = {
    '"type":"I64","value":"-2"': [4, bytes('fffffffffffffffe')],
    '"value":7,"type":"I16"': [4, bytes('0000000000000007')],
    '"value":2,"type":"DOUBLE"': [5, bytes('4000000000000000')],
    '"value":"2","type":"DOUBLE"': [5, bytes('4000000000000000')],
    '"value":"AQI=","type":"BYTES"': [1, bytes('0102')],
    '"value":"A","type":"BYTES"': [6, text('A')],
    '"value":"a?b/","type":"BYTES"': [6, text('a?b/')],
    '"value":"two","type":"I32"': [6, text('two')],
    '"value":"","type":"I32"': [6, text('')],
    '"value":"2","type":"STRING"': [6, text('2')],
    '"value":"2","type":{"a":1}': [6, text('2')],
    '"value":true,"type":"BOOL"': [0, bytes('01')],
  }
  for (const [members, [type, value]] of Object.entries(cases)) {
    assert.deepEqual(binaryAnnotation(members), [{ 1: text('k'), 3: type, 2: value }], members)
  }
})

test('endpoints of annotations: either kind of address, a port as 16 bits, null for none', () => {
  const endpoint = '{"serviceName":"Shop","ipv6":"10.0.0.1","ipv4":"::1","port":40000}'
  assert.deepEqual(binaryAnnotation(`"endpoint":${endpoint},"value":true`), [
    {
      1: text('k'),
      2: bytes('01'),
      3: 0,
      4: { 1: 0x0a000001, 2: 40_000 - 65_536, 3: text('Shop'), 4: bytes('00000000000000000000000000000001') },
    },
  ])
  assert.deepEqual(span('"annotations":[{"timestamp":1,"value":"sr","endpoint":null}]'), {
    6: [{ 1: '1', 2: text('sr') }],
  })
  assert.deepEqual(span('"annotations":[{"endpoint":{"port":-1},"value":"sr","timestamp":1}]'), {
    6: [{ 1: '1', 2: text('sr'), 3: { 2: 0 } }],
  })
})

test('what is no address is kept as a binary annotation', () => {
  const odd = (name: string, value: string) => ({ 1: text(name), 2: text(value), 3: 6 })
  assert.deepEqual(span('"annotations":[{"timestamp":1,"value":"sr","endpoint":{"ipv4":"db\\u002e1"}}]'), {
    6: [{ 1: '1', 2: text('sr'), 3: {} }],
    8: [odd('net.host.ip', 'db.1')],
  })
  const members =
    '"binaryAnnotations":[{"endpoint":{"ipv4":"peer"},"value":true,"key":"sa"},{"key":"k","value":"v","endpoint":{"ipv6":"own"}}],' +
    '"annotations":[]'
  const read = span(members)
  assert.deepEqual(read[6], [])
  assert.deepEqual(read[8], [
    { 1: text('sa'), 2: bytes('01'), 3: 0, 4: {} },
    { 1: text('k'), 2: text('v'), 3: 6, 4: {} },
    odd('net.peer.ip', 'peer'),
    odd('net.host.ip', 'own'),
  ])
})

test('of a key that occurs twice the last one counts, lists come together', () => {
  const members =
    '"name":"a","name":"b","annotations":[{"timestamp":1,"value":"x"}],"binaryAnnotations":[],' +
    '"annotations":[{"timestamp":2,"timestamp":3,"value":"y"}],"annotations":[],' +
    '"binaryAnnotations":[{"key":"a","key":"k","value":true,"value":"v"}],"name":null'
  assert.deepEqual(span(members), {
    3: text('b'),
    6: [
      { 1: '1', 2: text('x') },
      { 1: '3', 2: text('y') },
    ],
    8: [{ 1: text('k'), 2: text('v'), 3: 6 }],
  })
})

test('what is not known is skipped, whatever it is', () => {
  assert.deepEqual(span('"x":{"a":[1,{"y":null},"\\u00e9"]},"tags":null,"name":"n"'), { 3: text('n') })
  assert.deepEqual(binaryAnnotation('"x":[{}],"value":"v"'), [{ 1: text('k'), 2: text('v'), 3: 6 }])
})

/** Text, the byte that the problem names, and the rest of what it says. */
const malformed: readonly (readonly [string, number, RegExp])[] = [
  ['{}', 0, /^at byte 0: expected a list, found {$/],
  ['[{}]', 1, /in \[0\]: expected a span with traceId and id$/],
  [`${list('"name":"a"')}x`, list('"name":"a"').length, /expected the end after the request, found x$/],
  ['[{"traceId":"1","id":"0"}]', 22, /in \[0\]\.id: expected an id that is not zero$/],
  [
    list('"timestamp":9223372036854775808'),
    at + 12,
    /timestamp: expected what an integer of 64 bits can hold$/,
  ],
  [list('"debug":1'), at + 8, /debug: expected true or false/],
  [list('"tags":{}'), at + 7, /tags: expected a span of version 1, found one of version 2$/],
  [list('"localEndpoint":{}'), at + 16, /localEndpoint: expected a span of version 1/],
  [list('"kind":"CLIENT"'), at + 7, /kind: expected a span of version 1/],
  [list('"annotations":{}'), at + 14, /annotations: expected a list, found {$/],
  [list('"annotations":[1]'), at + 15, /annotations\[0\]: expected an object, found 1$/],
  [list('"annotations":[{"value":"x"}]'), at + 15, /annotation with timestamp and value$/],
  [
    list('"annotations":[{"timestamp":1,"value":"","endpoint":{"port":65536}}]'),
    at + 60,
    /in \[0\]\.annotations\[0\]\.endpoint\.port: expected a port, 0 to 65535$/,
  ],
  [list('"binaryAnnotations":[{"value":"x"}]'), at + 21, /expected a binary annotation with key$/],
  [list('"binaryAnnotations":[{"key":"k","value":{}}]'), at + 40, /value: expected a string, found {$/],
  [
    list('"binaryAnnotations":[{"key":"k","value":[1]},{}],"name":1'),
    at + 40,
    /binaryAnnotations\[0\]\.value: expected a string, found \[$/,
  ],
  [list('"binaryAnnotations":[{"key":"k"} {}]'), at + 33, /expected , or ], found {$/],
]

for (const [wrong, byte, pattern] of malformed) {
  test(`malformed: ${wrong.slice(0, 90)}`, () => {
    const result = convert(wrong)
    if (!('problem' in result)) return assert.fail('accepted')
    assert.match(result.problem, pattern)
    assert.equal(result.at, byte, result.problem)
    assert.equal(result.isTooLarge, undefined)
  })
}

test('cut anywhere, a list is refused where it ends or breaks off', () => {
  const whole = Buffer.from(
    list(
      '"name":"\\u00e9é","annotations":[{"timestamp":1,"value":"v","endpoint":{"ipv4":"1.2.3.4"}}],' +
        '"binaryAnnotations":[{"key":"k","value":1.5},{"key":"l","value":"v","type":"BYTES"}]',
    ),
  )
  message(whole)
  for (let size = 1; size < whole.length; size++) {
    const result = convert(whole.subarray(0, size))
    assert.ok('problem' in result && result.at <= size, whole.toString('utf8', 0, size))
  }
})

test('nesting has an end, in what is known too', () => {
  const deep = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`
  message(list(`"x":${deep(limits.otlpNestingMax)}`))
  assert.ok('problem' in convert(list(`"x":${deep(limits.otlpNestingMax + 1)}`)))
  for (const key of ['annotations', 'binaryAnnotations', 'x']) {
    assert.ok('problem' in convert(list(`"${key}":${deep(1_000_000)}`)))
  }
})

test('what becomes too large says so', () => {
  const large = list(`"binaryAnnotations":[${'{"key":"k","value":1},'.repeat(100)}{"key":"k"}]`)
  const enough = message(large).length
  assert.ok('message' in convert(large, enough))
  const result = convert(large, enough - 1)
  assert.ok('problem' in result && result.isTooLarge === true && /more than \d+ bytes$/.test(result.problem))
})
