import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from '../../../src/commands/inspect.ts'
import { fakeIo } from './fake-io.ts'
import { openLog, record } from './filled-log.ts'
import { fillSpool, openSpool, temporaryFolder } from './filled-spool.ts'

const bank = { topic: 'otlp_spans', encoding: 'otlp_proto', items: 7, receiver: 'otlp' } as const

async function inspected(directory: string, json = false): Promise<{ status: number; text: string }> {
  const io = fakeIo()
  const status = await inspect({ directory, json }, io)
  assert.equal(io.stderr.text, '')
  return { status, text: io.stdout.text }
}

test('a spool is a table of its folders, with what is delivered and what is waiting', async (t) => {
  const base = temporaryFolder(t)
  const records = [record('shop'), record('shop'), record('bank', bank), record('shop'), record('bank', bank)]
  await fillSpool(join(base, 'worker-1'), records, { delivered: 2 })
  await fillSpool(join(base, 'worker-1', 'parked'), [record('lab')])
  await fillSpool(join(base, 'worker-2'), [])
  const { status, text } = await inspected(base)
  assert.equal(status, 0)
  assert.match(text, /^SPOOL +SEGMENTS +RECORDS +ITEMS +BYTES +OFFSETS +OLDEST +NEWEST +BAD$/m)
  assert.match(text, /^worker-1 +1 +5 +17 +\S+ Ki?B +0-4 +2023-\S+Z +2023-\S+Z +0$/m)
  assert.match(text, /^worker-1\/parked +1 +1 +1 /m)
  assert.match(text, /^worker-2 +0 +0 +0 +0 B +- /m)
  assert.match(text, /^worker-1: everything below offset 2 is delivered$/m)
  assert.match(text, /^worker-1: 2 records of it are delivered and go when all of their segment is$/m)
  assert.match(
    text,
    /^TO DELIVER FROM worker-1 +GUID +RECEIVER +RECORDS +ITEMS +BYTES\notlp_spans +bank +otlp +2 +14 .*\nprometheus_metrics +shop +- +1 +1 .*\nall +3 +15 /m,
  )
  assert.match(text, /^worker-2: nothing is waiting to be delivered$/m)
  assert.doesNotMatch(text, /no part of the log/, 'a spool within a spool is no stray')
})

test('one folder of a spool by itself, the base above it, and the folder of a log with a spool in it', async (t) => {
  const log = await openLog(t)
  await log.append(record('a'))
  await log.close()
  const spool = join(log.directory, 'spool')
  await fillSpool(join(spool, 'worker-1'), [record('shop')])
  const one = JSON.parse((await inspected(join(spool, 'worker-1'), true)).text)
  const base = JSON.parse((await inspected(spool, true)).text)
  const all = JSON.parse((await inspected(log.directory, true)).text)
  assert.deepEqual(
    [one, base, all].map(({ spools }) => spools[0].spool),
    ['worker-1', 'worker-1', 'spool/worker-1'],
  )
  assert.deepEqual(one.spools[0].cursor, { state: 'absent' })
  assert.equal(one.spools[0].undelivered.items, 1)
  assert.equal(one.spools[0].segments.length, 1)
  assert.deepEqual(
    all.topics.map(({ topic }: { topic: string }) => topic),
    ['prometheus_metrics'],
  )
  assert.deepEqual(all.strays, [])
})

test('a copy of the segments alone is known for a spool by its records', async (t) => {
  const base = temporaryFolder(t)
  await fillSpool(join(base, 'copy'), [record('shop')])
  const { spools, topics } = JSON.parse((await inspected(join(base, 'copy'), true)).text)
  assert.equal(spools[0].undelivered.records, 1)
  assert.deepEqual(topics, [])
})

test('a damaged cursor is named, with what it costs, and so is what a crash left over', async (t) => {
  const directory = join(temporaryFolder(t), 'worker-1')
  await fillSpool(directory, [record('a'), record('b'), record('c')], { delivered: 1 })
  writeFileSync(join(directory, 'cursor'), 'guidepost spool cursor 1\noffset 2\ncrc32c 00000000\n')
  writeFileSync(join(directory, 'cursor.tmp'), 'guidepost')
  const { status, text } = await inspected(directory)
  assert.equal(status, 1)
  assert.match(
    text,
    /cursor is damaged: what is delivered is not known, and everything in it is delivered once more/,
  )
  assert.match(text, /^all +3 +3 /m)
  assert.match(text, /cursor\.tmp: was not finished, and nobody needs it$/m)
})

test('who holds the lock is named, and a lock that was left behind', async (t) => {
  const directory = join(temporaryFolder(t), 'worker-1')
  const spool = await openSpool(directory)
  const lock = join(directory, 'lock')
  const held = await inspected(directory)
  const text = readFileSync(lock)
  await spool.close(1_000)
  assert.equal(held.status, 0)
  assert.ok(held.text.includes(`${lock}: held by this process already`), held.text)
  const dead = { ...JSON.parse(text.toString()), pid: 2 ** 22 - 1, started: '1' }
  writeFileSync(lock, JSON.stringify(dead))
  const left = await inspected(directory)
  assert.equal(left.status, 0, 'a killed process leaves it: no damage')
  assert.match(left.text, /lock: left behind by process 4194303 on \S+.*; the next start takes it over/)
})

test('a damaged record in a spool is named with its place', async (t) => {
  const directory = join(temporaryFolder(t), 'worker-1')
  await fillSpool(directory, [record('a'), record('damaged-guid'), record('c')])
  const [name = ''] = readdirSync(directory).filter((each) => each.endsWith('.seg'))
  const file = join(directory, name)
  const bytes = readFileSync(file)
  bytes[bytes.lastIndexOf('damaged-guid')] = 0x58
  writeFileSync(file, bytes)
  const { status, text } = await inspected(directory)
  assert.equal(status, 1)
  assert.match(
    text,
    /\.seg: record 1 at byte \d+ \(\d+ bytes\) is damaged: the checksum of its body is wrong$/m,
  )
  assert.match(text, /^worker-1 +1 +2 +2 .* 1$/m)
})
