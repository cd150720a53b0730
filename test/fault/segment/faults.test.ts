import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type GuidepostError, retryable } from '../../../src/errors.ts'
import { MiB } from '../../../src/limits.ts'
import { diskError, FaultyFileSystem, type Operation } from '../../support/faulty-file-system.ts'
import { Random } from '../../support/random.ts'
import { idsOf, openWriter, readAll, record } from './support.ts'

/** Makes the next operation of this kind fail, once. */
function failOnce(fs: FaultyFileSystem, operation: Operation, code: string): void {
  fs.hook = (actual) => {
    if (actual !== operation) return undefined
    fs.hook = () => undefined
    throw diskError(code)
  }
}

test('short writes are completed', async () => {
  const fs = new FaultyFileSystem()
  const { writer } = await openWriter(fs)
  assert.equal(await writer.append([record('first')]).settled, undefined)
  // The values, 50 and 9,000 bytes, lie in slices of their own and in the packed one; each write ends inside of one.
  const sent = [record('a', Buffer.alloc(50, 1)), record('b', Buffer.alloc(9000, 2)), record('c')]
  let writes = 0
  fs.hook = (operation) => {
    if (operation !== 'writev') return undefined
    writes += 1
    return 1
  }
  assert.equal(await writer.append(sent).settled, undefined)
  fs.hook = () => undefined
  assert.ok(writes > 9000)
  const { records, events } = await readAll(fs)
  assert.deepEqual(idsOf(records), ['first', 'a', 'b', 'c'])
  assert.ok(records[2]!.value.equals(sent[1]!.value))
  assert.deepEqual(events, [])
  await writer.close(1000)
})

test('after a failed fsync the append fails, may be retried, and a new segment takes it', async () => {
  const fs = new FaultyFileSystem()
  const { writer, events } = await openWriter(fs)
  assert.equal(await writer.append([record('a')]).settled, undefined)
  failOnce(fs, 'datasync', 'EIO')
  const outcome = await writer.append([record('lost')]).settled
  assert.equal(outcome?.code, 'GP_DISK_FAILED')
  assert.equal(outcome?.canRetry, true)
  assert.equal(writer.problem, outcome)
  assert.equal(await writer.append([record('b')]).settled, undefined)
  assert.equal(writer.problem, undefined)
  await writer.close(1000)
  assert.deepEqual(
    events.map((event) => event.kind),
    ['disk_failed', 'disk_recovered'],
  )
  assert.deepEqual(idsOf((await readAll(fs)).records), ['a', 'b'])
  // What was acknowledged after the failure survives a power cut: it does not stand on the failed cache.
  fs.losePower(new Random(0))
  assert.deepEqual(idsOf((await readAll(fs)).records), ['a', 'b'])
})

test('a failing disk on which not even the cleaning up succeeds loses nothing acknowledged', async () => {
  const fs = new FaultyFileSystem()
  const { writer } = await openWriter(fs)
  assert.equal(await writer.append([record('a')]).settled, undefined)
  fs.hook = (operation) => {
    if (operation !== 'writev' && operation !== 'read') throw diskError('EIO')
    return undefined
  }
  for (const id of ['x', 'y', 'z'])
    assert.equal((await writer.append([record(id)]).settled)?.code, 'GP_DISK_FAILED')
  fs.hook = () => undefined
  assert.equal(await writer.append([record('b')]).settled, undefined)
  await writer.close(1000)
  const { records } = await readAll(fs)
  assert.deepEqual(idsOf(records.filter(({ batchId }) => 'ab'.includes(batchId))), ['a', 'b'])
  const offsets = records.map(({ offset }) => offset)
  assert.deepEqual(
    offsets,
    [...new Set(offsets)].sort((a, b) => a - b),
    'offsets rise, none is used twice',
  )
})

