/** Datagrams that no agent's client sends: every one is taken or counted by its reason, and the next good one is taken. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import {
  binaryAnnotation,
  coreList,
  emitBatch,
  emitZipkinBatch,
  type Protocol,
  processTags,
  ThriftBytes,
  thriftBatchOf,
  thriftTag,
} from '../support/bad-spans.ts'
import { SpansProgram } from '../support/bad-spans-program.ts'
import { encodings, SpansWorld, type UdpWay } from '../support/bad-spans-world.ts'
import { mutate } from '../support/mutate.ts'
import { itemsOfRecord } from '../support/otlp-items.ts'
import { Random } from '../support/random.ts'
import { peakBytes } from '../support/senders.ts'
import { agentMessage } from '../support/span-thrift.ts'
import { sendEach } from '../support/udp.ts'
import { until } from '../support/until.ts'

const udpWays: readonly (readonly [UdpWay, Protocol])[] = [
  ['jaegerBinary', 'binary'],
  ['jaegerCompact', 'compact'],
  ['zipkinCompact', 'compact'],
]
/** The longest that an IPv4 packet holds. */
const datagramBytesMax = 65_507
const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 2 ** 31)

/** What metrics call the port. */
const labelOf = {
  jaegerBinary: 'jaeger_binary',
  jaegerCompact: 'jaeger_compact',
  zipkinCompact: 'zipkin_compact',
}

const droppedOf = (world: SpansWorld, way: UdpWay, reason: string): Promise<number> =>
  world.counter('guidepost_refused_requests_total', { receiver: labelOf[way], reason })

