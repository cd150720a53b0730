/** The launcher, as a process of its own. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  compiledFolder,
  findBundledNode,
  isNewEnough,
  tooOldMessage,
  v8Flags,
} from '../../../src/guidepost.mjs'

const root = join(import.meta.dirname, '../../..')
// What is compiled here lies in folders that are removed.
process.env['NODE_COMPILE_CACHE'] = ''
/** Makes this Node.js look like an old one to the program that it starts. */
const pretendOld = `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.20.2'}})`

/** A checkout in which main.ts only tells how it was started. */
function checkout(t: TestContext, options: { packages: boolean; main: string }): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'guidepost-launcher-')))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'src'))
  cpSync(join(root, 'src/guidepost.mjs'), join(folder, 'src/guidepost.mjs'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  writeFileSync(join(folder, 'src/main.ts'), options.main)
  if (options.packages) symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return join(folder, 'src/guidepost.mjs')
}

const tell = `console.log(JSON.stringify({
  pid: process.pid, execArgv: process.execArgv, argv: process.argv.slice(2), exec: process.execPath,
  guard: process.env.GUIDEPOST_LAUNCHER ?? null }))`

test('versions are compared as numbers', () => {
  for (const [version, isGood] of [
    ['24.6.0', true],
    ['v24.21.0', true],
    ['24.10.0', true],
    ['25.0.0', true],
    ['24.5.9', false],
    ['22.99.0', false],
    ['v9.9.9', false],
  ] as const) {
    assert.equal(isNewEnough(version), isGood, version)
  }
})

test('run goes on in the same process, with the V8 flags and without a warning', async (t) => {
  const child = spawn(process.execPath, [checkout(t, { packages: false, main: tell }), 'run', '--guid', 'a'])
  let text = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const [code] = await once(child, 'close')
  assert.equal(code, 0)
  assert.equal(errors, '')
  const told = JSON.parse(text)
  assert.equal(told.pid, child.pid)
  assert.deepEqual(told.argv, ['run', '--guid', 'a'])
  for (const flag of v8Flags) assert.ok(told.execArgv.includes(flag), flag)
  assert.equal(told.guard, null)
})

test('other commands start without the flags', (t) => {
  const { stdout } = spawnSync(process.execPath, [checkout(t, { packages: false, main: tell }), 'check', 'x'])
  const told = JSON.parse(String(stdout))
  assert.deepEqual(told.argv, ['check', 'x'])
  assert.deepEqual(told.execArgv, [])
})

test('a Node.js that is too old, with no other beside the program, says what to do', (t) => {
  const launcher = checkout(t, { packages: false, main: tell })
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', pretendOld, launcher, 'run'])
  assert.equal(status, 1)
  assert.equal(String(stdout), '')
  assert.equal(String(stderr), tooOldMessage('20.20.2'))
  assert.match(
    String(stderr),
    /needs Node\.js 24\.6 or newer, this is v20\.20\.2 .*\n.*`npm ci`.*`npm start`/,
  )
})

const bundled = findBundledNode()
const needsBundled = {
  skip: bundled === undefined ? 'needs the Node.js that `npm ci` brings for this platform' : false,
}

test('a Node.js that is too old goes on with the one that npm brought', needsBundled, (t) => {
  const launcher = checkout(t, { packages: true, main: `${tell}; process.exitCode = 7` })
  const { status, stdout } = spawnSync(process.execPath, ['--import', pretendOld, launcher, 'run', 'x'])
  assert.equal(status, 7)
  const told = JSON.parse(String(stdout))
  assert.equal(realpathSync(told.exec), realpathSync(bundled ?? ''))
  assert.deepEqual(told.argv, ['run', 'x'])
  for (const flag of v8Flags) assert.ok(told.execArgv.includes(flag), flag)
})

test('it never starts itself twice, even when the other is as old', needsBundled, (t) => {
  const launcher = checkout(t, { packages: true, main: tell })
  const env = { ...process.env, NODE_OPTIONS: `--import="${pretendOld}"` }
  const { status, stderr } = spawnSync(process.execPath, [launcher, 'run'], { env, timeout: 20_000 })
  assert.equal(status, 1)
  assert.match(String(stderr), /^guidepost needs Node\.js/)
})

test('signals are handed on, and the exit code comes back', needsBundled, async (t) => {
  const main = `process.on('SIGTERM', () => process.exit(5)); setInterval(() => {}, 1000); console.log('up')`
  const launcher = checkout(t, { packages: true, main })
  const child = spawn(process.execPath, ['--import', pretendOld, launcher, 'run'])
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'exit'), [5, null])
})

