/** The official gRPC client of Node against the listener: what a sender sees when all goes well, and when it does not. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import test from 'node:test'
import { Metadata, status } from '@grpc/grpc-js'
import { permanent, retryable } from '../../src/errors.ts'
import { MiB } from '../../src/limits.ts'
import { fields } from '../../src/wire/protobuf.ts'
import { GrpcClient, type Handle, type Listening, listen, type Reply } from '../support/grpc-fixture.ts'
import { until } from '../support/until.ts'

const WAIT_MS = 10_000
const GZIP = 2
const DEFLATE = 1

interface Both extends Listening {
  readonly client: GrpcClient
}

async function both(
  body: (both: Both) => Promise<void>,
  handle?: Handle,
  options?: Parameters<typeof listen>[1],
  clientOptions?: ConstructorParameters<typeof GrpcClient>[1],
): Promise<void> {
  const listening = await listen(handle, options)
  const client = new GrpcClient(listening.port, clientOptions)
  try {
    await body({ ...listening, client })
    await until('nothing is on the books', WAIT_MS, () => listening.budget.bytes === 0)
  } finally {
    client.close()
    await listening.stop()
  }
}

test('a message comes back as it went, of any size up to the limit', () =>
  both(async ({ client }) => {
    for (const size of [0, 1, 5, 4095, 4096, 16_384, 65_536, 1_000_000, 4 * MiB - 1]) {
      const sent = randomBytes(size)
      const reply = await client.call(sent)
      assert.equal(reply.code, status.OK, `${size} bytes: ${reply.details}`)
      assert.ok(reply.message?.equals(sent), `${size} bytes`)
    }
  }))

test('an empty response is a message of no bytes', () =>
  both(
    async ({ client }) => {
      const reply = await client.call(Buffer.from('spans'))
      assert.deepEqual([reply.code, reply.message?.length], [status.OK, 0])
    },
    async () => Buffer.alloc(0),
  ))

for (const [name, algorithm] of [
  ['gzip', GZIP],
  ['deflate', DEFLATE],
] as const) {
  test(`a message that was sent with ${name} arrives inflated, small ones and large ones`, () =>
    both(
      async ({ client }) => {
        for (const size of [0, 10, 10_000, 5_000_000]) {
          const sent = Buffer.alloc(size, 'all work and no play ')
          const reply = await client.call(sent)
          assert.equal(reply.code, status.OK, reply.details)
          assert.deepEqual(JSON.parse(String(reply.message)), { size, isSmaller: size > 100 })
        }
      },
      async (call, message) =>
        Buffer.from(JSON.stringify({ size: message.length, isSmaller: call.wireBytes < message.length })),
      {},
      { 'grpc.default_compression_algorithm': algorithm },
    ))
}

test('a method sees who called: metadata, binary metadata, the listener, the deadline', () =>
  both(
    async ({ client }) => {
      const metadata = new Metadata()
      metadata.add('x-guid', 'a')
      metadata.add('x-guid', 'b')
      metadata.add('trace-bin', Buffer.from([0, 255]))
      const deadline = Date.now() + 60_000
      const seen = JSON.parse(String((await client.call(Buffer.alloc(1), { metadata, deadline })).message))
      assert.deepEqual(seen.guids, ['a', 'b'])
      assert.deepEqual(seen.binary, ['AP8'])
      assert.deepEqual(seen.nothing, [])
      assert.equal(seen.listenerGuid, 'of-the-listener')
      assert.equal(seen.peer, '127.0.0.1')
      assert.ok(seen.leftMs > 50_000 && seen.leftMs <= 61_000, `${seen.leftMs} ms are left`)
      const again = JSON.parse(String((await client.call(Buffer.alloc(1))).message))
      assert.equal(again.connection, seen.connection, 'the same connection')
      assert.equal(again.leftMs, undefined)
    },
    async (call) =>
      Buffer.from(
        JSON.stringify({
          guids: call.header('x-guid'),
          binary: call.header('trace-bin').map((value) => value.replace(/=+$/, '')),
          nothing: call.header('x-nothing'),
          listenerGuid: call.listenerGuid,
          peer: call.peer,
          connection: call.connection,
          leftMs: call.deadline === undefined ? undefined : call.deadline - performance.now(),
        }),
      ),
  ))

/** Seconds of the RetryInfo in the details, undefined without one. */
function retryAfter(reply: Reply): number | undefined {
  const [details] = reply.metadata.get('grpc-status-details-bin')
  if (details === undefined) return undefined
  const inner = (message: Buffer, wanted: number): Buffer | undefined =>
    [...fields(message)].find(({ number }) => number === wanted)?.value
  const any = inner(Buffer.from(details as Buffer), 3)
  if (any === undefined) return undefined
  assert.equal(inner(any, 1)?.toString(), 'type.googleapis.com/google.rpc.RetryInfo')
  const delay = inner(inner(any, 2) ?? Buffer.alloc(0), 1) ?? Buffer.alloc(0)
  return [...fields(delay)].find(({ number }) => number === 1)?.varint
}

