/**
 * Three brokers whose operator, or whose network, does something to them while records come: a topic is deleted, its bound
 * lowered, a quota set, a partition is without leader, a broker takes questions and does not answer.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { Admin, ConfigResourceTypes, IncrementalAlterConfigOperationTypes } from '@platformatic/kafka'
import type { Bus } from '../../src/bus/bus.ts'
import { seriesOf } from '../support/bus-read.ts'
import { sumOf } from '../support/exposition.ts'
import { clients, kafkaConfig, makeBus, makeRecord } from '../support/kafka-bus.ts'
import { KafkaCluster, kafkaAvailable } from '../support/kafka-cluster.ts'
import { ClusterLoad } from '../support/kafka-cluster-load.ts'
import { readMessages } from '../support/kafka-read.ts'
import { assertLedger } from '../support/ledger.ts'
import { Program } from '../support/program.ts'
import { requireReal } from '../support/real.ts'
import { messageV1, post, snappy } from '../support/senders.ts'
import { until } from '../support/until.ts'

const skip = await requireReal('Kafka', kafkaAvailable)
const options = { skip, timeout: 120_000 }
const topic = 'prometheus_metrics'
const topics = [topic, 'otlp_spans', 'otlp_metrics', 'otlp_logs', 'dead_letters']
let cluster: KafkaCluster
let program: Program

if (skip === false) {
  before(async () => {
    cluster = await KafkaCluster.started({ controllers: 'apart' })
    program = await Program.start({
      bus: `kafka://${cluster.addresses}`,
      env: {
        GUIDEPOST_KAFKA_REPLICATION: '3',
        GUIDEPOST_KAFKA_PARTITIONS: '6',
        GUIDEPOST_LIMITS_APPEND_MS: '6000',
      },
    })
    await cluster.untilInSync(topics)
  })
  after(async () => {
    try {
      await program?.end()
    } finally {
      await cluster?.remove()
    }
  })
}

const addresses = (): string[] => cluster.addresses.split(',')

/** What kafkajs has no call for. */
async function withAdmin(work: (admin: Admin) => Promise<unknown>): Promise<void> {
  const admin = new Admin({ clientId: 'operator', bootstrapBrokers: addresses() })
  try {
    await work(admin)
  } finally {
    await admin.close()
  }
}

test(
  'a topic deleted under load is made anew, and takes all that is acknowledged from then on',
  options,
  async () => {
    const load = new ClusterLoad(program.httpPort, 'deleted')
    try {
      await load.more(200)
      await cluster.admin.deleteTopics({ topics: [topic] })
      await until('senders are told to wait', 30_000, () => load.refusals.length > 0)
      await cluster.untilInSync(topics)
      await until('it is ready', 30_000, () => program.isReady())
      // Requests that were under way while the topic went are not asked after.
      await load.more(20)
      const from = load.acknowledged.length
      const refusals = load.refusals.length
      await load.more(500)
      await load.stop()
      assert.equal(load.refusals.length, refusals, 'no partition has to fail before it is used again')
      await load.assertStored(addresses()[0]!, topic, from)
      assertLedger(await program.metrics())
    } finally {
      await load.stop()
    }
  },
)

/** How often each item is stored. */
async function storedIds(): Promise<Map<string, number>> {
  const stored = new Map<string, number>()
  for (const [offset, message] of (await readMessages(addresses()[0]!, topic)).entries()) {
    for (const { labels } of seriesOf({ topic, offset, timestampMs: 0, ...message })) {
      const id = new Map(labels).get('id') ?? ''
      stored.set(id, (stored.get(id) ?? 0) + 1)
    }
  }
  return stored
}

/** Sets `message.max.bytes` of one broker. */
function setOf(id: number, value: string, admin: Admin): Promise<void> {
  const configOperation = IncrementalAlterConfigOperationTypes.SET
  const configs = [{ name: 'message.max.bytes', configOperation, value }]
  const resource = { resourceType: ConfigResourceTypes.BROKER, resourceName: `${id}`, configs }
  return admin.incrementalAlterConfigs({ resources: [resource] })
}

/** A request of some 400 KB that no codec makes much smaller. */
function largeRequest(guid: string, name: string): { ids: string[]; body: Buffer } {
  const ids = Array.from({ length: 2000 }, (_, index) => `${name}-${index}`)
  const all = ids.map((id) => ({ __name__: 'up', guid, id, noise: randomBytes(75).toString('base64url') }))
  return { ids, body: snappy(messageV1(...all)) }
}

test(
  'message.max.bytes lowered for the whole cluster: large requests arrive in pieces',
  options,
  async () => {
    const set = (value: string) => (admin: Admin) =>
      Promise.all([1, 2, 3].map((id) => setOf(id, value, admin)))
    const sent: string[] = []
    const send = async (name: string): Promise<void> => {
      const { ids, body } = largeRequest('large', name)
      const reply = await post(program.httpPort, body)
      assert.equal(reply.status, 204, reply.text)
      sent.push(...ids)
    }
    await send('before')
    await withAdmin(set('60000'))
    try {
      for (const name of ['a', 'b', 'c']) await send(name)
      await Promise.all(['d', 'e', 'f'].map(send))
    } finally {
      await withAdmin(set('1048588'))
    }
    await send('after')
    const stored = await storedIds()
    assert.deepEqual(
      sent.filter((id) => stored.get(id) !== 1),
      [],
      'each item once',
    )
    const samples = await program.metrics()
    assert.equal(sumOf(samples, 'guidepost_dead_lettered_items_total'), 0)
    assertLedger(samples)
  },
)

