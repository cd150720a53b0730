/** What a drain does with a record that has to go behind others and cannot be written there. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BusRecord } from '../../../../src/bus/bus.ts'
import { Drain } from '../../../../src/bus/spooled/drain.ts'
import { Level } from '../../../../src/bus/spooled/level.ts'
import { sharedPacer } from '../../../../src/bus/spooled/pacer.ts'
import { retryable } from '../../../../src/errors.ts'
import { GiB, MiB } from '../../../../src/limits.ts'
import { SpoolKeys } from '../../../../src/spool/keys.ts'
import { Spool } from '../../../../src/spool/spool.ts'
import { FaultyFileSystem } from '../../../support/faulty-file-system.ts'
import { until } from '../../../support/until.ts'

function record(guid: string): BusRecord {
  return {
    ...{ topic: 'otlp_spans', guid, encoding: 'otlp_proto', items: 1, batchId: guid },
    ...{ receivedAtMs: 1_760_000_000_000, sender: 0, value: Buffer.from(guid) },
  }
}

test('what could not be parked, and has none before it by then, is delivered once', async () => {
  const spool = await Spool.open({
    ...{ directory: '/data/spool', fs: new FaultyFileSystem(), bytesMax: GiB, segmentBytes: MiB },
    ...{ diskReserveBytes: 0, stallMs: 15_000, onEvent() {}, onCursorProblem() {} },
  })
  const level = new Level(spool, new SpoolKeys())
  assert.equal(await level.store([record('follower'), record('free')]), undefined)
  const delivered: string[] = []
  let isBehind = true
  let isDone = false
  const drain = new Drain({
    level,
    deliveryBytes: MiB,
    pacer: sharedPacer(GiB),
    pace: { retryMsMax: 20, parkMs: 10, parkedMsMax: 50 },
    outlet: {
      append: (records) => Promise.resolve(records.map(() => undefined)),
      isUsable: () => true,
      storedCount: () => delivered.length,
    },
    delivered: ({ guid }) => delivered.push(guid),
    refused: (_record, outcome) => Promise.resolve(outcome),
    unknown() {},
    stuck() {},
    isBehind: (key) => isBehind && key.includes('follower'),
    park: () => {
      // Those before it are delivered while the disk says no.
      isBehind = false
      return Promise.resolve(retryable('GP_DISK_FULL', 'the test says so'))
    },
    mayPark: () => false,
    caughtUp: () => {
      isDone = true
      return true
    },
  })
  const running = drain.run()
  try {
    await until('everything is delivered', 30_000, () => isDone)
  } finally {
    drain.stop()
    await running
    await spool.close(1_000)
  }
  assert.deepEqual(delivered.sort(), ['follower', 'free'])
})
