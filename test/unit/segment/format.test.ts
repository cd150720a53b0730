import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GroupEncoder, whyNotEncodable } from '../../../src/segment/encode.ts'
import {
  encodeFileHeader,
  parseBody,
  parseFileHeader,
  parseRecordHead,
  parseSegmentName,
  recordHeadBytes,
  type SegmentRecord,
  segmentName,
} from '../../../src/segment/format.ts'

const salt = 0xdeadbeef

function record(changes: Partial<SegmentRecord> = {}): SegmentRecord {
  return {
    guid: 'shop',
    encoding: 'otlp_proto',
    items: 7,
    batchId: 'b-1',
    receivedAtMs: 1_760_000_000_123,
    value: Buffer.from([1, 2, 3]),
    ...changes,
  }
}

test('a segment is named by its first offset', () => {
  assert.equal(segmentName(42), '00000000000000000042.seg')
  assert.equal(parseSegmentName('00000000000000000042.seg'), 42)
  for (const name of ['42.seg', '00000000000000000042.segx', 'lock', '99999999999999999999.seg']) {
    assert.equal(parseSegmentName(name), undefined, name)
  }
})

test('the bytes of a file header', () => {
  const bytes = encodeFileHeader({ salt: 0x04030201, firstOffset: 0x1_0000_0002 })
  assert.equal(bytes.length, 64)
  const copy = '47505345474d5400' + '01000000' + '01020304' + '0200000001000000' + '00000000'
  assert.equal(bytes.subarray(0, 28).toString('hex'), copy)
  assert.deepEqual(bytes.subarray(32), bytes.subarray(0, 32))
  assert.deepEqual(parseFileHeader(bytes), { salt: 0x04030201, firstOffset: 0x1_0000_0002 })
})

test('a file header of a later version is named as such', () => {
  const bytes = encodeFileHeader({ salt, firstOffset: 0 })
  const later = Buffer.from(bytes)
  later.writeUInt32LE(2, 8)
  assert.match(String(parseFileHeader(later.fill(0, 32))), /damaged/)
  assert.match(String(parseFileHeader(bytes.subarray(0, 63))), /ends inside its header/)
})

test('the bytes of a record', () => {
  const headers = { reason: 'ä' }
  const { slices, bytes } = new GroupEncoder().encode([record({ headers })], 0x1_0000_0001, salt)
  const all = Buffer.concat(slices)
  assert.equal(all.length, bytes)
  const fields = [
    ['marker', 0, 'f5475052'],
    ['length of the body', 12, '22000000'],
    ['offset', 16, '0100000001000000'],
    ['time', 24, Buffer.from(new BigUint64Array([1_760_000_000_123n]).buffer).toString('hex')],
    ['items', 32, '07000000'],
    ['bytes of guid, encoding, batch id', 36, '04000a000300'],
    ['further headers and their bytes', 42, '01000e000000'],
    ['guid, encoding, batch id', 48, Buffer.from('shopotlp_protob-1').toString('hex')],
    ['lengths of the header', 65, '060002000000'],
    ['the header', 71, Buffer.from('reasonä').toString('hex')],
    ['value', 79, '010203'],
  ] as const
  for (const [name, at, hex] of fields) {
    assert.equal(all.subarray(at, at + hex.length / 2).toString('hex'), hex, name)
  }
})

test('what is encoded is what is parsed, whatever the strings and sizes', () => {
  const records = [
    record(),
    record({ guid: 'ä漢😀', encoding: '', batchId: '\u0000', value: Buffer.from([0]) }),
    record({ value: Buffer.alloc(4095, 5) }),
    record({ value: Buffer.alloc(4096, 6) }),
    record({ value: Buffer.alloc(100_000, 7), headers: { a: '', 漢: 'b'.repeat(70_000) } }),
    record({ items: 0xffffffff, receivedAtMs: Number.MAX_SAFE_INTEGER }),
  ]
  const encoder = new GroupEncoder()
  for (let round = 0; round < 2; round++) {
    const all = Buffer.concat(encoder.encode(records, 10, salt).slices)
    let at = 0
    for (const [index, original] of records.entries()) {
      const head = parseRecordHead(all, at, salt)
      assert.ok(head)
      const body = all.subarray(at + recordHeadBytes, at + recordHeadBytes + head.bodyBytes)
      assert.deepEqual(parseBody(body, head), { ...original, offset: 10 + index })
      at += recordHeadBytes + head.bodyBytes
    }
    assert.equal(at, all.length)
    encoder.release()
  }
})

test('a head is valid only with the salt of its file', () => {
  const all = Buffer.concat(new GroupEncoder().encode([record()], 0, salt).slices)
  assert.ok(parseRecordHead(all, 0, salt))
  assert.equal(parseRecordHead(all, 0, salt + 1), undefined)
})

test('a long value is written from where it lies', () => {
  const value = Buffer.alloc(50_000, 1)
  const { slices } = new GroupEncoder().encode([record(), record({ value }), record()], 0, salt)
  assert.equal(slices.length, 3)
  assert.equal(slices[1], value)
})

test('what the format has no room for is refused with the reason', () => {
  assert.equal(whyNotEncodable(record()), undefined)
  assert.match(whyNotEncodable(record({ guid: 'x'.repeat(30_000) })) ?? '', /guid is too long/)
  assert.match(whyNotEncodable(record({ items: 1.5 })) ?? '', /item count/)
  assert.match(whyNotEncodable(record({ receivedAtMs: -1 })) ?? '', /time/)
  assert.match(whyNotEncodable(record({ headers: { ['x'.repeat(30_000)]: '' } })) ?? '', /name of a header/)
})
