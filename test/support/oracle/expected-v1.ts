/** What stamping must make of a 1.0 message: decode, set, sort by guid. */
import type { Label, V1Model, V1Series } from './model.ts'
import {
  type Expected,
  judgeMetadata,
  judgeSeries,
  type OracleRules,
  type Pair,
  type Refusal,
} from './rules.ts'

/**
 * One message for each guid, with its series and metadata in the order of the input, and what is refused. Fields of a
 * later revision at the top of the message are left out: they belong to no series, see `withoutTopExtras`.
 */
export function expectedV1(model: V1Model, rules: OracleRules): Expected<V1Model> {
  const messages = new Map<string, V1Model>()
  const refused: { index: number; reason: Refusal }[] = []
  let dropped = 0
  for (const [index, series] of (model.timeseries ?? []).entries()) {
    const verdict = judgeSeries(pairsOf(series), rules)
    if (verdict.kind === 'refuse') refused.push({ index, reason: verdict.reason })
    else if (verdict.kind === 'drop') dropped += 1
    else push(messages, verdict.guid, 'timeseries', stamped(series, rules.name, verdict.guid))
  }
  for (const entry of model.metadata ?? []) {
    const verdict = judgeMetadata(rules)
    if (verdict.kind === 'refuse') refused.push({ index: -1, reason: verdict.reason })
    else if (verdict.kind === 'drop') dropped += 1
    else push(messages, verdict.guid, 'metadata', entry)
  }
  return { messages, refused, dropped }
}

/** Several messages of one guid as one, the way in which a consumer sees records joined end to end. */
export function joinV1(models: readonly V1Model[]): V1Model {
  const joined: V1Model = {}
  const timeseries = models.flatMap((model) => model.timeseries ?? [])
  const metadata = models.flatMap((model) => model.metadata ?? [])
  if (timeseries.length > 0) joined.timeseries = timeseries
  if (metadata.length > 0) joined.metadata = metadata
  return joined
}

/** The message without fields of a later revision at its top. */
export function withoutTopExtras<Model extends object>(model: Model): Model {
  const extras = new Set(['extraFixed32', 'extraVarint', 'extraFixed64', 'extraBytes'])
  return Object.fromEntries(Object.entries(model).filter(([key]) => !extras.has(key))) as Model
}

function pairsOf(series: V1Series): Pair[] {
  return (series.labels ?? []).map((label) => [label.name ?? '', label.value ?? ''])
}

function stamped(series: V1Series, name: string, guid: string): V1Series {
  const rest = (series.labels ?? []).filter((label) => label.name !== name)
  const found = rest.findIndex((label) => (label.name ?? '') > name)
  const place = found === -1 ? rest.length : found
  const stamp: Label = { name, value: guid }
  return { ...series, labels: [...rest.slice(0, place), stamp, ...rest.slice(place)] }
}

function push<Field extends 'timeseries' | 'metadata'>(
  messages: Map<string, V1Model>,
  guid: string,
  field: Field,
  item: NonNullable<V1Model[Field]>[number],
): void {
  const message = messages.get(guid) ?? {}
  messages.set(guid, { ...message, [field]: [...(message[field] ?? []), item] })
}