test('errors have a code that says whether to try again, their own code, and the text whole', async () => {
  const cases = [
    [retryable('GP_BUS_UNAVAILABLE', 'the bus is down: 50 % of it'), status.UNAVAILABLE, 1],
    [retryable('GP_OVERLOADED', 'zu viel – später\nnochmal'), status.UNAVAILABLE, 1],
    [permanent('GP_INTERNAL', 'the gateway failed'), status.UNAVAILABLE, 1],
    [permanent('GP_BODY_TOO_LARGE', 'too many items'), status.RESOURCE_EXHAUSTED, undefined],
    [permanent('GP_BODY_MALFORMED', 'field 3 at byte 7'), status.INVALID_ARGUMENT, undefined],
    [permanent('GP_ITEMS_REJECTED', 'guid missing'), status.INVALID_ARGUMENT, undefined],
    [permanent('GP_PATH', 'no such thing'), status.UNIMPLEMENTED, undefined],
  ] as const
  for (const [error, code, seconds] of cases) {
    const check = async ({ client, refused }: Both): Promise<void> => {
      const reply = await client.call(Buffer.from('x'))
      assert.deepEqual(
        [reply.code, reply.details, retryAfter(reply)],
        [code, `${error.code}: ${error.message}`, seconds],
      )
      assert.deepEqual(refused, [], 'the method counts what it refuses')
    }
    await both(check, async () => error)
    await both(check, () => Promise.reject(error))
    await both(check, undefined, { admit: () => error })
  }
})

test('what breaks inside is told to the operator, and the sender keeps what it has', async () => {
  const fault = new Error('secret detail')
  const check = async ({ client, failed }: Both): Promise<void> => {
    const reply = await client.call(Buffer.from('x'))
    assert.deepEqual(
      [reply.code, reply.details],
      [status.UNAVAILABLE, 'GP_INTERNAL: the gateway failed; see its log'],
    )
    assert.deepEqual(failed, [fault])
  }
  const fail = (): never => {
    throw fault
  }
  await both(check, () => Promise.reject(fault))
  await both(check, undefined, { admit: fail })
})

test('a method that does not exist is UNIMPLEMENTED; one that is known and not served says why', () =>
  both(
    async ({ client, refused }) => {
      const unknown = await client.call(Buffer.from('x'), { path: '/test.v1.EchoService/Nope' })
      assert.equal(unknown.code, status.UNIMPLEMENTED)
      assert.match(unknown.details, /there is no method \/test\.v1\.EchoService\/Nope/)
      const known = await client.call(Buffer.alloc(1 * MiB), { path: '/test.v1.Profiles/Export' })
      assert.deepEqual(
        [known.code, known.details],
        [status.UNIMPLEMENTED, 'GP_PATH: profiles cannot be joined'],
      )
      assert.deepEqual(refused, ['path', 'path'])
    },
    undefined,
    { unimplemented: new Map([['/test.v1.Profiles/Export', 'profiles cannot be joined']]) },
  ))

test('a message over the limit is refused with both sizes, as it is and as it inflates', async () => {
  const options = { messageBytes: 10_000 }
  await both(
    async ({ client, refused }) => {
      const reply = await client.call(Buffer.alloc(4 * MiB))
      assert.equal(reply.code, status.RESOURCE_EXHAUSTED)
      assert.match(reply.details, /4194304 bytes, the limit is 10000 \(limits\.messageBytes\)/)
      assert.equal(retryAfter(reply), undefined)
      assert.deepEqual(refused, ['body_too_large'])
      assert.equal((await client.call(Buffer.alloc(10_000))).code, status.OK, 'the connection goes on')
    },
    undefined,
    options,
  )
  await both(
    async ({ client }) => {
      for (const size of [10_001, 50 * MiB]) {
        const reply = await client.call(Buffer.alloc(size))
        assert.equal(reply.code, status.RESOURCE_EXHAUSTED, `${size}`)
        assert.match(reply.details, /limit|more than 10000 bytes \(limits\.messageBytes\)/)
      }
    },
    undefined,
    options,
    { 'grpc.default_compression_algorithm': GZIP },
  )
})

