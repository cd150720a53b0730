/** The parked levels of a folder, made when they are needed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SpoolFolder } from '../../../../src/bus/spooled/spool-folder.ts'
import { GiB, MiB } from '../../../../src/limits.ts'
import { FaultyFileSystem } from '../../../support/faulty-file-system.ts'

test('parked levels that are needed at the same time are two, and in the order of their numbers', async () => {
  const folder = await SpoolFolder.open({
    ...{ directory: '/data/spool', worker: { number: 1, count: 1 }, fs: new FaultyFileSystem() },
    ...{ bytesMax: GiB, diskReserveBytes: 0, segmentBytes: MiB, stallMs: 15_000 },
    ...{ onEvent() {}, onCursorProblem() {}, onNotAdopted() {} },
  })
  try {
    const [target, source] = await Promise.all([folder.openTarget(), folder.openSource()])
    assert.equal(folder.source, source)
    assert.equal(folder.target, target)
    const directories = [...folder.levels].map(({ spool }) => spool.directory)
    assert.deepEqual(directories, [
      '/data/spool/worker-1',
      '/data/spool/worker-1/parked-1',
      '/data/spool/worker-1/parked-2',
    ])
  } finally {
    await folder.close(1_000)
  }
})
