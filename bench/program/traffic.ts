/** Which requests are sent, for the parts and for the whole program. */
import type { Version } from '../../src/wire/formats/prometheus.ts'
import { bodiesOfManyGuids, type RequestBody, recordedBodies } from '../support/bodies.ts'

const manyGuids = 1_000

export interface Traffic {
  /** The last part of a case's name. */
  readonly name: string
  readonly version: Version
  bodies(): RequestBody[]
  readonly headers: Readonly<Record<string, string>>
  /** Guids that must be found on the bus. */
  readonly guids: number
}

/** The recorded bodies hold two namespaces. A guid in a header goes before those. */
export const traffics: readonly Traffic[] = ([1, 2] as const).flatMap((version) => [
  {
    name: `v${version}-header`,
    version,
    bodies: () => recordedBodies(version),
    headers: { 'X-Guid': 'shop' },
    guids: 1,
  },
  {
    name: `v${version}-namespaces`,
    version,
    bodies: () => recordedBodies(version),
    headers: {},
    guids: 2,
  },
  {
    name: `v${version}-${manyGuids}-guids`,
    version,
    bodies: () => bodiesOfManyGuids(version, manyGuids),
    headers: {},
    guids: manyGuids,
  },
])
