/**
 * Request bodies: those that were recorded from a real Prometheus (test/data/prometheus), and the same with their
 * namespaces replaced by many different ones. Nothing here is random.
 */
import { readFileSync } from 'node:fs'
import { snappyCompress, snappyDecompress } from '@platformatic/wasm-utils'
import type { Version } from '../../src/wire/formats/prometheus.ts'
import { decodeV1, decodeV2, encodeV1, encodeV2 } from '../../test/support/oracle/index.ts'

export interface RequestBody {
  readonly version: Version
  /** As it is on the wire: a snappy block. */
  readonly packed: Buffer
  readonly payload: Buffer
  /** Series and metadata entries, counted by the tests' own decoder. */
  readonly items: number
}

const numbers = ['01', '04', '07', '10']
const namespaceLabel = 'namespace'

/** The four recorded bodies. */
export function recordedBodies(version: Version): RequestBody[] {
  return numbers.map((number) => {
    const file = new URL(`../../test/data/prometheus/v${version}-${number}.snappy`, import.meta.url)
    const packed = readFileSync(file)
    const payload = snappyDecompress(packed)
    return { version, packed, payload, items: itemsOf(version, payload) }
  })
}

/** The recorded bodies with `count` namespaces, series by series in turn. */
export function bodiesOfManyGuids(version: Version, count: number): RequestBody[] {
  return recordedBodies(version).map(({ payload, items }) => {
    const spread = version === 1 ? spreadV1(payload, count) : spreadV2(payload, count)
    return { version, packed: snappyCompress(spread), payload: spread, items }
  })
}

function itemsOf(version: Version, payload: Buffer): number {
  if (version === 2) return decodeV2(payload).timeseries?.length ?? 0
  const { timeseries = [], metadata = [] } = decodeV1(payload)
  return timeseries.length + metadata.length
}

function namespaceOf(index: number): string {
  return `team-${String(index).padStart(4, '0')}`
}

function spreadV1(payload: Buffer, count: number): Buffer {
  const model = decodeV1(payload)
  for (const [index, { labels = [] }] of (model.timeseries ?? []).entries()) {
    const label = labels.find(({ name }) => name === namespaceLabel)
    if (label !== undefined) label.value = namespaceOf(index % count)
  }
  return encodeV1(model)
}

function spreadV2(payload: Buffer, count: number): Buffer {
  const model = decodeV2(payload)
  const symbols = model.symbols ?? []
  const name = symbols.indexOf(namespaceLabel)
  const first = symbols.length
  for (let index = 0; index < count; index++) symbols.push(namespaceOf(index))
  for (const [index, { labelsRefs = [] }] of (model.timeseries ?? []).entries()) {
    const at = labelsRefs.findIndex((reference, place) => place % 2 === 0 && reference === name)
    if (at >= 0) labelsRefs[at + 1] = first + (index % count)
  }
  return encodeV2(model)
}
