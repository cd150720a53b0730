/** The books of one sender, for tests that are about something else. */
import type { Budget } from '../../src/route/budget.ts'
import { type Claim, Shares } from '../../src/route/shares.ts'

/** One that may have all of the budget. */
export function claimOf(budget: Budget): Claim {
  const shares = new Shares(budget, 1)
  return shares.open(shares.connect('test'), 'test', 1)
}