const quota = 'producer_byte_rate'
const entities = [{ entityType: 'client-id', entityName: 'guidepost' }] as const

function limited(bytesPerSecond: number | undefined): Promise<void> {
  const op =
    bytesPerSecond === undefined
      ? ({ key: quota, remove: true } as const)
      : ({ key: quota, value: bytesPerSecond, remove: false } as const)
  return withAdmin((admin) => admin.alterClientQuotas({ entries: [{ entities: [...entities], ops: [op] }] }))
}

test(
  'a producer quota slows senders down and loses nothing; without it they are fast again',
  options,
  async () => {
    const load = new ClusterLoad(program.httpPort, 'quota')
    const large: string[] = []
    try {
      await load.more(200)
      await limited(10_000)
      await until('requests take longer', 90_000, () => load.slowestMs > 1000)
      // Far over the quota: the brokers take it, and then read nothing more of that connection for a long time.
      for (const name of ['a', 'b', 'c']) {
        const { ids, body } = largeRequest('quota-large', `quota-${name}`)
        const reply = await post(program.httpPort, body)
        if (reply.status === 204) large.push(...ids)
        else assert.equal(reply.status, 503)
      }
      await load.more(1)
      await limited(undefined)
      await until('it is ready', 60_000, () => program.isReady())
      await load.more(1000)
    } finally {
      await limited(undefined)
      await load.stop()
    }
    await load.assertStored(addresses()[0]!, topic)
    const stored = await storedIds()
    assert.deepEqual(
      large.filter((id) => !stored.has(id)),
      [],
    )
    assertLedger(await program.metrics())
  },
)

for (const client of clients) {
  test(
    `${client}: a broker that takes questions and does not answer keeps nobody from the others`,
    options,
    async () => {
      const config = kafkaConfig(addresses()[0]!, { client, appendMs: 4000, connectMs: 500 })
      // The one that is asked first is the frozen one.
      const bus = makeBus({ ...config, brokers: addresses() }, { topics: ['otlp_spans'] })
      const frozen = cluster.broker(1)
      await bus.start()
      try {
        await takesAll(bus)
        await frozen.freeze()
        // A deadline for what was under way, a cut question, and the next one.
        await takesAll(bus)
        await until('the bus is up', 30_000, () => bus.health().up)
      } finally {
        frozen.thaw()
        await bus.close(2000)
        await cluster.untilInSync(topics)
      }
    },
  )
}

/** Waits until a record for each of many guids, and so for every partition, has been taken. */
async function takesAll(bus: Bus): Promise<void> {
  let left = Array.from({ length: 50 }, (_, index) =>
    makeRecord({ topic: 'otlp_spans', guid: `app-${index}` }),
  )
  await until('records for all partitions are taken', 60_000, async () => {
    const outcomes = await bus.append(left)
    for (const outcome of outcomes) assert.notEqual(outcome?.canRetry, false, outcome?.message)
    left = left.filter((_, index) => outcomes[index] !== undefined)
    return left.length === 0
  })
}

test(
  'a partition without leader: its records are refused by name of the topic, until it has one',
  options,
  async () => {
    const own = 'jaeger-spans'
    const replicaAssignment = [1, 2, 3].map((id) => ({ partition: id - 1, replicas: [id] }))
    const configEntries = [{ name: 'min.insync.replicas', value: '1' }]
    await cluster.admin.createTopics({ topics: [{ topic: own, replicaAssignment, configEntries }] })
    const config = kafkaConfig(addresses()[0]!, { appendMs: 4000, connectMs: 1000 })
    const bus = makeBus({ ...config, brokers: addresses() }, { topics: [own] })
    await bus.start()
    const append = async (guid: string): Promise<string> => {
      const [outcome] = await bus.append([makeRecord({ topic: own, guid })])
      if (outcome !== undefined) assert.equal(outcome.canRetry, true)
      return outcome?.message ?? ''
    }
    try {
      const guids = Array.from({ length: 12 }, (_, index) => `app-${index}`)
      for (const guid of guids) assert.equal(await append(guid), '')
      await cluster.broker(3).kill()
      await until('a record is refused', 30_000, async () =>
        (await Promise.all(guids.map(append))).some(Boolean),
      )
      await until('the reason names the topic', 30_000, async () => {
        await Promise.all(guids.map(append))
        return bus.health().reason === `topic ${own} has 1 partitions without a leader`
      })
      const taken = (await Promise.all(guids.map(append))).filter((text) => text === '').length
      assert.ok(taken > 0, 'other partitions are written to')
      await cluster.broker(3).start()
      await until('the bus is up', 60_000, () => bus.health().up)
      for (const guid of guids) assert.equal(await append(guid), '')
    } finally {
      await bus.close(2000)
      await cluster.broker(3).kill()
      await cluster.broker(3).start()
    }
  },
)
