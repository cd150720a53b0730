/** The receiver with the real stamp and route, over a bus that finds records too large. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { seriesOf } from '../../support/bus-read.ts'
import { configWith, GatewayFixture } from '../../support/gateway-fixture.ts'
import { assertLedger } from '../../support/ledger.ts'
import { contentV1, contentV2, messageV1, messageV2, post, series, snappy } from '../../support/senders.ts'

const recordBytesMax = 700

function labelsOf(fixture: GatewayFixture, topic: string): Record<string, string>[] {
  return fixture.bus.stored
    .filter((record) => record.topic === topic)
    .flatMap(({ guid, encoding, value }) =>
      seriesOf({
        ...{ topic, partition: 0, offset: 0, timestampMs: 0, key: guid, value },
        headers: { guid, encoding },
      }),
    )
    .map(({ labels }) => Object.fromEntries(labels))
}

for (const [version, build, content] of [
  [1, messageV1, contentV1],
  [2, messageV2, contentV2],
] as const) {
  test(`${version}.0: a record that the bus finds too large arrives in parts, every series once and in order`, async () => {
    const fixture = await GatewayFixture.start()
    try {
      fixture.bus.recordBytesMax = recordBytesMax
      fixture.bus.fate = ({ topic, value }) =>
        topic === 'dead_letters' || value.length <= recordBytesMax ? 'stored' : 'too_large'
      const ids = Array.from({ length: 120 }, (_, i) => `part-${i}`)
      const huge = { ...series('team-a', 'huge'), pad: 'p'.repeat(2 * recordBytesMax) }
      const all = [...ids.slice(0, 60).map((id) => series('team-a', id)), huge]
      all.push(...ids.slice(60).map((id) => series('team-a', id)))
      const reply = await post(fixture.port, snappy(build(...all)), { headers: content })
      assert.equal(reply.status, 204, reply.text)
      const arrived = labelsOf(fixture, 'prometheus_metrics')
      assert.deepEqual(
        arrived.map(({ id }) => id),
        ids,
      )
      assert.ok(arrived.every(({ guid }) => guid === 'team-a'))
      const letters = fixture.bus.stored.filter(({ topic }) => topic === 'dead_letters')
      assert.deepEqual(
        letters.map(({ items, headers }) => [items, headers?.['reason'], headers?.['topic']]),
        [[1, 'GP_RECORD_TOO_LARGE', 'prometheus_metrics']],
      )
      // As much of it as the bus takes, which is for people to look at.
      const [letter] = letters
      assert.equal(letter?.value.length, recordBytesMax)
      assert.ok(Number(letter?.headers?.['bytes']) > huge.pad.length)
      assert.ok(letter?.value.includes('huge'))
      const ledger = assertLedger(await fixture.samples()).get('remote_write metrics team-a')
      assert.deepEqual([ledger?.published, ledger?.deadLettered], [120, 1])
    } finally {
      await fixture.close()
    }
  })

  test(`${version}.0: records are cut at limits.recordBytes before the bus has to say so`, async () => {
    const fixture = await GatewayFixture.start(configWith({ GUIDEPOST_LIMITS_RECORD_BYTES: '1024' }))
    try {
      const ids = Array.from({ length: 200 }, (_, i) => `cut-${i}`)
      const body = snappy(build(...ids.map((id) => series('team-a', id))))
      assert.equal((await post(fixture.port, body, { headers: content })).status, 204)
      assert.ok(fixture.bus.stored.length > 4)
      assert.ok(fixture.bus.stored.every(({ value }) => value.length <= 1024))
      assert.deepEqual(
        labelsOf(fixture, 'prometheus_metrics').map(({ id }) => id),
        ids,
      )
      assertLedger(await fixture.samples())
    } finally {
      await fixture.close()
    }
  })
}
