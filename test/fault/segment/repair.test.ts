/** Repairs of every damage, and what is left when one is cut short at any moment. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDamage } from '../../../src/commands/inspect-report.ts'
import { planRepair } from '../../../src/commands/repair-plan.ts'
import { fileHeaderBytes, markerBytes, segmentName } from '../../../src/segment/format.ts'
import { diskError, FaultyFileSystem } from '../../support/faulty-file-system.ts'
import { Random } from '../../support/random.ts'
import { directory, idsOf, inspectAll, openWriter, readAll, record } from './support.ts'

const path = `${directory}/${segmentName(0)}`
const ids = ['a', 'b', 'c']

/** A segment with three records, and where each of them ends. */
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

async function repair(fs: FaultyFileSystem): Promise<number> {
  const steps = await planRepair(await inspectAll(fs), fs)
  for (const { apply } of steps) await apply?.()
  return steps.length
}

async function damageIn(fs: FaultyFileSystem): Promise<number> {
  return (await inspectAll(fs)).filter((each) => isDamage(each) || each.kind === 'leftover').length
}

/** All bytes of the folder and its quarantine, to look for what was there. */
function isKept(fs: FaultyFileSystem, bytes: Buffer): boolean {
  return fs.paths().some((name) => fs.bytesOf(name).includes(bytes))
}

test('cut at every byte: mended in one step, sound afterwards, whole records stay, no byte is destroyed', async () => {
  const { bytes, ends } = await sample()
  for (let cut = 0; cut <= bytes.length; cut++) {
    const fs = new FaultyFileSystem()
    fs.put(path, bytes.subarray(0, cut))
    const isBetween = cut === fileHeaderBytes || ends.includes(cut)
    assert.equal(await repair(fs), isBetween ? 0 : 1, `cut at ${cut}`)
    assert.equal(await damageIn(fs), 0, `cut at ${cut}`)
    assert.equal(await repair(fs), 0, `cut at ${cut}: nothing is left to do`)
    const whole = ids.filter((_, index) => ends[index]! <= cut)
    const { records, events } = await readAll(fs)
    assert.deepEqual(idsOf(records), whole, `cut at ${cut}`)
    assert.deepEqual(events, [], `cut at ${cut}`)
    const start = Math.max(0, ...[fileHeaderBytes, ...ends].filter((end) => end <= cut))
    assert.ok(
      isKept(fs, bytes.subarray(start, cut)),
      `cut at ${cut}: what lay behind the last record is kept`,
    )
    const { writer } = await openWriter(fs)
    assert.equal(await writer.append([record('new')]).settled, undefined)
    await writer.close(1000)
    assert.deepEqual(idsOf((await readAll(fs)).records), [...whole, 'new'])
  }
})

test('any damaged byte: mended, sound afterwards, the other records stay, what is damaged is kept', async () => {
  const { bytes, ends } = await sample()
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Buffer.from(bytes)
    damaged[at] = damaged[at]! ^ (1 + (at % 255))
    const fs = new FaultyFileSystem()
    fs.put(path, damaged)
    const hit = at < fileHeaderBytes ? -1 : ends.findIndex((end) => at < end)
    assert.equal(await repair(fs), hit < 0 ? 0 : 1, `byte ${at}`)
    assert.equal(await damageIn(fs), 0, `byte ${at}`)
    assert.equal(await repair(fs), 0, `byte ${at}: nothing is left to do`)
    const expected = ids.filter((_, index) => index !== hit)
    assert.deepEqual(idsOf((await readAll(fs)).records), expected, `byte ${at}`)
    assert.ok(
      isKept(fs, damaged.subarray(hit <= 0 ? fileHeaderBytes : ends[hit - 1]!, ends[Math.max(0, hit)])),
    )
  }
})

