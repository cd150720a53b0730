/** The contract of every bus, held by a spooled bus: over one that works, and over one that is away for a while each time. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryBus } from '../support/memory-bus.ts'
import { spooledBus } from '../support/spooled-bus.ts'
import { type BusFixture, busContract } from './bus-contract.ts'

async function make(): Promise<BusFixture & { memory: MemoryBus }> {
  const directory = await mkdtemp(join(tmpdir(), 'guidepost-spool-contract-'))
  const memory = new MemoryBus()
  const { bus } = spooledBus(memory, { directory })
  const cleanup = () => rm(directory, { recursive: true, force: true })
  return { bus, memory, reader: () => memory, cleanup }
}

busContract('spooled', {}, make)
