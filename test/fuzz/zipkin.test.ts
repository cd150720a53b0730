/**
 * Random lists of Zipkin spans, damaged. Whatever comes, the kernel neither traps nor hangs, and what it lets through is an
 * OTLP request of which the stamp, which knows nothing of Zipkin, makes whole records: an independent decoder reads them,
 * ids have their lengths, and a guid that a span claimed is where the stamp found it.
 * GUIDEPOST_SEED replays a run; GUIDEPOST_FUZZ_MS makes it longer.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Kernel } from '../../src/wire/kernel.ts'
import { type ZipkinForm, zipkinTranslation } from '../../src/wire/translations/zipkin.ts'
import { mutate } from '../support/mutate.ts'
import { decode, faultsIn } from '../support/oracle-otlp/index.ts'
import { spansOfOtlp } from '../support/plain-spans.ts'
import { fuzzMs, Random } from '../support/random.ts'
import { randomCore, randomZipkin } from '../support/random-zipkin.ts'
import { otlpRulesOf, stampOtlp } from '../support/stamping-otlp.ts'
import { zipkinProto, zipkinThrift } from '../support/zipkin-encode.ts'
import { translateZipkin } from '../support/zipkin-translate.ts'

const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 2 ** 31)
const kernel = new Kernel()
const rules = otlpRulesOf({
  sources: [
    { kind: 'label', name: 'guid' },
    { kind: 'label', name: 'namespace' },
  ],
  name: 'guid',
  conflict: 'overwrite',
  missing: { action: 'stamp', guid: 'unassigned' },
  deep: false,
})

const encoders: Record<ZipkinForm, (random: Random) => Buffer> = {
  proto: (random) => zipkinProto(randomZipkin(random)),
  thrift_binary: (random) => zipkinThrift('binary', randomCore(random)),
  thrift_compact: (random) => zipkinThrift('compact', randomCore(random)),
}

/** How many spans were let through; undefined when the whole list was refused. */
function check(form: ZipkinForm, payload: Buffer): number | undefined {
  const translated = translateZipkin(kernel, zipkinTranslation(form), payload, rules.kernel)
  if (typeof translated === 'string') {
    assert.ok([form === 'proto' ? 'protobuf' : 'thrift', 'items'].includes(translated), translated)
    return undefined
  }
  const outcome = stampOtlp(kernel, 'traces', translated, rules)
  assert.ok(typeof outcome !== 'string', `a translation that is malformed: ${String(outcome)}`)
  let spans = 0
  for (const { guid, value } of outcome.records) {
    assert.deepEqual(faultsIn('traces', decode('traces', value)), [])
    for (const { resource, span } of spansOfOtlp(value)) {
      spans++
      assert.equal(resource.attributes.find(([key]) => key === 'guid')?.[1], guid)
      assert.ok(span.attributes.every(([key]) => key !== 'guid' && key !== 'namespace'))
      for (const { attributes } of [resource, span, ...span.events, ...span.links])
        assert.equal(new Set(attributes.map(([key]) => key)).size, attributes.length)
    }
  }
  return spans
}

for (const form of ['proto', 'thrift_binary', 'thrift_compact'] as const) {
  test(`damaged lists are refused or become whole spans (${form}, GUIDEPOST_SEED=${seed})`, () => {
    const random = new Random(seed)
    const deadline = performance.now() + fuzzMs
    let passed = 0
    let refused = 0
    while (performance.now() < deadline) {
      const payload = encoders[form](random)
      assert.notEqual(check(form, payload), undefined)
      for (let i = 0; i < 8; i++) {
        if ((check(form, mutate(payload, random.next())) ?? 0) > 0) passed++
        else refused++
      }
    }
    // Both outcomes were met, so neither check is idle.
    assert.ok(passed > 0 && refused > 0, `${passed} let through, ${refused} refused`)
  })
}
