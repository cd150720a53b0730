/** Calls that break the rules of gRPC: each is answered in gRPC's terms, keeps nothing, and hurts no other. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { constants } from 'node:http2'
import test from 'node:test'
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { KiB, limits, MiB } from '../../src/limits.ts'
import { GrpcClient, type Handle, type Listening, listen } from '../support/grpc-fixture.ts'
import { callHeaders, prefixed, RawCaller } from '../support/grpc-raw.ts'
import { until } from '../support/until.ts'

const WAIT_MS = 10_000
const OK = 0
const INVALID_ARGUMENT = 3
const DEADLINE_EXCEEDED = 4
const RESOURCE_EXHAUSTED = 8
const UNIMPLEMENTED = 12
const UNAVAILABLE = 14

interface Called extends Listening {
  readonly caller: RawCaller
}

/** At the end nothing is on the books, nothing broke, and an honest client is served on the same connection. */
async function called(
  body: (called: Called) => Promise<void>,
  handle?: Handle,
  options?: Parameters<typeof listen>[1],
): Promise<void> {
  const listening = await listen(handle, options)
  const caller = new RawCaller(listening.port)
  try {
    await body({ ...listening, caller })
    if (!caller.session.destroyed) {
      const honest = await caller.call([prefixed(Buffer.from('honest'))])
      assert.deepEqual([honest.status, honest.body.subarray(5).toString()], [OK, 'honest'])
    }
    await until('nothing is on the books', WAIT_MS, () => listening.budget.bytes === 0)
    assert.deepEqual(listening.failed, [])
  } finally {
    caller.close()
    await listening.stop()
  }
}

const hello = Buffer.from('hello')

test('what is no gRPC is answered in HTTP', () =>
  called(async ({ caller, refused }) => {
    const get = await caller.open({ ':method': 'GET' }, true).reply
    assert.deepEqual([get.httpStatus, get.headers['allow']], [405, 'POST'])
    for (const type of ['application/json', 'application/grpc-web', 'application/grpc+json', 'text/plain']) {
      const reply = await caller.call([prefixed(hello)], { 'content-type': type })
      assert.equal(reply.httpStatus, 415, type)
    }
    const none = await caller.call([prefixed(hello)], { 'content-type': undefined })
    assert.equal(none.httpStatus, 415)
    assert.deepEqual(new Set(refused), new Set(['method', 'type_unsupported']))
    for (const type of ['application/grpc', 'application/grpc+proto', 'application/grpc; charset=utf-8']) {
      assert.equal((await caller.call([prefixed(hello)], { 'content-type': type })).status, OK, type)
    }
    assert.equal((await caller.call([prefixed(hello)], { te: undefined })).status, OK, 'te may be missing')
  }))

test('a unary call has one message: none, half a one, and two are refused', () =>
  called(async ({ caller }) => {
    const cases: readonly [string, Buffer[], number, RegExp][] = [
      ['none', [], UNIMPLEMENTED, /without a message/],
      ['half a prefix', [Buffer.from([0, 0])], INVALID_ARGUMENT, /0 bytes of a message/],
      [
        'a prefix alone',
        [prefixed(Buffer.alloc(0), { length: 9 })],
        INVALID_ARGUMENT,
        /0 bytes of a message of 9/,
      ],
      [
        'longer announced than sent',
        [prefixed(hello, { length: 9 })],
        INVALID_ARGUMENT,
        /5 bytes of a message of 9/,
      ],
      [
        'two in one piece',
        [Buffer.concat([prefixed(hello), prefixed(hello)])],
        UNIMPLEMENTED,
        /more than one/,
      ],
      ['two in two pieces', [prefixed(hello), prefixed(hello)], UNIMPLEMENTED, /more than one/],
      ['longer sent than announced', [prefixed(hello, { length: 2 })], UNIMPLEMENTED, /more than one/],
      [
        'a large one and one',
        [prefixed(randomBytes(100_000)), prefixed(hello)],
        UNIMPLEMENTED,
        /more than one/,
      ],
    ]
    for (const [name, pieces, status, text] of cases) {
      const reply = await caller.call(pieces)
      assert.equal(reply.status, status, `${name}: ${reply.message}`)
      assert.match(reply.message, text, name)
    }
    assert.equal((await caller.open({}, true).reply).status, UNIMPLEMENTED, 'none, with the headers')
  }))

