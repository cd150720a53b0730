import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NetworkError, protocolErrors } from '@platformatic/kafka'
import { KafkaProducer } from '../../../../src/bus/kafka/kafka-producer.ts'
import { limits } from '../../../../src/limits.ts'
import { FakeCluster } from '../../../support/kafka-answers.ts'
import { kafkaConfig, makeRecord } from '../../../support/kafka-bus.ts'

const topic = 'prometheus_metrics'

async function opened(
  cluster: FakeCluster,
  changes: Parameters<typeof kafkaConfig>[1] = {},
): Promise<KafkaProducer> {
  return await KafkaProducer.open(cluster.connections, kafkaConfig('broker-0:9092', changes))
}

function codeOf(name: string): number {
  return protocolErrors[name]?.code ?? assert.fail(name)
}

const records = (count: number) => Array.from({ length: count }, () => makeRecord())

for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
  test(`${compression}: a broker reads back what was given`, async () => {
    const cluster = new FakeCluster()
    const producer = await opened(cluster, { compression })
    for (const count of [1, 300, 2]) {
      const given = records(count)
      cluster.answers.push(5n)
      assert.equal(await producer.produce(topic, 2, given), 5n)
      const sent = cluster.sent.at(-1)!
      assert.equal(sent.topic, topic)
      assert.equal(sent.partition, 2)
      assert.equal(sent.acks, -1)
      assert.equal(sent.batch.attributes, ['none', 'gzip', 'snappy', 'lz4', 'zstd'].indexOf(compression))
      assert.deepEqual(
        sent.batch.records.map(({ value }) => String(value)),
        given.map(({ value }) => String(value)),
      )
    }
  })
}

test('auto: zstd for remote write, LZ4 for all else', async () => {
  const cluster = new FakeCluster()
  const producer = await opened(cluster, { compression: 'auto' })
  for (const [encoding, code] of [
    ['prometheus_remote_write_1', 4],
    ['prometheus_remote_write_2', 4],
    ['otlp_proto', 3],
    ['jaeger_proto', 3],
  ] as const) {
    cluster.answers.push(5n)
    const given = makeRecord({ encoding })
    await producer.produce(topic, 2, [given])
    const { batch } = cluster.sent.at(-1)!
    assert.equal(batch.attributes, code, encoding)
    assert.deepEqual(batch.records[0]?.value, given.value)
  }
})

test('the newest version that both know is spoken, in its own shape', async () => {
  const spoken = new Map([
    [3, 3],
    [7, 7],
    [8, 8],
    [9, 9],
    [11, 11],
    [13, 11],
  ])
  for (const [maxVersion, version] of spoken) {
    const cluster = new FakeCluster({ minVersion: 3, maxVersion })
    const producer = await opened(cluster)
    cluster.answers.push(0n)
    await producer.produce(topic, 0, records(2))
    assert.equal(cluster.sent[0]?.version, version)
  }
  await assert.rejects(opened(new FakeCluster({ minVersion: 12, maxVersion: 13 })), {
    code: 'PLT_KFK_UNSUPPORTED_API',
  })
})

test('each partition counts the records it has stored', async () => {
  const cluster = new FakeCluster()
  const producer = await opened(cluster)
  for (const [partition, count] of [
    [0, 3],
    [1, 2],
    [0, 4],
    [1, 1],
    [0, 1],
  ] as const) {
    cluster.answers.push(BigInt(cluster.sent.length))
    await producer.produce(topic, partition, records(count))
  }
  assert.deepEqual(
    cluster.sent.map(({ batch }) => batch.firstSequence),
    [0, 0, 3, 2, 7],
  )
  assert.equal(new Set(cluster.sent.map(({ batch }) => batch.producerId)).size, 1)
  assert.equal(cluster.lookups, 2, 'a leader is looked up once')
})

