/** What one connection does by itself: opening and refusing streams, going, breaking. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { limits } from '../../../../src/limits.ts'
import { Flag, FrameType, Http2Code, preface, Setting } from '../../../../src/transport/http2/frames.ts'
import { callHeaders, END_HEADERS, END_STREAM, frame, headerBlock } from '../../../support/grpc-raw.ts'
import {
  answer,
  MemoryConnection,
  numberOf,
  okBlock,
  type SeenFrame,
  settingsOf,
} from '../../../support/http2-server.ts'

const block = headerBlock()
const open = (id: number): Buffer => frame(FrameType.HEADERS, END_HEADERS, id, block)
const call = (id: number): Buffer => frame(FrameType.HEADERS, END_HEADERS | END_STREAM, id, block)
const data = (id: number, text: string, flags = 0): Buffer =>
  frame(FrameType.DATA, flags, id, Buffer.from(text))
const reset = (id: number, code: number): Buffer => frame(FrameType.RST_STREAM, 0, id, numberOf(code))
/** Nothing is answered. */
const silent = (): undefined => undefined

const names = Object.fromEntries(Object.entries(FrameType).map(([name, type]) => [type, name]))
const codes = Object.fromEntries(Object.entries(Http2Code).map(([name, code]) => [code, name]))

/** A frame in short: RST_STREAM and GOAWAY with their code, GOAWAY with the stream it names. */
function told({ type, flags, id, payload }: SeenFrame): string {
  if (type === FrameType.RST_STREAM) return `RST_STREAM ${id} ${codes[payload.readUInt32BE(0)]}`
  if (type === FrameType.GOAWAY) return `GOAWAY ${payload.readUInt32BE(0)} ${codes[payload.readUInt32BE(4)]}`
  return `${names[type]} ${id}${(flags & END_STREAM) === 0 ? '' : ' END_STREAM'}`
}

async function answers(connection: MemoryConnection): Promise<string[]> {
  return (await connection.answers()).map(told)
}

test('it says its settings and the window of the connection first', async () => {
  const connection = new MemoryConnection()
  const [settings, growth, ack] = await connection.frames()
  const expected = settingsOf(
    [Setting.MAX_CONCURRENT_STREAMS, limits.grpcStreamsMax],
    [Setting.INITIAL_WINDOW_SIZE, limits.grpcStreamWindowBytes],
    [Setting.MAX_FRAME_SIZE, limits.grpcFrameBytesMax],
    [Setting.MAX_HEADER_LIST_SIZE, limits.headerBytesMax],
  )
  assert.deepEqual(settings, { type: FrameType.SETTINGS, flags: 0, id: 0, payload: expected })
  assert.equal(growth?.payload.readUInt32BE(0), limits.grpcConnectionWindowBytes - 65_535)
  assert.deepEqual(ack, { type: FrameType.SETTINGS, flags: Flag.ACK, id: 0, payload: Buffer.alloc(0) })
})

test('calls that lie in each other are read apart, and answered in the order of their ends', async () => {
  const connection = new MemoryConnection()
  connection.take(open(1), data(1, 'a'), open(3), data(3, 'b'), data(1, 'c'), data(3, 'd', END_STREAM))
  connection.take(data(1, 'e', END_STREAM))
  const [first, second] = connection.seen.requests
  assert.deepEqual([String(Buffer.concat(first!.body)), String(Buffer.concat(second!.body))], ['ace', 'bd'])
  assert.deepEqual(
    (await answers(connection)).filter((text) => text.startsWith('HEADERS')),
    ['HEADERS 3', 'HEADERS 3 END_STREAM', 'HEADERS 1', 'HEADERS 1 END_STREAM'],
  )
  assert.deepEqual([first!.closed, second!.closed, connection.connection.streamCount], [1, 1, 0])
})

test('a request that is refused by its head is answered and, if it has more to say, reset', async () => {
  const connection = new MemoryConnection()
  const large = headerBlock({ ...callHeaders, 'x-large': 'a'.repeat(15_000), 'x-larger': 'a'.repeat(1_500) })
  connection.take(frame(FrameType.HEADERS, END_HEADERS, 1, large))
  assert.deepEqual(await answers(connection), ['HEADERS 1 END_STREAM', 'RST_STREAM 1 NO_ERROR'])
  // Nothing is reset behind a request that was complete.
  connection.take(frame(FrameType.HEADERS, END_HEADERS | END_STREAM, 3, large))
  assert.deepEqual(await answers(connection), ['HEADERS 3 END_STREAM'])
  assert.equal(connection.seen.headsTooLarge, 2)
  // What was on its way for the first is no fault; for the second it is.
  connection.take(data(1, 'late'), data(1, '', END_STREAM))
  assert.deepEqual(await answers(connection), [])
  connection.take(data(1, 'later'), data(3, 'late'))
  assert.deepEqual(await answers(connection), ['RST_STREAM 1 STREAM_CLOSED', 'RST_STREAM 3 STREAM_CLOSED'])
})

