/** Compressed bodies on a listener, whole and broken, and bombs of each coding; the receiver only inflates. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import test, { after, afterEach } from 'node:test'
import {
  brotliCompressSync,
  createBrotliCompress,
  deflateRawSync,
  deflateSync,
  gzipSync,
  constants as zlib,
  zstdCompressSync,
} from 'node:zlib'
import { GuidepostError } from '../../src/errors.ts'
import { KiB, MiB } from '../../src/limits.ts'
import { Budget } from '../../src/route/budget.ts'
import { Shares } from '../../src/route/shares.ts'
import { type Answer, answerFor } from '../../src/transport/answer.ts'
import { readBody } from '../../src/transport/body.ts'
import { HttpListener, type HttpRequest } from '../../src/transport/http.ts'
import { type Coding, inflate } from '../../src/transport/inflate.ts'
import { claimOf } from '../support/claim.ts'
import { Random } from '../support/random.ts'
import { post, RawSender, type Reply } from '../support/senders.ts'
import { until } from '../support/until.ts'

const inflatedBytesMax = 32 * MiB
const budget = new Budget(128 * MiB)
const claim = claimOf(budget)

async function handle({ raw }: HttpRequest): Promise<Answer> {
  const body = await readBody(raw, inflatedBytesMax, claim)
  if (body instanceof GuidepostError) return answerFor(body)
  const coding = raw.headers['content-encoding'] as Coding
  const bounds = { bytesMax: inflatedBytesMax, key: 'limits.inflatedBytes', budget: claim }
  const plain = await inflate(coding, body, bounds)
  body.release()
  if (plain instanceof GuidepostError) return answerFor(plain)
  const hash = createHash('sha256')
  for (const chunk of plain.chunks) hash.update(chunk)
  plain.release()
  return { status: 200, headers: {}, body: hash.digest('hex') }
}

const listener = new HttpListener({
  ...{ block: 'listeners.http', host: '127.0.0.1', port: 0, guid: undefined },
  ...{
    connections: 100,
    requestMs: 30_000,
    shares: new Shares(budget, 1),
    routes: [{ path: '/in', handle }],
  },
  refused: () => undefined,
  failed: (error) => assert.fail(error as Error),
})
const port = await listener.listen()
const senders: RawSender[] = []
after(async () => {
  listener.destroy()
  await listener.drain()
})
afterEach(() => {
  for (const sender of senders.splice(0)) sender.close()
  assert.equal(budget.bytes, 0, 'whatever came, all of it is given back')
})

function send(coding: Coding, body: Buffer, chunked = false): Promise<Reply> {
  return post(port, body, { path: '/in', headers: { 'content-encoding': coding }, chunked })
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

const small = Buffer.from('resource span scope '.repeat(100))
const random = new Random(7)
const large = Buffer.from(Array.from({ length: MiB }, () => 32 + random.below(64)))
const quick = { params: { [zlib.BROTLI_PARAM_QUALITY]: 2 } }

const codings: readonly (readonly [string, Coding, (input: Buffer) => Buffer])[] = [
  ['gzip', 'gzip', (input) => gzipSync(input)],
  ['deflate in the zlib format', 'deflate', (input) => deflateSync(input)],
  ['bare deflate', 'deflate', (input) => deflateRawSync(input)],
  ['brotli', 'br', (input) => brotliCompressSync(input, quick)],
  ['zstd', 'zstd', (input) => zstdCompressSync(input)],
  ['gzip of two members', 'gzip', (input) => joined(gzipSync, input)],
  ['zstd of two frames', 'zstd', (input) => joined(zstdCompressSync, input)],
]

function joined(compress: (input: Buffer) => Buffer, input: Buffer): Buffer {
  return Buffer.concat([compress(input.subarray(0, 700)), compress(input.subarray(700))])
}

for (const [name, coding, compress] of codings) {
  test(`${name} is inflated, announced or in chunks; what is cut off is refused`, async () => {
    for (const payload of [small, large]) {
      const body = compress(payload)
      for (const chunked of [false, true]) {
        const reply = await send(coding, body, chunked)
        assert.deepEqual([reply.status, reply.text], [200, digest(payload)])
      }
      for (const part of [body.subarray(0, -1), body.subarray(0, -3), body.subarray(0, 9), Buffer.alloc(0)]) {
        const reply = await send(coding, part)
        assert.deepEqual([reply.status, reply.text.split(':')[0]], [400, 'GP_BODY_MALFORMED'])
      }
      const more = await send(coding, Buffer.concat([body, Buffer.alloc(3)]))
      assert.equal(more.status, 400)
    }
  })
}

test('a body byte by byte in chunks is inflated', async () => {
  const body = gzipSync(small)
  const sender = await RawSender.connect(port)
  senders.push(sender)
  sender.write('POST /in HTTP/1.1\r\nhost: a\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n')
  for (const byte of body) sender.write('1\r\n', Buffer.of(byte), '\r\n')
  sender.write('0\r\n\r\n')
  await until('it is answered', 5000, () => sender.received.includes(digest(small)))
  assert.deepEqual(sender.statuses, [200])
})

const TEN_GB = 10 * 1024 * MiB

/** Deflate with nothing but zeros: a block that ends on a byte and refers to nothing before it, again and again. */
function deflateZeros(): Buffer {
  const zeros = 64 * MiB
  const block = deflateRawSync(Buffer.alloc(zeros), { finishFlush: zlib.Z_FULL_FLUSH })
  return Buffer.concat(Array.from({ length: TEN_GB / zeros }, () => block))
}

