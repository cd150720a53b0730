/** What the log and the counters say of requests that were refused, and what senders are told of a fault of ours. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { after, afterEach, beforeEach, test } from 'node:test'
import { protoSpan } from '../support/bad-spans-forgeries.ts'
import { sumOf } from '../support/exposition.ts'
import { configWith, GatewayFixture } from '../support/gateway-fixture.ts'
import { encodeOtlp } from '../support/otlp-items.ts'
import { framed, RawGrpc } from '../support/otlp-raw-grpc.ts'
import { callUnary, closeGrpcClients, exportRequest, grpcPath } from '../support/otlp-send.ts'
import { field } from '../support/otlp-wire.ts'
import { contentV2, messageV1, messageV2, post, series, snappy } from '../support/senders.ts'
import { postSpans } from '../support/span-send.ts'
import { until } from '../support/until.ts'

const WAIT_MS = 20_000
const postSpansPath = '/jaeger.api_v2.CollectorService/PostSpans'
const garbage = Buffer.from('no message of any kind')
const traces = encodeOtlp('traces', exportRequest('traces', { attributes: { guid: 'a' }, ids: ['1'] }))

let fixture: GatewayFixture
beforeEach(async () => {
  fixture = await GatewayFixture.start(configWith(), { udp: true })
})
afterEach(() => fixture.close())
after(closeGrpcClients)

const http = (path: string, contentType: string) => async (): Promise<void> => {
  await post(fixture.port, garbage, { path, headers: { 'content-type': contentType } })
}
const grpc = (listener: 'otlpGrpc' | 'jaegerGrpc', path: string) => async (): Promise<void> => {
  await callUnary(fixture.portOf(listener), path, garbage)
}

const bad: Readonly<Record<string, readonly [key: string, send: () => Promise<void>]>> = {
  'remote write': ['remote_write body_malformed', async () => void (await post(fixture.port, garbage))],
  'remote write, of another type': ['remote_write content_type', http('/write', 'text/html')],
  'remote write, one bad series': [
    'remote_write items',
    async () =>
      void (await post(
        fixture.port,
        snappy(messageV1(series('b', '1'), { z: '1', a: '2' }, { a: '', '': 'x' })),
      )),
  ],
  'OTLP over HTTP': ['otlp body_malformed', http('/v1/traces', 'application/x-protobuf')],
  'OTLP over HTTP, of another type': ['otlp content_type', http('/v1/logs', 'text/html')],
  'OTLP over gRPC': ['otlp body_malformed', grpc('otlpGrpc', grpcPath('traces'))],
  'Thrift over HTTP': ['jaeger body_malformed', http('/api/traces', 'application/x-thrift')],
  'Jaeger over gRPC': ['jaeger body_malformed', grpc('jaegerGrpc', postSpansPath)],
  Zipkin: ['zipkin body_malformed', http('/api/v2/spans', 'application/json')],
  'sampling strategies': [
    'jaeger_sampling query',
    async () => {
      const answer = await fetch(`http://127.0.0.1:${fixture.portOf('jaegerSampling')}/sampling`)
      await answer.arrayBuffer()
    },
  ],
}

test('each refusal in the log has its sender’s address; lines are throttled by receiver and reason alone', async () => {
  for (const [name, [key, send]] of Object.entries(bad)) {
    fixture.told.length = 0
    await send()
    assert.deepEqual(
      fixture.told.map((line) => [line.key, (line.fields as { readonly peer?: string }).peer]),
      [[key, '127.0.0.1']],
      name,
    )
  }
})

test('a datagram has an address in the log where the rules look at addresses, and none that is made up elsewhere', async () => {
  const refusedDatagram = async (): Promise<object> => {
    fixture.told.length = 0
    const socket = createSocket('udp4')
    socket.send(garbage, fixture.portOf('jaegerCompact'), '127.0.0.1')
    await until('it is refused', WAIT_MS, () => fixture.told.length === 1)
    socket.close()
    return fixture.told[0]!.fields
  }
  const receiver = { receiver: 'jaeger', code: 'GP_BODY_MALFORMED' }
  const { peer = '127.0.0.1', ...fields } = (await refusedDatagram()) as { readonly peer?: string }
  assert.deepEqual([peer, fields], ['127.0.0.1', receiver])
})

test('spans that stay Jaeger’s: a process that is repeated too often is refused by its own bound', async () => {
  const kept = await GatewayFixture.start(configWith({ GUIDEPOST_RECEIVERS_JAEGER_ENCODING: 'jaeger_proto' }))
  try {
    const process = field(2, field(1, 'x'.repeat(100_000)))
    const message = field(
      1,
      Buffer.concat([...Array.from({ length: 200 }, (_, i) => protoSpan(`${i}`)), process]),
    )
    const { code, details } = await callUnary(kept.portOf('jaegerGrpc'), postSpansPath, message)
    assert.equal(code, 8)
    assert.match(details, /^GP_BODY_TOO_LARGE: the request becomes more than 64 times its own bytes \(/)
    assert.deepEqual(
      kept.told.map(({ message: line }) => `GP_BODY_TOO_LARGE: ${line}`),
      [details],
    )
  } finally {
    await kept.close()
  }
})

test('remote write: a fault of the gateway is 503, as for all others, and in the log with its cause', async () => {
  const fault = new Error('made by the test')
  fixture.batcher.submit = () => {
    throw fault
  }
  for (const [version, body, options] of [
    ['1.0', snappy(messageV1(series('a', '1'))), {}],
    ['2.0', snappy(messageV2(series('a', '1'))), { headers: contentV2 }],
  ] as const) {
    const reply = await post(fixture.port, body, options)
    assert.equal(reply.status, 503, version)
    assert.match(reply.text, /^GP_INTERNAL: /)
    assert.equal(reply.headers['retry-after'], '1')
    if (version === '2.0')
      assert.equal(reply.headers['x-prometheus-remote-write-samples-written'], '0', 'nothing is durable')
  }
  assert.deepEqual(fixture.failures, [fault, fault])
  const samples = await fixture.samples()
  const labels = { receiver: 'remote_write', reason: 'internal' }
  assert.equal(sumOf(samples, 'guidepost_refused_requests_total', labels), 2)
  const answered = { receiver: 'remote_write', code: '503' }
  assert.equal(sumOf(samples, 'guidepost_request_duration_seconds_count', answered), 2)
  assert.equal(fixture.budget.bytes, 0, 'what was read is given back')
})

test("a call whose deadline passes while the bus is at work counts as DEADLINE_EXCEEDED, whoever's clock says so", async () => {
  const { promise, resolve } = Promise.withResolvers<'stored'>()
  fixture.bus.fate = () => promise
  const cases = [
    ['otlpGrpc', grpcPath('traces'), traces, 'otlp'],
    ['jaegerGrpc', postSpansPath, postSpans([{ guid: 'a', id: '1' }]), 'jaeger'],
  ] as const
  for (const [listener, path, message] of cases) {
    const raw = await RawGrpc.connect(fixture.portOf(listener))
    const call = raw.open(path, { 'grpc-timeout': '300m' })
    const ended = new Promise<string>((settle) => {
      call.on('response', (headers) => settle(String(headers['grpc-status'])))
    })
    call.end(framed(message))
    assert.equal(await ended, '4')
    raw.session.destroy()
  }
  resolve('stored')
  const countOf = async (receiver: string, code: string): Promise<number> =>
    sumOf(await fixture.samples(), 'guidepost_request_duration_seconds_count', { receiver, code })
  for (const [, , , receiver] of cases) {
    await until('it is counted', WAIT_MS, async () => (await countOf(receiver, '4')) === 1)
    assert.equal(await countOf(receiver, '0'), 0)
  }
})
