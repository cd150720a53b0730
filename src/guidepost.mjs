#!/usr/bin/env node
/**
 * The launcher. Plain JavaScript that an old Node.js can read, so that it can say what is wrong; on a Node.js that is
 * too old it looks for the one that npm brought along and goes on with that. `run` is started with the V8 flags that
 * pay for a program which lives long and moves large buffers.
 */
import { realpathSync } from 'node:fs'
import module, { createRequire } from 'node:module'
import { dirname, isAbsolute, join } from 'node:path'
import { fileURLToPath, URL } from 'node:url'

/** The oldest Node.js that runs this: it strips types without a flag and has no known fault in what is used. */
export const nodeVersionMin = [24, 6]

/**
 * V8 flags for `run`, measured on the whole path (docs/performance.md): the collector gains nothing from threads that
 * compete with the one that works, and a small space for young objects is emptied before the buffers that hang on them make
 * V8 collect the whole heap. Only flags with which V8 still takes what Node.js has compiled of its own modules: with most
 * others they are compiled anew at each start. More are set when all is loaded (`settleHeap`).
 */
export const v8Flags = ['--single-threaded-gc', '--min-semi-space-size=4', '--max-semi-space-size=4']

/**
 * glibc's allocator for `run`, unless the environment says otherwise. Buffers of some 100 KB come and go with each request;
 * by default their memory goes back to the system each time, and taking it anew costs a page fault for every 4 KB.
 */
export const allocatorVariables = {
  MALLOC_MMAP_THRESHOLD_: String(32 * 1024 * 1024),
  MALLOC_TRIM_THRESHOLD_: String(64 * 1024 * 1024),
  MALLOC_TOP_PAD_: String(16 * 1024 * 1024),
}

/** For what most starts do not need; an old Node.js has no `process.getBuiltinModule`. */
const require = createRequire(import.meta.url)

/** Set for what the launcher starts, so that it never starts itself twice. */
const guard = 'GUIDEPOST_LAUNCHER'

/** The child's end of a pipe that carries nothing; it closes when the launcher ends, however that comes about. */
const lifeline = 3

/** @param {string} version as in `process.versions.node` or `node --version` */
export function isNewEnough(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
  const [majorMin = 0, minorMin = 0] = nodeVersionMin
  return major > majorMin || (major === majorMin && minor >= minorMin)
}

/** @param {string} version */
export function tooOldMessage(version) {
  return (
    `guidepost needs Node.js ${nodeVersionMin.join('.')} or newer, this is v${version} (${process.execPath}). [GP_NODE_TOO_OLD]\n` +
    'In a checkout, `npm ci` brings a new one along: then use `npm start`, `npx guidepost`, or this same command.\n'
  )
}

/**
 * Where Node.js keeps what it has compiled, types stripped, for the next start, which then takes a third to a half less. A folder of
 * the user's own and not one of the system's for all, since what lies there is run as code.
 * @param {NodeJS.ProcessEnv} env
 * @returns {string | undefined} undefined where the user has no such folder
 */
export function compiledFolder({ XDG_CACHE_HOME, HOME }) {
  const caches = XDG_CACHE_HOME || (HOME && join(HOME, '.cache'))
  return caches && isAbsolute(caches) ? join(caches, 'guidepost', 'compiled') : undefined
}

/**
 * The Node.js that npm installed beside the program, when it is there, runs, and is new enough.
 * @returns {string | undefined}
 */
export function findBundledNode() {
  const platform = process.platform === 'win32' ? 'win' : process.platform
  const file = process.platform === 'win32' ? 'node.exe' : 'node'
  try {
    const { spawnSync } = /** @type {typeof import('node:child_process')} */ (require('node:child_process'))
    const manifest = require.resolve(`node-${platform}-${process.arch}/package.json`)
    const path = join(dirname(manifest), 'bin', file)
    const { status, stdout } = spawnSync(path, ['--version'], { encoding: 'utf8', env: {} })
    return status === 0 && isNewEnough(stdout.trim()) ? path : undefined
  } catch {
    return undefined
  }
}

/**
 * Runs `node` with the same terminal, hands signals on to it, and ends as it ends.
 * @param {string} node
 * @param {string[]} args
 */
function runWith(node, args) {
  const { spawn } = /** @type {typeof import('node:child_process')} */ (require('node:child_process'))
  const { constants } = /** @type {typeof import('node:os')} */ (require('node:os'))
  const child = spawn(node, args, {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: { ...allocatorVariables, ...process.env, [guard]: 'child' },
  })
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    // On a terminal Ctrl-C reaches the child by itself, and a second copy may mean something else to it.
    const isSent = signal === 'SIGINT' && process.stdin.isTTY
    process.on(signal, () => isSent || child.kill(signal))
  }
  child.on('error', (error) => {
    process.stderr.write(`guidepost could not start ${node}: ${error.message}\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal]))
  })
}

/** Drains when the launcher was killed with a signal that it could not hand on; nobody else would end this process. */
function followLauncher() {
  const { Socket } = /** @type {typeof import('node:net')} */ (require('node:net'))
  const pipe = new Socket({ fd: lifeline, readable: true, writable: false })
  pipe.on('error', () => pipe.destroy())
  pipe.on('close', () => process.kill(process.pid, 'SIGTERM'))
  pipe.resume().unref()
}

/** @param {string[]} argv the arguments after the program's name */
async function launch(argv) {
  const isGuarded = process.env[guard] !== undefined
  if (process.env[guard] === 'child') followLauncher()
  delete process.env[guard]
  const compiled = process.env['NODE_COMPILE_CACHE'] ?? compiledFolder(process.env)
  if (compiled !== undefined) process.env['NODE_COMPILE_CACHE'] = compiled
  const self = fileURLToPath(import.meta.url)
  const flags = argv[0] === 'run' ? v8Flags.filter((flag) => !process.execArgv.includes(flag)) : []
  const args = [...flags, ...process.execArgv, self, ...argv]

  if (!isNewEnough(process.versions.node)) {
    const node = isGuarded ? undefined : findBundledNode()
    if (node === undefined) {
      process.stderr.write(tooOldMessage(process.versions.node))
      process.exitCode = 1
    } else {
      runWith(node, [...flags, self, ...argv])
    }
    return
  }
  if (flags.length > 0 && !isGuarded && process.execve !== undefined && process.platform !== 'win32') {
    // The same process goes on as another program: its id, terminal and parent stay.
    const env = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== undefined))
    process.execve(process.execPath, [process.execPath, ...args], {
      ...allocatorVariables,
      ...env,
      [guard]: String(process.pid),
    })
  }
  // Where it cannot be written Node.js goes on without; workers and threads follow the variable.
  if (compiled) module.enableCompileCache()
  // Named through a URL, so that no tool follows it from a file that an old Node.js has to read.
  await import(new URL('./main.ts', import.meta.url).href)
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await launch(process.argv.slice(2))
}
