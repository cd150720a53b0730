/** No test can let a program go whose books nobody has looked at. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { samplesOf } from '../../support/exposition.ts'
import { assertLedger, assertLedgerWhenIdle } from '../../support/ledger.ts'

const programUrl = new URL('../../support/program.ts', import.meta.url).href
const execute = promisify(execFile)

/** A test file that starts a program and does this with it. */
async function endOf(t: TestContext, how: string): Promise<{ failed: boolean; said: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'guidepost-books-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const file = path.join(folder, 'some.test.ts')
  const lines = [
    `import { Program } from ${JSON.stringify(programUrl)}`,
    `const bus = ${JSON.stringify(`log:${path.join(folder, 'log')}`)}`,
    'const program = await Program.start({ bus })',
    how,
  ]
  await writeFile(file, lines.join('\n'))
  // Without what makes a child of the test runner: this one has to say by its exit status how it went.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { stderr, failed } = await execute(process.execPath, [file], { env }).then(
    (done) => ({ ...done, failed: false }),
    (error: { readonly stderr: string }) => ({ stderr: error.stderr, failed: true }),
  )
  return { failed, said: stderr }
}

test('a file whose program was only killed fails, and names the place', async (t) => {
  const { failed, said } = await endOf(t, 'await program.kill()')
  assert.equal(failed, true)
  assert.match(said, /The ledger was not checked of the last program on\n.*some\.test\.ts:3/)
})

test('one that ends it, or looks at the books of the next program on its bus, does not', async (t) => {
  const ends = [
    'await program.stop()',
    'await program.end()',
    "await program.kill({ books: 'lost' })",
    'await program.kill(); await (await Program.start({ bus })).stop()',
  ]
  for (const how of ends) assert.deepEqual(await endOf(t, how), { failed: false, said: '' }, how)
})

const lines = (received: number, published: number, spooled: number, inflight: number) =>
  samplesOf(
    [
      `guidepost_received_items_total{receiver="otlp",signal="traces",guid="a"} ${received}`,
      `guidepost_published_items_total{receiver="otlp",signal="traces",guid="a"} ${published}`,
      `guidepost_spooled_items{receiver="otlp",signal="traces",guid="a"} ${spooled}`,
      `guidepost_inflight_bytes ${inflight}`,
    ].join('\n'),
  )

test('uneven books fail, by the row that is not even', () => {
  assert.doesNotThrow(() => assertLedger(lines(5, 3, 2, 0)))
  assert.throws(() => assertLedger(lines(5, 3, 1, 0)), /otlp traces a/)
  assert.throws(() => assertLedger(lines(5, 6, 0, 0)), /otlp traces a/)
  assert.throws(() => assertLedger(lines(5, 6, -1, 0)), /no more leaves the spool than came in/)
  assert.throws(() => assertLedger(lines(5, 5, 0, 1)), /nothing is in flight/)
})

test('what a test leaves in flight may be missing, and nothing may be too much', () => {
  assert.doesNotThrow(() => assertLedger(lines(5, 3, 0, 100), { inflight: 'left' }))
  assert.throws(() => assertLedger(lines(5, 6, 0, 100), { inflight: 'left' }), /otlp traces a/)
})

test('it is waited for what is in flight; then one process has to be even at once, several in the end', async () => {
  const reader = (readings: ReturnType<typeof lines>[]) => () =>
    Promise.resolve(readings.length > 1 ? readings.shift()! : readings[0]!)
  await assertLedgerWhenIdle(reader([lines(5, 3, 0, 100), lines(5, 5, 0, 0)]))
  const late = () => reader([lines(5, 4, 0, 0), lines(5, 4, 0, 0), lines(5, 5, 0, 0)])
  await assert.rejects(assertLedgerWhenIdle(late()), /otlp traces a/)
  await assertLedgerWhenIdle(late(), { isSummed: true })
})
