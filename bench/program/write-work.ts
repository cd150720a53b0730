/** Requests of remote write as work for the gateway and its peers: the recorded bodies in turn. */
import type { Version } from '../../src/wire/formats/prometheus.ts'
import { decodeV1 } from '../../test/support/oracle/index.ts'
import { bodiesOfManyGuids, type RequestBody, recordedBodies } from '../support/bodies.ts'
import { requestOf } from './load.ts'
import { seriesGuid } from './series-values.ts'
import { guidText, itemsInTurns } from './span-guids.ts'
import { inspectSeriesV1, inspectSeriesV2 } from './stored-items.ts'
import type { Work } from './work.ts'

const inspects = { 1: inspectSeriesV1, 2: inspectSeriesV2 } as const

interface Sending {
  readonly version: Version
  readonly bodies: readonly RequestBody[]
  readonly connections: number
  readonly headers: Readonly<Record<string, string>>
  readonly guids?: number
}

function workOf({ version, bodies, connections, headers, guids }: Sending, expected: Work['expected']): Work {
  const itemsEach = bodies[0]!.items
  if (bodies.some(({ items }) => items !== itemsEach))
    throw new Error('the bodies hold different numbers of items')
  const requests = bodies.map((body) => requestOf(body, headers))
  return {
    item: 'series',
    itemsEach,
    entry: 'remote-write',
    sends: { kind: 'ready', requests, connections, ...(guids !== undefined && { guids }) },
    env: {},
    inspect: inspects[version],
    expected,
  }
}

/** All of one guid, which a header names. */
export function writeWork(version: Version, connections: number): Work {
  const bodies = recordedBodies(version)
  return workOf(
    { version, bodies, connections, headers: { 'X-Guid': seriesGuid } },
    (requests) => new Map([[seriesGuid, requests * bodies[0]!.items]]),
  )
}

/** Each request of one guid in its header, `guids` of them in turn. */
export function writeGuidsWork(version: Version, guids: number, connections: number): Work {
  const bodies = recordedBodies(version)
  return workOf({ version, bodies, connections, headers: { 'X-Guid': guidText(0) }, guids }, (requests) =>
    itemsInTurns(guids, requests, bodies[0]!.items),
  )
}

/** Requests of 1.0 that hold so many guids each, in the label `namespace` of their series in turn. */
export function writeNamespacesWork(guids: number, connections: number): Work {
  const bodies = bodiesOfManyGuids(1, guids)
  const counts = bodies.map(namespaceCounts)
  return workOf({ version: 1, bodies, connections, headers: {} }, (requests) => {
    const expected = new Map<string, number>()
    for (const [index, count] of counts.entries()) {
      const times = Math.floor(requests / counts.length) + (index < requests % counts.length ? 1 : 0)
      for (const [guid, items] of count) expected.set(guid, (expected.get(guid) ?? 0) + items * times)
    }
    return expected
  })
}

function namespaceCounts({ payload }: RequestBody): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { labels = [] } of decodeV1(payload).timeseries ?? []) {
    const guid = labels.find(({ name }) => name === 'namespace')?.value ?? ''
    counts.set(guid, (counts.get(guid) ?? 0) + 1)
  }
  return counts
}