test('a message may come in any pieces', () =>
  called(async ({ caller }) => {
    const message = randomBytes(300)
    const whole = prefixed(message)
    const crumbs = await caller.call(Array.from(whole, (byte) => Buffer.of(byte)))
    assert.ok(crumbs.body.subarray(5).equals(message))
    for (const at of [1, 4, 5, 6, 299]) {
      const reply = await caller.call([whole.subarray(0, at), whole.subarray(at)])
      assert.ok(reply.body.subarray(5).equals(message), `cut at ${at}`)
    }
  }))

test('compression that is not what the headers say', () =>
  called(async ({ caller }) => {
    const cases: readonly [string, string | undefined, Buffer, number][] = [
      ['flagged, no encoding', undefined, prefixed(gzipSync(hello), { flag: 1 }), INVALID_ARGUMENT],
      ['flagged, identity', 'identity', prefixed(gzipSync(hello), { flag: 1 }), INVALID_ARGUMENT],
      ['flagged gzip that holds none', 'gzip', prefixed(hello, { flag: 1 }), INVALID_ARGUMENT],
      ['flagged gzip, empty', 'gzip', prefixed(Buffer.alloc(0), { flag: 1 }), INVALID_ARGUMENT],
      ['gzip cut short', 'gzip', prefixed(gzipSync(hello).subarray(0, 12), { flag: 1 }), INVALID_ARGUMENT],
      ['zstd that is gzip', 'zstd', prefixed(gzipSync(hello), { flag: 1 }), INVALID_ARGUMENT],
      ['large gzip that holds none', 'gzip', prefixed(randomBytes(500_000), { flag: 1 }), INVALID_ARGUMENT],
      ['a flag that does not exist', 'gzip', prefixed(hello, { flag: 7 }), INVALID_ARGUMENT],
      ['an unknown encoding', 'snappy', prefixed(hello, { flag: 1 }), UNIMPLEMENTED],
    ]
    for (const [name, encoding, bytes, status] of cases) {
      const reply = await caller.call([bytes], { 'grpc-encoding': encoding })
      assert.equal(reply.status, status, `${name}: ${reply.message}`)
      assert.equal(reply.headers['grpc-accept-encoding'], 'identity,gzip,deflate,zstd', name)
    }
    for (const [encoding, bytes] of [
      ['gzip', gzipSync(hello)],
      ['deflate', deflateSync(hello)],
      ['zstd', zstdCompressSync(hello)],
    ] as const) {
      const reply = await caller.call([prefixed(bytes, { flag: 1 })], { 'grpc-encoding': encoding })
      assert.deepEqual([reply.status, reply.body.subarray(5).toString()], [OK, 'hello'], encoding)
      const plain = await caller.call([prefixed(hello)], { 'grpc-encoding': encoding })
      assert.equal(plain.status, OK, `${encoding}, and the message is plain`)
    }
  }))

test('a bomb costs no more than the limit', () =>
  called(async ({ caller }) => {
    const member = gzipSync(Buffer.alloc(16 * MiB - 1))
    // A GiB, of joined members.
    const bomb = prefixed(Buffer.concat(new Array<Buffer>(64).fill(member)), { flag: 1 })
    const before = process.memoryUsage.rss()
    let most = 0
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage.rss() - before)
    }, 5)
    const replies = await Promise.all(
      Array.from({ length: 8 }, () => caller.call([bomb], { 'grpc-encoding': 'gzip' })),
    )
    clearInterval(watch)
    for (const { status, message } of replies) {
      // Eight at once may be too many for the budget; then they are to come again.
      assert.ok([RESOURCE_EXHAUSTED, UNAVAILABLE].includes(status), message)
    }
    assert.ok(replies.some(({ message }) => /inflates to more than 16777216 bytes/.test(message)))
    assert.ok(most < 300 * MiB, `${most / MiB} MiB more`)
  }))

test('a message that is announced too large is refused before it comes', () =>
  called(async ({ caller }) => {
    const { stream, reply } = caller.open()
    stream.write(prefixed(Buffer.alloc(0), { length: 0xffffffff }))
    const { status, message, rstCode } = await reply
    assert.equal(status, RESOURCE_EXHAUSTED)
    assert.match(message, /4294967295 bytes, the limit is 16777216/)
    assert.equal(rstCode, constants.NGHTTP2_NO_ERROR)
  }))

test('a sender that goes on after its refusal is not listened to, and others are', () =>
  called(async ({ caller, budget }) => {
    const { stream, reply } = caller.open()
    stream.on('error', () => undefined)
    stream.write(prefixed(Buffer.alloc(3 * MiB), { length: 100 * MiB }))
    for (let i = 0; i < 20 && !stream.destroyed; i++) stream.write(Buffer.alloc(64 * KiB))
    assert.equal((await reply).status, RESOURCE_EXHAUSTED)
    assert.ok(budget.bytes < 1 * MiB)
  }))

