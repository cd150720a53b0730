import assert from 'node:assert/strict'
import { mkdir, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { GuidepostError } from '../../../src/errors.ts'
import { limits } from '../../../src/limits.ts'
import { Strategies, type StrategiesEvent } from '../../../src/receivers/jaeger-strategies.ts'
import { temporaryDirectory } from '../../support/running.ts'
import { until } from '../../support/until.ts'

const POLL_MS = 10
const WAIT_MS = 5_000

const text = (rate: number): string =>
  JSON.stringify({ default_strategy: { type: 'probabilistic', param: rate } })

interface Watching {
  readonly strategies: Strategies
  readonly told: string[]
  readonly events: StrategiesEvent[]
  rate(): number
}

function watch(t: TestContext, file: string | undefined): Watching {
  const told: string[] = []
  const events: StrategiesEvent[] = []
  const strategies = new Strategies({
    file,
    told: (level, _fields, message) => told.push(`${level}: ${message}`),
    event: (name) => events.push(name),
    pollMs: POLL_MS,
  })
  t.after(() => strategies.stop())
  const rate = (): number =>
    JSON.parse(strategies.strategyOf('shop').json.toString()).probabilisticSampling.samplingRate
  return { strategies, told, events, rate }
}

test('without a file there is one strategy for all', async (t) => {
  const { strategies, told, rate } = watch(t, undefined)
  await strategies.start()
  assert.equal(rate(), 0.001)
  assert.deepEqual(told, [])
})

test('a start with a file that cannot be used fails, and says why', async (t) => {
  const folder = await temporaryDirectory(t)
  const file = path.join(folder, 'strategies.json')
  const refused = async (named: string, why: RegExp): Promise<void> => {
    await assert.rejects(watch(t, named).strategies.start(), (error) => {
      assert.ok(error instanceof GuidepostError && error.code === 'GP_CONFIG' && !error.canRetry)
      assert.ok(error.message.startsWith(named), error.message)
      assert.match(error.message, why)
      return true
    })
  }
  await refused(file, /does not exist/)
  await refused(folder, /is not a file/)
  await refused('/dev/zero', /is not a file/)
  await writeFile(file, text(2))
  await refused(file, /default_strategy\.param must be from 0 to 1/)
  await truncate(file, limits.configFileBytesMax + 1)
  await refused(file, /has 1048577 bytes; at most 1048576/)
  const operations = Array.from({ length: 2_000 }, (_, i) => ({
    operation: `o${i}`,
    type: 'probabilistic',
    param: 1,
  }))
  const services = Array.from({ length: 1_000 }, (_, i) => ({
    service: `s${i}`,
    type: 'probabilistic',
    param: 1,
  }))
  const large = {
    default_strategy: { type: 'probabilistic', param: 1, operation_strategies: operations },
    service_strategies: services,
  }
  await writeFile(file, JSON.stringify(large))
  await refused(file, /the answers take more than/)
})

test('a file that is written anew, or replaced by a rename, is taken over', async (t) => {
  const folder = await temporaryDirectory(t)
  const file = path.join(folder, 'strategies.json')
  await writeFile(file, text(0.1))
  const { strategies, told, events, rate } = watch(t, file)
  await strategies.start()
  assert.equal(rate(), 0.1)
  await writeFile(file, text(0.2))
  await until('what was written is told', WAIT_MS, () => rate() === 0.2)
  await writeFile(`${file}.new`, text(0.3))
  await rename(`${file}.new`, file)
  await until('what was renamed is told', WAIT_MS, () => rate() === 0.3)
  assert.deepEqual(events, ['sampling_reloaded', 'sampling_reloaded'])
  assert.deepEqual(told, Array(2).fill('info: the sampling strategies were read again'))
})

test('an old file behind a symbolic link that now leads to it is taken over', async (t) => {
  const folder = await temporaryDirectory(t)
  const longAgo = new Date('2020-01-01')
  for (const [name, rate] of [
    ['first', 0.1],
    ['second', 0.2],
  ] as const) {
    await mkdir(path.join(folder, name))
    await writeFile(path.join(folder, name, 'strategies.json'), text(rate))
    await utimes(path.join(folder, name, 'strategies.json'), longAgo, longAgo)
  }
  // As Kubernetes does: the file is a link into a folder that is a link, and that link is replaced.
  await symlink('first', path.join(folder, 'data'))
  await symlink(path.join('data', 'strategies.json'), path.join(folder, 'strategies.json'))
  const { strategies, events, rate } = watch(t, path.join(folder, 'strategies.json'))
  await strategies.start()
  assert.equal(rate(), 0.1)
  await symlink('second', path.join(folder, 'data.new'))
  await rename(path.join(folder, 'data.new'), path.join(folder, 'data'))
  await until('the other folder is read', WAIT_MS, () => rate() === 0.2)
  assert.deepEqual(events, ['sampling_reloaded'])
})

test('a bad file changes nothing, is told and counted once, and is read again when it is mended', async (t) => {
  const file = path.join(await temporaryDirectory(t), 'strategies.json')
  await writeFile(file, text(0.1))
  const { strategies, told, events, rate } = watch(t, file)
  await strategies.start()
  await writeFile(file, text(7))
  await until('the file is refused', WAIT_MS, () => events.length > 0)
  await strategies.reload(file)
  await rm(file)
  await until('that it is gone is told', WAIT_MS, () => told.length === 3)
  assert.equal(rate(), 0.1)
  // Back as it was.
  await writeFile(file, text(0.1))
  await until('it is taken again', WAIT_MS, () => events.at(-1) === 'sampling_reloaded')
  const stay = `warn: the sampling strategies stay as they were: ${file}:`
  const wrong = `${stay} default_strategy.param must be from 0 to 1 for probabilistic, not 7`
  assert.deepEqual(told, [
    wrong,
    wrong,
    `${stay} does not exist`,
    'info: the sampling strategies were read again',
  ])
  const failed = Array<StrategiesEvent>(3).fill('sampling_reload_failed')
  assert.deepEqual(events, [...failed, 'sampling_reloaded'])
})

test('a reload may name another file, or none, and stop ends all looking', async (t) => {
  const folder = await temporaryDirectory(t)
  const [first, second] = [path.join(folder, 'first.json'), path.join(folder, 'second.json')]
  await writeFile(first, text(0.1))
  const { strategies, told, rate } = watch(t, first)
  await strategies.start()
  await strategies.reload(second)
  assert.equal(rate(), 0.1)
  assert.deepEqual(told, [`warn: the sampling strategies stay as they were: ${second}: does not exist`])
  await writeFile(second, text(0.2))
  await until('the other file is there', WAIT_MS, () => rate() === 0.2)
  await writeFile(first, text(0.3))
  await strategies.reload(first)
  assert.equal(rate(), 0.3)
  await strategies.reload(undefined)
  assert.equal(rate(), 0.001)
  assert.equal(told.at(-1), 'info: there is no file of sampling strategies any more, and the default holds')
  await strategies.reload(first)
  strategies.stop()
  const before = told.length
  await rm(first)
  await strategies.reload(first)
  assert.deepEqual([rate(), told.length], [0.3, before])
})

test('warnings of the file are told each time that it is taken', async (t) => {
  const file = path.join(await temporaryDirectory(t), 'strategies.json')
  await writeFile(file, '{"default_stategy":{}}')
  const { strategies, told } = watch(t, file)
  await strategies.start()
  assert.deepEqual(told, [
    'warn: sampling strategies: default_stategy is not known, and has no effect; did you mean default_strategy?',
  ])
})
