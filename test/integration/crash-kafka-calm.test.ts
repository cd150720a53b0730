/** SIGKILL of the gateway at random moments under load, beside a broker that is well: nothing is stored twice then. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { crashOnKafka } from '../support/crash-buses.ts'
import { kafkaAvailable } from '../support/kafka.ts'
import { requireReal } from '../support/real.ts'

/** Fewer on a machine that needs longer than `secondsMax` for them. */
const rounds = 30
const secondsMax = 140
const skip = await requireReal('Kafka', kafkaAvailable)

test(`${rounds} times killed, on a broker that is well`, { skip }, async (context) => {
  const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 1e6)
  context.diagnostic(`GUIDEPOST_SEED=${seed}`)
  const result = await crashOnKafka({ seed, rounds, secondsMax }, 'calm')
  context.diagnostic(JSON.stringify(result))
  assert.ok(result.rounds >= rounds / 5, `only ${result.rounds} rounds in ${secondsMax} s`)
  assert.ok(result.acknowledged > result.rounds * 100, `only ${result.acknowledged} items were acknowledged`)
  assert.equal(result.repeatedRecords, 0)
  assert.equal(result.refused, 0)
})
