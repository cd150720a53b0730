/**
 * zstd as both Kafka clients use it. Level 1 costs two thirds of the default's time on telemetry and is no larger; an
 * output chunk as large as the typical result saves the joining of many. Figures: docs/performance.md.
 */
import { constants, type ZstdOptions } from 'node:zlib'
import { KiB } from '../limits.ts'

export const zstdOptions: ZstdOptions = {
  chunkSize: 64 * KiB,
  params: { [constants.ZSTD_c_compressionLevel]: 1 },
}
