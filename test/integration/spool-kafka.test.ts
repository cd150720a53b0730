/**
 * The whole program with a spool, on a real Kafka: senders notice nothing of a broker that is killed, nor loses a killed
 * gateway what it has spooled; everything answered 2xx arrives, in order, and the spool is empty again.
 */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { KafkaReader } from '../../src/bus/kafka/kafka-reader.ts'
import { sumOf } from '../support/exposition.ts'
import { KafkaBroker, kafkaAvailable } from '../support/kafka.ts'
import { kafkaConfig } from '../support/kafka-bus.ts'
import { assertLedger } from '../support/ledger.ts'
import { Program } from '../support/program.ts'
import { requireReal } from '../support/real.ts'
import { messageV1, post, series, snappy } from '../support/senders.ts'
import { until } from '../support/until.ts'

const skip = await requireReal('Kafka', kafkaAvailable)
const options = { skip, timeout: 180_000 }
const topic = 'prometheus_metrics'
const sendersCount = 8
let broker: KafkaBroker
let directory: string

if (skip === false) {
  before(async () => {
    broker = await KafkaBroker.started()
    directory = await mkdtemp(join(tmpdir(), 'guidepost-spool-'))
  })
  after(async () => {
    await broker.remove()
    await rm(directory, { recursive: true, force: true })
  })
}

function start(): Promise<Program> {
  const env = { GUIDEPOST_SPOOL_ENABLED: 'true', GUIDEPOST_SPOOL_DIRECTORY: directory }
  return Program.start({ bus: `kafka://${broker.address}`, env })
}

class Senders {
  /** Ids by sender, in the order in which they were answered 2xx. */
  readonly acknowledged: string[][] = Array.from({ length: sendersCount }, () => [])
  readonly statuses = new Map<number, number>()
  #isOver = false
  readonly #running: Promise<void>[]

  constructor(port: number, prefix: string) {
    this.#running = this.acknowledged.map((ids, index) => this.#run(port, `${prefix}-${index}`, ids))
  }

  get count(): number {
    return this.acknowledged.reduce((sum, ids) => sum + ids.length, 0)
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#running)
  }

  async #run(port: number, name: string, ids: string[]): Promise<void> {
    for (let number = 0; !this.#isOver; number++) {
      const id = `${name}-${number}`
      const message = snappy(messageV1(series(`team-${name.split('-').at(-1)}`, id)))
      const status = await post(port, message).then(
        (reply) => reply.status,
        () => 0,
      )
      this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1)
      if (status === 204) ids.push(id)
      if (status === 0) return
    }
  }
}

/** The ids in Kafka by guid, each where it came first. */
async function stored(): Promise<Map<string, string[]>> {
  const reader = new KafkaReader(kafkaConfig(broker.address), [topic])
  const found = new Map<string, Set<string>>()
  const values = new Map<string, string>()
  const signal = AbortSignal.timeout(60_000)
  for await (const record of reader.read({ topics: [topic], from: 'begin', follow: false, signal })) {
    const id = record.headers['batch_id'] ?? ''
    const value = record.value.toString('latin1')
    assert.equal(values.get(id) ?? value, value, 'one batch id, one content')
    values.set(id, value)
    const ids = found.get(record.key) ?? new Set()
    found.set(record.key, ids)
    for (const [, name = ''] of value.matchAll(/((?:one|two|three)-\d+-\d+)/g)) ids.add(name)
  }
  await reader.close()
  return new Map([...found].map(([guid, ids]) => [guid, [...ids]]))
}

async function assertArrived(senders: Senders): Promise<void> {
  const found = await stored()
  for (const [index, ids] of senders.acknowledged.entries()) {
    const there = new Set(found.get(`team-${index}`))
    const missing = ids.filter((id) => !there.has(id))
    assert.deepEqual(missing, [], `all that was acknowledged to sender ${index} is in Kafka`)
    const wanted = new Set(ids)
    const order = [...there].filter((id) => wanted.has(id))
    assert.deepEqual(order, ids, `in its order`)
  }
}

const spooledItems = async (program: Program): Promise<number> =>
  sumOf(await program.metrics(), 'guidepost_spooled_items')

test('a broker that is killed: senders are answered as ever, and everything arrives', options, async () => {
  const program = await start()
  try {
    const senders = new Senders(program.httpPort, 'one')
    await until('some are acknowledged', 20_000, () => senders.count > 300)
    await broker.kill()
    await until('the spool fills', 30_000, async () => (await spooledItems(program)) > 300)
    assert.equal(await program.isReady(), true)
    assert.equal(sumOf(await program.metrics(), 'guidepost_bus_up'), 0, 'an operator sees it')
    await broker.restart()
    const before = senders.count
    await until('more are acknowledged', 20_000, () => senders.count > before + 300)
    await until('the spool is empty beside the senders', 60_000, async () => {
      return (await spooledItems(program)) === 0 && sumOf(await program.metrics(), 'guidepost_bus_up') === 1
    })
    await senders.stop()
    assert.deepEqual([...senders.statuses.keys()], [204])
    await until('nothing is in flight', 10_000, async () => {
      return sumOf(await program.metrics(), 'guidepost_inflight_bytes') === 0
    })
    assertLedger(await program.metrics())
    await until('its files are gone', 10_000, async () => {
      return (await readdir(join(directory, 'worker-1'))).every((name) => !name.endsWith('.seg'))
    })
    await assertArrived(senders)
    await program.stop()
  } finally {
    await program.kill()
  }
})

test('a gateway that is killed with a spool delivers it after its restart', options, async () => {
  const program = await start()
  let again: Program | undefined
  try {
    const senders = new Senders(program.httpPort, 'two')
    await until('some are acknowledged', 30_000, () => senders.count > 100)
    await broker.kill()
    await until('the spool fills', 30_000, async () => (await spooledItems(program)) > 500)
    await program.kill()
    await senders.stop()
    again = await start()
    const running = again
    await until('what was left is known', 20_000, async () => (await spooledItems(running)) > 500)
    const more = new Senders(again.httpPort, 'three')
    await until('some more are acknowledged', 30_000, () => more.count > 200)
    await broker.restart()
    await until('the spool is empty', 60_000, async () => (await spooledItems(running)) === 0)
    await more.stop()
    await until('nothing is in flight', 10_000, async () => {
      return sumOf(await running.metrics(), 'guidepost_inflight_bytes') === 0
    })
    await until('the spool is empty', 60_000, async () => (await spooledItems(running)) === 0)
    assertLedger(await again.metrics())
    await assertArrived(senders)
    await assertArrived(more)
    assert.equal(await again.stop(), 0)
  } finally {
    await program.kill()
    await again?.kill()
  }
})