for (const name of [
  'NOT_LEADER_OR_FOLLOWER',
  'LEADER_NOT_AVAILABLE',
  'REQUEST_TIMED_OUT',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'KAFKA_STORAGE_ERROR',
  'CORRUPT_MESSAGE',
]) {
  test(`${name}: the same bytes go to the leader of that time`, async () => {
    const cluster = new FakeCluster()
    const producer = await opened(cluster)
    cluster.answers.push(codeOf(name), 8n, 9n)
    cluster.onSent = () => {
      cluster.leader = 1
    }
    assert.equal(await producer.produce(topic, 0, records(3)), 8n)
    const [first, second] = cluster.sent
    assert.deepEqual([first?.host, second?.host], ['broker-0', 'broker-1'])
    assert.ok(first?.bytes.equals(second?.bytes ?? Buffer.alloc(0)))
    await producer.produce(topic, 0, records(1))
    assert.equal(cluster.sent[2]?.batch.firstSequence, 3, 'the repeat counts once')
    assert.equal(cluster.sent[2]?.batch.producerId, first?.batch.producerId)
  })
}

test('a connection that breaks costs a repeat, not an error', async () => {
  const cluster = new FakeCluster()
  const producer = await opened(cluster)
  cluster.answers.push(new NetworkError('Connection closed'), 1n)
  assert.equal(await producer.produce(topic, 0, records(3)), 1n)
  assert.ok(cluster.sent[0]?.bytes.equals(cluster.sent[1]?.bytes ?? Buffer.alloc(0)))
})

test('repeats come to an end', async () => {
  const cluster = new FakeCluster()
  const producer = await opened(cluster)
  for (let count = 0; count < 20; count++) cluster.answers.push(codeOf('NOT_ENOUGH_REPLICAS'))
  await assert.rejects(producer.produce(topic, 0, records(1)), { name: 'ClientError', failure: 'away' })
  assert.equal(cluster.sent.length, 1 + limits.kafkaRetriesMax)
})

for (const [name, failure] of [
  ['DUPLICATE_SEQUENCE_NUMBER', 'away'],
  ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'away'],
  ['UNKNOWN_PRODUCER_ID', 'away'],
  ['INVALID_PRODUCER_EPOCH', 'away'],
  ['MESSAGE_TOO_LARGE', 'too-large'],
  ['RECORD_LIST_TOO_LARGE', 'too-large'],
  ['INVALID_RECORD', 'refused'],
  ['INVALID_TIMESTAMP', 'refused'],
  ['TOPIC_AUTHORIZATION_FAILED', 'operator'],
  ['UNSUPPORTED_COMPRESSION_TYPE', 'operator'],
] as const) {
  test(`${name} is not repeated, and its numbers are not used again`, async () => {
    const cluster = new FakeCluster()
    const producer = await opened(cluster)
    cluster.answers.push(0n, codeOf(name), 7n, 8n)
    await producer.produce(topic, 0, records(4))
    await assert.rejects(producer.produce(topic, 0, records(2)), { name: 'ClientError', failure })
    assert.equal(cluster.sent.length, 2)
    assert.equal(await producer.produce(topic, 0, records(1)), 7n)
    assert.equal(await producer.produce(topic, 0, records(1)), 8n)
    const later = cluster.sent.slice(2).map(({ batch }) => [batch.producerId, batch.firstSequence])
    assert.deepEqual(later, [
      [2n, 0],
      [2n, 1],
    ])
  })
}

test('an answer without an offset acknowledges nothing', async () => {
  const cluster = new FakeCluster()
  const producer = await opened(cluster)
  cluster.answers.push(-1n)
  await assert.rejects(producer.produce(topic, 0, records(1)), { failure: 'away' })
})

test('after destroy nothing is sent, and a repeat that waits is given up', async () => {
  const cluster = new FakeCluster()
  const producer = await opened(cluster)
  cluster.answers.push(codeOf('NOT_ENOUGH_REPLICAS'), 1n)
  cluster.onSent = () => setImmediate(() => producer.destroy())
  const startMs = performance.now()
  await assert.rejects(producer.produce(topic, 0, records(1)), { failure: 'away' })
  assert.ok(performance.now() - startMs < limits.kafkaRetryMsMax)
  await assert.rejects(producer.produce(topic, 0, records(1)), { failure: 'away' })
  assert.equal(cluster.sent.length, 1)
  assert.ok(cluster.closed)
})
