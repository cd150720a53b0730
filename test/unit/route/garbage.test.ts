/** How the heap is kept while the program serves, in a process of its own with the launcher's flags. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { v8Flags } from '../../../src/guidepost.mjs'
import { MiB } from '../../../src/limits.ts'

const garbageUrl = new URL('../../../src/route/garbage.ts', import.meta.url).href

/** What the program tells that `body` is, which has what garbage.ts has. */
function tellOf(body: string): unknown {
  const text = `import { collectGarbage, settleHeap } from '${garbageUrl}'\n${body}\nconsole.log(JSON.stringify(told))`
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...v8Flags, '--input-type=module', '-e', text],
    { encoding: 'utf8' },
  )
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}

/**
 * Buffers of 64 KiB that live for a short while, as those of sockets do: the most bytes that hang on the heap, of the best of
 * five rounds, since none are given back while V8 marks the whole heap.
 */
const churn = `
  const held = []
  let told = Infinity
  for (let round = 0; round < 5; round++) {
    let most = 0
    for (let i = 0; i < 4_000; i++) {
      held[i % 50] = new ArrayBuffer(65_536)
      most = Math.max(most, process.memoryUsage().external)
    }
    told = Math.min(told, most)
    collectGarbage()
  }`

test('buffers that died are given back by small collections, before there are many', () => {
  const settled = Number(tellOf(`settleHeap()\n${churn}`))
  const unsettled = Number(tellOf(churn))
  assert.ok(settled < 32 * MiB, `${settled} bytes at most`)
  assert.ok(unsettled > 40 * MiB, `${unsettled} bytes without it: V8 does by itself what is done here`)
})

test('what was needed for the start alone is given back', () => {
  const [before, after] = tellOf(`
    let lists = Array.from({ length: 300 }, () => Array.from({ length: 1_000 }, (_, i) => ({ i })))
    const before = process.memoryUsage().heapUsed
    lists = undefined
    await new Promise((done) => setTimeout(done, 10))
    settleHeap()
    const told = [before, process.memoryUsage().heapUsed]`) as [number, number]
  assert.ok(before - after > 4 * MiB, `${before} bytes before, ${after} after`)
})
