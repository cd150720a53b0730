import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from '../../../src/commands/inspect.ts'
import { fakeIo } from './fake-io.ts'
import { openLog, record } from './filled-log.ts'

function segmentOf(directory: string): string {
  const topic = join(directory, 'prometheus_metrics')
  const [name = ''] = readdirSync(topic).filter((each) => !each.includes('quarantine'))
  return join(topic, name)
}

test('a sound log is a table of topics and guids', async (t) => {
  const log = await openLog(t)
  await log.append(
    record('a'),
    record('a'),
    record('b', { items: 5 }),
    record('a', { topic: 'dead_letters' }),
  )
  await log.close()
  const io = fakeIo()
  assert.equal(await inspect({ directory: log.directory, json: false }, io), 0)
  assert.match(io.stdout.text, /^TOPIC +SEGMENTS +RECORDS +ITEMS +BYTES +OFFSETS +OLDEST +NEWEST +BAD$/m)
  assert.match(io.stdout.text, /^prometheus_metrics +1 +3 +7 +\d+ B +0-2 +2023-\S+Z +2023-\S+Z +0$/m)
  assert.match(io.stdout.text, /^dead_letters +1 +1 +1 /m)
  assert.match(io.stdout.text, /^GUIDS OF prometheus_metrics .*\nb +1 +5 .*\na +2 +2 /m)
  assert.equal(io.stderr.text, '')
})

test('--json has the same for programs', async (t) => {
  const log = await openLog(t)
  await log.append(record('a'), record('b'))
  await log.close()
  const io = fakeIo()
  assert.equal(await inspect({ directory: log.directory, json: true }, io), 0)
  const { topics, damaged, findings } = JSON.parse(io.stdout.text)
  assert.equal(damaged, false)
  assert.deepEqual(findings, [])
  assert.equal(topics[0].records, 2)
  assert.equal(topics[0].guids.b.records, 1)
  assert.equal(topics[0].segments[0].file, segmentOf(log.directory))
})

test('a damaged record is named, and the exit code says so', async (t) => {
  const log = await openLog(t)
  await log.append(record('a'))
  await log.append(record('damaged-guid'))
  await log.append(record('c'))
  await log.close()
  const file = segmentOf(log.directory)
  const bytes = readFileSync(file)
  const place = bytes.lastIndexOf('damaged-guid')
  assert.ok(place > 0)
  bytes[place] = 0x58
  writeFileSync(file, bytes)
  const io = fakeIo()
  assert.equal(await inspect({ directory: log.directory, json: false }, io), 1)
  assert.match(io.stdout.text, /^.*: record 1 at byte \d+ \(\d+ bytes\) is damaged: /m)
  assert.ok(io.stdout.text.includes(file))
  assert.match(io.stdout.text, /^prometheus_metrics +1 +2 +2 .* 1$/m)
  const json = fakeIo()
  assert.equal(await inspect({ directory: log.directory, json: true }, json), 1)
  const { damaged, findings } = JSON.parse(json.stdout.text)
  assert.equal(damaged, true)
  assert.equal(findings[0].offset, 1)
})

test('a torn tail is named and is no damage', async (t) => {
  const log = await openLog(t)
  await log.append(record('a'))
  await log.append(record('b'))
  await log.close()
  const file = segmentOf(log.directory)
  truncateSync(file, readFileSync(file).length - 10)
  const io = fakeIo()
  assert.equal(await inspect({ directory: log.directory, json: false }, io), 0)
  assert.match(
    io.stdout.text,
    /ends in \d+ bytes of an unfinished record at byte \d+; it may not have been acknowledged/,
  )
})

test('progress is shown on a terminal and wiped away', async (t) => {
  const log = await openLog(t)
  await log.append(record('a'))
  await log.close()
  const io = fakeIo()
  io.stderr.isTTY = true
  await inspect({ directory: log.directory, json: false }, io)
  assert.match(io.stderr.text, /prometheus_metrics: 0 MiB, 1 records/)
  assert.ok(io.stderr.text.endsWith('\r\u001b[K'))
})

test('when interrupted it shows nothing rather than half', async (t) => {
  const log = await openLog(t)
  await log.append(record('a'))
  await log.close()
  const io = fakeIo()
  io.stop()
  assert.equal(await inspect({ directory: log.directory, json: false }, io), 1)
  assert.equal(io.stdout.text, '')
})

test('a folder that is missing, is none, or holds nothing, is said so', async (t) => {
  const io = fakeIo()
  assert.equal(await inspect({ directory: '/no/such/folder', json: false }, io), 1)
  assert.equal(io.stderr.text, 'guidepost inspect: there is no folder /no/such/folder\n')
  const folder = mkdtempSync(join(tmpdir(), 'guidepost-inspect-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'file')
  writeFileSync(file, '')
  const wrong = fakeIo()
  assert.equal(await inspect({ directory: file, json: false }, wrong), 1)
  assert.match(wrong.stderr.text, /file is no folder; give the one that holds/)
  rmSync(file)
  const empty = fakeIo()
  assert.equal(await inspect({ directory: folder, json: false }, empty), 0)
  assert.equal(empty.stdout.text, `${folder} holds no segments.\n`)
})
