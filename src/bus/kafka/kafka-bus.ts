/** The bus on a Kafka cluster by way of @platformatic/kafka. See `../partitioned-bus.ts` for what it does. */
import type { KafkaBusConfig } from '../../config/config.ts'
import { PartitionedBus, type PartitionedBusOptions } from '../partitioned-bus.ts'
import { KafkaClient } from './kafka-client.ts'
import { checkClientVersion } from './kafka-options.ts'

export class KafkaBus extends PartitionedBus {
  /** Throws a permanent `GP_CONFIG` error when the installed client library is one that loses records. */
  constructor(config: KafkaBusConfig, options: PartitionedBusOptions) {
    checkClientVersion()
    super(config, options, new KafkaClient(config))
  }
}
