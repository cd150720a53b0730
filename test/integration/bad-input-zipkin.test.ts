/**
 * Zipkin's lists as nobody should send them: JSON of both versions, Thrift. Each is taken, or refused with the place of the
 * mistake, towards OTLP and towards Jaeger's own form.
 */
import assert from 'node:assert/strict'
import test from 'node:test'
import { gzipSync } from 'node:zlib'
import { binaryAnnotation, coreList, ThriftBytes, thriftTypes } from '../support/bad-spans.ts'
import { encodings, SpansWorld, type Way } from '../support/bad-spans-world.ts'
import { mutate } from '../support/mutate.ts'
import { field } from '../support/otlp-wire.ts'
import { fuzzMs } from '../support/random.ts'

const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 2 ** 31)
const head = '"traceId":"0af7651916cd43dd","id":"b7ad6b7169203331"'
const notList = /^GP_BODY_MALFORMED: the body is no list of Zipkin spans in JSON: at byte \d+/

/** A span of version 2 with these members besides its ids. */
function v2(id: string, members = ''): Buffer {
  return Buffer.from(`[{${head},"tags":{"test.id":"${id}"}${members}}]`)
}

function v1(id: string, members = ''): Buffer {
  return Buffer.from(`[{${head},"binaryAnnotations":[{"key":"test.id","value":"${id}"}]${members}}]`)
}

const deep = (open: string, close: string): string => open.repeat(100_000) + close.repeat(100_000)

const takenMembers: Readonly<Record<string, string>> = {
  'a lone surrogate in a name': ',"name":"a\\ud800b"',
  'the second half alone in a tag': ',"tags":{"a":"\\udc00"}',
  'a lone surrogate as a key': ',"tags":{"\\ud83d":"x"}',
  'a NUL': ',"name":"a\\u0000b"',
  'a number as name': ',"name":5',
  'a bool as name': ',"name":true',
  'null everywhere':
    ',"name":null,"tags":null,"annotations":null,"localEndpoint":null,"timestamp":null,"debug":null',
  'numbers as texts': ',"timestamp":"17","duration":"5"',
  'a timestamp of -5': ',"timestamp":-5,"duration":-1',
  'the last timestamp of 64 bits': ',"timestamp":18446744073709551615,"duration":18446744073709551615',
  'ids three times': ',"id":"1","id":"2","traceId":"1","traceId":"2"',
  'each key twice':
    ',"name":"a","name":"b","timestamp":1,"timestamp":2,"kind":"CLIENT","kind":"SERVER","debug":true,"debug":false',
  'endpoints twice': ',"localEndpoint":{"serviceName":"a"},"localEndpoint":{"ipv4":"1.2.3.4"}',
  'an address that is none': ',"localEndpoint":{"ipv4":"not an address","ipv6":"::g"}',
  'keys that nobody knows': ',"":1,"later":{"a":[{"b":[null,true,1e5]}]}',
  'a number as the value of an annotation': ',"annotations":[{"timestamp":1,"value":5}]',
}

const refusedMembers: Readonly<Record<string, string>> = {
  'a line end in a text': ',"name":"a\nb"',
  'a list as name': ',"name":[]',
  'an object as name': ',"name":{}',
  'a fraction as timestamp': ',"timestamp":1.5',
  'a timestamp without an end': ',"timestamp":1e400',
  'a timestamp of 65 bits': ',"timestamp":18446744073709551616',
  'a kind that there is not': ',"kind":"X"',
  'a number as kind': ',"kind":1',
  'a list as tags': ',"tags":[]',
  'null in the tags': ',"tags":{"a":null}',
  'an object in the tags': ',"tags":{"a":{}}',
  'a text as endpoint': ',"localEndpoint":"x"',
  'a port of 65,536': ',"localEndpoint":{"port":65536}',
  'an annotation without a value': ',"annotations":[{"timestamp":1}]',
  'a text that is not hexadecimal': ',"parentId":"zz"',
  'an id of 17 digits': ',"parentId":"11111111111111111"',
  'an id of zero': ',"id":"0"',
  'an empty id': ',"traceId":""',
  'an id of 33 digits': `,"traceId":"${'1'.repeat(33)}"`,
  'lists 100,000 deep under an unknown key': `,"later":${deep('[', ']')}`,
  'objects 100,000 deep under an unknown key': `,"later":${deep('{"a":', '}').replace('}', '1}')}`,
  'objects 100,000 deep in the tags': `,"tags":${deep('{"a":', '}').replace('}', '1}')}`,
  'lists without an end': `,"later":${'['.repeat(1_000_000)}`,
  'a comment': '/*x*/',
  'a comma at the end': ',',
  'something behind the list': '}],[{',
  'a text without an end': ',"name":"',
  'an escape that there is not': ',"name":"\\x41"',
  'an escape that is cut off': ',"name":"\\u00',
}

