/** docs/reliability.md promises only what a test holds. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { projectFiles, readText } from '../support/source-tree.ts'

const text = readText('docs/reliability.md')
const HEAD = /^\| promise \| held by \| figures \|$/

test('each promise names the tests that hold it', () => {
  const promises = rowsOf(text)
  assert.ok(promises.length > 20)
  for (const { promise, heldBy } of promises)
    assert.match(
      heldBy,
      /`test\/[\w./-]+\.test\.ts`/,
      `"${promise}": name its test file, in backticks and from the root`,
    )
})

test('each test that is named exists', () => {
  const files = new Set(projectFiles())
  const named = new Set([...text.matchAll(/`(test\/[^`]+)`/g)].map(([, file]) => file ?? ''))
  assert.ok(named.size > 20)
  assert.deepEqual(
    [...named].filter((file) => !files.has(file)),
    [],
    'these are named in docs/reliability.md and do not exist',
  )
})

function rowsOf(page: string): { readonly promise: string; readonly heldBy: string }[] {
  const rows: { promise: string; heldBy: string }[] = []
  let isInside = false
  for (const line of page.split('\n')) {
    if (HEAD.test(line)) isInside = true
    else if (!line.startsWith('|')) isInside = false
    else if (isInside && !line.startsWith('|---')) {
      const [, promise = '', heldBy = ''] = line.split('|')
      rows.push({ promise: promise.trim(), heldBy: heldBy.trim() })
    }
  }
  return rows
}
