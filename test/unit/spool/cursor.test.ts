import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeCursor, parseCursor, readCursor, writeCursor } from '../../../src/spool/cursor.ts'
import { FaultyFileSystem } from '../../support/faulty-file-system.ts'
import { Random } from '../../support/random.ts'

test('a cursor is what was written, or nothing: each byte of it counts', () => {
  const bytes = encodeCursor(1_234_567_890_123)
  assert.equal(parseCursor(bytes), 1_234_567_890_123)
  for (let at = 0; at < bytes.length; at++) {
    assert.equal(parseCursor(bytes.subarray(0, at)), undefined, `cut at ${at}`)
    const damaged = Buffer.from(bytes)
    damaged[at] = damaged[at]! ^ 1
    assert.equal(parseCursor(damaged), undefined, `byte ${at}`)
  }
})

test('a power cut leaves the old cursor or the new one', async () => {
  for (let seed = 1; seed < 200; seed++) {
    const fs = new FaultyFileSystem()
    await fs.makeDirectory('/spool')
    await writeCursor(fs, '/spool', 10)
    fs.fail({ operation: (['writev', 'sync', 'rename', 'syncDirectory'] as const)[seed % 4]!, does: 'EIO' })
    await writeCursor(fs, '/spool', 20).catch(() => undefined)
    fs.losePower(new Random(seed))
    const found = await readCursor(fs, '/spool')
    assert.ok(found === 10 || found === 20, `seed ${seed}: ${found}`)
  }
})
