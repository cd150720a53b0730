/** Forged, repeated and strange guids in OTLP: what the sender claims never overrides what the rules say. */
import assert from 'node:assert/strict'
import test, { after } from 'node:test'
import {
  decodeOtlp,
  encodeOtlp,
  itemsOfRecord,
  type OtlpSignal,
  otlpSignals,
  topicOf,
} from '../support/otlp-items.ts'
import { RawGrpc } from '../support/otlp-raw-grpc.ts'
import { exportRequest, grpcPath, type Transport } from '../support/otlp-send.ts'
import { attribute, field, keyValue, loose, requestOf, tag, varint } from '../support/otlp-wire.ts'
import { configWithGuid, type Headers, OtlpWorld, type Told } from '../support/otlp-world.ts'

const world = await OtlpWorld.start({ after })
const transports: readonly Transport[] = ['grpc', 'protobuf', 'json']

const zone = attribute('zone', 'z')
const evil = attribute('guid', 'evil')
const guidKey = field(1, 'guid')
const evilText = field(2, field(1, 'evil'))
const deepEvil = (levels: number): Buffer =>
  levels === 0 ? field(1, 'evil') : field(5, field(1, deepEvil(levels - 1)))

/** Contents of a Resource*, each with an attribute `zone`; the guid of `fallback` is what the bytes themselves say. */
const forgeries: Readonly<Record<string, { readonly parts: readonly Buffer[]; readonly fallback: string }>> =
  {
    'a second resource field': { parts: [field(1, zone), field(1, evil)], fallback: 'evil' },
    'a second resource field behind the scopes': {
      parts: [field(1, zone, attribute('guid', 'a')), field(1, evil)],
      fallback: 'a',
    },
    'three resource fields, one empty': {
      parts: [field(1), field(1, zone, evil), field(1, evil)],
      fallback: 'evil',
    },
    'the key twice': { parts: [field(1, evil, zone, evil, evil)], fallback: 'evil' },
    'the key field repeated': {
      parts: [field(1, zone, field(1, field(1, 'other'), guidKey, evilText))],
      fallback: 'evil',
    },
    'the key field repeated behind the value': {
      parts: [field(1, zone, field(1, field(1, 'other'), evilText, guidKey))],
      fallback: 'evil',
    },
    'the value repeated': {
      parts: [field(1, zone, field(1, guidKey, field(2, field(1, 'good')), evilText))],
      fallback: 'evil',
    },
    'the value before the key': { parts: [field(1, field(1, evilText, guidKey), zone)], fallback: 'evil' },
    'an unknown field between': {
      parts: [field(1, zone, field(1, guidKey, field(99, 'x'), evilText, tag(98, 0), varint(300)))],
      fallback: 'evil',
    },
    'an int': { parts: [field(1, zone, field(1, guidKey, field(2, tag(3, 0), varint(42))))], fallback: '42' },
    'a bool': {
      parts: [field(1, zone, field(1, guidKey, field(2, tag(2, 0), varint(1))))],
      fallback: 'true',
    },
    'a double': {
      parts: [field(1, zone, field(1, guidKey, field(2, Buffer.from('21000000000000f83f', 'hex'))))],
      fallback: '1.5',
    },
    bytes: { parts: [field(1, zone, field(1, guidKey, field(2, field(7, 'evil!!'))))], fallback: 'ZXZpbCEh' },
    'an array': { parts: [field(1, zone, field(1, guidKey, field(2, deepEvil(1))))], fallback: 'unassigned' },
    'an array, deep': {
      parts: [field(1, zone, field(1, guidKey, field(2, deepEvil(40))))],
      fallback: 'unassigned',
    },
    'a map': {
      parts: [field(1, zone, field(1, guidKey, field(2, field(6, field(1, keyValue('guid', 'evil'))))))],
      fallback: 'unassigned',
    },
    'a text, then an int': {
      parts: [field(1, zone, field(1, guidKey, field(2, field(1, 'evil'), tag(3, 0), varint(7))))],
      fallback: '7',
    },
    'no value': { parts: [field(1, zone, field(1, guidKey))], fallback: 'unassigned' },
    'an empty value': { parts: [field(1, zone, field(1, guidKey, field(2)))], fallback: 'unassigned' },
    'an empty text': { parts: [field(1, zone, attribute('guid', ''))], fallback: 'unassigned' },
    'a text of 1 MiB': {
      parts: [field(1, zone, attribute('guid', 'e'.repeat(2 ** 20)))],
      fallback: 'unassigned',
    },
    'a text of 129 bytes': {
      parts: [field(1, zone, attribute('guid', 'e'.repeat(129)))],
      fallback: 'unassigned',
    },
    'a path': { parts: [field(1, zone, attribute('guid', '../../etc'))], fallback: 'unassigned' },
    'a NUL': { parts: [field(1, zone, attribute('guid', 'a\0b'))], fallback: 'unassigned' },
    'not ASCII': { parts: [field(1, zone, attribute('guid', 'ä'))], fallback: 'unassigned' },
    'lengths longer than needed': {
      parts: [loose(1, 4, loose(1, 3, loose(1, 5, 'guid'), loose(2, 2, loose(1, 4, 'evil'))), zone)],
      fallback: 'evil',
    },
    'tags of five bytes': {
      parts: [field(1, zone, loose(1, 5, loose(1, 5, 'guid'), loose(2, 5, loose(1, 5, 'evil'))))],
      fallback: 'evil',
    },
  }

