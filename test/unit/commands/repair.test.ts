/** `inspect --repair` on real folders: it explains, changes nothing without `--yes`, and leaves a sound folder with it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { cli } from '../../../src/commands/cli.ts'
import { inspect } from '../../../src/commands/inspect.ts'
import { readOnly, writable } from '../../support/bad-disk.ts'
import { readLog } from '../../support/bus-read.ts'
import { fakeIo } from './fake-io.ts'
import { openLog, record } from './filled-log.ts'
import { fillSpool, openSpool, temporaryFolder } from './filled-spool.ts'

const run = () => Promise.reject(new Error('not this command'))

async function inspectWith(
  directory: string,
  ...flags: string[]
): Promise<{ status: number; text: string; errors: string }> {
  const io = fakeIo()
  const status = await cli(['inspect', directory, ...flags], io, { run })
  return { status, text: io.stdout.text, errors: io.stderr.text }
}

/** Every file below a folder with its bytes, except for locks. */
function contentOf(directory: string): Map<string, string> {
  const names = readdirSync(directory, { recursive: true, withFileTypes: true })
  const files = names.filter((entry) => entry.isFile() && entry.name !== 'lock')
  return new Map(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name)
      return [path, readFileSync(path).toString('latin1')]
    }),
  )
}

async function isSound(directory: string): Promise<boolean> {
  return (await inspect({ directory, json: true }, fakeIo())) === 0
}

function segmentsOf(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.seg'))
    .sort()
    .map((name) => join(directory, name))
}

/** A log of three segments with one record each: one start makes one. */
async function threeSegments(t: TestContext): Promise<{ directory: string; segments: string[] }> {
  const { directory, close } = await openLog(t)
  await close()
  for (const guid of ['first-guid', 'second-guid', 'third-guid']) {
    const log = await openLog(t, directory)
    await log.append(record(guid))
    await log.close()
  }
  return { directory, segments: segmentsOf(join(directory, 'prometheus_metrics')) }
}

function damage(file: string, text: string): void {
  const bytes = readFileSync(file)
  bytes[bytes.lastIndexOf(text)]! ^= 1
  writeFileSync(file, bytes)
}

test('a sound folder: there is nothing to repair, and nothing is changed', async (t) => {
  const { directory } = await threeSegments(t)
  const before = contentOf(directory)
  for (const flags of [['--repair'], ['--repair', '--yes']]) {
    const { status, text } = await inspectWith(directory, ...flags)
    assert.equal(status, 0)
    assert.equal(text, `${directory} is sound: there is nothing to repair.\n`)
  }
  assert.deepEqual(contentOf(directory), before)
})

test('damage is explained first, mended with --yes, and then the folder is sound', async (t) => {
  const { directory, segments } = await threeSegments(t)
  const [first = '', second = '', third = ''] = segments
  damage(first, 'first-guid')
  const spoiled = readFileSync(second)
  spoiled[0]! ^= 1
  spoiled[32]! ^= 1
  writeFileSync(second, spoiled)
  truncateSync(third, readFileSync(third).length - 10)
  const before = contentOf(directory)
  const explained = await inspectWith(directory, '--repair')
  assert.equal(explained.status, 1)
  assert.match(
    explained.text,
    /^1\. \S+0\.seg: record 0 at byte 64 \((\d+) bytes\) is damaged: .*\n {3}lost: record 0, which may have been acknowledged; what is there of it is kept\n {3}to do: copy bytes 64 to \d+ to \S+\/quarantine; readers pass over them$/m,
  )
  assert.match(
    explained.text,
    /^2\. \S+\.seg: cannot be read: both copies of the file header are damaged\n.*\n {3}to do: move it to \S+\/quarantine\/\d{20}\.seg$/m,
  )
  assert.match(
    explained.text,
    /^3\. \S+\.seg: ends in \d+ bytes of an unfinished record at byte 64; .*\n.*\n {3}to do: copy bytes 64 to \d+ to \S+\/quarantine, then cut the file to 64 bytes$/m,
  )
  assert.match(explained.text, /^Nothing was changed\. With --yes /m)
  assert.deepEqual(contentOf(directory), before, 'nothing was changed')

  const made = await inspectWith(directory, '--repair', '--yes')
  assert.equal(made.errors, '')
  assert.equal(made.status, 0, made.text)
  assert.equal(made.text.match(/^ {3}done: /gm)?.length, 3)
  assert.match(made.text, /is sound now\.$/m)
  assert.ok(await isSound(directory))
  const after = [...contentOf(directory).values()]
  for (const bytes of before.values()) {
    const tail = bytes.slice(64)
    assert.ok(
      after.some((content) => content.includes(tail)),
      'what was there is there or in the quarantine',
    )
  }
  const again = await inspectWith(directory, '--repair', '--yes')
  assert.equal(again.status, 0)
  assert.match(again.text, /is sound: there is nothing to repair\.\n$/)
})

