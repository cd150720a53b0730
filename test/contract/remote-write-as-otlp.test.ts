/** Remote write that goes on as OTLP metrics, under the contract of all receivers. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { BusRecord } from '../../src/bus/bus.ts'
import { configWith, GatewayFixture } from '../support/gateway-fixture.ts'
import { assertLedger } from '../support/ledger.ts'
import { byteText, encodeV1 } from '../support/oracle/index.ts'
import { decodeOtlp } from '../support/otlp-items.ts'
import { contentV1, contentV2, messageV1, messageV2, post, series, snappy } from '../support/senders.ts'
import { type Item, receiverContract } from './receiver-contract.ts'

const env = { GUIDEPOST_RECEIVERS_REMOTE_WRITE_ENCODING: 'otlp_proto' }

interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue: string }
}

/** Points by the attribute `id`, with the resource's guid. */
function read({ value }: BusRecord): Item[] {
  return (decodeOtlp('metrics', value).resourceMetrics ?? []).flatMap(({ resource, scopeMetrics }) => {
    const guids = textsOf(resource?.attributes as Attribute[], 'guid')
    const metrics = (scopeMetrics ?? []).flatMap((scope) => scope.metrics ?? [])
    const points = metrics.flatMap(({ gauge, sum }) => (gauge ?? sum)?.dataPoints ?? [])
    return points.map(({ attributes }) => {
      assert.deepEqual(textsOf(attributes as Attribute[], 'guid'), [], 'the label is no attribute of a point')
      return { guid: guids.join(' and '), id: textsOf(attributes as Attribute[], 'id').join() }
    })
  })
}

function textsOf(attributes: readonly Attribute[] = [], name: string): string[] {
  return attributes.filter(({ key }) => key === name).map(({ value }) => value.stringValue)
}

for (const [version, build, content] of [
  [1, messageV1, contentV1],
  [2, messageV2, contentV2],
] as const) {
  receiverContract({
    name: `remote write ${version}.0 as OTLP`,
    env,
    read,
    async send({ port }, items) {
      const body = snappy(build(...items.map(({ guid, id }) => series(guid, id))))
      const { status, text } = await post(port, body, { headers: content })
      if (status === 204) return 'durable'
      if (status === 503) return 'retry'
      throw new Error(`answered ${status}: ${text}`)
    },
  })

  test(`remote write ${version}.0 as OTLP: one record per guid in otlp_metrics, and many points are cut into records`, async () => {
    const fixture = await GatewayFixture.start(configWith({ ...env, GUIDEPOST_LIMITS_RECORD_BYTES: '4KiB' }))
    try {
      const items = Array.from({ length: 300 }, (_, n) => series(n % 3 === 0 ? 'team-a' : 'team-b', `i${n}`))
      const reply = await post(fixture.port, snappy(build(...items)), { headers: content })
      assert.equal(reply.status, 204, reply.text)
      const { stored } = fixture.bus
      assert.equal(stored.length, 3, 'records are cut at limits.recordBytes')
      for (const record of stored) {
        assert.equal(record.topic, 'otlp_metrics')
        assert.equal(record.encoding, 'otlp_proto')
        assert.ok(record.value.length <= 4096)
        const found = read(record)
        assert.equal(found.length, record.items)
        assert.ok(found.every(({ guid }) => guid === record.guid))
      }
      const ids = stored.flatMap(read).map(({ id }) => id)
      assert.equal(new Set(ids).size, 300)
      const ledger = assertLedger(await fixture.samples())
      assert.equal(ledger.get('remote_write metrics team-b')?.received, 200)
    } finally {
      await fixture.close()
    }
  })
}

test('what has no form in OTLP is received and rejected by its reason, and the rest goes on', async () => {
  const fixture = await GatewayFixture.start(configWith(env))
  try {
    const labelsOf = (id: string) =>
      Object.entries(series('team-a', id)).map(([name, value]) => ({
        name: byteText(name),
        value: byteText(value),
      }))
    const one = (id: string, timestamp: string) => ({
      labels: labelsOf(id),
      samples: [{ valueBits: '4607182418800017408', timestamp }],
    })
    const body = snappy(encodeV1({ timeseries: [one('before-1970', '-5'), one('new', '5')] }))
    assert.equal((await post(fixture.port, body)).status, 204)
    assert.deepEqual(fixture.bus.stored.flatMap(read), [{ guid: 'team-a', id: 'new' }])
    const samples = await fixture.samples()
    const entry = assertLedger(samples).get('remote_write metrics team-a')
    assert.deepEqual([entry?.received, entry?.published, entry?.rejected], [2, 1, 1])
    const reasons = samples.filter(({ name }) => name === 'guidepost_rejected_items_total')
    assert.deepEqual(
      reasons.map(({ labels }) => labels['reason']),
      ['timestamp'],
    )
  } finally {
    await fixture.close()
  }
})