/** Brotli the same way: what it writes for the third run of zeros stands for each further one. */
async function brotliZeros(): Promise<Buffer> {
  const zeros = Buffer.alloc(16 * MiB)
  const stream = createBrotliCompress(quick)
  const runs: Buffer[] = []
  for (let run = 0; run < 3; run++) {
    const parts: Buffer[] = []
    const keep = (part: Buffer): number => parts.push(part)
    stream.on('data', keep)
    stream.write(zeros)
    await new Promise<void>((resolve) => stream.flush(zlib.BROTLI_OPERATION_FLUSH, resolve))
    stream.off('data', keep)
    runs.push(Buffer.concat(parts))
  }
  stream.destroy()
  const [first, second, third] = runs
  return Buffer.concat([first!, second!, ...Array.from({ length: TEN_GB / zeros.length }, () => third!)])
}

/** A zstd frame of blocks that repeat one byte (RFC 8878, 3.1.1.2: RLE), 128 KiB of four bytes. */
function zstdZeros(): Buffer {
  const size = 128 * KiB
  const block = Buffer.alloc(4)
  block.writeUIntLE((size << 3) | 2, 0, 3)
  // Magic, a descriptor without content size, a window of 1 MiB.
  const head = Buffer.from('28b52ffd0050', 'hex')
  return Buffer.concat([head, ...Array.from({ length: TEN_GB / size }, () => block)])
}

test('a bomb of 10 GB ends at the limit, in each coding, and keeps nobody else waiting', async () => {
  const zeros = deflateZeros()
  const bombs: readonly (readonly [string, Coding, Buffer])[] = [
    ['gzip', 'gzip', Buffer.concat([Buffer.from('1f8b0800000000000003', 'hex'), zeros])],
    ['zlib', 'deflate', Buffer.concat([Buffer.from('789c', 'hex'), zeros])],
    ['bare deflate', 'deflate', zeros],
    ['brotli', 'br', await brotliZeros()],
    ['zstd', 'zstd', zstdZeros()],
    ['gzip members', 'gzip', Buffer.concat(Array.from({ length: 80 }, () => gzipSync(Buffer.alloc(MiB))))],
  ]
  for (const [name, coding, bomb] of bombs) {
    assert.ok(bomb.length < 12 * MiB, `${name} has ${bomb.length} bytes`)
    const before = process.memoryUsage().rss
    const bursts = Array.from({ length: 2 }, () => send(coding, bomb))
    let slowestMs = 0
    let isOver = false
    const others = (async () => {
      while (!isOver) {
        const startedMs = performance.now()
        assert.equal((await send('gzip', gzipSync(small))).status, 200)
        slowestMs = Math.max(slowestMs, performance.now() - startedMs)
      }
    })()
    const replies = await Promise.all(bursts)
    isOver = true
    await others
    for (const reply of replies) {
      assert.equal(reply.status, 413, `${name}: ${reply.text}`)
      assert.match(reply.text, /^GP_BODY_TOO_LARGE: .*more than 33554432 bytes \(limits\.inflatedBytes\)/)
    }
    assert.ok(slowestMs < 1000, `${name}: another sender waited ${slowestMs} ms`)
    const grownBytes = process.memoryUsage().rss - before
    assert.ok(grownBytes < 300 * MiB, `${name}: memory grew by ${grownBytes} bytes`)
  }
})

test('bodies that together are more than the budget are told to try again, and then all of them come through', async () => {
  const body = gzipSync(Buffer.alloc(30 * MiB, 'x'))
  const replies = await Promise.all(Array.from({ length: 12 }, () => send('gzip', body)))
  const statuses = new Set(replies.map(({ status }) => status))
  assert.ok(statuses.has(200))
  for (const status of statuses) assert.ok(status === 200 || status === 503)
  assert.equal((await send('gzip', body)).status, 200)
})

test('a sender that leaves while its body is inflated leaves nothing behind', async () => {
  const body = gzipSync(Buffer.alloc(30 * MiB, 'x'))
  const sender = await RawSender.connect(port)
  senders.push(sender)
  const head = `POST /in HTTP/1.1\r\nhost: a\r\ncontent-encoding: gzip\r\ncontent-length: ${body.length}\r\n\r\n`
  sender.write(head, body)
  // Looked at in each turn: it takes no longer than a blink.
  const deadline = performance.now() + 10_000
  while (budget.bytes < body.length + 4 * MiB && performance.now() < deadline) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(budget.bytes >= body.length + 4 * MiB, 'its body is being inflated')
  sender.socket.destroy()
  await once(sender.socket, 'close')
  await until('all is given back', 5000, () => budget.bytes === 0)
})
