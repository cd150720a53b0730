import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LogReader } from '../../../../src/bus/log/log-reader.ts'

const wanted = 2000

test('a reader follows what another process writes, across segments, without a gap', {
  timeout: 60_000,
}, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'guidepost-follow-'))
  const topic = join(directory, 'otlp_logs')
  const program = join(import.meta.dirname, '../../../fault/segment/kill-writer.ts')
  const abort = new AbortController()
  const reader = new LogReader(directory, { onEvent: (event) => assert.fail(JSON.stringify(event)) })
  const writer = spawn(process.execPath, [program, topic, 'live'], { stdio: ['ignore', 'ignore', 'inherit'] })
  const exited = once(writer, 'exit')
  try {
    const nextOfLane = new Map<string, number>()
    let count = 0
    const options = { topics: [], from: 'begin', follow: true, signal: abort.signal } as const
    for await (const stored of reader.read(options)) {
      const batchId = stored.headers['batch_id'] ?? ''
      const [, lane = '', number = ''] = batchId.split('-')
      assert.equal(stored.offset, count)
      assert.equal(Number(number), nextOfLane.get(lane) ?? 0, 'each writer’s records in their order')
      nextOfLane.set(lane, Number(number) + 1)
      assert.ok(stored.value.equals(Buffer.alloc(stored.value.length, `${batchId},`)))
      count += 1
      if (count === wanted) break
    }
    assert.equal(count, wanted)
    assert.ok((await readdir(topic)).length > 10, 'many segments')
  } finally {
    abort.abort()
    await reader.close()
    writer.kill('SIGKILL')
    await exited
    await rm(directory, { recursive: true, force: true })
  }
})
