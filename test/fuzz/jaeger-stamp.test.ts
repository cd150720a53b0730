/**
 * Random PostSpansRequests, damaged. Whatever comes, the kernel neither traps nor hangs, and what it lets through are spans
 * that an independent decoder with the published schema reads (texts are UTF-8, ids have their lengths), each with the
 * record's guid once, as the last tag of its process, and nowhere else.
 * GUIDEPOST_SEED replays a run; GUIDEPOST_FUZZ_MS makes it longer.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Kernel } from '../../src/wire/kernel.ts'
import { mutate } from '../support/mutate.ts'
import {
  damagedSpanType,
  decodeModel,
  isWholeText,
  listOf,
  type Model,
  publishedSpan,
} from '../support/oracle-jaeger-records.ts'
import { fuzzMs, Random } from '../support/random.ts'
import { randomJaegerRequest } from '../support/random-jaeger-request.ts'
import { jaegerRulesOf, stampJaeger } from '../support/stamping-jaeger.ts'

const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 2 ** 31)
const kernel = new Kernel()
const rules = jaegerRulesOf({
  sources: [
    { kind: 'label', name: 'guid' },
    { kind: 'label', name: 'hostname' },
    { kind: 'label', name: 'job', match: /^(.{1,9})/ },
  ],
  name: 'guid',
  conflict: 'overwrite',
  missing: { action: 'stamp', guid: 'unassigned' },
  deep: true,
})

/** True when something was let through. */
function check(payload: Buffer): boolean {
  const outcome = stampJaeger(kernel, payload, rules)
  if (typeof outcome === 'string') return false
  for (const { guid, value, items } of outcome.records) {
    assert.equal(items, 1)
    publishedSpan.decode(value)
    const span = decodeModel(damagedSpanType, value)
    assert.ok(isWholeText(damagedSpanType, span))
    checkIds(span)
    for (const reference of listOf(span, 'references')) checkIds(reference)
    const tags = listOf(span['process'] as Model, 'tags')
    assert.deepEqual(tags.filter(isStamp), [{ key: 'guid', vStr: guid }])
    assert.ok(isStamp(tags.at(-1)!))
    const others = [...listOf(span, 'tags'), ...listOf(span, 'logs').flatMap((log) => listOf(log, 'fields'))]
    assert.deepEqual(others.filter(isStamp), [])
  }
  const refused = outcome.stamped.refused.reduce((sum, { count }) => sum + count, 0)
  assert.equal(outcome.records.length + refused, outcome.stamped.items)
  return outcome.records.length > 0
}

function isStamp(tag: Model): boolean {
  return tag['key'] === 'guid'
}

function checkIds({ traceId, spanId }: Model): void {
  assert.ok([undefined, 8, 16].includes((traceId as string | undefined)?.length))
  assert.ok([undefined, 8].includes((spanId as string | undefined)?.length))
}

/** The first request of some size. */
function sample(): Buffer {
  for (let i = 1; ; i++) {
    const { bytes } = randomJaegerRequest(i, { flaws: false, plain: true })
    if (bytes.length > 2_000 && bytes.length < 6_000) return bytes
  }
}

test(`damaged requests are refused or become whole records (GUIDEPOST_SEED=${seed})`, () => {
  const random = new Random(seed)
  const until = Date.now() + fuzzMs
  let kept = 0
  let runs = 0
  while (Date.now() < until) {
    const { bytes } = randomJaegerRequest(random.next(), { flaws: random.oneIn(2), plain: random.oneIn(4) })
    for (let round = 0; round < 8; round++, runs++) if (check(mutate(bytes, random.next()))) kept++
  }
  // Both fates must be met, or the run has shown nothing.
  assert.ok(kept > 0 && kept < runs, `${kept} of ${runs} were kept`)
})

test(`a request cut short or with any one byte changed does no harm (GUIDEPOST_SEED=${seed})`, () => {
  const bytes = sample()
  assert.ok(check(bytes))
  for (let at = 0; at < bytes.length; at++) check(Buffer.from(bytes.subarray(0, at)))
  for (let at = 0; at < bytes.length; at++) {
    // One of the ways for each byte; which, is the seed's.
    const changed = Buffer.from(bytes)
    changed.writeUInt8(changed.readUInt8(at) ^ [0x01, 0x08, 0x80, 0xff][(at + seed) % 4]!, at)
    check(changed)
  }
})
