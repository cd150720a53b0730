/** Senders that flood, crumble or reset, beside an honest one: it loses nothing and does not wait long. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import test, { after } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { encodeOtlp, itemsOfRecord } from '../support/otlp-items.ts'
import { portOf } from '../support/otlp-program.ts'
import { framed, RawGrpc, type RawReply, replyOf } from '../support/otlp-raw-grpc.ts'
import { exportRequest, grpcPath } from '../support/otlp-send.ts'
import { Running } from '../support/running.ts'

const running = await Running.start({ after })
const port = portOf(running.program, 'otlpGrpc')
const path = grpcPath('traces')
const honestMsMax = 2_000

const messageOf = (guid: string, id: string): Buffer =>
  encodeOtlp('traces', exportRequest('traces', { attributes: { guid }, ids: [id] }))

/** Sends one after another until `work` is done; every one must be taken. Then all of them are in the log. */
async function besideHonest(name: string, work: () => Promise<void>): Promise<string> {
  const grpc = await RawGrpc.connect(port)
  const latencies: number[] = []
  const ids: string[] = []
  let isOver = false
  const honest = (async () => {
    while (!isOver || ids.length < 20) {
      const id = `${name} ${ids.length}`
      const startedMs = performance.now()
      const reply = await grpc.call(path, messageOf('honest', id))
      latencies.push(performance.now() - startedMs)
      assert.equal(reply.grpcStatus, 0, reply.message)
      ids.push(id)
      await turn()
    }
  })()
  try {
    await work()
  } finally {
    isOver = true
    await honest
    await grpc.close()
  }
  const stored = (await running.records())
    .filter(({ key }) => key === 'honest')
    .flatMap((record) => itemsOfRecord(record).map(({ id }) => id))
    .filter((id) => id.startsWith(`${name} `))
  assert.deepEqual(stored.toSorted(), ids.toSorted(), 'each once')
  latencies.sort((a, b) => a - b)
  const p99 = latencies[Math.floor(latencies.length * 0.99)] ?? 0
  assert.ok(p99 < honestMsMax, `p99 is ${p99} ms`)
  await running.assertServing()
  return `${name}: ${ids.length} honest requests, p99 ${p99.toFixed(1)} ms`
}

test('messages in DATA frames of one byte each', async (context) => {
  const said = await besideHonest('crumbs', async () => {
    const grpc = await RawGrpc.connect(port)
    const replies: Promise<RawReply>[] = []
    for (let i = 0; i < 8; i++) {
      const stream = grpc.open(path)
      replies.push(replyOf(stream))
      for (const byte of framed(messageOf('crumbs', `c${i} ${'x'.repeat(1_000)}`))) {
        stream.write(Buffer.of(byte))
        // One write each turn is one frame each.
        await turn()
      }
      stream.end()
    }
    for (const reply of await Promise.all(replies)) assert.equal(reply.grpcStatus, 0, reply.message)
    await grpc.close()
  })
  context.diagnostic(said)
})

test('1,000 streams at once on one connection, each taken or told to try again', async (context) => {
  const said = await besideHonest('streams', async () => {
    const grpc = await RawGrpc.connect(port)
    for (let round = 0; round < 3; round++) {
      const calls = Array.from({ length: 1_000 }, (_, i) =>
        grpc.call(path, messageOf('crowd', `r${round} ${i}`)),
      )
      const replies = await Promise.all(calls)
      const taken = replies.filter(({ grpcStatus }) => grpcStatus === 0).length
      const told = replies.filter(({ grpcStatus, details }) => grpcStatus === 14 && details.length > 0).length
      assert.equal(taken + told, 1_000)
      assert.ok(taken > 0)
    }
    await grpc.close()
  })
  context.diagnostic(said)
})

test('calls that are reset as soon as they are opened, again and again, on new connections', async (context) => {
  const said = await besideHonest('resets', async () => {
    const flood = new Worker(new URL('../support/otlp-reset-flood.ts', import.meta.url), {
      workerData: { port, path, ms: 2_000, message: framed(messageOf('resets', 'r')) },
    })
    const [resets] = (await once(flood, 'message')) as [number]
    await flood.terminate()
    assert.ok(resets > 1_000, `${resets} resets`)
  })
  context.diagnostic(said)
})

test('whole requests that are cancelled before their answer', async (context) => {
  const said = await besideHonest('cancels', async () => {
    const grpc = await RawGrpc.connect(port)
    for (let i = 0; i < 500; i++) {
      const stream = grpc.open(path)
      stream.end(framed(messageOf('cancels', `${i}`)))
      await turn()
      stream.close(8)
    }
    await grpc.close()
  })
  context.diagnostic(said)
})
