/** As many datagrams as a client can send at once, into the whole program: each is a span on the bus, or the system's loss and counted. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { after, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { idAttribute, itemsOfRecord } from '../support/otlp-items.ts'
import { Running } from '../support/running.ts'
import { spanPort } from '../support/span-program.ts'
import { agentMessage } from '../support/span-thrift.ts'
import { until } from '../support/until.ts'

const COUNT = 10_000
/** Handed to the system in one turn. */
const TURN = 500
/** So that all of them together may wait in the port's queue. */
const padding = 'x'.repeat(1_200)
const running = await Running.start({ after })
const message = (id: string): Buffer =>
  agentMessage('compact', { serviceName: 'cart', tags: { hostname: 'box-1' } }, [
    { operationName: 'work', tags: { [idAttribute]: id, padding } },
  ])

test('a burst of 10,000 datagrams: none is lost in the program, none comes twice', async (context) => {
  const ids = Array.from({ length: COUNT }, (_, index) => `burst ${index}`)
  const messages = ids.map(message)
  const socket = createSocket('udp4')
  const failed: Error[] = []
  socket.connect(spanPort(running, 'jaegerCompact'), '127.0.0.1')
  await once(socket, 'connect')
  const startedMs = performance.now()
  for (let at = 0; at < COUNT; at += TURN) {
    for (const datagram of messages.slice(at, at + TURN)) {
      socket.send(datagram, (error) => error !== null && failed.push(error))
    }
    await turn()
  }
  const ms = performance.now() - startedMs
  const published = (): Promise<number> =>
    running.counter('guidepost_published_items_total', { receiver: 'jaeger' })
  const lost = (reason?: string): Promise<number> =>
    running.counter('guidepost_refused_requests_total', {
      receiver: 'jaeger_compact',
      ...(reason && { reason }),
    })
  await until(
    'each is published or counted',
    60_000,
    async () => (await published()) + (await lost()) >= COUNT,
  )
  socket.close()
  assert.deepEqual(failed, [])
  const bySystem = await lost('kernel')
  context.diagnostic(`sent in ${ms.toFixed(0)} ms; the system lost ${bySystem}`)
  assert.equal(await lost(), bySystem, 'nothing else is lost')
  const records = (await running.records()).filter(({ topic }) => topic === 'otlp_spans')
  const stored = records.flatMap((record) => itemsOfRecord(record).map(({ id }) => id))
  assert.equal(stored.length, COUNT - bySystem)
  assert.equal(new Set(stored).size, stored.length, 'none comes twice')
  const sent = new Set(ids)
  assert.deepEqual(
    stored.filter((id) => !sent.has(id)),
    [],
  )
  await running.assertWell()
})
