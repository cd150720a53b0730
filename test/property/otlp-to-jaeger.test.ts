/**
 * OTLP's spans as Jaeger's, in the kernel, beside plain objects: random requests in every legal spelling, what comes back
 * of spans that were Jaeger's before, and damaged bytes. GUIDEPOST_SEED replays a run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { codeOf, Kernel, type Translation } from '../../src/wire/kernel.ts'
import { chain } from '../../src/wire/translations/chain.ts'
import { jaegerTranslation } from '../../src/wire/translations/jaeger.ts'
import { otlpToJaeger } from '../../src/wire/translations/otlp-to-jaeger.ts'
import { zipkinTranslation } from '../../src/wire/translations/zipkin.ts'
import { encodeProto } from '../support/jaeger-encode.ts'
import { mutate } from '../support/mutate.ts'
import { decode, faultsIn, listOf, type Model, type Value } from '../support/oracle-otlp/index.ts'
import { expectedJaeger, settled } from '../support/oracle-otlp-to-jaeger.ts'
import { spansOfJaeger } from '../support/plain-jaeger.ts'
import { type PlainItem, type PlainSpan, sorted, spansOfOtlp, textOf } from '../support/plain-spans.ts'
import { propertyBounds, Random } from '../support/random.ts'
import { randomJaeger } from '../support/random-jaeger.ts'
import { encodeOtlpModel, randomOtlp } from '../support/random-otlp-request.ts'
import { randomCore, randomZipkin } from '../support/random-zipkin.ts'
import { zipkinProto, zipkinThrift } from '../support/zipkin-encode.ts'

const kernel = new Kernel()

function translated(payload: Buffer, translation: Translation): Buffer | number {
  kernel.begin()
  kernel.putPlain([payload], payload.length)
  const bytes = kernel.translate(translation)
  return bytes < 0 ? bytes : kernel.payloadCopy()
}

function written(payload: Buffer, translation: Translation): Buffer {
  const bytes = translated(payload, translation)
  return typeof bytes === 'number' ? assert.fail(`code ${bytes}`) : bytes
}

/** Names that mean something, and values that do. */
const KEYS = ['service.name', 'event', 'error', 'opentracing.ref_type', 'jaeger.flags', 'jaeger.process_id']
const TEXTS = ['child_of', 'follows_from', 'evil', '']
const FLAGS = ['0', '1', '9', '4294967295', '4294967296', '-1']

/** Gives a random request the names that the mapping knows, and links to parents. In place. */
function spice(request: Model, random: Random): void {
  for (const resourceSpans of listOf(request, 'resourceSpans')) {
    spiceAttributes(resourceSpans['resource'], random)
    for (const scopeSpans of listOf(resourceSpans, 'scopeSpans')) {
      for (const span of listOf(scopeSpans, 'spans')) spiceSpan(span, random)
    }
  }
}

function spiceSpan(span: Model, random: Random): void {
  spiceAttributes(span, random)
  if (random.oneIn(3)) span['kind'] = 5
  for (const event of listOf(span, 'events')) spiceAttributes(event, random)
  for (const link of listOf(span, 'links')) {
    spiceAttributes(link, random)
    if (random.oneIn(2)) copy(span, 'traceId', link, 'traceId')
    if (random.oneIn(2)) copy(span, 'parentSpanId', link, 'spanId')
  }
}

function copy(from: Model, field: string, to: Model, target: string): void {
  const value = from[field]
  if (value === undefined) delete to[target]
  else to[target] = value
}

function spiceAttributes(having: Value | undefined, random: Random): void {
  for (const pair of listOf((having ?? {}) as Model, 'attributes')) {
    if (random.oneIn(2)) pair['key'] = random.pick(KEYS)
    if (random.oneIn(3)) pair['value'] = { stringValue: random.pick(TEXTS) }
    else if (random.oneIn(4)) pair['value'] = { intValue: random.pick(FLAGS) }
  }
}

test('each span is the span that the mapping says', () => {
  fc.assert(
    fc.property(fc.integer(), fc.boolean(), (seed, plain) => {
      const { model } = randomOtlp('traces', seed, { flaws: false, plain })
      spice(model, new Random(seed))
      const bytes = encodeOtlpModel('traces', model, seed, { flaws: false, plain })
      const actual = spansOfJaeger(written(bytes, otlpToJaeger))
      assert.deepEqual(actual, settled(expectedJaeger(model), actual))
    }),
    propertyBounds(),
  )
})

