/**
 * The whole program with a spool on three brokers, of which one and then two are lost, or one is frozen: senders see success
 * all the while, and everything acknowledged is stored, in order. With both clients.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { KafkaCluster, kafkaAvailable } from '../support/kafka-cluster.ts'
import { requireReal } from '../support/real.ts'
import { metricsTopic, SpoolCluster, spoolTopics } from '../support/spool-cluster.ts'
import { until } from '../support/until.ts'

const skip = await requireReal('Kafka', kafkaAvailable)
const options = { skip, timeout: 150_000 }
let cluster: KafkaCluster

if (skip === false) {
  before(async () => {
    cluster = await KafkaCluster.started({ controllers: 'apart' })
  })
  after(() => cluster?.remove())
}

for (const client of ['platformatic', 'kafkajs']) {
  test(
    `${client}: one broker is lost, then two: senders see success, and all of it arrives`,
    options,
    async () => {
      const spool = await SpoolCluster.start(cluster, { GUIDEPOST_KAFKA_CLIENT: client })
      try {
        await cluster.untilInSync(spoolTopics)
        await spool.underLoad(`lost-${client}`, async (load) => {
          const { leader } = (await cluster.partitions(metricsTopic))[0]!
          await cluster.broker(leader).kill()
          await load.more(200)
          const second = (leader % 3) + 1
          await cluster.broker(second).kill()
          await spool.untilSpooling(100)
          assert.equal(await spool.program.isReady(), true, 'senders are served')
          await load.more(200)
          await Promise.all([cluster.broker(leader).start(), cluster.broker(second).start()])
          await cluster.untilInSync(spoolTopics)
          await spool.untilEmptied()
        })
      } finally {
        await spool.end()
      }
    },
  )
}

test(
  'a broker is frozen for longer than every time limit: senders see success, and all of it arrives',
  options,
  async () => {
    const spool = await SpoolCluster.start(cluster, { GUIDEPOST_LIMITS_APPEND_MS: '6000' })
    try {
      await cluster.untilInSync(spoolTopics)
      await spool.underLoad('frozen', async (load) => {
        const { leader } = (await cluster.partitions(metricsTopic))[0]!
        const frozen = cluster.broker(leader)
        const startMs = performance.now()
        await frozen.freeze()
        try {
          await spool.untilSpooling()
          await until('every limit has passed', 60_000, () => performance.now() - startMs > 13_000)
          await load.more(200)
        } finally {
          frozen.thaw()
        }
        await cluster.untilInSync(spoolTopics)
      })
      assert.equal(await spool.sum('guidepost_spool_parked_items'), 0)
    } finally {
      await spool.end()
    }
  },
)
