/** The stamp of OTLP as tests drive it: a request and rules in, records by guid out. */
import type { GuidSource } from '../../src/config/config.ts'
import { GuidTable } from '../../src/stamp/guid.ts'
import { GuidRules, type Sender } from '../../src/stamp/guid-rules.ts'
import { otlpStampings } from '../../src/stamp/otlp.ts'
import { type Stamped, stamp } from '../../src/stamp/stamp.ts'
import { Ledger } from '../../src/telemetry/ledger.ts'
import type { Kernel } from '../../src/wire/kernel.ts'
import type { OracleRules } from './oracle/index.ts'
import type { Signal } from './oracle-otlp/index.ts'
import type { StampedRecord } from './stamping.ts'

const nobody: Sender = {
  listenerGuid: undefined,
  pathGuid: undefined,
  header: () => [],
  peer: '127.0.0.1',
  connection: 1,
}

export interface OtlpRules extends OracleRules {
  readonly deep: boolean
}

/** The rules that say the same as the oracle's. */
export function otlpRulesOf(rules: OtlpRules): GuidRules {
  const from = rules.sources.map((source): GuidSource => {
    if (source.kind === 'constant') return source
    return { kind: 'attribute', name: source.name, match: source.match }
  })
  const { name, conflict, missing, allow, deep } = rules
  const table = new GuidTable({ name, receiver: 'otlp', signal: 'traces', ledger: new Ledger(10) })
  const scope = deep ? 'everywhere' : 'resource'
  return new GuidRules({ from, name, conflict, scope, missing, allow }, table, 'attribute')
}

export type OtlpOutcome = { readonly stamped: Stamped; readonly records: readonly StampedRecord[] } | string

/** Stamps a request and copies the records out. A text is why the whole request was refused. */
export function stampOtlp(
  kernel: Kernel,
  signal: Signal,
  payload: Buffer,
  rules: GuidRules,
  recordBytesMax = 1 << 20,
): OtlpOutcome {
  const request = rules.request(nobody)
  if (request instanceof Error) throw request
  kernel.begin()
  if (kernel.putPlain([payload], payload.length) < 0) throw new Error('no memory')
  const stamped = stamp(kernel, otlpStampings[signal], rules, request, recordBytesMax)
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
