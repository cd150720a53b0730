/**
 * Three real Kafka brokers for tests, each a process of its own on loopback. Each can be killed, stopped in order, frozen,
 * thawed and started again; all of it goes with `remove`.
 *
 * Who controls the cluster is the test's choice. `combined`: each broker is a controller too, so with two of them the quorum
 * is gone, nobody shrinks a set of replicas in sync, and a write waits for replicas that do not come. `apart`: a fourth
 * process controls, so with two brokers gone the third knows that it is alone and refuses.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import { prepareKafkajs } from '../../src/bus/kafkajs/kafkajs-repairs.ts'
import { freePorts, KafkaBroker, type KafkaOptions, type Ports } from './kafka.ts'

export { kafkaAvailable } from './kafka.ts'

const size = 3
const controllerId = 100
const heapMiB = 256
/** Time for elections and for replicas to catch up, on a machine that is busy. */
const waitMsMax = 60_000

export interface ClusterOptions {
  readonly controllers: 'combined' | 'apart'
  /** Further lines of every broker's server.properties. */
  readonly properties?: Readonly<Record<string, string>>
}

export interface Partition {
  readonly partition: number
  /** The id of a broker; -1 when there is none. */
  readonly leader: number
  readonly inSync: readonly number[]
}

const common: Readonly<Record<string, string>> = {
  'min.insync.replicas': '2',
  'default.replication.factor': '3',
  'offsets.topic.replication.factor': '3',
  'offsets.topic.num.partitions': '1',
  // As short as a busy machine allows: within this time a dead leader is replaced.
  'broker.session.timeout.ms': '2500',
  'broker.heartbeat.interval.ms': '500',
  'replica.lag.time.max.ms': '3000',
  'replica.socket.timeout.ms': '3000',
  'controlled.shutdown.enable': 'true',
  'num.io.threads': '2',
  'num.network.threads': '2',
  'log.cleaner.enable': 'false',
}

export class KafkaCluster {
  /** By id less one: the ids are 1, 2 and 3. */
  readonly brokers: readonly KafkaBroker[]
  readonly #controller: KafkaBroker | undefined
  readonly #admin: kafkajs.Admin

  private constructor(brokers: readonly KafkaBroker[], controller: KafkaBroker | undefined) {
    this.brokers = brokers
    this.#controller = controller
    this.#admin = this.client().admin()
  }

  static async started(options: ClusterOptions): Promise<KafkaCluster> {
    const ports = await freePorts(size + 1)
    const isApart = options.controllers === 'apart'
    const voters = isApart
      ? `${controllerId}@127.0.0.1:${ports[size]!.controller}`
      : ports
          .slice(0, size)
          .map(({ controller }, index) => `${index + 1}@127.0.0.1:${controller}`)
          .join(',')
    const all = ports
      .slice(0, isApart ? size + 1 : size)
      .map((own, index) =>
        index === size ? controllerOptions(own, voters) : brokerOptions(own, index + 1, voters, options),
      )
    const made = await Promise.allSettled(all.map((each) => KafkaBroker.prepare(each)))
    const nodes = made.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    try {
      for (const each of made) if (each.status === 'rejected') throw each.reason
      await Promise.all(nodes.map((node) => node.start()))
      const cluster = new KafkaCluster(nodes.slice(0, size), nodes[size])
      await cluster.#admin.connect()
      return cluster
    } catch (error) {
      await Promise.all(nodes.map((node) => node.remove()))
      throw error
    }
  }

  /** All brokers, as a bus URL has them. */
  get addresses(): string {
    return this.brokers.map(({ address }) => address).join(',')
  }

  broker(id: number): KafkaBroker {
    const broker = this.brokers[id - 1]
    if (broker === undefined) throw new Error(`there is no broker ${id}`)
    return broker
  }

  /** A kafkajs client that knows all brokers and gives up on none too early. */
  client(): kafkajs.Kafka {
    prepareKafkajs()
    return new kafkajs.Kafka({
      clientId: 'test',
      brokers: this.brokers.map(({ address }) => address),
      logLevel: kafkajs.logLevel.NOTHING,
      requestTimeout: 5000,
    })
  }

  /** The connected admin client, which ends with `remove`. */
  get admin(): kafkajs.Admin {
    return this.#admin
  }

  /** The partitions of a topic as the brokers tell, in order. */
  async partitions(topic: string): Promise<Partition[]> {
    const { topics } = await this.#admin.fetchTopicMetadata({ topics: [topic] })
    return (topics[0]?.partitions ?? [])
      .map(({ partitionId, leader, isr }) => ({ partition: partitionId, leader, inSync: isr }))
      .toSorted((a, b) => a.partition - b.partition)
  }

  /** Waits until every partition of the topics has a leader and so many replicas in sync. */
  async untilInSync(topics: readonly string[], replicas = size): Promise<void> {
    await this.untilPartitions(
      topics,
      `${replicas} replicas in sync`,
      ({ leader, inSync }) => leader > 0 && inSync.length === replicas,
    )
  }

  /** Waits until `holds` for every partition of the topics. What the cluster cannot tell now counts as not yet. */
  async untilPartitions(
    topics: readonly string[],
    what: string,
    holds: (partition: Partition) => boolean,
  ): Promise<void> {
    const endMs = performance.now() + waitMsMax
    let seen = ''
    for (;;) {
      try {
        const all = (await Promise.all(topics.map((topic) => this.partitions(topic)))).flat()
        if (all.length > 0 && all.every(holds)) return
        seen = JSON.stringify(all)
      } catch (error) {
        seen = String(error)
      }
      if (performance.now() > endMs) throw new Error(`waited ${waitMsMax} ms in vain: ${what}; ${seen}`)
      await sleep(100)
    }
  }

  async remove(): Promise<void> {
    await this.#admin.disconnect()
    await Promise.all([...this.brokers, this.#controller].map((node) => node?.remove()))
  }
}

function brokerOptions(ports: Ports, id: number, voters: string, options: ClusterOptions): KafkaOptions {
  const properties = { ...common, 'node.id': `${id}`, 'controller.quorum.voters': voters }
  const listener = `PLAINTEXT://127.0.0.1:${ports.plain}`
  const alone = { 'process.roles': 'broker', listeners: listener, 'advertised.listeners': listener }
  const role = options.controllers === 'apart' ? alone : {}
  return { ports, heapMiB, properties: { ...properties, ...role, ...options.properties } }
}

function controllerOptions(own: Ports, voters: string): KafkaOptions {
  const listener = `CONTROLLER://127.0.0.1:${own.controller}`
  return {
    // Its only port is what tells that it is up.
    ports: { ...own, plain: own.controller },
    heapMiB,
    properties: {
      ...common,
      'node.id': `${controllerId}`,
      'controller.quorum.voters': voters,
      'process.roles': 'controller',
      listeners: listener,
      'advertised.listeners': listener,
    },
  }
}
