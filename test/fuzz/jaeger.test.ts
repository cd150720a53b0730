/**
 * Random Jaeger batches, damaged. Whatever comes, the kernel neither traps nor hangs, and what it translates is a message
 * that an independent decoder reads and that the walk behind it takes.
 * GUIDEPOST_SEED replays a run; GUIDEPOST_FUZZ_MS makes it longer.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeOf, Kernel, type Translation } from '../../src/wire/kernel.ts'
import { jaegerTranslation } from '../../src/wire/translations/jaeger.ts'
import { decodeProto, encodeProto, encodeThrift } from '../support/jaeger-encode.ts'
import { mutate } from '../support/mutate.ts'
import { spansOfOtlp } from '../support/plain-spans.ts'
import { fuzzMs, Random } from '../support/random.ts'
import { type JaegerBatch, randomJaeger } from '../support/random-jaeger.ts'
import { otlpRulesOf, stampOtlp } from '../support/stamping-otlp.ts'

const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 2 ** 31)
const kernel = new Kernel()
const rules = otlpRulesOf({
  sources: [{ kind: 'label', name: 'namespace' }],
  name: 'guid',
  conflict: 'overwrite',
  missing: { action: 'stamp', guid: 'unassigned' },
  deep: false,
})

interface Form {
  readonly name: string
  readonly encode: (batch: JaegerBatch) => Buffer
  readonly translation: Translation
  readonly malformed: number
  readonly via: 'proto' | 'thrift'
  readonly isOtlp: boolean
}

const forms: readonly Form[] = [
  {
    name: 'protobuf',
    encode: encodeProto,
    translation: jaegerTranslation('proto', 'otlp'),
    malformed: codeOf('protobuf'),
    via: 'proto',
    isOtlp: true,
  },
  ...(['binary', 'compact'] as const).flatMap((protocol) =>
    (['otlp', 'jaeger'] as const).map((to) => ({
      name: `Thrift (${protocol}) to ${to}`,
      encode: (batch: JaegerBatch) => encodeThrift(protocol, batch),
      translation: jaegerTranslation(`thrift_${protocol}`, to),
      malformed: codeOf('thrift'),
      via: 'thrift' as const,
      isOtlp: to === 'otlp',
    })),
  ),
]

/** True when it was translated. */
function check(form: Form, payload: Buffer): boolean {
  kernel.begin()
  kernel.putPlain([payload], payload.length)
  const bytes = kernel.translate(form.translation)
  if (bytes < 0) {
    assert.equal(bytes, form.malformed)
    return false
  }
  const output = kernel.payloadCopy()
  if (!form.isOtlp) {
    assertDecodes(output)
    return true
  }
  // The walk takes out the spans whose texts are damaged; the rest must be whole.
  const outcome = stampOtlp(kernel, 'traces', output, rules, 1 << 20)
  assert.ok(typeof outcome !== 'string', `the walk refused it: ${outcome}`)
  const kept = outcome.records.reduce((sum, { value, items }) => {
    assert.equal(spansOfOtlp(value).length, items)
    return sum + items
  }, 0)
  const refused = outcome.stamped.refused.reduce((sum, { count }) => sum + count, 0)
  assert.equal(kept + refused, outcome.stamped.items)
  return true
}

function assertDecodes(output: Buffer): void {
  try {
    decodeProto(output)
  } catch (error) {
    // Texts are passed on as they came.
    assert.equal((error as NodeJS.ErrnoException).code, 'ERR_ENCODING_INVALID_ENCODED_DATA')
  }
}

for (const form of forms) {
  test(`${form.name}: damaged batches are refused or become whole messages (GUIDEPOST_SEED=${seed})`, () => {
    const random = new Random(seed)
    const until = Date.now() + fuzzMs
    let translated = 0
    let runs = 0
    while (runs < 100 || Date.now() < until) {
      const payload = form.encode(randomJaeger(random, { via: form.via, spansMax: random.pick([1, 3, 8]) }))
      for (let round = 0; round < 8; round++, runs++) {
        if (check(form, mutate(payload, random.next()))) translated++
      }
    }
    // Both fates must be met, or the run has shown nothing.
    assert.ok(translated > 0 && translated < runs, `${translated} of ${runs} were translated`)
  })

  test(`${form.name}: a batch with any one byte changed does no harm (GUIDEPOST_SEED=${seed})`, () => {
    const random = new Random(seed)
    const batch = randomJaeger(random, { via: form.via, spansMax: 3 })
    const payload = form.encode(batch)
    assert.ok(check(form, payload))
    for (let at = 0; at < payload.length; at++) {
      const changed = Buffer.from(payload)
      changed.writeUInt8(changed.readUInt8(at) ^ [0x01, 0x08, 0x80, 0xff][(at + seed) % 4]!, at)
      check(form, changed)
    }
  })
}
