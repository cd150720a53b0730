/** OTLP over HTTP as any program may send it: each compression, both ports, and pages of browsers. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import path from 'node:path'
import test, { after } from 'node:test'
import {
  brotliCompressSync,
  deflateRawSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  zstdCompressSync,
} from 'node:zlib'
import { MiB } from '../../src/limits.ts'
import { encodeOtlp, idAttribute, itemsOfRecord } from '../support/otlp-items.ts'
import { Program } from '../support/program.ts'
import { Running, temporaryDirectory } from '../support/running.ts'
import { type PostOptions, post, RawSender, type Reply } from '../support/senders.ts'
import { until } from '../support/until.ts'

const page = 'https://app.example.com'
const cleanup = { after }
const directory = await temporaryDirectory(cleanup)
const config = path.join(directory, 'guidepost.yaml')
const withOrigins = (origins: string): string =>
  `receivers:\n  otlp:\n    cors:\n      origins: [${origins}]\n`
await writeFile(config, withOrigins(`'${page}'`))
const running = await Running.start(cleanup, { args: ['--config', config] })
const otlpPort = running.program.logs.find(({ listener }) => listener === 'otlpHttp')?.['port'] as number

const protobuf = 'application/x-protobuf'

function spans(id: string, repeat = 1): Buffer {
  const attributes = [{ key: idAttribute, value: { stringValue: id } }]
  const span = {
    traceId: Buffer.alloc(16, 1),
    spanId: Buffer.alloc(8, 2),
    name: 'GET /things',
    startTimeUnixNano: '1700000000000000000',
    endTimeUnixNano: '1700000000000000001',
    attributes,
  }
  const resource = { attributes: [{ key: 'host.name', value: { stringValue: 'team-a' } }] }
  return encodeOtlp('traces', {
    resourceSpans: [{ resource, scopeSpans: [{ spans: Array.from({ length: repeat }, () => span) }] }],
  })
}

function send(body: Buffer, options: PostOptions = {}, port = otlpPort): Promise<Reply> {
  const headers = { 'content-type': protobuf, ...options.headers }
  return post(port, body, { path: '/v1/traces', ...options, headers })
}

async function stored(id: string): Promise<number> {
  const records = (await running.records()).filter(({ value }) => value.includes(id))
  return records.flatMap(itemsOfRecord).filter((item) => item.id === id).length
}

test('each compression is taken, announced or in chunks, small or large, on both ports', async () => {
  const compressions: readonly (readonly [string, string | undefined, (body: Buffer) => Buffer])[] = [
    ['none', undefined, (body) => body],
    ['identity', 'identity', (body) => body],
    ['gzip', 'gzip', (body) => gzipSync(body)],
    ['gzip in two members', 'gzip', (body) => joined(gzipSync, body)],
    ['zlib', 'deflate', (body) => deflateSync(body)],
    ['bare', 'deflate', (body) => deflateRawSync(body)],
    ['zstd', 'zstd', (body) => zstdCompressSync(body)],
    ['zstd in two frames', 'zstd', (body) => joined(zstdCompressSync, body)],
    ['brotli', 'br', (body) => brotliCompressSync(body)],
    ['in capitals', 'GZIP', (body) => gzipSync(body)],
  ]
  for (const [name, coding, compress] of compressions) {
    const headers: Record<string, string> = coding === undefined ? {} : { 'content-encoding': coding }
    for (const count of [1, 20_000]) {
      const body = compress(spans(`${name} ${count}`, count))
      for (const port of [running.port, otlpPort]) {
        const reply = await send(body, { headers, chunked: port === otlpPort }, port)
        assert.deepEqual([name, reply.status, reply.text], [name, 200, ''])
        assert.equal(reply.headers['content-type'], protobuf)
        assert.equal(reply.headers['content-length'], '0')
      }
      assert.equal(await stored(`${name} ${count}`), 2 * count)
    }
  }
  await running.assertWell()
})

function joined(compress: (input: Buffer) => Buffer, body: Buffer): Buffer {
  return Buffer.concat([compress(body.subarray(0, 60)), compress(body.subarray(60))])
}

test('what does not inflate, or inflates too far, is refused in the request’s own encoding', async () => {
  const whole = gzipSync(spans('cut'))
  const bomb = gzipSync(Buffer.alloc(33 * MiB))
  const bodies: readonly (readonly [number, RegExp, Buffer])[] = [
    [400, /GP_BODY_MALFORMED.*ends before its gzip/, whole.subarray(0, -1)],
    [400, /GP_BODY_MALFORMED.*not gzip/, spans('plain')],
    [400, /GP_BODY_MALFORMED.*behind the end/, Buffer.concat([whole, Buffer.alloc(4)])],
    [413, /GP_BODY_TOO_LARGE.*limits\.inflatedBytes/, bomb],
  ]
  for (const [status, text, body] of bodies) {
    for (const type of [protobuf, 'application/json']) {
      const reply = await send(body, { headers: { 'content-encoding': 'gzip', 'content-type': type } })
      assert.deepEqual([reply.status, reply.headers['content-type']], [status, type])
      assert.match(reply.text, text)
      if (type === 'application/json') assert.match(JSON.parse(reply.text).message, text)
    }
  }
  const unknown = await send(gunzipSync(whole), { headers: { 'content-encoding': 'compress' } })
  assert.deepEqual([unknown.status, unknown.headers['content-type']], [415, protobuf])
  assert.match(unknown.text, /GP_ENCODING_UNSUPPORTED/)
  assert.equal(await stored('cut'), 0)
  await running.assertWell()
})

test('only POST, and on its own port only the paths of OTLP', async () => {
  const refused = (reason: string): Promise<number> =>
    running.counter('guidepost_refused_requests_total', { receiver: 'otlp_http', reason })
  const before = [await refused('method'), await refused('path')]
  for (const method of ['GET', 'PUT', 'OPTIONS']) {
    const reply = await send(Buffer.alloc(0), { method })
    assert.deepEqual([method, reply.status, reply.headers['allow']], [method, 405, 'POST, OPTIONS'])
  }
  for (const at of ['/write', '/v1/trace', '/']) {
    const reply = await send(spans('lost'), { path: at })
    assert.equal(reply.status, 404)
    assert.match(reply.text, /GP_PATH: .*\/v1\/traces/)
  }
  assert.deepEqual([await refused('method'), await refused('path')], [before[0]! + 3, before[1]! + 3])
})

function preflight(origin: string, port = otlpPort): Promise<Reply> {
  const headers = {
    origin,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'content-type,x-guid',
  }
  return post(port, Buffer.alloc(0), { method: 'OPTIONS', path: '/v1/traces', headers })
}

test('a page of an allowed origin may ask, send, and read what it is refused for; a reload changes which', async () => {
  for (const port of [running.port, otlpPort]) {
    const asked = await preflight(page, port)
    assert.equal(asked.status, 204)
    assert.equal(asked.headers['access-control-allow-origin'], page)
    assert.equal(asked.headers['access-control-allow-credentials'], 'true')
    assert.equal(asked.headers['access-control-allow-methods'], 'POST')
    const allowed = asked.headers['access-control-allow-headers']!.split(', ')
    for (const name of ['content-type', 'content-encoding', 'x-guid']) assert.ok(allowed.includes(name), name)
  }
  const origins = async (origin: string): Promise<(string | number | undefined)[]> => {
    const bodies: [Buffer, PostOptions][] = [
      [spans('page'), {}],
      [Buffer.from('no protobuf'), {}],
      [spans('page'), { headers: { 'content-encoding': 'compress' } }],
      [spans('page'), { headers: { 'content-type': 'text/plain' } }],
      [Buffer.alloc(33 * MiB), {}],
      [Buffer.alloc(0), { method: 'GET' }],
      [spans('page'), { path: '/v1development/profiles' }],
    ]
    const seen: (string | number | undefined)[] = []
    for (const [body, options] of bodies) {
      const reply = await send(body, { ...options, headers: { ...options.headers, origin } })
      seen.push(reply.status, reply.headers['access-control-allow-origin'])
      assert.equal(reply.headers['vary'], 'Origin')
    }
    return seen
  }
  const statuses = [200, 400, 415, 415, 413, 405, 404]
  assert.deepEqual(
    await origins(page),
    statuses.flatMap((status) => [status, page]),
  )
  assert.deepEqual(
    await origins('https://evil.test'),
    statuses.flatMap((status) => [status, undefined]),
  )
  assert.equal((await preflight('https://evil.test')).status, 405)
  const write = await post(running.port, Buffer.alloc(0), { headers: { origin: page } })
  assert.equal(write.headers['access-control-allow-origin'], undefined, 'remote write is not for pages')

  await writeFile(config, withOrigins(`'https://*.example.org'`))
  process.kill(running.program.pid, 'SIGHUP')
  await until('it is reloaded', 5000, async () => (await preflight(page)).status === 405)
  assert.equal((await preflight('https://a.b.example.org')).status, 204)
  await running.assertWell()
})

test('a request whose body is not awaited carries the headers of its origin too', async () => {
  const sender = await RawSender.connect(otlpPort)
  const origin = 'https://a.example.org'
  const head = `POST /v1/traces HTTP/1.1\r\nhost: a\r\norigin: ${origin}\r\ncontent-type: ${protobuf}\r\n`
  sender.write(`${head}content-length: 1000000000\r\n\r\n`, Buffer.alloc(1000))
  await until('it is answered', 5000, () => sender.received.includes('GP_BODY_TOO_LARGE'))
  assert.deepEqual(sender.statuses, [413])
  assert.match(sender.received, /access-control-allow-origin: https:\/\/a\.example\.org\r\n/)
  assert.match(sender.received, /connection: close\r\n/i)
  sender.close()
})

test('the port of OTLP that is taken is named by its option', async (context) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  context.after(() => once(taken.close(), 'close'))
  const { port } = taken.address() as AddressInfo
  const bus = `log:${await temporaryDirectory(context)}`
  await assert.rejects(
    Program.start({ bus, env: { GUIDEPOST_OTLP_HTTP_PORT: String(port) } }),
    /GP_PORT_TAKEN.*listeners\.otlpHttp\.port/s,
  )
})
