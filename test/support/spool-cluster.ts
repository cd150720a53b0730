/** A program with a spool on three brokers, under load: what each test of the cluster's faults begins and ends with. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sumOf } from './exposition.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { ClusterLoad } from './kafka-cluster-load.ts'
import { Program } from './program.ts'
import { until } from './until.ts'

export const metricsTopic = 'prometheus_metrics'
export const spoolTopics = [metricsTopic, 'otlp_spans', 'otlp_metrics', 'otlp_logs', 'dead_letters']

export class SpoolCluster {
  readonly cluster: KafkaCluster
  readonly program: Program
  readonly #directory: string

  private constructor(cluster: KafkaCluster, program: Program, directory: string) {
    this.cluster = cluster
    this.program = program
    this.#directory = directory
  }

  static async start(cluster: KafkaCluster, env: Readonly<Record<string, string>>): Promise<SpoolCluster> {
    const directory = await mkdtemp(join(tmpdir(), 'guidepost-spool-cluster-'))
    const program = await Program.start({
      bus: `kafka://${cluster.addresses}`,
      env: {
        GUIDEPOST_KAFKA_REPLICATION: '3',
        GUIDEPOST_KAFKA_PARTITIONS: '6',
        GUIDEPOST_SPOOL_ENABLED: 'true',
        GUIDEPOST_SPOOL_DIRECTORY: directory,
        ...env,
      },
    })
    return new SpoolCluster(cluster, program, directory)
  }

  /** Ends the program in order, with its books even. */
  async end(): Promise<void> {
    try {
      assert.equal(await this.program.stop(), 0)
    } finally {
      await rm(this.#directory, { recursive: true, force: true })
    }
  }

  /** A gauge or counter of the program, summed over its labels. */
  async sum(name: string): Promise<number> {
    return sumOf(await this.program.metrics(), name)
  }

  async untilSpooling(items = 1): Promise<void> {
    await until(`${items} items are spooled`, 60_000, async () => {
      return (await this.sum('guidepost_spooled_items')) >= items
    })
  }

  async untilEmptied(): Promise<void> {
    await until('the spool is empty', 90_000, async () => (await this.sum('guidepost_spooled_items')) === 0)
  }

  /**
   * Runs `work` under load. Senders must see nothing but success; in the end the spool is empty, everything acknowledged is
   * stored, in order, what is twice under one batch id, and the books are even.
   */
  async underLoad(name: string, work: (load: ClusterLoad) => Promise<void>): Promise<void> {
    const load = new ClusterLoad(this.program.httpPort, name)
    try {
      await load.more(100)
      await work(load)
      await load.more(50)
    } finally {
      await load.stop()
    }
    assert.deepEqual(load.refusals.slice(0, 3), [], 'no sender was refused')
    await this.untilEmptied()
    await load.assertStored(this.cluster.addresses.split(',')[0]!, metricsTopic)
    await this.program.assertLedger()
  }
}
