/** Senders that are slow, broken off, idle, many, or that speak HTTP in unusual ways. */
import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import test, { after, afterEach } from 'node:test'
import { Running } from '../support/running.ts'
import {
  contentV1,
  contentV2,
  head,
  messageV1,
  messageV2,
  post,
  RawSender,
  series,
  snappy,
} from '../support/senders.ts'
import { until } from '../support/until.ts'

const requestMs = 1500
const running = await Running.start(
  {
    after,
  },
  {
    env: {
      GUIDEPOST_LIMITS_REQUEST_MS: String(requestMs),
      GUIDEPOST_LIMITS_BODY_BYTES: '1MiB',
      GUIDEPOST_LIMITS_INFLATED_BYTES: '2MiB',
      GUIDEPOST_LIMITS_CONNECTIONS: '1200',
    },
  },
)
const body = snappy(messageV1(series('team-a', 'plain')))
const senders: RawSender[] = []

async function connect(): Promise<RawSender> {
  const sender = await RawSender.connect(running.port)
  senders.push(sender)
  return sender
}

afterEach(() => {
  for (const sender of senders.splice(0)) sender.close()
})

async function answered(sender: RawSender, count = 1): Promise<number[]> {
  await until(`${count} answers`, 10_000, () => sender.statuses.length >= count)
  return sender.statuses
}

test('a sender that is slow in its headers or its body is told to try again, and is cut off', async () => {
  const timeouts = await running.refused('timeout')
  const incomplete = await running.refused('body_incomplete')
  const inHead = (await connect()).write('POST /write HTTP/1.1\r\nhost: a\r\n')
  const inBody = (await connect()).write(head({ 'content-length': 1000 }))
  const both = [inHead, inBody]
  const drip = setInterval(() => {
    inHead.write('x')
    inBody.write(Buffer.of(0))
  }, 100)
  try {
    await until('both are cut off', requestMs + 8000, () => both.every((sender) => sender.isClosed))
  } finally {
    clearInterval(drip)
  }
  for (const sender of both) {
    assert.deepEqual(sender.statuses, [503])
    assert.match(sender.received, /retry-after: 1\r\n/i)
    assert.match(sender.received, /connection: close\r\n/i)
    sender.close()
  }
  await until('both are counted', 5000, async () => (await running.refused('body_incomplete')) > incomplete)
  assert.equal(await running.refused('timeout'), timeouts + 1)
  assert.equal(await running.refused('body_incomplete'), incomplete + 1)
  await running.assertWell()
})

test('a half-closed socket gets its answer; one that ends too early is told to try again', async () => {
  const whole = (await connect()).write(head({ 'content-length': body.length }), body)
  whole.socket.end()
  assert.deepEqual(await answered(whole), [204])

  const incomplete = await running.refused('body_incomplete')
  const short = (await connect()).write(head({ 'content-length': body.length + 1 }), body)
  short.socket.end()
  assert.deepEqual(await answered(short), [503])
  const chunked = (await connect()).write(head({ 'transfer-encoding': 'chunked' }), '5\r\nabc')
  chunked.socket.end()
  assert.deepEqual(await answered(chunked), [503])
  const gone = (await connect()).write(head({ 'content-length': body.length + 1 }), body)
  await until(
    'its body is being read',
    5000,
    async () => (await running.counter('guidepost_inflight_bytes')) > 0,
  )
  gone.close()
  await until(
    'all three are counted',
    5000,
    async () => (await running.refused('body_incomplete')) === incomplete + 3,
  )
  for (const sender of [whole, short, chunked]) await until('it is closed', 5000, () => sender.isClosed)
  await running.assertWell()
})

test('1,000 idle connections and 100 half-sent requests do not keep a good sender waiting', async () => {
  const many = await Promise.all(Array.from({ length: 1100 }, connect))
  for (const [i, sender] of many.entries()) {
    if (i < 100) sender.write(head({ 'content-length': body.length }), body.subarray(0, body.length - 1))
  }
  const startedMs = performance.now()
  assert.equal((await post(running.port, body)).status, 204)
  assert.ok(performance.now() - startedMs < 1000)
  // Beyond limits.connections a connection is closed at once, and counted.
  const before = await running.refused('connections')
  const beyond = await Promise.all(Array.from({ length: 200 }, connect))
  await until(
    'those beyond the limit are closed',
    5000,
    () => beyond.filter(({ isClosed }) => isClosed).length >= 90,
  )
  assert.ok((await running.refused('connections')) >= before + 90)
  for (const sender of [...many, ...beyond]) sender.close()
  await until(
    'there is room again',
    5000,
    async () => (await post(running.port, body).catch(() => undefined))?.status === 204,
  )
  await running.assertWell()
})

