/** Which compression a batch of Kafka's has (docs/adr/0022-compression-by-kind.md). */
import type { KafkaBusConfig } from '../config/config.ts'
import type { BusRecord } from './bus.ts'
import type { Reach } from './zstd.ts'

export type Compression = Exclude<KafkaBusConfig['compression'], 'auto'>

/** How far back the records of one batch repeat themselves, by the first of them: a topic holds one kind. */
export function reachOf(records: readonly BusRecord[]): Reach {
  const { encoding } = records[0]!
  return encoding === 'prometheus_remote_write_1' || encoding === 'prometheus_remote_write_2' ? 'far' : 'near'
}

/** What repeats itself over far is much smaller by zstd, in the same time. */
const compressionOfReach: Readonly<Record<Reach, Compression>> = { far: 'zstd', near: 'lz4' }

export function compressionOf(setting: KafkaBusConfig['compression'], reach: Reach): Compression {
  return setting === 'auto' ? compressionOfReach[reach] : setting
}