test('a disk that fills up in the middle of a write: refused, nothing half-written remains, well again after', async () => {
  const fs = new FaultyFileSystem()
  const { writer, events } = await openWriter(fs)
  assert.equal(await writer.append([record('a')]).settled, undefined)
  let left = 20
  fs.hook = (operation) => {
    if (operation !== 'writev') return undefined
    if (left === 0) throw diskError('ENOSPC')
    const taken = left
    left = 0
    return taken
  }
  const outcome = await writer.append([record('b')]).settled
  assert.equal(outcome?.code, 'GP_DISK_FULL')
  assert.equal(outcome?.canRetry, true)
  const meanwhile = await readAll(fs)
  assert.deepEqual(idsOf(meanwhile.records), ['a'])
  assert.deepEqual(meanwhile.events, [])
  fs.hook = () => undefined
  assert.equal(await writer.probe(), undefined)
  assert.equal(writer.problem, undefined)
  assert.equal(await writer.append([record('b')]).settled, undefined)
  await writer.close(1000)
  assert.deepEqual(idsOf((await readAll(fs)).records), ['a', 'b'])
  assert.deepEqual(
    events.map((event) => event.kind),
    ['disk_full', 'disk_recovered'],
  )
})

test('below the reserve nothing is written', async () => {
  const fs = new FaultyFileSystem()
  const { writer } = await openWriter(fs, { diskReserveBytes: 10 * MiB })
  fs.free = 10 * MiB
  const outcome = await writer.append([record('a')]).settled
  assert.equal(outcome?.code, 'GP_DISK_FULL')
  assert.match(
    outcome?.message ?? '',
    /has 10\.0 MiB free; log\.diskReserveBytes keeps 10\.0 MiB of it and the next write takes up to \d+ B: make room/,
  )
  assert.deepEqual(fs.paths(), [])
  assert.equal(
    (await writer.probe())?.code,
    'GP_DISK_FULL',
    'not well before there is room for what was refused',
  )
  fs.free = 11 * MiB
  assert.equal(await writer.probe(), undefined)
  assert.equal(await writer.append([record('b')]).settled, undefined)
  await writer.close(1000)
  assert.deepEqual(idsOf((await readAll(fs)).records), ['b'])
})

test('appends made while a sync runs share the next one', async () => {
  const fs = new FaultyFileSystem()
  const { writer } = await openWriter(fs)
  assert.equal(await writer.append([record('a')]).settled, undefined)
  const gate = Promise.withResolvers<undefined>()
  const reached = Promise.withResolvers<void>()
  let syncs = 0
  fs.hook = (operation) => {
    if (operation !== 'datasync') return undefined
    syncs += 1
    reached.resolve()
    return gate.promise
  }
  const first = writer.append([record('b')])
  await reached.promise
  const rest = Array.from({ length: 100 }, (_, index) => writer.append([record(`c${index}`)]))
  gate.resolve(undefined)
  assert.equal(await first.settled, undefined)
  for (const pending of rest) assert.equal(await pending.settled, undefined)
  assert.equal(syncs, 2)
  await writer.close(1000)
  assert.equal((await readAll(fs)).records.length, 102)
})

test('who gives up during a hanging write may reuse the bytes: they never become a record', async () => {
  const fs = new FaultyFileSystem()
  const { writer } = await openWriter(fs)
  assert.equal(await writer.append([record('a')]).settled, undefined)
  const gate = Promise.withResolvers<undefined>()
  const reached = Promise.withResolvers<void>()
  fs.hook = (operation) => {
    if (operation !== 'writev') return undefined
    reached.resolve()
    return gate.promise
  }
  const late = retryable('GP_BUS_DEADLINE', 'late')
  const writing = writer.append([record('writing')])
  await reached.promise
  const waiting = writer.append([record('waiting')])
  const patient = writer.append([record('patient')])
  writing.abandon(late)
  waiting.abandon(late)
  assert.equal(await writing.settled, late)
  assert.equal(await waiting.settled, late)
  gate.resolve(undefined)
  fs.hook = () => undefined
  assert.equal(await patient.settled, undefined)
  await writer.close(1000)
  assert.deepEqual(idsOf((await readAll(fs)).records), ['a', 'patient'])
})