for (const encoding of encodings) {
  test(`${encoding}: datagrams of every size, of nothing, of one value, of noise`, async (context) => {
    const world = await SpansWorld.start(context, { encoding, udp: true })
    const random = new Random(seed)
    const noise = (bytes: number): Buffer =>
      Buffer.from(Array.from({ length: bytes }, () => random.below(256)))
    for (const [way, protocol] of udpWays) {
      const w = new ThriftBytes(protocol)
      const sizes = [1, 2, 3, 4, 8, 16, 64, 1_000, 8_191, 65_000, datagramBytesMax]
      const bad = [
        ...sizes.flatMap((bytes) => [0, 0x80, 0x82, 0xff].map((fill) => Buffer.alloc(bytes, fill))),
        ...sizes.map(noise),
        // The other protocol's.
        emitBatch(new ThriftBytes(protocol === 'binary' ? 'compact' : 'binary'), 'x'),
        ...Array.from({ length: 256 }, (_, byte) => Buffer.of(byte)),
      ]
      assert.equal(await world.sendUdp(way, bad), bad.length, `${way}, seed ${seed}`)
      await sendEach(world.fixture.portOf(way), [Buffer.alloc(0), Buffer.alloc(0)])
      await until(
        'the empty ones are counted',
        5_000,
        async () => (await droppedOf(world, way, 'empty')) === 2,
      )
      // One of each size up to the largest is taken when it is a message.
      const room =
        datagramBytesMax -
        emitBatch(w, thriftBatchOf(w, { id: 'large', spanTags: [thriftTag(w, 'k', '')] })).length
      const full = [room - 4, room - 100, 30_000].map((bytes) =>
        emitBatch(w, thriftBatchOf(w, { id: 'large', spanTags: [thriftTag(w, 'k', 'x'.repeat(bytes))] })),
      )
      world.forget()
      assert.ok((full[0]?.length ?? 0) > datagramBytesMax - 8)
      assert.equal(await world.sendUdp(way, full), 0)
      assert.equal(world.spansOf('large').length, full.length)
    }
    await world.assertWell()
  })

  test(`${encoding}: envelopes of both kinds and all types, names that lie, methods that there are not`, async (context) => {
    const world = await SpansWorld.start(context, { encoding, udp: true })
    for (const [way, protocol] of udpWays) {
      const w = new ThriftBytes(protocol)
      const args = (id: string): Buffer => w.struct(w.field(1, 'struct', thriftBatchOf(w, { id })))
      world.forget()
      const good = [1, 4, 2, 3].flatMap((type) =>
        (protocol === 'binary' ? [true, false] : [true]).map((isStrict) =>
          w.message('emitBatch', args('good'), { isStrict, type }),
        ),
      )
      // The argument behind others that nobody knows, and a message behind the message.
      const late = w.struct(
        w.fieldOf(9, 'map'),
        w.fieldOf(1, 'list'),
        w.field(1, 'struct', thriftBatchOf(w, { id: 'good' })),
      )
      good.push(
        w.message('emitBatch', late),
        Buffer.concat([w.message('emitBatch', args('good')), args('never')]),
      )
      assert.equal(await world.sendUdp(way, good), 0)
      assert.equal(world.spansOf('good').length, good.length)
      const names = ['emitBatcX', 'emitbatch', 'emitBatch\0', '', 'emitZipkinBatcH', 'e'.repeat(20_000)]
      const lengths = [-1, 2 ** 31 - 1, 10, 8, 0, -(2 ** 31)]
      const bad = [
        ...names.map((name) => w.message(name, args('never'))),
        ...lengths.map((nameBytes) => w.message('emitBatch', args('never'), { nameBytes })),
        // One method with the other's argument; an argument that is missing.
        w.message('emitZipkinBatch', args('never')),
        w.message('emitBatch', w.struct(w.field(1, 'list', coreList(w, 'never')))),
        w.message('emitBatch', w.struct()),
        w.message('emitBatch', w.struct(w.field(2, 'struct', thriftBatchOf(w, { id: 'never' })))),
        ...(protocol === 'binary'
          ? [0x80000001, 0x80020001, 0xff010001].map((word) => {
              const message = w.message('emitBatch', args('never'))
              message.writeUInt32BE(word)
              return message
            })
          : [0x01, 0x22, 0x1f, 0x03].map((version) => {
              const message = w.message('emitBatch', args('never'))
              message[1] = version
              return message
            })),
      ]
      // In the compact protocol the type is above the version, which alone must be 1.
      const refusedOfVersion = protocol === 'binary' ? 0 : 1
      assert.equal(await world.sendUdp(way, bad), bad.length - refusedOfVersion)
      assert.equal(world.spansOf('never').length, refusedOfVersion)
    }
    await world.assertWell()
  })

  test(`${encoding}: Zipkin's lists, cut off at any byte and damaged anywhere`, async (context) => {
    const world = await SpansWorld.start(context, { encoding, udp: true })
    for (const [way, protocol] of udpWays) {
      world.forget()
      const w = new ThriftBytes(protocol)
      const list = coreList(
        w,
        'cut off',
        [binaryAnnotation(w, 'k', 'v'), binaryAnnotation(w, 'guid', 'team-a')],
        w.fieldOf(99, 'map'),
        w.boolField(9, true),
      )
      const message = emitZipkinBatch(w, list)
      const cuts = Array.from({ length: message.length - 2 }, (_, i) => message.subarray(0, i + 1))
      assert.equal(await world.sendUdp(way, cuts), cuts.length)
      assert.equal(world.spansOf('cut off').length, 0)
      assert.equal(await world.sendUdp(way, [message]), 0)
      assert.deepEqual(world.spansOf('cut off'), [{ id: 'cut off', guid: 'team-a', stamps: ['team-a'] }])
      // Each is taken or refused, and what is taken can be read.
      const batch = emitBatch(
        w,
        thriftBatchOf(w, { id: 'damaged', processFields: [processTags(w, thriftTag(w, 'guid', 'b'))] }),
      )
      const damaged = Array.from({ length: 2_000 }, (_, i) => mutate(i % 2 ? message : batch, seed + i))
      const refused = await world.sendUdp(
        way,
        damaged.filter(({ length }) => length > 0 && length <= datagramBytesMax),
      )
      assert.ok(refused > 100, `${refused} refused, seed ${seed}`)
      for (const record of world.stored) world.assertRecord(record)
    }
    await world.assertWell()
  })
}

