/**
 * Whatever records are framed, the client library's reader finds the same in the batch. GUIDEPOST_SEED replays a run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jsCRC32C, Reader, readRecordsBatch } from '@platformatic/kafka'
import fc from 'fast-check'
import type { BusRecord } from '../../src/bus/bus.ts'
import { recordHeaders } from '../../src/bus/headers.ts'
import { batchHeadBytes, RecordFramer, writeBatchHead } from '../../src/bus/kafka/record-batch.ts'
import { propertyBounds } from '../support/random.ts'

const text = fc.string({ unit: 'binary', maxLength: 200 }).map((value) => value.toWellFormed())
const record: fc.Arbitrary<BusRecord> = fc.record(
  {
    topic: fc.constant('dead_letters' as const),
    guid: fc.oneof(text, fc.stringMatching(/^[a-z0-9]{1,128}$/)),
    encoding: fc.constantFrom('otlp_proto' as const, 'prometheus_remote_write_2' as const),
    items: fc.integer({ min: 1 }),
    batchId: fc.oneof(text, fc.stringMatching(/^[a-f0-9-]{0,30}$/)),
    receivedAtMs: fc.oneof(fc.integer(), fc.integer({ min: 0, max: 2 ** 51 })),
    sender: fc.constant(0),
    value: fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    // One that makes its id of two parts says the same by `batchId`.
    batchNumber: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    headers: fc.dictionary(text, text, { maxKeys: 4 }).map((entries) => ({ ...entries })),
  },
  { requiredKeys: ['topic', 'guid', 'encoding', 'items', 'batchId', 'receivedAtMs', 'sender', 'value'] },
)

/** As the batcher's own are: with an id of two parts, and a value that lies in two pieces. */
function asBatch(one: BusRecord): BusRecord {
  const { batchNumber, batchId, value } = one
  if (batchNumber === undefined) return one
  return {
    ...one,
    ...{ batchId: `${batchId}${batchNumber}`, batchPrefix: batchId, valueBytes: value.length },
    copyValue: (target, at) => {
      const half = value.length >> 1
      value.copy(target, at, 0, half)
      value.copy(target, at + half, half)
    },
  }
}

/** Their order says nothing, and an object has names that are numbers first. */
function byName(headers: [string, string][]): [string, string][] {
  return headers.toSorted(([a], [b]) => (a < b ? -1 : 1))
}

test('a batch of any records is read as those records', () => {
  const framer = new RecordFramer()
  fc.assert(
    fc.property(fc.array(record.map(asBatch), { minLength: 1, maxLength: 8 }), (records) => {
      const body = framer.frame(records)
      const head = Buffer.alloc(batchHeadBytes)
      writeBatchHead(head, records, { producerId: 1n, producerEpoch: 0, baseSequence: 0 }, 0, body)
      const bytes = Buffer.concat([head, body])
      const reader = Reader.from(bytes)
      const batch = readRecordsBatch(reader)
      assert.equal(reader.position, bytes.length)
      assert.equal(batch.crc, jsCRC32C(bytes.subarray(21)))
      const latest = records.reduce(
        (ms, { receivedAtMs }) => Math.max(ms, receivedAtMs),
        Number.MIN_SAFE_INTEGER,
      )
      assert.equal(batch.maxTimestamp, BigInt(latest))
      const found = batch.records.map(({ key, value, headers, timestampDelta }) => ({
        key: key?.toString(),
        value: value?.toString('hex'),
        ms: Number(batch.firstTimestamp + timestampDelta),
        headers: byName(headers.map(([name, content]) => [String(name), String(content)])),
      }))
      const given = records.map((one) => ({
        key: one.guid,
        value: one.value.toString('hex'),
        ms: one.receivedAtMs,
        headers: byName(Object.entries(recordHeaders(one))),
      }))
      assert.deepEqual(found, given)
    }),
    propertyBounds(),
  )
})