test('over the budget, a sender is told to wait, and gets through when there is room', () =>
  both(
    async ({ client, budget, refused }) => {
      assert.ok(budget.take(900_000))
      const reply = await client.call(Buffer.alloc(400_000))
      assert.deepEqual([reply.code, retryAfter(reply)], [status.UNAVAILABLE, 1])
      assert.match(reply.details, /^GP_OVERLOADED/)
      budget.give(900_000)
      assert.equal((await client.call(Buffer.alloc(400_000))).code, status.OK)
      assert.deepEqual(refused, ['overloaded'])
    },
    undefined,
    { budgetBytes: 1_000_000 },
  ))

test("a call's deadline is kept on both sides, and the method can see it", () => {
  let seen: { readonly endedWith: number | undefined } | undefined
  const { promise, resolve } = Promise.withResolvers<Buffer>()
  return both(
    async ({ client, listener: _listener }) => {
      const reply = await client.call(Buffer.from('x'), { deadline: Date.now() + 300 })
      assert.equal(reply.code, status.DEADLINE_EXCEEDED)
      await until('the method knows', WAIT_MS, () => seen?.endedWith === status.DEADLINE_EXCEEDED)
      resolve(Buffer.from('too late'))
      assert.equal((await client.call(Buffer.from('y'))).code, status.OK)
    },
    (call) => {
      seen ??= call
      return promise
    },
  )
})

test('a cancelled call leaves nothing behind, and its answer is thrown away', () => {
  let seen: { readonly endedWith: number | undefined } | undefined
  const { promise, resolve } = Promise.withResolvers<Buffer>()
  return both(
    async ({ client, failed }) => {
      const reply = await client.call(Buffer.from('x'), {
        started: (call) =>
          void until('it is there', WAIT_MS, () => seen !== undefined).then(() => call.cancel()),
      })
      assert.equal(reply.code, status.CANCELLED)
      await until('the method knows', WAIT_MS, () => seen?.endedWith === status.CANCELLED)
      resolve(Buffer.from('too late'))
      assert.equal((await client.call(Buffer.from('y'))).code, status.OK)
      assert.deepEqual(failed, [])
    },
    (call) => {
      seen ??= call
      return promise
    },
  )
})

test('200 calls at once on one connection each get their own answer', () =>
  both(async ({ client }) => {
    const sent = Array.from({ length: 200 }, (_, i) => Buffer.alloc(i * 500, `${i} `))
    const replies = await Promise.all(sent.map((message) => client.call(message)))
    for (const [i, reply] of replies.entries()) assert.ok(reply.message?.equals(sent[i]!), `call ${i}`)
  }))

test('a client may ping as often as it likes', () => {
  const { promise, resolve } = Promise.withResolvers<Buffer>()
  return both(
    async ({ client }) => {
      const answer = client.call(Buffer.from('x'))
      // Three intervals: servers that count strikes close the connection at the second or third.
      setTimeout(() => resolve(Buffer.from('done')), 3500)
      const reply = await answer
      assert.deepEqual([reply.code, String(reply.message), reply.details], [status.OK, 'done', ''])
    },
    () => promise,
    {},
    { 'grpc.keepalive_time_ms': 1000, 'grpc.keepalive_permit_without_calls': 1 },
  )
})

test('a drain answers what is under way, and turns away what comes after', async () => {
  const { promise, resolve } = Promise.withResolvers<Buffer>()
  let underWay = 0
  const listening = await listen(async () => {
    underWay++
    return promise
  })
  const client = new GrpcClient(listening.port)
  const answers = Array.from({ length: 20 }, (_, i) => client.call(Buffer.alloc(i)))
  await until('all are under way', WAIT_MS, () => underWay === 20)
  let isDrained = false
  const drained = listening.listener.drain().then(() => {
    isDrained = true
  })
  const late = await client.call(Buffer.from('late'))
  assert.equal(late.code, status.UNAVAILABLE)
  assert.equal(isDrained, false)
  resolve(Buffer.from('done'))
  for (const reply of await Promise.all(answers))
    assert.deepEqual([reply.code, String(reply.message)], [0, 'done'])
  await drained
  client.close()
})

test('a client whose listener comes back goes on without being told', async () => {
  const first = await listen()
  const client = new GrpcClient(first.port)
  assert.equal((await client.call(Buffer.from('x'))).code, status.OK)
  await first.listener.drain()
  const second = await listen(undefined, { port: first.port })
  const metadata = new Metadata({ waitForReady: true })
  assert.equal((await client.call(Buffer.from('x'), { metadata })).code, status.OK)
  client.close()
  await second.stop()
})

test('limits that were reloaded hold for the next call', () =>
  both(async ({ client, listener }) => {
    listener.reload({ connections: 100, requestMs: 1000, messageBytes: 10 })
    assert.equal((await client.call(Buffer.alloc(11))).code, status.RESOURCE_EXHAUSTED)
    assert.equal((await client.call(Buffer.alloc(10))).code, status.OK)
  }))
