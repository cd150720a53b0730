/** The windows in both directions, and what waits for them. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { limits } from '../../../../src/limits.ts'
import { Flag, FrameType, Http2Code, Setting } from '../../../../src/transport/http2/frames.ts'
import { END_HEADERS, END_STREAM, frame, headerBlock } from '../../../support/grpc-raw.ts'
import {
  answer,
  endBlock,
  MemoryConnection,
  numberOf,
  okBlock,
  type SeenRequest,
  settingsOf,
} from '../../../support/http2-server.ts'

const DEFAULT_WINDOW = 65_535
const block = headerBlock()
const call = (id: number): Buffer => frame(FrameType.HEADERS, END_HEADERS | END_STREAM, id, block)
const open = (id: number): Buffer => frame(FrameType.HEADERS, END_HEADERS, id, block)
const grow = (id: number, bytes: number): Buffer => frame(FrameType.WINDOW_UPDATE, 0, id, numberOf(bytes))
const windowOf = (bytes: number): Buffer => settingsOf([Setting.INITIAL_WINDOW_SIZE, bytes])
const resize = (bytes: number): Buffer => frame(FrameType.SETTINGS, 0, 0, windowOf(bytes))

/** What left: `id:text` for DATA, `id$` for an end, `id!code` for a reset. */
async function left(connection: MemoryConnection): Promise<string> {
  const told: string[] = []
  for (const { type, flags, id, payload } of await connection.frames()) {
    if (type === FrameType.DATA) told.push(`${id}:${payload}`)
    if (type === FrameType.RST_STREAM) told.push(`${id}!${payload.readUInt32BE(0)}`)
    if (type === FrameType.HEADERS && (flags & END_STREAM) !== 0) told.push(`${id}$`)
  }
  return told.join(' ')
}

/** The windows that were opened: `id+bytes`. */
async function grown(connection: MemoryConnection): Promise<string> {
  const frames = (await connection.frames()).filter(({ type }) => type === FrameType.WINDOW_UPDATE)
  return frames.map(({ id, payload }) => `${id}+${payload.readUInt32BE(0)}`).join(' ')
}

test('an answer leaves as the window of its stream allows, its trailers behind it', async () => {
  const connection = new MemoryConnection(undefined, windowOf(2))
  connection.take(call(1))
  assert.equal(await left(connection), '1:he')
  connection.take(grow(1, 1))
  assert.equal(await left(connection), '1:l')
  connection.take(grow(1, 2))
  assert.equal(await left(connection), '1:lo 1$')
  assert.equal(connection.seen.requests[0]?.closed, 1)
})

test('SETTINGS move the windows of streams that are open, below zero as well', async () => {
  const connection = new MemoryConnection(undefined, windowOf(3))
  connection.take(call(1), resize(1))
  assert.equal(await left(connection), '1:hel')
  // It has used three of one, and is at -2.
  connection.take(grow(1, 2))
  assert.equal(await left(connection), '')
  connection.take(grow(1, 1))
  assert.equal(await left(connection), '1:l')
  connection.take(resize(0), resize(1))
  assert.equal(await left(connection), '')
  connection.take(resize(2))
  assert.equal(await left(connection), '1:o 1$')
})

test('a window of a stream that came before and one that comes behind SETTINGS', async () => {
  const connection = new MemoryConnection(undefined, windowOf(0))
  connection.take(call(1), resize(5), call(3), resize(0), call(5))
  assert.equal(await left(connection), '1:hello 1$ 3:hello 3$')
  connection.take(resize(10))
  assert.equal(await left(connection), '5:hello 5$')
})

