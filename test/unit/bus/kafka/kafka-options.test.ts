import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkClientVersion } from '../../../../src/bus/kafka/kafka-options.ts'

test('client versions that lose acknowledged records are refused', () => {
  for (const version of ['1.35.0', '2.0.0', '2.2.3', '0.9.1', 'unknown', '2.x']) {
    assert.throws(() => checkClientVersion(version), { code: 'GP_CONFIG' }, version)
  }
  for (const version of ['2.3.0', '2.12.1', '3.0.0', '2.3.0-rc.1', '10.0.0']) checkClientVersion(version)
  checkClientVersion()
})
