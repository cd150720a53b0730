/** A client that does what costs us and brings nothing, or is too slow, or takes no answers: its connection ends. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { KiB, limits } from '../../../../src/limits.ts'
import { Flag, FrameType, Setting } from '../../../../src/transport/http2/frames.ts'
import { callHeaders, END_HEADERS, END_STREAM, frame, headerBlock } from '../../../support/grpc-raw.ts'
import { MemoryConnection, numberOf, type SeenFrame, settingsOf } from '../../../support/http2-server.ts'

const block = headerBlock()
const withLength = headerBlock({ ...callHeaders, 'content-length': '7' })
const CALM = 11
/** So often that the machine may even be slow: what fills up again with time is a fifth of it in each second. */
const TIMES = 6 * limits.grpcResetsBurst

const head = (id: number, flags = 0, fields = block): Buffer =>
  frame(FrameType.HEADERS, END_HEADERS | flags, id, fields)
const grow = (id: number, bytes: number): Buffer => frame(FrameType.WINDOW_UPDATE, 0, id, numberOf(bytes))

/** What is done again and again, each time with the number of another stream. */
const floods: Readonly<Record<string, (id: number) => Buffer[]>> = {
  'streams that the client resets': (id) => [
    head(id, END_STREAM),
    frame(FrameType.RST_STREAM, 0, id, numberOf(8)),
  ],
  'streams that we reset: WINDOW_UPDATE by 0': (id) => [head(id, END_STREAM), grow(id, 0)],
  'streams that we reset: windows beyond their bound': (id) => [head(id, END_STREAM), grow(id, 2 ** 31 - 1)],
  'streams that we reset: DATA behind the end': (id) => [
    head(id, END_STREAM),
    frame(FrameType.DATA, 0, id, Buffer.of(1)),
  ],
  'streams that we reset: HEADERS behind the end': (id) => [head(id, END_STREAM), head(id, END_STREAM)],
  'streams that we reset: PRIORITY of a wrong length': (id) => [
    head(id, END_STREAM),
    frame(FrameType.PRIORITY, 0, id, Buffer.alloc(4)),
  ],
  'streams that we reset: a second head': (id) => [head(id), head(id)],
  'streams that we reset: another content-length': (id) => [head(id, END_STREAM, withLength)],
  'streams that we refuse: malformed heads': (id) => [
    head(id, END_STREAM, headerBlock({ ...callHeaders, te: 'gzip' })),
  ],
  'frames for closed streams': (id) => [
    ...(id === 1 ? [head(1), frame(FrameType.RST_STREAM, 0, 1, numberOf(8))] : []),
    frame(FrameType.DATA, 0, 1, Buffer.of(1)),
  ],
  'HEADERS for a stream that was reset here': (id) => (id === 1 ? [head(1), head(1)] : [head(1)]),
  'DATA without a byte': (id) => (id === 1 ? [head(1)] : [frame(FrameType.DATA, 0, 1)]),
  'DATA of padding alone': (id) =>
    id === 1 ? [head(1)] : [frame(FrameType.DATA, Flag.PADDED, 1, Buffer.of(1, 0))],
  'SETTINGS, whose acknowledgements are taken': (id) => [
    frame(FrameType.SETTINGS, 0, 0, settingsOf([Setting.INITIAL_WINDOW_SIZE, id])),
  ],
  'CONTINUATION without a byte': (id) =>
    id === 1 ? [frame(FrameType.HEADERS, 0, 1, block)] : [frame(FrameType.CONTINUATION, 0, 1)],
  PRIORITY: (id) => [frame(FrameType.PRIORITY, 0, id, Buffer.alloc(5))],
  'frames that are not known': (id) => [frame(0xee, 0, id)],
}
for (const [what, flood] of Object.entries(floods)) {
  test(what, async () => {
    const connection = new MemoryConnection(() => undefined)
    let times = 0
    let last: SeenFrame | undefined
    for (; times < TIMES && connection.seen.broken.length === 0; times++) {
      connection.take(...flood(2 * times + 1))
      // Answers are taken, and each is as real.
      if (times % 100 === 0) last = (await connection.frames()).at(-1)
    }
    assert.ok(times >= limits.grpcResetsBurst / 2, `${times} times`)
    assert.ok(times < TIMES, 'it was borne for ever')
    last = (await connection.frames()).at(-1) ?? last
    assert.deepEqual([last?.type, last?.payload.readUInt32BE(4)], [FrameType.GOAWAY, CALM])
    const { requests, failed, closed } = connection.seen
    assert.deepEqual([failed, closed, connection.socket.destroyed], [[], 1, true])
    assert.ok(requests.every((request) => request.closed === 1))
  })
}

