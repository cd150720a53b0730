import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../../src/limits.ts'
import { zipkinJsonV2 } from '../../../../src/wire/zipkin-json/index.ts'
import { type SpanV2, spansV2 } from '../../../support/zipkin-read.ts'

const bytesMax = 2 ** 26

function convert(text: string | Buffer, max = bytesMax) {
  const bytes = Buffer.from(text)
  return zipkinJsonV2([bytes], bytes.length, max)
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
function span(members: string): SpanV2 {
  const [first, ...others] = spansV2(message(list(members)))
  assert.deepEqual(others, [])
  const { traceId, id, ...rest } = first ?? {}
  assert.deepEqual([traceId, id], ['000000000000000a', '000000000000000b'])
  return rest
}

test('an empty list, an empty body and a lone mark are empty messages', () => {
  for (const text of ['[]', ' [ ]\n', '', ' \n', '\ufeff[]', '\ufeff']) {
    assert.equal(message(text).length, 0, JSON.stringify(text))
  }
})

test('a span becomes the bytes that its fields have', () => {
  const bytes = message(
    '[{"traceId":"4e441824ec2b6a44ffdc9bb9a6453df3","id":"ffdc9bb9a6453df3","kind":"SERVER","name":"get",' +
      '"timestamp":1472470996199000,"duration":300,"localEndpoint":{"serviceName":"a","ipv4":"1.2.3.4","port":8080},' +
      '"tags":{"k":"v"},"debug":true}]',
  )
  const expected =
    '0a47 0a104e441824ec2b6a44ffdc9bb9a6453df3 1a08ffdc9bb9a6453df3 2002 2a03676574 3158a6ab5e343b0500 38ac02' +
    ' 420c 0a0161 120401020304 20903f 5a06 0a016b 120176 6001'
  assert.equal(bytes.toString('hex'), expected.replaceAll(' ', ''))
})

test('ids are hexadecimal in either case, with zeros before them up to 8 bytes or 16', () => {
  const traceIds: Record<string, string> = {
    A: '000000000000000a',
    '463ac35c9f6413ad': '463ac35c9f6413ad',
    '1463AC35C9F6413AD': '0000000000000001463ac35c9f6413ad',
    '0000000000000000463ac35c9f6413ad': '0000000000000000463ac35c9f6413ad',
    '48485a3953bb61246b221d5bc9e6496c': '48485a3953bb61246b221d5bc9e6496c',
    '10000000000000000000000000000000': '10000000000000000000000000000000',
  }
  for (const [text, id] of Object.entries(traceIds)) {
    assert.equal(spansV2(message(`[{"traceId":"${text}","id":"1"}]`))[0]?.traceId, id)
  }
  assert.equal(span('"parentId":"\\u0041b"').parentId, '00000000000000ab')
  for (const none of ['""', '"0"', '"0000000000000000"', 'null']) {
    assert.deepEqual(span(`"parentId":${none}`), {}, none)
  }
})

test('integers keep all their bits; in quotes, with an exponent and below zero too', () => {
  const cases: Record<string, string> = {
    '1472470996199000': '1472470996199000',
    '"1472470996199000"': '1472470996199000',
    '1.472470996199e15': '1472470996199000',
    '9223372036854775807': '9223372036854775807',
    '18446744073709551615': '18446744073709551615',
    // As Zipkin's own encoder writes it: its bits.
    '-1': '18446744073709551615',
    '-9223372036854775808': '9223372036854775808',
  }
  for (const [text, value] of Object.entries(cases)) {
    const members = `"timestamp":${text},"duration":${text},"annotations":[{"value":"","timestamp":${text}}]`
    assert.deepEqual(span(members), {
      timestamp: value,
      duration: value,
      annotations: [{ timestamp: value }],
    })
  }
})

test('kinds are known in capitals and small letters, and an empty one is none', () => {
  for (const kind of ['CLIENT', 'SERVER', 'PRODUCER', 'CONSUMER']) {
    assert.equal(span(`"kind":"${kind}"`).kind, kind)
    assert.equal(span(`"kind":"${kind.toLowerCase()}"`).kind, kind)
  }
  assert.deepEqual(span('"kind":""'), {})
})

test('numbers and booleans are texts of themselves where a text is due', () => {
  assert.deepEqual(span('"name":12,"tags":{"a":1.50,"b":-1E+9,"c":true,"d":false,"e":""}'), {
    name: '12',
    tags: { a: '1.50', b: '-1E+9', c: 'true', d: 'false', e: '' },
  })
})

test('texts are kept as they are: case, escapes, halves of surrogate pairs as U+FFFD', () => {
  assert.deepEqual(
    span(
      '"name":"GET \\/É\\ud83d\\ude00","localEndpoint":{"serviceName":"Shop"},"tags":{"\\u0061\\ud83d":"\\n\\udc00"}',
    ),
    {
      name: 'GET /É😀',
      localEndpoint: { serviceName: 'Shop' },
      tags: { 'a\ufffd': '\n\ufffd' },
    },
  )
})

test('the text of an address decides which of the two it is', () => {
  assert.deepEqual(
    span('"localEndpoint":{"ipv4":"::1"},"remoteEndpoint":{"ipv6":"10.0.0.1","port":"65535"}'),
    {
      localEndpoint: { ipv6: '00000000000000000000000000000001' },
      remoteEndpoint: { ipv4: '0a000001', port: 65_535 },
    },
  )
})

test('what is no address is kept as a tag, an empty text is none', () => {
  const members =
    '"remoteEndpoint":{"ipv4":"db\\u002e\\u0031","port":5432},"tags":{"a":"b"},"localEndpoint":{"ipv4":"","ipv6":"fe80::1%eth0"}'
  assert.deepEqual(span(members), {
    localEndpoint: {},
    remoteEndpoint: { port: 5432 },
    tags: { a: 'b', 'net.peer.ip': 'db.1', 'net.host.ip': 'fe80::1%eth0' },
  })
  assert.deepEqual(
    spansV2(message(`[{${ids}"localEndpoint":{"ipv4":"x"}},{${ids}"name":"n"}]`))[1]?.tags,
    undefined,
  )
})

test('a port below zero is none', () => {
  for (const port of ['-1', '0', '"-9223372036854775808"', 'null']) {
    assert.deepEqual(span(`"localEndpoint":{"port":${port}}`), { localEndpoint: {} }, port)
  }
})

test('of a key that occurs twice the last one counts, lists and tags come together', () => {
  const members =
    '"name":"a","name":"b","debug":true,"debug":false,"parentId":"1","parentId":"0",' +
    '"localEndpoint":{"serviceName":"a","ipv4":"1.2.3.4","ipv6":"::1","port":80},"localEndpoint":{"port":81,"port":82},' +
    '"tags":{"k":"1","k":"2"},"tags":{"l":"3","k":"4"},' +
    '"annotations":[{"timestamp":1,"value":"x"}],"annotations":[{"timestamp":2,"timestamp":3,"value":"y"}]'
  assert.deepEqual(span(members), {
    name: 'b',
    localEndpoint: { port: 82 },
    tags: { k: '4', l: '3' },
    annotations: [
      { timestamp: '1', value: 'x' },
      { timestamp: '3', value: 'y' },
    ],
  })
  assert.deepEqual(span('"name":"a","name":null'), { name: 'a' })
})

test('what is not known is skipped, whatever it is', () => {
  assert.deepEqual(
    span('"x":{"a":[1,{"tags":{"a":null}},null,"\\u00e9"]},"localEndpoint":{"y":[]},"name":"n","Name":5'),
    {
      localEndpoint: {},
      name: 'n',
    },
  )
  assert.deepEqual(span('"tags":{},"annotations":[],"remoteEndpoint":null,"binaryAnnotations":null'), {})
})

/** Text, the byte that the problem names, and the rest of what it says. */
const malformed: readonly (readonly [string | Buffer, number, RegExp])[] = [
  ['{}', 0, /^at byte 0: expected a list, found {$/],
  ['null', 0, /expected a list, found n$/],
  ['[', 1, /in \[0\]: expected an object, found the end$/],
  ['[null]', 1, /in \[0\]: expected an object, found n$/],
  ['[[]]', 1, /in \[0\]: expected an object/],
  ['[{}]', 1, /in \[0\]: expected a span with traceId and id$/],
  ['[{"traceId":"1"}]', 1, /expected a span with traceId and id$/],
  ['[{"id":"1","traceId":null}]', 1, /expected a span with traceId and id$/],
  [`${list('"name":"a"')},`, list('"name":"a"').length, /expected the end after the request, found ,$/],
  [`[{${ids}"name":"a"},]`, at + 12, /in \[1\]: expected an object, found ]$/],
  ['[{"traceId":"000","id":"1"}]', 13, /in \[0\]\.traceId: expected an id that is not zero$/],
  ['[{"traceId":"","id":"1"}]', 13, /traceId: expected an id that is not zero$/],
  ['[{"traceId":"1","id":"0000000000000000"}]', 22, /in \[0\]\.id: expected an id that is not zero$/],
  [`[{"traceId":"${'1'.repeat(33)}"}]`, 13, /traceId: expected at most 32 hexadecimal digits, found 33$/],
  [`[{"id":"${'1'.repeat(17)}"}]`, 8, /id: expected at most 16 hexadecimal digits, found 17$/],
  ['[{"id":"12g4"}]', 10, /id: expected hexadecimal digits$/],
  ['[{"id":12}]', 7, /id: expected hexadecimal digits in quotes, found 1$/],
  [list('"parentId":"x"'), at + 12, /parentId: expected hexadecimal digits$/],
  [list('"kind":"LOCAL"'), at + 8, /kind: expected one of CLIENT, SERVER, PRODUCER, CONSUMER$/],
  [list('"kind":1'), at + 7, /kind: expected one of .*, found 1$/],
  [list('"timestamp":1.5'), at + 12, /timestamp: expected an integer, found a fraction$/],
  [list('"timestamp":"now"'), at + 13, /timestamp: expected an integer$/],
  [list('"timestamp":18446744073709551616'), at + 12, /what an integer of 64 bits can hold$/],
  [list('"duration":-9223372036854775809'), at + 11, /what an integer of 64 bits can hold$/],
  [list('"duration":true'), at + 11, /duration: expected an integer, found t$/],
  [list('"name":{}'), at + 7, /name: expected a string, found {$/],
  [list('"debug":"true"'), at + 8, /debug: expected true or false/],
  [list('"localEndpoint":[]'), at + 16, /localEndpoint: expected an object/],
  [list('"localEndpoint":{"port":65536}'), at + 24, /localEndpoint\.port: expected a port, 0 to 65535$/],
  [list('"localEndpoint":{"ipv4":1}'), at + 24, /ipv4: expected an address in quotes, found 1$/],
  [list('"tags":[]'), at + 7, /tags: expected an object, found \[$/],
  [list('"tags":{"a":null}'), at + 12, /in \[0\]\.tags: expected a string, found n$/],
  [list('"tags":{"a":["b"]}'), at + 12, /tags: expected a string, found \[$/],
  [list('"tags":{"a" "b"}'), at + 12, /tags: expected : after the key/],
  [list('"annotations":{}'), at + 14, /annotations: expected a list/],
  [list('"annotations":[null]'), at + 15, /annotations\[0\]: expected an object/],
  [
    list('"annotations":[{"timestamp":1,"value":""},{"value":"x"}]'),
    at + 42,
    /annotations\[1\]: expected an annotation with timestamp and value$/,
  ],
  [list('"annotations":[{"timestamp":1,"value":null}]'), at + 15, /annotation with timestamp and value$/],
  [
    list('"annotations":[{"timestamp":1,"endpoint":{}}]'),
    at + 41,
    /annotations\[0\]\.endpoint: expected an annotation of version 2, found one of version 1$/,
  ],
  [
    list('"binaryAnnotations":[]'),
    at + 20,
    /binaryAnnotations: expected a span of version 2, found one of version 1$/,
  ],
  [Buffer.from([...Buffer.from(list('"name":"é')), 0xff]), at + 12, /in \[0\]\.name: expected UTF-8$/],
]

for (const [text, byte, pattern] of malformed) {
  test(`malformed: ${text.toString('utf8').slice(0, 90)}`, () => {
    const result = convert(text)
    if (!('problem' in result)) return assert.fail('accepted')
    assert.match(result.problem, pattern)
    assert.equal(result.at, byte, result.problem)
    assert.ok(result.problem.startsWith(`at byte ${byte}`), result.problem)
    assert.equal(result.isTooLarge, undefined)
  })
}

test('cut anywhere, a list is refused where it ends or breaks off', () => {
  const text = Buffer.from(
    list(
      '"name":"\\u00e9\\ud83d\\ude00é","kind":"SERVER","timestamp":1.0e0,"x":[true,null,{"y":-0.5}],"tags":{"a":"b"},' +
        '"annotations":[{"timestamp":1,"value":"v"}],"localEndpoint":{"ipv4":"1.2.3.4"}',
    ),
  )
  message(text)
  for (let size = 1; size < text.length; size++) {
    const result = convert(text.subarray(0, size))
    assert.ok('problem' in result && result.at <= size, text.toString('utf8', 0, size))
  }
})

test('nesting has an end', () => {
  const deep = (levels: number) => list(`"x":${'['.repeat(levels)}${']'.repeat(levels)}`)
  message(deep(limits.otlpNestingMax))
  for (const text of [deep(limits.otlpNestingMax + 1), deep(1_000_000), '['.repeat(1_000_000)]) {
    assert.ok('problem' in convert(text))
  }
})

test('what becomes too large says so', () => {
  const text = list(`"name":"${'x'.repeat(1_000)}"`)
  const enough = message(text).length
  assert.ok('message' in convert(text, enough))
  const result = convert(text, enough - 1)
  assert.ok('problem' in result && result.isTooLarge === true && /more than \d+ bytes$/.test(result.problem))
})

test('a list in many pieces, of many spans and one large text', () => {
  const spans = Array.from({ length: 2_000 }, (_, index) => `{${ids}"name":"${index}"}`)
  const text = Buffer.from(`[${spans.join(',')},{${ids}"name":"${'é\\n'.repeat(500_000)}"}]`)
  const pieces = Array.from({ length: 100 }, (_, index) =>
    text.subarray((index * text.length) / 100, ((index + 1) * text.length) / 100),
  )
  const result = zipkinJsonV2(pieces, text.length, bytesMax)
  const read = spansV2('message' in result ? result.message : assert.fail(result.problem))
  assert.deepEqual(
    [read.length, read[1_999]?.name, read[2_000]?.name],
    [2_001, '1999', 'é\n'.repeat(500_000)],
  )
})
