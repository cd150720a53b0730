import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileHeaderBytes, segmentName } from '../../../src/segment/format.ts'
import { directory, inspectAll, openWriter, record } from '../../fault/segment/support.ts'
import { FaultyFileSystem } from '../../support/faulty-file-system.ts'

test('a sound log is counted by topic, segment and guid', async () => {
  const fs = new FaultyFileSystem()
  const { writer } = await openWriter(fs, { segmentBytes: 400 })
  for (const [index, guid] of ['shop', 'bank', 'shop', 'shop', 'bank'].entries()) {
    const made = { ...record(`r${index}`), guid, items: index + 1, receivedAtMs: 1000 + index }
    assert.equal(await writer.append([made]).settled, undefined)
  }
  await writer.close(1000)
  const found = await inspectAll(fs, '/log')
  const segments = found.filter((one) => one.kind === 'segment')
  assert.equal(segments.length, fs.paths().length)
  const topic = found.at(-1)
  assert.ok(topic?.kind === 'topic')
  const { records, items, firstOffset, lastOffset, oldestMs, newestMs, badRecords } = topic
  assert.deepEqual(
    [records, items, firstOffset, lastOffset, oldestMs, newestMs, badRecords],
    [5, 15, 0, 4, 1000, 1004, 0],
  )
  assert.deepEqual(
    [...topic.guids].map(([guid, counts]) => [guid, counts.records, counts.items]),
    [
      ['shop', 3, 8],
      ['bank', 2, 7],
    ],
  )
  assert.deepEqual(found.length, segments.length + 1, 'nothing is wrong')
  assert.deepEqual(await inspectAll(fs, directory), found, 'one folder alone is inspected the same way')
})

test('what is wrong is named with its place, and nothing is changed', async () => {
  const fs = new FaultyFileSystem()
  const { writer } = await openWriter(fs, { segmentBytes: 350 })
  for (let index = 0; index < 8; index++) {
    assert.equal(await writer.append([record(`r${index}`)]).settled, undefined)
  }
  await writer.close(1000)
  const segments = fs.paths()
  assert.equal(segments.length, 4, 'two records in each')
  const [first = '', second = '', , last = ''] = segments
  // The value of the first record, the second file, the end of the last, and company.
  const damaged = fs.bytesOf(first)
  damaged[fileHeaderBytes + 60] = damaged[fileHeaderBytes + 60]! ^ 1
  await fs.unlink(second)
  fs.put(last, fs.bytesOf(last).subarray(0, -5))
  fs.put(`${directory}/notes.txt`, Buffer.from('x'))
  fs.put(`${directory}/quarantine/old.bad`, Buffer.from('xy'))
  const before = fs.paths().map((path) => [path, Buffer.from(fs.bytesOf(path))])
  const found = await inspectAll(fs, '/log')
  const findings = found.filter((one) => one.kind === 'finding').map((one) => one.event)
  assert.equal(findings.length, 2)
  const [bad, torn] = findings
  assert.ok(bad?.kind === 'bad_record')
  assert.deepEqual([bad.file, bad.position, bad.offset], [first, fileHeaderBytes, 0])
  assert.match(bad.reason, /checksum/)
  assert.ok(torn?.kind === 'torn_tail')
  assert.equal(torn.file, `${directory}/${segmentName(6)}`)
  assert.deepEqual(
    found.find((one) => one.kind === 'gap'),
    { kind: 'gap', topic: 'topic', first: 2, last: 3 },
  )
  assert.ok(found.some((one) => one.kind === 'stray' && one.file.endsWith('notes.txt')))
  assert.ok(found.some((one) => one.kind === 'quarantined' && one.bytes === 2))
  assert.deepEqual(
    fs.paths().map((path) => [path, fs.bytesOf(path)]),
    before,
  )
})