test('bodies in chunks are taken, malformed chunks are refused', async () => {
  assert.equal((await post(running.port, body, { chunked: true })).status, 204)
  const bytewise = (await connect()).write(head({ 'transfer-encoding': 'chunked' }))
  for (const byte of body) bytewise.write('1\r\n', Buffer.of(byte), '\r\n')
  bytewise.write('0\r\n\r\n')
  assert.deepEqual(await answered(bytewise), [204])
  bytewise.close()
  const broken = (await connect()).write(head({ 'transfer-encoding': 'chunked' }), 'zz\r\n')
  assert.deepEqual(await answered(broken), [400])
  const both = (await connect()).write(
    head({ 'transfer-encoding': 'chunked', 'content-length': 3 }),
    '0\r\n\r\n',
  )
  assert.deepEqual(await answered(both), [400])
  await running.assertWell()
})

test('a body over the limit is refused with an answer that the sender can read, announced or not', async () => {
  const large = Buffer.alloc(8 * 1024 ** 2)
  const before = await running.refused('body_too_large')
  for (const chunked of [false, true]) {
    for (const content of [contentV1, contentV2]) {
      const reply = await post(running.port, large, { chunked, headers: content })
      assert.equal(reply.status, 413)
      assert.match(reply.text, /^GP_BODY_TOO_LARGE: .*1048576 \(limits\.bodyBytes\)/)
      assert.equal(reply.headers['connection'], 'close')
      const written = reply.headers['x-prometheus-remote-write-samples-written']
      assert.equal(written, content === contentV2 ? '0' : undefined)
    }
  }
  // Announced, and never sent: the answer does not wait for it.
  const liar = (await connect()).write(head({ 'content-length': 2 ** 40 }))
  assert.deepEqual(await answered(liar), [413])
  liar.close()
  assert.equal(await running.refused('body_too_large'), before + 5)
  await running.assertWell()
})

test('Expect: 100-continue is answered 100 only when the body is wanted', async () => {
  const wanted = (await connect()).write(head({ 'content-length': body.length, expect: '100-continue' }))
  assert.deepEqual(await answered(wanted), [100])
  wanted.write(body)
  assert.deepEqual(await answered(wanted, 2), [100, 204])
  wanted.close()
  const refused = (await connect()).write(head({ 'content-length': 2e6, expect: '100-continue' }))
  assert.deepEqual(await answered(refused), [413])
  refused.close()
  const unknown = (await connect()).write(head({ 'content-length': 2, expect: 'a-miracle' }))
  assert.deepEqual(await answered(unknown), [417])
  unknown.close()
})

test('a sender that sends on and on without waiting for answers is cut off', async () => {
  const good = Buffer.concat([Buffer.from(head({ 'content-length': body.length })), body])
  const sender = await connect()
  sender.write(Buffer.concat(Array.from({ length: 500 }, () => good)))
  await until('it is cut off', 5000, () => sender.isClosed)
  assert.ok(sender.statuses.length < 500)
  assert.equal(await running.refused('pipelining'), 1)
})

test('pipelined requests are answered in their order, on one connection', async () => {
  const good = Buffer.concat([Buffer.from(head({ 'content-length': body.length })), body])
  const bad = Buffer.from(`${head({ 'content-length': 3 })}bad`)
  const sender = (await connect()).write(Buffer.concat([good, bad, good, good]))
  assert.deepEqual(await answered(sender, 4), [204, 400, 204, 204])
  sender.close()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  let sockets = 0
  const { createConnection } = agent
  agent.createConnection = (...args) => {
    sockets++
    return createConnection.apply(agent, args)
  }
  for (let i = 0; i < 20; i++) {
    const reply = await post(running.port, i % 2 === 0 ? body : Buffer.from('bad'), { agent })
    assert.equal(reply.status, i % 2 === 0 ? 204 : 400)
  }
  assert.equal(sockets, 1, 'a refusal does not end the connection')
  agent.destroy()
})

