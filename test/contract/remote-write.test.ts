/** Remote write under the contract of all receivers, and what only 2.0 says: how much was written. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { BusRecord } from '../../src/bus/bus.ts'
import { decodeRecord } from '../support/bus-read.ts'
import { GatewayFixture } from '../support/gateway-fixture.ts'
import { assertLedger } from '../support/ledger.ts'
import {
  contentV1,
  contentV2,
  messageV1,
  messageV2,
  post,
  type Reply,
  series,
  snappy,
} from '../support/senders.ts'
import { type Item, receiverContract, type Told } from './receiver-contract.ts'

const versions = [
  [1, messageV1, contentV1],
  [2, messageV2, contentV2],
] as const

function toldBy({ status, text }: Reply): Told {
  if (status === 204) return 'durable'
  if (status === 503) return 'retry'
  if (status === 400) return 'never'
  throw new Error(`answered ${status}: ${text}`)
}

/** Items of a record by their labels; a dead letter's value has the encoding of the record it was. */
function read(record: BusRecord): Item[] {
  const { value, guid, encoding } = record
  const decoded = decodeRecord({
    ...{ topic: record.topic, partition: 0, offset: 0, timestampMs: 0, key: guid, value },
    headers: { guid, encoding },
  })
  const labelsOf = (): string[][] =>
    decoded.version === 1
      ? (decoded.model.timeseries ?? []).map(({ labels }) =>
          (labels ?? []).flatMap(({ name, value: text }) => [name ?? '', text ?? '']),
        )
      : (decoded.model.timeseries ?? []).map(({ labels }) => labels ?? [])
  return labelsOf().map((texts) => ({
    guid: texts[texts.indexOf('guid') + 1] ?? '',
    id: texts[texts.indexOf('id') + 1] ?? '',
  }))
}

for (const [version, build, content] of versions) {
  receiverContract({
    name: `remote write ${version}.0`,
    read,
    async send({ port }, items) {
      const body = snappy(build(...items.map(({ guid, id }) => series(guid, id))))
      const reply = await post(port, body, { headers: content })
      const written = reply.headers['x-prometheus-remote-write-samples-written']
      if (version === 1) assert.equal(written, undefined, 'a 1.0 sender would take zeros for losses')
      else assert.equal(written, reply.status === 204 ? String(items.length) : '0')
      if (reply.status === 503) assert.equal(reply.headers['retry-after'], '1')
      return toldBy(reply)
    },
  })

  test(`remote write ${version}.0: bad series are named in a 400, and the good ones are durable`, async () => {
    const fixture = await GatewayFixture.start()
    try {
      const unsorted = { b: '1', a: '2', guid: 'team-a', id: 'bad' }
      const body = snappy(build(series('team-a', 'good-1'), unsorted, series('team-b', 'good-2')))
      const reply = await post(fixture.port, body, { headers: content })
      assert.equal(reply.status, 400)
      assert.match(reply.text, /^GP_ITEMS_REJECTED: 1 of 3 items refused, the others are kept:\n/)
      assert.match(reply.text, /item 1 \{b="1", a="2", guid="team-a", id="bad"\}: .*not sorted/)
      const written = reply.headers['x-prometheus-remote-write-samples-written']
      assert.equal(written, version === 2 ? '2' : undefined)
      assert.deepEqual(
        fixture.bus.stored
          .flatMap(read)
          .map(({ id }) => id)
          .toSorted(),
        ['good-1', 'good-2'],
      )
      const ledger = assertLedger(await fixture.samples())
      assert.equal(ledger.get('remote_write metrics ')?.rejected, 1)

      // What cannot be taken now is a reason to send everything again, the bad series too.
      fixture.bus.fate = () => 'retry'
      const again = await post(fixture.port, body, { headers: content })
      assert.equal(again.status, 503)
      assert.equal(
        again.headers['x-prometheus-remote-write-samples-written'],
        version === 2 ? '0' : undefined,
      )
      assertLedger(await fixture.samples())
    } finally {
      await fixture.close()
    }
  })
}
