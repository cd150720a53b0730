/** The contract of every bus, held by the kafkajs bus against a real broker. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { KafkaReader } from '../../src/bus/kafka/kafka-reader.ts'
import { KafkajsBus } from '../../src/bus/kafkajs/kafkajs-bus.ts'
import { KafkaBroker, kafkaAvailable } from '../support/kafka.ts'
import { allTopics, kafkaConfig, quietLog } from '../support/kafka-bus.ts'
import { requireReal } from '../support/real.ts'
import { busContract } from './bus-contract.ts'

const skip = await requireReal('Kafka', kafkaAvailable)
const warnings: string[] = []
process.on('warning', (warning) => warnings.push(warning.name))
let broker: KafkaBroker | undefined

if (skip === false) {
  before(async () => {
    broker = await KafkaBroker.started()
  })
  after(() => broker?.remove())
}

busContract('kafkajs', { skip }, async () => {
  const config = kafkaConfig(broker!.address, { client: 'kafkajs' })
  return {
    bus: new KafkajsBus(config, { log: quietLog, topics: allTopics }),
    reader: () => new KafkaReader(config, allTopics),
    cleanup: () => Promise.resolve(),
  }
})

test('kafkajs: no connection busies itself with timers that lie in the past', { skip }, () => {
  assert.deepEqual(warnings, [])
})