test('a malformed head costs its stream and nothing else', async () => {
  const connection = new MemoryConnection()
  connection.take(
    frame(FrameType.HEADERS, END_HEADERS, 1, headerBlock({ ...callHeaders, connection: 'close' })),
  )
  connection.take(call(3))
  const [first, ...rest] = await answers(connection)
  assert.equal(first, 'RST_STREAM 1 PROTOCOL_ERROR')
  assert.equal(rest.at(-1), 'HEADERS 3 END_STREAM')
  assert.equal(connection.seen.requests.length, 1)
})

for (const [what, length, pieces] of [
  ['less', '5', ['1234']],
  ['more', '5', ['123', '456']],
  ['none', '1', []],
] as const) {
  test(`${what} than content-length says`, async () => {
    const connection = new MemoryConnection()
    const head = headerBlock({ ...callHeaders, 'content-length': length })
    const isAlone = pieces.length === 0
    connection.take(frame(FrameType.HEADERS, END_HEADERS | (isAlone ? END_STREAM : 0), 1, head))
    for (const [i, piece] of pieces.entries()) {
      connection.take(data(1, piece, i === pieces.length - 1 ? END_STREAM : 0))
    }
    assert.deepEqual(await answers(connection), ['RST_STREAM 1 PROTOCOL_ERROR'])
    const [request] = connection.seen.requests
    assert.deepEqual([request?.hasEnded, request?.closed], [false, 1])
  })
}

test('trailers end a request; a second head and a pseudo-header in trailers do not', async () => {
  const connection = new MemoryConnection()
  const trailers = headerBlock({ 'x-checksum': 'a' })
  connection.take(open(1), data(1, 'a'), frame(FrameType.HEADERS, END_HEADERS | END_STREAM, 1, trailers))
  assert.equal(connection.seen.requests[0]?.hasEnded, true)
  await answers(connection)
  connection.take(open(3), frame(FrameType.HEADERS, END_HEADERS, 3, trailers))
  connection.take(
    open(5),
    frame(FrameType.HEADERS, END_HEADERS | END_STREAM, 5, headerBlock({ ':path': '/' })),
  )
  assert.deepEqual(await answers(connection), ['RST_STREAM 3 PROTOCOL_ERROR', 'RST_STREAM 5 PROTOCOL_ERROR'])
})

test('more streams than allowed are refused so that they can be repeated', async () => {
  const connection = new MemoryConnection(silent)
  const last = 2 * limits.grpcStreamsMax + 1
  for (let id = 1; id <= last; id += 2) connection.take(open(id))
  assert.deepEqual(await answers(connection), [`RST_STREAM ${last} REFUSED_STREAM`])
  connection.take(reset(1, Http2Code.CANCEL), call(last + 2))
  assert.equal(connection.seen.requests.length, limits.grpcStreamsMax + 1)
  assert.equal(connection.seen.requests[0]?.closed, 1)
  await connection.close()
})

test('a client that goes is told which calls it may repeat; those under way are answered, then it ends', async () => {
  const connection = new MemoryConnection(silent)
  connection.take(
    call(1),
    frame(FrameType.GOAWAY, 0, 0, Buffer.alloc(8)),
    call(3),
    open(5),
    data(5, 'x', END_STREAM),
  )
  assert.deepEqual(await answers(connection), ['GOAWAY 1 NO_ERROR'])
  assert.deepEqual([connection.seen.requests.length, connection.socket.writableEnded], [1, false])
  answer(connection.seen.requests[0]!)
  assert.equal(connection.socket.writableEnded, true)
  assert.deepEqual(await answers(connection), ['HEADERS 1', 'DATA 1', 'HEADERS 1 END_STREAM'])
  await connection.close()
  assert.deepEqual([connection.seen.closed, connection.seen.requests[0]?.closed], [1, 1])
})

