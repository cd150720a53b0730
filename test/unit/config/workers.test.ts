import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Config } from '../../../src/config/config.ts'
import { formatProblem, loadConfig } from '../../../src/config/load.ts'
import { shareOf } from '../../../src/config/workers.ts'
import { GiB, limits, MiB } from '../../../src/limits.ts'

const kafka = { GUIDEPOST_BUS: 'kafka://broker:9092' }

function load(env: Readonly<Record<string, string>>, cores = 8, machineBytes = 64 * GiB): Config {
  const result = loadConfig({ env, cores, machineBytes })
  if (result.config === undefined) assert.fail(result.problems.map(formatProblem).join('\n'))
  return result.config
}

function problems(env: Readonly<Record<string, string>>): string {
  const result = loadConfig({ env, cores: 8 })
  return result.config === undefined ? result.problems.map(formatProblem).join('\n') : ''
}

test('one worker for each core with Kafka, at most four; always one with a log', () => {
  assert.equal(load(kafka, 1).workers, 1)
  assert.equal(load(kafka, 3).workers, 3)
  assert.equal(load(kafka, 64).workers, limits.workersDefaultMax)
  assert.equal(load({}, 64).workers, 1)
  assert.equal(load({ ...kafka, GUIDEPOST_WORKERS: '7' }, 2).workers, 7, 'as many as are asked for')
})

test('no more workers than there is memory for, unless they are asked for', () => {
  assert.equal(load(kafka, 4, 768 * MiB).workers, 1)
  assert.equal(load(kafka, 4, 256 * MiB).workers, 1)
  assert.equal(load(kafka, 4, 1.5 * GiB).workers, 2)
  assert.equal(load({ ...kafka, GUIDEPOST_LIMITS_MEMORY_BYTES: '1600MiB' }, 4).workers, 3)
  assert.equal(load({ ...kafka, GUIDEPOST_WORKERS: '2' }, 4, 768 * MiB).workers, 2)
})

test('a log has one writer: more workers are a problem that says so', () => {
  assert.match(
    problems({ GUIDEPOST_WORKERS: '2' }),
    /GUIDEPOST_WORKERS: workers: is 2,.*a log has one writer/,
  )
  assert.equal(load({ GUIDEPOST_WORKERS: '1' }).workers, 1)
})

test('memory for what is in flight: each worker has room for the largest request', () => {
  const largest = 2 * Math.max(limits.bodyBytesMax, limits.inflatedBytesMax, limits.messageBytesMax)
  for (const cores of [1, 2, 3, 4]) {
    const config = load(kafka, cores)
    assert.ok(shareOf(config, config.workers).limits.inflightBytes >= largest, `${cores}`)
  }
  assert.equal(load(kafka, 2).limits.inflightBytes, limits.inflightBytesMax)
  assert.equal(load(kafka, 4).limits.inflightBytes, 4 * largest)

  const bounded = { ...kafka, GUIDEPOST_LIMITS_INFLIGHT_BYTES: '200MiB' }
  assert.equal(load(bounded).workers, 3, 'no more than it has room for')
  assert.equal(load(bounded).limits.inflightBytes, 200 * MiB, 'a bound that is set holds for all together')
  assert.match(
    problems({ ...bounded, GUIDEPOST_WORKERS: '4' }),
    /limits\.bodyBytes: is 33554432, more than half of limits\.inflightBytes, which is 52428800 for each of 4 workers/,
  )
  assert.equal(problems({ ...bounded, GUIDEPOST_WORKERS: '3' }), '')
})

test('bounds that are totals are divided', () => {
  const env = { GUIDEPOST_WORKERS: '4', GUIDEPOST_SPOOL_ENABLED: 'true', GUIDEPOST_SPOOL_BYTES_MAX: '8GiB' }
  const whole = load({ ...kafka, ...env, GUIDEPOST_LIMITS_CONNECTIONS: '10' })
  const share = shareOf(whole, 4)
  assert.equal(share.spool?.bytesMax, 2 * GiB)
  assert.equal(share.spool?.drainBytesPerSecond, limits.spoolDrainBytesPerSecond / 4)
  assert.equal(share.limits.connections, 3, 'rounded up, so that none is left over')
  assert.equal(share.limits.inflightBytes * 4, whole.limits.inflightBytes)
  assert.equal(share.limits.bodyBytes, whole.limits.bodyBytes, 'what bounds one request is no total')
  assert.deepEqual(shareOf(whole, 1), whole)
})

test('a spool that cannot hold what it is for is a problem that says so', () => {
  const spool = { ...kafka, GUIDEPOST_SPOOL_ENABLED: 'true' }
  assert.match(
    problems({ ...spool, GUIDEPOST_SPOOL_AFTER_MS: '8000' }),
    /spool\.afterMs: is 8000, more than half of limits\.appendMs, which is 15000/,
  )
  assert.equal(problems({ ...spool, GUIDEPOST_SPOOL_AFTER_MS: '7500' }), '')
  const small = { ...spool, GUIDEPOST_SPOOL_BYTES_MAX: '2MiB' }
  assert.equal(problems({ ...small, GUIDEPOST_WORKERS: '1' }), '')
  assert.match(
    problems({ ...small, GUIDEPOST_WORKERS: '2' }),
    /spool\.bytesMax: is 2097152, and must be 2343504 or more: .* in each of 2 workers.* or lower workers/,
  )
  assert.match(
    problems({ ...spool, GUIDEPOST_WORKERS: '1', GUIDEPOST_SPOOL_BYTES_MAX: '1MiB' }),
    /must be 1171752 or more/,
  )
})
