/**
 * The translation beside its reference: random requests in every legal spelling give what decode, think, encode gives,
 * and every sample is a point, a part of one, or counted.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { snappyDecompress } from '@platformatic/wasm-utils'
import fc from 'fast-check'
import { GuidTable } from '../../src/stamp/guid.ts'
import { otlpStampings } from '../../src/stamp/otlp.ts'
import { cutRecord } from '../../src/stamp/stamp.ts'
import { Ledger } from '../../src/telemetry/ledger.ts'
import { toOtlp } from '../../src/translate/prometheus/to-otlp.ts'
import { Kernel } from '../../src/wire/kernel.ts'
import { decodeV1, decodeV2, encodeV1, encodeV2, type Histogram } from '../support/oracle/index.ts'
import { canonical, decodeOtlp, expectTranslation } from '../support/oracle-to-otlp/index.ts'
import { arbitraryDrafts, encodeDrafts } from '../support/oracle-to-otlp/random-families.ts'
import { propertyBounds } from '../support/random.ts'
import { arbitraryV1, arbitraryV2 } from '../support/random-write-request.ts'
import { encodeVariedV1, encodeVariedV2 } from '../support/varied-encoding.ts'

const outputBytesMax = 64 << 20

function compare(version: 1 | 2, message: Buffer): void {
  const translated = toOtlp({ version, message, guidName: 'guid', outputBytesMax })
  if ('problem' in translated) assert.fail(translated.problem)
  const expected = expectTranslation(version, message, 'guid')
  const resources = decodeOtlp(translated.message)
  assert.deepEqual(canonical(resources), canonical(expected.resources))
  assert.equal(translated.points, expected.points)
  assert.deepEqual(withoutKinds(Object.fromEntries(translated.skipped)), withoutKinds(expected.skipped))
  assert.deepEqual(
    { ...translated.omitted, apart: translated.apart },
    { ...expected.omitted, apart: expected.apart },
  )
}

/** Which of several faults of one histogram is named depends on which is met first. */
function withoutKinds(skipped: Readonly<Record<string, number>>): Record<string, number> {
  const merged: Record<string, number> = {}
  for (const [reason, count] of Object.entries(skipped)) {
    const kind = /^(float_)?histogram/.test(reason) ? 'histogram' : reason
    merged[kind] = (merged[kind] ?? 0) + count
  }
  return merged
}

for (const version of [1, 2] as const) {
  test(`${version}.0: families of every type are translated as the reference does`, () => {
    fc.assert(
      fc.property(arbitraryDrafts, fc.nat(), (drafts, seed) => {
        compare(version, encodeDrafts(version, drafts, seed))
      }),
      propertyBounds(),
    )
  })
}

/** Both kinds of count on the wire mean the last of them, which the model does not say. */
function oneKind<Series extends { histograms?: Histogram[] }>(series: Series): Series {
  if (series.histograms === undefined) return series
  const histograms = series.histograms.map(({ countFloatBits, zeroCountFloatBits, ...rest }): Histogram => {
    if (rest.countInt !== undefined || countFloatBits === undefined) return rest
    const { zeroCountInt: _, ...others } = rest
    return { ...others, countFloatBits, ...(zeroCountFloatBits === undefined ? {} : { zeroCountFloatBits }) }
  })
  return { ...series, histograms }
}

test('1.0: messages of any content are translated as the reference does', () => {
  fc.assert(
    fc.property(arbitraryV1(), fc.nat(), ({ model }, seed) => {
      const timeseries = (model.timeseries ?? []).map(oneKind)
      compare(1, encodeVariedV1({ ...model, timeseries }, seed))
    }),
    propertyBounds(),
  )
})

test('2.0: messages of any content are translated as the reference does', () => {
  fc.assert(
    fc.property(arbitraryV2(), fc.nat(), ({ model }, seed) => {
      const timeseries = (model.timeseries ?? []).map(oneKind)
      compare(2, encodeVariedV2({ ...model, timeseries }, seed))
    }),
    propertyBounds(),
  )
})

test('the kernel takes every translation, counts the same points, and only adds the stamp', () => {
  const kernel = new Kernel()
  const ledger = new Ledger(10)
  const guid = new GuidTable({ name: 'guid', receiver: 'remote_write', signal: 'metrics', ledger }).get(
    'team-a',
  )
  const fits = fc.constantFrom(200, 1 << 20)
  fc.assert(
    fc.property(
      arbitraryDrafts,
      fc.constantFrom(1 as const, 2 as const),
      fits,
      (drafts, version, bytesMax) => {
        const message = encodeDrafts(version, drafts)
        const translated = toOtlp({ version, message, guidName: 'guid', outputBytesMax })
        if ('problem' in translated) assert.fail(translated.problem)
        const parts = cutRecord(kernel, otlpStampings.metrics, guid, translated.message, bytesMax)
        const items = parts.reduce((sum, part) => sum + part.items, 0)
        assert.equal(items, translated.points)
        const stamped = decodeOtlp(Buffer.concat(parts.map(({ value }) => value)))
        const unstamped = stamped.map(({ attributes: { guid: stamp, ...attributes }, scopes }) => {
          assert.equal(stamp, 'team-a')
          return { attributes, scopes }
        })
        assert.deepEqual(canonical(unstamped), canonical(decodeOtlp(translated.message)))
      },
    ),
    propertyBounds(),
  )
})

for (const n of ['01', '04', '07', '10']) {
  for (const version of [1, 2] as const) {
    test(`what Prometheus sent, v${version}-${n}, is translated whole`, () => {
      const file = new URL(`../data/prometheus/v${version}-${n}.snappy`, import.meta.url)
      const message = Buffer.from(snappyDecompress(readFileSync(file)))
      compare(version, message)
      const translated = toOtlp({ version, message, guidName: 'guid', outputBytesMax })
      assert.ok('points' in translated)
      assert.equal(translated.points, 2_000)
      assert.equal(translated.skipped.size, 0)
    })
  }
}

test('the reference sees what was sent', () => {
  const model = decodeV1(encodeV1({ timeseries: [{ labels: [{ name: '__name__', value: 'up' }] }] }))
  assert.deepEqual(expectTranslation(1, encodeV1(model), 'guid').skipped, { empty_series: 1 })
  const other = decodeV2(encodeV2({ symbols: ['', '__name__', 'up'], timeseries: [{ labelsRefs: [1, 2] }] }))
  assert.deepEqual(expectTranslation(2, encodeV2(other), 'guid').skipped, { empty_series: 1 })
})
