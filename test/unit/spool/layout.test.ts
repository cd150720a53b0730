import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { isWorkerName, parkedIn, parkedName, workerName, workersIn } from '../../../src/spool/layout.ts'
import { FaultyFileSystem } from '../../support/faulty-file-system.ts'

const base = '/data/spool'

test('folders of a spool are found by the names that they were given, in the order of their numbers', async () => {
  const fs = new FaultyFileSystem()
  for (const number of [10, 9, 1]) {
    const worker = join(base, workerName(number))
    for (const depth of [100, 20, 3]) await fs.makeDirectory(join(worker, parkedName(depth)))
  }
  assert.deepEqual(await workersIn(fs, base), [1, 9, 10])
  assert.deepEqual(await parkedIn(fs, join(base, workerName(9))), [3, 20, 100])
})

test('what is called almost like one of them is none', async () => {
  const fs = new FaultyFileSystem()
  const names = [
    'worker-0',
    'worker-01',
    'worker-',
    'worker-1-',
    'worker-1x',
    'xworker-1',
    'worker-1e3',
    'parked-1',
  ]
  for (const name of names) {
    await fs.makeDirectory(join(base, name))
    assert.equal(isWorkerName(name), false, name)
  }
  fs.put(join(base, workerName(2)), Buffer.from('a file'))
  assert.deepEqual(await workersIn(fs, base), [])
  await fs.makeDirectory(join(base, 'worker-3', 'parked-01'))
  assert.deepEqual(await parkedIn(fs, join(base, 'worker-3')), [])
})
