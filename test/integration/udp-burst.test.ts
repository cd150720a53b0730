/** Bursts on a real socket, while the main thread is busy with other things. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { Datagram } from '../../src/transport/udp/listener.ts'
import { flood, listenUdp, numberOf, sum } from '../support/udp.ts'

const COUNT = 10_000
const BLOCKED_MS = 200

test('a burst of 10,000 datagrams is not lost while the main thread is away twice', async () => {
  const numbers: number[] = []
  const { listener, port, dropped, failed, told } = await listenUdp(
    (datagram) => {
      numbers.push(numberOf(datagram))
      if (numbers.length === 1 || numbers.length === COUNT / 5) block(BLOCKED_MS)
    },
    { needsPeer: () => false },
  )
  await flood(port, COUNT, 1_500)
  await listener.drain()
  assert.deepEqual(failed, [])
  assert.equal(numbers.length + sum(dropped), COUNT, 'each is handed on or counted')
  assert.equal(numbers.length + (dropped.get('kernel') ?? 0), COUNT, 'none was lost here')
  assert.deepEqual(
    numbers,
    [...numbers].sort((left, right) => left - right),
    'in order',
  )
  // A buffer for 2 ms of such a sender cannot make up for a thread that the system does not run for longer.
  if (told.length === 0) assert.deepEqual([...dropped], [])
})

test('bursts on two ports at once: each is handed on in order, and the books of both are even', async () => {
  const ports = await Promise.all(
    [0, 1].map(async () => {
      const numbers: number[] = []
      const note = (datagram: Datagram): unknown => numbers.push(numberOf(datagram))
      return { numbers, ...(await listenUdp(note, { needsPeer: () => false })) }
    }),
  )
  await Promise.all(ports.map(({ port }) => flood(port, COUNT, 500)))
  await Promise.all(ports.map(({ listener }) => listener.drain()))
  for (const { numbers, dropped, failed } of ports) {
    assert.deepEqual(failed, [])
    assert.equal(numbers.length + (dropped.get('kernel') ?? 0), COUNT, 'none was lost here')
    assert.ok(numbers.length > COUNT / 10, `${numbers.length} came`)
    assert.deepEqual(
      numbers,
      [...numbers].sort((left, right) => left - right),
      'in order',
    )
  }
})

test('datagrams of many lengths keep their bytes through a queue that turns over', async () => {
  const numbers: number[] = []
  const { listener, port, dropped } = await listenUdp((datagram) => numbers.push(numberOf(datagram)), {
    queueBytes: 300_000,
    needsPeer: () => false,
  })
  for (const bytes of [4, 61, 300, 1_499, 9_000]) await flood(port, 1_000, bytes)
  await listener.drain()
  assert.equal(numbers.length + sum(dropped), 5_000)
  assert.ok(numbers.length > 1_000, `${numbers.length} came`)
})

/** The thread does nothing, not even for the system. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
