import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BusRecord } from '../../../src/bus/bus.ts'
import { bytesLeftBehind } from '../../../src/spool/left-behind.ts'
import { FaultyFileSystem } from '../../support/faulty-file-system.ts'
import { MemoryBus } from '../../support/memory-bus.ts'
import { spooledBus } from '../../support/spooled-bus.ts'
import { until } from '../../support/until.ts'

const directory = '/data/spool'
const record = (batchId: string): BusRecord => ({
  ...{ topic: 'otlp_spans', guid: 'team', encoding: 'otlp_proto', items: 1, batchId },
  ...{ receivedAtMs: 1_760_000_000_000, sender: 0, value: Buffer.alloc(1_000) },
})

test('what workers have spooled is seen, what is delivered is not', async () => {
  const fs = new FaultyFileSystem()
  assert.equal(await bytesLeftBehind(directory, fs), 0, 'there is no folder')
  for (const number of [1, 2]) {
    const memory = new MemoryBus()
    memory.down()
    const { bus } = spooledBus(memory, { directory, worker: { number, count: 2 } }, { fs })
    await bus.start()
    assert.deepEqual(await bus.append([record(`b${number}`)]), [undefined])
    await bus.close(1_000)
  }
  const bytes = await bytesLeftBehind(directory, fs)
  assert.ok(bytes > 2_000 && bytes < 3_000, `${bytes}`)

  const memory = new MemoryBus()
  const { bus } = spooledBus(memory, { directory }, { fs })
  await bus.start()
  await until('both are delivered', 10_000, () => memory.stored.length === 2 && bus.spoolBytes === 0)
  await bus.close(1_000)
  assert.equal(await bytesLeftBehind(directory, fs), 0)
})
