/** What stamping must make of a 2.0 message, compared after every reference is replaced by its text. */
import type { ByteText, V2Model, V2Resolved, V2ResolvedSeries, V2Series } from './model.ts'
import { type Expected, judgeSeries, type OracleRules, type Pair, type Refusal, stampPairs } from './rules.ts'

/** One resolved message for each guid, with its series in the order of the input, and what is refused. */
export function expectedV2(model: V2Model, rules: OracleRules): Expected<V2Resolved> {
  const messages = new Map<string, V2Resolved>()
  const refused: { index: number; reason: Refusal }[] = []
  let dropped = 0
  const symbols = model.symbols ?? []
  for (const [index, series] of (model.timeseries ?? []).entries()) {
    const refs = series.labelsRefs ?? []
    const reason = flawOfRefs(refs, symbols)
    if (reason !== undefined) {
      refused.push({ index, reason })
      continue
    }
    const pairs = pairsOf(refs, symbols)
    const verdict = judgeSeries(pairs, rules)
    if (verdict.kind === 'refuse') refused.push({ index, reason: verdict.reason })
    else if (verdict.kind === 'drop') dropped += 1
    else {
      const labels = stampPairs(pairs, rules.name, verdict.guid).flat()
      const message = messages.get(verdict.guid) ?? {}
      const timeseries = [...(message.timeseries ?? []), { ...resolveSeries(series, symbols), labels }]
      messages.set(verdict.guid, { timeseries })
    }
  }
  return { messages, refused, dropped }
}

/**
 * A 2.0 message with its references resolved; fields of a later revision at its top are left out. Throws when the
 * table does not begin with the empty text, and when a reference lies outside it: no output may have either.
 */
export function resolveV2(model: V2Model): V2Resolved {
  const symbols = model.symbols ?? []
  if (model.timeseries === undefined) return {}
  if (symbols[0] !== '') throw new Error('the first symbol is not the empty text')
  return { timeseries: model.timeseries.map((series) => resolveSeries(series, symbols)) }
}

/** Several resolved messages of one guid as one. */
export function joinV2(models: readonly V2Resolved[]): V2Resolved {
  const timeseries = models.flatMap((model) => model.timeseries ?? [])
  return timeseries.length > 0 ? { timeseries } : {}
}

function resolveSeries(series: V2Series, symbols: readonly ByteText[]): V2ResolvedSeries {
  const { labelsRefs, exemplars, metadata, ...rest } = series
  const resolved: V2ResolvedSeries = { ...rest }
  if (labelsRefs !== undefined) resolved.labels = resolveAll(labelsRefs, symbols)
  if (exemplars !== undefined) {
    resolved.exemplars = exemplars.map(({ labelsRefs: refs, ...others }) =>
      refs === undefined ? others : { ...others, labels: resolveAll(refs, symbols) },
    )
  }
  if (metadata !== undefined) {
    const { helpRef, unitRef, ...others } = metadata
    resolved.metadata = {
      ...others,
      ...(helpRef === undefined ? {} : { help: resolve(helpRef, symbols) }),
      ...(unitRef === undefined ? {} : { unit: resolve(unitRef, symbols) }),
    }
  }
  return resolved
}

function resolve(ref: number, symbols: readonly ByteText[]): ByteText {
  const text = symbols[ref]
  if (text === undefined)
    throw new Error(`reference ${ref} lies outside a table of ${symbols.length} symbols`)
  return text
}

function resolveAll(refs: readonly number[], symbols: readonly ByteText[]): ByteText[] {
  return refs.map((ref) => resolve(ref, symbols))
}

function flawOfRefs(refs: readonly number[], symbols: readonly ByteText[]): Refusal | undefined {
  if (refs.length % 2 !== 0) return 'odd references'
  return refs.every((ref) => ref < symbols.length) ? undefined : 'reference outside the table'
}

function pairsOf(refs: readonly number[], symbols: readonly ByteText[]): Pair[] {
  const texts = resolveAll(refs, symbols)
  return texts.flatMap((name, index): Pair[] => (index % 2 === 0 ? [[name, texts[index + 1] ?? '']] : []))
}