test('an id of a wrong length is refused, a text that is not UTF-8 is not', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const { model, bytes } = randomOtlp('traces', seed, { flaws: true, plain: false })
      const code = translated(bytes, otlpToJaeger)
      const isFaulty = faultsIn('traces', model).some((fault) => fault.endsWith('id_length'))
      assert.equal(code === codeOf('protobuf'), isFaulty)
    }),
    propertyBounds(),
  )
})

/** Names that the translation writes as tags of its own. */
const OWN =
  /^(?:error|span\.kind|w3c\.tracestate|otel\.(?:status_code|status_description|scope\.name|scope\.version))$/

/** Whether all that a span says has a place in both models. */
function isInBoth({ resource, scope, span }: PlainItem): boolean {
  const { code, message } = span.status
  // A count comes back as the tag that says it.
  if (resource.droppedAttributesCount + span.droppedAttributesCount > 0) return false
  // Of a key that comes twice one is lost on the way back; and an error without a description takes that of HTTP.
  if (span.attributes.some(([key]) => OWN.test(key) && isWritten(key, span, scope.name !== ''))) return false
  return code !== 2 || message !== '' || span.attributes.every(([key]) => key !== 'http.status_message')
}

function isWritten(key: string, { status, kind, traceState }: PlainSpan, isScoped: boolean): boolean {
  if (key === 'span.kind') return kind !== 0
  if (key === 'w3c.tracestate') return traceState !== ''
  if (key.startsWith('otel.scope')) return isScoped
  return status.code !== 0
}

/** The one that is the parent comes first afterwards. */
function linksSorted(item: PlainItem): PlainItem {
  const links = item.span.links.toSorted((a, b) => (textOf(a) < textOf(b) ? -1 : 1))
  return { ...item, span: { ...item.span, links } }
}

test('what was Jaeger’s comes back: it means the same in OTLP as before', () => {
  const fromJaeger = jaegerTranslation('proto', 'otlp')
  let compared = 0
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const batch = randomJaeger(new Random(seed), { via: 'proto', isDistinct: true, spansMax: 2 })
      const otlp = written(encodeProto(batch), fromJaeger)
      const before = spansOfOtlp(otlp)
      if (!before.every(isInBoth)) return
      const after = spansOfOtlp(written(written(otlp, otlpToJaeger), fromJaeger))
      assert.deepEqual(sorted(after.map(linksSorted)), sorted(before.map(linksSorted)))
      compared += before.length
    }),
    propertyBounds(),
  )
  assert.ok(compared > 0)
})

test('spans of Zipkin arrive with all that they are in OTLP', () => {
  const forms = ['proto', 'thrift_binary', 'thrift_compact'] as const
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom(...forms), (seed, form) => {
      const random = new Random(seed)
      const payload =
        form === 'proto'
          ? zipkinProto(randomZipkin(random))
          : zipkinThrift(form === 'thrift_binary' ? 'binary' : 'compact', randomCore(random))
      const toOtlp = zipkinTranslation(form)
      const model = decode('traces', written(payload, toOtlp))
      const actual = spansOfJaeger(written(payload, chain(toOtlp, otlpToJaeger)))
      assert.deepEqual(actual, settled(expectedJaeger(model), actual))
    }),
    propertyBounds(),
  )
})

test('damaged bytes are refused, or are a request in which every span is whole', () => {
  fc.assert(
    fc.property(fc.integer(), fc.boolean(), (seed, plain) => {
      const { bytes } = randomOtlp('traces', seed, { flaws: false, plain })
      const output = translated(mutate(bytes, seed), otlpToJaeger)
      if (typeof output === 'number') assert.equal(output, codeOf('protobuf'))
      else spansOfJaeger(output)
    }),
    propertyBounds(),
  )
})

test('any bytes are refused, or are a request', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const output = translated(Buffer.from(bytes), otlpToJaeger)
      if (typeof output === 'number') assert.equal(output, codeOf('protobuf'))
      else spansOfJaeger(output)
    }),
    propertyBounds(),
  )
})
