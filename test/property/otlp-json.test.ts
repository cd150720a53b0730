/**
 * Whatever an OTLP request is, its JSON in any spelling becomes a protobuf message that an independent decoder reads as
 * the same request. GUIDEPOST_SEED replays a run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { jsonToOtlp } from '../../src/wire/otlp-json/index.ts'
import { otlpSignals } from '../support/proto.ts'
import { propertyBounds, Random } from '../support/random.ts'
import { decoded, encoded, randomJson, randomMessage, requestTypes } from '../support/random-otlp-json.ts'

const bytesMax = 2 ** 26

function convert(signal: (typeof otlpSignals)[number], json: Buffer, cuts: readonly number[] = []): Buffer {
  const edges = [0, ...cuts, json.length]
  const chunks = edges.slice(1).map((edge, index) => json.subarray(edges[index], edge))
  const result = jsonToOtlp(signal, chunks, json.length, bytesMax)
  return 'message' in result ? result.message : assert.fail(result.problem)
}

for (const signal of otlpSignals) {
  const type = requestTypes[signal]

  test(`${signal}: any spelling of a request is that request`, () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new Random(seed)
        const plain = randomMessage(random, type)
        const json = Buffer.from(randomJson(random, type, plain))
        const cut = random.below(json.length + 1)
        assert.deepEqual(
          decoded(type, convert(signal, json, [cut])),
          decoded(type, encoded(type, plain)),
          json.toString(),
        )
      }),
      propertyBounds(),
    )
  })
}
