import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordHeaders } from '../../../src/bus/headers.ts'
import { makeRecord } from '../../support/kafka-bus.ts'

test('further headers follow the five and never replace them', () => {
  const record = makeRecord({ headers: { reason: 'too large', guid: 'another' } })
  const headers = recordHeaders(record)
  assert.equal(headers['guid'], 'shop')
  assert.equal(headers['reason'], 'too large')
  assert.deepEqual(Object.keys(headers).sort(), [
    'batch_id',
    'encoding',
    'guid',
    'items',
    'reason',
    'received_at',
  ])
})