test('a launcher that is killed takes the program with it', needsBundled, async (t) => {
  const main = `process.on('SIGTERM', () => { console.log('drained'); process.exit(0) })
    setInterval(() => {}, 1000); console.log('up')`
  const launcher = checkout(t, { packages: true, main })
  const child = spawn(process.execPath, ['--import', pretendOld, launcher, 'run'])
  t.after(() => child.kill('SIGKILL'))
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    if (text === 'up\n') child.kill('SIGKILL')
  })
  // Its output closes only when the program, which shares it, is gone as well.
  await once(child, 'close', { signal: AbortSignal.timeout(20_000) })
  assert.equal(text, 'up\ndrained\n')
})

const systemNode = '/usr/bin/node'
const systemVersion = spawnSync(systemNode, ['--version'], { encoding: 'utf8' }).stdout?.trim() ?? ''
const isOldSystem = systemVersion !== '' && !isNewEnough(systemVersion)

test('a really old Node.js can read the launcher', {
  skip: isOldSystem ? false : `${systemNode} is not an old one`,
}, (t) => {
  const launcher = checkout(t, { packages: false, main: tell })
  const { status, stderr } = spawnSync(systemNode, [launcher, 'run'])
  assert.equal(status, 1)
  assert.ok(String(stderr).startsWith(`guidepost needs Node.js 24.6 or newer, this is ${systemVersion}`))
})

test('it runs through a link, as npm makes one', (t) => {
  const launcher = checkout(t, { packages: false, main: tell })
  const link = join(launcher, '../../guidepost')
  symlinkSync(launcher, link)
  const { stdout } = spawnSync(process.execPath, [link, 'check', 'x'])
  assert.deepEqual(JSON.parse(String(stdout)).argv, ['check', 'x'])
})

test('what is compiled is kept in a folder of the user', () => {
  const kept = '/people/a/.cache/guidepost/compiled'
  assert.equal(compiledFolder({ HOME: '/people/a' }), kept)
  assert.equal(compiledFolder({ HOME: '/people/a', XDG_CACHE_HOME: '' }), kept)
  assert.equal(compiledFolder({ HOME: '/people/a', XDG_CACHE_HOME: '/b' }), '/b/guidepost/compiled')
  assert.equal(compiledFolder({ HOME: '/people/a', XDG_CACHE_HOME: 'b' }), undefined)
  assert.equal(compiledFolder({ HOME: '' }), undefined)
  assert.equal(compiledFolder({}), undefined)
})

/** Runs one of the commands with folders of its own for all that it might keep. */
function runKeeping(
  t: TestContext,
  command: string,
  more: Record<string, string>,
): { home: string; told: unknown } {
  const main = `${tell.replace('guard:', 'kept: process.env.NODE_COMPILE_CACHE ?? null, guard:')}`
  const launcher = checkout(t, { packages: false, main })
  const home = join(launcher, '../..')
  const env = { PATH: process.env['PATH'], HOME: home, ...more }
  const { status, stdout, stderr } = spawnSync(process.execPath, [launcher, command], { env })
  assert.equal(status, 0)
  assert.equal(String(stderr), '')
  return { home, told: JSON.parse(String(stdout)).kept }
}

for (const command of ['run', 'check']) {
  test(`${command} keeps what was compiled for the next start`, (t) => {
    const { home, told } = runKeeping(t, command, {})
    const folder = join(home, '.cache/guidepost/compiled')
    assert.equal(told, folder)
    const [version = ''] = readdirSync(folder)
    assert.ok(readdirSync(join(folder, version)).length > 0)
  })

  test(`${command} does without where nothing can be kept, and keeps it where it is told to`, (t) => {
    const nowhere = { XDG_CACHE_HOME: join(root, 'package.json') }
    assert.equal(runKeeping(t, command, nowhere).told, join(root, 'package.json/guidepost/compiled'))
    const { home, told } = runKeeping(t, command, { NODE_COMPILE_CACHE: '' })
    assert.equal(told, '')
    assert.equal(existsSync(join(home, '.cache')), false)
  })
}
