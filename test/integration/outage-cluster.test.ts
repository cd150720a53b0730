/**
 * Outages that are the cluster's own: a broker that is restarted while the quorum of controllers is empty, and one whose
 * disk is full. What was acknowledged meanwhile arrives when there is a controller, or room, again.
 */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import type { FaultName } from '../support/broker-faults.ts'
import { kafkaAvailable } from '../support/kafka.ts'
import { type OutageResult, outage } from '../support/outage.ts'
import { requireReal } from '../support/real.ts'
import { tableText } from '../support/table-text.ts'

const skip = await requireReal('Kafka', kafkaAvailable)

async function short(context: TestContext, fault: FaultName): Promise<OutageResult> {
  const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 1e6)
  context.diagnostic(`GUIDEPOST_SEED=${seed}`)
  const result = await outage({
    ...{ seed, fault, quietSeconds: 2, outageSeconds: 4, drainSecondsMax: 90 },
    ...{ connections: 1, pauseMs: 5, lookMs: 500 },
  })
  context.diagnostic(`\n${tableText(result.phases)}`)
  return result
}

test('a broker restarted without a controller comes back with one', { skip }, async (context) => {
  const result = await short(context, 'controllerless')
  assert.ok(result.spooledItemsMax > 0)
  assert.equal(result.refused, 0)
})

test('a broker whose disk is full, and that is restarted when there is room', { skip }, async (context) => {
  const result = await short(context, 'full')
  assert.ok(result.spooledItemsMax > 0)
  assert.equal(result.refused, 0)
})