test('floods of bad datagrams on two ports beside an honest sender on the third and over HTTP: it loses nothing', async (context) => {
  const spans = await SpansProgram.start(context)
  const w = new ThriftBytes('compact')
  const deep = emitBatch(
    w,
    thriftBatchOf(w, { id: 'never', behind: [w.field(99, 'list', w.nested('list', 60_000))] }),
  )
  const wide = emitBatch(
    w,
    thriftBatchOf(w, {
      id: 'never',
      span: new Map([[99, w.field(99, 'list', w.list('struct', [Buffer.alloc(60_000)], 61_000))]]),
    }),
  )
  const bad = [deep, wide, Buffer.alloc(datagramBytesMax, 0x82), Buffer.alloc(1), Buffer.alloc(300, 0xa5)]
  const ports = (['jaegerBinary', 'zipkinCompact'] as const).map((way) => spans.portOf(way))
  const endMs = performance.now() + 3_000
  let sent = 0
  const floods = ports.map(async (port) => {
    while (performance.now() < endMs) {
      await sendEach(port, [...bad, ...bad, ...bad, ...bad])
      sent += bad.length * 4
      await turn()
    }
  })
  const ids: string[] = []
  const honest = (async () => {
    while (performance.now() < endMs) {
      const id = `honest ${ids.length}`
      const datagram = agentMessage('compact', { serviceName: 'cart', tags: { hostname: 'honest-1' } }, [
        { operationName: 'work', tags: { 'test.id': id } },
      ])
      await sendEach(spans.portOf('jaegerCompact'), [datagram])
      ids.push(id)
      const answered = `answered ${id}`
      const told = await spans.send('thrift', thriftBatchOf(new ThriftBytes('binary'), { id: answered }))
      assert.equal(told.status, 202, told.text)
      ids.push(answered)
      await sleep(2)
    }
  })()
  await Promise.all([...floods, honest])
  assert.ok(ids.length >= 10 && sent > 1_000, `${ids.length} honest, ${sent} bad`)
  const stored = async (): Promise<string[]> =>
    (await spans.running.records())
      .filter(({ topic }) => topic === 'otlp_spans')
      .flatMap((record) => itemsOfRecord(record).map(({ id }) => id))
  await until('every bad one is counted', 20_000, async () => {
    const counted = await spans.running.counter('guidepost_refused_requests_total')
    return counted === sent
  })
  assert.deepEqual((await stored()).toSorted(), ids.toSorted())
  context.diagnostic(
    `${sent} bad beside ${ids.length} honest, ${Math.round((await peakBytes(spans.program.pid)) / 1e6)} MB`,
  )
  await spans.running.assertServing()
})

test('a guid of the port stands above what a datagram says', async (context) => {
  const world = await SpansWorld.start(context, { udp: true, portGuid: 'of-the-port' })
  for (const [way, protocol] of udpWays) {
    world.forget()
    const w = new ThriftBytes(protocol)
    const batch = thriftBatchOf(w, {
      id: 'forged',
      processFields: [processTags(w, thriftTag(w, 'guid', 'evil'))],
    })
    const list = coreList(w, 'forged', [
      binaryAnnotation(w, 'guid', 'evil'),
      binaryAnnotation(w, 'guid', 'evil'),
    ])
    assert.equal(await world.sendUdp(way, [emitBatch(w, batch), emitZipkinBatch(w, list)]), 0)
    const found = { id: 'forged', guid: 'of-the-port', stamps: ['of-the-port'] }
    assert.deepEqual(world.spansOf('forged'), [found, found], way)
    assert.ok(world.stored.every(({ value }) => !value.includes('evil')))
  }
})

test('every protocol of the other ports, sent to a UDP port, is refused', async (context) => {
  const world = await SpansWorld.start(context, { udp: true })
  const strangers = [
    '{"traceId":"1"}',
    '[{"traceId":"1","id":"1"}]',
    'GET / HTTP/1.1\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '<14>1 2026-01-01T00:00:00Z host app - - - text',
    'metric:1|c',
  ].map((text) => Buffer.from(text))
  for (const [way] of udpWays) assert.equal(await world.sendUdp(way, strangers), strangers.length)
  assert.equal(await world.refused('body_malformed'), strangers.length * udpWays.length)
  await world.assertWell()
})
