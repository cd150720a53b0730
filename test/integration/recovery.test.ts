/** The program started on a disk on which something is wrong: what it does, what it says, what `inspect` says. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { MiB } from '../../src/limits.ts'
import { nodeFileSystem } from '../../src/segment/file-system.ts'
import { encodeFileHeader, segmentName } from '../../src/segment/format.ts'
import { SegmentWriter } from '../../src/segment/writer.ts'
import { readOnly, smallDisk, writable } from '../support/bad-disk.ts'
import { readLog, seriesOf } from '../support/bus-read.ts'
import { sumOf } from '../support/exposition.ts'
import { Program, type ProgramOptions } from '../support/program.ts'
import { temporaryDirectory } from '../support/running.ts'
import { messageV1, post, series, snappy } from '../support/senders.ts'
import { until } from '../support/until.ts'

const waitMs = 30_000
const topic = 'prometheus_metrics'

function guidepost(...args: string[]): { status: number | null; text: string } {
  const launcher = resolve(import.meta.dirname, '../../src/guidepost.mjs')
  const { status, stdout, stderr } = spawnSync(process.execPath, [launcher, ...args], { encoding: 'utf8' })
  return { status, text: stdout + stderr }
}

async function send(program: Program, id: string): Promise<number> {
  return (await post(program.httpPort, snappy(messageV1(series('team-a', id))))).status
}

/** Ids in the log, in their order. */
async function idsIn(directory: string): Promise<string[]> {
  const records = await readLog(directory)
  return records.flatMap((record) =>
    seriesOf(record).map(({ labels }) => Object.fromEntries(labels)['id'] ?? ''),
  )
}

/** A log with one segment for each id: every opening makes one. */
async function logOf(
  context: TestContext,
  ...ids: string[]
): Promise<{ directory: string; segments: string[] }> {
  const directory = await temporaryDirectory(context)
  for (const id of ids) {
    const writer = await SegmentWriter.open({
      ...{ fs: nodeFileSystem, directory: join(directory, topic), segmentBytes: MiB, diskReserveBytes: 0 },
      ...{ retentionBytes: Number.MAX_SAFE_INTEGER, retentionMs: Number.MAX_SAFE_INTEGER },
      onEvent: () => undefined,
    })
    const value = messageV1(series('team-a', id))
    const fields = { guid: 'team-a', encoding: 'prometheus_remote_write_1', items: 1, batchId: id }
    const receivedAtMs = Date.now()
    assert.equal(await writer.append([{ ...fields, receivedAtMs, value }]).settled, undefined)
    await writer.close(1_000)
  }
  const names = readdirSync(join(directory, topic)).sort()
  return { directory, segments: names.map((name) => join(directory, topic, name)) }
}

/** Starts the program, ends it whatever comes, and says with which status it ended. */
async function withProgram(
  options: ProgramOptions,
  body: (program: Program) => Promise<void>,
): Promise<void> {
  const program = await Program.start(options)
  let status: number | NodeJS.Signals | undefined
  try {
    await body(program)
  } finally {
    status = await program.stop()
  }
  assert.equal(status, 0)
}

