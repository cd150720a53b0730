/** The stamp as tests drive it: a payload and rules in, records by guid out. */
import type { GuidConfig, GuidSource } from '../../src/config/config.ts'
import { GuidTable } from '../../src/stamp/guid.ts'
import { GuidRules, type RequestGuid, type Sender } from '../../src/stamp/guid-rules.ts'
import { prometheusStampings } from '../../src/stamp/prometheus.ts'
import { type Stamped, stamp } from '../../src/stamp/stamp.ts'
import { Ledger } from '../../src/telemetry/ledger.ts'
import type { Version } from '../../src/wire/formats/prometheus.ts'
import type { Kernel } from '../../src/wire/kernel.ts'
import type { OracleRules } from './oracle/index.ts'

const nobody: Sender = {
  listenerGuid: undefined,
  pathGuid: undefined,
  header: () => [],
  peer: '127.0.0.1',
  connection: 1,
}

/** What the configuration would be for the oracle's rules. */
export function configOf(rules: OracleRules): GuidConfig {
  const from = rules.sources.map((source): GuidSource => {
    if (source.kind === 'constant') return source
    return { kind: 'label', name: textOf(source.name), match: source.match }
  })
  return {
    from,
    name: textOf(rules.name),
    conflict: rules.conflict,
    scope: 'resource',
    missing: rules.missing,
    allow: rules.allow,
  }
}

function textOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

export function rulesOf(config: GuidConfig): GuidRules {
  return new GuidRules(
    config,
    new GuidTable({ name: config.name, receiver: 'remote_write', signal: 'metrics', ledger: new Ledger(10) }),
    'label',
  )
}

export interface StampedRecord {
  readonly guid: string
  readonly value: Buffer
  readonly items: number
}

export type Outcome = { readonly stamped: Stamped; readonly records: readonly StampedRecord[] } | string

/** Stamps `payload` (inflated) and copies the records out. A text is why the whole request was refused. */
export function stampPayload(
  kernel: Kernel,
  version: Version,
  payload: Buffer,
  rules: GuidRules,
  recordBytesMax = 1 << 20,
): Outcome {
  const request = rules.request(nobody)
  if (request instanceof Error) throw request
  return stampFor(kernel, version, payload, rules, request, recordBytesMax)
}

export function stampFor(
  kernel: Kernel,
  version: Version,
  payload: Buffer,
  rules: GuidRules,
  request: RequestGuid,
  recordBytesMax = 1 << 20,
): Outcome {
  kernel.begin()
  if (kernel.putPlain([payload], payload.length) < 0) throw new Error('no memory')
  const stamped = stamp(kernel, prometheusStampings[version], rules, request, recordBytesMax)
  if (typeof stamped === 'string') return stamped
  const records: StampedRecord[] = []
  for (let i = 0; i < stamped.recordCount; i++) {
    const { slot, bytes, items } = kernel.part(i)
    const value = Buffer.alloc(bytes)
    kernel.copyPart(i, value, 0)
    records.push({ guid: stamped.guids[slot]!.text, value, items })
  }
  return { stamped, records }
}
