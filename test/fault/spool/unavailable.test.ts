/** A spool whose folder cannot be opened: the gateway runs, senders hear the truth, and it is opened as soon as that works. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { BusRecord } from '../../../src/bus/bus.ts'
import { limits } from '../../../src/limits.ts'
import { DirectoryLock } from '../../../src/segment/directory-lock.ts'
import { diskError, FaultyFileSystem } from '../../support/faulty-file-system.ts'
import { MemoryBus } from '../../support/memory-bus.ts'
import { spooledBus } from '../../support/spooled-bus.ts'
import { until } from '../../support/until.ts'

const directory = '/data/spool'
let count = 0

function record(): BusRecord {
  const batchId = `b${count++}`
  return {
    ...{ topic: 'otlp_spans', guid: 'shop', encoding: 'otlp_proto', items: 1, batchId },
    ...{ receivedAtMs: 1_760_000_000_000, sender: 0, value: Buffer.from(batchId) },
  }
}

for (const code of ['EROFS', 'EACCES', 'ENOSPC', 'EIO']) {
  test(`${code} at start: the bus serves alone, and the spool comes when the disk does`, async () => {
    const fs = new FaultyFileSystem()
    const left = record()
    const memory = new MemoryBus()
    const earlier = spooledBus(memory, { directory }, { fs })
    await earlier.bus.start()
    memory.down()
    assert.deepEqual(await earlier.bus.append([left]), [undefined])
    await earlier.bus.close(1_000)

    const next = new MemoryBus()
    fs.hook = () => {
      throw diskError(code)
    }
    const { bus, books } = spooledBus(next, { directory }, { fs })
    await bus.start()
    try {
      assert.deepEqual(await bus.append([record()]), [undefined], 'Kafka is well')
      assert.equal(bus.health().up, true)
      assert.match(bus.status().problem, new RegExp(code))
      assert.deepEqual(books.events, ['spool_unavailable'])
      next.down()
      const [outcome] = await bus.append([record()])
      assert.equal(outcome?.canRetry, true)
      assert.match(outcome?.code ?? '', /^GP_DISK_/)
      assert.equal(bus.health().up, false, 'now nobody takes anything')
      assert.match(bus.health().reason, new RegExp(code))
      fs.heal()
      await until('there is a spool', 10_000, () => bus.health().up)
      const spooled = record()
      assert.deepEqual(await bus.append([spooled]), [undefined])
      next.up()
      await until('all is delivered', 10_000, () => next.stored.length === 3)
      assert.deepEqual(
        next.stored.slice(1).map(({ batchId }) => batchId),
        [left.batchId, spooled.batchId],
        'what an earlier run left comes first',
      )
      assert.ok(books.events.includes('spool_available'))
    } finally {
      await bus.close(1_000)
    }
  })
}

test('a path that is no folder, and a folder that another has, are mistakes: it does not start', async () => {
  const base = await mkdtemp(join(tmpdir(), 'guidepost-spool-mistakes-'))
  try {
    const file = join(base, 'file')
    await writeFile(file, '')
    const onFile = spooledBus(new MemoryBus(), { directory: join(file, 'spool') })
    await assert.rejects(onFile.bus.start(), { code: 'GP_CONFIG', message: /a part of the path is a file/ })
    const folder = join(base, 'worker-1')
    await mkdir(folder)
    const lock = await DirectoryLock.take(folder)
    const second = spooledBus(new MemoryBus(), { directory: base })
    await assert.rejects(second.bus.start(), { code: 'GP_CONFIG', message: /is being written by/ })
    await lock.release()
  } finally {
    await rm(base, { recursive: true, force: true })
  }
})

test('an owner that is about to end is waited for', async () => {
  const base = await mkdtemp(join(tmpdir(), 'guidepost-spool-ending-'))
  const folder = join(base, 'worker-1')
  await mkdir(folder)
  const lock = await DirectoryLock.take(folder)
  const { bus } = spooledBus(new MemoryBus(), { directory: base })
  const released = new Promise((resolve) => setTimeout(resolve, 500)).then(() => lock.release())
  try {
    await bus.start()
    assert.equal(bus.status().problem, '')
  } finally {
    await released
    await bus.close(1_000)
    await rm(base, { recursive: true, force: true })
  }
})

test('a worker that there is no more, whose folder is still another process’s, is left alone', async () => {
  const base = await mkdtemp(join(tmpdir(), 'guidepost-spool-orphan-'))
  const orphan = join(base, 'worker-2')
  await mkdir(orphan)
  const lock = await DirectoryLock.take(orphan)
  const { bus, books } = spooledBus(new MemoryBus(), { directory: base })
  try {
    await bus.start()
    assert.deepEqual(books.events, ['spool_not_adopted'])
    assert.deepEqual(await bus.append([record()]), [undefined])
  } finally {
    await bus.close(1_000)
    await lock.release()
    await rm(base, { recursive: true, force: true })
  }
})

test('a lock that a killed container has left keeps nobody from starting: the spool comes when it is stale', async () => {
  const base = await mkdtemp(join(tmpdir(), 'guidepost-spool-container-'))
  const folder = join(base, 'worker-1')
  const path = join(folder, 'lock')
  await mkdir(folder)
  const own = await DirectoryLock.take(folder)
  const owner = JSON.parse(await readFile(path, 'utf8')) as object
  await own.release()
  await writeFile(
    path,
    JSON.stringify({ ...owner, pidNamespace: 'pid:[1]', bootId: 'another', host: 'another' }),
  )
  const memory = new MemoryBus()
  const { bus, books } = spooledBus(memory, { directory: base })
  try {
    await bus.start()
    assert.deepEqual(books.events, ['spool_unavailable'])
    assert.match(bus.status().problem, /is being written by process \d+ on another/)
    assert.deepEqual(await bus.append([record()]), [undefined], 'Kafka is well')
    const longAgo = new Date(Date.now() - 2 * limits.logLockMsMax)
    await utimes(path, longAgo, longAgo)
    await until('the spool is there', 10_000, () => bus.status().problem === '')
    memory.down()
    assert.deepEqual(await bus.append([record()]), [undefined])
  } finally {
    await bus.close(1_000)
    await rm(base, { recursive: true, force: true })
  }
})

test('without a spool the bus has all the time that an append may take', async () => {
  const fs = new FaultyFileSystem()
  fs.hook = () => {
    throw diskError('EIO')
  }
  const memory = new MemoryBus()
  const deadlines: (number | undefined)[] = []
  const append = memory.append.bind(memory)
  memory.append = (records, options) => {
    deadlines.push(options?.deadlineMs)
    return append(records, options)
  }
  const { bus } = spooledBus(memory, { directory, afterMs: 700 }, { fs })
  await bus.start()
  try {
    await bus.append([record()])
    fs.heal()
    await until('there is a spool', 10_000, () => bus.status().problem === '')
    await bus.append([record()])
    assert.deepEqual(deadlines, [undefined, 700])
  } finally {
    await bus.close(1_000)
  }
})
