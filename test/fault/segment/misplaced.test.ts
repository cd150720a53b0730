/** Whole records and whole files where no writer puts them: what a copy by hand or a restored backup leaves. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordBytesAtMost } from '../../../src/segment/encode.ts'
import type { SegmentEvent } from '../../../src/segment/events.ts'
import { fileHeaderBytes, segmentName } from '../../../src/segment/format.ts'
import { FaultyFileSystem } from '../../support/faulty-file-system.ts'
import { directory, idsOf, inspectAll, openWriter, readAll, record } from './support.ts'

const ids = ['a', 'b', 'c', 'd']
/** Of a record with a name of one letter. */
const recordBytes = 88
const pathOf = (offset: number): string => `${directory}/${segmentName(offset)}`

/** A log of four records, as many in each segment as told, and where each record ends in the first. */
async function logOf(perSegment: number, names = ids): Promise<{ fs: FaultyFileSystem; ends: number[] }> {
  const fs = new FaultyFileSystem()
  const { writer } = await openWriter(fs, {
    segmentBytes: fileHeaderBytes + (perSegment - 1) * recordBytes + recordBytesAtMost(record('a')),
  })
  const ends: number[] = []
  for (const id of names) {
    assert.equal(await writer.append([record(id)]).settled, undefined)
    ends.push(fs.bytesOf(pathOf(0)).length)
  }
  await writer.close(1000)
  assert.equal(fs.paths().length, Math.ceil(names.length / perSegment))
  return { fs, ends }
}

/** Each record with its head, of the log in one segment. */
function recordsIn(bytes: Buffer, ends: readonly number[]): Buffer[] {
  return ends.map((end, index) => Buffer.from(bytes.subarray(ends[index - 1] ?? fileHeaderBytes, end)))
}

/** What `inspect` finds wrong, apart from gaps, and the gaps. */
async function wrongIn(fs: FaultyFileSystem): Promise<{ findings: SegmentEvent[]; gaps: number[][] }> {
  const found = await inspectAll(fs)
  return {
    findings: found.filter((one) => one.kind === 'finding').map(({ event }) => event),
    gaps: found.filter((one) => one.kind === 'gap').map(({ first, last }) => [first, last]),
  }
}

/** Opens the log, appends, and says at which offset that was. */
async function appendNew(fs: FaultyFileSystem): Promise<number> {
  const { writer } = await openWriter(fs)
  assert.equal(await writer.append([record('new')]).settled, undefined)
  await writer.close(1000)
  return (await readAll(fs)).records.find(({ batchId }) => batchId === 'new')?.offset ?? Number.NaN
}

const doublings: Record<string, (records: Buffer[]) => Buffer[]> = {
  'each behind itself': (records) => records.flatMap((one) => [one, one]),
  'all behind all': (records) => [...records, ...records],
  'the first at the end': (records) => [...records, records[0]!],
  'the last at the front': (records) => [records.at(-1)!, ...records],
}

for (const [how, double] of Object.entries(doublings)) {
  test(`records doubled, ${how}: read once, named, and no offset is used again`, async () => {
    const { fs, ends } = await logOf(4)
    const bytes = fs.bytesOf(pathOf(0))
    const records = recordsIn(bytes, ends)
    const doubled = double(records)
    fs.put(pathOf(0), Buffer.concat([bytes.subarray(0, fileHeaderBytes), ...doubled]))
    const { records: read, events } = await readAll(fs)
    // With the last at the front, that one is as good as the others, and they are what does not follow.
    const expected = how === 'the last at the front' ? ['d'] : ids
    assert.deepEqual(idsOf(read), expected)
    const surplus = doubled.length - expected.length
    assert.equal(events.filter(({ kind }) => kind === 'bad_record').length, surplus)
    const { findings, gaps } = await wrongIn(fs)
    assert.equal(findings.length, surplus)
    for (const event of findings) {
      assert.ok(event.kind === 'bad_record' && event.offset !== undefined)
      assert.match(event.reason, /it is a copy, or of another log/)
    }
    assert.deepEqual(gaps, how === 'the last at the front' ? [[0, 2]] : [])
    assert.equal(await appendNew(fs), ids.length)
  })
}

test('a segment missing in the middle: the others are read, and inspect says which offsets are gone', async () => {
  const { fs } = await logOf(1)
  await fs.unlink(pathOf(1))
  await fs.unlink(pathOf(2))
  const { records, events } = await readAll(fs)
  assert.deepEqual(idsOf(records), ['a', 'd'])
  assert.deepEqual(events, [])
  assert.deepEqual(await wrongIn(fs), { findings: [], gaps: [[1, 2]] })
  assert.equal(await appendNew(fs), 4)
})

