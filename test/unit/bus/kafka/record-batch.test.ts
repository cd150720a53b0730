import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jsCRC32C, Reader, readRecordsBatch } from '@platformatic/kafka'
import type { BusRecord } from '../../../../src/bus/bus.ts'
import { recordHeaders } from '../../../../src/bus/headers.ts'
import {
  batchHeadBytes,
  RecordFramer,
  sequenceAfter,
  writeBatchHead,
} from '../../../../src/bus/kafka/record-batch.ts'
import { limits } from '../../../../src/limits.ts'
import { makeRecord } from '../../../support/kafka-bus.ts'

const identity = { producerId: 2n ** 40n + 7n, producerEpoch: 3, baseSequence: 2 ** 31 - 1 }

function batchOf(records: readonly BusRecord[], framer = new RecordFramer()): Buffer {
  const body = framer.frame(records)
  const head = Buffer.alloc(batchHeadBytes)
  writeBatchHead(head, records, identity, 0, body)
  return Buffer.concat([head, body])
}

function assertHolds(bytes: Buffer, records: readonly BusRecord[]): void {
  const batch = readRecordsBatch(Reader.from(bytes))
  assert.equal(batch.records.length, records.length)
  for (const [index, record] of records.entries()) {
    const { key, value, headers, offsetDelta, timestampDelta } = batch.records[index]!
    assert.equal(key?.toString(), record.guid)
    assert.ok(value?.equals(record.value))
    assert.equal(offsetDelta, index)
    assert.equal(batch.firstTimestamp + timestampDelta, BigInt(record.receivedAtMs))
    const texts = headers.map(([name, text]) => [String(name), String(text)])
    assert.deepEqual(texts, Object.entries(recordHeaders(record)))
  }
}

test('a batch of one record, byte for byte', () => {
  const record = makeRecord({
    guid: 'a',
    encoding: 'otlp_proto',
    items: 3,
    batchId: 'b',
    receivedAtMs: 1,
    value: Buffer.from('v'),
  })
  const head = Buffer.concat([
    Buffer.alloc(8),
    Buffer.from([0, 0, 0, 119]),
    Buffer.from([255, 255, 255, 255]),
    Buffer.from([2]),
  ])
  const covered = Buffer.concat([
    Buffer.from([0, 0, 0, 0, 0, 0]),
    Buffer.from([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]),
    Buffer.from([0, 0, 1, 0, 0, 0, 0, 7, 0, 3, 127, 255, 255, 255, 0, 0, 0, 1]),
    Buffer.from([136, 1, 0, 0, 0]),
    Buffer.from('\x02a\x02v\x0a\x08guid\x02a\x10encoding\x14otlp_proto\x0aitems\x023\x10batch_id\x02b'),
    Buffer.from('\x16received_at\x021'),
  ])
  const crc = Buffer.alloc(4)
  crc.writeUInt32BE(jsCRC32C(covered))
  assert.deepEqual(batchOf([record]), Buffer.concat([head, crc, covered]))
})

test('what the batch says of its records', () => {
  const records = [5, 2, 9].map((ms) => makeRecord({ receivedAtMs: 1_760_000_000_000 + ms }))
  const bytes = batchOf(records)
  const batch = readRecordsBatch(Reader.from(bytes))
  assert.equal(batch.length, bytes.length - 12)
  assert.equal(batch.magic, 2)
  assert.equal(batch.crc, jsCRC32C(bytes.subarray(21)))
  assert.equal(batch.attributes, 0)
  assert.equal(batch.lastOffsetDelta, 2)
  assert.equal(batch.firstTimestamp, 1_760_000_000_005n)
  assert.equal(batch.maxTimestamp, 1_760_000_000_009n)
  assert.equal(batch.producerId, identity.producerId)
  assert.equal(batch.producerEpoch, identity.producerEpoch)
  assert.equal(batch.firstSequence, identity.baseSequence)
  assertHolds(bytes, records)
})

test('lengths on both sides of every step of a varint', () => {
  for (const bytes of [1, 62, 63, 64, 65, 8190, 8191, 8192, 8193, 2 ** 20 - 1, 2 ** 20]) {
    const records = [makeRecord({ value: Buffer.alloc(bytes, 7) }), makeRecord()]
    assertHolds(batchOf(records), records)
  }
  for (const guid of ['a'.repeat(63), 'a'.repeat(64), 'a'.repeat(128)]) {
    const records = [makeRecord({ guid }), makeRecord({ guid })]
    assertHolds(batchOf(records), records)
  }
})

test('further headers follow the five, replace none of them, and may be any text', () => {
  const headers = {
    reason: 'GP_ÜBER 猫🦉',
    topic: 'otlp_spans',
    guid: 'forged',
    empty: '',
    long: 'x'.repeat(70_000),
  }
  const records = [makeRecord({ headers }), makeRecord({ topic: 'dead_letters', headers: {} })]
  assertHolds(batchOf(records), records)
})

test('one framer serves batches of all sizes, and the memory it keeps is bounded', () => {
  const framer = new RecordFramer()
  for (const bytes of [10, limits.kafkaScratchBytesMax + 1, 100_000, 3, limits.kafkaProduceBytesMax, 1]) {
    const records = [makeRecord({ value: Buffer.alloc(bytes, bytes) })]
    assertHolds(batchOf(records, framer), records)
  }
  const body = framer.frame([makeRecord()])
  assert.ok(body.buffer.byteLength <= limits.kafkaScratchBytesMax)
  assert.equal(framer.frame([makeRecord()]).buffer, body.buffer, 'nothing is allocated for the next batch')
})

test('sequence numbers have 31 bits', () => {
  assert.equal(sequenceAfter(0, 5), 5)
  assert.equal(sequenceAfter(2 ** 31 - 2, 1), 2 ** 31 - 1)
  assert.equal(sequenceAfter(2 ** 31 - 1, 1), 0)
  assert.equal(sequenceAfter(2 ** 31 - 3, 10), 7)
})
