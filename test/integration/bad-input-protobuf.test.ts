/** Messages that are no messages, or those of the other version: refused whole, at a bounded price, nothing stored. */
import assert from 'node:assert/strict'
import test, { after } from 'node:test'
import { encodeV2 } from '../support/oracle/index.ts'
import { Running } from '../support/running.ts'
import {
  contentV1,
  contentV2,
  messageV1,
  messageV2,
  modelV2,
  post,
  type Reply,
  series,
  snappy,
  varint,
} from '../support/senders.ts'

const running = await Running.start({ after })
const plain = { 'content-encoding': 'identity' }
const headersOf = { 1: { ...contentV1, ...plain }, 2: { ...contentV2, ...plain } } as const

function send(version: 1 | 2, body: Buffer): Promise<Reply> {
  return post(running.port, body, { headers: headersOf[version] })
}

/** A field: tag of `number` and `type`, then the parts as they are. */
function field(number: number, type: number, ...parts: Uint8Array[]): Buffer {
  return Buffer.concat([varint(number * 8 + type), ...parts])
}

/** A length-delimited field. */
function bytes(number: number, ...parts: Uint8Array[]): Buffer {
  const value = Buffer.concat(parts)
  return field(number, 2, varint(value.length), value)
}

const up = bytes(1, bytes(1, Buffer.from('__name__')), bytes(2, Buffer.from('up')))
const sample = field(1, 1, Buffer.alloc(8))
const exemplarValue = field(2, 1, Buffer.alloc(8))
const endless = Buffer.alloc(64, 0xff)
const eleven = Buffer.from([...Buffer.alloc(10, 0x80), 0x01])
const tooBig = Buffer.from([...Buffer.alloc(9, 0xff), 0x02])
const twoGigabytes = varint(2 ** 31)
const fourGigabytes = varint(2 ** 32 - 1)
const hugeLength = Buffer.from([...Buffer.alloc(9, 0xff), 0x01])

/** What is wrong at any level of a message: spliced into 1.0 and 2.0 at each level that there is. */
const broken: readonly (readonly [string, Buffer])[] = [
  ['a tag that never ends', endless],
  ['a varint that never ends', field(9, 0, endless)],
  ['a varint of eleven bytes', field(9, 0, eleven)],
  ['a varint beyond 64 bits', field(9, 0, tooBig)],
  ['field number 0', Buffer.of(0x00, 0x01)],
  ['a field number beyond 2^29', field(2 ** 29, 0, Buffer.of(1))],
  ['a group that begins', Buffer.of(0x4b)],
  ['a group that begins and ends', Buffer.of(0x4b, 0x4c)],
  ['a group that ends', Buffer.of(0x4c)],
  ['wire type 6', Buffer.of(0x4e, 0x00)],
  ['wire type 7', Buffer.of(0x4f, 0x00)],
  ['a length beyond the end', field(9, 2, Buffer.of(0x7f), Buffer.alloc(3))],
  ['a length of 2 GB', field(9, 2, twoGigabytes, Buffer.alloc(3))],
  ['a length of 4 GB', field(9, 2, fourGigabytes, Buffer.alloc(3))],
  ['a length of 2^64 - 1', field(9, 2, hugeLength, Buffer.alloc(3))],
  ['a length that never ends', field(9, 2, endless)],
  ['eight bytes that are seven', field(9, 1, Buffer.alloc(7))],
  ['four bytes that are three', field(9, 5, Buffer.alloc(3))],
]

const label = [bytes(1, Buffer.from('a')), bytes(2, Buffer.from('b'))]
const levelsV1: Readonly<Record<string, (flaw: Buffer) => Buffer>> = {
  message: (flaw) => Buffer.concat([bytes(1, up), flaw]),
  series: (flaw) => bytes(1, up, flaw),
  label: (flaw) => bytes(1, bytes(1, ...label, flaw)),
  sample: (flaw) => bytes(1, up, bytes(2, sample, flaw)),
  exemplar: (flaw) => bytes(1, up, bytes(3, exemplarValue, flaw)),
  'label of an exemplar': (flaw) => bytes(1, up, bytes(3, bytes(1, ...label, flaw))),
  histogram: (flaw) => bytes(1, up, bytes(4, flaw)),
  'span of a histogram': (flaw) => bytes(1, up, bytes(4, bytes(11, flaw))),
  metadata: (flaw) => bytes(3, bytes(2, Buffer.from('up')), flaw),
}

