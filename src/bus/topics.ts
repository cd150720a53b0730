/** The topics that the gateway writes to: are they there, can they be written to, and how safe are they. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { KafkaBusConfig } from '../config/config.ts'
import { permanent } from '../errors.ts'
import { limits } from '../limits.ts'
import type { PartitionClient, TopicFacts } from './partition-producer.ts'

/** What a look at the cluster has found. */
export interface Checked {
  /** Of the topics that are there. */
  readonly facts: ReadonlyMap<string, TopicFacts>
  /** Why partitions cannot be written to, by topic and partition; only those. */
  readonly unwritable: ReadonlyMap<string, ReadonlyMap<number, string>>
  /** Why not all topics can be written to, in one sentence. Undefined when they can. */
  readonly problem: string | undefined
}

/**
 * Looks at all `topics`; those that are missing are created when the configuration says so. Throws a permanent `GP_CONFIG`
 * error when a topic is missing and must not be created, and what the client throws.
 */
export async function checkTopics(
  client: PartitionClient,
  topics: readonly string[],
  config: KafkaBusConfig,
  signal: AbortSignal,
): Promise<Checked> {
  let facts = await client.describe(topics)
  const missing = topics.filter((topic) => !facts.has(topic))
  if (missing.length > 0) {
    if (!config.createTopics) throw missingTopics(missing, config)
    await client.createTopics(missing, config.partitions, config.replication)
    facts = await untilWritable(client, topics, config.connectMs, signal)
  }
  const unwritable = new Map([...facts].map(([topic, found]) => [topic, unwritableOf(topic, found)]))
  return { facts, unwritable, problem: whyNotWritable(topics, facts) }
}

function unwritableOf(topic: string, { inSync, inSyncMin = 0, leaderless }: TopicFacts): Map<number, string> {
  const reasons = new Map<number, string>()
  for (const [partition, count] of inSync.entries()) {
    const text = `${topic}-${partition} has ${count} replicas in sync, and the topic's min.insync.replicas is ${inSyncMin}`
    if (count < inSyncMin) reasons.set(partition, text)
  }
  for (const partition of leaderless) reasons.set(partition, `${topic}-${partition} has no leader now`)
  return reasons
}

/** A topic that was just created is known to all brokers, and has its leaders, a moment later. */
async function untilWritable(
  client: PartitionClient,
  topics: readonly string[],
  waitMs: number,
  signal: AbortSignal,
): Promise<Map<string, TopicFacts>> {
  const endMs = performance.now() + waitMs
  for (;;) {
    const facts = await client.describe(topics)
    if (signal.aborted || performance.now() > endMs) return facts
    if (whyNotWritable(topics, facts) === undefined) return facts
    await sleep(limits.kafkaRetryMsMax / 10)
  }
}

function whyNotWritable(
  topics: readonly string[],
  facts: ReadonlyMap<string, TopicFacts>,
): string | undefined {
  for (const topic of topics) {
    const found = facts.get(topic)
    if (found === undefined) return `topic ${topic} was created and is not there yet`
    const leaderless = found.leaderless.length
    if (leaderless > 0) return `topic ${topic} has ${leaderless} partitions without a leader`
    const inSync = Math.min(...found.inSync)
    if (found.inSyncMin !== undefined && inSync < found.inSyncMin) {
      return (
        `topic ${topic} has a partition with ${inSync} replicas in sync, ` +
        `and its min.insync.replicas is ${found.inSyncMin}`
      )
    }
  }
  return undefined
}

function missingTopics(missing: readonly string[], config: KafkaBusConfig): Error {
  const command = (topic: string) =>
    `kafka-topics.sh --bootstrap-server ${config.brokers[0]} --create --topic ${topic} ` +
    `--partitions ${config.partitions} --replication-factor ${config.replication}`
  const text =
    `Kafka has no topic ${missing.join(', ')} (or the gateway's user may not see it), and kafka.createTopics is off. ` +
    `Create it: ${missing.map(command).join('; ')}`
  return permanent('GP_CONFIG', text)
}

/** One sentence on what acknowledged records may still be lost by; undefined when there is nothing to say. */
export function describeRisk(facts: ReadonlyMap<string, TopicFacts>): string | undefined {
  const single = [...facts].filter(([, found]) => found.replication < 2).map(([topic]) => topic)
  const loose = [...facts]
    .filter(([topic, found]) => found.inSyncMin === 1 && !single.includes(topic))
    .map(([topic]) => topic)
  const parts: string[] = []
  if (single.length > 0) parts.push(`${single.join(', ')}: one replica`)
  if (loose.length > 0) parts.push(`${loose.join(', ')}: min.insync.replicas is 1`)
  if (parts.length === 0) return undefined
  return `acknowledged records can be lost with one broker (${parts.join('; ')}); use 3 replicas and min.insync.replicas 2`
}
