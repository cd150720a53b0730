/** Topics at start, and records that a broker refuses for their size. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Writable } from 'node:stream'
import { after, before, test } from 'node:test'
import kafkajs from 'kafkajs'
import pino from 'pino'
import type { BusRecord, Topic } from '../../src/bus/bus.ts'
import { GuidepostError } from '../../src/errors.ts'
import { KafkaBroker, kafkaAvailable } from '../support/kafka.ts'
import { clients, kafkaConfig, makeBus, makeRecord } from '../support/kafka-bus.ts'
import { kafkajsClient, readWithKafkajs } from '../support/kafka-read.ts'
import { requireReal } from '../support/real.ts'
import { until } from '../support/until.ts'

const skip = await requireReal('Kafka', kafkaAvailable)
const messageBytesMax = 200_000
const options = { skip, timeout: 90_000 }
let broker: KafkaBroker

if (skip === false) {
  before(async () => {
    broker = await KafkaBroker.started({ messageBytesMax })
  })
  after(() => broker.remove())
}

/** Creates `topic` with the broker's own settings, or lowers what it takes. */
async function withAdmin(work: (admin: kafkajs.Admin) => Promise<unknown>): Promise<void> {
  const admin = kafkajsClient(broker.address).admin()
  await admin.connect()
  try {
    await work(admin)
  } finally {
    await admin.disconnect()
  }
}

async function assertStoredExactly(topic: Topic, records: readonly (BusRecord | undefined)[]): Promise<void> {
  const found = await readWithKafkajs(broker.address, topic)
  const sent = records.map((record) => record?.batchId)
  assert.deepEqual(
    found.map((entry) => entry.batchId),
    sent,
  )
}

for (const client of clients) {
  test(`${client}: a missing topic that must not be created stops the start and says how`, {
    skip,
  }, async () => {
    const config = kafkaConfig(broker.address, {
      client,
      createTopics: false,
      partitions: 12,
      replication: 3,
    })
    const topic: Topic = client === 'kafkajs' ? 'otlp_spans' : 'otlp_metrics'
    const bus = makeBus(config, { topics: [topic] })
    const start = bus.start().finally(() => bus.close(1000))
    await assert.rejects(start, (error) => {
      assert.ok(error instanceof GuidepostError)
      assert.equal(error.code, 'GP_CONFIG')
      assert.equal(error.canRetry, false)
      assert.match(error.message, new RegExp(`no topic ${topic}`))
      const command = `--bootstrap-server ${broker.address} --create --topic ${topic} --partitions 12 --replication-factor 3`
      assert.ok(error.message.includes(command), error.message)
      return true
    })
  })

  test(`${client}: missing topics are created as configured, and weak ones named once`, {
    skip,
  }, async () => {
    const topics: Topic[] = client === 'kafkajs' ? ['otlp_logs'] : ['prometheus_metrics', 'dead_letters']
    const lines: string[] = []
    const sink = new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk))
        done()
      },
    })
    const config = kafkaConfig(broker.address, { client, partitions: 5 })
    const bus = makeBus(config, { topics, log: pino({ level: 'warn' }, sink) })
    await bus.start()
    try {
      assert.deepEqual(bus.health(), { up: true, reason: '' })
      await withAdmin(async (admin) => {
        const { topics: made } = await admin.fetchTopicMetadata({ topics })
        assert.deepEqual(
          made.map((topic) => topic.partitions.length),
          topics.map(() => 5),
        )
      })
      assert.equal(lines.length, 1, lines.join(''))
      assert.match(lines[0]!, /one replica/)
    } finally {
      await bus.close(1000)
    }
  })

  test(`${client}: a record over the topic's bound is refused alone, whoever notices`, options, async () => {
    const topic: Topic = client === 'kafkajs' ? 'otlp_spans' : 'otlp_metrics'
    const bus = makeBus(kafkaConfig(broker.address, { client, partitions: 1 }), { topics: [topic] })
    const make = (bytes: number) => makeRecord({ topic, value: randomBytes(bytes) })
    await bus.start()
    try {
      assert.ok(bus.recordBytesMax < messageBytesMax, 'the bus has learnt what the topic takes')
      const first = [make(1000), make(bus.recordBytesMax + 1), make(bus.recordBytesMax)]
      const known = await bus.append(first)
      assert.deepEqual(
        known.map((outcome) => outcome?.code),
        [undefined, 'GP_RECORD_TOO_LARGE', undefined],
      )
      // Lowered behind the back of the bus: now the broker refuses, at first a whole pack of records.
      await withAdmin((admin) =>
        admin.alterConfigs({
          validateOnly: false,
          resources: [
            {
              type: kafkajs.ConfigResourceTypes.TOPIC,
              name: topic,
              configEntries: [{ name: 'max.message.bytes', value: '50000' }],
            },
          ],
        }),
      )
      // A broker answers such a change before it holds to it.
      const early: BusRecord[] = []
      await until('the broker refuses what is too large by now', 30_000, async () => {
        const record = make(80_000)
        const [outcome] = await bus.append([record])
        if (outcome === undefined) early.push(record)
        return outcome !== undefined
      })
      const second = [make(20_000), make(20_000), make(80_000), make(20_000), make(20_000)]
      const refused = await bus.append(second)
      assert.deepEqual(
        refused.map((outcome) => outcome?.code),
        [undefined, undefined, 'GP_RECORD_TOO_LARGE', undefined, undefined],
      )
      assert.equal(refused[2]?.canRetry, false)
      assert.equal(bus.health().up, true)
      const kept = [first[0], first[2], ...early, second[0], second[1], second[3], second[4]]
      await assertStoredExactly(topic, kept)
    } finally {
      await bus.close(1000)
    }
  })
}
