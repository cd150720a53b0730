/** Kafka killed, frozen, away: nothing acknowledged is missing, every append settles, the bus comes back by itself. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '../../src/bus/bus.ts'
import { KafkaBroker, kafkaAvailable } from '../support/kafka.ts'
import { clients, kafkaConfig, makeBus, makeRecord, until } from '../support/kafka-bus.ts'
import { type Found, kcatAvailable, readWithKafkajs, readWithKcat } from '../support/kafka-read.ts'
import { requireReal } from '../support/real.ts'

const skip = await requireReal('Kafka', kafkaAvailable)
const skipKcat = await requireReal('kcat', kcatAvailable)
const options = { skip, timeout: 90_000 }
let broker: KafkaBroker

if (skip === false) {
  before(async () => {
    broker = await KafkaBroker.started()
  })
  after(() => broker.remove())
}

async function readBack(topic: string): Promise<{ reader: string; found: Found[] }[]> {
  const all = [{ reader: 'kafkajs', found: await readWithKafkajs(broker.address, topic) }]
  if (skipKcat === false) all.push({ reader: 'kcat', found: await readWithKcat(broker.address, topic) })
  return all
}

/** A sender as they behave: one record at a time, repeated until it is acknowledged, until told to stop. */
async function send(
  bus: Bus,
  guid: string,
  run: { isOver: boolean; readonly acked: string[] },
): Promise<string[]> {
  const sent: string[] = []
  while (!run.isOver) {
    const record = makeRecord({ guid })
    sent.push(record.batchId)
    for (;;) {
      const [outcome] = await bus.append([record])
      if (outcome === undefined) {
        run.acked.push(record.batchId)
        break
      }
      assert.equal(outcome.canRetry, true, outcome.message)
      if (run.isOver) break
      await sleep(20)
    }
  }
  return sent
}

test('2,000 concurrent appends are each stored once, as others read them', options, async () => {
  const bus = makeBus(kafkaConfig(broker.address, { partitions: 6 }), { topics: ['otlp_spans'] })
  await bus.start()
  try {
    const records = Array.from({ length: 2000 }, (_, index) =>
      makeRecord({ topic: 'otlp_spans', guid: `app-${index % 50}` }),
    )
    const outcomes = await Promise.all(records.map((record) => bus.append([record])))
    assert.deepEqual(new Set(outcomes.flat()), new Set([undefined]))
    for (const { reader, found } of await readBack('otlp_spans')) {
      assert.equal(found.length, 2000, `${reader} reads each once`)
      assert.deepEqual(
        new Set(found.map((entry) => entry.batchId)),
        new Set(records.map((record) => record.batchId)),
      )
    }
  } finally {
    await bus.close(5000)
  }
})

for (const client of clients) {
  test(`${client}: a broker killed twice under load loses nothing acknowledged`, options, async () => {
    const topic = client === 'kafkajs' ? 'otlp_logs' : 'prometheus_metrics'
    const config = kafkaConfig(broker.address, { client, partitions: 6, appendMs: 6000, connectMs: 2000 })
    const bus = makeBus(config, { topics: [topic] })
    const run = { isOver: false, acked: [] as string[] }
    const acked = (atLeast: number) => until(`${atLeast} acknowledged`, () => run.acked.length >= atLeast)
    await bus.start()
    try {
      const guids = Array.from({ length: 20 }, (_, index) => `app-${index}`)
      const proxy: Bus = Object.create(bus)
      proxy.append = (records) => bus.append(records.map((record) => ({ ...record, topic })))
      const senders = guids.map((guid) => send(proxy, guid, run))
      for (let kill = 0; kill < 2; kill++) {
        await acked(run.acked.length + 500)
        await broker.kill()
        await until('the bus says that it is down', () => !bus.health().up)
        assert.notEqual(bus.health().reason, '')
        await broker.start()
      }
      await until('the bus is up again', () => bus.health().up)
      await acked(run.acked.length + 500)
      run.isOver = true
      const sent = await Promise.all(senders)
      await bus.close(5000)
      for (const { reader, found } of await readBack(topic)) {
        const stored = new Set(found.map((entry) => entry.batchId))
        const missing = run.acked.filter((id) => !stored.has(id))
        assert.deepEqual(missing, [], `${reader} finds all ${run.acked.length} acknowledged records`)
        for (const [index, guid] of guids.entries()) {
          const first = new Set(found.filter((entry) => entry.key === guid).map((entry) => entry.batchId))
          const order = sent[index]!.filter((id) => first.has(id))
          assert.deepEqual([...first], order, `${reader}: the records of ${guid} are in order`)
        }
      }
    } finally {
      run.isOver = true
      await bus.close(5000)
    }
  })

  test(`${client}: a frozen broker costs a deadline, and the bus goes on when it thaws`, {
    skip,
  }, async () => {
    const appendMs = 2000
    const bus = makeBus(kafkaConfig(broker.address, { client, appendMs, connectMs: 1000 }))
    await bus.start()
    try {
      assert.deepEqual(await bus.append([makeRecord()]), [undefined])
      await broker.freeze()
      const startMs = performance.now()
      const [outcome] = await bus.append([makeRecord()])
      assert.equal(outcome?.code, 'GP_BUS_DEADLINE')
      assert.equal(outcome.canRetry, true)
      assert.ok(performance.now() - startMs <= appendMs + 500, 'settled within its time')
      assert.equal(bus.health().up, false)
      const refusedMs = performance.now()
      // Each partition may belong to a lane that has not noticed yet; the same record's lane has.
      const [refused] = await bus.append([makeRecord()])
      assert.equal(refused?.code, 'GP_BUS_UNAVAILABLE')
      assert.ok(performance.now() - refusedMs < 500, 'refused at once while it is down')
      broker.thaw()
      await until('the bus is up again', () => bus.health().up)
      assert.deepEqual(await bus.append([makeRecord()]), [undefined])
    } finally {
      broker.thaw()
      await bus.close(5000)
    }
  })

  test(
    `${client}: close is bounded while the broker is frozen, and answers what it gives up`,
    options,
    async () => {
      const config = kafkaConfig(broker.address, { client, connectMs: 500 })
      const [used, fresh] = [makeBus(config), makeBus(config)]
      await used.start()
      try {
        await broker.freeze()
        const append = used.append([makeRecord()])
        await fresh.start()
        assert.equal(fresh.health().up, false)
        const startMs = performance.now()
        await Promise.all([used.close(500), fresh.close(500)])
        assert.ok(performance.now() - startMs < 5000)
        assert.equal((await append)[0]?.canRetry, true)
      } finally {
        broker.thaw()
        await Promise.all([used.close(500), fresh.close(500)])
      }
    },
  )

  test(`${client}: a broker that is away at start is found when it comes`, options, async () => {
    const late = await KafkaBroker.prepare()
    const bus = makeBus(kafkaConfig(late.address, { client, connectMs: 1000 }))
    try {
      const startMs = performance.now()
      await bus.start()
      assert.ok(performance.now() - startMs < 3000, 'start does not wait for a broker that is away')
      assert.equal(bus.health().up, false)
      const [outcome] = await bus.append([makeRecord()])
      assert.equal(outcome?.code, 'GP_BUS_UNAVAILABLE')
      assert.equal(outcome.canRetry, true)
      await late.start()
      await until('the bus is up', () => bus.health().up)
      assert.deepEqual(await bus.append([makeRecord()]), [undefined])
    } finally {
      await bus.close(1000)
      await late.remove()
    }
  })
}