/** A folder with one of each: a damaged record, a segment without a header, a torn tail, an unfinished copy. */
async function wreck(): Promise<{ files: [string, Buffer][]; whole: string[] }> {
  const { bytes, ends } = await sample()
  const fs = new FaultyFileSystem()
  for (const id of ids) {
    const { writer } = await openWriter(fs)
    assert.equal(await writer.append([record(id), record(`${id}2`)]).settled, undefined)
    await writer.close(1000)
  }
  const [first = '', second = '', third = ''] = fs.paths()
  fs.bytesOf(first)[fileHeaderBytes + 60]! ^= 1
  fs.bytesOf(second)[0]! ^= 1
  fs.bytesOf(second)[32]! ^= 1
  fs.put(third, fs.bytesOf(third).subarray(0, -5))
  fs.put(`${directory}/quarantine/${segmentName(2)}`, bytes.subarray(0, ends[0]))
  fs.put(`${directory}/quarantine/00000000000000000000-64.tmp`, Buffer.from('x'))
  const files = fs.paths().map((name): [string, Buffer] => [name, Buffer.from(fs.bytesOf(name))])
  return { files, whole: ['a2', 'c'] }
}

/** The bytes behind each marker, up to the next: a record, whole or not. */
function recordsIn(bytes: Buffer): Buffer[] {
  const starts: number[] = []
  for (let at = bytes.indexOf(markerBytes); at >= 0; at = bytes.indexOf(markerBytes, at + 1)) starts.push(at)
  return starts.map((start, index) => bytes.subarray(start, starts[index + 1] ?? bytes.length))
}

test('a repair that is cut short anywhere, by a death or a power cut, destroys nothing and can be made again', async () => {
  const { files, whole } = await wreck()
  const parts = files.filter(([name]) => !name.endsWith('.tmp')).flatMap(([, bytes]) => recordsIn(bytes))
  assert.equal(parts.length, 7)
  let isWhole = false
  for (let after = 1; !isWhole; after++) {
    for (const how of ['death', 'power'] as const) {
      const fs = new FaultyFileSystem()
      for (const [name, bytes] of files) fs.put(name, Buffer.from(bytes))
      const steps = await planRepair(await inspectAll(fs), fs)
      const deadAt = fs.operations + after
      fs.hook = () => {
        if (fs.operations >= deadAt) fs.die()
        return undefined
      }
      for (const { apply } of steps) await apply?.().catch(() => undefined)
      isWhole = !fs.isDead
      const random = new Random(after)
      const next = fs.restart(random)
      if (how === 'power') next.losePower(random)
      for (const [index, part] of parts.entries()) {
        assert.ok(isKept(next, part), `${how} after ${after} operations: part ${index} is gone`)
      }
      await repair(next)
      assert.equal(await damageIn(next), 0, `${how} after ${after} operations`)
      assert.deepEqual(idsOf((await readAll(next)).records), whole, `${how} after ${after} operations`)
    }
  }
})

test('a disk that fails during a repair: the step fails, nothing is cut, a later one succeeds', async () => {
  const { bytes, ends } = await sample()
  for (const operation of ['writev', 'sync', 'rename', 'syncDirectory', 'makeDirectory'] as const) {
    const fs = new FaultyFileSystem()
    fs.put(path, bytes.subarray(0, -5))
    const [step] = await planRepair(await inspectAll(fs), fs)
    fs.hook = (actual, file) => {
      if (actual === operation && (file.includes('quarantine') || actual === 'makeDirectory')) {
        throw diskError('ENOSPC')
      }
      return undefined
    }
    await assert.rejects(step!.apply!(), { code: 'ENOSPC' }, operation)
    fs.heal()
    assert.ok(fs.bytesOf(path).length === bytes.length - 5, `${operation}: nothing is cut`)
    await repair(fs)
    assert.equal(fs.bytesOf(path).length, ends[1])
    assert.equal(await damageIn(fs), 0)
  }
})

test('a segment that the disk does not let be read, or that a later version wrote, is left where it is', async () => {
  const { bytes } = await sample()
  const fs = new FaultyFileSystem()
  fs.put(path, bytes)
  fs.hook = (operation) => {
    if (operation === 'read') throw diskError('EIO')
    return undefined
  }
  const steps = await planRepair(await inspectAll(fs), fs)
  assert.deepEqual(
    steps.map(({ apply }) => apply),
    [undefined],
  )
  assert.match(steps[0]?.action ?? '', /look after its disk/)
})
