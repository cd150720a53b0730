/** The program as OTLP's senders and readers see it. */
import assert from 'node:assert/strict'
import type { StoredRecord } from '../../src/bus/bus.ts'
import type { Batch } from './otlp-clients.ts'
import { itemsOfRecord, type OtlpItem, type OtlpSignal, otlpSignals, topicOf } from './otlp-items.ts'
import type { Program } from './program.ts'

/** Environment variables that let the system choose the ports. */
export const otlpPorts = { GUIDEPOST_OTLP_GRPC_PORT: '0', GUIDEPOST_OTLP_HTTP_PORT: '0' } as const

/** Port of a listener, from the program's log. */
export function portOf(program: Program, listener: 'otlpGrpc' | 'otlpHttp'): number {
  const line = program.logs.find((entry) => entry.msg === 'listening' && entry['listener'] === listener)
  const port = line?.['port']
  if (typeof port !== 'number') throw new Error(`the program does not say on which port ${listener} listens`)
  return port
}

/** Where a client of this protocol is pointed: `http://127.0.0.1:PORT`. */
export function endpointOf(program: Program, protocol: string): string {
  return `http://127.0.0.1:${portOf(program, protocol === 'grpc' ? 'otlpGrpc' : 'otlpHttp')}`
}

/** Ids for one batch: three namespaces, `count` items each; every id holds `name` and is used once. */
export function batchOf(name: string, count = 8): Batch {
  const namespaces = ['team-a', 'team-b', 'team-c']
  return Object.fromEntries(
    namespaces.map((namespace) => [
      namespace,
      Array.from({ length: count }, (_, index) => `${name} ${namespace} ${index}`),
    ]),
  )
}

/** `namespace id` of every item of the batch, in order of the texts. */
export function expectedOf(batch: Batch): string[] {
  return Object.entries(batch)
    .flatMap(([namespace, ids]) => ids.map((id) => `${namespace} ${id}`))
    .toSorted()
}

export type BusMessage = Pick<StoredRecord, 'key' | 'headers' | 'value'> & { readonly topic: string }

/** `guid id` of the items whose id begins with `name` and a space (all, if `name` is empty), in order of the texts; one that comes twice is there twice. */
export function storedOf(signal: OtlpSignal, name: string, records: readonly BusMessage[]): string[] {
  return records
    .filter(({ topic }) => topic === topicOf[signal])
    .flatMap((record) => itemsOfRecord(record).map((item) => ({ record, item })))
    .filter(({ item }) => name === '' || item.id.startsWith(`${name} `))
    .map(({ record, item }) => `${record.headers['guid']} ${item.id}`)
    .toSorted()
}

/**
 * What a consumer relies on, of each record: key and header say the same guid, every resource is stamped with it once
 * and with nothing else, the other headers fit the value, and no two records share a `batch_id`.
 */
export function assertRecords(records: readonly BusMessage[]): void {
  const otlp = records.filter(({ topic }) => otlpSignals.some((signal) => topicOf[signal] === topic))
  for (const record of otlp) {
    const { guid = '', encoding, items, received_at: receivedAt } = record.headers
    assert.equal(record.key, guid)
    assert.equal(encoding, 'otlp_proto')
    const found = itemsOfRecord(record)
    assert.equal(items, `${found.length}`)
    assert.ok(Math.abs(Date.now() - Number(receivedAt)) < 600_000, `received_at is ${receivedAt}`)
    for (const { resource } of found) assert.deepEqual(resource.get('guid'), [guid])
  }
  const batchIds = otlp.map(({ headers }) => headers['batch_id'])
  assert.equal(new Set(batchIds).size, otlp.length, 'each record has a batch_id of its own')
}

/** The namespace that a resource names. */
export function namespaceOf(item: OtlpItem): string | undefined {
  return item.resource.get('k8s.namespace.name')?.[0]
}
