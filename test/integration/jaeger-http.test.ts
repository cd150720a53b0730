/** Jaeger's Thrift over HTTP: what each request is answered, and what is on the bus then. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { configWith, GatewayFixture } from '../support/gateway-fixture.ts'
import { assertLedger } from '../support/ledger.ts'
import { idAttribute, itemsOfRecord } from '../support/otlp-items.ts'
import { post } from '../support/span-send.ts'
import { thriftBatch } from '../support/span-thrift.ts'

const fixture = await GatewayFixture.start()
after(() => fixture.close())
const port = fixture.portOf('jaegerHttp')
const type = { 'content-type': 'application/x-thrift' }

function batch(id: string, tags: Readonly<Record<string, string>> = {}): Buffer {
  return thriftBatch('binary', { serviceName: 'cart', tags }, [
    { operationName: 'work', tags: { [idAttribute]: id } },
  ])
}

/** Guids under which a span is on the bus. */
function guidsOf(id: string): string[] {
  return fixture.bus.stored
    .filter((record) => itemsOfRecord(record).some((item) => item.id === id))
    .map(({ guid }) => guid)
}

test('a batch is answered with 202 and nothing when it is on the bus', async () => {
  const { status, text } = await post(port, '/api/traces', batch('plain'), type)
  assert.deepEqual([status, text], [202, ''])
  assert.deepEqual(guidsOf('plain'), ['unassigned'])
})

test('both content types are taken, with parameters and in capitals', async () => {
  for (const contentType of [
    'application/vnd.apache.thrift.binary',
    'application/x-thrift; charset=utf-8',
    'Application/X-Thrift',
  ]) {
    const { status } = await post(port, '/api/traces', batch(contentType), { 'content-type': contentType })
    assert.equal(status, 202, contentType)
    assert.equal(guidsOf(contentType).length, 1)
  }
})

test('any other content type is answered with 400, as by the collector', async () => {
  for (const contentType of ['application/json', 'application/x-protobuf', '']) {
    const { status, text } = await post(port, '/api/traces', batch('never'), { 'content-type': contentType })
    assert.equal(status, 400)
    assert.match(text, /^GP_TYPE_UNSUPPORTED: Content-Type .* is not one of application\/x-thrift/)
  }
  assert.deepEqual(guidsOf('never'), [])
})

test('a body that is no batch is answered with 400', async () => {
  const whole = batch('cut')
  for (const body of [Buffer.alloc(0), Buffer.from('{}'), whole.subarray(0, -1), whole.subarray(1)]) {
    const { status, text } = await post(port, '/api/traces', body, type)
    assert.equal(status, 400, `${body.length} bytes`)
    assert.match(
      text,
      /^GP_BODY_MALFORMED: the body is not a well-formed Thrift Batch .*: it is at fault at byte \d+\n$/,
    )
  }
  assert.deepEqual(guidsOf('cut'), [])
})

test('a compressed body is inflated', async () => {
  const headers = { ...type, 'content-encoding': 'gzip' }
  const { status } = await post(port, '/api/traces', gzipSync(batch('gzip')), headers)
  assert.equal(status, 202)
  assert.deepEqual(guidsOf('gzip'), ['unassigned'])
})

test('the guid comes from the path, a header or the tags of the process, in this order', async () => {
  const tags = { hostname: 'box-7' }
  await post(port, '/api/traces', batch('tag', tags), type)
  await post(port, '/api/traces', batch('header', tags), { ...type, 'x-guid': 'team-h' })
  await post(port, '/t/team-p/api/traces', batch('path', tags), { ...type, 'x-guid': 'team-h' })
  assert.deepEqual([guidsOf('tag'), guidsOf('header'), guidsOf('path')], [['box-7'], ['team-h'], ['team-p']])
})

test('the rule `attribute: hostname` finds the tag that OTLP calls host.name', async () => {
  const config = configWith()
  const from = [{ kind: 'attribute' as const, name: 'hostname', match: /^(box-\d+)\./ }]
  const { jaeger } = config.receivers
  const own = await GatewayFixture.start({
    ...config,
    receivers: { ...config.receivers, jaeger: { ...jaeger, guid: { ...jaeger.guid, from } } },
  })
  try {
    const tags = { hostname: 'box-8.example.com' }
    const { status } = await post(own.portOf('jaegerHttp'), '/api/traces', batch('own', tags), type)
    assert.equal(status, 202)
    const [item] = itemsOfRecord(own.bus.stored[0]!)
    assert.deepEqual(item?.resource.get('guid'), ['box-8'])
    assert.deepEqual(item?.resource.get('host.name'), ['box-8.example.com'])
  } finally {
    await own.close()
  }
})

test('a forged guid does not reach the bus', async () => {
  await post(port, '/api/traces', batch('forged', { guid: 'team-forged', hostname: 'box-9' }), {
    ...type,
    'x-guid': 'team-a',
  })
  const record = fixture.bus.stored.find((each) => itemsOfRecord(each).some(({ id }) => id === 'forged'))!
  assert.deepEqual(itemsOfRecord(record)[0]!.resource.get('guid'), ['team-a'])
})

test('while the bus is away a sender is told to wait', async () => {
  fixture.bus.isUp = false
  try {
    const { status, headers } = await post(port, '/api/traces', batch('away'), type)
    assert.deepEqual([status, headers.get('retry-after')], [503, '1'])
  } finally {
    fixture.bus.isUp = true
  }
})

test('the port for every protocol takes it too', async () => {
  const { status } = await post(fixture.port, '/api/traces', batch('everywhere'), type)
  assert.equal(status, 202)
  assert.deepEqual(guidsOf('everywhere'), ['unassigned'])
})

test('the books are even', async () => {
  assertLedger(await fixture.samples())
  assert.deepEqual(fixture.failures, [])
})
