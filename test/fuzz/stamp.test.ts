/**
 * Recorded and random messages, damaged. Whatever comes, the kernel neither traps nor hangs, and what it lets through is
 * a message that an independent decoder reads, in which every series carries the record's guid once, at its place.
 * GUIDEPOST_SEED replays a run; GUIDEPOST_FUZZ_MS makes it longer.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { snappyCompress, snappyDecompress } from '@platformatic/wasm-utils'
import fc from 'fast-check'
import protobuf from 'protobufjs'
import type { Version } from '../../src/wire/formats/prometheus.ts'
import { Kernel } from '../../src/wire/kernel.ts'
import { mutate } from '../support/mutate.ts'
import { fuzzMs, Random } from '../support/random.ts'
import { arbitraryV1, arbitraryV2 } from '../support/random-write-request.ts'
import { rulesOf, stampPayload } from '../support/stamping.ts'

const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 2 ** 31)
const kernel = new Kernel()
const rules = rulesOf({
  from: [
    { kind: 'label', name: 'guid', match: undefined },
    { kind: 'label', name: 'namespace', match: undefined },
    { kind: 'label', name: 'job', match: /^(.{1,9})/ },
  ],
  name: 'guid',
  conflict: 'overwrite',
  scope: 'resource',
  missing: { action: 'stamp', guid: 'unassigned' },
  allow: undefined,
})

/** The first bytes of the recorded bodies, cut between two top-level fields, so that a run mutates many of them. */
function recorded(version: Version): Buffer[] {
  return ['01', '04', '07', '10'].map((n) => {
    const body = readFileSync(new URL(`../data/prometheus/v${version}-${n}.snappy`, import.meta.url))
    const payload = snappyDecompress(body)
    return version === 1 ? payload.subarray(0, cutAt(payload, 6_000)) : payload
  })
}

function cutAt(payload: Buffer, near: number): number {
  let at = 0
  while (at < near) {
    let length = 0
    let shift = 0
    at++
    for (;;) {
      const byte = payload[at++]!
      length |= (byte & 0x7f) << shift
      shift += 7
      if (byte < 0x80) break
    }
    at += length
  }
  return at
}

function check(version: Version, payload: Buffer): boolean {
  const outcome = stampPayload(kernel, version, payload, rules, 4_000)
  if (typeof outcome === 'string') return false
  for (const { guid, value, items } of outcome.records) {
    const all = version === 1 ? labelsV1(value) : labelsV2(value)
    assert.ok(items >= all.length)
    for (const labels of all) {
      const names = labels.map(([name]) => name)
      assert.deepEqual(
        labels.filter(([name]) => name === 'guid'),
        [['guid', guid]],
      )
      assert.deepEqual(names, [...new Set(names)].sort(), 'sorted, and each name once')
    }
  }
  return true
}

type Pair = [string, string]

// The published schemas alone: what a consumer's decoder knows. Strings are taken as bytes, whose order is the one asked for.
const WriteRequest = schema('v1.proto', 'WriteRequest')
const Request = schema('v2.proto', 'Request')

function schema(file: string, name: string): protobuf.Type {
  const source = readFileSync(new URL(`../../proto/prometheus/write/${file}`, import.meta.url), 'utf8')
  const { root } = protobuf.parse(
    source.replaceAll(/\bstring (\w+ =)/g, 'bytes $1').replaceAll(/\bstring\b/g, 'bytes'),
  )
  const type = root.resolveAll().lookupType(name)
  return type
}

function text(bytes: unknown): string {
  return Buffer.from(bytes as Uint8Array).toString('latin1')
}

function labelsV1(value: Buffer): Pair[][] {
  const message = WriteRequest.toObject(WriteRequest.decode(value), { arrays: true, defaults: true })
  const timeseries = message['timeseries'] as { labels: { name: Uint8Array; value: Uint8Array }[] }[]
  return timeseries.map((series) => series.labels.map((label): Pair => [text(label.name), text(label.value)]))
}

function labelsV2(value: Buffer): Pair[][] {
  const message = Request.toObject(Request.decode(value), { arrays: true, defaults: true })
  const symbols = (message['symbols'] as Uint8Array[]).map(text)
  const timeseries = message['timeseries'] as { labelsRefs: number[] }[]
  return timeseries.map(({ labelsRefs }) =>
    labelsRefs.flatMap((ref, i): Pair[] => {
      const pair: (string | undefined)[] = [symbols[ref], symbols[labelsRefs[i + 1] ?? -1]]
      assert.ok(i % 2 === 1 || pair.every((one) => one !== undefined), 'a ref outside the table')
      return i % 2 === 0 ? [pair as Pair] : []
    }),
  )
}

for (const version of [1, 2] as const) {
  test(`${version}.0: damaged payloads are refused or become whole records (GUIDEPOST_SEED=${seed})`, () => {
    const bodies = recorded(version)
    const random = new Random(seed)
    const arbitrary = version === 1 ? arbitraryV1({ flaws: true }) : arbitraryV2({ flaws: true })
    const small = fc.sample(arbitrary, { seed, numRuns: 300 }).map(({ bytes }) => bytes)
    const until = Date.now() + fuzzMs
    let kept = 0
    let runs = 0
    while (Date.now() < until) {
      const body = random.oneIn(4) ? random.pick(bodies) : random.pick(small)
      if (check(version, mutate(body, random.next()))) kept++
      runs++
    }
    // Both fates must be met, or the run has shown nothing.
    assert.ok(kept > 0 && kept < runs, `${kept} of ${runs} were kept`)
  })
}

test(`damaged snappy blocks are refused or inflate as an independent decoder says (GUIDEPOST_SEED=${seed})`, () => {
  const random = new Random(seed)
  const payload = recorded(1)[0]!
  const blocks = [
    snappyCompress(payload),
    snappyCompress(Buffer.alloc(5_000, 'ab')),
    snappyCompress(payload.subarray(0, 70)),
  ]
  const until = Date.now() + fuzzMs / 2
  let kept = 0
  let runs = 0
  while (Date.now() < until) {
    const block = mutate(random.pick(blocks), random.next())
    kernel.begin()
    const bytes = kernel.putSnappy([block], block.length, 1 << 20)
    runs++
    if (bytes < 0) continue
    kept++
    let expected: Buffer
    try {
      expected = snappyDecompress(block)
    } catch {
      assert.fail(`the kernel inflates what the other refuses: ${block.toString('hex')}`)
    }
    assert.deepEqual(kernel.payloadCopy(), Buffer.from(expected))
  }
  assert.ok(kept > 0 && kept < runs, `${kept} of ${runs} were kept`)
})
