/** Which stamping a record was made with, from what it says itself; and that it is cut into the same items. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BusRecord } from '../../../src/bus/bus.ts'
import type { Config } from '../../../src/config/config.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { otlpStampings } from '../../../src/stamp/otlp.ts'
import { prometheusStampings } from '../../../src/stamp/prometheus.ts'
import { cutterOf, stampingOf } from '../../../src/stamp/stampings.ts'
import { Ledger } from '../../../src/telemetry/ledger.ts'
import { Kernel } from '../../../src/wire/kernel.ts'
import { decodeV1, encodeV1 } from '../../support/oracle/index.ts'

const kernel = new Kernel()

function config(): Config {
  const { config: loaded } = loadConfig({ env: { GUIDEPOST_BUS: 'kafka://broker:9092' }, cores: 1 })
  assert.ok(loaded)
  return loaded
}

const names = Array.from({ length: 20 }, (_, index) => `metric_${index}`)
const value = encodeV1({
  timeseries: names.map((name) => ({
    labels: [
      { name: '__name__', value: name },
      { name: 'guid', value: 'shop' },
    ],
    samples: [{ valueBits: '1', timestamp: '1700000000000' }],
  })),
})

function record(changes: Partial<BusRecord> = {}): BusRecord {
  return {
    ...{
      topic: 'prometheus_metrics',
      guid: 'shop',
      encoding: 'prometheus_remote_write_1',
      items: names.length,
    },
    ...{ batchId: 'b', receivedAtMs: 1, sender: 0, value },
    ...changes,
  }
}

test('topic and encoding say which stamping it was', () => {
  const of = (topic: BusRecord['topic'], encoding: BusRecord['encoding']) => stampingOf({ topic, encoding })
  assert.equal(of('prometheus_metrics', 'prometheus_remote_write_1'), prometheusStampings[1])
  assert.equal(of('prometheus_metrics', 'prometheus_remote_write_2'), prometheusStampings[2])
  assert.equal(of('otlp_spans', 'otlp_proto'), otlpStampings.traces)
  assert.equal(of('otlp_metrics', 'otlp_proto'), otlpStampings.metrics)
  assert.equal(of('otlp_logs', 'otlp_proto'), otlpStampings.logs)
  assert.equal(of('jaeger-spans', 'jaeger_proto'), undefined, 'one span a record')
  assert.equal(of('dead_letters', 'otlp_proto'), undefined)
})

test('a record is cut into parts that fit, with the same items under the same guid', () => {
  const ledger = new Ledger(10)
  const bytesMax = Math.ceil(value.length / 3)
  const parts = cutterOf(kernel, config(), ledger)(record(), bytesMax)
  assert.ok(parts.length > 2)
  assert.ok(parts.every((part) => part.value.length <= bytesMax))
  const found = parts.flatMap((part) => decodeV1(part.value).timeseries ?? [])
  assert.equal(
    parts.reduce((sum, { items }) => sum + items, 0),
    names.length,
  )
  assert.deepEqual(
    found.map(({ labels = [] }) => Object.fromEntries(labels.map((label) => [label.name, label.value]))),
    names.map((name) => ({ __name__: name, guid: 'shop' })),
  )
})

test('what cannot be cut for certain is not cut', () => {
  const cut = cutterOf(kernel, config(), new Ledger(10))
  assert.deepEqual(cut(record({ topic: 'jaeger-spans', encoding: 'jaeger_proto' }), 100), [])
  assert.deepEqual(cut(record({ value: Buffer.from([0xff, 0xff, 0xff]) }), 100), [])
  const { receivers, ...rest } = config()
  const { remoteWrite } = receivers
  const guid = { ...remoteWrite.guid, name: 'tenant' }
  const other = { ...rest, receivers: { ...receivers, remoteWrite: { ...remoteWrite, guid } } }
  const unsure = cutterOf(kernel, other, new Ledger(10))
  assert.deepEqual(unsure(record(), 100), [], 'receivers stamp under different names')
})
