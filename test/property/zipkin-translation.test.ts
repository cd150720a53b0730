/**
 * The kernel's translation of Zipkin to OTLP against plain objects, from bytes that protobufjs and Apache's Thrift library
 * wrote. GUIDEPOST_SEED replays a run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Kernel } from '../../src/wire/kernel.ts'
import { expectedOfCore, expectedOfZipkin } from '../support/oracle-zipkin.ts'
import { propertyBounds, Random } from '../support/random.ts'
import { randomCore, randomZipkin } from '../support/random-zipkin.ts'
import { zipkinProto, zipkinThrift } from '../support/zipkin-encode.ts'
import { inKeyOrder, rulesFor, zipkinSpans } from '../support/zipkin-translate.ts'

const kernel = new Kernel()
const ruleSets = [
  ['guid'],
  ['guid', 'namespace', 'host.name', 'k'],
  ['peer.service', 'error', 'net.host.ip', 'zipkin.debug', 'component'],
].map((names) => ({ names: new Set(names), rules: rulesFor(...names) }))

test('each Zipkin span of version 2 becomes the span that the mapping says', () => {
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom(...ruleSets), (seed, { names, rules }) => {
      const spans = randomZipkin(new Random(seed))
      const expected = inKeyOrder(expectedOfZipkin(spans, names))
      assert.deepEqual(zipkinSpans(kernel, 'proto', zipkinProto(spans), rules), expected)
    }),
    propertyBounds(),
  )
})

for (const protocol of ['binary', 'compact'] as const) {
  test(`each Zipkin span of version 1 becomes the span that the mapping says (${protocol})`, () => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(...ruleSets), (seed, { names, rules }) => {
        const spans = randomCore(new Random(seed))
        const expected = inKeyOrder(expectedOfCore(spans, names))
        const payload = zipkinThrift(protocol, spans)
        assert.deepEqual(zipkinSpans(kernel, `thrift_${protocol}`, payload, rules), expected)
      }),
      propertyBounds(),
    )
  })
}
