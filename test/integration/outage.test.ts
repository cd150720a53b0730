/**
 * A broker that is killed or frozen for some seconds at full load of every protocol: senders notice nothing, nothing that
 * was acknowledged is missing or out of its order, the spool is delivered beside what arrives, and memory stays in its bound.
 */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import type { FaultName } from '../support/broker-faults.ts'
import { kafkaAvailable } from '../support/kafka.ts'
import { type OutageResult, outage } from '../support/outage.ts'
import { requireReal } from '../support/real.ts'
import { residentBytesMax } from '../support/running.ts'
import { tableText } from '../support/table-text.ts'

const skip = await requireReal('Kafka', kafkaAvailable)
/** What the slowest sender may have waited, on a machine that is busy with other things: the deadline of an append. */
const waitMsMax = 15_000

async function short(context: TestContext, fault: FaultName): Promise<OutageResult> {
  const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 1e6)
  context.diagnostic(`GUIDEPOST_SEED=${seed}`)
  const result = await outage({
    ...{ seed, fault, quietSeconds: 2, outageSeconds: 8, drainSecondsMax: 90 },
    ...{ connections: 1, pauseMs: 0, lookMs: 500 },
  })
  context.diagnostic(`\n${tableText(result.phases)}`)
  return result
}

function assertUnnoticed(result: OutageResult): void {
  assert.equal(result.refused, 0, 'no sender is told to wait')
  assert.ok(result.spooledItemsMax > 0)
  for (const { phase, requestsPerSecond, maxMs, residentMbMax } of result.phases) {
    assert.ok(requestsPerSecond > 0, `senders are answered: ${phase}`)
    assert.ok(maxMs < waitMsMax, `${phase}: a sender waited ${maxMs} ms`)
    assert.ok(residentMbMax < residentBytesMax / 1e6, `${phase}: ${residentMbMax} MB`)
  }
}

test('a broker that is killed', { skip }, async (context) => {
  assertUnnoticed(await short(context, 'killed'))
})

test('a broker that is frozen', { skip }, async (context) => {
  assertUnnoticed(await short(context, 'frozen'))
})