test('a call that stalls is told to come again', () =>
  called(
    async ({ caller, refused }) => {
      const { stream, reply } = caller.open()
      stream.write(prefixed(hello, { length: 9 }))
      const { status, message } = await reply
      assert.equal(status, UNAVAILABLE)
      assert.match(message, /not there after 300 ms \(limits\.requestMs\)/)
      assert.deepEqual(refused, ['body_incomplete'])
    },
    undefined,
    { requestMs: 300 },
  ))

test('a deadline is kept though the client does not keep it itself', async () => {
  const { promise, resolve } = Promise.withResolvers<Buffer>()
  await called(
    async ({ caller }) => {
      const stalled = caller.open({ 'grpc-timeout': '100m' })
      stalled.stream.write(prefixed(hello, { length: 9 }))
      assert.equal((await stalled.reply).status, DEADLINE_EXCEEDED)
      const slow = await caller.call([prefixed(Buffer.from('slow'))], { 'grpc-timeout': '100000u' })
      assert.equal(slow.status, DEADLINE_EXCEEDED)
      assert.match(slow.message, /^GP_BUS_DEADLINE/)
      resolve(Buffer.from('late'))
      for (const timeout of ['1H', '1M', '10S', '99999999m', '99999999u', '99999999n']) {
        assert.equal((await caller.call([prefixed(hello)], { 'grpc-timeout': timeout })).status, OK, timeout)
      }
      for (const timeout of ['', '1', 'S', '123456789S', '-1S', '1.5S', '1 S', '1s']) {
        const reply = await caller.call([prefixed(hello)], { 'grpc-timeout': timeout })
        assert.equal(reply.status, INVALID_ARGUMENT, `"${timeout}"`)
      }
    },
    async (_call, message) => (String(message) === 'slow' ? promise : message),
  )
})

test('a reset or a lost connection in the middle of a message leaves nothing on the books', () =>
  called(async ({ caller, budget, port }) => {
    const part = prefixed(randomBytes(200_000), { length: 1_000_000 })
    const reset = caller.open()
    reset.stream.write(part)
    await until('a part is there', WAIT_MS, () => budget.bytes >= 200_000)
    reset.stream.close(constants.NGHTTP2_CANCEL)
    await until('it is forgotten', WAIT_MS, () => budget.bytes === 0)
    const other = new RawCaller(port)
    other
      .open()
      .stream.on('error', () => undefined)
      .write(part)
    await until('a part is there', WAIT_MS, () => budget.bytes >= 200_000)
    other.session.destroy()
    await until('it is forgotten', WAIT_MS, () => budget.bytes === 0)
  }))

test('a thousand calls at once on one connection are answered, each with its own', () =>
  called(async ({ caller }) => {
    await until(
      'the settings are there',
      WAIT_MS,
      () => caller.session.remoteSettings.maxConcurrentStreams === limits.grpcStreamsMax,
    )
    const sent = Array.from({ length: limits.grpcStreamsMax }, (_, i) => Buffer.from(`call ${i}`))
    const open = sent.map(() => caller.open())
    for (const [i, { stream }] of open.entries()) stream.end(prefixed(sent[i]!))
    const replies = await Promise.all(open.map(({ reply }) => reply))
    for (const [i, { body }] of replies.entries()) assert.ok(body.subarray(5).equals(sent[i]!), `call ${i}`)
  }))

test('a client that does not take its answer is let go of', async () => {
  const listening = await listen(async () => Buffer.alloc(200_000), { requestMs: 300 })
  const caller = new RawCaller(listening.port)
  const stream = caller.session.request(callHeaders)
  stream.on('error', () => undefined)
  stream.end(prefixed(hello))
  try {
    await until('the stream is cut', WAIT_MS, () => stream.rstCode === constants.NGHTTP2_CANCEL)
  } finally {
    caller.close()
    await listening.stop()
  }
})

test('connections over the limit are closed at once, and those that are open go on', async () => {
  const listening = await listen(undefined, { connections: 1 })
  const client = new GrpcClient(listening.port)
  assert.equal((await client.call(hello)).code, OK)
  const second = new RawCaller(listening.port)
  await until('the second is closed', WAIT_MS, () => second.session.destroyed)
  assert.deepEqual(listening.refused, ['connections'])
  assert.equal((await client.call(hello)).code, OK)
  client.close()
  await listening.stop()
})
