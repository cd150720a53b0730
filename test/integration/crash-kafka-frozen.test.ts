/**
 * SIGKILL of the gateway at random moments under load, beside a broker that is stopped (SIGSTOP) for longer and for
 * shorter than the gateway waits: what was acknowledged into the spool arrives after the next start, in its order.
 */
import assert from 'node:assert/strict'
import test from 'node:test'
import { limits } from '../../src/limits.ts'
import { crashOnKafka, drainBytesPerSecond } from '../support/crash-buses.ts'
import { kafkaAvailable } from '../support/kafka.ts'
import { requireReal } from '../support/real.ts'

/** Fewer on a machine that needs longer than `secondsMax` for them. */
const rounds = 30
const secondsMax = 140
const skip = await requireReal('Kafka', kafkaAvailable)

test(`${rounds} times killed, on a broker that is frozen now and then`, { skip }, async (context) => {
  const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 1e6)
  context.diagnostic(`GUIDEPOST_SEED=${seed}`)
  const result = await crashOnKafka({ seed, rounds, secondsMax }, 'frozen')
  context.diagnostic(JSON.stringify(result))
  assert.ok(result.rounds >= rounds / 5, `only ${result.rounds} rounds in ${secondsMax} s`)
  assert.ok(result.acknowledged > result.rounds * 100, `only ${result.acknowledged} items were acknowledged`)
  assert.ok(
    result.rounds < rounds || result.startsWithSpool > 0,
    'the spool had something left of a killed gateway',
  )
  // A kill costs at most what is delivered between two writings of the cursor, and the delivery under way.
  const perKill = limits.spoolDeliveryBytes + (drainBytesPerSecond * limits.spoolCursorMs) / 1e3
  assert.ok(result.repeatedBytes < result.rounds * perKill, `${result.repeatedBytes} bytes were stored again`)
})
