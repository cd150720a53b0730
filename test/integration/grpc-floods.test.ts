/**
 * Connections that break the rules of HTTP/2, by raw frames: whatever one of them does, memory stays bounded and an honest
 * client on another connection is served.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import test from 'node:test'
import { KiB, MiB } from '../../src/limits.ts'
import { GrpcClient, type Listening, listen } from '../support/grpc-fixture.ts'
import {
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

const WAIT_MS = 20_000
/** What a flood may cost for a while: node's heap here grows by what both ends of it allocate. */
const GROWTH_BYTES = 200 * MiB

const REFLECTION = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'

interface Flooded extends Listening {
  readonly attacker: RawSocket
}

/** Runs a flood beside an honest client that goes on calling, and looks at what is left afterwards. */
async function flooded(
  flood: (flooded: Flooded) => Promise<void>,
  settings?: Parameters<typeof RawSocket.connect>[1],
  requestMs = 20_000,
): Promise<void> {
  const listening = await listen(undefined, { requestMs })
  const honest = new GrpcClient(listening.port)
  const attacker = await RawSocket.connect(listening.port, settings)
  const rssBefore = process.memoryUsage.rss()
  let isOver = false
  const calling = (async () => {
    let calls = 0
    for (; !isOver; calls++) {
      const reply = await honest.call(Buffer.from('honest'), { deadline: Date.now() + WAIT_MS })
      assert.deepEqual([reply.code, String(reply.message), reply.details], [0, 'honest', ''])
    }
    return calls
  })()
  calling.catch(() => undefined)
  try {
    await flood({ ...listening, attacker })
    const growth = process.memoryUsage.rss() - rssBefore
    assert.ok(growth < GROWTH_BYTES, `${Math.round(growth / MiB)} MiB more`)
    attacker.close()
    isOver = true
    assert.ok((await calling) > 0)
    await until('nothing is on the books', WAIT_MS, () => listening.budget.bytes === 0)
    assert.equal((await honest.call(Buffer.from('after'))).code, 0)
    assert.deepEqual(listening.failed, [])
  } finally {
    isOver = true
    attacker.close()
    honest.close()
    await listening.stop()
  }
}

const block = headerBlock()
/** Client streams are odd. */
const nth = (i: number): number => 2 * i + 1

test('rapid reset: streams that are opened and reset at once', () =>
  flooded(async ({ attacker }) => {
    const hadEnough = await attacker.flood(20_000, (i) =>
      Buffer.concat([
        frame(Frame.HEADERS, END_HEADERS, nth(i), block),
        frame(Frame.DATA, 0, nth(i), prefixed(Buffer.alloc(100), { length: 1000 })),
        frame(Frame.RST_STREAM, 0, nth(i), Buffer.from([0, 0, 0, 8])),
      ]),
    )
    if (!hadEnough) await attacker.closed()
  }))

test('more streams at once than allowed', () =>
  flooded(async ({ attacker }) => {
    await attacker.flood(5000, (i) => frame(Frame.HEADERS, END_HEADERS, nth(i), block))
    await attacker.closed()
  }))

test('a header block without an end', () =>
  flooded(async ({ attacker }) => {
    attacker.write(frame(Frame.HEADERS, 0, 1, block))
    const filler = headerBlock({ 'x-filler': 'a'.repeat(1000) })
    const hadEnough = await attacker.flood(100_000, () => frame(Frame.CONTINUATION, 0, 1, filler))
    if (!hadEnough) await attacker.closed()
  }))