interface Seen {
  readonly guid: string
  readonly attributes: readonly { readonly key: string; readonly value: unknown }[]
}

/** The one record with the item, and the attributes of its resource. */
function seen(signal: OtlpSignal, id: string): Seen | undefined {
  const [record, ...others] = world.recordsWith(signal, id)
  assert.equal(others.length, 0)
  if (record === undefined) return undefined
  const [group] = Object.values(record.message)[0] as { resource: { attributes: Seen['attributes'] } }[]
  return { guid: record.guid, attributes: group!.resource.attributes }
}

for (const signal of otlpSignals) {
  test(`${signal}: a guid hidden in the resource is replaced by the header's, and everything else stays`, async () => {
    for (const transport of ['grpc', 'protobuf'] as const) {
      for (const [name, { parts }] of Object.entries(forgeries)) {
        world.forget()
        const body = requestOf(signal, name, ...parts)
        const told = await world.send(transport, signal, body, { headers: { 'x-guid': 'team-true' } })
        assert.deepEqual([told.code, told.rejected], [0, 0], `${name}: ${told.text}`)
        const expected = [
          { key: 'zone', value: { stringValue: 'z' } },
          { key: 'guid', value: { stringValue: 'team-true' } },
        ]
        assert.deepEqual(seen(signal, name), { guid: 'team-true', attributes: expected }, name)
        const [record] = world.stored
        assert.ok(!record!.value.includes('evil') && record!.value.length < 300, `${name}: no trace of it`)
      }
    }
    await world.assertWell()
  })

  test(`${signal}: without a header a hidden guid is what its bytes say, once, in record and resource`, async () => {
    for (const [name, { parts, fallback }] of Object.entries(forgeries)) {
      world.forget()
      assert.equal((await world.send('grpc', signal, requestOf(signal, name, ...parts))).code, 0, name)
      const expected = [
        { key: 'zone', value: { stringValue: 'z' } },
        { key: 'guid', value: { stringValue: fallback } },
      ]
      assert.deepEqual(seen(signal, name), { guid: fallback, attributes: expected }, name)
    }
    await world.assertWell()
  })
}

const text = (stringValue: string) => ({ stringValue })
const own = (id: string) => [
  { key: 'test.id', value: text(id) },
  { key: 'guid', value: text('own') },
  { key: 'nest', value: { kvlistValue: { values: [{ key: 'guid', value: text('in a value') }] } } },
]

/** A request in which a guid stands wherever attributes may. `keep`: whether those of the application are in it. */
function scattered(signal: OtlpSignal, id: string, keep: boolean, guid = 'evil'): object {
  const attributes = own(id).filter(({ key }) => keep || key !== 'guid')
  const resource = {
    attributes: [
      { key: 'zone', value: text('z') },
      { key: 'guid', value: text(guid) },
    ],
  }
  const scope = { name: 's', attributes }
  const exemplars = [{ asInt: '1', filteredAttributes: attributes }]
  switch (signal) {
    case 'traces': {
      const span = { name: 'n', attributes, events: [{ name: 'e', attributes }], links: [{ attributes }] }
      return { resourceSpans: [{ resource, scopeSpans: [{ scope, spans: [span] }] }] }
    }
    case 'metrics': {
      const metrics = [
        { name: 'g', metadata: attributes, gauge: { dataPoints: [{ attributes, exemplars }] } },
        { name: 's', sum: { dataPoints: [{ attributes, exemplars }] } },
        { name: 'h', histogram: { dataPoints: [{ attributes, exemplars }] } },
        { name: 'e', exponentialHistogram: { dataPoints: [{ attributes, exemplars }] } },
        { name: 'y', summary: { dataPoints: [{ attributes }] } },
      ]
      return { resourceMetrics: [{ resource, scopeMetrics: [{ scope, metrics }] }] }
    }
    case 'logs':
      return { resourceLogs: [{ resource, scopeLogs: [{ scope, logRecords: [{ attributes }] }] }] }
  }
}

