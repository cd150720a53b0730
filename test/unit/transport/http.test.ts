import assert from 'node:assert/strict'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { Agent } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import test from 'node:test'
import { permanent } from '../../../src/errors.ts'
import { HttpListener, type HttpListenerOptions, type HttpRequest } from '../../../src/transport/http.ts'
import { post, RawSender } from '../../support/senders.ts'
import { until } from '../../support/until.ts'

interface Listening {
  readonly listener: HttpListener
  readonly port: number
  readonly refused: string[]
  readonly failed: unknown[]
}

async function listen(
  handle: (request: HttpRequest) => Promise<string>,
  options: Partial<HttpListenerOptions> = {},
): Promise<Listening> {
  const refused: string[] = []
  const failed: unknown[] = []
  const listener = new HttpListener({
    host: '127.0.0.1',
    port: 0,
    guid: 'of-the-listener',
    connections: 100,
    requestMs: 5000,
    routes: [
      {
        path: '/in',
        handle: async (request) => {
          const body = await handle(request)
          request.raw.resume()
          return { status: 200, headers: {}, body }
        },
      },
    ],
    refused: (reason) => refused.push(reason),
    failed: (error) => failed.push(error),
    ...options,
  })
  return { listener, port: await listener.listen(), refused, failed }
}

const nothing = Buffer.alloc(0)

test('a route sees its path guid, its listener guid, its peer, and a number for each connection', async () => {
  const { listener, port } = await listen(async ({ pathGuid, listenerGuid, peer, connection }) =>
    JSON.stringify({ pathGuid, listenerGuid, peer, connection }),
  )
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const seen = async (path: string, shared?: Agent): Promise<Record<string, unknown>> =>
    JSON.parse((await post(port, nothing, shared ? { path, agent: shared } : { path })).text)
  const first = await seen('/in', agent)
  assert.deepEqual(first, {
    listenerGuid: 'of-the-listener',
    peer: '127.0.0.1',
    connection: first['connection'],
  })
  const second = await seen('/t/team-a/in', agent)
  assert.equal(second['pathGuid'], 'team-a')
  assert.equal(second['connection'], first['connection'], 'the same connection')
  assert.notEqual((await seen('/in'))['connection'], first['connection'], 'another one')
  agent.destroy()
  await listener.drain()
})

test('what breaks inside is told to the operator, and to the sender only that it did', async () => {
  const fault = new Error('secret detail')
  const { listener, port, failed } = await listen(() => Promise.reject(fault))
  const reply = await post(port, nothing, { path: '/in' })
  assert.deepEqual([reply.status, reply.text], [500, 'GP_INTERNAL: the gateway failed; see its log\n'])
  assert.deepEqual(failed, [fault])
  await listener.drain()

  const coded = await listen(() => Promise.reject(permanent('GP_GUID_HEADER', 'several')))
  assert.equal((await post(coded.port, nothing, { path: '/in' })).status, 400)
  assert.deepEqual(coded.failed, [])
  await coded.listener.drain()
})

test('localhost is served on each of its addresses, and all of them are drained', async () => {
  const { listener, port } = await listen(async () => 'here', { host: 'localhost' })
  for (const { address } of await lookup('localhost', { all: true })) {
    const host = address.includes(':') ? `[${address}]` : address
    const answer = await fetch(`http://${host}:${port}/in`, { method: 'POST' })
    assert.deepEqual([address, await answer.text()], [address, 'here'])
  }
  listener.reload({ connections: 10, requestMs: 1000 })
  await listener.drain()
  await assert.rejects(post(port, nothing, { path: '/in' }), /ECONNREFUSED/)
})

test('a drain waits for what is under way, refuses what comes behind it, and drops idle connections', async () => {
  const { promise: answer, resolve } = Promise.withResolvers<string>()
  let isUnderWay = false
  const { listener, port, refused } = await listen(() => {
    isUnderWay = true
    return answer
  })
  const request = 'POST /in HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n'
  const busy = await RawSender.connect(port)
  const idle = await RawSender.connect(port)
  busy.write(request)
  await until('the request is under way', 5000, () => isUnderWay)
  let isDrained = false
  const drained = listener.drain().then(() => {
    isDrained = true
  })
  await until('the idle one is dropped', 5000, () => idle.isClosed)
  busy.write(request)
  await until('the second one is refused', 5000, () => refused.includes('draining'))
  assert.equal(isDrained, false)
  resolve('done')
  await until('the first one is answered', 5000, () => busy.statuses.length > 0)
  assert.equal(busy.statuses[0], 200)
  assert.match(busy.received, /connection: close/i)
  busy.close()
  idle.close()
  await drained
})

test('requestMs below the default of the headers is possible, at start and by reload', async () => {
  const { listener, port } = await listen(async () => 'here', { requestMs: 100 })
  listener.reload({ connections: 10, requestMs: 200 })
  assert.equal((await post(port, nothing, { path: '/in' })).status, 200)
  await listener.drain()
})

test('a port that is taken and a host that is foreign are named', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  await assert.rejects(
    listen(async () => '', { port }),
    { code: 'GP_PORT_TAKEN' },
  )
  await assert.rejects(
    listen(async () => '', { host: '192.0.2.1' }),
    { code: 'GP_CONFIG' },
  )
  taken.close()
})
