/** What a start costs, told by what it loads, and that the heap is settled behind it. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import test from 'node:test'
import { Program } from '../support/program.ts'
import { temporaryDirectory } from '../support/running.ts'
import { until } from '../support/until.ts'

const loadedUrl = new URL('../support/loaded.mjs', import.meta.url).href
/** Starts the program with further options of Node's; `$0` is Node itself, the rest the program with its arguments. */
const withOptions = (options: string) => ['sh', '-c', `exec "$0" ${options} "$@"`]

test('a start loads neither what other commands, other buses or files need, nor an HTTP client', async (t) => {
  const directory = await temporaryDirectory(t)
  const file = path.join(directory, 'loaded')
  const program = await Program.start({
    bus: `log:${path.join(directory, 'data')}`,
    env: { LOADED_MODULES: file },
    through: withOptions(`--import ${loadedUrl}`),
  })
  t.after(() => program.kill())
  assert.equal(await program.stop(), 0)
  const loaded = (await readFile(file, 'utf8')).split('\n')
  const has = (name: string): boolean => loaded.some((each) => each.includes(name))
  for (const name of ['/src/gateway.ts', '/node_modules/pino/', 'NativeModule http']) {
    assert.ok(has(name), `${name} is loaded, and seen`)
  }
  const packages = ['@platformatic/kafka', 'ajv', 'kafkajs', 'pino-pretty', 'protobufjs', 'yaml']
  const needless = [...packages.map((each) => `/node_modules/${each}/`), 'deps/undici', '/src/bus/kafka']
  assert.deepEqual(needless.filter(has), [])
  const modules = loaded.filter((each) => each.startsWith('file:'))
  assert.ok(modules.length < 400, `${modules.length} modules`)
})

test('a start with Kafka loads its client, and compiles none of the validators that it never calls', async (t) => {
  const file = path.join(await temporaryDirectory(t), 'loaded')
  const program = await Program.start({
    // Nobody is there.
    bus: 'kafka://127.0.0.1:1',
    env: { LOADED_MODULES: file, GUIDEPOST_KAFKA_CONNECT_MS: '1000' },
    through: withOptions(`--import ${loadedUrl}`),
    whenListening: true,
  })
  t.after(() => program.kill())
  assert.equal(await program.stop(), 0)
  const loaded = (await readFile(file, 'utf8')).split('\n')
  assert.ok(loaded.some((each) => each.includes('/node_modules/@platformatic/kafka/')))
  assert.equal(loaded.filter((each) => each === 'a validator').length, 0)
})

test('a while after the start the whole heap is collected, once', async (t) => {
  const directory = await temporaryDirectory(t)
  const program = await Program.start({ bus: `log:${directory}`, through: withOptions('--trace-gc') })
  t.after(() => program.kill())
  // What V8 says of a collection that was asked for; it has another reason for its own.
  const asked = () =>
    program.logs.filter(({ msg }) => msg?.includes('Mark-Compact') && msg.includes('testing;'))
  await until('the heap is settled', 60_000, () => asked().length > 0)
  assert.equal(asked().length, 1)
  assert.equal(await program.stop(), 0)
})
