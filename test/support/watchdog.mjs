/**
 * Loaded before each test file: ends its process when the file takes too long, even if it is stuck in a loop. Node's
 * own limit is for single tests, and lets a file live that never exits. A test that leaves a timer or a socket open
 * fails by this too.
 */
import { isMainThread, Worker } from 'node:worker_threads'

const msMax = Number(process.env['TEST_FILE_MS_MAX'])
const SOURCE = `
const { workerData } = require('node:worker_threads')
setTimeout(() => {
  require('node:fs').writeSync(2, workerData.file + ': still running after ' + workerData.msMax / 1000 + ' s, ended\\n')
  process.kill(workerData.pid, 'SIGKILL')
}, workerData.msMax)`

if (isMainThread && process.env['NODE_TEST_CONTEXT'] !== undefined && msMax > 0) {
  const workerData = { pid: process.pid, file: process.argv[1], msMax }
  new Worker(SOURCE, { eval: true, execArgv: [], workerData }).unref()
}
