import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { check } from '../../../src/commands/check.ts'
import { fakeIo } from './fake-io.ts'

const data = join(import.meta.dirname, '../../data/config')
const samples = (kind: string) => readdirSync(join(data, kind)).filter((name) => name.endsWith('.yaml'))

test('each invalid sample ends with 1 and its list of problems on standard output', () => {
  for (const file of samples('invalid')) {
    const io = fakeIo({ cwd: join(data, 'invalid') })
    assert.equal(check({ file, schema: false }, io), 1, file)
    assert.equal(io.stdout.text, readFileSync(join(data, 'invalid', file.replace('.yaml', '.txt')), 'utf8'))
    assert.match(io.stderr.text, new RegExp(`^${io.stdout.lines.length} problems? in ${file}$`, 'm'))
  }
})

test('each valid sample ends with 0 and one line', () => {
  for (const file of samples('valid')) {
    const io = fakeIo({ cwd: join(data, 'valid') })
    assert.equal(check({ file, schema: false }, io), 0, file)
    assert.equal(io.stdout.lines.length, 1)
    assert.match(io.stdout.text, new RegExp(`^${file}: valid, bus (?:log|kafka):`))
  }
})

test('the sampling strategies that a configuration names are checked with it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'guidepost-check-'))
  try {
    const config = join(folder, 'guidepost.yaml')
    writeFileSync(config, 'receivers: { jaeger: { strategiesFile: strategies.json } }\n')
    const run = (text?: string) => {
      const io = fakeIo({ cwd: folder })
      if (text !== undefined) writeFileSync(join(folder, 'strategies.json'), text)
      return { io, status: check({ file: config, schema: false }, io) }
    }
    const missing = run()
    assert.equal(missing.status, 1)
    assert.match(missing.io.stdout.text, /strategies\.json: cannot be read: ENOENT/)
    const wrong = run('{ "default_strategy": { "type": "probabilistic", "param": 5 } }')
    assert.equal(wrong.status, 1)
    assert.match(wrong.io.stdout.text, /strategies\.json: default_strategy\.param must be/)
    assert.match(wrong.io.stderr.text, /^1 problem in /m)
    const hardlyMeant = run('{ "default_strategy": { "type": "probabilistic", "param": 0.5 }, "typo": 1 }')
    assert.equal(hardlyMeant.status, 0)
    assert.match(hardlyMeant.io.stderr.text, /^warning: .*strategies\.json: .*typo/m)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('the environment counts, and what is unknown in it is warned of', () => {
  const io = fakeIo({ cwd: join(data, 'valid'), env: { GUIDEPOST_BUSS: 'x', GUIDEPOST_LOG_LEVEL: 'loud' } })
  assert.equal(check({ file: 'empty.yaml', schema: false }, io), 1)
  assert.match(io.stdout.text, /^variable GUIDEPOST_LOG_LEVEL: logging\.level: must be/)
  assert.match(io.stderr.text, /^warning: environment: GUIDEPOST_BUSS: .* Did you mean GUIDEPOST_BUS\?$/m)
})

test('--schema prints a JSON schema that editors understand', () => {
  const io = fakeIo()
  assert.equal(check({ file: '', schema: true }, io), 0)
  const schema: unknown = JSON.parse(io.stdout.text)
  assert.ok(typeof schema === 'object' && schema !== null && '$schema' in schema)
  assert.equal(schema.$schema, 'http://json-schema.org/draft-07/schema#')
})
