/** Nothing is lost in silence: for each receiver, signal and guid, received = published + spooled + rejected + dead-lettered. */
import assert from 'node:assert/strict'
import { type LedgerEntry, ledgerOf, type Sample } from './exposition.ts'

/** Asserts the equation over parsed metrics, of a gateway with nothing in flight. Returns the entries. */
export function assertLedger(samples: readonly Sample[]): Map<string, LedgerEntry> {
  const ledger = ledgerOf(samples)
  const broken = [...ledger].filter(
    ([, { received, published, spooled, rejected, deadLettered }]) =>
      received !== published + spooled + rejected + deadLettered,
  )
  assert.deepEqual(
    Object.fromEntries(broken),
    {},
    'received = published + spooled + rejected + dead-lettered',
  )
  const inflight = samples.find(({ name }) => name === 'guidepost_inflight_bytes')
  assert.equal(inflight?.value, 0, 'nothing is in flight')
  return ledger
}
