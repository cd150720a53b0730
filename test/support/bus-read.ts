/** What lies on the bus, read back and decoded by the oracle. */
import type { StoredRecord } from '../../src/bus/bus.ts'
import { LogReader } from '../../src/bus/log/log-reader.ts'
import { decodeV1, decodeV2, resolveV2, type V1Model, type V2Resolved } from './oracle/index.ts'

/** Every record that the log in `directory` holds now. */
export async function readLog(directory: string, topics: readonly string[] = []): Promise<StoredRecord[]> {
  const reader = new LogReader(directory)
  const signal = new AbortController().signal
  const records: StoredRecord[] = []
  try {
    for await (const record of reader.read({ topics, from: 'begin', follow: false, signal }))
      records.push(record)
    return records
  } finally {
    await reader.close()
  }
}

export type Decoded =
  | { readonly version: 1; readonly guid: string; readonly model: V1Model }
  | { readonly version: 2; readonly guid: string; readonly model: V2Resolved }

/** A remote write record by its `encoding` header; throws on any other. */
export function decodeRecord(record: StoredRecord): Decoded {
  const guid = record.headers['guid'] ?? ''
  switch (record.headers['encoding']) {
    case 'prometheus_remote_write_1':
      return { version: 1, guid, model: decodeV1(record.value) }
    case 'prometheus_remote_write_2':
      return { version: 2, guid, model: resolveV2(decodeV2(record.value)) }
    default:
      throw new Error(`a record with the encoding ${record.headers['encoding']}`)
  }
}

/** The series of a record, each with its labels as names and values and the number of its samples. */
export function seriesOf(
  record: StoredRecord,
): { labels: [string, string][]; samples: number; histograms: number }[] {
  const decoded = decodeRecord(record)
  if (decoded.version === 1) {
    return (decoded.model.timeseries ?? []).map((series) => ({
      labels: (series.labels ?? []).map(({ name, value }): [string, string] => [name ?? '', value ?? '']),
      samples: series.samples?.length ?? 0,
      histograms: series.histograms?.length ?? 0,
    }))
  }
  return (decoded.model.timeseries ?? []).map((series) => {
    const texts = series.labels ?? []
    return {
      labels: texts.flatMap((name, index): [string, string][] =>
        index % 2 === 0 ? [[name, texts[index + 1] ?? '']] : [],
      ),
      samples: series.samples?.length ?? 0,
      histograms: series.histograms?.length ?? 0,
    }
  })
}