test('many small calls, pings, and windows that grow are no flood', async () => {
  const connection = new MemoryConnection()
  for (let id = 1; id < 4 * TIMES; id += 2) {
    connection.take(head(id), grow(id, 1), frame(FrameType.DATA, 0, id, Buffer.of(1)))
    connection.take(
      frame(FrameType.DATA, END_STREAM, id),
      grow(0, 5),
      frame(FrameType.PING, 0, 0, Buffer.alloc(8)),
    )
    if (id % 100 === 1) await connection.frames()
  }
  assert.deepEqual(connection.seen.broken, [])
  assert.equal(connection.connection.streamCount, 0)
  await connection.close()
})

for (const [what, frames] of [
  ['pings', () => frame(FrameType.PING, 0, 0, Buffer.alloc(8))],
  ['calls', (id: number) => head(id, END_STREAM)],
] as const) {
  test(`answers that are not taken: ${what}`, async () => {
    const connection = new MemoryConnection(({ stream }) => stream.respondOnly(block))
    await connection.frames()
    connection.socket.isStalled = true
    const batch = (i: number): Buffer[] =>
      Array.from({ length: 200 }, (_, j) => frames(2 * (200 * i + j) + 1))
    let most = 0
    for (let i = 0; i < 2_000 && connection.seen.broken.length === 0; i++) {
      connection.take(...batch(i))
      await new Promise((resolve) => setImmediate(resolve))
      most = Math.max(most, connection.socket.writableLength)
    }
    assert.deepEqual(connection.seen.broken, ['answers are not taken'])
    assert.ok(most < limits.grpcUnreadBytesMax + 256 * KiB, `${most} bytes wait`)
    await connection.close()
    assert.equal(connection.seen.closed, 1)
  })
}

const late = (): number => performance.now() + limits.headersMsMax + 1
const soon = (): number => performance.now() + limits.headersMsMax - 5_000

test('who does not say hello in time is cut without a word', async () => {
  for (const bytes of [Buffer.alloc(0), Buffer.from('PRI * H')]) {
    const connection = new MemoryConnection(undefined, 'nothing')
    connection.take(bytes)
    connection.connection.look(soon())
    assert.equal(connection.socket.destroyed, false)
    connection.connection.look(late())
    assert.deepEqual([connection.socket.destroyed, connection.seen.broken], [true, []])
    await connection.frames()
    assert.equal(connection.seen.closed, 1)
  }
})

test('a header block or a frame that does not come to its end in time', async () => {
  const unfinished = [
    frame(FrameType.HEADERS, 0, 1, block),
    Buffer.concat([frame(FrameType.HEADERS, 0, 1, block), frame(FrameType.CONTINUATION, 0, 1, Buffer.of(0))]),
    head(1).subarray(0, 4),
    head(1).subarray(0, 30),
    frame(FrameType.PING, 0, 0, Buffer.alloc(8)).subarray(0, 16),
  ]
  for (const bytes of unfinished) {
    const connection = new MemoryConnection()
    connection.take(bytes)
    connection.connection.look(soon())
    assert.deepEqual(connection.seen.broken, [])
    connection.connection.look(late())
    connection.connection.look(late())
    assert.deepEqual(connection.seen.broken, ['a frame came too slowly'])
    await connection.frames()
    assert.equal(connection.socket.destroyed, true)
  }
})

test('an idle connection, a body that comes slowly, and a stream of frames that are cut are not late', async (context) => {
  let nowMs = 1e6
  context.mock.method(performance, 'now', () => nowMs)
  const connection = new MemoryConnection()
  connection.connection.look(late())
  // Each piece ends within a frame, and each time within another one.
  const step = head(1).length
  const frames = Buffer.concat([1, 3, 5, 7, 9].map((id) => head(id)))
  for (let at = -20; at < frames.length; at += step, nowMs += limits.headersMsMax - 1_000) {
    connection.take(frames.subarray(Math.max(0, at), at + step))
    connection.connection.look(nowMs + 500)
  }
  connection.take(frame(FrameType.DATA, END_STREAM, 5, Buffer.alloc(10)).subarray(0, 12))
  connection.connection.look(late())
  assert.deepEqual([connection.seen.broken, connection.seen.requests.length], [[], 5])
  await connection.close()
})
