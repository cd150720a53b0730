import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { nodeFileSystem } from '../../../src/segment/file-system.ts'

test('a directory is made durable: the parent of each new one is synced, and of one that was there', async (t) => {
  const root = await fs.promises.mkdtemp(join(tmpdir(), 'guidepost-fs-'))
  t.after(() => fs.promises.rm(root, { recursive: true }))
  const synced: string[] = []
  t.mock.method(nodeFileSystem, 'syncDirectory', async (path: string) => void synced.push(path))
  const path = join(root, 'data', 'topic')
  await nodeFileSystem.makeDirectory(path)
  assert.ok((await fs.promises.stat(path)).isDirectory())
  assert.deepEqual(synced, [join(root, 'data'), root])
  synced.length = 0
  await nodeFileSystem.makeDirectory(path)
  assert.deepEqual(synced, [join(root, 'data')])
})

test('a directory that cannot be made is an error, whatever the reason', { timeout: 20_000 }, async (t) => {
  const root = await fs.promises.mkdtemp(join(tmpdir(), 'guidepost-fs-'))
  t.after(() => fs.promises.rm(root, { recursive: true }))
  await fs.promises.writeFile(join(root, 'file'), '')
  await assert.rejects(nodeFileSystem.makeDirectory(join(root, 'file')), { code: 'EEXIST' })
  await assert.rejects(nodeFileSystem.makeDirectory(join(root, 'file', 'log')), { code: 'ENOTDIR' })
  // Here the parent is there, and yet the system says ENOENT.
  if (process.platform === 'linux')
    await assert.rejects(nodeFileSystem.makeDirectory('/proc/guidepost/log'), { code: 'ENOENT' })
})

test('a file knows that its name was deleted', async (t) => {
  const root = await fs.promises.mkdtemp(join(tmpdir(), 'guidepost-fs-'))
  t.after(() => fs.promises.rm(root, { recursive: true }))
  const file = await nodeFileSystem.open(join(root, 'file'), 'create')
  assert.equal(file.isLinked(), true)
  await nodeFileSystem.unlink(join(root, 'file'))
  assert.equal(file.isLinked(), false)
  await file.close()
})
