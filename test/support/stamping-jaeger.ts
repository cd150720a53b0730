/** The stamp of Jaeger's own form as tests drive it: a PostSpansRequest and rules in, a Span for each record out. */

import type { GuidRules, Sender } from '../../src/stamp/guid-rules.ts'
import { jaegerStamping } from '../../src/stamp/jaeger.ts'
import { stamp } from '../../src/stamp/stamp.ts'
import type { Kernel } from '../../src/wire/kernel.ts'
import type { OtlpOutcome } from './stamping-otlp.ts'

export { type OtlpRules as JaegerRules, otlpRulesOf as jaegerRulesOf } from './stamping-otlp.ts'

const nobody: Sender = {
  listenerGuid: undefined,
  pathGuid: undefined,
  header: () => [],
  peer: '127.0.0.1',
  connection: 1,
}

/** Stamps a request and copies the records out. A text is why the whole request was refused. */
export function stampJaeger(kernel: Kernel, payload: Buffer, rules: GuidRules): OtlpOutcome {
  const request = rules.request(nobody)
  if (request instanceof Error) throw request
  kernel.begin()
  if (kernel.putPlain([payload], payload.length) < 0) throw new Error('no memory')
  const stamped = stamp(kernel, jaegerStamping, rules, request, 1 << 20)
  if (typeof stamped === 'string') return stamped
  const records: { guid: string; value: Buffer; items: number }[] = []
  for (let i = 0; i < stamped.recordCount; i++) {
    const { slot, bytes, items } = kernel.part(i)
    const value = Buffer.alloc(bytes)
    kernel.copyPart(i, value, 0)
    records.push({ guid: stamped.guids[slot]!.text, value, items })
  }
  return { stamped, records }
}
