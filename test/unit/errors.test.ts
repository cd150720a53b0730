import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

test('docs/errors.md has every error code, and no other', () => {
  const defined = [...read('src/errors.ts').matchAll(/^ {2}\| '(GP_[A-Z_]+)'$/gm)].map(([, code]) => code)
  const rows = [...read('docs/errors.md').matchAll(/^\| `(GP_[A-Z_]+)` \| (.+?) \| (.+?) \| (.+?) \|$/gm)]
  assert.ok(defined.length > 10)
  assert.deepEqual(rows.map(([, code]) => code).toSorted(), defined.toSorted())
})

test('docs/errors.md names no code that does not exist', () => {
  const source = read('src/errors.ts')
  for (const [code] of read('docs/errors.md').matchAll(/GP_[A-Z_]+/g))
    assert.ok(source.includes(`'${code}'`), code)
})