test('only POST, only the paths that there are', async () => {
  const before = { method: await running.refused('method'), path: await running.refused('path') }
  for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD']) {
    const reply = await post(running.port, Buffer.alloc(0), { method })
    assert.deepEqual([method, reply.status, reply.headers['allow']], [method, 405, 'POST'])
    if (method !== 'HEAD') assert.match(reply.text, /^GP_METHOD: .*POST to \/write/)
  }
  const paths = [
    '/',
    '/writes',
    '/WRITE',
    '/api/v1',
    '//write',
    '/t/write',
    '/t/a/b/write',
    '/write/../x',
    `/${'p'.repeat(9000)}`,
  ]
  for (const path of paths) {
    const reply = await post(running.port, body, { path })
    assert.deepEqual([path, reply.status], [path, 404])
    assert.match(reply.text, /^GP_PATH: nothing is served at .*\/write, \/api\/v1\/write, \/api\/v1\/push/)
    assert.ok(reply.text.length < 500)
  }
  assert.deepEqual(
    { method: await running.refused('method'), path: await running.refused('path') },
    { method: before.method + 6, path: before.path + paths.length },
  )
  for (const path of ['/write', '/write/', '/write?a=b', '/api/v1/write', '/api/v1/push', '/t/a/write']) {
    assert.equal((await post(running.port, body, { path })).status, 204, path)
  }
})

test('the Content-Type alone decides the version, however it is spelled', async () => {
  const v2 = snappy(messageV2(series('team-a', 'typed')))
  const name = 'application/x-protobuf'
  const taken: [string | undefined, Buffer][] = [
    [undefined, body],
    ['', body],
    [name, body],
    ['Application/X-Protobuf', body],
    [`${name};proto=prometheus.WriteRequest`, body],
    [`${name}; charset=utf-8`, body],
    [`${name};`, body],
    [`${name};proto=io.prometheus.write.v2.Request`, v2],
    [`${name} ; proto=io.prometheus.write.v2.Request`, v2],
    [`${name};PROTO="io.prometheus.write.v2.Request"`, v2],
    [`${name}; charset=utf-8; proto = "io.prometheus.write.v2.Request" ; q=1`, v2],
  ]
  const { 'content-type': _, ...untyped } = contentV1
  for (const [type, bytes] of taken) {
    const headers = type === undefined ? untyped : { ...untyped, 'content-type': type }
    const reply = await post(running.port, bytes, { headers })
    assert.deepEqual([type, reply.status, reply.text], [type, 204, ''])
  }
  const before = await running.refused('content_type')
  const refused = [
    'application/json',
    'text/plain',
    'x',
    ';',
    `${name};proto=io.prometheus.write.v3.Request`,
    `${name};proto=`,
    `${name};proto="prometheus.WriteRequest`,
    `${name};proto=constructor`,
    `${name};proto=__proto__`,
    `${name}, ${name}`,
  ]
  for (const type of refused) {
    const reply = await post(running.port, body, { headers: { ...untyped, 'content-type': type } })
    assert.deepEqual([type, reply.status, reply.text.split(':')[0]], [type, 415, 'GP_TYPE_UNSUPPORTED'])
  }
  assert.equal(await running.refused('content_type'), before + refused.length)
  await running.assertWell()
})

test('headers beyond 16 KiB are refused with 431; many small ones do not hide the last', async () => {
  const flood = (await connect()).write(head({ 'x-flood': 'f'.repeat(20_000) }))
  assert.deepEqual(await answered(flood), [431])
  const endless = (await connect()).write('POST /write HTTP/1.1\r\n')
  for (let i = 0; i < 100; i++) endless.write(`x-${i}: ${'f'.repeat(300)}\r\n`)
  assert.deepEqual(await answered(endless), [431])
  // A proxy adds its guid behind what the sender wrote; a bound on the number of headers would drop it.
  const many = Object.fromEntries(Array.from({ length: 2500 }, (_, i) => [i.toString(36), '']))
  const last = (await connect()).write(
    head({ 'content-length': body.length, ...many, 'x-guid': 'from-proxy' }),
    body,
  )
  assert.deepEqual(await answered(last), [204])
  last.close()
  assert.ok((await running.records()).some(({ key }) => key === 'from-proxy'))
})

test('what is no HTTP is answered 400 and closed', async () => {
  const before = await running.refused('http')
  const texts = [
    'hello\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01',
    'POST /write HTTP/9.9\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ]
  for (const text of texts) {
    const sender = (await connect()).write(Buffer.from(text, 'latin1'))
    assert.deepEqual(await answered(sender), [400], JSON.stringify(text))
    await until('it is closed', 5000, () => sender.isClosed)
  }
  assert.equal(await running.refused('http'), before + texts.length)
  await running.assertWell()
})
