/** What the drains of a folder's levels tell, each of its own level. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BusRecord } from '../../../../src/bus/bus.ts'
import { Deliveries } from '../../../../src/bus/spooled/deliveries.ts'
import { SpoolFolder } from '../../../../src/bus/spooled/spool-folder.ts'
import { GiB, MiB } from '../../../../src/limits.ts'
import { FaultyFileSystem } from '../../../support/faulty-file-system.ts'
import { until } from '../../../support/until.ts'

function record(guid: string): BusRecord {
  return {
    ...{ topic: 'otlp_spans', guid, encoding: 'otlp_proto', items: 1, batchId: guid },
    ...{ receivedAtMs: 1_760_000_000_000, sender: 0, value: Buffer.from(guid) },
  }
}

const openFolder = (fs: FaultyFileSystem, number: number, count: number): Promise<SpoolFolder> =>
  SpoolFolder.open({
    ...{ directory: '/data/spool', worker: { number, count }, fs },
    ...{ bytesMax: GiB, diskReserveBytes: 0, segmentBytes: MiB, stallMs: 15_000 },
    ...{ onEvent() {}, onCursorProblem() {}, onNotAdopted() {} },
  })

test('only what is delivered of the main level makes senders wait for its end', async () => {
  const fs = new FaultyFileSystem()
  const gone = await openFolder(fs, 2, 2)
  assert.equal(await gone.main.store([record('adopted')]), undefined)
  await gone.close(1_000)

  const folder = await openFolder(fs, 1, 1)
  assert.equal(folder.adopted.length, 1)
  const parked = await folder.openSource()
  assert.equal(await parked.store([record('parked')]), undefined)
  const delivered: string[] = []
  const told: boolean[] = []
  const deliveries = new Deliveries({
    delivering: {
      outlet: {
        append: (records) => Promise.resolve(records.map(() => undefined)),
        isUsable: () => true,
        storedCount: () => delivered.length,
      },
      pace: { retryMsMax: 20, parkMs: 10, parkedMsMax: 50 },
      delivered: ({ guid }) => delivered.push(guid),
      refused: (_record, outcome) => Promise.resolve(outcome),
      unknown() {},
      stuck() {},
    },
    folder,
    bytesPerSecond: GiB,
    isBusUp: () => true,
    handOver: (isNear) => told.push(isNear),
    caughtUp() {},
    missing() {},
    parked() {},
  })
  deliveries.start()
  try {
    await until(
      'both are delivered',
      30_000,
      () => folder.source === undefined && folder.adopted.length === 0,
    )
    assert.deepEqual(delivered, ['adopted', 'parked'])
    assert.deepEqual(told, [], 'of levels that take nothing that arrives')

    assert.equal(await folder.main.store([record('main')]), undefined)
    deliveries.wake()
    await until('the last one too', 30_000, () => delivered.length === 3 && told.length > 1)
    assert.deepEqual(told, [true, false])
  } finally {
    await deliveries.stop()
    await folder.close(1_000)
  }
})
