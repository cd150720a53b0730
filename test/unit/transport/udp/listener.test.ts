import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import test from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { GiB, KiB } from '../../../../src/limits.ts'
import type { Datagram } from '../../../../src/transport/udp/listener.ts'
import { flood, listenUdp, numberOf, SMALL_QUEUE_BYTES, sendEach, sum } from '../../../support/udp.ts'
import { until } from '../../../support/until.ts'

const WAIT_MS = 10_000

/** Datagrams that begin with their number. */
function numbered(count: number, bytes = 100): Buffer[] {
  return Array.from({ length: count }, (_, number) => {
    const datagram = Buffer.alloc(bytes, number % 251)
    datagram.writeUInt32LE(number)
    return datagram
  })
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number)
}

test('a datagram comes whole, with its sender and the guid of the listener', async () => {
  const seen: object[] = []
  const { listener, port } = await listenUdp((datagram) => {
    const { bytes, listenerGuid, pathGuid, peer, connection } = datagram
    seen.push({ text: bytes.toString(), listenerGuid, pathGuid, peer, headers: datagram.header('x-guid') })
    assert.ok(connection > 0)
  })
  await sendEach(port, [Buffer.from('one'), Buffer.from('another')])
  await until('both came', WAIT_MS, () => seen.length === 2)
  const common = { listenerGuid: 'of-the-listener', pathGuid: undefined, peer: '127.0.0.1', headers: [] }
  assert.deepEqual(seen, [
    { text: 'one', ...common },
    { text: 'another', ...common },
  ])
  await listener.drain()
})

test('datagrams of every size come, those that are empty or too long are counted', async () => {
  const sizes: number[] = []
  const { listener, port, dropped } = await listenUdp(({ bytes }) => sizes.push(bytes.length))
  await sendEach(
    port,
    [1, 0, 7, 8, 9, 65_507, 0].map((bytes) => Buffer.alloc(bytes, 1)),
  )
  await until('all came', WAIT_MS, () => sizes.length === 5)
  await listener.drain()
  assert.deepEqual(sizes, [1, 7, 8, 9, 65_507])
  assert.deepEqual([...dropped], [['empty', 2]])

  const short = await listenUdp(({ bytes }) => sizes.push(bytes.length), { datagramBytesMax: 100 })
  await sendEach(
    short.port,
    [101, 100, 65_507].map((bytes) => Buffer.alloc(bytes, 1)),
  )
  await short.listener.drain()
  assert.equal(sizes.at(-1), 100)
  assert.deepEqual([...short.dropped], [['too_large', 2]])
})

test('what the receiver throws is told, and the next datagram is handed on', async () => {
  const fault = new Error('a fault')
  const seen: string[] = []
  const { listener, port, failed } = await listenUdp(({ bytes }) => {
    if (bytes.toString() === 'bad') throw fault
    seen.push(bytes.toString())
  })
  await sendEach(port, [Buffer.from('bad'), Buffer.from('good')])
  await until('the good one came', WAIT_MS, () => seen.length === 1)
  assert.deepEqual(failed, [fault])
  await listener.drain()
})

test('while nothing is admitted datagrams wait, and then come in their order', async () => {
  const seen: number[] = []
  let isOpen = false
  let asked = 0
  const { listener, port, dropped } = await listenUdp((datagram) => seen.push(numberOf(datagram)), {
    admits: () => {
      asked++
      return isOpen
    },
  })
  await sendEach(port, numbered(200))
  await until('it was asked again and again', WAIT_MS, () => asked > 10)
  assert.deepEqual(seen, [])
  isOpen = true
  await until('all came', WAIT_MS, () => seen.length === 200)
  assert.deepEqual(seen, upTo(200))
  assert.equal(sum(dropped), 0)
  await listener.drain()
})

