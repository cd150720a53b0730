import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { nodeFileSystem } from '../../../src/segment/file-system.ts'
import { SegmentWriter } from '../../../src/segment/writer.ts'
import { readAll } from './support.ts'

const rounds = 10

/** Runs the writer until it has acknowledged `count` records, kills it, and returns what it acknowledged. */
async function writeAndKill(directory: string, prefix: string, count: number): Promise<string[]> {
  const program = join(import.meta.dirname, 'kill-writer.ts')
  const child = spawn(process.execPath, [program, directory, prefix], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    if (text.split('\n').length > count) child.kill('SIGKILL')
  })
  await closed
  assert.equal(child.signalCode, 'SIGKILL', 'it was killed and did not fail by itself')
  return text.split('\n').slice(0, -1)
}

test('what a killed writer acknowledged is stored', { timeout: 120_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'guidepost-kill-'))
  try {
    const acked: string[] = []
    for (let round = 0; round < rounds; round++) {
      acked.push(...(await writeAndKill(directory, `r${round}`, 20 + round * 15)))
    }
    const writer = await SegmentWriter.open({
      fs: nodeFileSystem,
      directory,
      segmentBytes: 300_000,
      retentionBytes: Number.MAX_SAFE_INTEGER,
      retentionMs: Number.MAX_SAFE_INTEGER,
      diskReserveBytes: 0,
      onEvent: () => undefined,
    })
    await writer.close(1000)
    const { records, events } = await readAll(nodeFileSystem, directory)
    assert.deepEqual(events, [], 'recovery left nothing damaged')
    const stored = new Map(records.map((record) => [record.batchId, record.value]))
    assert.equal(stored.size, records.length, 'each once')
    for (const id of acked) {
      const value = stored.get(id)
      assert.ok(value, `${id} was acknowledged and is stored`)
      assert.ok(value.equals(Buffer.alloc(value.length, `${id},`)), `${id} is unchanged`)
    }
    assert.ok(acked.length > rounds * 20)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
