/** A UDP listener that notes what it is told, and senders of datagrams. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { KiB, MiB } from '../../src/limits.ts'
import { type Datagram, UdpListener, type UdpListenerOptions } from '../../src/transport/udp/listener.ts'

export interface ListeningUdp {
  readonly listener: UdpListener
  readonly port: number
  readonly dropped: Map<string, number>
  readonly failed: unknown[]
  readonly told: object[]
}

/** A listener on 127.0.0.1; `handle` is given each datagram. */
export async function listenUdp(
  handle: (datagram: Datagram) => void,
  options: Partial<UdpListenerOptions> = {},
): Promise<ListeningUdp> {
  const dropped = new Map<string, number>()
  const failed: unknown[] = []
  const told: object[] = []
  const listener = new UdpListener({
    ...{ block: 'listeners.jaegerCompact', host: '127.0.0.1', port: 0, guid: 'of-the-listener' },
    ...{ bufferBytes: 4 * MiB, queueBytes: 16 * MiB, datagramBytesMax: 65_507 },
    admits: () => true,
    handle,
    dropped: (reason, count) => dropped.set(reason, (dropped.get(reason) ?? 0) + count),
    failed: (error) => failed.push(error),
    told: (fields) => told.push(fields),
    ...options,
  })
  return { listener, port: await listener.listen(), dropped, failed, told }
}

/** Sends each datagram when the one before has left; none is lost on its way by haste. */
export async function sendEach(
  port: number,
  datagrams: readonly Buffer[],
  host = '127.0.0.1',
): Promise<void> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  for (const datagram of datagrams) {
    await new Promise<void>((resolve, reject) => {
      socket.send(datagram, port, host, (error) => (error === null ? resolve() : reject(error)))
    })
  }
  socket.close()
  await once(socket, 'close')
}

/**
 * Sends `count` datagrams of `bytes` bytes as fast as one thread can; resolves when the last has left. Each begins with
 * its number, and `numberOf` reads it.
 */
export async function flood(port: number, count: number, bytes: number): Promise<void> {
  const workerData = { port, count, bytes }
  const sender = new Worker(new URL('./udp-sender.mjs', import.meta.url), { workerData, execArgv: [] })
  const [code] = await once(sender, 'exit')
  assert.equal(code, 0, 'the sender failed')
}

/** The number of a datagram of `flood`; throws when one of its other bytes is not as it was sent. */
export function numberOf({ bytes }: Datagram): number {
  const number = bytes.readUInt32LE()
  const rest = bytes.subarray(4)
  assert.ok(rest.equals(Buffer.alloc(rest.length, number % 251)), `datagram ${number} came changed`)
  return number
}

export function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0)
}

/** The smallest queue that is worth its name. */
export const SMALL_QUEUE_BYTES = 256 * KiB
