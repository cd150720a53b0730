/**
 * The splice of Jaeger's own form beside decode, take out, decide, set: for random requests in every legal spelling, and
 * rules of every kind, each span becomes the record that the oracle says, with its process inside, and what is no process is
 * the same bytes.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Kernel } from '../../src/wire/kernel.ts'
import { fields } from '../../src/wire/protobuf.ts'
import {
  decodeModel,
  expectedRecords,
  publishedSpan,
  requestType,
  spanType,
} from '../support/oracle-jaeger-records.ts'
import { propertyBounds } from '../support/random.ts'
import { randomJaegerRequest } from '../support/random-jaeger-request.ts'
import { arbitraryRules } from '../support/random-write-request.ts'
import { jaegerRulesOf, stampJaeger } from '../support/stamping-jaeger.ts'

const kernel = new Kernel()

for (const flaws of [false, true]) {
  test(`${flaws ? 'flawed' : 'valid'} spans are stamped as decode, set, encode would`, () => {
    fc.assert(
      fc.property(fc.nat(), arbitraryRules(), fc.boolean(), (seed, sources, deep) => {
        const rules = { ...sources, deep }
        const { model, bytes } = randomJaegerRequest(seed, { flaws, plain: seed % 8 === 0 })
        assert.deepEqual(decodeModel(requestType, bytes), model, 'the encoder says what it was told')
        const outcome = stampJaeger(kernel, bytes, jaegerRulesOf(rules))
        if (typeof outcome === 'string') assert.fail(outcome)
        const expected = expectedRecords(model, rules)
        const actual = outcome.records.map(({ guid, value, items }) => {
          assert.equal(items, 1)
          publishedSpan.decode(value)
          return { guid, span: decodeModel(spanType, value) }
        })
        assert.deepEqual(actual, expected.records)
        assert.equal(outcome.stamped.items, expected.items)
        const refused = outcome.stamped.refused.map(({ reason, count }) => [reason, count] as const)
        assert.deepEqual(new Map(refused), expected.refused)
      }),
      propertyBounds(),
    )
  })
}

test('what is no process of a span is the same bytes', () => {
  const rules = jaegerRulesOf({
    sources: [{ kind: 'label', name: 'hostname' }],
    name: 'guid',
    conflict: 'overwrite',
    missing: { action: 'stamp', guid: 'unassigned' },
    deep: false,
  })
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const { bytes } = randomJaegerRequest(seed, { flaws: false, plain: false })
      const outcome = stampJaeger(kernel, bytes, rules)
      if (typeof outcome === 'string') assert.fail(outcome)
      const spans = [...fields(bytes)]
        .filter(({ number }) => number === 1)
        .flatMap(({ value }) => spansOf(value))
      assert.deepEqual(
        outcome.records.map(({ value }) => withoutProcess(value)),
        spans.map(withoutProcess),
      )
    }),
    propertyBounds(),
  )
})

/** The spans of a Batch. */
function spansOf(batch: Buffer): Buffer[] {
  return [...fields(batch)].filter(({ number }) => number === 1).map(({ value }) => value)
}

/** The bytes of a span without its fields `process`. */
function withoutProcess(span: Buffer): string {
  const kept = wholeFields(span).filter(({ number }) => number !== 10)
  return Buffer.concat(kept.map(({ bytes }) => bytes)).toString('hex')
}

/** The fields of a message with their tags and lengths. */
function wholeFields(message: Buffer): { number: number; bytes: Buffer }[] {
  let at = 0
  const varint = (): number => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++]!
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return Number(value)
    }
  }
  const whole: { number: number; bytes: Buffer }[] = []
  while (at < message.length) {
    const start = at
    const tag = varint()
    const type = tag % 8
    if (type === 0) varint()
    else {
      const length = type === 2 ? varint() : type === 1 ? 8 : 4
      at += length
    }
    whole.push({ number: Math.floor(tag / 8), bytes: message.subarray(start, at) })
  }
  return whole
}
