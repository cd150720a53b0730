import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileHeaderBytes, segmentName } from '../../../src/segment/format.ts'
import { diskError, FaultyFileSystem } from '../../support/faulty-file-system.ts'
import { Random } from '../../support/random.ts'
import { directory, idsOf, inspectAll, openWriter, readAll, record } from './support.ts'

const path = `${directory}/${segmentName(0)}`
const ids = ['a', 'b', 'c', 'd']

/** A segment with four records, and where each of them ends. */
async function sample(): Promise<{ bytes: Buffer; ends: number[] }> {
  const fs = new FaultyFileSystem()
  const { writer } = await openWriter(fs)
  const ends: number[] = []
  for (const id of ids) {
    assert.equal(await writer.append([record(id)]).settled, undefined)
    ends.push(fs.bytesOf(path).length)
  }
  await writer.close(1000)
  return { bytes: Buffer.from(fs.bytesOf(path)), ends }
}

/** What `inspect` finds. */
async function wrongIn(fs: FaultyFileSystem): Promise<string[]> {
  return (await inspectAll(fs)).flatMap((one) => {
    if (one.kind === 'segment' || one.kind === 'topic') return []
    return one.kind === 'finding' ? one.event.kind : one.kind
  })
}

test('a segment cut at any byte opens with every record that is whole, and takes new ones', async () => {
  const { bytes, ends } = await sample()
  for (let cut = 0; cut <= bytes.length; cut++) {
    const fs = new FaultyFileSystem()
    fs.put(path, bytes.subarray(0, cut))
    const whole = ids.filter((_, index) => ends[index]! <= cut)
    const seen = await wrongIn(fs)
    const { writer, events } = await openWriter(fs)
    assert.deepEqual(idsOf((await readAll(fs)).records), whole, `cut at ${cut}`)
    const isBetween = cut === fileHeaderBytes || ends.includes(cut)
    assert.deepEqual(
      events.map((event) => event.kind),
      isBetween ? [] : ['torn_tail'],
      `cut at ${cut}`,
    )
    // A file without a header may be one in the making, or not: inspect does not vouch for it.
    const kinds = cut < fileHeaderBytes ? ['segment_unreadable'] : events.map((event) => event.kind)
    assert.deepEqual(seen, kinds, `inspect of what is cut at ${cut}`)
    assert.equal(await writer.append([record('new')]).settled, undefined)
    await writer.close(1000)
    const { records, events: reported } = await readAll(fs)
    assert.deepEqual(idsOf(records), [...whole, 'new'], `cut at ${cut}`)
    assert.deepEqual(reported, [])
  }
})

test('any damaged byte costs its own record, which is named, and no other', async () => {
  const { bytes, ends } = await sample()
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Buffer.from(bytes)
    damaged[at] = damaged[at]! ^ (1 + (at % 255))
    const fs = new FaultyFileSystem()
    fs.put(path, damaged)
    const hit = at < fileHeaderBytes ? -1 : ends.findIndex((end) => at < end)
    const expected = ids.filter((_, index) => index !== hit)
    const before = await readAll(fs)
    assert.deepEqual(idsOf(before.records), expected, `byte ${at}, before recovery`)
    assert.deepEqual(await wrongIn(fs), hit < 0 ? [] : ['bad_record'], `inspect of damage at ${at}`)
    const { writer, events } = await openWriter(fs)
    assert.equal(await writer.append([record('new')]).settled, undefined)
    await writer.close(1000)
    const after = await readAll(fs)
    assert.deepEqual(idsOf(after.records), [...expected, 'new'], `byte ${at}, after recovery`)
    assert.equal(
      new Set(after.records.map(({ offset }) => offset)).size,
      expected.length + 1,
      'no offset twice',
    )
    if (hit < 0) {
      assert.deepEqual(events, [])
      continue
    }
    assert.equal(events.length, 1, `byte ${at} is reported`)
    const event = events[0]!
    assert.equal(event.kind, 'bad_record')
    assert.ok(event.kind === 'bad_record' && event.quarantine !== undefined)
    const start = hit === 0 ? fileHeaderBytes : ends[hit - 1]!
    assert.equal(event.position, start)
    assert.deepEqual(
      fs.bytesOf(event.quarantine),
      damaged.subarray(start, ends[hit]!),
      'the copy is what was there',
    )
  }
})

test('both file headers damaged: the file is set aside and the log goes on above its offsets', async () => {
  const { bytes } = await sample()
  bytes[3] = 0
  bytes[35] = 0
  const fs = new FaultyFileSystem()
  fs.put(path, bytes)
  const { writer, events } = await openWriter(fs)
  assert.equal(events[0]?.kind, 'segment_unreadable')
  assert.equal(await writer.append([record('new')]).settled, undefined)
  await writer.close(1000)
  const { records } = await readAll(fs)
  assert.deepEqual(idsOf(records), ['new'])
  assert.ok(records[0]!.offset >= ids.length)
  assert.ok(fs.paths().includes(`${directory}/quarantine/${segmentName(0)}`))
})

