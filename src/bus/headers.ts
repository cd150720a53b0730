/** The headers of a bus record, the same on every bus. Names are exact and used once; values are UTF-8 text. */
import type { BusRecord } from './bus.ts'

/** What the headers are made of; a record that was read back has it too. */
export type DescribedRecord = Pick<BusRecord, 'guid' | 'items' | 'batchId' | 'receivedAtMs' | 'headers'> & {
  readonly encoding: string
}

/** Header names and values of `record` in their order. A further header never replaces one of the five. */
export function recordHeaders(record: DescribedRecord): Record<string, string> {
  const headers = {
    guid: record.guid,
    encoding: record.encoding,
    items: String(record.items),
    batch_id: record.batchId,
    received_at: String(record.receivedAtMs),
  }
  return record.headers === undefined ? headers : { ...headers, ...record.headers, ...headers }
}
