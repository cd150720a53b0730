/**
 * `npm test`: every `*.test.ts` under test/, in node's own runner, two files at a time.
 *
 *     npm test                    all
 *     npm test -- tidy stamp/     the files whose path holds one of these texts
 *     npm test -- --list          only their names
 *
 * Exits 1 when a test failed, or none was found. Plain JavaScript that an old Node reads too, so that it can say what
 * is wrong.
 */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { constants } from 'node:os'
import path from 'node:path'

const NODE_MAJOR_MIN = 24
const FILES_AT_ONCE = 2
/** Of one file with all its tests, see support/watchdog.mjs. */
const FILE_MS_MAX = 240_000

process.exitCode = await main(process.argv.slice(2))

/**
 * @param {readonly string[]} args
 * @returns {Promise<number>} the exit status
 */
async function main(args) {
  if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
    return complain(
      `the tests need Node ${NODE_MAJOR_MIN} or later, and this is ${process.version}. ` +
        '`npm ci` brings one along, and `npm test` uses it.',
    )
  }
  const root = path.resolve(import.meta.dirname, '..')
  const filters = args.filter((argument) => !argument.startsWith('--'))
  const unknown = args.filter((argument) => argument.startsWith('--') && argument !== '--list')
  if (unknown.length > 0) return complain(`unknown option ${unknown.join(', ')}; there is only --list`)
  const files = fs
    .globSync('test/**/*.test.ts', { cwd: root })
    .map((file) => file.replaceAll(path.sep, '/'))
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .sort()
  if (files.length === 0) return complain(`no test file matches ${filters.join(' or ')}`)
  if (!args.includes('--list')) return await run(root, files)
  process.stdout.write(`${files.join('\n')}\n`)
  return 0
}

/**
 * Runs the files; a signal for this process is handed on to the runner.
 *
 * @param {string} root
 * @param {readonly string[]} files
 * @returns {Promise<number>} the runner's exit status
 */
function run(root, files) {
  const options = ['--test', '--test-reporter=spec', `--test-concurrency=${FILES_AT_ONCE}`]
  const watchdog = `--import=${new URL('support/watchdog.mjs', import.meta.url).href}`
  const env = { TEST_FILE_MS_MAX: String(FILE_MS_MAX), ...process.env }
  const child = spawn(process.execPath, [watchdog, ...options, ...files], {
    cwd: root,
    stdio: 'inherit',
    env,
  })
  process.on('SIGINT', () => child.kill('SIGINT'))
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(complain(`the runner did not start: ${error.message}`)))
    child.on('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)))
  })
}

/**
 * @param {string} text
 * @returns {number} the exit status
 */
function complain(text) {
  process.stderr.write(`test/run.mjs: ${text}\n`)
  return 1
}