test('a log that was repaired takes new records above the offsets of what was set aside', async (t) => {
  const { directory, segments } = await threeSegments(t)
  const last = readFileSync(segments[2]!)
  last[0]! ^= 1
  last[32]! ^= 1
  writeFileSync(segments[2]!, last)
  assert.equal((await inspectWith(directory, '--repair', '--yes')).status, 0)
  const log = await openLog(t, directory)
  await log.append(record('new'))
  await log.close()
  const stored = await readLog(directory)
  assert.deepEqual(
    stored.map(({ key }) => key),
    ['first-guid', 'second-guid', 'new'],
  )
  assert.ok(stored[2]!.offset > 2)
})

test('a cursor that cannot be read is written anew with the lowest offset that is safe', async (t) => {
  const base = temporaryFolder(t)
  const directory = join(base, 'worker-1')
  const records = Array.from({ length: 6 }, (_, index) => record(`g${index}`))
  await fillSpool(directory, records, { delivered: 3, segmentBytes: 400 })
  assert.ok(!existsSync(join(directory, `${'0'.repeat(20)}.seg`)), 'a delivered segment is gone')
  const [first = ''] = segmentsOf(directory)
  const safe = Number(/(\d+)\.seg$/.exec(first)?.[1])
  writeFileSync(join(directory, 'cursor'), 'x')
  const explained = await inspectWith(base, '--repair')
  assert.match(
    explained.text,
    new RegExp(
      `cursor is damaged\\n {3}lost: nothing; up to \\d+ records are delivered once more, .*\\n {3}to do: write it anew with offset ${safe}:`,
    ),
  )
  assert.equal((await inspectWith(base, '--repair', '--yes')).status, 0)
  assert.ok(await isSound(base))
  const spool = await openSpool(directory)
  assert.equal(spool.cursor, safe)
  assert.ok(safe > 0 && safe <= 3)
  await spool.close(1_000)
})

test('a new cursor that was complete but not renamed is used, and not taken for a file that nobody needs', async (t) => {
  const directory = join(temporaryFolder(t), 'worker-1')
  await fillSpool(directory, [record('a'), record('b'), record('c')], { delivered: 2 })
  renameSync(join(directory, 'cursor'), join(directory, 'cursor.tmp'))
  writeFileSync(join(directory, 'cursor'), 'x')
  assert.equal((await inspectWith(directory, '--repair', '--yes')).status, 0)
  const spool = await openSpool(directory)
  assert.equal(spool.cursor, 2)
  await spool.close(1_000)
  assert.ok(!existsSync(join(directory, 'cursor.tmp')))
})

test('what a dying program left over is removed: locks, and copies that were not finished', async (t) => {
  const directory = join(temporaryFolder(t), 'worker-1')
  await fillSpool(directory, [record('a')])
  mkdirSync(join(directory, 'quarantine'))
  const leftovers = ['lock', 'cursor.tmp', 'quarantine/00000000000000000000-64.tmp'].map((name) =>
    join(directory, name),
  )
  const dead = { pid: 2 ** 22 - 1, started: '1', host: 'h', id: 'i', pidNamespace: 'p', bootId: 'b' }
  for (const file of leftovers) writeFileSync(file, '')
  writeFileSync(leftovers[0]!, JSON.stringify(dead))
  utimesSync(leftovers[0]!, 1, 1)
  const explained = await inspectWith(directory, '--repair')
  for (const file of leftovers) assert.ok(explained.text.includes(`${file}: `), file)
  assert.equal(explained.text.match(/to do: remove it$/gm)?.length, 3)
  assert.equal((await inspectWith(directory, '--repair', '--yes')).status, 0)
  for (const file of leftovers) assert.ok(!existsSync(file), file)
})

