/** The container image, as far as it can be tried without an engine: what it is made of, and that its starts compile nothing. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cp, mkdir, readdir, readFile, stat, symlink } from 'node:fs/promises'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { optionVariables } from '../../src/config/environment.ts'
import { temporaryDirectory } from '../support/running.ts'

const root = path.resolve(import.meta.dirname, '../..')
const dockerfile = (await readFile(path.join(root, 'Dockerfile'), 'utf8')).replaceAll('\\\n', '')
const lastStage = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '))

/** Names of files and folders that are taken from the checkout, and where they come to lie in the image. */
function copied(text: string): [from: string, to: string][] {
  return [...text.matchAll(/^COPY (?!--from)(.+)$/gm)].flatMap(([, names = '']) => {
    const parts = names.trim().split(/\s+/)
    const to = parts.at(-1)!
    return parts
      .slice(0, -1)
      .map((from): [string, string] => [from, to.endsWith('/') ? path.join(to, from) : to])
  })
}

/** The step in which the image starts the program. */
function startStep(): string {
  const steps = [...lastStage.matchAll(/^RUN (.+)$/gm)].map(([, step = '']) => step)
  const step = steps.find((each) => each.includes('guidepost.mjs'))
  assert.ok(step !== undefined, 'there is a step that starts the program')
  return step
}

/** The image's folder /app, with the packages of the checkout. */
async function appFolder(t: TestContext): Promise<string> {
  const app = path.join(await temporaryDirectory(t), 'app')
  await mkdir(path.join(app, 'compiled'), { recursive: true })
  for (const [from, to] of copied(lastStage)) {
    await cp(path.join(root, from), path.join(app, to), { recursive: true })
  }
  await symlink(path.join(root, 'node_modules'), path.join(app, 'node_modules'))
  return app
}

/** Every file below a folder, with when it was written. */
async function filesOf(folder: string): Promise<Map<string, number>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const names = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => path.join(parentPath, name))
  return new Map(await Promise.all(names.map(async (name) => [name, (await stat(name)).mtimeMs] as const)))
}

test('what the image copies is in the checkout, and not kept from the engine', async () => {
  const ignore = await readFile(path.join(root, '.dockerignore'), 'utf8')
  const taken = new Set(ignore.split('\n').flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : [])))
  const names = copied(dockerfile).map(([from]) => from)
  assert.ok(names.length > 3)
  for (const name of names) {
    await stat(path.join(root, name))
    assert.ok(taken.has(name), `.dockerignore lets ${name} through`)
  }
})

test('the image is built with all that Node compiles at a start, and a start adds nothing', async (t) => {
  const app = await appFolder(t)
  const tmp = path.join(path.dirname(app), 'tmp')
  await mkdir(tmp)
  const [, cache] = /NODE_COMPILE_CACHE=\/app\/(\S+)/.exec(lastStage) ?? []
  assert.equal(cache, 'compiled')
  const ports = [...optionVariables].filter(([, option]) => option.path.at(-1) === 'port')
  const env = {
    ...Object.fromEntries(ports.map(([name]) => [name, '0'])),
    PATH: `${path.dirname(process.execPath)}:${process.env['PATH']}`,
    TMPDIR: tmp,
    NODE_COMPILE_CACHE: path.join(app, cache),
  }
  const run = (step: string): string => {
    const options = { cwd: app, env, encoding: 'utf8', timeout: 120_000 } as const
    const { status, stdout, stderr } = spawnSync('sh', ['-c', step], options)
    assert.equal(status, 0, `${stdout}\n${stderr}`)
    return stdout
  }
  run(startStep())
  assert.deepEqual(await readdir(tmp), [], 'it leaves nothing behind')
  const built = await filesOf(env.NODE_COMPILE_CACHE)
  assert.ok(built.size > 200, `${built.size} modules`)
  // Nothing is new to a start with the log, nor to one with Kafka and several workers.
  const starts = 'for start in "log:$scratch/log 1" "kafka://127.0.0.1:1 2"; do'
  run(startStep().replace(/for start in .*?; do/, () => starts))
  assert.deepEqual(await filesOf(env.NODE_COMPILE_CACHE), built)
})
