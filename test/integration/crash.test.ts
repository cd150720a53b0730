/**
 * SIGKILL at random moments under load of every protocol: whatever was acknowledged is in the log, every record there is
 * whole and stamped, nothing is there twice, and each start finds its way in what the killed one left.
 */
import assert from 'node:assert/strict'
import test from 'node:test'
import { crashOnLog } from '../support/crash-buses.ts'

/** Fewer on a machine that needs longer than `secondsMax` for them. */
const rounds = 100
const secondsMax = 140

test(`${rounds} times killed, on the log: acknowledged items are stored once, records whole`, async (context) => {
  const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 1e6)
  context.diagnostic(`GUIDEPOST_SEED=${seed}`)
  const result = await crashOnLog({ seed, rounds, secondsMax })
  context.diagnostic(JSON.stringify(result))
  assert.ok(result.rounds >= rounds / 5, `only ${result.rounds} rounds in ${secondsMax} s`)
  assert.ok(result.acknowledged > result.rounds * 100, `only ${result.acknowledged} items were acknowledged`)
  assert.ok(result.kills.loaded > result.rounds / 2)
  assert.equal(result.repeatedRecords, 0)
  assert.equal(result.refused, 0)
})