test('a guid of scopes and items is the application’s own, and goes when guid.scope is everywhere', async () => {
  for (const scope of ['resource', 'everywhere'] as const) {
    world.fixture.reload(configWithGuid({ scope }))
    for (const signal of otlpSignals) {
      for (const transport of transports) {
        world.forget()
        const id = `${scope} ${signal} ${transport}`
        const request = scattered(signal, id, true)
        const body = transport === 'json' ? Buffer.from(JSON.stringify(request)) : encodeOtlp(signal, request)
        const told = await world.send(transport, signal, body, { headers: { 'x-guid': 'team-true' } })
        assert.equal(told.code, 0, told.text)
        const expected = scattered(signal, id, scope === 'resource', 'team-true')
        const [record] = world.recordsWith(signal, id)
        assert.deepEqual(record, {
          guid: 'team-true',
          message: decodeOtlp(signal, encodeOtlp(signal, expected)),
        })
      }
    }
    await world.assertWell()
  }
  world.fixture.reload(configWithGuid({}))
})

/** One request with an item `id`, whose resource has `attributes`. */
async function tell(
  transport: Transport,
  id: string,
  attributes: Readonly<Record<string, string>>,
  options: { headers?: Headers; path?: string } = {},
): Promise<Told> {
  const message = exportRequest('logs', { attributes, ids: [id] })
  const body = transport === 'json' ? Buffer.from(JSON.stringify(message)) : encodeOtlp('logs', message)
  return await world.send(transport, 'logs', body, options)
}

test('headers: a second x-guid is refused, in any spelling; what is no guid is passed over', async () => {
  world.forget()
  const before = await world.refused('guid')
  const many: readonly Headers[] = [
    { 'x-guid': ['team-a', 'team-b'] },
    { 'x-guid': 'team-a,team-b' },
    { 'x-guid': 'team-a , team-a' },
    { 'x-scope-orgid': 'team-a, team-b' },
  ]
  let refusals = 0
  for (const transport of transports) {
    for (const headers of many) {
      const told = await tell(transport, 'twice', { guid: 'team-item' }, { headers })
      assert.equal(told.code, 3)
      assert.match(told.text, /^GP_GUID_HEADER: the header x-\S+ came 2 times; send it once/)
      refusals++
    }
    for (const [value, expected] of [
      ['  team-a  ', 'team-a'],
      ['', 'team-item'],
      ['team a', 'team-item'],
      ['../a', 'team-item'],
      ['x'.repeat(129), 'team-item'],
      ['x'.repeat(128), 'x'.repeat(128)],
    ] as const) {
      const id = `${transport} ${value}`
      const told = await tell(transport, id, { guid: 'team-item' }, { headers: { 'x-guid': value } })
      assert.equal(told.code, 0)
      assert.equal(seen('logs', id)?.guid, expected)
    }
  }
  assert.equal(await world.refused('guid'), before + refusals)
  assert.deepEqual(seen('logs', 'twice'), undefined)
  await world.assertWell()
})

test('headers: metadata of gRPC that is no plain text names no guid', async () => {
  world.forget()
  const grpc = await RawGrpc.connect(world.fixture.portOf('otlpGrpc'))
  const message = encodeOtlp('logs', exportRequest('logs', { attributes: { guid: 'item' }, ids: ['bin'] }))
  const reply = await grpc.call(grpcPath('logs'), message, { 'x-guid-bin': 'dGVhbS1h' })
  await grpc.close()
  assert.equal(reply.grpcStatus, 0)
  assert.equal(seen('logs', 'bin')?.guid, 'item')
})

