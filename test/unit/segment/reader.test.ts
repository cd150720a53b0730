import assert from 'node:assert/strict'
import { test } from 'node:test'
import { segmentName } from '../../../src/segment/format.ts'
import { SegmentReader } from '../../../src/segment/reader.ts'
import { directory, idsOf, openWriter, readAll, record } from '../../fault/segment/support.ts'
import { diskError, FaultyFileSystem } from '../../support/faulty-file-system.ts'

function openReader(fs: FaultyFileSystem): SegmentReader {
  return new SegmentReader({ fs, directory, onEvent: (event) => assert.fail(JSON.stringify(event)) })
}

async function drain(reader: SegmentReader): Promise<string[]> {
  const ids: string[] = []
  for (let next = await reader.next(); next !== undefined; next = await reader.next()) ids.push(next.batchId)
  return ids
}

test('a reader goes on where it stopped, across segments', async () => {
  const fs = new FaultyFileSystem()
  const reader = openReader(fs)
  assert.deepEqual(await drain(reader), [], 'the folder is not there yet')
  const { writer } = await openWriter(fs, { segmentBytes: 250 })
  for (let round = 0; round < 10; round++) {
    const ids = [`${round}a`, `${round}b`, `${round}c`]
    for (const id of ids) assert.equal(await writer.append([record(id)]).settled, undefined)
    assert.deepEqual(await drain(reader), ids)
  }
  await reader.close()
  await writer.close(1000)
  assert.ok(fs.paths().length > 5, 'several segments')
})

test('reading begins at any offset', async () => {
  const fs = new FaultyFileSystem()
  const { writer } = await openWriter(fs, { segmentBytes: 250 })
  const ids = Array.from({ length: 12 }, (_, index) => `r${index}`)
  for (const id of ids) assert.equal(await writer.append([record(id)]).settled, undefined)
  for (let offset = 0; offset <= ids.length; offset++) {
    const reader = openReader(fs)
    await reader.seek(offset)
    assert.deepEqual(await drain(reader), ids.slice(offset), `from ${offset}`)
    await reader.close()
  }
  await writer.close(1000)
})

test('a reader from the end sees what comes, one that stops at the present end does not', async () => {
  const fs = new FaultyFileSystem()
  const { writer } = await openWriter(fs, { segmentBytes: 250 })
  for (const id of ['a', 'b', 'c']) assert.equal(await writer.append([record(id)]).settled, undefined)
  const fromEnd = openReader(fs)
  await fromEnd.seekToEnd()
  const toEnd = openReader(fs)
  await toEnd.stopAtPresentEnd()
  for (const id of ['d', 'e', 'f']) assert.equal(await writer.append([record(id)]).settled, undefined)
  assert.deepEqual(await drain(fromEnd), ['d', 'e', 'f'])
  assert.deepEqual(await drain(toEnd), ['a', 'b', 'c'])
  await fromEnd.close()
  await toEnd.close()
  await writer.close(1000)
})

test('a record that is only half there is waited for', async () => {
  const fs = new FaultyFileSystem()
  const { writer } = await openWriter(fs)
  for (const id of ['a', 'b']) assert.equal(await writer.append([record(id)]).settled, undefined)
  await writer.close(1000)
  const path = `${directory}/${segmentName(0)}`
  const whole = Buffer.from(fs.bytesOf(path))
  const found: string[] = []
  const growing = new FaultyFileSystem()
  growing.put(path, Buffer.alloc(0))
  const file = await growing.open(path, 'write')
  const follower = openReader(growing)
  for (let at = 0; at < whole.length; at++) {
    await file.writev([whole.subarray(at, at + 1)], at)
    found.push(...(await drain(follower)))
  }
  assert.deepEqual(found, ['a', 'b'])
  await follower.close()
})

test('records larger than a read are read whole', async () => {
  const fs = new FaultyFileSystem()
  const { writer } = await openWriter(fs, { segmentBytes: 100_000_000 })
  const sizes = [300_000, 10, 9_000_000, 10, 700_000]
  for (const [index, bytes] of sizes.entries()) {
    assert.equal(await writer.append([record(`r${index}`, Buffer.alloc(bytes, index))]).settled, undefined)
  }
  const { records } = await readAll(fs)
  assert.deepEqual(
    records.map(({ value }) => value.length),
    sizes,
  )
  for (const [index, { value }] of records.entries()) assert.ok(value.every((byte) => byte === index))
  await writer.close(1000)
})

test('an old segment that retention takes away while it is read is no error', async () => {
  const fs = new FaultyFileSystem()
  const { writer } = await openWriter(fs, { segmentBytes: 200 })
  for (const id of ['a', 'b', 'c', 'd']) assert.equal(await writer.append([record(id)]).settled, undefined)
  const reader = openReader(fs)
  assert.equal((await reader.next())?.batchId, 'a')
  await fs.unlink(`${directory}/${segmentName(0)}`)
  await fs.unlink(`${directory}/${segmentName(1)}`)
  assert.deepEqual(await drain(reader), ['c', 'd'])
  await reader.close()
  await writer.close(1000)
  assert.deepEqual(idsOf((await readAll(fs)).records), ['c', 'd'])
})

for (const appended of [1, 3]) {
  test(`a segment removed after a failed write and made again, with ${appended} records, after a restart is read`, async () => {
    const fs = new FaultyFileSystem()
    const settings = { segmentBytes: 200 }
    const first = await openWriter(fs, settings)
    assert.equal(await first.writer.append([record('a')]).settled, undefined)
    const reader = openReader(fs)
    assert.equal((await reader.next())?.batchId, 'a')
    // The reader has the new segment open, and has even seen the record, when the sync fails.
    fs.hook = async (operation) => {
      if (operation !== 'datasync') return undefined
      fs.hook = () => undefined
      assert.equal((await reader.next())?.batchId, 'lost')
      throw diskError('EIO')
    }
    assert.equal((await first.writer.append([record('lost')]).settled)?.code, 'GP_DISK_FAILED')
    await first.writer.close(1000)
    const { writer } = await openWriter(fs, settings)
    const ids = ['b', 'c', 'd'].slice(0, appended)
    for (const id of ids) assert.equal(await writer.append([record(id)]).settled, undefined)
    assert.ok(fs.paths().includes(`${directory}/${segmentName(1)}`), 'the name is used again')
    for (const id of ids) assert.equal((await reader.next())?.batchId, id)
    assert.equal(await reader.next(), undefined)
    await reader.close()
    await writer.close(1000)
  })
}
