/** Clients that are slow, silent, or gone: who holds a connection without a reason loses it, who is merely idle does not. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { KiB, limits } from '../../src/limits.ts'
import type { GrpcCall } from '../../src/transport/grpc/method.ts'
import { preface } from '../../src/transport/http2/frames.ts'
import { GrpcClient, listen } from '../support/grpc-fixture.ts'
import {
  ACK,
  callHeaders,
  END_HEADERS,
  END_STREAM,
  Frame,
  frame,
  headerBlock,
  prefixed,
  RawSocket,
} from '../support/grpc-raw.ts'
import { until } from '../support/until.ts'

const WAIT_MS = limits.headersMsMax + 30_000
const DROP_MS = 500
const block = headerBlock()
const head = (id: number): Buffer => frame(Frame.HEADERS, END_HEADERS, id, block)

/** Sends these drops over and over until the other end has had enough; when that was. */
async function dripped(
  context: TestContext,
  port: number,
  start: Buffer,
  drop: (i: number) => Buffer,
): Promise<number> {
  const socket = connect(port, '127.0.0.1').resume()
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  const startedMs = performance.now()
  socket.write(start)
  let i = 0
  const timer = setInterval(() => socket.writable && socket.write(drop(i++)), DROP_MS)
  context.after(() => {
    clearInterval(timer)
    socket.destroy()
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  socket.on('close', resolve)
  await promise
  clearInterval(timer)
  return performance.now() - startedMs
}

test('a hello and a header block by drops end with their time; a connection that is idle is kept', {
  timeout: WAIT_MS,
}, async (context) => {
  const listening = await listen()
  const idle = await RawSocket.connect(listening.port)
  const honest = new GrpcClient(listening.port)
  context.after(async () => {
    idle.close()
    honest.close()
    await listening.stop()
  })
  assert.equal((await honest.call(Buffer.from('before'))).code, 0)
  await until('the hello', WAIT_MS, () => idle.received > 0)
  await new Promise((resolve) => setTimeout(resolve, DROP_MS))
  const { received } = idle
  const hello = Buffer.concat([preface, frame(Frame.SETTINGS, 0, 0)])
  const continuation = frame(Frame.CONTINUATION, 0, 1, headerBlock({ a: 'b' }))
  const times = await Promise.all([
    dripped(context, listening.port, Buffer.alloc(0), (i) => preface.subarray(i, i + 1)),
    dripped(context, listening.port, hello, (i) =>
      i === 0 ? frame(Frame.HEADERS, 0, 1, block) : continuation,
    ),
    dripped(context, listening.port, hello, (i) => head(1).subarray(i, i + 1)),
  ])
  for (const ms of times) assert.ok(ms >= limits.headersMsMax - DROP_MS, `after ${ms} ms`)
  assert.equal(idle.received, received, 'nothing is said to who is idle')
  idle.write(head(1), frame(Frame.DATA, END_STREAM, 1, prefixed(Buffer.from('late'))))
  await until('it is served', WAIT_MS, () => idle.received > received + 50)
  assert.deepEqual([idle.isClosed, (await honest.call(Buffer.from('after'))).code], [false, 0])
  assert.deepEqual(listening.failed, [])
})

for (const how of ['ends its side', 'is cut'] as const) {
  test(`a client that ${how} with calls under way: all they held is given back`, async (context) => {
    const calls: GrpcCall[] = []
    const answer = Promise.withResolvers<Buffer>()
    const listening = await listen((call) => {
      calls.push(call)
      return answer.promise
    })
    context.after(() => listening.stop())
    const client = await RawSocket.connect(listening.port)
    const message = prefixed(Buffer.alloc(10 * KiB))
    client.write(head(1), frame(Frame.DATA, END_STREAM, 1, message))
    client.write(head(3), frame(Frame.DATA, 0, 3, message.subarray(0, 5 * KiB)))
    client.write(frame(Frame.HEADERS, 0, 5, block))
    await until('both are there', WAIT_MS, () => calls.length === 1 && listening.budget.bytes > 5 * KiB)
    if (how === 'is cut') client.socket.resetAndDestroy()
    else client.socket.end()
    await until('nothing is on the books', WAIT_MS, () => listening.budget.bytes === 0)
    assert.notEqual(calls[0]?.endedWith, undefined)
    await client.closed()
    // The answer comes too late for anybody.
    answer.resolve(Buffer.alloc(0))
    const next = new GrpcClient(listening.port)
    assert.equal((await next.call(Buffer.alloc(0))).code, 0)
    next.close()
    assert.deepEqual(listening.failed, [])
  })
}

test('a drain does not wait for a client that watches and never ends its side', async (context) => {
  const listening = await listen()
  context.after(() => listening.stop())
  const client = await RawSocket.connect(listening.port)
  const watch = headerBlock({ ...callHeaders, ':path': '/grpc.health.v1.Health/Watch' })
  await until('the hello', WAIT_MS, () => client.received > 0)
  const { received } = client
  client.write(
    frame(Frame.HEADERS, END_HEADERS, 1, watch),
    frame(Frame.DATA, 0, 1, prefixed(Buffer.alloc(0))),
  )
  await until('the first answer', WAIT_MS, () => client.received > received + 30)
  let isDrained = false
  void listening.listener.drain().then(() => {
    isDrained = true
  })
  await until('it is drained', WAIT_MS, () => isDrained)
  assert.equal(listening.budget.bytes, 0)
  await client.closed()
})

test('who says nothing for long: without a call it is told to leave, with one it is asked, and cut when it is gone', async (context) => {
  const idleMs = 300
  const listening = await listen(undefined, { idleMs })
  const watch = async (answersPings: boolean): Promise<RawSocket> => {
    const client = await RawSocket.connect(listening.port)
    context.after(() => client.close())
    client.write(
      frame(
        Frame.HEADERS,
        END_HEADERS,
        1,
        headerBlock({ ...callHeaders, ':path': '/grpc.health.v1.Health/Watch' }),
      ),
      frame(Frame.DATA, 0, 1, prefixed(Buffer.alloc(0))),
    )
    if (!answersPings) return client
    client.socket.on('data', (chunk: Buffer) => {
      // The gateway's pings come alone: length 8, type 6, no flags, no stream.
      if (chunk.length >= 17 && chunk.readUIntBE(0, 3) === 8 && chunk[3] === Frame.PING && chunk[4] === 0)
        client.write(frame(Frame.PING, ACK, 0, chunk.subarray(9, 17)))
    })
    return client
  }
  context.after(() => listening.stop())
  const [callless, alive, gone] = [
    await RawSocket.connect(listening.port),
    await watch(true),
    await watch(false),
  ]
  const startedMs = performance.now()
  await callless.closed()
  assert.ok(performance.now() - startedMs < limits.unreadMsMax, 'at once, not as one that is cut')
  await gone.closed()
  assert.ok(performance.now() - startedMs >= limits.unreadMsMax)
  assert.equal(alive.isClosed, false, 'it was asked as often, and answered')
  assert.deepEqual(listening.failed, [])
})