test('streams that wait for the window of the connection take turns', async () => {
  const connection = new MemoryConnection((request) => answer(request, `${request.stream.id}`.repeat(8)))
  // All but 6 bytes of the connection's window are used up.
  connection.take(open(99))
  const filler = connection.seen.requests[0]!.stream
  filler.respond(okBlock)
  filler.write(Buffer.alloc(DEFAULT_WINDOW - 6))
  await left(connection)
  connection.take(call(101), call(103), call(105))
  assert.equal(await left(connection), '101:101101')
  const turns: string[] = []
  for (let i = 0; i < 7; i++) {
    connection.take(grow(0, 6))
    turns.push(await left(connection))
  }
  // 24 bytes each; 18 are left of the first, which stands in front.
  assert.deepEqual(
    turns.map((turn) => turn.split(':')[0]),
    ['101', '103', '105', '101', '103', '105', '101'],
  )
  connection.take(grow(0, 1_000))
  assert.equal(await left(connection), '103:103103103103 103$ 105:105105105105 105$')
})

test('one that is reset while it waits takes no turn, and gives nothing back twice', async () => {
  const connection = new MemoryConnection((request) => answer(request, `${request.stream.id}`))
  connection.take(open(1))
  connection.seen.requests[0]!.stream.respond(okBlock)
  connection.seen.requests[0]!.stream.write(Buffer.alloc(DEFAULT_WINDOW))
  await left(connection)
  connection.take(call(3), call(5), call(7), frame(FrameType.RST_STREAM, 0, 3, numberOf(8)))
  connection.seen.requests[2]!.stream.reset(Http2Code.CANCEL)
  assert.equal(connection.connection.waiting.size, 1)
  connection.take(grow(0, 100))
  assert.equal(await left(connection), '5!8 7:7 7$')
  assert.deepEqual(
    connection.seen.requests.map(({ closed }) => closed),
    [0, 1, 1, 1],
  )
})

test('a stream whose own window is shut does not keep the others waiting', async () => {
  const connection = new MemoryConnection((request) => answer(request, `${request.stream.id}`))
  connection.take(open(1), call(3), resize(0), call(5), grow(5, 1))
  assert.equal(await left(connection), '3:3 3$ 5:5 5$')
  const [first] = connection.seen.requests
  first!.stream.respond(okBlock)
  first!.stream.write(Buffer.from('waits'))
  assert.equal(first!.stream.isWaiting, true)
  connection.take(resize(100))
  assert.equal(await left(connection), '1:waits')
  assert.deepEqual([first!.stream.isWaiting, first!.drained], [false, 1])
})

test('frames are no larger than the client takes, and never larger than we write', async () => {
  const sizes = async (frameBytes: number, bytes: number): Promise<number[]> => {
    const settings = settingsOf(
      [Setting.MAX_FRAME_SIZE, frameBytes],
      [Setting.INITIAL_WINDOW_SIZE, 2 ** 31 - 1],
    )
    const connection = new MemoryConnection((request) => answer(request, 'x'.repeat(bytes)), settings)
    connection.take(grow(0, 2 ** 31 - 1 - DEFAULT_WINDOW), call(1))
    const frames = await connection.frames()
    return frames.filter(({ type }) => type === FrameType.DATA).map(({ payload }) => payload.length)
  }
  assert.deepEqual(await sizes(16_384, 40_000), [16_384, 16_384, 7_232])
  assert.deepEqual(await sizes(2 ** 24 - 1, 100_000), [
    limits.grpcFrameBytesMax,
    100_000 - limits.grpcFrameBytesMax,
  ])
})

test('an answer that is complete before its request: its client is asked to stop, behind the answer', async () => {
  const early = ({ stream }: SeenRequest): void => {
    stream.respond(okBlock)
    stream.write(Buffer.from('early'))
    stream.end(endBlock)
    stream.stopReading()
  }
  const connection = new MemoryConnection(undefined, windowOf(3))
  connection.take(open(1))
  early(connection.seen.requests[0]!)
  assert.equal(await left(connection), '1:ear')
  connection.take(grow(1, 100))
  assert.equal(await left(connection), `1:ly 1$ 1!${Http2Code.NO_ERROR}`)
  assert.equal(connection.seen.requests[0]?.closed, 1)
  // When the request ends while the answer waits, there is nothing to ask for.
  connection.take(open(3))
  early(connection.seen.requests[1]!)
  connection.take(frame(FrameType.DATA, END_STREAM, 3), grow(3, 100))
  assert.equal(await left(connection), '3:ear 3:ly 3$')
  assert.equal(connection.seen.requests[1]?.closed, 1)
})

