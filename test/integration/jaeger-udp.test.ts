/** The Jaeger agent's ports: what datagrams become, and what is counted of those that become nothing. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { GatewayFixture } from '../support/gateway-fixture.ts'
import { assertLedger } from '../support/ledger.ts'
import { idAttribute, itemsOfRecord } from '../support/otlp-items.ts'
import { agentMessage, type ThriftProtocol } from '../support/span-thrift.ts'
import { until } from '../support/until.ts'

const WAIT_MS = 10_000
const fixture = await GatewayFixture.start(undefined, { udp: true })
const socket = createSocket('udp4')
after(async () => {
  socket.close()
  await fixture.close()
})

const ports = {
  compact: fixture.portOf('jaegerCompact'),
  binary: fixture.portOf('jaegerBinary'),
  zipkin: fixture.portOf('zipkinCompact'),
} as const

function send(port: number, datagram: Buffer): Promise<unknown> {
  return promisify<Buffer, number, string, number>((bytes, to, host, done) =>
    socket.send(bytes, to, host, (error, sent) => done(error, sent)),
  )(datagram, port, '127.0.0.1')
}

function message(protocol: ThriftProtocol, id: string, hostname = 'box-1'): Buffer {
  return agentMessage(protocol, { serviceName: 'cart', tags: { hostname } }, [
    { operationName: 'work', tags: { [idAttribute]: id } },
  ])
}

const idsOnBus = () => fixture.bus.stored.flatMap((record) => itemsOfRecord(record).map(({ id }) => id))

async function refusedOf(listener: string): Promise<Record<string, number>> {
  const samples = (await fixture.samples()).filter(
    ({ name, labels }) => name === 'guidepost_refused_requests_total' && labels['receiver'] === listener,
  )
  return Object.fromEntries(samples.map(({ labels, value }) => [labels['reason'] ?? '', value]))
}

test('datagrams of both protocols become spans with the guid of their host', async () => {
  await send(ports.compact, message('compact', 'c1', 'box-c'))
  await send(ports.binary, message('binary', 'b1', 'box-b'))
  await until('both are on the bus', WAIT_MS, () => ['c1', 'b1'].every((id) => idsOnBus().includes(id)))
  const guids = new Set(fixture.bus.stored.map(({ guid }) => guid))
  assert.deepEqual(guids, new Set(['box-b', 'box-c']))
})

test('the port for Zipkin takes what the compact port takes', async () => {
  await send(ports.zipkin, message('compact', 'z1'))
  await until('it is on the bus', WAIT_MS, () => idsOnBus().includes('z1'))
})

test('garbage, a single byte, an unknown method: counted by reason, and the next datagram is taken', async () => {
  const unknown = Buffer.from(message('binary', 'never'))
  unknown.write('emitBogus', unknown.indexOf('emitBatch'))
  await send(ports.binary, Buffer.from([7]))
  await send(ports.binary, Buffer.alloc(300, 0xa5))
  await send(ports.binary, message('compact', 'never'))
  await send(ports.binary, unknown)
  await send(ports.binary, message('binary', 'after garbage'))
  await until('the good one is on the bus', WAIT_MS, () => idsOnBus().includes('after garbage'))
  assert.deepEqual(await refusedOf('jaeger'), { body_malformed: 4 })
  assert.ok(!idsOnBus().includes('never'))
})

test('while the bus is away datagrams wait, and are taken when it is back', async () => {
  fixture.bus.isUp = false
  for (let i = 0; i < 50; i++) await send(ports.compact, message('compact', `waits ${i}`))
  assert.equal(idsOnBus().filter((id) => id.startsWith('waits')).length, 0)
  fixture.bus.isUp = true
  await until(
    'all are on the bus',
    WAIT_MS,
    () => idsOnBus().filter((id) => id.startsWith('waits')).length === 50,
  )
})

test('the books are even', async () => {
  assertLedger(await fixture.samples())
  assert.deepEqual(fixture.failures, [])
  assert.equal(fixture.budget.bytes, 0)
})