test('a folder that is written by a running process is explained and not repaired', async (t) => {
  const base = temporaryFolder(t)
  const directory = join(base, 'worker-1')
  await fillSpool(directory, [record('damaged-guid'), record('b')])
  const spool = await openSpool(directory)
  damage(segmentsOf(directory)[0]!, 'damaged-guid')
  const before = contentOf(base)
  const explained = await inspectWith(base, '--repair')
  assert.equal(explained.status, 1)
  assert.match(explained.text, /lock: held by .*\. Stop it first;/)
  const refused = await inspectWith(base, '--repair', '--yes')
  assert.equal(refused.status, 1)
  assert.match(refused.errors, /^guidepost inspect: nothing was changed: .* is being written by /)
  assert.deepEqual(contentOf(base), before)
  await spool.close(1_000)
})

test('one topic of a running log is not repaired either', async (t) => {
  const log = await openLog(t)
  await log.append(record('a'))
  const topic = join(log.directory, 'prometheus_metrics')
  const refused = await inspectWith(topic, '--repair', '--yes')
  assert.equal(refused.status, 1)
  assert.match(refused.errors, /nothing was changed/)
})

test('a missing segment, and two files of one place, are told and left alone', async (t) => {
  const { directory, segments } = await threeSegments(t)
  rmSync(segments[1]!)
  const missing = await inspectWith(directory, '--repair')
  assert.equal(missing.status, 0)
  assert.match(
    missing.text,
    /^There is nothing to be done about:\nprometheus_metrics: offsets 1 to \d+ are in no segment$/m,
  )
  // Of another log, with more records than fit before the next segment.
  const other = await openLog(t)
  await other.append(...Array.from({ length: 9 }, () => record('other')))
  await other.close()
  const [foreign = ''] = segmentsOf(join(other.directory, 'prometheus_metrics'))
  cpSync(foreign, segments[0]!)
  const before = contentOf(directory)
  const { status, text } = await inspectWith(directory, '--repair', '--yes')
  assert.equal(status, 1)
  assert.match(
    text,
    /are in an earlier segment too\n.*\n {3}to do: none: which of the files belongs here cannot be told/,
  )
  assert.match(text, /is not sound: see above/)
  assert.deepEqual(contentOf(directory), before)
})

test('--json has the steps for programs', async (t) => {
  const { directory, segments } = await threeSegments(t)
  damage(segments[0]!, 'first-guid')
  const { status, text } = await inspectWith(directory, '--repair', '--json')
  const { applied, sound, steps } = JSON.parse(text)
  assert.deepEqual([status, applied, sound, steps.length], [1, false, false, 1])
  assert.equal(steps[0].canBeDone, true)
  assert.equal(steps[0].isDone, false)
  const made = JSON.parse((await inspectWith(directory, '--repair', '--json', '--yes')).text)
  assert.deepEqual([made.applied, made.sound, made.steps[0].isDone], [true, true, true])
})

test('--yes alone is no command', async () => {
  const { status, errors } = await inspectWith('.', '--yes')
  assert.equal(status, 2)
  assert.match(errors, /--yes belongs to --repair/)
})

test('where nothing may be written it says so and stops', async (t) => {
  const { directory, segments } = await threeSegments(t)
  damage(segments[0]!, 'first-guid')
  const launcher = join(import.meta.dirname, '../../../src/guidepost.mjs')
  const [command = '', ...args] = [
    ...readOnly(directory),
    ...[process.execPath, launcher, 'inspect', directory, '--repair', '--yes'],
  ]
  const child = spawn(command, args)
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const [code] = await once(child, 'close')
  writable(directory)
  assert.match(errors, /nothing was changed: \S+ cannot be written \((EROFS|EACCES)\)/)
  assert.equal(code, 1)
})
