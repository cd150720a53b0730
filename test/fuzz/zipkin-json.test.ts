/**
 * Zipkin's JSON, damaged. Whatever comes, it is refused at a place within it, or it is JSON and becomes a list that an
 * independent decoder reads, with as many spans as JSON.parse finds. GUIDEPOST_SEED replays a run; GUIDEPOST_FUZZ_MS makes it
 * longer.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { zipkinJsonV1, zipkinJsonV2 } from '../../src/wire/zipkin-json/index.ts'
import { mutate } from '../support/mutate.ts'
import { fuzzMs, Random } from '../support/random.ts'
import { randomListV1, randomListV2 } from '../support/random-zipkin-json.ts'
import { spansV2, thriftStructs } from '../support/zipkin-read.ts'

const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 2 ** 31)
const bytesMax = 2 ** 24

const versions = [
  { name: 'version 1', convert: zipkinJsonV1, listOf: randomListV1, spansOf: thriftStructs },
  { name: 'version 2', convert: zipkinJsonV2, listOf: randomListV2, spansOf: spansV2 },
]

/** Of either version, so that keys of the other one are met too. */
const pieces =
  '{ } [ ] , : " "a" "\\ud83d" null true -1 1.5 1e3 99999999999999999999 "" "::1" "1.2.3.4" {"x":[{}]} "endpoint":{} "tags":{"guid":"a"} "kind":"SERVER" "id":"0" "binaryAnnotations":[{"key":"sa","value":true,"type":"I64"}] é \u0000 \ufeff'.split(
    ' ',
  )

function damaged(random: Random, text: string): Buffer {
  if (random.oneIn(3)) return mutate(Buffer.from(text), random.next())
  const at = random.below(text.length + 1)
  const end = random.oneIn(2) ? at : at + random.below(8)
  return Buffer.from(text.slice(0, at) + random.pick(pieces) + text.slice(end))
}

/** The number of spans, -1 when it is no JSON. */
function parsedCount(bytes: Buffer): number {
  try {
    // A TextDecoder, unlike a Buffer, takes the mark at the beginning away.
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return Array.isArray(value) ? value.length : -1
  } catch {
    return -1
  }
}

for (const { name, convert, listOf, spansOf } of versions) {
  test(`${name}: damaged lists are refused at a place, or become lists`, () => {
    const random = new Random(seed)
    const end = performance.now() + fuzzMs / 2
    let taken = 0
    let refused = 0
    for (let round = 0; performance.now() < end; round++) {
      const { text } = listOf(random)
      const bytes = damaged(random, text)
      const about = `seed ${seed}, round ${round}: ${bytes.toString('base64')}`
      const result = convert([bytes], bytes.length, bytesMax)
      if ('message' in result) {
        const isBlank = bytes.toString().trim() === ''
        assert.equal(spansOf(result.message).length, isBlank ? 0 : parsedCount(bytes), about)
        taken += 1
      } else {
        assert.ok(result.at <= bytes.length && result.problem.startsWith(`at byte ${result.at}`), about)
        refused += 1
      }
    }
    assert.ok(taken > 5 && refused > 5, `taken ${taken}, refused ${refused}`)
  })
}
