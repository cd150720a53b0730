import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { type TailOptions, tail } from '../../../src/commands/tail.ts'
import { encodeOtlp } from '../../support/otlp-items.ts'
import { exportRequest } from '../../support/otlp-send.ts'
import { type FakeIo, fakeIo } from './fake-io.ts'
import { openLog, record, remoteWriteValue } from './filled-log.ts'

const all: TailOptions = {
  config: undefined,
  bus: undefined,
  topics: [],
  guid: undefined,
  from: 'begin',
  limit: Number.POSITIVE_INFINITY,
  follow: false,
  summary: false,
  raw: undefined,
}

async function untilLines(io: FakeIo, count: number, t: TestContext): Promise<void> {
  while (io.stdout.lines.length < count && !t.signal.aborted)
    await new Promise((resolve) => setTimeout(resolve, 5))
}

test('records are JSON lines with what the bus says of them and the payload decoded', async (t) => {
  const log = await openLog(t)
  const sent = record('team-a')
  await log.append(sent)
  const io = fakeIo()
  assert.equal(await tail({ ...all, bus: `log:${log.directory}` }, io), 0)
  assert.equal(io.stderr.text, '')
  assert.deepEqual(
    io.stdout.lines.map((line) => JSON.parse(line)),
    [
      {
        topic: 'prometheus_metrics',
        partition: 0,
        offset: 0,
        timestamp: sent.receivedAtMs,
        guid: 'team-a',
        encoding: 'prometheus_remote_write_1',
        items: 1,
        bytes: sent.value.length,
        headers: { batch_id: sent.batchId, received_at: String(sent.receivedAtMs) },
        payload: {
          timeseries: [
            { labels: { __name__: 'up', guid: 'team-a' }, samples: [{ value: 1, timestamp: '5' }] },
          ],
        },
      },
    ],
  )
})

test('OTLP is decoded by its topic, a dead letter by the topic that it was for', async (t) => {
  const filled = await openLog(t)
  const request = exportRequest('traces', { attributes: { guid: 'team-a' }, ids: ['one'] })
  const value = encodeOtlp('traces', request)
  const otlp = { encoding: 'otlp_proto', topic: 'otlp_spans', value } as const
  const letter = {
    ...otlp,
    topic: 'dead_letters',
    headers: { topic: 'otlp_spans', reason: 'GP_RECORD_TOO_LARGE' },
  } as const
  await filled.append(record('team-a', otlp), record('team-a', letter))
  await filled.close()
  const io = fakeIo()
  assert.equal(await tail({ ...all, bus: `log:${filled.directory}` }, io), 0)
  const lines = io.stdout.lines.map((line) => JSON.parse(line) as { topic: string; payload: object })
  assert.deepEqual(lines.map(({ topic }) => topic).toSorted(), ['dead_letters', 'otlp_spans'])
  for (const { payload } of lines) {
    assert.match(
      JSON.stringify(payload),
      /"attributes":\{"guid":"team-a"\}.*"attributes":\{"test.id":"one"\}/,
    )
  }
})

test('--guid, --topic, --limit and --summary narrow it down', async (t) => {
  const log = await openLog(t)
  const dead = { topic: 'dead_letters', headers: { reason: 'too_large' } } as const
  await log.append(record('a'), record('b'), record('a'), record('a', dead))
  const bus = `log:${log.directory}`
  const lines = async (options: Partial<TailOptions>) => {
    const io = fakeIo()
    assert.equal(await tail({ ...all, bus, summary: true, ...options }, io), 0)
    return io.stdout.lines.map((line) => JSON.parse(line))
  }
  const offsets = async (options: Partial<TailOptions>) =>
    (await lines(options)).map(({ topic, offset }) => `${topic}:${offset}`)
  assert.deepEqual(await offsets({ guid: 'a', topics: ['prometheus_metrics'] }), [
    'prometheus_metrics:0',
    'prometheus_metrics:2',
  ])
  assert.deepEqual(await offsets({ limit: 2, topics: ['prometheus_metrics'] }), [
    'prometheus_metrics:0',
    'prometheus_metrics:1',
  ])
  const [letter, ...more] = await lines({ topics: ['dead_letters'] })
  assert.equal(letter.headers.reason, 'too_large')
  assert.equal('payload' in letter, false)
  assert.deepEqual(more, [])
})

test('--raw writes each value as it is and names its file', async (t) => {
  const log = await openLog(t)
  await log.append(record('a'), record('b'))
  const io = fakeIo({ cwd: log.directory })
  assert.equal(await tail({ ...all, bus: `log:${log.directory}`, raw: 'raw/values' }, io), 0)
  assert.deepEqual(readdirSync(join(log.directory, 'raw/values')).toSorted(), [
    'prometheus_metrics-0-00000000000000000000',
    'prometheus_metrics-0-00000000000000000001',
  ])
  const { file } = JSON.parse(io.stdout.lines[1] ?? '')
  assert.equal(file, join('raw/values', 'prometheus_metrics-0-00000000000000000001'))
  assert.deepEqual(readFileSync(join(log.directory, file)), remoteWriteValue('b'))
})

