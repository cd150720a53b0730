import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SpoolConfig } from '../../../src/config/config.ts'
import { formatProblem, loadConfig } from '../../../src/config/load.ts'
import { limits } from '../../../src/limits.ts'

const kafka = { GUIDEPOST_BUS: 'kafka://broker:9092' }

function spoolOf(env: Readonly<Record<string, string>>): SpoolConfig | undefined {
  const result = loadConfig({ env, cores: 1 })
  if (result.config === undefined) assert.fail(result.problems.map(formatProblem).join('\n'))
  return result.config.spool
}

test('with Kafka there is a spool unless it is switched off; a log needs none', () => {
  const spool = spoolOf(kafka)
  assert.match(spool?.directory ?? '', /\/data\/spool$/)
  assert.equal(spool?.bytesMax, limits.spoolBytesMax)
  assert.equal(spoolOf({ ...kafka, GUIDEPOST_SPOOL_ENABLED: 'false' }), undefined)
  assert.equal(spoolOf({}), undefined)
})

test('a shorter limits.appendMs shortens the time before a record is spooled; what is set must fit it', () => {
  const short = { ...kafka, GUIDEPOST_LIMITS_APPEND_MS: '3000', GUIDEPOST_KAFKA_CONNECT_MS: '1000' }
  assert.equal(spoolOf(kafka)?.afterMs, limits.spoolAfterMs)
  assert.equal(spoolOf(short)?.afterMs, 1500)
  const late = loadConfig({ env: { ...short, GUIDEPOST_SPOOL_AFTER_MS: '2000' }, cores: 1 })
  assert.ok(late.config === undefined)
  const text = late.problems.map(formatProblem).join('\n')
  assert.match(text, /spool\.afterMs: is 2000, more than half of limits\.appendMs, which is 3000/)
})