test('a connection that leaves passes new streams over, and is cut when its client does not close it', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const connection = new MemoryConnection()
  connection.take(call(1), open(3))
  connection.connection.leave()
  connection.connection.leave()
  // A stream that the client opened before it knew, with a table entry that later blocks refer to.
  const kept = Buffer.concat([block, Buffer.of(0x40, 1), Buffer.from('k'), Buffer.of(1), Buffer.from('v')])
  connection.take(
    frame(FrameType.HEADERS, END_HEADERS, 5, kept),
    data(5, 'x'),
    frame(FrameType.HEADERS, END_HEADERS | END_STREAM, 5, Buffer.of(0xbe)),
  )
  connection.take(data(3, 'late', END_STREAM))
  const frames = await answers(connection)
  assert.deepEqual(frames.slice(3), ['GOAWAY 3 NO_ERROR', 'HEADERS 3', 'DATA 3', 'HEADERS 3 END_STREAM'])
  assert.deepEqual([connection.seen.requests.length, connection.seen.broken.length], [2, 0])
  assert.deepEqual([connection.socket.writableEnded, connection.socket.destroyed], [true, false])
  context.mock.timers.tick(limits.unreadMsMax)
  assert.equal(connection.socket.destroyed, true)
  await answers(connection)
  assert.equal(connection.seen.closed, 1)
})

test('a socket that closes with calls under way closes each of them once', async () => {
  for (const how of ['close', 'error'] as const) {
    const connection = new MemoryConnection(silent)
    connection.take(call(1), open(3), data(3, 'part'), frame(FrameType.HEADERS, 0, 5, block))
    connection.socket.destroy(how === 'error' ? new Error('ECONNRESET') : undefined)
    await answers(connection)
    const { requests, closed, failed } = connection.seen
    assert.deepEqual([requests.map((request) => request.closed), closed, failed], [[1, 1], 1, []])
    // Answers that come too late go nowhere.
    answer(requests[0]!)
    requests[1]!.stream.reset(Http2Code.CANCEL)
    connection.connection.leave()
    assert.deepEqual([await answers(connection), requests.map((request) => request.closed)], [[], [1, 1]])
  }
})

test('what breaks in a reader of ours cuts its connection and is told', async () => {
  const connection = new MemoryConnection(() => {
    throw new Error('ours')
  })
  connection.take(open(1), call(3), call(5))
  await answers(connection)
  const { requests, failed, broken, closed } = connection.seen
  assert.deepEqual([failed.map(String), broken, closed], [['Error: ours'], [], 1])
  assert.deepEqual(
    requests.map((request) => request.closed),
    [1, 1],
  )
})

