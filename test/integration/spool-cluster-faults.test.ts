/**
 * What an operator or the network does to three brokers, with a spool: a partition is without leader beside others, a quota, a
 * topic deleted, `message.max.bytes` lowered below what is spooled. Senders see success, and it arrives.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { Admin, ConfigResourceTypes, IncrementalAlterConfigOperationTypes } from '@platformatic/kafka'
import { partitionOf } from '../../src/bus/partition.ts'
import { seriesOf } from '../support/bus-read.ts'
import { KafkaCluster, kafkaAvailable } from '../support/kafka-cluster.ts'
import { ClusterLoad } from '../support/kafka-cluster-load.ts'
import { readMessages } from '../support/kafka-read.ts'
import { requireReal } from '../support/real.ts'
import { messageV1, post, series, snappy } from '../support/senders.ts'
import { metricsTopic, SpoolCluster, spoolTopics } from '../support/spool-cluster.ts'
import { until } from '../support/until.ts'

const skip = await requireReal('Kafka', kafkaAvailable)
const options = { skip, timeout: 150_000 }
let cluster: KafkaCluster
let spool: SpoolCluster

if (skip === false) {
  before(async () => {
    cluster = await KafkaCluster.started({ controllers: 'apart' })
    // One replica of each partition: whose broker is gone has no leader.
    const replicaAssignment = [1, 2, 3].map((id) => ({ partition: id - 1, replicas: [id] }))
    const configEntries = [{ name: 'min.insync.replicas', value: '1' }]
    await cluster.admin.createTopics({ topics: [{ topic: metricsTopic, replicaAssignment, configEntries }] })
    spool = await SpoolCluster.start(cluster, {})
    await untilWell()
  })
  after(async () => {
    await spool?.end()
    await cluster?.remove()
  })
}

const addresses = (): string[] => cluster.addresses.split(',')

async function untilWell(): Promise<void> {
  await cluster.untilInSync(spoolTopics.filter((topic) => topic !== metricsTopic))
  await until('the bus is up', 60_000, async () => (await spool.sum('guidepost_bus_up')) === 1)
}

async function withAdmin(work: (admin: Admin) => Promise<unknown>): Promise<void> {
  const admin = new Admin({ clientId: 'operator', bootstrapBrokers: addresses() })
  try {
    await work(admin)
  } finally {
    await admin.close()
  }
}

/** The next guid of this kind whose partition is this one's. */
function guidOf(kind: string, partition: number): string {
  for (let number = 0; ; number++) {
    const guid = `${kind}-${number}`
    if (partitionOf(guid, 0, 1, 3) === partition) return guid
  }
}

let itemCount = 0
/** Sends one item; the milliseconds that its answer took, which must be success. */
async function send(guid: string): Promise<number> {
  const startMs = performance.now()
  const reply = await post(spool.program.httpPort, snappy(messageV1(series(guid, `item-${itemCount++}`))))
  assert.equal(reply.status, 204, reply.text)
  return performance.now() - startMs
}

async function storedCounts(): Promise<Map<string, number>> {
  const stored = new Map<string, number>()
  for (const [offset, message] of (await readMessages(addresses()[0]!, metricsTopic)).entries()) {
    for (const { labels } of seriesOf({ topic: metricsTopic, offset, timestampMs: 0, ...message })) {
      const id = new Map(labels).get('id') ?? ''
      stored.set(id, (stored.get(id) ?? 0) + 1)
    }
  }
  return stored
}

