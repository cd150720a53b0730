/** Jaeger's bytes through the kernel's translation, for tests. */
import assert from 'node:assert/strict'
import { codeOf, Kernel, type KernelProblem, type Translation } from '../../src/wire/kernel.ts'
import { jaegerTranslation } from '../../src/wire/translations/jaeger.ts'
import { type PlainItem, spansOfOtlp } from './plain-spans.ts'
import type { JaegerSpan } from './random-jaeger.ts'

export type JaegerForm = 'proto' | 'thrift_binary' | 'thrift_compact'

const kernel = new Kernel()

/** The spans of the translation to OTLP; fails when it is refused. */
export function otlpSpans(form: JaegerForm, payload: Buffer): PlainItem[] {
  return spansOfOtlp(translation(toOtlp(form), payload))
}

export function toOtlp(form: JaegerForm): Translation {
  return form === 'proto' ? jaegerTranslation(form, 'otlp') : jaegerTranslation(form, 'otlp')
}

/** What a translation makes of the payload; fails when it is refused. */
export function translation(by: Translation, payload: Buffer): Buffer {
  const bytes = run(by, payload)
  assert.ok(bytes >= 0, `refused: ${bytes}`)
  return kernel.payloadCopy()
}

/** Fails when the payload is not refused for this reason. */
export function assertRefused(by: Translation, payload: Buffer, problem: KernelProblem): void {
  assert.equal(run(by, payload), codeOf(problem))
}

function run(by: Translation, payload: Buffer): number {
  kernel.begin()
  assert.ok(kernel.putPlain([payload], payload.length) >= 0)
  return kernel.translate(by)
}

/** A plain span; `changes` replaces what matters. */
export function plainSpan(changes: Partial<JaegerSpan> = {}): JaegerSpan {
  return {
    traceId: Buffer.from('a1'.repeat(16), 'hex'),
    spanId: Buffer.from('b2'.repeat(8), 'hex'),
    parentSpanId: Buffer.alloc(8),
    operationName: 'GET /cart',
    references: [],
    flags: 1,
    startTimeUs: 1_795_267_000_000_000n,
    durationUs: 1_500n,
    tags: [{ key: 'component', type: 'string', value: 'net/http' }],
    logs: [],
    ...changes,
  }
}
