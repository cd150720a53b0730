import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../src/limits.ts'
import { segmentName } from '../../../src/segment/format.ts'
import { directory, idsOf, openWriter, readAll, record } from '../../fault/segment/support.ts'
import { FaultyFileSystem } from '../../support/faulty-file-system.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { until } from '../../support/until.ts'

const hourMs = 3_600_000

test('the oldest whole segments go when there are too many bytes, and the rest is still read', async () => {
  const fs = new FaultyFileSystem()
  const { writer, events } = await openWriter(fs, { segmentBytes: 1000, retentionBytes: 3000 })
  for (let index = 0; index < 100; index++) {
    assert.equal(await writer.append([record(`r${index}`)]).settled, undefined)
  }
  await writer.close(1000)
  let bytes = 0
  for (const path of fs.paths()) bytes += fs.bytesOf(path).length
  assert.ok(bytes <= 4000 && bytes > 1000, `${bytes} bytes are kept: the bound and one segment at most`)
  const ids = idsOf((await readAll(fs)).records)
  assert.deepEqual(
    ids,
    Array.from({ length: ids.length }, (_, index) => `r${100 - ids.length + index}`),
  )
  assert.ok(events.length > 0 && events.every((event) => event.kind === 'segment_deleted'))
})

test('what is older than the age goes when the log is opened, but never the last segment', async () => {
  const fs = new FaultyFileSystem()
  const first = await openWriter(fs, { segmentBytes: 200 })
  for (const id of ['a', 'b', 'c']) assert.equal(await first.writer.append([record(id)]).settled, undefined)
  await first.writer.close(1000)
  fs.setModified(`${directory}/${segmentName(0)}`, Date.now() - 3 * hourMs)
  fs.setModified(`${directory}/${segmentName(2)}`, Date.now() - 3 * hourMs)
  const second = await openWriter(fs, { retentionMs: 2 * hourMs })
  await second.writer.close(1000)
  assert.deepEqual(idsOf((await readAll(fs)).records), ['b', 'c'])
})

test('what becomes too old while the log is open goes at the next look, the segment that is written to stays', async () => {
  const clock = new ManualClock()
  const fs = new FaultyFileSystem()
  fs.clock = clock
  const { writer, events } = await openWriter(fs, { segmentBytes: 200, retentionMs: 2 * hourMs, clock })
  for (const id of ['a', 'b', 'c']) {
    assert.equal(await writer.append([record(id)]).settled, undefined)
    clock.pass(hourMs)
  }
  // A segment is as old as the moment at which it was closed: `a` two hours, `b` one.
  assert.deepEqual(idsOf((await readAll(fs)).records), ['a', 'b', 'c'])
  clock.pass(limits.logRetentionCheckMs)
  const deleted = (): number => events.filter(({ kind }) => kind === 'segment_deleted').length
  await until('the first is gone', 5_000, () => deleted() === 1)
  assert.deepEqual(idsOf((await readAll(fs)).records), ['b', 'c'])
  clock.pass(100 * hourMs)
  await until('the second is gone', 5_000, () => deleted() === 2)
  assert.deepEqual(idsOf((await readAll(fs)).records), ['c'])
  await writer.close(1000)
})

test('a clock on the wall that is set back deletes nothing', async () => {
  const clock = new ManualClock()
  const fs = new FaultyFileSystem()
  fs.clock = clock
  const { writer, events } = await openWriter(fs, { segmentBytes: 200, retentionMs: hourMs, clock })
  for (const id of ['a', 'b']) assert.equal(await writer.append([record(id)]).settled, undefined)
  clock.setWall(0)
  clock.pass(hourMs)
  await writer.close(1000)
  assert.deepEqual(events, [])
})
