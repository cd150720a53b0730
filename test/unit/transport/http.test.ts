import assert from 'node:assert/strict'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { Agent } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import test from 'node:test'
import { permanent, retryable } from '../../../src/errors.ts'
import { Budget } from '../../../src/route/budget.ts'
import { Shares } from '../../../src/route/shares.ts'
import type { Answer } from '../../../src/transport/answer.ts'
import { type CorsPolicy, corsPolicy } from '../../../src/transport/cors.ts'
import { HttpListener, type HttpListenerOptions, type HttpRequest } from '../../../src/transport/http.ts'
import { type PostOptions, post, RawSender } from '../../support/senders.ts'
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
    block: 'listeners.http',
    host: '127.0.0.1',
    port: 0,
    guid: 'of-the-listener',
    connections: 100,
    requestMs: 5000,
    shares: new Shares(new Budget(2 ** 20)),
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

test('answers carry their type and length; 204 has neither', async () => {
  const answers: Record<string, Answer> = {
    '/bytes': {
      status: 200,
      headers: {},
      body: Buffer.of(0x0a, 0xff, 0),
      contentType: 'application/x-protobuf',
    },
    '/empty': {
      status: 200,
      headers: { 'x-a': 'b' },
      body: Buffer.alloc(0),
      contentType: 'application/x-protobuf',
    },
    '/text': { status: 400, headers: {}, body: 'größer\n' },
    '/bare': { status: 200, headers: {}, body: '' },
    '/none': { status: 204, headers: {}, body: '' },
  }
  const { listener, port } = await listen(async () => '', {
    routes: Object.entries(answers).map(([path, answer]) => ({ path, handle: async () => answer })),
  })
  const expected: Record<string, (string | undefined)[]> = {
    '/bytes': ['3', 'application/x-protobuf'],
    '/empty': ['0', 'application/x-protobuf'],
    '/text': ['9', 'text/plain; charset=utf-8'],
    '/bare': ['0', undefined],
    '/none': [undefined, undefined],
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  for (const [path, answer] of Object.entries(answers)) {
    const reply = await post(port, nothing, { path, agent })
    const { 'content-length': length, 'content-type': type, 'transfer-encoding': chunked } = reply.headers
    assert.deepEqual([path, reply.status, length, type], [path, answer.status, ...expected[path]!])
    assert.equal(chunked, undefined)
    assert.equal(reply.text, answer.body.toString())
    // Unread: the answer goes out whole, and the connection ends.
    const sender = await RawSender.connect(port)
    sender.write(`POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n`, Buffer.alloc(1000))
    await until('it is answered', 5000, () => sender.received.includes('\r\n\r\n'))
    assert.match(sender.received, /connection: close\r\n/i)
    const bytes = sender.received.split('\r\n\r\n')[1]
    assert.equal(bytes, Buffer.from(answer.body).toString('latin1'))
    sender.close()
  }
  agent.destroy()
  await listener.drain()
})

test('a route gives all values of a header, by its name in lower case, and none that was not sent', async () => {
  const names = ['x-guid', 'x-none', 'constructor', '__proto__']
  const { listener, port } = await listen(async (request) =>
    JSON.stringify(names.map((name) => request.header(name))),
  )
  const reply = await post(port, nothing, { path: '/in', headers: { 'X-Guid': ['a', 'b'] } })
  assert.deepEqual(JSON.parse(reply.text), [['a', 'b'], [], [], []])
  await listener.drain()
})

const origin = 'https://app.example.com'
const preflight = {
  method: 'OPTIONS',
  path: '/in',
  headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-guid' },
}

test('a preflight is answered, all answers of the route are allowed, and a reload changes it', async () => {
  let cors: CorsPolicy | undefined
  const { listener, port, refused } = await listen(async () => 'done', {
    routes: [
      {
        path: '/in',
        cors: () => cors,
        handle: async ({ raw }) =>
          raw.headers['x-fail'] === undefined
            ? { status: 200, headers: {}, body: 'done' }
            : Promise.reject(retryable('GP_BUS_UNAVAILABLE', 'no')),
      },
      { path: '/plain', handle: async () => ({ status: 200, headers: {}, body: '' }) },
    ],
  })
  assert.equal((await post(port, nothing, preflight)).status, 405)
  cors = corsPolicy({ origins: [origin], headers: ['content-type', 'x-guid'], maxAgeSeconds: 600 })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  for (const path of ['/in', '/t/team-a/in']) {
    const { status, headers, text } = await post(port, nothing, { ...preflight, path, agent })
    assert.deepEqual([status, text], [204, ''])
    assert.equal(headers['access-control-allow-origin'], origin)
    assert.equal(headers['access-control-allow-methods'], 'POST')
    assert.equal(headers['access-control-allow-headers'], 'content-type, x-guid')
    assert.equal(headers['access-control-max-age'], '600')
    assert.equal(headers['vary'], 'Origin')
    assert.notEqual(headers['connection'], 'close')
  }
  agent.destroy()
  const allowed = async (options: PostOptions): Promise<[number, string | undefined]> => {
    const { status, headers } = await post(port, nothing, { path: '/in', ...options })
    return [status, headers['access-control-allow-origin']]
  }
  assert.deepEqual(await allowed({ headers: { origin } }), [200, origin])
  assert.deepEqual(await allowed({ headers: { origin, 'x-fail': '1' } }), [503, origin])
  assert.deepEqual(await allowed({ headers: { origin }, method: 'GET' }), [405, origin])
  assert.deepEqual(await allowed({ headers: { origin: 'https://evil.test' } }), [200, undefined])
  assert.deepEqual(await allowed({ headers: {} }), [200, undefined])
  assert.deepEqual(await allowed({ headers: { origin }, path: '/plain' }), [200, undefined])
  const other = { ...preflight, headers: { ...preflight.headers, origin: 'https://evil.test' } }
  assert.deepEqual(await allowed(other), [405, undefined])
  assert.deepEqual(await allowed({ ...preflight, path: '/plain' }), [405, undefined])
  assert.equal((await post(port, nothing, other)).headers['allow'], 'POST, OPTIONS')
  assert.deepEqual(refused, Array(refused.length).fill('method'), 'a preflight is no refusal')
  await listener.drain()
})

test('what a drain waits for is answered for its origin too', async () => {
  const { promise: answer, resolve } = Promise.withResolvers<Answer>()
  let isUnderWay = false
  const cors = corsPolicy({ origins: [origin], headers: [], maxAgeSeconds: 1 })
  const handle = (): Promise<Answer> => {
    isUnderWay = true
    return answer
  }
  const { listener, port } = await listen(async () => '', {
    routes: [{ path: '/in', cors: () => cors, handle }],
  })
  const sender = await RawSender.connect(port)
  sender.write(`POST /in HTTP/1.1\r\nhost: a\r\norigin: ${origin}\r\ncontent-length: 0\r\n\r\n`)
  await until('the request is under way', 5000, () => isUnderWay)
  const drained = listener.drain()
  resolve({ status: 204, headers: {}, body: '' })
  await until('it is answered', 5000, () => sender.statuses.length > 0)
  assert.equal(sender.statuses[0], 204)
  assert.match(sender.received, new RegExp(`access-control-allow-origin: ${origin}`))
  sender.close()
  await drained
})

test('a request without a body is refused without losing its connection', async () => {
  const { listener, port } = await listen(async () => '')
  const sender = await RawSender.connect(port)
  sender.write('GET /none HTTP/1.1\r\nhost: a\r\n\r\n')
  await until('the first answer', 5000, () => sender.statuses.length === 1)
  sender.write('GET /in HTTP/1.1\r\nhost: a\r\n\r\n')
  await until('the second answer', 5000, () => sender.statuses.length === 2)
  assert.deepEqual(sender.statuses, [404, 405])
  sender.close()
  await listener.drain()
})

test('the block of the configuration is named when a port cannot be had', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  await assert.rejects(
    listen(async () => '', { port, block: 'listeners.otlpHttp' }),
    /move listeners\.otlpHttp\.port/,
  )
  taken.close()
})
