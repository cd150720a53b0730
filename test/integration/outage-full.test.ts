/**
 * A broker that has no more room for its log and gives up: what was acknowledged meanwhile arrives when it is restarted with
 * room.
 */
import assert from 'node:assert/strict'
import test from 'node:test'
import { kafkaAvailable } from '../support/kafka.ts'
import { outage } from '../support/outage.ts'
import { requireReal } from '../support/real.ts'
import { tableText } from '../support/table-text.ts'

const skip = await requireReal('Kafka', kafkaAvailable)

test('a broker whose disk is full, and that is restarted when there is room', { skip }, async (context) => {
  const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 1e6)
  context.diagnostic(`GUIDEPOST_SEED=${seed}`)
  const result = await outage({
    ...{ seed, fault: 'full', quietSeconds: 2, outageSeconds: 4, drainSecondsMax: 90 },
    ...{ connections: 1, pauseMs: 0, lookMs: 500 },
  })
  context.diagnostic(`\n${tableText(result.phases)}`)
  assert.ok(result.spooledItemsMax > 0)
  assert.equal(result.refused, 0, 'no sender is told to wait')
})