async function readiness(program: Program): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${program.adminPort}/readyz`)
  return `${answer.status} ${await answer.text()}`
}

test('a missing segment: the others are read, new data is stored, inspect names the gap', async (context) => {
  const { directory, segments } = await logOf(context, 'a', 'b', 'c')
  rmSync(segments[1]!)
  await withProgram({ bus: `log:${directory}` }, async (program) => {
    assert.equal(await send(program, 'd'), 204)
  })
  assert.deepEqual(await idsIn(directory), ['a', 'c', 'd'])
  const { status, text } = guidepost('inspect', directory)
  assert.equal(status, 0)
  assert.match(text, /prometheus_metrics: offsets 1 to \d+ are in no segment/)
})

test('a damaged record in the last segment: named in the log, counted, copied, and the rest is served', async (context) => {
  const { directory, segments } = await logOf(context, 'a', 'b')
  const last = segments[1]!
  const bytes = readFileSync(last)
  bytes[bytes.length - 1]! ^= 1
  writeFileSync(last, bytes)
  let copy = ''
  await withProgram({ bus: `log:${directory}` }, async (program) => {
    assert.equal(await send(program, 'c'), 204)
    const line = program.logs.find(({ kind }) => kind === 'bad_record')
    assert.equal(line?.['file'], last)
    assert.equal(line['position'], 64)
    copy = String(line['quarantine'])
    assert.equal(sumOf(await program.metrics(), 'guidepost_events_total', { event: 'bad_record' }), 1)
  })
  assert.deepEqual(readFileSync(copy), bytes.subarray(64))
  assert.deepEqual(await idsIn(directory), ['a', 'c'])
  const { status, text } = guidepost('inspect', directory)
  assert.equal(status, 0, text)
  assert.ok(text.includes(`passed over, a copy is ${copy}`), text)
})

test('a damaged record in an older segment: start does not mind, inspect --repair deals with it', async (context) => {
  const { directory, segments } = await logOf(context, 'a', 'b')
  const bytes = readFileSync(segments[0]!)
  bytes[bytes.length - 1]! ^= 1
  writeFileSync(segments[0]!, bytes)
  await withProgram({ bus: `log:${directory}` }, async (program) => {
    assert.equal(guidepost('inspect', directory).status, 1)
    const refused = guidepost('inspect', '--repair', '--yes', directory)
    assert.equal(refused.status, 1)
    assert.match(refused.text, new RegExp(`nothing was changed: .*process ${program.pid}`))
  })
  assert.equal(guidepost('inspect', '--repair', directory).status, 1)
  assert.equal(guidepost('inspect', '--repair', '--yes', directory).status, 0)
  assert.equal(guidepost('inspect', directory).status, 0)
  assert.deepEqual(await idsIn(directory), ['b'])
})

test('a read-only folder: it ends at once, names the folder and what to do', async (context) => {
  const { directory } = await logOf(context, 'a')
  try {
    await assert.rejects(
      Program.start({ bus: `log:${directory}`, through: readOnly(directory) }),
      (error: Error) => {
        assert.match(error.message, /the program ended early \(1\)/)
        assert.match(error.message, /The log directory \S+ cannot be written \((EROFS|EACCES)\): /)
        return true
      },
    )
  } finally {
    writable(directory)
  }
})

test('a disk below its reserve at start: it runs, is not ready, and senders are told to wait', async (context) => {
  const directory = await temporaryDirectory(context)
  const env = { GUIDEPOST_LOG_DISK_RESERVE_BYTES: '1TiB' }
  await withProgram({ bus: `log:${directory}`, env, whenListening: true }, async (program) => {
    assert.equal(await send(program, 'a'), 503)
    assert.match(await readiness(program), /^503 .*log\.diskReserveBytes keeps 1\.0 TiB of it/s)
    assert.equal(sumOf(await program.metrics(), 'guidepost_events_total', { event: 'disk_full' }), 1)
  })
})

test('a disk without room for one more byte at start: it runs, and is ready as soon as there is room', async (context) => {
  const directory = await temporaryDirectory(context)
  // Until it is full; the shell's own error is of no interest.
  const through = smallDisk(directory, 4 * MiB, 'cat /dev/zero >"$0/ballast" 2>/dev/null; true')
  if (through === undefined) {
    context.diagnostic(
      'this system mounts nothing for an ordinary process; the reserve stands in for a full disk',
    )
    return
  }
  const env = { GUIDEPOST_LOG_DISK_RESERVE_BYTES: '0' }
  await withProgram({ bus: `log:${directory}`, env, through, whenListening: true }, async (program) => {
    assert.equal(await send(program, 'a'), 503)
    assert.match(
      await readiness(program),
      /^503 .*cannot be written \(ENOSPC\): the disk is full; make room/s,
    )
    assert.ok(program.logs.some(({ kind }) => kind === 'disk_full'))
    unlinkSync(`/proc/${program.pid}/root${directory}/ballast`)
    await until('it is ready', waitMs, () => program.isReady())
    assert.equal(await send(program, 'b'), 204)
    assert.ok(program.logs.some(({ kind }) => kind === 'disk_recovered'))
    assert.ok(existsSync(`/proc/${program.pid}/root${directory}/lock`), 'the log is locked')
  })
})

test('2 GB of older segments: start reads the last one and no other', async (context) => {
  const quiet = await bytesReadToStart(await temporaryDirectory(context))
  const directory = await temporaryDirectory(context)
  const older = join(directory, topic)
  mkdirSync(older)
  // Sparse, and damaged from end to end: whoever reads them has to search all of it.
  for (let index = 0; index < 16; index++) makeSparse(join(older, segmentName(index)), index, 128 * MiB)
  makeSparse(join(older, segmentName(1_000)), 1_000, 64)
  const small = await bytesReadToStart(directory)
  assert.ok(small < quiet + 4 * MiB, `${small} bytes were read, ${quiet} without a log`)
  // That this would have been seen: the last one is read to its end.
  makeSparse(join(older, segmentName(2_000)), 2_000, 32 * MiB)
  const large = await bytesReadToStart(directory)
  assert.ok(large > small + 32 * MiB, `${large} bytes were read, ${small} before`)
  assert.ok(large < small + 100 * MiB, `${large} bytes were read: the last segment, and its copy`)
})

function makeSparse(path: string, firstOffset: number, bytes: number): void {
  const file = openSync(path, 'w')
  writeSync(file, encodeFileHeader({ salt: 7, firstOffset }))
  ftruncateSync(file, bytes)
  closeSync(file)
}

/** What the process has read, from anywhere, until it was ready. */
async function bytesReadToStart(directory: string): Promise<number> {
  let text = ''
  await withProgram({ bus: `log:${directory}` }, (program) => {
    text = readFileSync(`/proc/${program.pid}/io`, 'latin1')
    return Promise.resolve()
  })
  return Number(/^rchar: (\d+)$/m.exec(text)?.[1])
}

test('a spool with a damaged cursor: it starts, says so, keeps everything; inspect --repair mends it', async (context) => {
  const base = await temporaryDirectory(context)
  // Nobody listens there: everything is spooled, and nothing is delivered, whatever the cursor says.
  const env = { GUIDEPOST_SPOOL_ENABLED: 'true', GUIDEPOST_SPOOL_DIRECTORY: base }
  const options = { bus: 'kafka://127.0.0.1:1', env, whenListening: true }
  const spooled = async (program: Program): Promise<number> =>
    sumOf(await program.metrics(), 'guidepost_spooled_items')
  await withProgram(options, async (program) => {
    for (let index = 0; index < 5; index++) assert.equal(await send(program, `old-${index}`), 204)
    assert.equal(await spooled(program), 5)
  })
  const [segment = ''] = readdirSync(base, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.seg'),
  )
  const cursor = join(base, dirname(segment), 'cursor')
  writeFileSync(cursor, 'guidepost spool cursor 1\noffset 9\ncrc32c 00000000\n')
  assert.match(guidepost('inspect', base).text, /cursor is damaged/)
  await withProgram(options, async (program) => {
    await until('what was left is known', waitMs, async () => (await spooled(program)) === 5)
    assert.ok(program.logs.some(({ msg }) => msg?.startsWith('The spool may deliver records twice: ')))
    assert.equal(sumOf(await program.metrics(), 'guidepost_events_total', { event: 'spool_cursor' }), 1)
    assert.equal(await send(program, 'new'), 204, 'it is spooled')
  })
  assert.equal(guidepost('inspect', base).status, 1)
  assert.equal(guidepost('inspect', '--repair', '--yes', base).status, 0)
  const { status, text } = guidepost('inspect', base)
  assert.equal(status, 0)
  assert.match(text, /^all +6 +6 /m)
  assert.match(text, /everything below offset 0 is delivered/)
})
