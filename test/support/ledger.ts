/** Nothing is lost in silence: for each receiver, signal and guid, received = published + spooled + rejected + dead-lettered. */
import assert from 'node:assert/strict'
import { type LedgerEntry, ledgerOf, type Sample, sumOf } from './exposition.ts'
import { until } from './until.ts'

/** Longer than a bus may take for what is on its way to it (`limits.appendMsMax`). */
const IDLE_MS_MAX = 20_000

export interface LedgerOptions {
  /** `left`: the test leaves requests under way on purpose. Then no side may be more than was received. */
  readonly inflight?: 'left'
}

/** Asserts the equation over parsed metrics, of a gateway with nothing in flight. Returns the entries. */
export function assertLedger(
  samples: readonly Sample[],
  { inflight }: LedgerOptions = {},
): Map<string, LedgerEntry> {
  const ledger = ledgerOf(samples)
  const broken = [...ledger].filter(([, entry]) => {
    const missing = missingOf(entry)
    return inflight === 'left' ? missing < 0 : missing !== 0
  })
  assert.deepEqual(
    Object.fromEntries(broken),
    {},
    'received = published + spooled + rejected + dead-lettered',
  )
  const negative = samples.filter(({ name, value }) => name === 'guidepost_spooled_items' && value < 0)
  assert.deepEqual(negative, [], 'no more leaves the spool than came in')
  if (inflight !== 'left') assert.equal(inflightOf(samples), 0, 'nothing is in flight')
  return ledger
}

/**
 * Waits until nothing is in flight and asserts the equation. `isSummed`: the metrics are those of several processes, each
 * read at a moment of its own, so that only what stays uneven counts.
 */
export async function assertLedgerWhenIdle(
  read: () => Promise<readonly Sample[]>,
  { inflight, isSummed = false }: LedgerOptions & { readonly isSummed?: boolean } = {},
): Promise<Map<string, LedgerEntry>> {
  let samples = await read()
  if (inflight === 'left') return assertLedger(samples, { inflight })
  const isEven = (): boolean => [...ledgerOf(samples).values()].every((entry) => missingOf(entry) === 0)
  await until('nothing is in flight', IDLE_MS_MAX, async () => {
    samples = await read()
    return inflightOf(samples) === 0
  })
  if (isSummed && !isEven()) {
    await until('the books are even', IDLE_MS_MAX, async () => {
      samples = await read()
      return isEven()
    })
  }
  return assertLedger(samples)
}

function missingOf({ received, published, spooled, rejected, deadLettered }: LedgerEntry): number {
  return received - published - spooled - rejected - deadLettered
}

function inflightOf(samples: readonly Sample[]): number {
  return sumOf(samples, 'guidepost_inflight_bytes')
}
