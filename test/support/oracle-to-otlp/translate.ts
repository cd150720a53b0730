/** What the unit tests of the translation share: requests in few words, and the output in plain objects. */
import assert from 'node:assert/strict'
import { toOtlp } from '../../../src/translate/prometheus/to-otlp.ts'
import type { Translated } from '../../../src/translate/prometheus/translated.ts'
import { decodeOtlp, type PlainMetric, type PlainPoint } from './index.ts'
import { toBits } from './native.ts'
import { type DraftSeries, encodeDrafts } from './random-families.ts'

/** The metadata's numbers of the types. */
export const types = {
  unknown: 0,
  counter: 1,
  gauge: 2,
  histogram: 3,
  gaugeHistogram: 4,
  summary: 5,
  info: 6,
  stateset: 7,
} as const
export const AT = '1700000000000'
export const AT_NS = '1700000000000000000'

export function translate(drafts: readonly DraftSeries[], version: 1 | 2 = 2): Translated {
  const message = encodeDrafts(version, drafts)
  const translated = toOtlp({ version, message, guidName: 'guid', outputBytesMax: 1 << 20 })
  if ('problem' in translated) assert.fail(translated.problem)
  return translated
}

export function metricsOf(translated: Translated): readonly PlainMetric[] {
  return decodeOtlp(translated.message).flatMap(({ scopes }) => scopes.flatMap(({ metrics }) => metrics))
}

export function only<Item>(list: readonly Item[]): Item {
  assert.equal(list.length, 1)
  return list[0]!
}

export function pointOf(translated: Translated): PlainPoint {
  return only(only(metricsOf(translated)).points)
}

export function series(
  labels: Record<string, string>,
  value: number,
  rest: Partial<DraftSeries> = {},
): DraftSeries {
  return { labels, samples: [{ valueBits: toBits(value), timestamp: AT }], ...rest }
}

export function skippedOf({ skipped }: Translated): Record<string, number> {
  return Object.fromEntries(skipped)
}