test(
  'a partition without leader: its items wait apart, all others go to Kafka as ever',
  options,
  async () => {
    const stuck = guidOf('stuck', 2)
    const others = [guidOf('other', 0), guidOf('other', 1)]
    const load = new ClusterLoad(spool.program.httpPort, 'beside')
    try {
      await load.more(50)
      await cluster.broker(3).kill()
      await until('it is seen', 60_000, async () => (await spool.sum('guidepost_bus_up')) === 0)
      // From then on what is for the stuck partition is spooled, and parked.
      await load.more(100)
      await until('something is parked', 60_000, async () => {
        await send(stuck)
        return (await spool.sum('guidepost_spool_parked_items')) > 0
      })
      await until('all that is spooled is parked', 60_000, async () => {
        const parked = await spool.sum('guidepost_spool_parked_items')
        return parked > 0 && parked >= (await spool.sum('guidepost_spooled_items'))
      })
      const spooledBefore = await spool.sum('guidepost_spool_written_items_total')
      await load.stop()
      const spooled = await spool.sum('guidepost_spool_written_items_total')
      let slowestMs = 0
      for (let round = 0; round < 40; round++) {
        for (const guid of others) slowestMs = Math.max(slowestMs, await send(guid))
      }
      const direct = await spool.sum('guidepost_spool_written_items_total')
      assert.equal(direct, spooled, `others go to Kafka directly (${spooledBefore} before)`)
      assert.ok(slowestMs < 2_000, `others wait for nothing: ${slowestMs} ms at most`)
      await send(stuck)
      await cluster.broker(3).start()
      await spool.untilEmptied()
    } finally {
      await load.stop()
    }
    assert.deepEqual(load.refusals.slice(0, 3), [], 'no sender was refused')
    await load.assertStored(addresses()[0]!, metricsTopic)
    await untilWell()
    await spool.program.assertLedger()
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

/** A request of some 400 KB that no codec makes much smaller. */
function largeRequest(guid: string, name: string): { ids: string[]; body: Buffer } {
  const ids = Array.from({ length: 2000 }, (_, index) => `${name}-${index}`)
  const all = ids.map((id) => ({ __name__: 'up', guid, id, noise: randomBytes(75).toString('base64url') }))
  return { ids, body: snappy(messageV1(...all)) }
}

async function sendLarge(guid: string, name: string): Promise<string[]> {
  const { ids, body } = largeRequest(guid, name)
  const reply = await post(spool.program.httpPort, body)
  assert.equal(reply.status, 204, reply.text)
  return ids
}

test('a producer quota: senders are answered from the spool, which empties without it', options, async () => {
  const large: string[] = []
  await spool.underLoad('quota', async (load) => {
    try {
      await limited(20_000)
      for (const name of ['a', 'b', 'c']) large.push(...(await sendLarge('quota-large', `quota-${name}`)))
      await spool.untilSpooling()
      await load.more(100)
    } finally {
      await limited(undefined)
    }
  })
  const stored = await storedCounts()
  assert.deepEqual(
    large.filter((id) => !stored.has(id)),
    [],
  )
})

function setBytesMax(value: string): Promise<void> {
  const configOperation = IncrementalAlterConfigOperationTypes.SET
  const configs = [{ name: 'max.message.bytes', configOperation, value }]
  const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: metricsTopic, configs }
  return withAdmin((admin) => admin.incrementalAlterConfigs({ resources: [resource] }))
}

test('max.message.bytes lowered below what is spooled: it arrives in pieces', options, async () => {
  const guid = guidOf('large', 2)
  await cluster.broker(3).kill()
  const sent: string[] = []
  try {
    for (const name of ['d', 'e', 'f']) sent.push(...(await sendLarge(guid, `lowered-${name}`)))
    await spool.untilSpooling(sent.length)
    await setBytesMax('60000')
    await cluster.broker(3).start()
    await spool.untilEmptied()
  } finally {
    await setBytesMax('1048588')
  }
  const stored = await storedCounts()
  assert.deepEqual(
    sent.filter((id) => !stored.has(id)),
    [],
  )
  assert.equal(await spool.sum('guidepost_dead_lettered_items_total'), 0)
  await spool.program.assertLedger()
  await untilWell()
})

test('a topic deleted under load is made anew, and senders see nothing of it', options, async () => {
  const load = new ClusterLoad(spool.program.httpPort, 'deleted')
  let from = 0
  try {
    await load.more(100)
    await cluster.admin.deleteTopics({ topics: [metricsTopic] })
    await cluster.untilInSync(spoolTopics)
    // What was under way while the topic went is not asked after.
    await load.more(50)
    from = load.acknowledged.length
    await load.more(300)
  } finally {
    await load.stop()
  }
  assert.deepEqual(load.refusals.slice(0, 3), [], 'no sender was refused')
  await spool.untilEmptied()
  await load.assertStored(addresses()[0]!, metricsTopic, from)
  await spool.program.assertLedger()
})