test('paths: /t/<guid> stands before everything else; one that is no guid is refused', async () => {
  world.forget()
  for (const transport of ['protobuf', 'json'] as const) {
    for (const guid of ['a', 'A.b_c-1', 'x'.repeat(128), '%61']) {
      for (const route of ['/v1/logs', '/otlp/v1/logs']) {
        const id = `${transport} ${guid} ${route}`
        const told = await tell(
          transport,
          id,
          { guid: 'evil' },
          {
            path: `/t/${guid}${route}`,
            headers: { 'x-guid': 'header' },
          },
        )
        assert.equal(told.code, 0, told.text)
        assert.equal(seen('logs', id)?.guid, decodeURIComponent(guid))
      }
    }
  }
  const before = (await world.refused('guid')) + (await world.refused('path'))
  const bad = [
    '-',
    'a%2Fb',
    'a%00',
    '%zz',
    '%',
    'a%20b',
    'x'.repeat(129),
    '%C3%A4',
    '..',
    '%2e%2e',
    '.',
    'a,b',
  ]
  for (const guid of bad) {
    const body = encodeOtlp('logs', exportRequest('logs', { attributes: {}, ids: ['bad path'] }))
    const headers = { 'content-type': 'application/x-protobuf', 'x-guid': 'header' }
    const reply = await world.sender.post(`/t/${guid}/v1/logs`, body, headers)
    assert.equal(reply.status, 404, guid)
    assert.match(reply.body.toString(), /GP_PATH: /)
  }
  assert.equal((await world.refused('guid')) + (await world.refused('path')), before + bad.length)
  assert.equal(seen('logs', 'bad path'), undefined)
  await world.assertWell()
})

test('conflict: keep leaves the guid that an item has, reject refuses the item, both by what protobuf means', async () => {
  world.forget()
  const headers = { 'x-guid': 'team-true' }
  world.fixture.reload(configWithGuid({ conflict: 'keep' }))
  for (const [name, { parts, fallback }] of Object.entries(forgeries)) {
    const told = await world.send('grpc', 'logs', requestOf('logs', `keep ${name}`, ...parts), { headers })
    assert.equal(told.code, 0)
    const expected = fallback === 'unassigned' ? 'team-true' : fallback
    assert.equal(seen('logs', `keep ${name}`)?.guid, expected, name)
  }
  world.fixture.reload(configWithGuid({ conflict: 'reject' }))
  const before = await world.rejected('guid_conflict')
  let refusals = 0
  for (const [name, { parts }] of Object.entries(forgeries)) {
    const told = await world.send('grpc', 'logs', requestOf('logs', `reject ${name}`, ...parts), { headers })
    // An empty value is as good as none; any other is another value than ours.
    const isNone = /^(?:no value|an empty)/.test(name)
    assert.equal(told.code, isNone ? 0 : 3, `${name}: ${told.text}`)
    if (isNone) continue
    refusals++
    assert.match(
      told.text,
      /^GP_ITEMS_REJECTED: 1 of 1 items refused:\nitem 0 resource \{.*\}: it already carries/,
      name,
    )
  }
  assert.equal(await world.rejected('guid_conflict'), before + refusals)
  assert.equal(
    (await tell('grpc', 'same', { guid: 'team-true' }, { headers })).code,
    0,
    'the same is no conflict',
  )
  world.fixture.reload(configWithGuid({}))
  await world.assertWell()
})

test('missing: reject names the resource, drop is silent and counted; with some left it is a partial success', async () => {
  const two = exportRequest('traces', { attributes: { 'service.name': 'cart' }, ids: ['none 1', 'none 2'] })
  const mixed = exportRequest(
    'traces',
    { attributes: { 'service.name': 'cart' }, ids: ['none 3'] },
    { attributes: { guid: 'team-a' }, ids: ['one'] },
  )
  for (const transport of transports) {
    world.forget()
    const send = (message: object): Promise<Told> =>
      world.send(
        transport,
        'traces',
        transport === 'json' ? Buffer.from(JSON.stringify(message)) : encodeOtlp('traces', message),
      )
    world.fixture.reload(configWithGuid({ missing: { action: 'reject' } }))
    const rejected = await world.rejected('guid_missing')
    const all = await send(two)
    assert.equal(all.code, 3)
    assert.match(
      all.text,
      /^GP_ITEMS_REJECTED: 2 of 2 items refused:\nitem 0 resource \{service.name="cart"\}: no source of guid.from yields a guid \(guid_missing\)/,
    )
    const some = await send(mixed)
    assert.deepEqual([some.code, some.rejected], [0, 1])
    assert.match(
      some.text,
      /^1 of 2 items refused, the others are kept:\nitem 0 resource \{service.name="cart"\}/,
    )
    assert.equal(await world.rejected('guid_missing'), rejected + 3)

    world.fixture.reload(configWithGuid({ missing: { action: 'drop' } }))
    const dropped = await world.rejected('guid_dropped')
    for (const message of [two, mixed]) {
      assert.deepEqual(await send(message), {
        code: 0,
        status: 200,
        text: '',
        rejected: 0,
        retrySeconds: undefined,
      })
    }
    assert.equal(await world.rejected('guid_dropped'), dropped + 3)
    assert.deepEqual(
      world.stored.flatMap((record) => itemsOfRecord(record).map(({ id }) => id)),
      ['one', 'one'],
    )
    world.fixture.reload(configWithGuid({}))
    await world.assertWell()
  }
})

