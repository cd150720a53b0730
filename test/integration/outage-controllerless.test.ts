/**
 * A broker that is restarted while the quorum of controllers is empty: what was acknowledged meanwhile arrives when there is a
 * controller again.
 */
import assert from 'node:assert/strict'
import test from 'node:test'
import { kafkaAvailable } from '../support/kafka.ts'
import { outage } from '../support/outage.ts'
import { requireReal } from '../support/real.ts'
import { tableText } from '../support/table-text.ts'

const skip = await requireReal('Kafka', kafkaAvailable)

test('a broker restarted without a controller comes back with one', { skip }, async (context) => {
  const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 1e6)
  context.diagnostic(`GUIDEPOST_SEED=${seed}`)
  const result = await outage({
    ...{ seed, fault: 'controllerless', quietSeconds: 2, outageSeconds: 4, drainSecondsMax: 90 },
    ...{ connections: 1, pauseMs: 5, lookMs: 500 },
  })
  context.diagnostic(`\n${tableText(result.phases)}`)
  assert.ok(result.spooledItemsMax > 0)
  assert.equal(result.refused, 0, 'no sender is told to wait')
})
