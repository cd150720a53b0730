/** The contract of every bus, held by the Kafka bus against a real broker. */
import { after, before } from 'node:test'
import { KafkaBus } from '../../src/bus/kafka/kafka-bus.ts'
import { KafkaReader } from '../../src/bus/kafka/kafka-reader.ts'
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

busContract('kafka', { skip }, async () => {
  const config = kafkaConfig(broker!.address)
  return {
    bus: new KafkaBus(config, { log: quietLog, topics: allTopics }),
    reader: () => new KafkaReader(config, allTopics),
    cleanup: () => Promise.resolve(),
  }
})
