import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import kafkajs from 'kafkajs'
import { murmur2, partitionOf } from '../../../src/bus/partition.ts'

const seed = process.env['GUIDEPOST_SEED']
const parameters = { numRuns: 2000, interruptAfterTimeLimit: 3000, ...(seed ? { seed: Number(seed) } : {}) }

const theirs = kafkajs.Partitioners.DefaultPartitioner()

function partitionByKafkajs(key: string, partitions: number): number {
  const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
    partitionId,
    leader: 1,
    partitionErrorCode: 0,
    replicas: [1],
    isr: [1],
  }))
  return theirs({ topic: 'any', partitionMetadata, message: { key, value: null } })
}

test('murmur2 gives the values of the Java client', () => {
  // org.apache.kafka.common.utils.UtilsTest, testMurmur2
  const values: [string, number][] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ]
  for (const [text, hash] of values) assert.equal(murmur2(Buffer.from(text)), hash, text)
})

test('a key goes where the default partitioner of kafkajs puts it', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ minLength: 1, maxLength: 130 }),
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
      ),
      fc.integer({ min: 1, max: 100 }),
      (key, partitions) => {
        assert.equal(partitionOf(key, 7, 1, partitions), partitionByKafkajs(key, partitions))
      },
    ),
    parameters,
  )
})

test('spread uses that many partitions, one for each sender, starting at the default one', () => {
  const key = 'shop'
  const used = Array.from({ length: 30 }, (_, sender) => partitionOf(key, sender, 4, 10))
  assert.equal(new Set(used).size, 4)
  assert.equal(used[0], partitionOf(key, 0, 1, 10))
  for (const [sender, partition] of used.entries()) assert.equal(partition, used[sender % 4])
})

test('a spread over more than there are partitions uses them all', () => {
  const used = new Set(Array.from({ length: 30 }, (_, sender) => partitionOf('shop', sender, 8, 3)))
  assert.deepEqual([...used].sort(), [0, 1, 2])
})
