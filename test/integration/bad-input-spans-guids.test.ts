/** Guids that senders of Jaeger's and Zipkin's spans hide in them: what they claim never overrides what the rules say. */
import assert from 'node:assert/strict'
import test from 'node:test'
import {
  binaryAnnotation,
  coreList,
  processTags,
  ThriftBytes,
  thriftBatchOf,
  thriftTag,
} from '../support/bad-spans.ts'
import { type Forgery, forgeries, protoSpan } from '../support/bad-spans-forgeries.ts'
import { encodings, SpansWorld, type Told, type Way } from '../support/bad-spans-world.ts'
import { field } from '../support/otlp-wire.ts'

const trueGuid = { 'x-guid': 'team-true' }
const w = new ThriftBytes('binary')
const evilTag = Buffer.concat([field(1, 'guid'), field(3, 'evil')])
const evilThriftTag = thriftTag(w, 'guid', 'evil')

function isTaken({ status, code }: Told): boolean {
  return code === 0 && (status === 202 || status === 200)
}

/** Sends each forgery; those that end otherwise than it should, described. */
async function wrongOnes(
  world: SpansWorld,
  headers: Readonly<Record<string, string>>,
  expected: (forgery: Forgery) => string,
): Promise<string[]> {
  const wrong: string[] = []
  for (const [name, forgery] of forgeries) {
    world.forget()
    const coding: Readonly<Record<string, string>> =
      forgery.isGzip === true ? { 'content-encoding': 'gzip' } : {}
    const told = await world.send(forgery.way, forgery.body(name), { ...headers, ...coding })
    const guid = expected(forgery)
    const spans = world.spansOf(name)
    const [span] = spans
    const isStamped = spans.length === 1 && span?.guid === guid && span.stamps.join() === guid
    const isClean = guid === 'evil' || world.stored.every(({ value }) => !value.includes('evil'))
    if (!isTaken(told) || !isStamped || !isClean) {
      wrong.push(`${name}: ${told.status} ${told.code} ${told.text} ${JSON.stringify(spans)} ${guid}`)
    }
  }
  return wrong
}

