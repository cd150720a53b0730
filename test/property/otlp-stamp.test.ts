/**
 * The splice of OTLP beside decode, take out, decide, set: for random requests in every legal spelling, and rules of every
 * kind, the records hold what the oracle says, no more and no less, each guid's items in their order.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Kernel } from '../../src/wire/kernel.ts'
import {
  countItems,
  decode,
  expectedOtlp,
  itemPaths,
  listOf,
  type Model,
  requestType,
  type Signal,
  signals,
} from '../support/oracle-otlp/index.ts'
import { propertyBounds } from '../support/random.ts'
import { randomOtlp } from '../support/random-otlp-request.ts'
import { arbitraryRules } from '../support/random-write-request.ts'
import type { StampedRecord } from '../support/stamping.ts'
import { otlpRulesOf, stampOtlp } from '../support/stamping-otlp.ts'

const kernel = new Kernel()

function resourcesOf(signal: Signal, records: readonly StampedRecord[]): Map<string, Model[]> {
  const grouped = new Map<string, Model[]>()
  const { name } = requestType(signal).fieldsById[1]!
  for (const { guid, value, items } of records) {
    const message = decode(signal, value)
    assert.equal(countItems(requestType(signal), message), items, 'the items that the record says it holds')
    grouped.set(guid, [...(grouped.get(guid) ?? []), ...listOf(message, name)])
  }
  return grouped
}

for (const signal of signals) {
  for (const flaws of [false, true]) {
    test(`${signal}: ${flaws ? 'flawed' : 'valid'} requests are stamped as decode, set, encode would`, () => {
      fc.assert(
        fc.property(
          fc.nat(),
          arbitraryRules(),
          fc.boolean(),
          fc.constantFrom(1 << 20, 4_000, 700, 1),
          (seed, sources, deep, recordBytesMax) => {
            const rules = { ...sources, deep }
            const { model, bytes } = randomOtlp(signal, seed, { flaws, plain: seed % 8 === 0 })
            const outcome = stampOtlp(kernel, signal, bytes, otlpRulesOf(rules), recordBytesMax)
            const expected = expectedOtlp(signal, model, rules)
            if (typeof outcome === 'string') {
              assert.equal(outcome, 'protobuf')
              assert.equal(expected.items, 0, 'only a request of nothing but later fields')
              return
            }
            const actual = resourcesOf(signal, outcome.records)
            // Whole, what is compared is all of it; cut, each item with all that encloses it.
            const view = (resources: readonly Model[]): unknown =>
              recordBytesMax === 1 << 20 ? resources : itemPaths(signal, resources)
            assert.deepEqual(
              sorted([...actual].map(([guid, resources]) => [guid, view(resources)])),
              sorted([...expected.byGuid].map(([guid, resources]) => [guid, view(resources)])),
            )
            assert.equal(outcome.stamped.items, expected.items)
            const refused = outcome.stamped.refused.map(({ reason, count }): [string, number] => [
              reason,
              count,
            ])
            assert.deepEqual(sorted(refused), sorted([...expected.refused]))
          },
        ),
        propertyBounds(),
      )
    })
  }
}

function sorted<Entry>(entries: readonly (readonly [string, Entry])[]): (readonly [string, Entry])[] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1))
}