const head = (fields: Record<string, string>): Buffer => headerBlock({ ...callHeaders, ...fields })
const broken: Readonly<Record<string, readonly [code: string, ...frames: Buffer[]]>> = {
  'DATA of no stream': ['PROTOCOL_ERROR', data(0, 'a')],
  'DATA for a stream that was not opened': ['PROTOCOL_ERROR', data(1, 'a')],
  'HEADERS of an even number': ['PROTOCOL_ERROR', open(2)],
  'HEADERS of no stream': ['PROTOCOL_ERROR', open(0)],
  'HEADERS of a number below the last': ['STREAM_CLOSED', call(5), call(3)],
  'HEADERS with more padding than bytes': [
    'PROTOCOL_ERROR',
    frame(FrameType.HEADERS, END_HEADERS | Flag.PADDED, 1, Buffer.of(2, 1)),
  ],
  'HEADERS without the length of its padding': [
    'PROTOCOL_ERROR',
    frame(FrameType.HEADERS, END_HEADERS | Flag.PADDED, 1),
  ],
  'HEADERS without its priority': [
    'PROTOCOL_ERROR',
    frame(FrameType.HEADERS, END_HEADERS | Flag.PRIORITY, 1, Buffer.alloc(4)),
  ],
  'HEADERS with an index that stands for nothing': [
    'COMPRESSION_ERROR',
    frame(FrameType.HEADERS, END_HEADERS, 1, Buffer.of(0xff, 0)),
  ],
  'a header block that is interrupted': ['PROTOCOL_ERROR', frame(FrameType.HEADERS, 0, 1, block), call(3)],
  'a header block that is interrupted by what is not known': [
    'PROTOCOL_ERROR',
    frame(FrameType.HEADERS, 0, 1, block),
    frame(0xee, 0, 1),
  ],
  'CONTINUATION of another stream': [
    'PROTOCOL_ERROR',
    frame(FrameType.HEADERS, 0, 1, block),
    frame(FrameType.CONTINUATION, END_HEADERS, 3),
  ],
  'CONTINUATION of nothing': ['PROTOCOL_ERROR', frame(FrameType.CONTINUATION, END_HEADERS, 1)],
  'a header block in one frame that is too long': [
    'ENHANCE_YOUR_CALM',
    frame(FrameType.HEADERS, END_HEADERS, 1, Buffer.alloc(2 * limits.headerBytesMax + 1)),
  ],
  'a header block in two frames that is too long': [
    'ENHANCE_YOUR_CALM',
    frame(FrameType.HEADERS, 0, 1, Buffer.alloc(limits.headerBytesMax)),
    frame(FrameType.CONTINUATION, END_HEADERS, 1, Buffer.alloc(limits.headerBytesMax + 1)),
  ],
  'a header block without an end': [
    'ENHANCE_YOUR_CALM',
    frame(FrameType.HEADERS, 0, 1, block),
    frame(FrameType.CONTINUATION, 0, 1, Buffer.alloc(limits.headerBytesMax)),
    frame(FrameType.CONTINUATION, 0, 1, Buffer.alloc(limits.headerBytesMax)),
  ],
  'a frame that is too large': [
    'FRAME_SIZE_ERROR',
    frame(0xee, 0, 0, Buffer.alloc(limits.grpcFrameBytesMax + 1)),
  ],
  'RST_STREAM of no stream': ['PROTOCOL_ERROR', reset(0, 8)],
  'RST_STREAM of a stream that was not opened': ['PROTOCOL_ERROR', reset(1, 8)],
  'RST_STREAM of 3 bytes': ['FRAME_SIZE_ERROR', open(1), frame(FrameType.RST_STREAM, 0, 1, Buffer.alloc(3))],
  'SETTINGS of a stream': ['PROTOCOL_ERROR', frame(FrameType.SETTINGS, 0, 1)],
  'SETTINGS of 5 bytes': ['FRAME_SIZE_ERROR', frame(FrameType.SETTINGS, 0, 0, Buffer.alloc(5))],
  'SETTINGS in an acknowledgement': [
    'FRAME_SIZE_ERROR',
    frame(FrameType.SETTINGS, Flag.ACK, 0, Buffer.alloc(6)),
  ],
  'ENABLE_PUSH of 2': ['PROTOCOL_ERROR', frame(FrameType.SETTINGS, 0, 0, settingsOf([2, 2]))],
  'INITIAL_WINDOW_SIZE of 2^31': [
    'FLOW_CONTROL_ERROR',
    frame(FrameType.SETTINGS, 0, 0, settingsOf([4, 2 ** 31])),
  ],
  'MAX_FRAME_SIZE below 16,384': ['PROTOCOL_ERROR', frame(FrameType.SETTINGS, 0, 0, settingsOf([5, 16_383]))],
  'MAX_FRAME_SIZE of 2^24': ['PROTOCOL_ERROR', frame(FrameType.SETTINGS, 0, 0, settingsOf([5, 2 ** 24]))],
  PUSH_PROMISE: ['PROTOCOL_ERROR', open(1), frame(FrameType.PUSH_PROMISE, END_HEADERS, 1, numberOf(2))],
  'PING of a stream': ['PROTOCOL_ERROR', frame(FrameType.PING, 0, 1, Buffer.alloc(8))],
  'PING of 9 bytes': ['FRAME_SIZE_ERROR', frame(FrameType.PING, 0, 0, Buffer.alloc(9))],
  'GOAWAY of a stream': ['PROTOCOL_ERROR', frame(FrameType.GOAWAY, 0, 1, Buffer.alloc(8))],
  'GOAWAY of 7 bytes': ['FRAME_SIZE_ERROR', frame(FrameType.GOAWAY, 0, 0, Buffer.alloc(7))],
  'WINDOW_UPDATE of 5 bytes': ['FRAME_SIZE_ERROR', frame(FrameType.WINDOW_UPDATE, 0, 0, Buffer.alloc(5))],
  'WINDOW_UPDATE by 0': ['PROTOCOL_ERROR', frame(FrameType.WINDOW_UPDATE, 0, 0, numberOf(0))],
  'WINDOW_UPDATE beyond 2^31 - 1': [
    'FLOW_CONTROL_ERROR',
    frame(FrameType.WINDOW_UPDATE, 0, 0, numberOf(2 ** 31 - 1)),
  ],
  'WINDOW_UPDATE of a stream that was not opened': [
    'PROTOCOL_ERROR',
    frame(FrameType.WINDOW_UPDATE, 0, 7, numberOf(1)),
  ],
  'SETTINGS that make a stream’s window larger than 2^31 - 1': [
    'FLOW_CONTROL_ERROR',
    open(1),
    frame(FrameType.WINDOW_UPDATE, 0, 1, numberOf(2 ** 31 - 1 - 65_535)),
    frame(FrameType.SETTINGS, 0, 0, settingsOf([4, 65_536])),
  ],
  'PRIORITY of no stream': ['PROTOCOL_ERROR', frame(FrameType.PRIORITY, 0, 0, Buffer.alloc(5))],
  'PRIORITY of 4 bytes': ['FRAME_SIZE_ERROR', frame(FrameType.PRIORITY, 0, 9, Buffer.alloc(4))],
}
for (const [what, [code, ...frames]] of Object.entries(broken)) {
  test(`it ends the connection: ${what}`, async () => {
    const connection = new MemoryConnection(silent)
    connection.take(...frames, call(101))
    const last = (await answers(connection)).at(-1)
    assert.match(last ?? '', new RegExp(`^GOAWAY \\d+ ${code}$`))
    const { requests, broken: texts, failed, closed } = connection.seen
    assert.deepEqual([texts.length, failed, closed, connection.socket.destroyed], [1, [], 1, true])
    assert.ok(requests.every((request) => request.closed === 1))
    assert.equal(requests.filter(({ stream }) => stream.id === 101).length, 0)
    connection.take(call(103))
    assert.deepEqual(await connection.frames(), [])
  })
}