test('behind its end an answer has nothing more to say', async () => {
  const connection = new MemoryConnection((request) => {
    answer(request)
    answer(request)
    request.stream.respondOnly(okBlock)
    request.stream.reset(Http2Code.CANCEL)
  })
  connection.take(call(1))
  assert.equal(await left(connection), '1:hello 1$')
})

const chunk = (id: number, bytes: number, flags = 0): Buffer =>
  frame(FrameType.DATA, flags, id, Buffer.alloc(bytes, flags === 0 ? 1 : 0))
const FRAME = 65_536
const half = limits.grpcStreamWindowBytes / 2

test('windows are opened again when half is used, by what was used, padding and all', async () => {
  const connection = new MemoryConnection()
  await connection.frames()
  connection.take(open(1))
  for (let bytes = FRAME; bytes < half; bytes += FRAME) connection.take(chunk(1, FRAME))
  assert.equal(await grown(connection), '')
  // Of padding are the byte of its length and 200 more; the rest is DATA.
  const padded = Buffer.alloc(FRAME)
  padded[0] = 200
  connection.take(frame(FrameType.DATA, Flag.PADDED, 1, padded))
  assert.equal(await grown(connection), `1+${half}`)
  const [request] = connection.seen.requests
  assert.equal(Buffer.concat(request!.body).length, half - 201)
  for (let bytes = 0; bytes < limits.grpcConnectionWindowBytes / 2 - half; bytes += FRAME)
    connection.take(chunk(1, FRAME))
  const all = (await grown(connection)).split(' ')
  assert.equal(all.at(-2), `0+${limits.grpcConnectionWindowBytes / 2}`)
  assert.equal(all.at(-1), `1+${half}`)
})

test('more DATA than the window of a stream costs the stream', async () => {
  const connection = new MemoryConnection()
  connection.take(open(1))
  const { stream } = connection.seen.requests[0]!
  stream.receiveWindow = 10
  connection.take(chunk(1, 10), chunk(1, 1, END_STREAM))
  // The window was opened again at its half.
  assert.equal(await left(connection), '1:hello 1$')
  connection.take(open(3))
  connection.seen.requests[1]!.stream.receiveWindow = 10
  connection.take(chunk(3, 11), chunk(3, 5, END_STREAM), call(5))
  assert.equal(await left(connection), `3!${Http2Code.FLOW_CONTROL_ERROR} 5:hello 5$`)
  assert.deepEqual([connection.seen.requests[1]?.body, connection.seen.requests[1]?.closed], [[], 1])
})

test('DATA that is thrown away is counted on the connection all the same', async () => {
  const connection = new MemoryConnection()
  await connection.frames()
  connection.take(open(1))
  connection.seen.requests[0]!.stream.reset(Http2Code.CANCEL)
  for (let bytes = 0; bytes < limits.grpcConnectionWindowBytes / 2; bytes += FRAME)
    connection.take(chunk(1, FRAME))
  assert.equal(await grown(connection), `0+${limits.grpcConnectionWindowBytes / 2}`)
  assert.equal(connection.seen.requests[0]?.body.length, 0)
})

test('a reader that resets its stream is told no more of it', async () => {
  const connection = new MemoryConnection()
  connection.take(open(1))
  const [request] = connection.seen.requests
  const { reader } = request!.stream
  request!.stream.reader = {
    ...reader,
    data: (part, from, to) => {
      reader.data(part, from, to)
      request!.stream.reset(Http2Code.CANCEL)
    },
  }
  const frames = Buffer.concat([chunk(1, 10), chunk(1, 10, END_STREAM)])
  for (const byte of frames) connection.take(Buffer.of(byte))
  assert.deepEqual([request!.body.length, request!.hasEnded, request!.closed], [1, false, 1])
  assert.equal(await left(connection), `1!${Http2Code.CANCEL}`)
})