for (const encoding of encodings) {
  test(`${encoding}: a hidden guid is replaced by the header's, and nothing of it is left`, async (context) => {
    const world = await SpansWorld.start(context, { encoding })
    assert.deepEqual(await wrongOnes(world, trueGuid, () => 'team-true'), [])
    await world.assertWell()
  })

  test(`${encoding}: without a header it is what its bytes say, once, in record and process`, async (context) => {
    const world = await SpansWorld.start(context, { encoding })
    const expected = ({ fallback, fallbackInJaeger = fallback }: Forgery): string =>
      encoding === 'otlp_proto' ? fallback : fallbackInJaeger
    assert.deepEqual(await wrongOnes(world, {}, expected), [])
    await world.assertWell()
  })

  test(`${encoding}: names that only look like the guid's are not it, and overrule nothing`, async (context) => {
    const world = await SpansWorld.start(context, { encoding })
    for (const name of ['guid\0', 'Guid', 'guid ', '\ufeffguid', 'ｇｕｉｄ', 'gu\u200bid', 'guid\0guid']) {
      world.forget()
      const tags = Buffer.concat([field(1, name), field(3, 'evil')])
      const bodies: readonly (readonly [Way, Buffer])[] = [
        ['grpc', field(1, protoSpan('alike'), field(2, field(1, 'cart'), field(2, tags)))],
        [
          'thrift',
          thriftBatchOf(w, { id: 'alike', processFields: [processTags(w, thriftTag(w, name, 'evil'))] }),
        ],
        ['zipkinThrift', coreList(w, 'alike', [binaryAnnotation(w, name, 'evil')])],
      ]
      for (const [way, body] of bodies) {
        assert.ok(isTaken(await world.send(way, body, trueGuid)), `${way} ${JSON.stringify(name)}`)
        assert.ok(isTaken(await world.send(way, body)))
      }
      const spans = world.spansOf('alike').map(({ guid, stamps }) => [guid, ...stamps].join())
      const half = ['team-true,team-true', 'unassigned,unassigned']
      assert.deepEqual(spans, [...half, ...half, ...half], JSON.stringify(name))
    }
    await world.assertWell()
  })

  test(`${encoding}: a name or value that is not UTF-8 costs its spans, and is not read as something else`, async (context) => {
    const world = await SpansWorld.start(context, { encoding })
    // "guid" with its g in two bytes, with a surrogate behind it, with a byte that begins nothing.
    for (const hex of ['c1a7756964', '67756964eda080', '67756964ff']) {
      const name = Buffer.from(hex, 'hex')
      const tag = Buffer.concat([field(1, name), field(3, 'evil')])
      const bodies: readonly (readonly [Way, Buffer])[] = [
        ['grpc', field(1, protoSpan('broken'), field(2, field(2, tag)))],
        [
          'thrift',
          thriftBatchOf(w, { id: 'broken', processFields: [processTags(w, thriftTag(w, name, 'evil'))] }),
        ],
      ]
      for (const [way, body] of bodies) {
        const told = await world.send(way, body, trueGuid)
        assert.ok(!isTaken(told), `${way} ${hex}`)
        assert.match(told.text, /^GP_ITEMS_REJECTED: 1 of 1 items refused.*UTF-8.*\(not_utf8\)/s)
      }
    }
    assert.deepEqual(world.stored, [])
    assert.equal(await world.counter('guidepost_rejected_items_total', { reason: 'not_utf8' }), 6)
    await world.assertWell()
  })

  test(`${encoding}: with guid.scope everywhere, tags of spans and fields of logs lose it too`, async (context) => {
    const world = await SpansWorld.start(context, { encoding, guid: { scope: 'everywhere' } })
    const log = w.struct(
      w.field(1, 'i64', w.integer(64, 5)),
      w.field(2, 'list', w.list('struct', [evilThriftTag, thriftTag(w, 'event', 'e'), evilThriftTag])),
    )
    const event = '"a|{\\"guid\\":\\"evil\\"}|0"'
    const head = '"traceId":"af7651916cd43dd1","id":"b7ad6b7169203331","timestamp":1700000000000000'
    const bodies: readonly (readonly [Way, Buffer])[] = [
      [
        'grpc',
        field(
          1,
          protoSpan('deep', field(8, evilTag), field(9, field(2, evilTag), field(2, evilTag))),
          field(2),
        ),
      ],
      [
        'thrift',
        thriftBatchOf(w, {
          id: 'deep',
          spanTags: [evilThriftTag, evilThriftTag],
          span: new Map([[11, w.field(11, 'list', w.list('struct', [log]))]]),
        }),
      ],
      ['zipkinThrift', coreList(w, 'deep', [binaryAnnotation(w, 'guid', 'evil')])],
      [
        'zipkinJson',
        Buffer.from(
          `[{${head},"tags":{"test.id":"deep","guid":"evil"},"annotations":[{"timestamp":1,"value":${event}}]}]`,
        ),
      ],
    ]
    for (const [way, body] of bodies) {
      world.forget()
      const told = await world.send(way, body, trueGuid)
      assert.ok(isTaken(told), `${way}: ${told.text}`)
      const found = { id: 'deep', guid: 'team-true', stamps: ['team-true'] }
      assert.deepEqual(world.spansOf('deep'), [found], way)
      assert.ok(!world.stored[0]?.value.includes('evil'), way)
    }
    await world.assertWell()
  })

  test(`${encoding}: guid.conflict reject counts the forged spans and takes the others of the request`, async (context) => {
    const world = await SpansWorld.start(context, {
      encoding,
      guid: { conflict: 'reject', from: [{ kind: 'header', name: 'x-guid', match: undefined }] },
    })
    const own = (guid: string): Buffer =>
      field(10, field(1, 'cart'), field(2, field(1, 'guid'), field(3, guid)))
    const body = field(
      1,
      ...[protoSpan('forged 1', own('evil')), protoSpan('honest 1', own('team-true'))],
      ...[protoSpan('forged 2', own('evil-2')), protoSpan('honest 2')],
      field(2, field(1, 'cart')),
    )
    const told = await world.send('grpc', body, trueGuid)
    assert.equal(told.code, 3)
    assert.match(told.text, /^GP_ITEMS_REJECTED: 2 of 4 items refused, the others are kept:.*guid_conflict/s)
    const kept = ['forged 1', 'honest 1', 'forged 2', 'honest 2'].map((id) => world.spansOf(id).length)
    assert.deepEqual(kept, [0, 1, 0, 1])
    assert.ok(world.stored.every(({ value }) => !value.includes('evil')))
    assert.equal(await world.counter('guidepost_rejected_items_total', { reason: 'guid_conflict' }), 2)
  })
}

test('a header with two guids is refused on each entry that has headers', async (context) => {
  const world = await SpansWorld.start(context)
  const bodies: readonly (readonly [Way, Buffer])[] = [
    ['grpc', field(1, protoSpan('twice'))],
    ['thrift', thriftBatchOf(w, { id: 'twice' })],
    ['zipkinThrift', coreList(w, 'twice')],
  ]
  for (const [way, body] of bodies) {
    const told = await world.send(way, body, { 'x-guid': 'team-a,team-b' })
    assert.ok(!isTaken(told), way)
    assert.match(told.text, /^GP_GUID_HEADER: the header x-guid came 2 times/)
  }
  assert.deepEqual(world.stored, [])
  assert.equal(await world.refused('guid'), bodies.length)
  await world.assertWell()
})
