/** Questions to a cluster that does not answer end in time, and release what comes late. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BoundedClient } from '../../../src/bus/bounded-client.ts'
import {
  ClientError,
  type PartitionClient,
  type PartitionProducer,
  type TopicFacts,
} from '../../../src/bus/partition-producer.ts'

const answerMs = 20

/** A client whose answers the test gives. */
class SlowClient implements PartitionClient {
  cuts = 0
  readonly facts = Promise.withResolvers<Map<string, TopicFacts>>()
  readonly created = Promise.withResolvers<void>()
  readonly producer = Promise.withResolvers<PartitionProducer>()

  describe = (): Promise<Map<string, TopicFacts>> => this.facts.promise
  createTopics = (): Promise<void> => this.created.promise
  openProducer = (): Promise<PartitionProducer> => this.producer.promise
  destroy(): void {
    this.cuts++
  }
}

function isAway(doing: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ClientError)
    assert.equal(error.failure, 'away')
    assert.equal(error.message, `${doing}: a broker did not answer within ${answerMs} ms`)
    return true
  }
}

test('a question without an answer is cut at its time', async () => {
  const slow = new SlowClient()
  const bounded = new BoundedClient(slow, answerMs)
  await assert.rejects(bounded.describe(['a']), isAway('looking at the topics'))
  assert.equal(slow.cuts, 1)
  await assert.rejects(bounded.createTopics(['a', 'b'], 1, 1), isAway('creating a, b'))
  assert.equal(slow.cuts, 2)
})

test('a producer that is there too late is destroyed', async () => {
  const slow = new SlowClient()
  await assert.rejects(new BoundedClient(slow, answerMs).openProducer(), isAway('opening a producer'))
  let destroyed = 0
  slow.producer.resolve({
    produce: () => Promise.resolve(0n),
    destroy: () => {
      destroyed++
    },
    close: () => Promise.resolve(),
  })
  await slow.producer.promise
  await new Promise(setImmediate)
  assert.equal(destroyed, 1)
})

test('answers and errors in time are handed on, and nothing is cut', async () => {
  const slow = new SlowClient()
  const bounded = new BoundedClient(slow, 60_000)
  const facts = new Map<string, TopicFacts>()
  const error = new ClientError('operator', 'the password is wrong')
  slow.facts.resolve(facts)
  slow.producer.reject(error)
  assert.equal(await bounded.describe([]), facts)
  await assert.rejects(bounded.openProducer(), error)
  assert.equal(slow.cuts, 0)
})
