/** A log on disk with a few records in it, for tests of the commands that read one. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { TestContext } from 'node:test'
import type { BusRecord } from '../../../src/bus/bus.ts'
import { LogBus } from '../../../src/bus/log/log-bus.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { createLogger } from '../../../src/telemetry/log.ts'

const log = createLogger({ level: 'fatal', format: 'json' }, new PassThrough())

/** A 1.0 message with one series `up{guid="…"} 1`. */
export function remoteWriteValue(guid: string): Buffer {
  const field = (number: number, ...parts: Buffer[]) => {
    const body = Buffer.concat(parts)
    return Buffer.concat([Buffer.from([(number << 3) | 2, body.length]), body])
  }
  const label = (name: string, value: string) =>
    field(1, field(1, Buffer.from(name)), field(2, Buffer.from(value)))
  const sample = field(2, Buffer.from([9, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 16, 5]))
  return field(1, label('__name__', 'up'), label('guid', guid), sample)
}

let batch = 0

export function record(guid: string, more: Partial<BusRecord> = {}): BusRecord {
  batch += 1
  const receivedAtMs = 1_700_000_000_000 + batch
  const value = remoteWriteValue(guid)
  const encoding = 'prometheus_remote_write_1'
  const topic = 'prometheus_metrics'
  return {
    topic,
    guid,
    encoding,
    items: 1,
    batchId: `batch-${batch}`,
    receivedAtMs,
    sender: 1,
    value,
    ...more,
  }
}

export interface FilledLog {
  readonly directory: string
  readonly append: (...records: BusRecord[]) => Promise<void>
  readonly close: () => Promise<void>
}

/** Closed and removed when the test ends. In a folder of its own unless it is to be one that is there. */
export async function openLog(
  t: TestContext,
  directory: string = mkdtempSync(join(tmpdir(), 'guidepost-commands-')),
): Promise<FilledLog> {
  const loaded = loadConfig({ env: {}, overrides: { bus: `log:${directory}` } })
  if (loaded.config?.bus.kind !== 'log') throw new Error('no log')
  const bus = new LogBus(loaded.config.bus, { log })
  await bus.start()
  const close = () => bus.close(1000)
  t.after(async () => {
    await close()
    rmSync(directory, { recursive: true, force: true })
  })
  const append = async (...records: BusRecord[]) => {
    for (const outcome of await bus.append(records)) if (outcome !== undefined) throw outcome
  }
  return { directory, append, close }
}