test('allow: what is not in the list is refused by name and count, the rest is taken', async () => {
  world.fixture.reload(configWithGuid({ allow: [/^team-a$/, /^probe$/] }))
  for (const signal of otlpSignals) {
    for (const transport of transports) {
      world.forget()
      const before = await world.rejected('guid_not_allowed')
      const others = Array.from({ length: 8 }, (_, i) => ({
        attributes: { guid: `team-b${i}`, 'service.name': `service ${i}` },
        ids: ['b1', 'b2'],
      }))
      const send = (message: object): Promise<Told> =>
        world.send(
          transport,
          signal,
          transport === 'json' ? Buffer.from(JSON.stringify(message)) : encodeOtlp(signal, message),
        )
      const some = await send(
        exportRequest(signal, ...others, { attributes: { guid: 'team-a' }, ids: ['a'] }),
      )
      assert.deepEqual([some.code, some.rejected], [0, 16])
      assert.match(
        some.text,
        /^16 of 17 items refused, the others are kept:\nitem 0 resource \{guid="team-b0", service.name="service 0"\}: its guid is not in guid.allow/,
      )
      assert.match(some.text, /guid_not_allowed: 16$/)
      assert.deepEqual(
        world.stored.map(({ topic, guid, items }) => ({ topic, guid, items })),
        [{ topic: topicOf[signal], guid: 'team-a', items: 1 }],
      )
      const all = await send(exportRequest(signal, ...others))
      assert.equal(all.code, 3)
      assert.match(all.text, /^GP_ITEMS_REJECTED: 16 of 16 items refused:/)
      assert.equal(await world.rejected('guid_not_allowed'), before + 32)
      assert.equal(world.stored.length, 1)
    }
  }
  await world.assertWell()
  world.fixture.reload(configWithGuid({}))
})

test('sources with a pattern read texts, numbers, lists and maps as the Collector prints them', async () => {
  const match = (pattern: string) => new RegExp(pattern)
  world.fixture.reload(
    configWithGuid({
      from: [
        { kind: 'attribute', name: 'pod', match: match('^([a-z]+)-[0-9a-f]+$') },
        { kind: 'attribute', name: 'tags', match: match('"team":"([a-z]+)"') },
        { kind: 'attribute', name: 'list', match: match('^\\["([a-z]+)"') },
        { kind: 'attribute', name: 'number', match: match('^(\\d+)$') },
        { kind: 'attribute', name: 'ok', match: match('^(t)rue$') },
      ],
    }),
  )
  const string = (key: string, value: string) => ({ key, value: { stringValue: value } })
  const map = (value: string) => ({
    key: 'tags',
    value: { kvlistValue: { values: [string('team', value)] } },
  })
  const list = { key: 'list', value: { arrayValue: { values: [text('shop'), text('b')] } } }
  const cases: readonly (readonly [string, object[], string])[] = [
    ['pod', [string('pod', 'cart-7f')], 'cart'],
    ['pod that does not match', [string('pod', 'CART'), string('tags', 'x')], 'unassigned'],
    ['map', [map('pay')], 'pay'],
    ['map behind a pod that does not match', [map('pay'), string('pod', '!')], 'pay'],
    ['list', [list], 'shop'],
    ['int', [{ key: 'number', value: { intValue: '9007199254740993' } }], '9007199254740993'],
    ['negative int', [{ key: 'number', value: { intValue: '-1' } }], 'unassigned'],
    ['bool', [{ key: 'ok', value: { boolValue: true } }], 't'],
    ['a pod of 1 MiB', [string('pod', `${'a'.repeat(2 ** 20)}-0`)], 'unassigned'],
    ['a guid that is no source here', [string('guid', 'evil')], 'unassigned'],
  ]
  for (const transport of transports) {
    for (const [name, attributes, expected] of cases) {
      world.forget()
      const message = {
        resourceLogs: [
          { resource: { attributes }, scopeLogs: [{ logRecords: [{ attributes: own(name) }] }] },
        ],
      }
      const body = transport === 'json' ? Buffer.from(JSON.stringify(message)) : encodeOtlp('logs', message)
      const told = await world.send(transport, 'logs', body)
      assert.deepEqual([told.code, seen('logs', name)?.guid], [0, expected], `${name}: ${told.text}`)
    }
  }
  world.fixture.reload(configWithGuid({}))
  await world.assertWell()
})
