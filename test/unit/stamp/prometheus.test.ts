/** Stamping, case by case: what went wrong once, and the edges that a random message rarely meets. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GuidConfig } from '../../../src/config/config.ts'
import { limits } from '../../../src/limits.ts'
import { GuidTable } from '../../../src/stamp/guid.ts'
import { prometheusStampings } from '../../../src/stamp/prometheus.ts'
import { cutRecord } from '../../../src/stamp/stamp.ts'
import { Ledger } from '../../../src/telemetry/ledger.ts'
import { Kernel } from '../../../src/wire/kernel.ts'
import { lengthDelimited, varint } from '../../../src/wire/protobuf.ts'
import {
  decodeV1,
  decodeV2,
  encodeV1,
  encodeV2,
  resolveV2,
  type V1Model,
} from '../../support/oracle/index.ts'
import { rulesOf, type StampedRecord, stampPayload } from '../../support/stamping.ts'

const kernel = new Kernel()

function config(changes: Partial<GuidConfig>): GuidConfig {
  return {
    from: [],
    name: 'guid',
    conflict: 'overwrite',
    scope: 'resource',
    missing: { action: 'stamp', guid: 'unassigned' },
    allow: undefined,
    ...changes,
  }
}

function series(labels: Record<string, string>): NonNullable<V1Model['timeseries']>[number] {
  return {
    labels: Object.entries(labels).map(([name, value]) => ({ name, value })),
    samples: [{ valueBits: '1', timestamp: '1700000000000' }],
  }
}

function records(version: 1 | 2, payload: Buffer, rules: GuidConfig, max?: number): readonly StampedRecord[] {
  const outcome = stampPayload(kernel, version, payload, rulesOf(rules), max)
  if (typeof outcome === 'string') assert.fail(outcome)
  return outcome.records
}

test('a source with a pattern is judged before the ones behind it, whatever the series before had', () => {
  const rules = config({
    from: [
      { kind: 'label', name: 'ns', match: /^team-(.*)$/ },
      { kind: 'label', name: 'app', match: undefined },
    ],
  })
  const plain = series({ ns: 'other' })
  const both = series({ app: 'guid-b', ns: 'other' })
  const first = series({ app: 'guid-b', ns: 'team-x' })
  const payload = encodeV1({ timeseries: [plain, both, plain, first, both] })
  const found = records(1, payload, rules).map(({ guid, items }) => [guid, items])
  assert.deepEqual(Object.fromEntries(found), { unassigned: 2, 'guid-b': 2, x: 1 })
})

test('fields of a later version pass with their neighbours, up to a bound', () => {
  const one = encodeV1({ timeseries: [series({ a: '1', ns: 'team-a' })] })
  const other = encodeV1({ timeseries: [series({ a: '1', ns: 'team-b' })] })
  const later = lengthDelimited(9, Buffer.alloc(1000, 'x'))
  const rules = config({ from: [{ kind: 'label', name: 'ns', match: undefined }] })
  const [a, b] = records(1, Buffer.concat([later, one, later, other]), rules)
  assert.equal(a!.value.length - b!.value.length, 2 * later.length)
  const much = Buffer.concat(Array.from({ length: 80 }, () => later))
  assert.ok(much.length > limits.unknownBytesMax)
  assert.equal(stampPayload(kernel, 1, Buffer.concat([one, much]), rulesOf(rules)), 'unknown')
})

test('2.0: fields of a later version never make a record of their own, nor spoil another', () => {
  const symbols = ['', 'ns', 'team-a', 'team-b']
  const sample = { valueBits: '1', timestamp: '1' }
  const request = encodeV2({
    symbols,
    timeseries: [
      { labelsRefs: [1, 2], samples: [sample] },
      { labelsRefs: [1, 3], samples: [sample] },
    ],
  })
  const later = lengthDelimited(9, Buffer.alloc(3000, 'x'))
  const rules = config({ from: [{ kind: 'label', name: 'ns', match: undefined }] })
  const payload = Buffer.concat([request, ...Array.from({ length: 20 }, () => later)])
  const found = records(2, payload, rules, 500)
  assert.deepEqual(
    found.map(({ guid, items }) => [guid, items]),
    [
      ['team-a', 1],
      ['team-b', 1],
    ],
  )
  for (const { value } of found) assert.equal(resolveV2(decodeV2(value)).timeseries?.length, 1)
  const much = Buffer.concat([request, ...Array.from({ length: 30 }, () => later)])
  assert.equal(stampPayload(kernel, 2, much, rulesOf(rules)), 'unknown')
})

test('a request that its stamps would make too large is refused, not made', () => {
  const payload = Buffer.alloc(2 * 600_000, Buffer.of(0x0a, 0x00))
  const rules = config({ missing: { action: 'stamp', guid: 'g'.repeat(128) } })
  assert.equal(stampPayload(kernel, 1, payload, rulesOf(rules)), 'too_large')
})

test('a record is cut with the name under which it was stamped', () => {
  const rules = config({ from: [{ kind: 'label', name: 'ns', match: undefined }], name: 'tenant' })
  const list = Array.from({ length: 10 }, (_, i) => series({ ns: 'shop', zz: `${i}` }))
  const [record] = records(1, encodeV1({ timeseries: list }), rules)
  const ledger = new Ledger(1)
  const guid = new GuidTable({ name: 'tenant', receiver: 'r', signal: 'metrics', ledger }).get('shop')
  const cut = cutRecord(kernel, prometheusStampings[1], guid, record!.value, record!.value.length / 3)
  assert.ok(cut.length >= 3)
  const whole = Buffer.concat(cut.map(({ value }) => value))
  assert.deepEqual(decodeV1(whole), decodeV1(record!.value), 'joined again it is what it was')
  assert.equal(
    cut.reduce((sum, { items }) => sum + items, 0),
    10,
  )
})

test('lengths at which a varint grows, with the stamp between', () => {
  for (const size of [90, 100, 110, 120, 126, 127, 128, 16_360, 16_383, 16_384, 2 ** 21]) {
    const list = [series({ a: 'v'.repeat(size), ns: 'team-a' }), series({ ns: 'team-a' })]
    const [record] = records(
      1,
      encodeV1({ timeseries: list }),
      config({ from: [{ kind: 'label', name: 'ns', match: undefined }] }),
      2 ** 24,
    )
    const lengths = (decodeV1(record!.value).timeseries ?? []).map(({ labels }) =>
      labels?.map(({ name }) => name),
    )
    assert.deepEqual(lengths, [
      ['a', 'guid', 'ns'],
      ['guid', 'ns'],
    ])
  }
})

test('the staleness marker and other bits of a double survive', () => {
  const bits = [
    '9218868437227405314',
    '9221120237041090561',
    '9218868437227405313',
    '0',
    '18446744073709551615',
  ]
  const list = bits.map((valueBits) => ({ ...series({ a: 'b' }), samples: [{ valueBits, timestamp: '-1' }] }))
  const [record] = records(1, encodeV1({ timeseries: list }), config({}))
  const kept = (decodeV1(record!.value).timeseries ?? []).map(({ samples }) => samples?.[0]?.valueBits)
  assert.deepEqual(kept, bits)
})

test('a length near 2^32 is refused, wherever it stands', () => {
  for (const length of [2 ** 31, 2 ** 32 - 1, 2 ** 32 - 8]) {
    for (const prefix of [Buffer.of(0x0a), Buffer.from('0a0a0a', 'hex'), Buffer.from('0a050a', 'hex')]) {
      const payload = Buffer.concat([prefix, varint(length), Buffer.alloc(64)])
      assert.equal(stampPayload(kernel, 1, payload, rulesOf(config({}))), 'protobuf')
    }
  }
})
