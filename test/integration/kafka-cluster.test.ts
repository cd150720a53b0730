/**
 * The whole program on three brokers, topics with three replicas of which two must be in sync: brokers are lost, stopped
 * and started under load. What was acknowledged is stored, in order; senders are told to wait and why; it comes back by
 * itself.
 *
 * The longer form, by command: `GUIDEPOST_KAFKA_ROUNDS=5` repeats each test so often, and with
 * `GUIDEPOST_KAFKA_CONTROLLERS=combined` the brokers are the controllers too, so that they go with them. Time for more rounds
 * is given by `TEST_FILE_MS_MAX`, for the whole file.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { KafkaCluster, kafkaAvailable } from '../support/kafka-cluster.ts'
import { ClusterLoad } from '../support/kafka-cluster-load.ts'
import { assertLedger } from '../support/ledger.ts'
import { Program } from '../support/program.ts'
import { requireReal } from '../support/real.ts'
import { until } from '../support/until.ts'

const skip = await requireReal('Kafka', kafkaAvailable)
const rounds = Number(process.env['GUIDEPOST_KAFKA_ROUNDS'] ?? 1)
const isCombined = process.env['GUIDEPOST_KAFKA_CONTROLLERS'] === 'combined'
const options = { skip, timeout: 150_000 * rounds }
const topic = 'prometheus_metrics'
const topics = [topic, 'otlp_spans', 'otlp_metrics', 'otlp_logs', 'dead_letters']
/** Without a quorum of controllers nobody says who is in sync: a write waits for replicas that do not come. */
const tooFew = isCombined ? /Kafka|broker|writing to/ : /in-sync replicas|replicas in sync/
let cluster: KafkaCluster
let program: Program

if (skip === false) {
  before(async () => {
    cluster = await KafkaCluster.started({ controllers: isCombined ? 'combined' : 'apart' })
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

/** Runs `work` under load; ends the load, and asserts that nothing acknowledged is missing and the books are even. */
async function underLoad(name: string, work: (load: ClusterLoad) => Promise<void>): Promise<void> {
  for (let round = 0; round < rounds; round++) await oneRound(`${name}-${round}`, work)
}

async function oneRound(name: string, work: (load: ClusterLoad) => Promise<void>): Promise<void> {
  const load = new ClusterLoad(program.httpPort, name)
  try {
    await load.more(200)
    await work(load)
  } finally {
    await load.stop()
  }
  await cluster.untilInSync(topics)
  await load.assertStored(cluster.addresses.split(',')[0]!, topic)
  assertLedger(await program.metrics())
}

async function readiness(): Promise<string> {
  return (await fetch(`http://127.0.0.1:${program.adminPort}/readyz`)).text()
}

test(
  'the leader of loaded partitions is lost: senders wait at most, then the others carry on',
  options,
  async () => {
    await underLoad('one', async (load) => {
      const { leader } = (await cluster.partitions(topic))[0]!
      await cluster.broker(leader).kill()
      await cluster.untilPartitions(topics, 'new leaders', (at) => at.leader > 0 && at.leader !== leader)
      await until('it is ready', 30_000, () => program.isReady())
      const refusals = load.refusals.length
      await load.more(500)
      assert.equal(load.refusals.length, refusals, 'two brokers are enough')
      await cluster.broker(leader).start()
      await cluster.untilInSync(topics)
      await load.more(200)
    })
  },
)

test('two are lost: everything is refused with the reason, until they are back', options, async () => {
  await underLoad('two', async (load) => {
    await cluster.broker(1).kill()
    await cluster.broker(2).kill()
    await until('readiness says why', 30_000, async () => tooFew.test(await readiness()))
    const acknowledged = load.acknowledged.length
    const refusals = load.refusals.length
    // Each of the eight several times, or once when each refusal takes a deadline.
    const enough = isCombined ? 8 : 200
    await until('all senders are refused', 30_000, () => load.refusals.length > refusals + enough)
    assert.equal(load.acknowledged.length, acknowledged, 'one broker is not enough')
    for (const { text } of load.refusals.slice(-8)) assert.match(text, tooFew)
    await Promise.all([cluster.broker(1).start(), cluster.broker(2).start()])
    await until('it is ready again, by itself', 60_000, () => program.isReady())
    await load.more(500)
  })
})

test('all three are restarted, one after the other: nothing is missing, in order', options, async () => {
  await underLoad('rolling', async (load) => {
    for (const broker of cluster.brokers) {
      await broker.stop()
      await load.more(50)
      await broker.start()
      await cluster.untilInSync(topics)
    }
    await until('it is ready', 30_000, () => program.isReady())
    await load.more(200)
  })
})
