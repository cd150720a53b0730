import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Counts, CountsSum } from '../../../src/telemetry/counts.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { type Sample, samplesOf, sumOf } from '../../support/exposition.ts'
import { assertLedger } from '../../support/ledger.ts'

/** A process that has received 100 items: 60 are published, 5 dead letters, 10 rejected, 20 spooled, 5 on their way. */
function busy(): Metrics {
  const metrics = new Metrics({ guidsMax: 10, runtime: false })
  const account = metrics.ledger.account('otlp', 'traces', 'team-a')
  account.received.value = 100
  account.published.value = 60
  account.deadLettered.value = 5
  account.spooled.value = 20
  account.rejected('overloaded').value = 10
  metrics.requests('otlp').answered(200, 0.02)
  metrics.setInflightBytes(() => 7)
  metrics.setBusHealth(() => ({ up: true }))
  return metrics
}

const countsOf = (metrics: Metrics): Promise<Counts> => metrics.registry.getMetricsAsJSON()

async function shown(sum: CountsSum, living: readonly Counts[]): Promise<Sample[]> {
  return samplesOf((await sum.exposition(living)).text)
}

test('values of several processes are added up, states are the worst of them', async () => {
  const away = busy()
  away.setBusHealth(() => ({ up: false }))
  const samples = await shown(new CountsSum(), [await countsOf(busy()), await countsOf(away)])
  assert.equal(sumOf(samples, 'guidepost_received_items_total', { guid: 'team-a' }), 200)
  assert.equal(sumOf(samples, 'guidepost_spooled_items'), 40)
  assert.equal(sumOf(samples, 'guidepost_inflight_bytes'), 14)
  assert.equal(sumOf(samples, 'guidepost_request_duration_seconds_count'), 2)
  assert.equal(sumOf(samples, 'guidepost_request_duration_seconds_bucket', { le: '0.025' }), 2)
  assert.equal(sumOf(samples, 'guidepost_bus_up'), 0)
  assert.equal(sumOf(samples, 'guidepost_build_info'), 1)
})

test('a process that dies: its counters stay, its gauges go, and its books are even', async () => {
  const sum = new CountsSum()
  sum.retire(await countsOf(busy()))
  const samples = await shown(sum, [])
  assert.equal(sumOf(samples, 'guidepost_received_items_total'), 100)
  assert.equal(sumOf(samples, 'guidepost_rejected_items_total', { reason: 'worker_died' }), 5)
  assert.equal(sumOf(samples, 'guidepost_rejected_items_total', { reason: 'worker_died_spooled' }), 20)
  assert.equal(sumOf(samples, 'guidepost_request_duration_seconds_count'), 1)
  assert.equal(sumOf(samples, 'guidepost_spooled_items'), 0)
  assert.equal(sumOf(samples, 'guidepost_inflight_bytes'), 0)
  assertLedger(samples)
})

test('however many die, nothing is forgotten', async () => {
  const sum = new CountsSum()
  for (let deaths = 1; deaths <= 50; deaths++) {
    sum.retire(await countsOf(busy()))
    const samples = await shown(sum, [])
    assert.equal(sumOf(samples, 'guidepost_received_items_total'), deaths * 100)
    assert.equal(sumOf(samples, 'guidepost_request_duration_seconds_count'), deaths)
    assertLedger(samples)
  }
})

test('a process that has ended in order keeps what it had, spooled items too', async () => {
  const sum = new CountsSum()
  sum.keep(await countsOf(busy()))
  const samples = await shown(sum, [])
  assert.equal(sumOf(samples, 'guidepost_spooled_items'), 20)
  assert.equal(sumOf(samples, 'guidepost_rejected_items_total'), 10)
})
