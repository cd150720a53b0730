/** The disk of the fault tests loses what a disk may lose, and nothing else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FaultyFileSystem } from '../../support/faulty-file-system.ts'
import { Random } from '../../support/random.ts'

const path = '/log/file'
const synced = Buffer.alloc(300, 's')
const written = Buffer.alloc(300, 'w')

async function fileWith(fs: FaultyFileSystem) {
  await fs.makeDirectory('/log')
  const file = await fs.open(path, 'create')
  await file.writev([synced], 0)
  await file.sync()
  await fs.syncDirectory('/log')
  return file
}

test('a power cut keeps what was synced; of the rest all, none, a part or noise', async () => {
  const outcomes = new Set<string>()
  for (let seed = 0; seed < 500; seed++) {
    const fs = new FaultyFileSystem()
    const file = await fileWith(fs)
    await file.writev([written], synced.length)
    fs.losePower(new Random(seed))
    const bytes = fs.bytesOf(path)
    assert.ok(bytes.subarray(0, synced.length).equals(synced))
    const rest = bytes.subarray(synced.length)
    if (rest.length < written.length) outcomes.add(rest.length === 0 ? 'none' : 'cut')
    else if (rest.equals(written)) outcomes.add('all')
    else if (rest.subarray(-100).equals(written.subarray(-100))) outcomes.add('the end before the beginning')
    else outcomes.add(rest.every((byte) => byte === 0 || byte === 0x77) ? 'holes' : 'noise')
  }
  assert.deepEqual([...outcomes].sort(), [
    'all',
    'cut',
    'holes',
    'noise',
    'none',
    'the end before the beginning',
  ])
})

test('what a failed sync dropped is seen, and no later sync writes it', async () => {
  let lost = 0
  for (let seed = 0; seed < 50; seed++) {
    const fs = new FaultyFileSystem()
    const file = await fileWith(fs)
    await file.writev([written], 512)
    fs.fail({ operation: 'datasync', does: 'EIO' })
    await assert.rejects(file.datasync(), { code: 'EIO' })
    await file.datasync()
    assert.ok(fs.bytesOf(path).subarray(512).equals(written), 'the cache has it')
    fs.losePower(new Random(seed))
    const after = fs.bytesOf(path)
    assert.ok(after.subarray(0, synced.length).equals(synced))
    if (!after.subarray(512).equals(written)) lost += 1
  }
  assert.ok(lost > 25, `${lost} of 50`)
})

test('names are as they were or as they are, until their directory is synced; a move loses no file', async () => {
  const seen = new Set<string>()
  for (let seed = 0; seed < 200; seed++) {
    const fs = new FaultyFileSystem()
    await fileWith(fs)
    await fs.makeDirectory('/log/aside')
    await (await fs.open('/log/new', 'create')).sync()
    await fs.rename(path, '/log/aside/file')
    if (seed % 2 === 0) await fs.syncDirectory('/log/aside')
    fs.losePower(new Random(seed))
    const paths = fs.paths()
    assert.ok(paths.includes(path) || paths.includes('/log/aside/file'), String(paths))
    if (seed % 2 === 0) assert.ok(paths.includes('/log/aside/file'))
    seen.add(String(paths.includes('/log/new')))
  }
  assert.equal(seen.size, 2)
})

test('a disk takes what it has room for, and what is removed makes room', async () => {
  const fs = new FaultyFileSystem()
  const file = await fileWith(fs)
  fs.leaveRoom(100)
  assert.equal(await fs.freeBytes(), 100)
  assert.equal(await file.writev([written], synced.length), 100)
  await assert.rejects(file.writev([written], synced.length + 100), { code: 'ENOSPC' })
  assert.equal(await file.writev([written], 0), written.length, 'what is there may be written over')
  await file.truncate(50)
  assert.equal(await fs.freeBytes(), 350)
})

test('a fault strikes where it is told, as often as it is told', async () => {
  const fs = new FaultyFileSystem()
  const file = await fileWith(fs)
  fs.fail({ operation: 'writev', path: /file$/, nth: 2, times: 2, does: 'EIO' })
  const outcomes: string[] = []
  for (let count = 0; count < 4; count++) {
    outcomes.push(await file.writev([synced], 0).then(String, (error: Error) => error.message))
  }
  assert.deepEqual(outcomes, ['300', 'EIO: injected', 'EIO: injected', '300'])
  fs.fail({ operation: 'writev', does: { takes: 7 } })
  assert.equal(await file.writev([synced], 0), 7)
})

test('what a dead process still tries fails and changes nothing; the next one sees the cache', async () => {
  const fs = new FaultyFileSystem()
  const file = await fileWith(fs)
  await file.writev([written], 0)
  fs.slow(new Random(3))
  const late = Promise.allSettled([file.writev([synced], 0), file.truncate(0), fs.unlink(path)])
  const next = fs.restart(new Random(1))
  assert.deepEqual(
    (await late).map(({ status }) => status),
    ['rejected', 'rejected', 'rejected'],
  )
  assert.ok(next.bytesOf(path).equals(written))
})
