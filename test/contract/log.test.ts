import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LogBus } from '../../src/bus/log/log-bus.ts'
import { LogReader } from '../../src/bus/log/log-reader.ts'
import { limits } from '../../src/limits.ts'
import { busContract } from './bus-contract.ts'

const silent = { info() {}, warn() {}, error() {} }

busContract('log', {}, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'guidepost-log-contract-'))
  const bus = new LogBus(
    {
      kind: 'log',
      url: `log:${directory}`,
      directory,
      segmentBytes: limits.segmentBytesMax,
      retentionBytes: limits.logRetentionBytes,
      retentionHours: limits.logRetentionHours,
      diskReserveBytes: 0,
      appendMs: limits.appendMsMax,
    },
    { log: silent },
  )
  return {
    bus,
    reader: () => new LogReader(directory),
    cleanup: () => rm(directory, { recursive: true, force: true }),
  }
})
