/** `npm run bench:check` as a command: what it says, and its exit status. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import path from 'node:path'
import test from 'node:test'
import { readBaseline, writeBaseline } from '../../../bench/support/baseline.ts'

const command = path.resolve(import.meta.dirname, '../../../bench/run-check.ts')
const part = 'kernel/crc32c'

async function checked(
  t: test.TestContext,
  ratios: Readonly<Record<string, number>>,
  args: readonly string[],
): Promise<{ status: number | null; said: string; file: string }> {
  const directory = await mkdtemp(path.join(tmpdir(), 'guidepost-check-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const file = path.join(directory, 'baseline.json')
  const cpu = cpus()[0]?.model ?? 'unknown'
  writeBaseline(file, { cpu, node: process.versions.node, ratios })
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, '--baseline', file, ...args], {
    encoding: 'utf8',
  })
  return { status, said: stdout + stderr, file }
}

test('a part that was a thousand times as fast fails the check, and is named with both ratios', async (t) => {
  const { status, said } = await checked(t, { [part]: 0.01 }, ['crc32c'])
  assert.equal(status, 1, said)
  assert.equal(
    said.split('is measured again').length - 1,
    3,
    'no part is called slower without three more tries',
  )
  assert.match(said, /FAILED.*\nkernel\/crc32c +stored +0\.01 +measured +\d+\.\d\d +\+\d+ % +SLOWER/)
  assert.doesNotMatch(said, /WARNING/)
})

test('a part that was a thousand times as slow passes', async (t) => {
  const { status, said } = await checked(t, { [part]: 1e5 }, ['crc32c'])
  assert.equal(status, 0, said)
  assert.match(said, /no part has become slower/)
  assert.match(said, /1 became faster/)
})

test('a part that the baseline does not know fails the check', async (t) => {
  const { status, said } = await checked(t, {}, ['crc32c'])
  assert.equal(status, 1, said)
  assert.match(said, /FAILED.*\nkernel\/crc32c .*NOT IN THE BASELINE/)
})

test('--write stores what was measured, keeps what was not, and forgets what is gone', async (t) => {
  const stored = { [part]: 1e5, 'kernel/inflate/v1': 7, 'kernel/gone': 8 }
  const { status, said, file } = await checked(t, stored, ['crc32c', '--write'])
  assert.equal(status, 0, said)
  const { ratios } = readBaseline(file)
  assert.deepEqual(Object.keys(ratios), [part, 'kernel/inflate/v1'])
  assert.equal(ratios['kernel/inflate/v1'], 7)
  assert.ok(ratios[part]! > 1 && ratios[part]! < 1e4, `a checksum at ${ratios[part]} times a copy`)
})