test('a whole record inside a value is not taken for one when its surroundings are damaged', async () => {
  const inner = await sample()
  const forged = inner.bytes.subarray(fileHeaderBytes)
  const fs = new FaultyFileSystem()
  const { writer } = await openWriter(fs)
  assert.equal(
    await writer.append([record('outer', Buffer.concat([forged, forged])), record('next')]).settled,
    undefined,
  )
  await writer.close(1000)
  const bytes = fs.bytesOf(path)
  bytes[fileHeaderBytes] = 0
  assert.deepEqual(idsOf((await readAll(fs)).records), ['next'])
})

test('a missing segment, stray files and folders do not disturb opening or reading', async () => {
  const fs = new FaultyFileSystem()
  const { writer } = await openWriter(fs, { segmentBytes: 200 })
  for (const id of ids) assert.equal(await writer.append([record(id)]).settled, undefined)
  await writer.close(1000)
  await fs.unlink(`${directory}/${segmentName(1)}`)
  fs.put(`${directory}/notes.txt`, Buffer.from('x'))
  fs.put(`${directory}/backup/${segmentName(9)}`, Buffer.from('x'))
  fs.put(`${directory}/99999999999999999999.seg`, Buffer.from('x'))
  const again = await openWriter(fs)
  assert.deepEqual(again.events, [])
  assert.equal(await again.writer.append([record('new')]).settled, undefined)
  await again.writer.close(1000)
  assert.deepEqual(idsOf((await readAll(fs)).records), ['a', 'c', 'd', 'new'])
})

test('a disk that cannot read the last segment does not keep the log from opening', async () => {
  const { bytes } = await sample()
  const fs = new FaultyFileSystem()
  fs.put(path, bytes)
  fs.hook = (operation) => {
    if (operation === 'read') throw Object.assign(new Error('EIO'), { code: 'EIO' })
    return undefined
  }
  const { writer, events } = await openWriter(fs)
  fs.hook = () => undefined
  assert.equal(events[0]?.kind, 'segment_unreadable')
  assert.equal(await writer.append([record('new')]).settled, undefined)
  await writer.close(1000)
  assert.deepEqual(idsOf((await readAll(fs)).records), [...ids, 'new'])
})

/** The sample with a damaged head in its last record, so that nothing follows the damage. */
async function damagedTail(): Promise<{ bytes: Buffer; tailAt: number }> {
  const { bytes, ends } = await sample()
  const tailAt = ends.at(-2)!
  bytes[tailAt + 12]! ^= 1
  return { bytes, tailAt }
}

test('a damaged end of which no copy can be made is not cut off; the log goes on in a new file', async () => {
  const { bytes, tailAt } = await damagedTail()
  const fs = new FaultyFileSystem()
  fs.put(path, bytes)
  fs.hook = (operation, file) => {
    if (operation === 'writev' && file.includes('quarantine')) throw diskError('ENOSPC')
    return undefined
  }
  const { writer, events } = await openWriter(fs)
  assert.equal(events[0]?.kind === 'bad_record' ? events[0].quarantine : 'no event', undefined)
  assert.equal(await writer.append([record('new')]).settled, undefined)
  await writer.close(1000)
  assert.deepEqual(
    fs.bytesOf(path).subarray(tailAt),
    bytes.subarray(tailAt),
    'the damaged bytes are still there',
  )
  assert.deepEqual(idsOf((await readAll(fs)).records), [...ids.slice(0, -1), 'new'])
  assert.deepEqual(
    fs.paths().filter((name) => name.includes('quarantine')),
    [],
    'no half copy is left',
  )
})

test('a copy that a dying program left half made is not taken for the copy', async () => {
  const { bytes, tailAt } = await damagedTail()
  for (let fault = 0; fault < 80; fault++) {
    const fs = new FaultyFileSystem()
    fs.put(path, bytes)
    // From this operation on nothing is done any more, as when the program dies; then the power goes.
    fs.hook = () => {
      if (fs.operations > fault) throw diskError('EIO')
      return undefined
    }
    await openWriter(fs).then(
      ({ writer }) => writer.close(0),
      () => undefined,
    )
    fs.losePower(new Random(fault))
    const { writer } = await openWriter(fs)
    await writer.close(1000)
    const tail = bytes.subarray(tailAt)
    const copies = fs.paths().filter((name) => fs.bytesOf(name).includes(tail))
    assert.notDeepEqual(copies, [], `fault at operation ${fault}: the damaged bytes are gone`)
  }
})

test('other damage at a position that was cut and written anew gets a copy of its own', async () => {
  const { bytes, tailAt } = await damagedTail()
  const fs = new FaultyFileSystem()
  fs.put(path, bytes)
  await openWriter(fs).then(({ writer }) => writer.close(1000))
  const again = Buffer.from(bytes)
  again[tailAt + 20]! ^= 1
  fs.put(path, again)
  const { writer, events } = await openWriter(fs)
  await writer.close(1000)
  const event = events[0]
  assert.ok(event?.kind === 'bad_record' && event.quarantine !== undefined)
  assert.deepEqual(fs.bytesOf(event.quarantine), again.subarray(tailAt))
})
