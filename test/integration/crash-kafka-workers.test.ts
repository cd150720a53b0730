/**
 * A gateway of two workers, of which one is killed under load and then all of it, beside a broker that is killed and restarted:
 * what each of them has acknowledged or spooled arrives, the order of each connection kept.
 */
import assert from 'node:assert/strict'
import test from 'node:test'
import { crashOnKafka } from '../support/crash-buses.ts'
import { kafkaAvailable } from '../support/kafka.ts'
import { requireReal } from '../support/real.ts'

/** Fewer on a machine that needs longer than `secondsMax` for them. */
const rounds = 20
const secondsMax = 120
const skip = await requireReal('Kafka', kafkaAvailable)

test(`${rounds} times a worker killed, then its gateway`, { skip }, async (context) => {
  const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 1e6)
  context.diagnostic(`GUIDEPOST_SEED=${seed}`)
  const result = await crashOnKafka({ seed, rounds, secondsMax }, 'killed', 2)
  context.diagnostic(JSON.stringify(result))
  assert.ok(result.rounds >= rounds / 5, `only ${result.rounds} rounds in ${secondsMax} s`)
  assert.ok(result.kills.worker > 0)
  assert.ok(result.acknowledged > result.rounds * 100, `only ${result.acknowledged} items were acknowledged`)
})
