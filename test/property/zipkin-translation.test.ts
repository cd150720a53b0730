/**
 * The kernel's translation of Zipkin to OTLP against plain objects, from bytes that protobufjs and Apache's Thrift library
 * wrote. GUIDEPOST_SEED replays a run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Kernel } from '../../src/wire/kernel.ts'
import { type ZipkinForm, zipkinTranslation } from '../../src/wire/translations/zipkin.ts'
import { expectedOfCore, expectedOfZipkin } from '../support/oracle-zipkin.ts'
import { type PlainItem, sorted, spansOfOtlp } from '../support/plain-spans.ts'
import { propertyBounds, Random } from '../support/random.ts'
import { randomCore, randomZipkin } from '../support/random-zipkin.ts'
import { zipkinProto, zipkinThrift } from '../support/zipkin-encode.ts'

const kernel = new Kernel()
const ruleSets = [
  ['guid'],
  ['guid', 'namespace', 'host.name', 'k'],
  ['peer.service', 'error', 'net.host.ip', 'zipkin.debug', 'component'],
].map((names) => ({ names, kernel: { names: names.map((name) => Buffer.from(name)) } }))

function translated(form: ZipkinForm, payload: Buffer, rules: (typeof ruleSets)[number]): PlainItem[] {
  kernel.begin()
  kernel.useRules(rules.kernel)
  assert.ok(kernel.putPlain([payload], payload.length) >= 0)
  const bytes = kernel.translate(zipkinTranslation(form))
  assert.ok(bytes >= 0, `refused: ${bytes}`)
  return spansOfOtlp(kernel.payloadCopy())
}

/** The order of the attributes is free, that of the spans is not. */
function plain(items: readonly PlainItem[]): (PlainItem | undefined)[] {
  return items.map((item) => sorted([item])[0])
}

test('each Zipkin span of version 2 becomes the span that the mapping says', () => {
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom(...ruleSets), (seed, rules) => {
      const spans = randomZipkin(new Random(seed))
      const expected = expectedOfZipkin(spans, new Set(rules.names))
      assert.deepEqual(plain(translated('proto', zipkinProto(spans), rules)), plain(expected))
    }),
    propertyBounds(),
  )
})

for (const protocol of ['binary', 'compact'] as const) {
  test(`each Zipkin span of version 1 becomes the span that the mapping says (${protocol})`, () => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(...ruleSets), (seed, rules) => {
        const spans = randomCore(new Random(seed))
        const expected = expectedOfCore(spans, new Set(rules.names))
        const payload = zipkinThrift(protocol, spans)
        assert.deepEqual(plain(translated(`thrift_${protocol}`, payload, rules)), plain(expected))
      }),
      propertyBounds(),
    )
  })
}
