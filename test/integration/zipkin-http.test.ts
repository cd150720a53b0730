/** Zipkin over HTTP: what each request is answered, and what is on the bus then. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { GatewayFixture } from '../support/gateway-fixture.ts'
import { assertLedger } from '../support/ledger.ts'
import { itemsOfRecord } from '../support/otlp-items.ts'
import { post, zipkinJson, zipkinJsonV1, zipkinList } from '../support/span-send.ts'

const fixture = await GatewayFixture.start()
after(() => fixture.close())
const port = fixture.portOf('zipkin')
const json = { 'content-type': 'application/json' }

/** Guids under which a span is on the bus. */
function guidsOf(id: string): string[] {
  return fixture.bus.stored
    .filter((record) => itemsOfRecord(record).some((item) => item.id === id))
    .map(({ guid }) => guid)
}

const one = (id: string) => [{ guid: 'team-a', id }]

test('JSON and protobuf of version 2, JSON of version 1: 202 and nothing when they are on the bus', async () => {
  const sent = [
    ['v2 json', '/api/v2/spans', zipkinJson(one('v2 json')), json],
    ['v2 bare', '/api/v2/spans', zipkinJson(one('v2 bare')), {}],
    ['v2 form', '/api/v2/spans', zipkinJson(one('v2 form')), { 'content-type': 'text/plain' }],
    ['v2 proto', '/api/v2/spans', zipkinList(one('v2 proto')), { 'content-type': 'application/x-protobuf' }],
    ['v1 json', '/api/v1/spans', zipkinJsonV1(one('v1 json')), json],
    ['v1 bare', '/api/v1/spans', zipkinJsonV1(one('v1 bare')), {}],
  ] as const
  for (const [id, path, body, headers] of sent) {
    const { status, text } = await post(port, path, body, headers)
    assert.deepEqual([status, text], [202, ''], id)
    assert.deepEqual(guidsOf(id), ['team-a'], id)
  }
})

test('a compressed body is inflated', async () => {
  for (const coding of ['gzip', 'x-gzip', 'GZIP']) {
    const headers = { ...json, 'content-encoding': coding }
    const { status } = await post(port, '/api/v2/spans', gzipSync(zipkinJson(one(coding))), headers)
    assert.equal(status, 202)
    assert.deepEqual(guidsOf(coding), ['team-a'])
  }
})

test('an empty list and an empty body are answered with 202', async () => {
  const before = fixture.bus.stored.length
  for (const path of ['/api/v2/spans', '/api/v1/spans']) {
    for (const body of ['', '[]', ' [ ] ']) {
      const { status, text } = await post(port, path, Buffer.from(body), json)
      assert.deepEqual([status, text], [202, ''], `${path} ${JSON.stringify(body)}`)
    }
  }
  const { status } = await post(port, '/api/v2/spans', Buffer.alloc(0), {
    'content-type': 'application/x-protobuf',
  })
  assert.equal(status, 202)
  assert.equal(fixture.bus.stored.length, before)
})

test('what is no list of spans is answered with 400 and the place', async () => {
  for (const [path, body, told] of [
    ['/api/v2/spans', '{}', /GP_BODY_MALFORMED: the body is no list of Zipkin spans in JSON: /],
    [
      '/api/v2/spans',
      '[{"traceId":"1","id":"2","tags":{"a":null}}]',
      /GP_BODY_MALFORMED: .*\[0\]\.tags: expected a string/,
    ],
    ['/api/v2/spans', '[{"id":"1"}]', /traceId/],
    ['/api/v1/spans', '[{"traceId":"xyz","id":"1","name":"n"}]', /traceId|hex/i],
  ] as const) {
    const { status, text } = await post(port, path, Buffer.from(body), json)
    assert.equal(status, 400, body)
    assert.match(text, told)
  }
})

test('a form of the other version is answered with 400', async () => {
  const thrift = { 'content-type': 'application/x-thrift' }
  const { status, text } = await post(port, '/api/v2/spans', zipkinList(one('never')), thrift)
  assert.equal(status, 400)
  assert.match(text, /^GP_TYPE_UNSUPPORTED: /)
  assert.deepEqual(guidsOf('never'), [])
})

test('spans of several guids in one request become a record each', async () => {
  const items = [
    { guid: 'team-x', id: 'x1' },
    { guid: 'team-y', id: 'y1' },
    { guid: 'team-x', id: 'x2' },
  ]
  const { status } = await post(port, '/api/v2/spans', zipkinJson(items), json)
  assert.equal(status, 202)
  assert.deepEqual([guidsOf('x1'), guidsOf('x2'), guidsOf('y1')], [['team-x'], ['team-x'], ['team-y']])
})

test('a forged tag does not reach the bus', async () => {
  const span = {
    ...{ traceId: '0af7651916cd43dd', id: 'b7ad6b7169203331', timestamp: 1_700_000_000_000_000 },
    tags: { guid: 'team-forged', 'test.id': 'forged' },
  }
  const headers = { ...json, 'x-guid': 'team-a' }
  const { status } = await post(port, '/api/v2/spans', Buffer.from(JSON.stringify([span])), headers)
  assert.equal(status, 202)
  const record = fixture.bus.stored.find((each) => itemsOfRecord(each).some(({ id }) => id === 'forged'))!
  assert.equal(record.guid, 'team-a')
  assert.ok(!record.value.includes('team-forged'))
})

test('while the bus is away a sender is told to wait', async () => {
  fixture.bus.isUp = false
  try {
    const { status, headers } = await post(port, '/api/v2/spans', zipkinJson(one('away')), json)
    assert.deepEqual([status, headers.get('retry-after')], [503, '1'])
  } finally {
    fixture.bus.isUp = true
  }
})

test('the books are even', async () => {
  assertLedger(await fixture.samples())
  assert.deepEqual(fixture.failures, [])
})