const symbols = Buffer.concat(['', '__name__', 'up'].map((text) => bytes(4, Buffer.from(text))))
const refs = bytes(1, Buffer.of(1, 2))
const levelsV2: Readonly<Record<string, (flaw: Buffer) => Buffer>> = {
  message: (flaw) => Buffer.concat([symbols, bytes(5, refs), flaw]),
  series: (flaw) => Buffer.concat([symbols, bytes(5, refs, flaw)]),
  sample: (flaw) => Buffer.concat([symbols, bytes(5, refs, bytes(2, sample, flaw))]),
  histogram: (flaw) => Buffer.concat([symbols, bytes(5, refs, bytes(3, flaw))]),
  exemplar: (flaw) => Buffer.concat([symbols, bytes(5, refs, bytes(4, flaw))]),
  metadata: (flaw) => Buffer.concat([symbols, bytes(5, refs, bytes(5, flaw))]),
}

for (const [version, levels] of [
  [1, levelsV1],
  [2, levelsV2],
] as const) {
  test(`${version}.0: what is malformed at any level refuses the message`, async () => {
    const before = await running.refused('body_malformed')
    const wrong: string[] = []
    let sent = 0
    for (const [level, build] of Object.entries(levels)) {
      const honest = await send(version, build(field(99, 0, Buffer.of(1))))
      if (honest.status !== 204) wrong.push(`${level}: a field of a later version: ${honest.text}`)
      for (const [name, flaw] of broken) {
        sent++
        const reply = await send(version, build(flaw))
        const isRight = reply.status === 400 && reply.text.startsWith('GP_BODY_MALFORMED: ')
        if (!isRight) wrong.push(`${level}: ${name}: ${reply.status} ${reply.text}`)
      }
    }
    assert.deepEqual(wrong, [])
    assert.equal(await running.refused('body_malformed'), before + sent)
    await running.assertWell()
  })
}

test('known fields with another wire type than their own are malformed', async () => {
  const wrong: string[] = []
  const cases: [string, 1 | 2, Buffer][] = [
    ['timeseries as a varint', 1, field(1, 0, Buffer.of(1))],
    ['metadata as eight bytes', 1, field(3, 1, Buffer.alloc(8))],
    ['labels as a varint', 1, bytes(1, field(1, 0, Buffer.of(1)))],
    ['a name as a varint', 1, bytes(1, bytes(1, field(1, 0, Buffer.of(1))))],
    ['a value as a varint', 1, bytes(1, up, bytes(2, field(1, 0, Buffer.of(1))))],
    ['a timestamp as eight bytes', 1, bytes(1, up, bytes(2, field(2, 1, Buffer.alloc(8))))],
    ['symbols as a varint', 2, field(4, 0, Buffer.of(1))],
    ['timeseries as a varint', 2, field(5, 0, Buffer.of(1))],
    ['refs as eight bytes', 2, Buffer.concat([symbols, bytes(5, field(1, 1, Buffer.alloc(8)))])],
    ['a sample as a varint', 2, Buffer.concat([symbols, bytes(5, refs, field(2, 0, Buffer.of(1)))])],
  ]
  for (const [name, version, body] of cases) {
    const reply = await send(version, body)
    if (reply.status !== 400) wrong.push(`${version}.0: ${name}: ${reply.status} ${reply.text}`)
  }
  assert.deepEqual(wrong, [])
})

test('unknown fields nested 100,000 deep, and 16 million of nothing, cost no more than their bytes', async () => {
  let nested: Buffer = Buffer.alloc(0)
  for (let depth = 0; depth < 2000; depth++) nested = bytes(99, nested)
  assert.equal((await send(1, Buffer.concat([messageV1(series('deep', '1')), nested]))).status, 204)
  // Each level names a length; a reader that followed them would need a stack of 100,000.
  const spine = Buffer.alloc(3 * 100_000, Buffer.from([0x9a, 0x06, 0x00]))
  assert.equal((await send(1, bytes(1, up, bytes(98, spine)))).status, 204)
  const startedMs = performance.now()
  for (const [version, tag] of [
    [1, 0x0a],
    [2, 0x2a],
    [2, 0x22],
  ] as const) {
    const reply = await send(version, Buffer.alloc(16 * 1024 ** 2, Buffer.of(tag, 0)))
    assert.deepEqual([reply.status, reply.text.split(':')[0]], [413, 'GP_BODY_TOO_LARGE'])
  }
  assert.ok(performance.now() - startedMs < 5000)
  await running.assertWell()
})

