/** A gateway that cannot take more now says so in OTLP's own terms: senders repeat, and then everything arrives. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fate } from '../support/gateway-fixture.ts'
import { configWith } from '../support/gateway-fixture.ts'
import { assertLedger } from '../support/ledger.ts'
import { encodeOtlp, itemsOfRecord, type OtlpSignal, otlpSignals } from '../support/otlp-items.ts'
import { exportRequest, type Transport } from '../support/otlp-send.ts'
import { OtlpWorld, type Told } from '../support/otlp-world.ts'
import { until } from '../support/until.ts'

const transports: readonly Transport[] = ['grpc', 'protobuf', 'json']

function bodyOf(transport: Transport, signal: OtlpSignal, id: string, filler = ''): Buffer {
  const message = exportRequest(signal, { attributes: { guid: 'team-a', filler }, ids: [id] })
  return transport === 'json' ? Buffer.from(JSON.stringify(message)) : encodeOtlp(signal, message)
}

/** What may be repeated is told with the time to wait: RetryInfo everywhere, Retry-After over HTTP too. */
function assertRetry(told: Told, transport: Transport, code: RegExp): void {
  assert.deepEqual([told.code, told.retrySeconds], [14, 1], told.text)
  assert.equal(told.status, transport === 'grpc' ? 200 : 503)
  assert.match(told.text, code)
}

test('a bus that is down, slow or failing: UNAVAILABLE with RetryInfo, 503 with Retry-After and a Status', async (context) => {
  const world = await OtlpWorld.start(context)
  const { bus } = world.fixture
  for (const signal of otlpSignals) {
    for (const transport of transports) {
      const send = (): Promise<Told> =>
        world.send(transport, signal, bodyOf(transport, signal, `${signal} ${transport}`))
      const before = await world.refused('bus_unavailable')
      bus.isUp = false
      assertRetry(await send(), transport, /^GP_BUS_UNAVAILABLE: the bus is down: the test says so/)
      bus.isUp = true
      bus.fate = () => 'retry'
      assertRetry(await send(), transport, /^GP_BUS_UNAVAILABLE: /)
      assert.equal(await world.refused('bus_unavailable'), before + 2)
      bus.fate = () => 'rejects'
      assertRetry(await send(), transport, /^GP_/)
      bus.fate = () => 'stored'
      assert.equal((await send()).code, 0)
      assert.equal(world.recordsWith(signal, `${signal} ${transport}`).length, 1)
    }
  }
  await until('nothing is in flight', 5_000, () => world.fixture.budget.bytes === 0)
  assertLedger(await world.fixture.samples())
})

test('a slow bus and a small limits.inflightBytes: senders that repeat get all of theirs through, once', async (context) => {
  const world = await OtlpWorld.start(context, {
    ...configWith(),
    limits: { ...configWith().limits, inflightBytes: 300_000 },
  })
  const { bus, budget } = world.fixture
  let release: () => void = () => undefined
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  let isSlow = true
  bus.fate = async (): Promise<Fate> => {
    if (isSlow) await gate
    return 'stored'
  }
  const filler = 'f'.repeat(20_000)
  const told: Told[] = []
  let delivered = 0
  const sender = async (number: number): Promise<void> => {
    const transport = transports[number % 3] ?? 'grpc'
    const signal = otlpSignals[Math.floor(number / 3) % 3] ?? 'traces'
    for (;;) {
      const answer = await world.send(transport, signal, bodyOf(transport, signal, `s${number}`, filler))
      if (answer.code === 0) break
      told.push(answer)
      assertRetry(
        answer,
        transport,
        /^GP_OVER(?:LOADED|_SHARE): .* in flight \(limits\.inflightBytes is \d+\); try again/,
      )
      // Rounding up to a buffer of the pool may pass the bound.
      assert.ok(budget.bytes <= 2 * 300_000, `${budget.bytes} in flight`)
      await sleep(20)
    }
    delivered++
  }
  const senders = Promise.all(Array.from({ length: 45 }, (_, i) => sender(i)))
  await until('senders are told to wait', 5_000, () => told.length > 20)
  assert.equal(delivered, 0, 'nothing is answered before it is durable')
  isSlow = false
  release()
  await senders
  const ids = world.stored.flatMap((record) => itemsOfRecord(record).map(({ id }) => id))
  assert.deepEqual(ids.toSorted(), Array.from({ length: 45 }, (_, i) => `s${i}`).toSorted())
  assert.ok((await world.refused('overloaded')) + (await world.refused('over_share')) >= told.length)
  await world.assertWell()
})

test('a drain: what is under way is finished and durable, what comes later is told to try again', async (context) => {
  const world = await OtlpWorld.start(context)
  const { bus } = world.fixture
  let release: () => void = () => undefined
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  bus.fate = async (): Promise<Fate> => {
    await gate
    return 'stored'
  }
  const under = transports.map((transport) =>
    world.send(transport, 'logs', bodyOf(transport, 'logs', `under ${transport}`)),
  )
  await until(
    'they wait for the bus',
    5_000,
    () => bus.appends.flat().length > 0 && world.fixture.budget.bytes > 0,
  )
  const drained = world.fixture.drain()
  // Connections are refused, or answered with an order to try again; never with an order to drop.
  for (const transport of transports) {
    const late = await world
      .send(transport, 'logs', bodyOf(transport, 'logs', `late ${transport}`))
      .catch(() => undefined)
    if (late !== undefined) assert.equal(late.code, 14, late.text)
  }
  release()
  for (const told of await Promise.all(under)) assert.deepEqual([told.code, told.text], [0, ''])
  await drained
  const ids = world.stored.flatMap((record) => itemsOfRecord(record).map(({ id }) => id))
  assert.deepEqual(ids.toSorted(), transports.map((transport) => `under ${transport}`).toSorted())
  assert.equal(world.fixture.budget.bytes, 0)
})
