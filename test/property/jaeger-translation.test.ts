/**
 * The kernel's translation of Jaeger against plain objects, from bytes that Apache's Thrift library and protobufjs wrote.
 * GUIDEPOST_SEED replays a run; GUIDEPOST_FUZZ_MS makes it longer.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Kernel, type Translation } from '../../src/wire/kernel.ts'
import { jaegerTranslation } from '../../src/wire/translations/jaeger.ts'
import { decodeProto, encodeProto, encodeThrift } from '../support/jaeger-encode.ts'
import { expectedItems } from '../support/oracle-jaeger.ts'
import { type PlainItem, spansOfOtlp, textOf } from '../support/plain-spans.ts'
import { propertyBounds, Random } from '../support/random.ts'
import { type JaegerReference, type JaegerSpan, randomJaeger } from '../support/random-jaeger.ts'

const kernel = new Kernel()

function translated(payload: Buffer, translation: Translation): Buffer {
  kernel.begin()
  assert.ok(kernel.putPlain([payload], payload.length) >= 0)
  const bytes = kernel.translate(translation)
  assert.ok(bytes >= 0, `refused: ${bytes}`)
  return kernel.payloadCopy()
}

/** The spans of one resource together, resources in the order of their first span. */
function grouped(items: readonly PlainItem[]): PlainItem[] {
  return [...Map.groupBy(items, ({ resource }) => textOf(resource)).values()].flat()
}

const spansMax = fc.constantFrom(0, 1, 6, 6, 40)

for (const protocol of ['binary', 'compact'] as const) {
  test(`each span in Thrift becomes the span that the mapping says (${protocol})`, () => {
    const translation = jaegerTranslation(`thrift_${protocol}`, 'otlp')
    fc.assert(
      fc.property(fc.integer(), spansMax, (seed, most) => {
        const batch = randomJaeger(new Random(seed), { via: 'thrift', spansMax: most })
        const output = translated(encodeThrift(protocol, batch), translation)
        assert.deepEqual(spansOfOtlp(output), expectedItems(batch, 'thrift'))
      }),
      propertyBounds(),
    )
  })

  test(`a batch in Thrift becomes the batch in protobuf that Jaeger makes of it (${protocol})`, () => {
    const translation = jaegerTranslation(`thrift_${protocol}`, 'jaeger')
    fc.assert(
      fc.property(fc.integer(), spansMax, (seed, most) => {
        const batch = randomJaeger(new Random(seed), { via: 'thrift', spansMax: most })
        const output = translated(encodeThrift(protocol, batch), translation)
        const expected = encodeProto({ ...batch, spans: batch.spans.map(withParent) })
        assert.deepEqual(
          decodeProto(output),
          decodeProto(batch.spans.length === 0 ? Buffer.alloc(0) : expected),
        )
      }),
      propertyBounds(),
    )
  })
}

test('each span in protobuf becomes the span that the mapping says', () => {
  const translation = jaegerTranslation('proto', 'otlp')
  fc.assert(
    fc.property(fc.integer(), spansMax, (seed, most) => {
      const batch = randomJaeger(new Random(seed), { via: 'proto', spansMax: most })
      const output = translated(encodeProto(batch), translation)
      assert.deepEqual(spansOfOtlp(output), grouped(expectedItems(batch, 'proto')))
    }),
    propertyBounds(),
  )
})

/** The parent is a reference there; Jaeger's collector puts it first, unless it is among the others. */
function withParent(span: JaegerSpan): JaegerSpan {
  const { traceId, parentSpanId, references } = span
  if (parentSpanId.every((byte) => byte === 0)) return span
  const isThere = references.some(
    (one) => one.type === 'child_of' && one.traceId.equals(traceId) && one.spanId.equals(parentSpanId),
  )
  const parent: JaegerReference = { type: 'child_of', traceId, spanId: parentSpanId }
  return isThere ? span : { ...span, references: [parent, ...references] }
}
