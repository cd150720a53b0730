/**
 * The splice beside decode, set, encode: for random messages in every legal spelling, and rules of every kind, the
 * records hold what the oracle says, no more and no less, each guid's series in their order.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Kernel } from '../../src/wire/kernel.ts'
import {
  decodeV1,
  decodeV2,
  expectedV1,
  expectedV2,
  joinV1,
  joinV2,
  resolveV2,
  withoutTopExtras,
} from '../support/oracle/index.ts'
import { propertyBounds } from '../support/random.ts'
import { arbitraryRules, arbitraryV1, arbitraryV2 } from '../support/random-write-request.ts'
import { configOf, type Outcome, rulesOf, type StampedRecord, stampPayload } from '../support/stamping.ts'

const kernel = new Kernel()

function byGuid(records: readonly StampedRecord[]): Map<string, StampedRecord[]> {
  const grouped = new Map<string, StampedRecord[]>()
  for (const record of records) {
    const group = grouped.get(record.guid) ?? []
    group.push(record)
    grouped.set(record.guid, group)
  }
  return grouped
}

function records(outcome: Outcome): readonly StampedRecord[] {
  if (typeof outcome === 'string') assert.fail(`the whole request was refused: ${outcome}`)
  return outcome.records
}

const recordBytesMax = fc.constantFrom(1 << 20, 200, 1)

for (const flaws of [false, true]) {
  const kind = flaws ? 'flawed' : 'valid'

  test(`1.0: ${kind} messages are stamped as decode, set, encode would`, () => {
    fc.assert(
      fc.property(
        arbitraryV1({ flaws }),
        arbitraryRules(),
        recordBytesMax,
        ({ model, bytes }, oracle, max) => {
          const rules = { ...oracle, refuseEmptyValues: false }
          const outcome = stampPayload(kernel, 1, bytes, rulesOf(configOf(rules)), max)
          const expected = expectedV1(model, rules)
          const items = (model.timeseries ?? []).length + (model.metadata ?? []).length
          if (items === 0 && typeof outcome === 'string') return
          const actual = new Map<string, unknown>()
          for (const [guid, group] of byGuid(records(outcome))) {
            const messages = group.map(({ value }) => withoutTopExtras(decodeV1(value)))
            actual.set(guid, joinV1(messages))
            for (const [i, { items }] of group.entries()) {
              assert.equal(
                (messages[i]!.timeseries ?? []).length + (messages[i]!.metadata ?? []).length,
                items,
              )
            }
          }
          assert.deepEqual(sorted(actual), sorted(expected.messages))
          assertCounted(outcome, items, expected.refused.length + expected.dropped)
        },
      ),
      propertyBounds(),
    )
  })

  test(`2.0: ${kind} messages are stamped as decode, set, encode would`, () => {
    fc.assert(
      fc.property(
        arbitraryV2({ flaws }),
        arbitraryRules(),
        recordBytesMax,
        ({ model, bytes }, oracle, max) => {
          const rules = { ...oracle, refuseEmptyValues: false }
          const outcome = stampPayload(kernel, 2, bytes, rulesOf(configOf(rules)), max)
          const items = (model.timeseries ?? []).length
          if (items === 0 && typeof outcome === 'string') return
          if (outcome === 'symbols' && (model.symbols ?? []).some((symbol) => !isUtf8(symbol))) return
          const expected = expectedV2(model, rules)
          const actual = new Map<string, unknown>()
          for (const [guid, group] of byGuid(records(outcome))) {
            actual.set(guid, joinV2(group.map(({ value }) => resolveV2(decodeV2(value)))))
          }
          assert.deepEqual(sorted(actual), sorted(expected.messages))
          assertCounted(outcome, items, expected.refused.length + expected.dropped)
        },
      ),
      propertyBounds(),
    )
  })
}

/** Nothing disappears: what came is in a record or refused for a reason. */
function assertCounted(outcome: Outcome, items: number, refused: number): void {
  if (typeof outcome === 'string') return
  const kept = outcome.records.reduce((sum, record) => sum + record.items, 0)
  const said = outcome.stamped.refused.reduce((sum, { count }) => sum + count, 0)
  assert.equal(outcome.stamped.items, items)
  assert.equal(said, refused)
  assert.equal(kept + said, items)
}

function sorted(messages: ReadonlyMap<string, unknown>): [string, unknown][] {
  return [...messages].sort(([a], [b]) => (a < b ? -1 : 1))
}

function isUtf8(text: string): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'latin1'))
    return true
  } catch {
    return false
  }
}