test('who gives up before the write has begun is left out of it, and the others are stored', async () => {
  const fs = new FaultyFileSystem()
  const { writer } = await openWriter(fs)
  const gate = Promise.withResolvers<undefined>()
  const reached = Promise.withResolvers<void>()
  fs.hook = (operation) => {
    if (operation !== 'open') return undefined
    reached.resolve()
    return gate.promise
  }
  const impatient = writer.append([record('impatient')])
  const patient = writer.append([record('patient')])
  await reached.promise
  impatient.abandon(retryable('GP_BUS_DEADLINE', 'late'))
  gate.resolve(undefined)
  assert.equal(await patient.settled, undefined)
  assert.equal(await writer.close(1000), true)
  assert.deepEqual(idsOf((await readAll(fs)).records), ['patient'])
})

test('close gives up a sync that hangs, and says so to those who wait', async () => {
  const fs = new FaultyFileSystem()
  const { writer } = await openWriter(fs)
  const gate = Promise.withResolvers<undefined>()
  const reached = Promise.withResolvers<void>()
  fs.hook = (operation) => {
    if (operation !== 'datasync') return undefined
    reached.resolve()
    return gate.promise
  }
  const hanging = writer.append([record('a')])
  await reached.promise
  const waiting = writer.append([record('b')])
  assert.equal(await writer.close(20), false)
  assert.equal((await waiting.settled)?.code, 'GP_DRAINING')
  assert.equal((await hanging.settled)?.code, 'GP_DRAINING')
  assert.equal((await writer.append([record('c')]).settled)?.code, 'GP_DRAINING')
  gate.resolve(undefined)
})

test('a segment deleted while it is written: its appends fail, and a new one goes on with the offsets', async () => {
  const fs = new FaultyFileSystem()
  const { writer, events } = await openWriter(fs)
  assert.equal(await writer.append([record('a')]).settled, undefined)
  for (const path of fs.paths()) await fs.unlink(path)
  const outcome = await writer.append([record('lost')]).settled
  assert.equal(outcome?.code, 'GP_DISK_FAILED')
  assert.equal(outcome?.canRetry, true)
  assert.match(outcome?.message ?? '', /was deleted while it was written/)
  assert.equal(writer.problem, outcome)
  assert.equal(await writer.append([record('b')]).settled, undefined)
  assert.equal(writer.problem, undefined)
  await writer.close(1000)
  const { records } = await readAll(fs)
  assert.deepEqual(idsOf(records), ['b'])
  assert.ok(records[0]!.offset >= 2, 'the offsets of what is gone are not used again')
  assert.deepEqual(
    events.map((event) => event.kind),
    ['disk_failed', 'disk_recovered'],
  )
})

test('a writer whose directory is another’s now changes nothing in it, not even to clean up', async () => {
  const fs = new FaultyFileSystem()
  let refusal: GuidepostError | undefined
  const { writer } = await openWriter(fs, { whyNotWrite: () => refusal })
  assert.equal(await writer.append([record('a')]).settled, undefined)
  const lost = retryable('GP_DISK_FAILED', 'taken over')
  const [path = ''] = fs.paths()
  let bytes = 0
  fs.hook = (operation) => {
    // It is lost in the middle of a commit.
    if (operation === 'datasync') {
      refusal = lost
      bytes = fs.bytesOf(path).length
    }
    return undefined
  }
  assert.equal(await writer.append([record('b')]).settled, lost)
  assert.equal(fs.bytesOf(path).length, bytes, 'what may be another’s by now is not cut')
  const operations = fs.operations
  assert.equal(await writer.append([record('c')]).settled, lost)
  assert.equal(fs.operations, operations)
  await writer.close(1000)
})

test('a segment that could neither be begun nor be removed is no damage to those who read', async () => {
  const fs = new FaultyFileSystem()
  const { writer } = await openWriter(fs)
  fs.fail({ operation: 'writev', does: 'EIO' }, { operation: 'unlink', does: 'EIO' })
  assert.equal((await writer.append([record('a')]).settled)?.code, 'GP_DISK_FAILED')
  assert.equal(await writer.append([record('b')]).settled, undefined)
  await writer.close(1000)
  const [left = ''] = fs.paths()
  assert.equal(fs.bytesOf(left).length, 0)
  const { records, events } = await readAll(fs)
  assert.deepEqual(idsOf(records), ['b'])
  assert.deepEqual(events, [{ kind: 'torn_tail', file: left, position: 0, bytes: 0 }])
})
