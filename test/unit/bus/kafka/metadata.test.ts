/** Partitions are found also while one of them has no leader. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ClusterMetadata, ResponseError } from '@platformatic/kafka'
import { findPartitions, type MetadataClient } from '../../../../src/bus/kafka/metadata.ts'

const metadataKey = 3
const version = 12
const leaderNotAvailable = 5
const unknownTopic = 3

function clientThat(answers: () => Promise<Pick<ClusterMetadata, 'brokers' | 'topics'>>): MetadataClient {
  return { metadata: answers }
}

/** An error of the library over an answer with two partitions, the first in it being the second of the topic. */
function failed(errors: Record<string, [number, string | null]>, errorCode = 0): ResponseError {
  const response = {
    brokers: [{ nodeId: 7, host: 'broker-7', port: 9092, rack: null }],
    topics: [
      {
        errorCode,
        name: 'otlp_spans',
        partitions: [
          { partitionIndex: 1, leaderId: 7, replicaNodes: [7, 8], isrNodes: [7] },
          { partitionIndex: 0, leaderId: -1, replicaNodes: [8], isrNodes: [8] },
        ],
      },
    ],
  }
  return new ResponseError(metadataKey, version, errors, response)
}

test('a partition without leader hides none of the others', async () => {
  const error = failed({ '/topics/0/partitions/1': [leaderNotAvailable, null] })
  const found = await findPartitions(
    clientThat(() => Promise.reject(error)),
    ['otlp_spans'],
    true,
  )
  assert.deepEqual(found.brokers.get(7), { host: 'broker-7', port: 9092 })
  assert.deepEqual(found.topics.get('otlp_spans')?.partitions, [
    { leader: -1, replicas: [8], isr: [8] },
    { leader: 7, replicas: [7, 8], isr: [7] },
  ])
})

test('an error of a topic, and any other, stays an error', async () => {
  const part: [number, null] = [leaderNotAvailable, null]
  const topic = failed({ '/topics/0/partitions/1': part, '/topics/0': [unknownTopic, null] }, unknownTopic)
  for (const error of [topic, new Error('no connection')]) {
    const client = clientThat(() => Promise.reject(error))
    await assert.rejects(findPartitions(client, ['otlp_spans'], true), error)
  }
})