for (const place of ['between', 'in place of one', 'last']) {
  test(`a segment of another log put ${place}: named, not read, and all others are read`, async () => {
    const { fs } = await logOf(2)
    const other = await logOf(3, ['x', 'y', 'z', 'w'])
    const foreign = Buffer.from(other.fs.bytesOf(pathOf(3)))
    const at = { between: 1, 'in place of one': 2, last: 9 }[place] ?? 0
    fs.put(pathOf(at), foreign)
    const expected = place === 'in place of one' ? ['a', 'b'] : ids
    const { findings, gaps } = await wrongIn(fs)
    assert.equal(findings.length, 1)
    const [finding] = findings
    assert.ok(finding?.kind === 'segment_unreadable')
    assert.equal(finding.file, pathOf(at))
    assert.match(finding.reason, /its header is that of 00000000000000000003\.seg/)
    if (place !== 'last') assert.deepEqual(gaps, [])
    const offset = await appendNew(fs)
    assert.ok(offset > at && offset >= ids.length, `offset ${offset} is new`)
    const { records, events } = await readAll(fs)
    assert.deepEqual(idsOf(records), [...expected, 'new'])
    assert.deepEqual(
      events.map(({ kind, file }) => [kind, file]),
      [['segment_unreadable', pathOf(at)]],
    )
    assert.ok(fs.bytesOf(pathOf(at)).equals(foreign), 'it is left as it is')
  })
}

test('a segment of another log in the place of a shorter one hides no record of the next, and is named', async () => {
  const { fs } = await logOf(2)
  const other = await logOf(4, ['x', 'y', 'z', 'w'])
  fs.put(pathOf(0), other.fs.bytesOf(pathOf(0)))
  assert.deepEqual(idsOf((await readAll(fs)).records), ['x', 'y', 'z', 'w', 'c', 'd'])
  const overlaps = (await inspectAll(fs)).filter((one) => one.kind === 'overlap')
  assert.deepEqual(overlaps, [{ kind: 'overlap', topic: 'topic', file: pathOf(2), first: 2, last: 3 }])
  assert.deepEqual(await wrongIn(fs), { findings: [], gaps: [] })
  assert.equal(await appendNew(fs), ids.length)
})

const endings: Record<string, (fs: FaultyFileSystem, ends: number[]) => void> = {
  'a damaged tail': (fs, ends) => {
    const bytes = fs.bytesOf(pathOf(0))
    bytes[ends[1]! + 12]! ^= 1
    bytes[ends[2]! + 12]! ^= 1
  },
  'a file without a header': (fs) => {
    fs.bytesOf(pathOf(0)).fill(0, 0, fileHeaderBytes)
  },
}

for (const [what, damage] of Object.entries(endings)) {
  test(`${what} set aside, and the program gone before it wrote: its offsets are not used again`, async () => {
    const { fs, ends } = await logOf(4)
    damage(fs, ends)
    for (let round = 0; round < 3; round++) {
      const { writer } = await openWriter(fs)
      assert.ok(writer.nextOffset >= ids.length, `opening ${round}: ${writer.nextOffset} is new`)
      await writer.close(1000)
    }
    const offset = await appendNew(fs)
    assert.ok(offset >= ids.length)
    // Once something follows, the copy means nothing more.
    assert.equal(
      await appendNew(fs)
        .then(() => openWriter(fs))
        .then(({ writer }) => writer.nextOffset),
      offset + 2,
    )
  })
}

test('retention never empties a log, so that its offsets go on after a restart', async () => {
  const { fs } = await logOf(1)
  for (let round = 0; round < 3; round++) {
    const { writer } = await openWriter(fs, { retentionBytes: 1, retentionMs: 0 })
    assert.equal(writer.nextOffset, ids.length)
    // The disk fails in the middle of a new segment, which is removed again.
    fs.fail({ operation: 'datasync', does: 'EIO' })
    assert.equal((await writer.append([record('lost')]).settled)?.code, 'GP_DISK_FAILED')
    await writer.close(1000)
    assert.deepEqual(fs.paths(), [pathOf(3)])
  }
  assert.equal(await appendNew(fs), ids.length)
})

test('a segment that was written before a restart is not written again', async () => {
  const { fs } = await logOf(4)
  const before = Buffer.from(fs.bytesOf(pathOf(0)))
  assert.equal(await appendNew(fs), ids.length)
  assert.ok(fs.bytesOf(pathOf(0)).equals(before))
  assert.deepEqual(fs.paths(), [pathOf(0), pathOf(4)])
})
