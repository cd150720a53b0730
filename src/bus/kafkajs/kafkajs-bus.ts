/** The bus on a Kafka cluster by way of kafkajs, the fallback. See `../partitioned-bus.ts` for what it does. */
import type { KafkaBusConfig } from '../../config/config.ts'
import { PartitionedBus, type PartitionedBusOptions } from '../partitioned-bus.ts'
import { KafkajsClient } from './kafkajs-client.ts'

export class KafkajsBus extends PartitionedBus {
  /** Throws a permanent `GP_CONFIG` error for a compression that kafkajs does not have. */
  constructor(config: KafkaBusConfig, options: PartitionedBusOptions) {
    super(config, options, new KafkajsClient(config))
  }
}
