import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { limits } from '../../../src/limits.ts'
import { DirectoryLock } from '../../../src/segment/directory-lock.ts'

interface Forgery {
  readonly directory: string
  readonly path: string
  /** What this process writes into a lock. */
  readonly own: Record<string, unknown>
  /** A lock with other contents, touched so long ago. */
  forge(changes: Record<string, unknown>, ageMs?: number): Promise<void>
}

async function setUp(t: TestContext): Promise<Forgery> {
  const directory = await mkdtemp(join(tmpdir(), 'guidepost-lock-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const path = join(directory, 'lock')
  const lock = await DirectoryLock.take(directory)
  const own: Record<string, unknown> = JSON.parse(await readFile(path, 'utf8'))
  await lock.release()
  const forge = async (changes: Record<string, unknown>, ageMs = 0): Promise<void> => {
    await writeFile(path, JSON.stringify({ ...own, id: 'forged', ...changes }))
    const touched = new Date(Date.now() - ageMs)
    await utimes(path, touched, touched)
  }
  return { directory, path, own, forge }
}

const takes = async (directory: string): Promise<void> => (await DirectoryLock.take(directory)).release()

/** Asked anew each time, which the compiler does not expect of a property. */
const problemOf = (lock: DirectoryLock): DirectoryLock['problem'] => lock.problem

/** No system gives out ids this high. */
const nobody = 2 ** 30

test('the lock of a process that is gone is taken over at once, that of one that runs is not', async (t) => {
  const { directory, forge } = await setUp(t)
  await forge({ pid: nobody, started: '1' })
  await takes(directory)
  const lock = await DirectoryLock.take(directory)
  await assert.rejects(DirectoryLock.take(directory), { code: 'GP_CONFIG', message: /this process already/ })
  await lock.release()
  // The same id, started at another time: an id that was used again.
  await forge({ pid: process.ppid, started: '1' })
  await takes(directory)
})

test('where a process id means something else, only the age of the lock decides', async (t) => {
  const { directory, own, forge } = await setUp(t)
  const elsewhere =
    process.platform === 'linux'
      ? [
          { pidNamespace: 'pid:[1]' },
          { bootId: 'another' },
          // As an earlier version wrote it.
          { pidNamespace: undefined, bootId: undefined },
        ]
      : [{ host: `not-${String(own['host'])}` }]
  for (const place of elsewhere) {
    for (const { pid, started } of [
      { pid: nobody, started: '1' },
      { pid: own['pid'], started: own['started'] },
    ]) {
      await forge({ ...place, pid, started })
      await assert.rejects(DirectoryLock.take(directory), {
        code: 'GP_CONFIG',
        message: new RegExp(`process ${pid} on `),
      })
      await forge({ ...place, pid, started }, limits.logLockMsMax + 1000)
      await takes(directory)
    }
  }
})

test('who waits has it when its owner has left; where nobody can say if there is one, he is told to try again', async (t) => {
  const { directory, path, own, forge } = await setUp(t)
  const elsewhere =
    process.platform === 'linux' ? { bootId: 'another' } : { host: `not-${String(own['host'])}` }
  await forge(elsewhere)
  const waitMs = 60_000
  const startMs = performance.now()
  await assert.rejects(DirectoryLock.take(directory, waitMs), { code: 'GP_DISK_FAILED', canRetry: true })
  assert.ok(performance.now() - startMs < waitMs / 2, 'it was not waited for')

  await rm(path)
  const lock = await DirectoryLock.take(directory)
  const waiting = DirectoryLock.take(directory, waitMs)
  await lock.release()
  await (await waiting).release()
})

test('a deleted lock is made again, one that was taken over is lost for good', async (t) => {
  const { directory, path, forge } = await setUp(t)
  const lock = await DirectoryLock.take(directory)
  const text = await readFile(path, 'utf8')
  await rm(directory, { recursive: true })
  await lock.check()
  assert.equal(await readFile(path, 'utf8'), text)
  assert.equal(problemOf(lock), undefined)
  await forge({ host: 'elsewhere', pid: 77 })
  await lock.check()
  assert.equal(problemOf(lock)?.code, 'GP_DISK_FAILED')
  assert.equal(problemOf(lock)?.canRetry, true)
  assert.match(problemOf(lock)?.message ?? '', /taken over by process 77 on elsewhere/)
  await rm(path)
  await lock.check()
  assert.match(problemOf(lock)?.message ?? '', /taken over/)
  await lock.release()
})

test('a process that paused until its lock was stale writes only after it has seen it again', async (t) => {
  const { directory, path } = await setUp(t)
  let nowMs = performance.now()
  t.mock.method(performance, 'now', () => nowMs)
  const lock = await DirectoryLock.take(directory)
  nowMs += limits.logLockMsMax + 1
  assert.match(problemOf(lock)?.message ?? '', /could not be renewed/)
  await lock.check()
  assert.equal(problemOf(lock), undefined)
  nowMs += limits.logLockMsMax + 1
  // Another took it over meanwhile and has ended.
  await rm(path)
  await lock.check()
  assert.match(problemOf(lock)?.message ?? '', /taken over/)
  await assert.rejects(readFile(path), { code: 'ENOENT' })
  await lock.release()
})

test('a lock that is held is touched', async (t) => {
  const { directory, path } = await setUp(t)
  let nowMs = performance.now()
  t.mock.method(performance, 'now', () => nowMs)
  const lock = await DirectoryLock.take(directory)
  await utimes(path, new Date(0), new Date(0))
  nowMs += limits.logLockMsMax / 4 + 1
  await lock.check()
  await assert.rejects(DirectoryLock.take(directory), { code: 'GP_CONFIG' })
  await lock.release()
  const other = await DirectoryLock.take(directory)
  await other.release()
})