test('--follow shows what comes, from the end, until it is interrupted', { timeout: 20_000 }, async (t) => {
  const log = await openLog(t)
  await log.append(record('old'))
  const io = fakeIo()
  const whole = fakeIo()
  const bus = `log:${log.directory}`
  const following = tail({ ...all, bus, follow: true, from: 'begin' }, whole)
  await untilLines(whole, 1, t)
  const ended = tail({ ...all, bus, follow: true, from: 'end' }, io)
  // The follower from the end may not have got there yet, so records are sent until it shows one.
  while (io.stdout.lines.length === 0 && !t.signal.aborted) {
    await log.append(record('new'))
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await untilLines(whole, 2, t)
  io.stop()
  whole.stop()
  assert.deepEqual(await Promise.all([ended, following]), [0, 0])
  assert.equal(JSON.parse(io.stdout.lines[0] ?? '').guid, 'new')
  assert.equal(JSON.parse(whole.stdout.lines[0] ?? '').guid, 'old')
  assert.equal(io.stderr.text + whole.stderr.text, '')
})

test('an empty bus is no failure, and is said so', async (t) => {
  const log = await openLog(t)
  const io = fakeIo()
  assert.equal(await tail({ ...all, bus: `log:${log.directory}` }, io), 0)
  assert.equal(io.stdout.text, '')
  assert.match(
    io.stderr.text,
    /^guidepost tail: log:.* holds nothing that was asked for; --follow waits for more\n$/,
  )
})

test('a value that is not what its header says is shown with the reason', async (t) => {
  const log = await openLog(t)
  await log.append(record('a', { value: Buffer.from([0x0a, 0x7f, 1]) }))
  const io = fakeIo()
  assert.equal(await tail({ ...all, bus: `log:${log.directory}` }, io), 0)
  const line = JSON.parse(io.stdout.text)
  assert.equal(line.payload, null)
  assert.match(line.payload_error, /^cannot be decoded as prometheus_remote_write_1: /)
})

test('colours are for terminals only', async (t) => {
  const log = await openLog(t)
  await log.append(record('team-a'))
  const bus = `log:${log.directory}`
  const plain = fakeIo()
  await tail({ ...all, bus }, plain)
  assert.ok(!plain.stdout.text.includes('\u001b'))
  const terminal = fakeIo()
  terminal.stdout.isTTY = true
  await tail({ ...all, bus }, terminal)
  assert.ok(terminal.stdout.text.includes('\u001b['))
  assert.deepEqual(JSON.parse(stripVTControlCharacters(terminal.stdout.text)), JSON.parse(plain.stdout.text))
  const quiet = fakeIo({ env: { NO_COLOR: '1' } })
  quiet.stdout.isTTY = true
  await tail({ ...all, bus }, quiet)
  assert.ok(!quiet.stdout.text.includes('\u001b'))
})

test('a bus URL or file that is wrong is said so', async () => {
  const io = fakeIo()
  assert.equal(await tail({ ...all, bus: 'lgo:./data' }, io), 1)
  assert.match(io.stderr.text, /^guidepost tail: option --bus: bus: is no bus URL.* Did you mean log:\?\n$/)
})

test('a bus that cannot be read ends it with 1, the reason and its code', async () => {
  const io = fakeIo()
  assert.equal(await tail({ ...all, bus: `log:${import.meta.filename}` }, io), 1)
  assert.match(io.stderr.text, /^guidepost tail: .*cannot be read.* \[GP_CONFIG\]\n$/)
})

const launcher = join(import.meta.dirname, '../../../src/guidepost.mjs')

test('a reader that goes away ends it quietly', { timeout: 30_000 }, async (t) => {
  const log = await openLog(t)
  for (let i = 0; i < 30; i++) await log.append(...Array.from({ length: 100 }, () => record('team-a')))
  const child = spawn(process.execPath, [launcher, 'tail', '--follow', '--bus', `log:${log.directory}`])
  t.after(() => child.kill('SIGKILL'))
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  await once(child.stdout, 'data')
  child.stdout.destroy()
  assert.deepEqual(await once(child, 'exit'), [0, null])
  assert.equal(errors, '')
})

test('an output that is closed ends it, even when no record comes', { timeout: 20_000 }, async (t) => {
  const log = await openLog(t)
  await log.append(record('team-a'))
  const io = fakeIo()
  const ended = tail({ ...all, bus: `log:${log.directory}`, follow: true }, io)
  await untilLines(io, 1, t)
  io.stdout.destroy()
  assert.equal(await ended, 0)
  assert.equal(io.stderr.text, '')
})

test('Ctrl-C ends it cleanly', { timeout: 30_000 }, async (t) => {
  const log = await openLog(t)
  await log.append(record('team-a'))
  const child = spawn(process.execPath, [launcher, 'tail', '--follow', '--bus', `log:${log.directory}`])
  t.after(() => child.kill('SIGKILL'))
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  await once(child.stdout, 'data')
  child.kill('SIGINT')
  assert.deepEqual(await once(child, 'exit'), [0, null])
  assert.equal(errors, '')
})