test('other work has its turn while many datagrams are handed on', async () => {
  let handed = 0
  const { listener, port } = await listenUdp(() => {
    const endMs = performance.now() + 1
    while (performance.now() < endMs);
    handed++
  })
  await sendEach(port, numbered(300))
  await until('they come', WAIT_MS, () => handed > 0)
  let turns = 0
  for (; handed < 300; turns++) await turn()
  assert.ok(turns > 10, `${turns} turns for 300 ms of datagrams`)
  await listener.drain()
})

test('what has no room in the queue is counted, and what had is handed on', async () => {
  const seen: number[] = []
  let isOpen = false
  const { listener, port, dropped } = await listenUdp((datagram) => seen.push(numberOf(datagram)), {
    queueBytes: SMALL_QUEUE_BYTES,
    admits: () => isOpen,
  })
  await sendEach(port, numbered(1_000, 1_500))
  await until('the queue is full', WAIT_MS, () => (dropped.get('queue') ?? 0) > 0)
  isOpen = true
  await listener.drain()
  assert.ok(seen.length >= 150, `${seen.length} of 1,500 bytes fit into ${SMALL_QUEUE_BYTES}`)
  assert.deepEqual(seen.slice(0, 150), upTo(150))
  assert.equal(seen.length + sum(dropped), 1_000)
})

test('what the system drops is counted, where it tells', async () => {
  let seen = 0
  const { listener, port, dropped } = await listenUdp(() => seen++, { bufferBytes: 4 * KiB })
  await flood(port, 20_000, 1_000)
  await listener.drain()
  if (process.platform !== 'linux') return
  assert.ok((dropped.get('kernel') ?? 0) > 0, 'a buffer for a few datagrams held all of them')
  assert.equal(seen + sum(dropped), 20_000)
})

test('a drain hands on all that was sent before it, and leaves the port', async () => {
  const seen: number[] = []
  let isOpen = false
  const { listener, port, dropped } = await listenUdp((datagram) => seen.push(numberOf(datagram)), {
    admits: () => isOpen,
  })
  await sendEach(port, numbered(100))
  let isDrained = false
  const drained = listener.drain().then(() => {
    isDrained = true
  })
  await until('the port is free', WAIT_MS, () => isFree(port))
  assert.equal(isDrained, false, 'it waits for what is queued')
  isOpen = true
  await drained
  assert.deepEqual(seen, upTo(100))
  assert.equal(sum(dropped), 0)
  await listener.drain()
})

test('a drain ends although a sender does not', async () => {
  const { listener, port } = await listenUdp(() => undefined)
  const socket = createSocket('udp4')
  let isOver = false
  const send = (): void => {
    for (let i = 0; i < 50; i++) socket.send(Buffer.alloc(1_000, 1), port, '127.0.0.1')
    if (isOver) socket.close()
    else setImmediate(send)
  }
  send()
  await turn()
  await listener.drain()
  isOver = true
  await once(socket, 'close')
})

test('what is queued when the port is cut is counted', async () => {
  const { listener, port, dropped } = await listenUdp(() => assert.fail('nothing is admitted'), {
    admits: () => false,
  })
  await sendEach(port, numbered(10))
  const draining = listener.drain()
  await until('the port is free', WAIT_MS, () => isFree(port))
  listener.destroy()
  await draining
  assert.deepEqual([...dropped], [['stopped', 10]])
})

test('a port that is taken and a host that is none are the operator’s to mend', async () => {
  const { listener, port } = await listenUdp(() => undefined)
  const second = listenUdp(() => undefined, { port })
  await assert.rejects(second, { code: 'GP_PORT_TAKEN', message: /127\.0\.0\.1:\d+ is taken.*jaegerCompact/ })
  await assert.rejects(
    listenUdp(() => undefined, { host: '192.0.2.1' }),
    { code: 'GP_CONFIG', message: /192\.0\.2\.1 is no address of this machine/ },
  )
  await assert.rejects(
    listenUdp(() => undefined, { host: 'no-such-host.invalid' }),
    { code: 'GP_CONFIG' },
  )
  await listener.drain()
})