test('headers larger than allowed, and more of them than allowed', () =>
  flooded(async ({ attacker }) => {
    const large = headerBlock({ ...callHeaders, 'x-large': 'a'.repeat(15_000), 'x-larger': 'a'.repeat(1000) })
    const many = headerBlock({
      ...callHeaders,
      ...Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x-${i}`, ''])),
    })
    await attacker.flood(2000, (i) =>
      frame(Frame.HEADERS, END_HEADERS | END_STREAM, nth(i), i % 2 === 0 ? large : many),
    )
  }))

test('pings whose answers nobody reads', () =>
  flooded(
    async ({ attacker }) => {
      const pings = Buffer.concat(
        Array.from({ length: 1000 }, () => frame(Frame.PING, 0, 0, Buffer.alloc(8))),
      )
      const hadEnough = await Promise.race([
        attacker.flood(5000, () => pings),
        // Or the other end reads no further, and nothing grows.
        new Promise<false>((resolve) => setTimeout(() => resolve(false), 3000)),
      ])
      assert.equal(typeof hadEnough, 'boolean')
    },
    { reads: false },
  ))

test('settings whose answers nobody reads', () =>
  flooded(
    async ({ attacker }) => {
      const settings = Buffer.concat(
        Array.from({ length: 1000 }, (_, i) =>
          frame(Frame.SETTINGS, 0, 0, Buffer.from([0, 4, 0, 0, i >> 8, i & 255])),
        ),
      )
      await Promise.race([
        attacker.flood(5000, () => settings),
        new Promise((resolve) => setTimeout(resolve, 3000)),
      ])
    },
    { reads: false },
  ))

test('a message in frames of one byte', () =>
  flooded(async ({ attacker, budget }) => {
    attacker.write(frame(Frame.HEADERS, END_HEADERS, 1, block))
    attacker.write(frame(Frame.DATA, 0, 1, prefixed(Buffer.alloc(0), { length: 10_000 })))
    const crumbs = Buffer.concat(Array.from({ length: 500 }, () => frame(Frame.DATA, 0, 1, Buffer.of(7))))
    for (let i = 0; i < 19; i++) attacker.write(crumbs)
    await until('the crumbs are there', WAIT_MS, () => budget.bytes >= 9500)
    assert.ok(budget.bytes < 40 * KiB, `${budget.bytes} bytes are charged for 9,500`)
    attacker.write(crumbs, frame(Frame.DATA, END_STREAM, 1))
    await until('it comes back', WAIT_MS, () => attacker.received > 10_000)
  }))

test('frames without a byte', () =>
  flooded(async ({ attacker }) => {
    attacker.write(frame(Frame.HEADERS, END_HEADERS, 1, block))
    const hadEnough = await attacker.flood(100_000, () => frame(Frame.DATA, 0, 1))
    if (!hadEnough) await attacker.closed()
  }))

test('many connections that each hold a part of a message', () =>
  flooded(
    async ({ port, budget }) => {
      const others = await Promise.all(Array.from({ length: 50 }, () => RawSocket.connect(port)))
      const part = prefixed(Buffer.alloc(60 * KiB), { length: 1 * MiB })
      for (const other of others) {
        for (let i = 0; i < 16; i++) {
          other.write(frame(Frame.HEADERS, END_HEADERS, nth(i), block))
          for (let at = 0; at < part.length; at += 16_000) {
            other.write(frame(Frame.DATA, 0, nth(i), part.subarray(at, at + 16_000)))
          }
        }
      }
      await until('much is on the books', WAIT_MS, () => budget.bytes > 40 * MiB)
      assert.ok(budget.bytes <= budget.bytesMax)
      // Their time passes (requestMs), and all is given back though nobody closes.
      await until('their time has passed', WAIT_MS, () => budget.bytes < 1 * MiB)
      for (const other of others) other.close()
    },
    undefined,
    4000,
  ))

test('answers that nobody reads: a reflection client that only asks', () =>
  flooded(async ({ attacker }) => {
    attacker.write(frame(Frame.HEADERS, END_HEADERS, 1, headerBlock({ ...callHeaders, ':path': REFLECTION })))
    // file_containing_symbol: grpc.health.v1.Health, an answer of a KiB for 29 bytes.
    const ask = prefixed(Buffer.from([34, 21, ...Buffer.from('grpc.health.v1.Health')]))
    const asks = frame(Frame.DATA, 0, 1, Buffer.concat(new Array<Buffer>(500).fill(ask)))
    // Neither its window nor its patience is asked about; without a bound, this would be 2 GB of answers.
    await attacker.flood(5000, () => asks)
  }))

test('a thousand calls with large headers are on the books', () =>
  flooded(async ({ attacker, budget }) => {
    const large = headerBlock({ ...callHeaders, 'x-large': 'a'.repeat(14_000) })
    for (let i = 0; i < 500; i++) attacker.write(frame(Frame.HEADERS, END_HEADERS, nth(i), large))
    await until('they are there', WAIT_MS, () => budget.bytes > 500 * 14_000)
    attacker.close()
    await until('they are gone', WAIT_MS, () => budget.bytes < 500 * 14_000)
  }))

test('what is not HTTP/2 is closed', async () => {
  const listening = await listen()
  for (const text of [
    'GET / HTTP/1.1\r\nhost: a\r\n\r\n',
    '\0'.repeat(100),
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nxxxxxxxxxxxxx',
  ]) {
    const socket = connect(listening.port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.resume()
    socket.write(text)
    await once(socket, 'close')
  }
  assert.ok(listening.refused.every((reason) => reason === 'http'))
  assert.ok(listening.refused.length > 0)
  await listening.stop()
})
