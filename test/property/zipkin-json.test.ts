/**
 * Whatever a list of Zipkin's spans is, its JSON in any spelling becomes a list that an independent decoder reads as the
 * same spans: protobufjs those of version 2, Apache's Thrift library those of version 1. GUIDEPOST_SEED replays a run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ZipkinFromJson, zipkinJsonV1, zipkinJsonV2 } from '../../src/wire/zipkin-json/index.ts'
import { propertyBounds, Random } from '../support/random.ts'
import { randomListV1, randomListV2 } from '../support/random-zipkin-json.ts'
import { spansV2, thriftStructs } from '../support/zipkin-read.ts'

const bytesMax = 2 ** 26

type Convert = typeof zipkinJsonV2

/** In two pieces. */
function converted(convert: Convert, text: string, random: Random): Buffer {
  const bytes = Buffer.from(text)
  const cut = random.below(bytes.length + 1)
  const result: ZipkinFromJson = convert(
    [bytes.subarray(0, cut), bytes.subarray(cut)],
    bytes.length,
    bytesMax,
  )
  return 'message' in result ? result.message : assert.fail(`${result.problem}\n${text}`)
}

test('version 2: any spelling of a list is that list', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = new Random(seed)
      const { text, spans } = randomListV2(random)
      assert.deepEqual(spansV2(converted(zipkinJsonV2, text, random)), spans, text)
    }),
    propertyBounds(),
  )
})

test('version 1: any spelling of a list is that list', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = new Random(seed)
      const { text, spans } = randomListV1(random)
      assert.deepEqual(thriftStructs(converted(zipkinJsonV1, text, random)), spans, text)
    }),
    propertyBounds(),
  )
})
