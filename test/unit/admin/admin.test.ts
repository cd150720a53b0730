import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { PassThrough } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { type Admin, createAdmin, type Readiness } from '../../../src/admin/admin.ts'
import { GuidepostError } from '../../../src/errors.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import { expositionOf, Metrics } from '../../../src/telemetry/metrics.ts'

const log = createLogger({ level: 'fatal', format: 'json' }, new PassThrough())

interface Served {
  readonly admin: Admin
  readonly url: string
  readonly metrics: Metrics
  readiness: Readiness
}

async function serve(t: TestContext): Promise<Served> {
  const metrics = new Metrics({ guidsMax: 1, runtime: false })
  const served: { readiness: Readiness } = { readiness: { ok: true, reasons: [] } }
  const admin = createAdmin({
    host: '127.0.0.1',
    port: 0,
    exposition: () => expositionOf(metrics.registry),
    ready: () => served.readiness,
    status: () => ({ bus: 'log:./data', listeners: { http: '127.0.0.1:10000' } }),
    log,
  })
  await admin.listen()
  t.after(() => admin.close())
  return Object.assign(served, { admin, metrics, url: `http://127.0.0.1:${admin.address?.port}` })
}

test('/metrics is what Prometheus reads', async (t) => {
  const { url, metrics } = await serve(t)
  metrics.ledger.account('otlp', 'metrics', 'team-a').published.value = 3
  const response = await fetch(`${url}/metrics`)
  assert.equal(response.status, 200)
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
  assert.match(
    await response.text(),
    /^guidepost_published_items_total\{receiver="otlp",signal="metrics",guid="team-a"\} 3$/m,
  )
})

test('/readyz says why not, /healthz does not care', async (t) => {
  const served = await serve(t)
  assert.equal((await fetch(`${served.url}/readyz`)).status, 200)
  served.readiness = { ok: false, reasons: ['draining', 'the bus is down: no broker answers'] }
  const response = await fetch(`${served.url}/readyz`)
  assert.equal(response.status, 503)
  assert.equal(await response.text(), 'draining\nthe bus is down: no broker answers\n')
  assert.equal((await fetch(`${served.url}/healthz`)).status, 200)
})

test('/ tells what is running, as text or JSON', async (t) => {
  const { url } = await serve(t)
  const text = await (await fetch(url)).text()
  assert.match(text, /^version: \d/m)
  assert.match(text, /^bus: log:\.\/data$/m)
  assert.match(text, /^listeners: \{"http":"127\.0\.0\.1:10000"\}$/m)
  const json: unknown = await (await fetch(url, { headers: { accept: 'application/json' } })).json()
  assert.ok(typeof json === 'object' && json !== null && 'ready' in json && 'uptimeSeconds' in json)
  assert.equal(json.ready, true)
})

test('other paths, methods and bodies are refused shortly', async (t) => {
  const { url } = await serve(t)
  const missing = await fetch(`${url}/nothing`)
  assert.equal(missing.status, 404)
  assert.match(await missing.text(), /\/metrics \/healthz \/readyz/)
  assert.equal((await fetch(`${url}/metrics`, { method: 'DELETE' })).status, 404)
})

test('a body is not waited for, and ends its connection', async (t) => {
  const { admin } = await serve(t)
  const socket = connect(admin.address?.port ?? 0, '127.0.0.1')
  t.after(() => socket.destroy())
  let received = ''
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString()
  })
  socket.write('POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\nxxx')
  await once(socket, 'close')
  assert.match(received, /^HTTP\/1\.1 404 /)
})

test('HEAD is answered as GET is, without the text', async (t) => {
  const { url } = await serve(t)
  const response = await fetch(`${url}/healthz`, { method: 'HEAD' })
  assert.deepEqual([response.status, response.headers.get('content-length')], [200, '3'])
  assert.equal(await response.text(), '')
})

test('a proxy may send the whole address', async (t) => {
  const { admin } = await serve(t)
  const socket = connect(admin.address!.port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.write('GET http://gateway/healthz?x HTTP/1.1\r\nhost: gateway\r\n\r\n')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  assert.match(answer.toString(), /^HTTP\/1\.1 200 /)
})

test('what fails inside is answered 500 without its reason', async (t) => {
  const served = await serve(t)
  served.metrics.setInflightBytes(() => {
    throw new Error('secret')
  })
  const response = await fetch(`${served.url}/metrics`)
  assert.equal(response.status, 500)
  assert.equal(await response.text(), 'internal error\n')
})

test('a port that is taken is named together with the option', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  t.after(() => other.close())
  await once(other, 'listening')
  const address = other.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const status = () => ({})
  const ready = () => ({ ok: true, reasons: [] })
  const metrics = new Metrics({ guidsMax: 1, runtime: false })
  const admin = createAdmin({
    host: '127.0.0.1',
    port,
    exposition: () => expositionOf(metrics.registry),
    ready,
    status,
    log,
  })
  t.after(() => admin.close())
  await assert.rejects(admin.listen(), (error) => {
    assert.ok(error instanceof GuidepostError)
    assert.equal(error.code, 'GP_PORT_TAKEN')
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port} is taken; .*admin\\.port`))
    return true
  })
})

test('an idle kept-alive connection does not hold up the close', async (t) => {
  const { url, admin } = await serve(t)
  await (await fetch(`${url}/healthz`)).text()
  await admin.close()
  await assert.rejects(fetch(`${url}/healthz`))
})

test('a request that is never finished does not hold up the close', { timeout: 10_000 }, async (t) => {
  const { admin, url } = await serve(t)
  const socket = connect(admin.address?.port ?? 0, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.on('error', () => undefined)
  socket.resume()
  await once(socket, 'connect')
  socket.write('GET /metrics HTTP/1.1\r\nhost: ')
  // Once another request is answered, the server has seen this one.
  await (await fetch(`${url}/healthz`)).text()
  const closed = once(socket, 'close')
  await admin.close()
  await closed
})