/** Whole bodies. */
const refusedBodies: readonly string[] = [
  '{}',
  '1',
  '"x"',
  'null',
  '[1]',
  '[null]',
  '[[]]',
  '[][]',
  '[',
  '"',
  ']',
  '[{}]',
  '[,]',
  '[{]',
  '['.repeat(1_000_000),
  '{"a":'.repeat(1_000_000),
]

for (const encoding of encodings) {
  test(`${encoding}: JSON of every kind, taken or refused with its place`, async (context) => {
    const world = await SpansWorld.start(context, { encoding })
    const wrong: string[] = []
    for (const [name, members] of Object.entries(takenMembers)) {
      const { status, text } = await world.send('zipkinJson', v2(name, members))
      if (status !== 202 || text !== '' || world.spansOf(name).length !== 1)
        wrong.push(`${name}: ${status} ${text}`)
    }
    for (const record of world.stored) world.assertRecord(record)
    const taken = world.stored.length
    const before = await world.refused('body_malformed')
    for (const [name, members] of Object.entries(refusedMembers)) {
      const { status, text } = await world.send('zipkinJson', v2(name, members))
      if (status !== 400 || !notList.test(text) || text.length > 500) wrong.push(`${name}: ${status} ${text}`)
    }
    for (const body of refusedBodies) {
      for (const way of ['zipkinJson', 'zipkinJsonV1'] as const) {
        const { status, text } = await world.send(way, Buffer.from(body))
        if (status !== 400 || !notList.test(text) || text.length > 500)
          wrong.push(`${body.slice(0, 9)}: ${status} ${text}`)
      }
    }
    assert.deepEqual(wrong, [])
    assert.equal(world.stored.length, taken, 'nothing of the refused')
    const refused = Object.keys(refusedMembers).length + refusedBodies.length * 2
    assert.equal((await world.refused('body_malformed')) - before, refused)
    await world.assertWell()
  })

  test(`${encoding}: one bad span in a list takes the others along, and says which it is`, async (context) => {
    const world = await SpansWorld.start(context, { encoding })
    const good = v2('good').subarray(1, -1).toString()
    const list = `[${[good, good, `{${head},"kind":"X"}`, good].join()}]`
    const { status, text } = await world.send('zipkinJson', Buffer.from(list))
    assert.equal(status, 400)
    assert.match(text, /in \[2\]\.kind: expected one of CLIENT, SERVER, PRODUCER, CONSUMER/)
    assert.deepEqual(world.stored, [])
    await world.assertWell()
  })

  test(`${encoding}: texts that are not UTF-8, in JSON, protobuf and Thrift`, async (context) => {
    const world = await SpansWorld.start(context, { encoding })
    const w = new ThriftBytes('binary')
    for (const hex of ['ff', 'c0af', 'eda080', 'f4908080', 'c3']) {
      const broken = Buffer.from(hex, 'hex')
      const json = Buffer.concat([Buffer.from(`[{${head},"name":"`), broken, Buffer.from('"}]')])
      const proto = field(
        1,
        ...[field(1, Buffer.alloc(8, 1)), field(3, Buffer.alloc(8, 2))],
        field(11, field(1, 'k'), field(2, broken)),
      )
      for (const [way, body] of [
        ['zipkinJson', json],
        ['zipkinProto', proto],
      ] as const) {
        const { status, text } = await world.send(way, body)
        assert.equal(status, 400, `${way} ${hex}: ${text}`)
        assert.match(text, /UTF-8|well-formed/)
      }
      // Thrift's texts may hold any bytes: they are kept as such, or their span is refused.
      const { status } = await world.send(
        'zipkinThrift',
        coreList(w, 'thrift', [binaryAnnotation(w, 'k', broken)]),
      )
      assert.ok(status === 202 || status === 400)
      for (const record of world.stored) world.assertRecord(record)
    }
    await world.assertWell()
  })

  test(`${encoding}: the other version's list, or another form, is refused and says so`, async (context) => {
    const world = await SpansWorld.start(context, { encoding })
    const w = new ThriftBytes('binary')
    const json = { 'content-type': 'application/json' }
    const cases: readonly (readonly [Way, Buffer, Readonly<Record<string, string>>, RegExp])[] = [
      ['zipkinJson', v1('never'), {}, /expected a span of version 2, found one of version 1/],
      ['zipkinJsonV1', v2('never'), {}, /expected a span of version 1, found one of version 2/],
      ['zipkinJson', coreList(w, 'never'), {}, notList],
      ['zipkinThrift', v1('never'), {}, /not a well-formed list of Spans \(zipkinCore\.thrift\)/],
      ['zipkinProto', v2('never'), {}, /not a well-formed zipkin\.proto3\.ListOfSpans/],
      ['zipkinProto', field(1, field(1, Buffer.alloc(8, 1))), json, notList],
      ['zipkinJson', v2('never'), { 'content-encoding': 'gzip' }, /gzip/],
      ['zipkinJson', gzipSync(v2('never')).subarray(0, -9), { 'content-encoding': 'gzip' }, /gzip/],
      ['zipkinJson', v2('never'), { 'content-encoding': 'snappy' }, /^GP_ENCODING_UNSUPPORTED/],
    ]
    for (const [way, body, headers, told] of cases) {
      const { status, text } = await world.send(way, body, headers)
      assert.equal(status, 400, `${way} ${JSON.stringify(headers)}: ${text}`)
      assert.match(text, told)
    }
    assert.deepEqual(world.stored, [])
    await world.assertWell()
  })

  test(`${encoding}: Thrift with fields of every type in every place, cut off, nested, and with lies`, async (context) => {
    const world = await SpansWorld.start(context, { encoding })
    const w = new ThriftBytes('binary')
    const ofField: Readonly<Record<number, string>> = { 3: 'text', 6: 'list', 8: 'list', 9: 'bool' }
    for (const type of thriftTypes) {
      for (let id = 1; id <= 14; id++) {
        if (type === (ofField[id] ?? 'i64')) continue
        const name = `field ${id} as ${type}`
        const { status, text } = await world.send('zipkinThrift', coreList(w, name, [], w.fieldOf(id, type)))
        assert.deepEqual([status, text, world.spansOf(name).length], [202, '', 1], name)
      }
    }
    const lists: readonly Buffer[] = [
      ...[-1, 2 ** 31 - 1, 70_000].map((count) => w.list('struct', [w.struct()], count)),
      // Not of texts: old reporters call their spans that.
      ...(['i64', 'map', 'list', 'bool'] as const).map((type) => w.list(type, [w.valueOf(type)])),
      ...(['struct', 'list', 'set', 'map'] as const).map((type) =>
        coreList(w, 'never', [], w.field(99, type, w.nested(type, 10_000))),
      ),
      coreList(w, 'never', [], w.field(8, 'list', w.list('struct', [], 2 ** 30))),
      coreList(w, 'never', [], w.field(3, 'text', w.text('x', -1))),
    ]
    const whole = coreList(w, 'never', [binaryAnnotation(w, 'k', 'v')])
    const cuts = Array.from({ length: whole.length - 1 }, (_, i) => whole.subarray(0, i + 1))
    world.forget()
    for (const body of [...lists, ...cuts]) {
      const { status, text } = await world.send('zipkinThrift', body)
      assert.equal(status, 400, `${body.length} bytes: ${text}`)
      assert.match(text, /^GP_BODY_MALFORMED: the body is not a well-formed list of Spans/)
    }
    assert.deepEqual(world.stored, [])
    await world.assertWell()
  })

  test(`${encoding}: damaged lists of each form are taken or refused, and what is taken can be read`, async (context) => {
    const world = await SpansWorld.start(context, { encoding })
    const w = new ThriftBytes('binary')
    const endpoint = '{"serviceName":"s","ipv4":"1.2.3.4","port":80}'
    const forms: readonly (readonly [Way, Buffer])[] = [
      [
        'zipkinJson',
        v2('x', `,"timestamp":1,"localEndpoint":${endpoint},"annotations":[{"timestamp":1,"value":"a"}]`),
      ],
      ['zipkinJsonV1', v1('x', `,"annotations":[{"timestamp":1,"value":"sr","endpoint":${endpoint}}]`)],
      ['zipkinThrift', coreList(w, 'x', [binaryAnnotation(w, 'guid', 'g')])],
      [
        'zipkinProto',
        field(
          1,
          ...[field(1, Buffer.alloc(16, 1)), field(3, Buffer.alloc(8, 2)), field(8, field(1, 's'))],
          ...[field(11, field(1, 'guid'), field(2, 'g')), field(10, field(2, 'a'))],
        ),
      ],
    ]
    const endMs = performance.now() + fuzzMs
    let taken = 0
    let refused = 0
    for (let i = 0; performance.now() < endMs; i++) {
      for (const [way, whole] of forms) {
        const { status, text } = await world.send(way, mutate(whole, seed + i))
        assert.ok(
          status === 202 || status === 400 || status === 413,
          `${way}, seed ${seed + i}: ${status} ${text}`,
        )
        if (status === 202) taken++
        else refused++
      }
      for (const record of world.stored) world.assertRecord(record)
      world.forget()
    }
    context.diagnostic(`seed ${seed}: ${taken} taken, ${refused} refused`)
    assert.ok(refused > 0)
    await world.assertWell()
  })
}