test('the first frame must be SETTINGS, and no acknowledgement', async () => {
  for (const first of [call(1), frame(FrameType.SETTINGS, Flag.ACK, 0)]) {
    const connection = new MemoryConnection(silent, 'nothing')
    connection.take(preface, first)
    assert.equal((await answers(connection)).at(-1), 'GOAWAY 0 PROTOCOL_ERROR')
  }
})

test('what a specification to come may say is passed over', async () => {
  const connection = new MemoryConnection()
  connection.take(
    frame(0xee, 0xff, 0, Buffer.alloc(limits.grpcFrameBytesMax)),
    frame(FrameType.SETTINGS, 0xfe, 0, settingsOf([0xffff, 5], [Setting.MAX_HEADER_LIST_SIZE, 0])),
    frame(FrameType.PING, 0xf0, 0, Buffer.from('12345678')),
    frame(FrameType.PRIORITY, 0, 7, Buffer.alloc(5)),
    frame(FrameType.HEADERS, END_HEADERS | END_STREAM | 0xc2, 1, head({})),
  )
  const frames = await connection.answers()
  assert.deepEqual(frames.map(told), ['PING 0 END_STREAM', 'HEADERS 1', 'DATA 1', 'HEADERS 1 END_STREAM'])
  assert.equal(String(frames[0]!.payload), '12345678')
})

test('a client whose table is small is told that ours is empty, once', async () => {
  const connection = new MemoryConnection(({ stream }) => stream.respondOnly(okBlock))
  connection.take(
    call(1),
    frame(FrameType.SETTINGS, 0, 0, settingsOf([Setting.HEADER_TABLE_SIZE, 0])),
    call(3),
    call(5),
  )
  connection.take(frame(FrameType.SETTINGS, 0, 0, settingsOf([1, 100], [1, 8_192])), call(7), call(9))
  connection.take(frame(FrameType.SETTINGS, 0, 0, settingsOf([Setting.HEADER_TABLE_SIZE, 65_536])), call(11))
  const blocks = (await connection.answers()).map(({ payload }) => payload.toString('hex'))
  assert.deepEqual(blocks, ['88', '2088', '88', '2088', '88', '88'])
})

test('a ping of ours that is answered', () => {
  const connection = new MemoryConnection()
  let answered = 0
  connection.connection.ping(() => answered++)
  connection.take(frame(FrameType.PING, 0, 0, Buffer.alloc(8)))
  assert.equal(answered, 0)
  connection.take(frame(FrameType.PING, Flag.ACK, 0, Buffer.alloc(8)))
  connection.take(frame(FrameType.PING, Flag.ACK, 0, Buffer.alloc(8)))
  assert.equal(answered, 1)
})
