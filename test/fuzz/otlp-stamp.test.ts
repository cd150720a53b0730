/**
 * Random OTLP requests, damaged. Whatever comes, the kernel neither traps nor hangs, and what it lets through is a message
 * that an independent decoder with the published schema reads (its texts are UTF-8, its ids have their lengths), in which
 * every resource carries the record's guid once, as its last attribute.
 * GUIDEPOST_SEED replays a run; GUIDEPOST_FUZZ_MS makes it longer.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Kernel } from '../../src/wire/kernel.ts'
import { mutate } from '../support/mutate.ts'
import {
  countItems,
  decode,
  faultsIn,
  listOf,
  type Model,
  requestType,
  type Signal,
  signals,
} from '../support/oracle-otlp/index.ts'
import { fuzzMs, Random } from '../support/random.ts'
import { randomOtlp } from '../support/random-otlp-request.ts'
import { otlpRulesOf, stampOtlp } from '../support/stamping-otlp.ts'

const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 2 ** 31)
const kernel = new Kernel()
const rules = otlpRulesOf({
  sources: [
    { kind: 'label', name: 'guid' },
    { kind: 'label', name: 'namespace' },
    { kind: 'label', name: 'job', match: /^(.{1,9})/ },
  ],
  name: 'guid',
  conflict: 'overwrite',
  missing: { action: 'stamp', guid: 'unassigned' },
  deep: true,
})

/** True when something was let through. */
function check(signal: Signal, payload: Buffer, recordBytesMax: number): boolean {
  const outcome = stampOtlp(kernel, signal, payload, rules, recordBytesMax)
  if (typeof outcome === 'string') return false
  const { name } = requestType(signal).fieldsById[1]!
  let kept = 0
  for (const { guid, value, items } of outcome.records) {
    const message = decode(signal, value)
    assert.equal(countItems(requestType(signal), message), items)
    assert.deepEqual(faultsIn(signal, message), [])
    for (const one of listOf(message, name)) {
      const attributes = listOf(one['resource'] as Model, 'attributes')
      const stamps = attributes.filter(({ key }) => key === 'guid')
      assert.deepEqual(stamps, [{ key: 'guid', value: { stringValue: guid } }])
      assert.equal(attributes.at(-1), stamps[0])
    }
    kept += items
  }
  const refused = outcome.stamped.refused.reduce((sum, { count }) => sum + count, 0)
  assert.equal(kept + refused, outcome.stamped.items)
  return kept > 0
}

/** The first request of some size. */
function sample(signal: Signal): Buffer {
  for (let i = 1; ; i++) {
    const { bytes } = randomOtlp(signal, i, { flaws: false, plain: true })
    if (bytes.length > 2_000 && bytes.length < 6_000) return bytes
  }
}

for (const signal of signals) {
  test(`${signal}: damaged requests are refused or become whole records (GUIDEPOST_SEED=${seed})`, () => {
    const random = new Random(seed)
    const until = Date.now() + fuzzMs
    let kept = 0
    let runs = 0
    while (Date.now() < until) {
      const { bytes } = randomOtlp(signal, random.next(), { flaws: random.oneIn(2), plain: random.oneIn(4) })
      for (let round = 0; round < 8; round++, runs++) {
        if (check(signal, mutate(bytes, random.next()), random.pick([1 << 20, 3_000, 500]))) kept++
      }
    }
    // Both fates must be met, or the run has shown nothing.
    assert.ok(kept > 0 && kept < runs, `${kept} of ${runs} were kept`)
  })

  test(`${signal}: a request cut short or with any one byte changed does no harm (GUIDEPOST_SEED=${seed})`, () => {
    const bytes = sample(signal)
    const short = bytes.subarray(0, 3_000)
    assert.ok(check(signal, bytes, 1 << 20))
    for (let at = 0; at < short.length; at++) check(signal, Buffer.from(short.subarray(0, at)), 1 << 20)
    for (let at = 0; at < short.length; at++) {
      // One of the ways for each byte; which, is the seed's.
      const mask = [0x01, 0x08, 0x80, 0xff][(at + seed) % 4]!
      const changed = Buffer.from(bytes)
      changed.writeUInt8(changed.readUInt8(at) ^ mask, at)
      check(signal, changed, 1 << 20)
    }
  })
}
