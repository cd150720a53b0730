/** A reload that makes the sender's address decide, while datagrams wait that were read without one. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import type { Config } from '../../src/config/config.ts'
import { configWith, GatewayFixture } from '../support/gateway-fixture.ts'
import { idAttribute, itemsOfRecord } from '../support/otlp-items.ts'
import { agentMessage } from '../support/span-thrift.ts'
import { until } from '../support/until.ts'

const WAIT_MS = 15_000
/** More than the reader takes with an address before it reads the rest of a burst without. */
const BURST = 200

function fromPeer(config: Config): Config {
  const table = [
    { cidr: '127.0.0.0/8', guid: 'by-address' },
    { cidr: '0.0.0.0/0', guid: 'somebody-else' },
  ]
  const jaeger = { ...config.receivers.jaeger }
  const guid = { ...jaeger.guid, from: [{ kind: 'peer' as const, table }] }
  return { ...config, receivers: { ...config.receivers, jaeger: { ...jaeger, guid } } }
}

function message(id: string): Buffer {
  const span = { operationName: 'work', tags: { [idAttribute]: id } }
  return agentMessage('compact', { serviceName: 'cart', tags: { hostname: 'by-tag' } }, [span])
}

test('datagrams without an address keep the rules of before; none is taken for one from 0.0.0.0', async () => {
  const config = configWith()
  const fixture = await GatewayFixture.start(config, { udp: true })
  const socket = createSocket({ type: 'udp4', sendBufferSize: 2 ** 20 })
  const stored = () =>
    fixture.bus.stored.flatMap((record) => itemsOfRecord(record).map(({ id }) => ({ id, guid: record.guid })))
  try {
    const port = fixture.portOf('jaegerCompact')
    // A connected socket sends at once.
    socket.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    fixture.bus.isUp = false
    let sent = 0
    for (let i = 1; i <= BURST; i++)
      socket.send(message(i < BURST ? `waits ${i}` : 'waits last'), () => sent++)
    await until('all have left', WAIT_MS, () => sent === BURST)
    fixture.reload(fromPeer(config))
    fixture.bus.isUp = true
    await until('the burst is on the bus', WAIT_MS, () => stored().some(({ id }) => id === 'waits last'))
    const guids = new Set(stored().map(({ guid }) => guid))
    assert.ok(guids.has('by-tag'), 'some were read without an address')
    assert.ok(!guids.has('somebody-else'))
    socket.send(message('after'))
    await until('the next one is on the bus', WAIT_MS, () => stored().some(({ id }) => id === 'after'))
    assert.equal(stored().find(({ id }) => id === 'after')?.guid, 'by-address')
  } finally {
    socket.close()
    await once(socket, 'close')
    await fixture.close()
  }
})
