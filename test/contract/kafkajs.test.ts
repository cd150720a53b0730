/** The contract of every bus, held by the kafkajs bus against a real broker. */
import { after, before } from 'node:test'
import { KafkaReader } from '../../src/bus/kafka/kafka-reader.ts'
import { KafkajsBus } from '../../src/bus/kafkajs/kafkajs-bus.ts'
import { KafkaBroker, kafkaAvailable } from '../support/kafka.ts'
import { allTopics, kafkaConfig, quietLog } from '../support/kafka-bus.ts'
import { requireReal } from '../support/real.ts'
import { busContract } from './bus-contract.ts'

const skip = await requireReal('Kafka', kafkaAvailable)
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