test('localhost is listened to at each of its addresses', async () => {
  const addresses = await lookup('localhost', { all: true })
  const peers = new Set<string>()
  const { listener, port } = await listenUdp(({ peer }) => peers.add(peer), { host: 'localhost' })
  for (const { address } of addresses) await sendEach(port, [Buffer.from('here')], address)
  await listener.drain()
  assert.deepEqual([...peers].sort(), addresses.map(({ address }) => address).sort())
})

test('a thread that dies is told of and another one reads the same port', async () => {
  const threads: Worker[] = []
  const note = (thread: Worker): unknown => threads.push(thread)
  process.on('worker', note)
  const seen: string[] = []
  const { listener, port, failed } = await listenUdp(({ bytes }) => seen.push(bytes.toString()))
  await sendEach(port, [Buffer.from('before')])
  await until('the first one came', WAIT_MS, () => seen.length === 1)
  await threads[0]!.terminate()
  await until('it came back', WAIT_MS, async () => {
    await sendEach(port, [Buffer.from('after')])
    return seen.includes('after')
  })
  process.off('worker', note)
  assert.equal(threads.length, 2)
  assert.match(String(failed), /the thread that reads UDP port \d+ ended/)
  await listener.drain()
})

test('a thread that cannot have its port back tries until it can', async () => {
  const threads: Worker[] = []
  const note = (thread: Worker): unknown => threads.push(thread)
  process.on('worker', note)
  const seen: string[] = []
  const { listener, port, failed } = await listenUdp(({ bytes }) => seen.push(bytes.toString()))
  const thief = createSocket('udp4')
  threads[0]!.once('exit', () => thief.bind({ port, address: '127.0.0.1', exclusive: true }))
  await threads[0]!.terminate()
  await until('it was told', WAIT_MS, () => failed.some((error) => /is taken/.test(String(error))))
  thief.close()
  await until('it came back', WAIT_MS, async () => {
    await sendEach(port, [Buffer.from('after')])
    return seen.length > 0
  })
  process.off('worker', note)
  await listener.drain()
})

test('the operator is told of a receive buffer that is smaller than asked for', async () => {
  const { listener, told, port } = await listenUdp(() => undefined, { bufferBytes: 1 * GiB })
  assert.equal(told.length, 1)
  const { got_bytes, asked_bytes, ...rest } = told[0] as Record<string, number>
  assert.ok(got_bytes! > 0 && got_bytes! < asked_bytes!, `${got_bytes} of ${asked_bytes}`)
  assert.deepEqual(rest, { host: '127.0.0.1', port })
  await listener.drain()
  const small = await listenUdp(() => undefined, { bufferBytes: 16 * KiB })
  assert.deepEqual(small.told, [])
  await small.listener.drain()
})

test('where addresses are needed, every datagram of a burst has one; a reload asks anew', async () => {
  const peers: string[] = []
  let isNeeded = false
  const note = ({ peer }: Datagram): unknown => peers.push(peer)
  const { listener, port, dropped } = await listenUdp(note, { needsPeer: () => isNeeded })
  await flood(port, 2_000, 100)
  await until('the first burst came', WAIT_MS, () => peers.length + sum(dropped) >= 2_000)
  assert.deepEqual(
    [...new Set(peers)].filter((peer) => peer !== '0.0.0.0'),
    ['127.0.0.1'],
  )
  isNeeded = true
  listener.reload()
  // A flood takes longer to start than an order to reach the thread, and what is before it proves that it did.
  await sendEach(port, numbered(1))
  await until('one more came', WAIT_MS, () => peers.length + sum(dropped) >= 2_001)
  peers.length = 0
  await flood(port, 2_000, 100)
  await listener.drain()
  assert.ok(peers.length > 0)
  assert.deepEqual([...new Set(peers)], ['127.0.0.1'])
})

async function isFree(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  const free = new Promise<boolean>((resolve) => {
    socket.once('error', () => resolve(false))
    socket.once('listening', () => resolve(true))
  })
  socket.bind({ port, address: '127.0.0.1', exclusive: true })
  const answer = await free
  socket.close()
  return answer
}
