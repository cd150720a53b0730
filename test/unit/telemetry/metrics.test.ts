import assert from 'node:assert/strict'
import { test } from 'node:test'
import { definitions } from '../../../src/telemetry/definitions.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { version } from '../../../src/telemetry/version.ts'
import { WorkerMetrics } from '../../../src/telemetry/worker-metrics.ts'

test('every metric that is defined is registered, and no other of ours', async () => {
  const metrics = new Metrics({ guidsMax: 1, runtime: false })
  const workers = new WorkerMetrics(
    2,
    () => true,
    () => true,
  )
  const registered = [
    ...(await metrics.registry.getMetricsAsJSON()),
    ...(await workers.registry.getMetricsAsJSON()).filter(({ name }) => name.startsWith('guidepost_')),
  ].map(({ name }) => name)
  assert.deepEqual([...new Set(registered)].toSorted(), Object.keys(definitions).toSorted())
})

test('what is counted is shown', async () => {
  const metrics = new Metrics({ guidsMax: 1, runtime: false })
  let inflightBytes = 5
  let up = true
  metrics.setInflightBytes(() => inflightBytes)
  metrics.setBusHealth(() => ({ up }))
  metrics.setReady(() => up)
  metrics.setSpool({ bytes: () => 7, bytesMax: 9, parkedItems: () => 3 })
  metrics.requests('remote_write').answered(204, 0.02)
  metrics.requests('remote_write').answered(204, 0.3)
  metrics.publishSeconds('prometheus_metrics', 0.004)
  metrics.requests('remote_write').received(100)
  metrics.requests('remote_write').received(11)
  metrics.refusedRequest('remote_write', 'too_large')
  metrics.event('torn_tail')
  metrics.event('torn_tail')
  const text = await metrics.registry.metrics()
  const line = (start: string) => text.split('\n').find((each) => each.startsWith(`guidepost_${start}`))
  assert.equal(
    line('request_duration_seconds_bucket{le="0.025"'),
    'guidepost_request_duration_seconds_bucket{le="0.025",receiver="remote_write",code="204"} 1',
  )
  assert.match(line('request_duration_seconds_count') ?? '', / 2$/)
  assert.match(line('publish_duration_seconds_count{topic="prometheus_metrics"}') ?? '', / 1$/)
  assert.match(line('received_bytes_total{receiver="remote_write"}') ?? '', / 111$/)
  assert.match(line('refused_requests_total{receiver="remote_write",reason="too_large"}') ?? '', / 1$/)
  assert.match(line('events_total{event="torn_tail"}') ?? '', / 2$/)
  // From the start on, so that the first of each is a rise.
  assert.match(line('events_total{event="disk_full"}') ?? '', / 0$/)
  assert.equal(line('ready'), 'guidepost_ready 1')
  assert.equal(line('spool_bytes'), 'guidepost_spool_bytes 7')
  assert.equal(line('spool_bytes_max'), 'guidepost_spool_bytes_max 9')
  assert.equal(line('inflight_bytes'), 'guidepost_inflight_bytes 5')
  assert.equal(line('bus_up'), 'guidepost_bus_up 1')
  assert.equal(
    line('build_info'),
    `guidepost_build_info{version="${version}",node="${process.versions.node}"} 1`,
  )
  inflightBytes = 6
  up = false
  const later = await metrics.registry.metrics()
  assert.match(later, /^guidepost_inflight_bytes 6$/m)
  assert.match(later, /^guidepost_bus_up 0$/m)
  assert.match(later, /^guidepost_ready 0$/m)
})

test('the runtime shows its own, the lag of the event loop among them', async () => {
  const metrics = new Metrics({ guidsMax: 1 })
  assert.match(await metrics.registry.metrics(), /^nodejs_eventloop_lag_p99_seconds /m)
})
