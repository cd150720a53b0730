/**
 * Random frames that a client may send, cut at random places, are the requests that were meant; the encoder is a plain one
 * here, and node:http2's client below. GUIDEPOST_SEED replays a run; GUIDEPOST_FUZZ_MS makes it longer.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import * as http2 from 'node:http2'
import { duplexPair } from 'node:stream'
import { test } from 'node:test'
import { answer, helloOf, MemoryConnection, type parseFrames, settingsOf } from '../support/http2-server.ts'
import { fuzzMs, Random } from '../support/random.ts'
import { cut, type Meant, randomRequests } from '../support/random-http2.ts'

const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 2 ** 31)

/** What a request came to: its fields, its body, whether it ended. */
function seen({ seen: { requests } }: MemoryConnection): Meant[] {
  return requests.map(({ list, body, hasEnded, stream }) => ({
    id: stream.id,
    list: [...list],
    body: Buffer.concat(body).toString('latin1'),
    hasEnded,
  }))
}

test('frames in any order, with padding, in pieces, are the requests that were meant', async () => {
  const endMs = performance.now() + fuzzMs
  for (let round = seed; round === seed || performance.now() < endMs; round++) {
    const random = new Random(round)
    const { frames, meant } = randomRequests(random)
    const connection = new MemoryConnection(() => undefined, 'nothing')
    for (const piece of cut(random, Buffer.concat([helloOf(Buffer.alloc(0)), ...frames])))
      connection.take(piece)
    const { failed, broken } = connection.seen
    assert.deepEqual([failed, broken], [[], []], `seed ${round}`)
    assert.deepEqual(seen(connection), meant, `seed ${round}`)
    await connection.close()
    const closed = connection.seen.requests.map((request) => request.closed)
    assert.deepEqual(closed, new Array<number>(meant.length).fill(1), `seed ${round}`)
  }
})

test('answers under small windows that grow by chance are whole, and each in its order', async () => {
  const endMs = performance.now() + fuzzMs
  for (let round = seed; round === seed || performance.now() < endMs; round++) {
    const random = new Random(round)
    const bodies = new Map<number, string>()
    const connection = new MemoryConnection(
      (request) => answer(request, bodies.get(request.stream.id)),
      settings(random),
    )
    const { frames, left } = randomWindows(random, bodies)
    for (const frame of frames) {
      connection.take(frame)
      if (random.oneIn(5)) await connection.frames().then((more) => left.push(...more))
    }
    left.push(...(await connection.frames()))
    const got = new Map<number, string>()
    const ended = new Set<number>()
    for (const { type, flags, id, payload } of left) {
      assert.ok(!ended.has(id) || id === 0, `seed ${round}: something behind the end of ${id}`)
      if (type === 0) got.set(id, (got.get(id) ?? '') + payload.toString())
      if (type === 1 && (flags & 1) !== 0) ended.add(id)
    }
    assert.deepEqual(new Map([...got].sort(byId)), bodies, `seed ${round}`)
    assert.deepEqual([ended.size, connection.connection.streamCount], [bodies.size, 0], `seed ${round}`)
    await connection.close()
  }
})

const byId = ([left]: [number, string], [right]: [number, string]): number => left - right

function settings(random: Random): Buffer {
  return settingsOf([4, random.pick([0, 1, 10, 65_535])], [5, random.pick([16_384, 20_000])])
}

/** Calls whose answers need more than the windows, windows that move, and at the end as much as all of them need. */
function randomWindows(
  random: Random,
  bodies: Map<number, string>,
): { frames: Buffer[]; left: ReturnType<typeof parseFrames> } {
  const frames: Buffer[] = []
  const grow = (id: number, bytes: number): Buffer => number(8, id, bytes)
  for (let id = 1; id <= 2 * (1 + random.below(12)); id += 2) {
    const bytes = random.pick([1, 5, 1_000, 16_384, 40_000])
    bodies.set(id, String.fromCharCode(0x61 + (id % 26)).repeat(bytes))
    frames.push(callOf(id))
    for (let i = random.below(4); i > 0; i--) {
      const target = random.oneIn(3) ? 0 : 1 + 2 * random.below((id + 1) / 2)
      frames.push(random.oneIn(4) ? settingsFrame(random.below(100)) : grow(target, 1 + random.below(5_000)))
    }
  }
  frames.push(settingsFrame(100_000), grow(0, 1_000_000))
  return { frames, left: [] }
}

function callOf(id: number): Buffer {
  // :method POST, :scheme http, :path /
  return Buffer.from([0, 0, 3, 1, 5, 0, 0, 0, id, 0x83, 0x86, 0x84])
}

function settingsFrame(windowBytes: number): Buffer {
  return Buffer.concat([Buffer.from([0, 0, 6, 4, 0, 0, 0, 0, 0]), settingsOf([4, windowBytes])])
}

function number(type: number, id: number, value: number): Buffer {
  const frame = Buffer.from([0, 0, 4, type, 0, 0, 0, 0, id, 0, 0, 0, 0])
  frame.writeUInt32BE(value, 9)
  return frame
}

test('node:http2 as the client, its bytes cut at random places', async () => {
  const endMs = performance.now() + fuzzMs
  for (let round = seed; round === seed || performance.now() < endMs; round++) {
    const random = new Random(round)
    const connection = new MemoryConnection(
      (request) => answer(request, `answer to ${Buffer.concat(request.body).length}`),
      'nothing',
    )
    const [ours, theirs] = duplexPair()
    connection.socket.on('wrote', (bytes: Buffer) => ours.write(bytes))
    ours.on('end', () => connection.socket.destroy())
    connection.socket.on('finish', () => ours.end())
    ours.on('data', (bytes: Buffer) => {
      for (const piece of cut(random, bytes)) connection.take(piece)
    })
    for (const bytes of connection.socket.written.splice(0)) ours.write(bytes)
    const client = http2.connect('http://test', { createConnection: () => theirs })
    const calls = Array.from({ length: 1 + random.below(8) }, (_, i) => nodeCall(client, random, i))
    const answers = await Promise.all(calls.map(({ text }) => text))
    assert.deepEqual(
      answers,
      calls.map(({ bytes }) => `answer to ${bytes}`),
      `seed ${round}`,
    )
    const names = connection.seen.requests.map(({ list }) => list[list.indexOf('x-call') + 1]).sort()
    assert.deepEqual(names, calls.map((_, i) => `${i}`).sort(), `seed ${round}`)
    client.close()
    await once(connection.socket, 'close')
    assert.deepEqual([connection.seen.failed, connection.seen.broken], [[], []], `seed ${round}`)
    assert.ok(connection.seen.requests.every((request) => request.closed === 1))
  }
})

function nodeCall(
  client: http2.ClientHttp2Session,
  random: Random,
  i: number,
): { bytes: number; text: Promise<string> } {
  const bytes = random.pick([0, 1, 100, 20_000, 100_000])
  const headers = {
    ':method': 'POST',
    ':path': '/a',
    'x-call': `${i}`,
    'x-more': 'é'.repeat(random.below(200)),
  }
  const stream = client.request(headers, { endStream: bytes === 0 })
  if (bytes > 0) stream.end(Buffer.alloc(bytes, 'x'))
  const text = (async () => {
    let body = ''
    for await (const chunk of stream.setEncoding('utf8')) body += String(chunk)
    return body
  })()
  return { bytes, text }
}
