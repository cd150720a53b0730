/** A remote write message as a flat list of series, decoded by protobufjs. Nothing here is shared with `src/`. */
import { decodeV1, decodeV2, type Histogram, resolveV2, type Sample } from '../oracle/index.ts'

export type Labels = readonly (readonly [name: string, value: string])[]

export interface InputExemplar {
  readonly labels: Labels
  readonly ms: bigint
  readonly bits: string
}

export interface InputSample {
  readonly ms: bigint
  readonly startMs: bigint
  readonly bits: string
}

export interface InputSeries {
  /** Without the stamp. */
  readonly labels: Labels
  readonly samples: readonly InputSample[]
  readonly histograms: readonly Histogram[]
  readonly exemplars: readonly InputExemplar[]
  readonly type: number
  readonly unit: string
  readonly help: string
  /** 1.0: the name in the metadata entry. */
  readonly family: string | undefined
}

export interface Input {
  readonly series: readonly InputSeries[]
  /** 1.0: metadata entries that no series belongs to. */
  readonly unusedMetadata: number
}

export function readInput(version: 1 | 2, bytes: Buffer, guidName: string): Input {
  return version === 1 ? readV1(bytes, guidName) : readV2(bytes, guidName)
}

const FAMILY_TYPES: Readonly<Record<string, readonly number[]>> = {
  total: [1],
  created: [1, 3, 5, 4],
  bucket: [3, 4],
  count: [3, 5],
  sum: [3, 5],
  gcount: [4],
  gsum: [4],
  info: [6],
}

function readV1(bytes: Buffer, guidName: string): Input {
  const model = decodeV1(bytes)
  const entries = model.metadata ?? []
  const used = new Set<string>()
  const find = (name: string) => {
    const byFamily = (family: string) => entries.find((entry) => (entry.metricFamilyName ?? '') === family)
    const suffix = /_([a-z]+)$/.exec(name)?.[1] ?? ''
    const family = name.slice(0, -1 - suffix.length)
    const shorter = suffix === '' ? undefined : byFamily(family)
    const fits =
      shorter !== undefined &&
      Object.hasOwn(FAMILY_TYPES, suffix) &&
      (FAMILY_TYPES[suffix]?.includes(shorter.type ?? 0) ?? false)
    const entry = byFamily(name) ?? (fits ? shorter : undefined)
    if (entry !== undefined) used.add(entry.metricFamilyName ?? '')
    return entry
  }
  const series = (model.timeseries ?? []).map((one): InputSeries => {
    const labels = (one.labels ?? []).map((label) => [text(label.name), text(label.value)] as const)
    const entry = find(Buffer.from(nameOf(labels)).toString('latin1'))
    return {
      labels: labels.filter(([name]) => name !== guidName),
      samples: (one.samples ?? []).map(sampleOf),
      histograms: one.histograms ?? [],
      exemplars: (one.exemplars ?? []).map((exemplar) => ({
        labels: (exemplar.labels ?? []).map((label) => [text(label.name), text(label.value)] as const),
        ms: BigInt(exemplar.timestamp ?? 0),
        bits: exemplar.valueBits ?? '0',
      })),
      type: entry?.type ?? 0,
      unit: text(entry?.unit),
      help: text(entry?.help),
      family: entry === undefined ? undefined : text(entry.metricFamilyName),
    }
  })
  const unusedMetadata = entries.filter((entry) => !used.has(entry.metricFamilyName ?? '')).length
  return { series, unusedMetadata }
}

function readV2(bytes: Buffer, guidName: string): Input {
  const series = (resolveV2(decodeV2(bytes)).timeseries ?? []).map(
    (one): InputSeries => ({
      labels: pairs(one.labels ?? []).filter(([name]) => name !== guidName),
      samples: (one.samples ?? []).map(sampleOf),
      histograms: one.histograms ?? [],
      exemplars: (one.exemplars ?? []).map((exemplar) => ({
        labels: pairs(exemplar.labels ?? []),
        ms: BigInt(exemplar.timestamp ?? 0),
        bits: exemplar.valueBits ?? '0',
      })),
      type: one.metadata?.type ?? 0,
      unit: text(one.metadata?.unit),
      help: text(one.metadata?.help),
      family: undefined,
    }),
  )
  return { series, unusedMetadata: 0 }
}

function sampleOf(sample: Sample): InputSample {
  return {
    ms: BigInt(sample.timestamp ?? 0),
    startMs: BigInt(sample.startTimestamp ?? 0),
    bits: sample.valueBits ?? '0',
  }
}

function pairs(texts: readonly string[]): Labels {
  return texts.flatMap((name, i) => (i % 2 === 0 ? [[text(name), text(texts[i + 1])] as const] : []))
}

function text(bytes: string | undefined): string {
  return Buffer.from(bytes ?? '', 'latin1').toString('utf8')
}

export function nameOf(labels: Labels): string {
  return labels.find(([name]) => name === '__name__')?.[1] ?? ''
}
