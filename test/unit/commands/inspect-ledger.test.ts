import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { cli } from '../../../src/commands/cli.ts'
import type { Account } from '../../../src/telemetry/ledger.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { type FakeIo, fakeIo } from './fake-io.ts'

interface Gateway {
  readonly url: string
  /** What happens just before the second reading. */
  meanwhile: () => void
  inflightBytes: number
  account(receiver: string, guid: string): Account
}

async function listen(
  t: TestContext,
  answer: () => Promise<{ readonly status: number; readonly text: string }>,
): Promise<string> {
  const server = createServer((request, response) => {
    void answer().then(({ status, text }) => {
      response.writeHead(request.url === '/metrics' ? status : 404).end(text)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => once(server.close(), 'close'))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function gateway(t: TestContext): Promise<Gateway> {
  const metrics = new Metrics({ guidsMax: 10, runtime: false })
  let readings = 0
  const url = await listen(t, async () => {
    if (++readings === 2) served.meanwhile()
    return { status: 200, text: await metrics.registry.metrics() }
  })
  const served: Gateway = {
    url,
    meanwhile: () => undefined,
    inflightBytes: 0,
    account: (receiver, guid) => metrics.ledger.account(receiver, 'traces', guid),
  }
  metrics.setInflightBytes(() => served.inflightBytes)
  return served
}

async function inspectLedger(...argv: string[]): Promise<{ code: number; io: FakeIo }> {
  const io = fakeIo()
  return { code: await cli(['inspect', '--ledger', ...argv], io, { run: async () => 9 }), io }
}

test('even books are a row for each receiver, signal and guid, and exit 0', async (t) => {
  const served = await gateway(t)
  const shop = served.account('otlp', 'shop')
  shop.received.value = 20
  shop.published.value = 9
  shop.spooled.value = 4
  shop.deadLettered.value = 2
  shop.rejected('bus_unavailable').value = 3
  shop.rejected('guid_conflict').value = 2
  served.account('zipkin', '').received.value = 1
  served.account('zipkin', '').rejected('guid_missing').value = 1
  const { code, io } = await inspectLedger(served.url)
  assert.equal(io.stderr.text, '')
  assert.equal(code, 0)
  assert.match(
    io.stdout.text,
    /^otlp +traces +shop +20 +9 +4 +5 +2 +0 +even +bus_unavailable 3, guid_conflict 2$/m,
  )
  assert.match(io.stdout.text, /^zipkin +traces +\(none\) +1 +0 +0 +1 +0 +0 +even +guid_missing 1$/m)
  assert.match(io.stdout.text, /^The books are even\.$/m)
})

test('what is missing with nothing in flight is uneven: exit 1', async (t) => {
  const served = await gateway(t)
  const { received, published } = served.account('otlp', 'shop')
  received.value = 20
  published.value = 19
  const { code, io } = await inspectLedger(served.url)
  assert.equal(code, 1)
  assert.match(io.stdout.text, /^otlp +traces +shop +20 +19 +0 +0 +0 +1 +uneven$/m)
  assert.match(io.stdout.text, /^The books are not even: 1 of 1 rows/m)
})

test('what is under way on a busy gateway is no fault, and what stands still is told', async (t) => {
  const served = await gateway(t)
  served.inflightBytes = 1_000
  const [moving, still, even] = ['moving', 'still', 'even'].map((guid) => served.account('otlp', guid))
  moving!.received.value = 5
  still!.received.value = 7
  even!.received.value = 1
  served.meanwhile = () => {
    moving!.received.value += 8
    moving!.published.value += 5
    even!.published.value += 1
  }
  const { code, io } = await inspectLedger(served.url, '--json')
  assert.equal(code, 0)
  const { rows, even: isEven, inflightBytes } = JSON.parse(io.stdout.text)
  assert.deepEqual([isEven, inflightBytes], [true, 1_000])
  const states = rows.map((row: { guid: string; state: string; difference: number }) => [
    row.guid,
    row.state,
    row.difference,
  ])
  assert.deepEqual(states, [
    ['moving', 'under way', 8],
    ['still', 'under way', 7],
    ['even', 'even', 0],
  ])
  const { io: table } = await inspectLedger(served.url)
  assert.match(table.stdout.text, /even but for what is under way, in 2 of 3 rows\. Of these 2 did not move/)
})

test('more going out than came in is a fault, in flight or not', async (t) => {
  const served = await gateway(t)
  served.inflightBytes = 1_000
  served.account('otlp', 'shop').received.value = 1
  served.account('otlp', 'shop').published.value = 2
  assert.equal((await inspectLedger(served.url)).code, 1)
})

test('a gateway that has received nothing says so', async (t) => {
  const { code, io } = await inspectLedger((await gateway(t)).url)
  assert.equal(code, 0)
  assert.match(io.stdout.text, /nothing was received yet/)
})

test('what is no admin port is one clear line and exit 1', async (t) => {
  const gone = createServer().listen(0, '127.0.0.1')
  await once(gone, 'listening')
  const { port } = gone.address() as AddressInfo
  await once(gone.close(), 'close')
  const other = await listen(t, () => Promise.resolve({ status: 200, text: 'go_goroutines 7\n' }))
  const broken = await listen(t, () => Promise.resolve({ status: 500, text: 'no' }))
  const cases: readonly (readonly [string, RegExp])[] = [
    [
      'localhost',
      /--ledger takes the URL of the admin port, such as http:\/\/127\.0\.0\.1:10001, and not loc/,
    ],
    ['127.0.0.1:10001', /--ledger takes the URL/],
    ['file:///etc/passwd', /--ledger takes the URL/],
    [`http://127.0.0.1:${port}`, /cannot be read: nothing listens there \(ECONNREFUSED\)/],
    [other, /shows no metrics of guidepost; is it the admin port\?/],
    [broken, /answers 500; is it the admin port\?/],
    [`${broken}/nowhere`, /nowhere answers 404; is it/],
  ]
  for (const [url, expected] of cases) {
    const { code, io } = await inspectLedger(url)
    assert.equal(code, 1, url)
    assert.equal(io.stdout.text, '')
    assert.match(io.stderr.text, expected)
    assert.equal(io.stderr.lines.length, 1)
  }
  const { code, io } = await inspectLedger('a', 'b')
  assert.equal(code, 2)
  assert.match(io.stderr.text, /does not take b/)
  assert.equal((await inspectLedger('--repair')).code, 2)
})
