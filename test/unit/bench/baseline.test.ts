/** What `npm run bench:check` makes of a measurement beside what is stored. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'node:test'
import {
  judge,
  judgement,
  medianOf,
  readBaseline,
  slowerShareMax,
  writeBaseline,
} from '../../../bench/support/baseline.ts'
import { timesCopy } from '../../../bench/support/held.ts'

test('slower is what lies beyond the tolerance, and nothing else', () => {
  assert.equal(judge(100, 100 * (1 + slowerShareMax)), 'same')
  assert.equal(judge(100, 100 * (1 + slowerShareMax) + 0.1), 'slower')
  assert.equal(judge(100, 100 * (1 - slowerShareMax)), 'same')
  assert.equal(judge(100, 100 * (1 - slowerShareMax) - 0.1), 'faster')
  assert.equal(judge(undefined, 1), 'missing')
})

test('a regression is told with the name, the stored and the measured ratio', () => {
  const line = judgement('kernel/crc32c', 14.6, 20.12)
  assert.match(line, /^kernel\/crc32c +stored +14\.60 +measured +20\.12 +\+38 % +SLOWER$/)
  assert.match(judgement('kernel/new', undefined, 3), /^kernel\/new .* 3\.00 .*NOT IN THE BASELINE$/)
  assert.doesNotMatch(judgement('kernel/crc32c', 14.6, 15), /SLOWER/)
})

test('a baseline comes back as it was stored, in the order of its names and four digits', async (t) => {
  const directory = await mkdtemp(path.join(tmpdir(), 'guidepost-baseline-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const file = path.join(directory, 'baseline.json')
  writeBaseline(file, { cpu: 'one', node: '24.0.0', ratios: { b: 123.456, a: 0.123456 } })
  assert.deepEqual(readBaseline(file), { cpu: 'one', node: '24.0.0', ratios: { a: 0.1235, b: 123.5 } })
  assert.ok((await readFile(file, 'utf8')).indexOf('"a"') < (await readFile(file, 'utf8')).indexOf('"b"'))
})

test('the stored baseline can be read, and each of its ratios is a number above 1', () => {
  const { ratios } = readBaseline(path.resolve(import.meta.dirname, '../../../bench/baseline.json'))
  assert.ok(Object.keys(ratios).length > 0)
  for (const [name, ratio] of Object.entries(ratios)) assert.ok(ratio > 1, `${name}: ${ratio}`)
})

test('ten times the work is found to take about ten times as long', () => {
  const block = new Uint8Array(64 * 1024).fill(7)
  const times = (passes: number): number =>
    timesCopy(() => ({
      bytes: block.length,
      work: () => {
        for (let pass = 0; pass < passes; pass++) block.reverse()
      },
    }))
  const once = times(1)
  assert.ok(once > 1, `reversing is slower than copying, and was found to take ${once} of it`)
  const more = times(10) / once
  assert.ok(more > 5 && more < 20, `ten times the work took ${more.toFixed(1)} times as long`)
})

test('the median of an even number of values lies between the middle two', () => {
  assert.equal(medianOf([9, 1, 5]), 5)
  assert.equal(medianOf([4, 1, 9, 2]), 3)
})
