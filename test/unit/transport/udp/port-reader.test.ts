import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import test, { type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { KiB, MiB } from '../../../../src/limits.ts'
import { PortReader } from '../../../../src/transport/udp/port-reader.mjs'
import { RingReader, ringMemory } from '../../../../src/transport/udp/ring.mjs'
import type { PortWord } from '../../../../src/transport/udp/words.ts'
import { until } from '../../../support/until.ts'

const WAIT_MS = 10_000
const BOUNDS = { readBytes: 64 * KiB, backlog: 4, readsMax: 16, countMs: 1_000 }
/** Datagrams that libuv hands on for one socket before it looks at the next. */
const HANDED_MAX = 32

interface Reading {
  readonly reader: PortReader
  readonly port: number
  readonly words: PortWord[]
  /** The first byte of each datagram that has come since the last call. */
  readonly take: () => number[]
}

/** A port that is read in this thread, so that a test decides when a turn of its loop comes. */
async function reading(t: TestContext, port = 0): Promise<Reading> {
  const memory = ringMemory(1 * MiB)
  const ring = new RingReader(memory)
  const words: PortWord[] = []
  const start = {
    ...{ memory, addresses: [{ address: '127.0.0.1', family: 4 }], port },
    ...{ bufferBytes: 1 * MiB, datagramBytesMax: 1_000, needsPeer: false, isShared: false },
  }
  const reader = new PortReader(start, BOUNDS, Buffer.alloc(BOUNDS.readBytes), (word) => words.push(word))
  t.after(() => reader.close())
  await reader.open()
  const take = (): number[] => {
    const taken: number[] = []
    for (let bytes = ring.next(); bytes !== undefined; bytes = ring.next()) {
      taken.push(bytes[0]!)
      ring.release()
    }
    return taken
  }
  const word = words[0]
  return { reader, port: word?.kind === 'open' ? word.port : 0, words, take }
}

/** A socket whose datagrams have arrived when `send` returns. */
async function connected(t: TestContext, port: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', sendBufferSize: 1 * MiB })
  t.after(() => socket.close())
  socket.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

test('a backlog of one port is read over several turns of the loop, and another port is read in each', async (t) => {
  const busy = await reading(t)
  const quiet = await reading(t)
  const [toBusy, toQuiet] = [await connected(t, busy.port), await connected(t, quiet.port)]
  await turn()
  for (let i = 0; i < 150; i++) toBusy.send(Buffer.of(i))
  const came: number[] = []
  for (let turns = 0; turns < 2; turns++) {
    toQuiet.send(Buffer.of(turns))
    await turn()
    const now = busy.take()
    assert.ok(now.length > 0 && now.length <= BOUNDS.readsMax + HANDED_MAX, `${now.length} in one turn`)
    came.push(...now)
    assert.deepEqual(quiet.take(), [turns])
  }
  await until('the rest has come', WAIT_MS, () => came.push(...busy.take()) >= 150)
  assert.deepEqual(
    came,
    Array.from({ length: 150 }, (_, number) => number),
  )
})

test('a socket that breaks closes its port and says why, once', async (t) => {
  const sockets: Socket[] = []
  const note = (message: unknown): unknown => sockets.push((message as { socket: Socket }).socket)
  subscribe('udp.socket', note)
  const { port, words } = await reading(t)
  unsubscribe('udp.socket', note)
  assert.equal(sockets.length, 1)
  const fault = Object.assign(new Error('recvmsg ENOMEM'), { code: 'ENOMEM' })
  sockets[0]!.emit('error', fault)
  assert.deepEqual(words.slice(1), [{ kind: 'closed', fault: { code: 'ENOMEM', message: 'recvmsg ENOMEM' } }])
  const again = await reading(t, port)
  assert.equal(again.words[0]?.kind, 'open', 'the port was left')
})

test('a port that is taken, closed by order, or drained', async (t) => {
  const first = await reading(t)
  const second = await reading(t, first.port)
  assert.equal(second.words.length, 1)
  const word = second.words[0]
  assert.ok(word?.kind === 'closed' && word.fault?.code === 'EADDRINUSE', JSON.stringify(word))
  first.reader.close()
  assert.equal(first.words.length, 1, 'who closes it needs no word')
  const third = await reading(t, first.port)
  const socket = await connected(t, third.port)
  for (let i = 0; i < 100; i++) socket.send(Buffer.of(i))
  third.reader.drain()
  await until('it is closed', WAIT_MS, () => third.words.length === 2)
  assert.deepEqual(third.words[1], { kind: 'closed', fault: undefined })
  assert.equal(third.take().length, 100)
})

test('a port that is closed while it opens is left and says nothing', async (t) => {
  const words: PortWord[] = []
  const { port, reader } = await reading(t)
  reader.close()
  const start = {
    ...{ memory: ringMemory(1 * MiB), addresses: [{ address: '127.0.0.1', family: 4 }], port },
    ...{ bufferBytes: 1 * MiB, datagramBytesMax: 1_000, needsPeer: false, isShared: false },
  }
  const closed = new PortReader(start, BOUNDS, Buffer.alloc(BOUNDS.readBytes), (word) => words.push(word))
  const opening = closed.open()
  closed.close()
  await opening
  assert.deepEqual(words, [])
  const again = await reading(t, port)
  assert.equal(again.words[0]?.kind, 'open')
})
