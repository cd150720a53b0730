/** How long a start waits for a cluster, and what becomes of an answer that comes later. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PartitionClient, PartitionProducer, TopicFacts } from '../../../src/bus/partition-producer.ts'
import { PartitionedBus } from '../../../src/bus/partitioned-bus.ts'
import { kafkaConfig, makeRecord, quietLog } from '../../support/kafka-bus.ts'
import { until } from '../../support/until.ts'

const topic = 'prometheus_metrics'
const connectMs = 60_000

const facts: TopicFacts = {
  ...{ partitions: 1, replication: 1, inSync: [1], leaderless: [] },
  ...{ inSyncMin: undefined, messageBytesMax: undefined },
}

/** A cluster that answers when the test says so. */
class SilentCluster implements PartitionClient {
  readonly answer = Promise.withResolvers<Map<string, TopicFacts>>()
  isGone = false

  describe = (): Promise<Map<string, TopicFacts>> => this.answer.promise
  createTopics = (): Promise<void> => Promise.resolve()
  openProducer = (): Promise<PartitionProducer> =>
    Promise.resolve({ produce: () => Promise.resolve(0n), destroy() {}, close: () => Promise.resolve() })
  destroy(): void {
    this.isGone = true
    this.answer.reject(new Error('gone'))
  }
}

function busOn(cluster: PartitionClient, startMsMax: number): PartitionedBus {
  const config = kafkaConfig('127.0.0.1:1', { connectMs, createTopics: false })
  return new PartitionedBus(config, { log: quietLog, topics: [topic], startMsMax }, cluster)
}

test('a start goes on without a cluster that does not answer, and the bus comes up when it does', async () => {
  const cluster = new SilentCluster()
  const bus = busOn(cluster, 50)
  const startMs = performance.now()
  await bus.start()
  assert.ok(performance.now() - startMs < connectMs / 2)
  try {
    assert.equal(bus.health().up, false)
    const [refused] = await bus.append([makeRecord({ topic })])
    assert.equal(refused?.canRetry, true)
    cluster.answer.resolve(new Map([[topic, facts]]))
    await until('the bus is up', 30_000, () => bus.health().up)
    assert.deepEqual(await bus.append([makeRecord({ topic })]), [undefined])
  } finally {
    await bus.close(1_000)
  }
})

test('a topic that must be there ends a start that still waits; one that does not is told by the health', async () => {
  const inTime = new SilentCluster()
  inTime.answer.resolve(new Map())
  const ended = busOn(inTime, connectMs)
  await assert.rejects(ended.start(), { code: 'GP_CONFIG', message: /Kafka has no topic prometheus_metrics/ })
  assert.ok(inTime.isGone)

  const late = new SilentCluster()
  const bus = busOn(late, 50)
  await bus.start()
  try {
    late.answer.resolve(new Map())
    await until('it is told', 30_000, () =>
      bus.health().reason.includes('Kafka has no topic prometheus_metrics'),
    )
    assert.equal(late.isGone, true, 'the next look begins anew')
    // Somebody makes it.
    late.describe = () => Promise.resolve(new Map([[topic, facts]]))
    await until('the bus is up', 30_000, () => bus.health().up)
  } finally {
    await bus.close(1_000)
  }
})
