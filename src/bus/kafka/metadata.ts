/**
 * Leaders and replicas, also while a partition has no leader. @platformatic/kafka turns an answer that names an error for
 * any of its partitions into an error as a whole, so that one partition without leader would hide all the others of its
 * topic. The answer is kept in that error, and is read here. Its list of all topics fails even by a partition of a topic that
 * is no concern of ours, so it is not asked for.
 */
import {
  type Broker,
  type ClusterMetadata,
  type Connection,
  metadataV12,
  ResponseError,
} from '@platformatic/kafka'

/** What is used of a client of the library. */
export interface MetadataClient {
  metadata(options: {
    topics: string[]
    forceUpdate: boolean
    retries: number
  }): Promise<Pick<ClusterMetadata, 'brokers' | 'topics'>>
}

export interface PartitionFacts {
  /** The id of a broker; below 0 when there is none. */
  readonly leader: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
}

export interface Partitions {
  readonly brokers: ReadonlyMap<number, Broker>
  /** By topic, in the order of the partitions. */
  readonly topics: ReadonlyMap<string, { readonly partitions: readonly PartitionFacts[] }>
}

/**
 * Errors of a topic that is not there, not there yet, or not shown to this user: UNKNOWN_TOPIC_OR_PARTITION,
 * LEADER_NOT_AVAILABLE, TOPIC_AUTHORIZATION_FAILED.
 */
const missing: ReadonlySet<number> = new Set([3, 5, 29])

/** Leaders of `topics`, which exist. Throws the library's errors, not repeated. */
export async function findPartitions(
  client: MetadataClient,
  topics: readonly string[],
  forceUpdate: boolean,
): Promise<Partitions> {
  try {
    return await client.metadata({ topics: [...topics], forceUpdate, retries: 0 })
  } catch (error) {
    const answer = answerIn(error)
    if (answer === undefined || answer.topics.some(({ errorCode }) => errorCode !== 0)) throw error
    return partitionsOf(answer)
  }
}

/** Those of `topics` that exist, as the broker of this connection knows them now. Throws the library's errors. */
export async function lookAtTopics(connection: Connection, topics: readonly string[]): Promise<Partitions> {
  try {
    return partitionsOf(await metadataV12.api.async(connection, [...topics], false, false))
  } catch (error) {
    const answer = answerIn(error)
    const isUnknown = ({ errorCode }: AnswerTopic) => errorCode !== 0 && !missing.has(errorCode)
    if (answer === undefined || answer.topics.some(isUnknown)) throw error
    return partitionsOf({ ...answer, topics: answer.topics.filter(({ errorCode }) => errorCode === 0) })
  }
}

type Answer = Pick<Awaited<ReturnType<typeof metadataV12.api.async>>, 'brokers' | 'topics'>
type AnswerTopic = Answer['topics'][number]

function answerIn(error: unknown): Answer | undefined {
  return error instanceof ResponseError ? (error['response'] as Answer) : undefined
}

function partitionsOf({ brokers, topics }: Answer): Partitions {
  return {
    brokers: new Map(brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }])),
    topics: new Map(topics.map(({ name, partitions }) => [name ?? '', { partitions: inOrder(partitions) }])),
  }
}

function inOrder(partitions: AnswerTopic['partitions']): PartitionFacts[] {
  return partitions
    .toSorted((a, b) => a.partitionIndex - b.partitionIndex)
    .map(({ leaderId, replicaNodes, isrNodes }) => ({
      leader: leaderId,
      replicas: replicaNodes,
      isr: isrNodes,
    }))
}
