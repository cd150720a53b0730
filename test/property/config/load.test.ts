/** Whatever stands in a configuration file, loading it gives a configuration or says what is wrong. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { formatProblem, loadConfig } from '../../../src/config/load.ts'
import { schema } from '../../../src/config/schema.ts'
import { walk } from '../../../src/config/schema-nodes.ts'
import { propertyBounds } from '../../support/random.ts'

const folder = mkdtempSync(join(tmpdir(), 'guidepost-config-'))
after(() => rmSync(folder, { recursive: true }))

function assertAnswered(text: string): void {
  const file = join(folder, 'any.yaml')
  writeFileSync(file, text)
  const result = loadConfig({ file, env: {}, cwd: folder })
  if (result.config !== undefined) return
  assert.ok(result.problems.length > 0, 'nothing is said')
  for (const problem of result.problems) {
    assert.ok(
      problem.message !== '' && !/undefined|\[object/.test(formatProblem(problem)),
      formatProblem(problem),
    )
  }
}

const paths = [...walk(schema)].map(([path]) => path)

test('a value that cannot be made a text is a problem like any other', () => {
  for (const [path] of walk(schema)) {
    const values: Record<string, unknown> = {}
    put(values, path, [{ toString: 0 }])
    assertAnswered(stringify(values))
    put(values, path, { toString: 0 })
    assertAnswered(stringify(values))
  }
})

test('any value in the place of any option', () => {
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom('off', 'on', null, [], {}, '', -1, 1e300),
  )
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...paths), value), { minLength: 1, maxLength: 4 }),
      (entries) => {
        const values: Record<string, unknown> = {}
        for (const [path, each] of entries) put(values, path, each)
        assertAnswered(stringify(values))
      },
    ),
    propertyBounds(),
  )
})

test('a good file with some of its characters changed', () => {
  const valid = join(import.meta.dirname, '../../data/config/valid')
  const samples = readdirSync(valid)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => readFileSync(join(valid, name), 'utf8'))
  const edit = fc.record({
    at: fc.nat(500),
    remove: fc.nat(3),
    insert: fc.constantFrom(
      '',
      '\n',
      ' ',
      ':',
      '{',
      ']',
      '&a ',
      '*a',
      "'",
      '- ',
      '#',
      '\t',
      '!!binary ',
      '<<: ',
      'ü',
      '0',
    ),
  })
  fc.assert(
    fc.property(fc.constantFrom(...samples), fc.array(edit, { maxLength: 3 }), (sample, edits) => {
      const text = edits.reduce((whole, { at, remove, insert }) => {
        const place = at % (whole.length + 1)
        return whole.slice(0, place) + insert + whole.slice(place + remove)
      }, sample)
      assertAnswered(text)
    }),
    propertyBounds(),
  )
})

function put(values: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key = '', ...rest] = path
  if (rest.length === 0) {
    values[key] = value
    return
  }
  const inner = values[key]
  const isBlock = typeof inner === 'object' && inner !== null && !Array.isArray(inner)
  const block: Record<string, unknown> = isBlock ? { ...inner } : {}
  put(block, rest, value)
  values[key] = block
}