test('a body of one version declared as the other is refused, never taken for an empty message', async () => {
  const v1 = messageV1(series('team-a', '1'))
  const v2 = messageV2(series('team-a', '1'))
  for (const reply of [await send(2, v1), await send(1, v2)]) {
    assert.equal(reply.status, 400)
    assert.match(reply.text, /GP_BODY_MALFORMED: .*other version.*Content-Type/)
  }
  assert.equal((await send(1, v1)).status, 204)
  assert.equal((await send(2, v2)).status, 204)
  const metadata = bytes(3, bytes(2, Buffer.from('up')))
  assert.equal((await send(2, metadata)).status, 400, 'metadata of 1.0 as 2.0')
  // The version header must not decide.
  const headers = { ...headersOf[1], 'x-prometheus-remote-write-version': '2.0.0' }
  assert.equal((await post(running.port, v1, { headers })).status, 204)
})

test('text, JSON, HTML and random bytes are malformed in every encoding', async () => {
  const wrong: string[] = []
  for (const text of [
    'hello',
    '{"a":1}',
    '<html></html>',
    '\0',
    '\x80',
    'up 1 1700000000000\n'.repeat(100),
  ]) {
    const body = Buffer.from(text, 'latin1')
    for (const [encoding, encoded] of [
      ['identity', body],
      ['snappy', snappy(body)],
      ['snappy', body],
      ['zstd', body],
    ] as const) {
      for (const content of [contentV1, contentV2]) {
        const reply = await post(running.port, encoded, {
          headers: { ...content, 'content-encoding': encoding },
        })
        // A lone 0x00 is a snappy block with nothing in it, and nothing is a legal message.
        const isEmpty = text === '\0' && encoding === 'snappy' && encoded === body
        if (reply.status !== (isEmpty ? 204 : 400))
          wrong.push(`${text.slice(0, 20)} ${encoding}: ${reply.status}`)
      }
    }
  }
  assert.deepEqual(wrong, [])
  await running.assertWell()
})

test('empty messages are answered 204, and leave nothing on the bus', async () => {
  const before = (await running.records()).length
  for (const content of [contentV1, contentV2]) {
    assert.equal((await post(running.port, Buffer.alloc(0), { headers: content })).status, 204)
    const reply = await post(running.port, snappy(Buffer.alloc(0)), { headers: content })
    assert.equal(reply.status, 204)
    const isV2 = content === contentV2
    assert.equal(reply.headers['x-prometheus-remote-write-samples-written'], isV2 ? '0' : undefined)
  }
  assert.equal((await running.records()).length, before)
})

test('a table with a text twice, or guid twice, is taken; one that breaks a rule is refused', async () => {
  const model = modelV2({ __name__: 'up', guid: 'forged', id: 'twice' })
  const twice = { symbols: [...model.symbols!, 'guid', 'up', 'guid'], timeseries: model.timeseries! }
  const guidRef = twice.symbols.indexOf('guid')
  const [only] = twice.timeseries
  const labelsRefs = only!.labelsRefs!.map((ref) => (ref === guidRef ? twice.symbols.length - 1 : ref))
  const body = encodeV2({ ...twice, timeseries: [{ ...only!, labelsRefs }] })
  const headers = { ...headersOf[2], 'x-guid': 'team-t' }
  assert.equal((await post(running.port, body, { headers })).status, 204)
  const [stored] = (await running.stored()).filter(({ id }) => id === 'twice')
  assert.deepEqual(stored, { __name__: 'up', guid: 'team-t', id: 'twice' })

  const rest = bytes(5, refs)
  const bad: [string, Buffer, RegExp][] = [
    ['first symbol not empty', Buffer.concat([bytes(4, Buffer.from('x')), rest]), /first symbol/],
    ['a symbol not UTF-8', Buffer.concat([symbols, bytes(4, Buffer.of(0xff)), rest]), /UTF-8/],
  ]
  for (const [name, bytesOfIt, expected] of bad) {
    const reply = await send(2, bytesOfIt)
    assert.equal(reply.status, 400, name)
    assert.match(reply.text, expected)
  }
  await running.assertWell()
})
