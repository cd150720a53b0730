/**
 * Which guid an item gets, written to be read rather than to be fast.
 *
 * 1. The sources are asked in order; the first that yields a valid guid wins. Of several labels with one name (only the
 *    stamped name may repeat) the first counts.
 * 2. When none yields one, `missing` says what happens.
 * 3. When the first label of the stamped name holds something else than the guid of 1 and 2, `keep` takes it instead,
 *    if it is a valid guid, and `reject` refuses the item.
 * 4. A guid that `allow` does not match is refused.
 */
import type { ByteText } from './model.ts'

export type OracleSource =
  /** What the request itself yields: header, path, listener, peer, credential or constant. */
  | { readonly kind: 'constant'; readonly value: string }
  | { readonly kind: 'label'; readonly name: ByteText; readonly match?: RegExp }

export interface OracleRules {
  readonly sources: readonly OracleSource[]
  /** The label that is written. */
  readonly name: ByteText
  readonly conflict: 'overwrite' | 'keep' | 'reject'
  readonly missing:
    | { readonly action: 'stamp'; readonly guid: string }
    | { readonly action: 'reject' | 'drop' }
  readonly allow?: readonly RegExp[]
  /** Whether a label without a value refuses its series. Default: true. */
  readonly refuseEmptyValues?: boolean
}

export type Refusal =
  | 'labels unsorted'
  | 'label repeated'
  | 'name empty'
  | 'value empty'
  | 'not UTF-8'
  | 'odd references'
  | 'reference outside the table'
  | 'guid conflict'
  | 'guid missing'
  | 'guid not allowed'

export type Verdict =
  | { readonly kind: 'stamp'; readonly guid: string }
  | { readonly kind: 'drop' }
  | { readonly kind: 'refuse'; readonly reason: Refusal }

/** What becomes of one message. */
export interface Expected<Message> {
  /** One message for each guid, in the order in which the guids appear. */
  readonly messages: Map<string, Message>
  /** Series by their index in the input; metadata entries, whose fate is one, as index -1. */
  readonly refused: { readonly index: number; readonly reason: Refusal }[]
  /** Series and metadata entries that `missing: drop` took away. */
  readonly dropped: number
}

export type Pair = readonly [name: ByteText, value: ByteText]

const GUID = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/
/** Longer label values are not looked at when a guid is sought. */
const SOURCE_BYTES_MAX = 4096

export function isGuid(value: string): boolean {
  return GUID.test(value)
}

/** The verdict over a series with these labels, in the order of the message. */
export function judgeSeries(labels: readonly Pair[], rules: OracleRules): Verdict {
  if (!labels.every((pair) => pair.every(isUtf8))) return { kind: 'refuse', reason: 'not UTF-8' }
  const flaw = flawOf(
    labels.filter(([name]) => name !== rules.name),
    rules.refuseEmptyValues ?? true,
  )
  if (flaw !== undefined) return { kind: 'refuse', reason: flaw }
  const guid = fromSources(rules.sources, labels) ?? stampOf(rules.missing)
  if (guid === undefined) return withoutGuid(rules)
  const carried = firstValue(labels, rules.name)
  if (carried === undefined || carried === '' || carried === guid || rules.conflict === 'overwrite')
    return allowed(guid, rules)
  if (rules.conflict === 'reject') return { kind: 'refuse', reason: 'guid conflict' }
  return allowed(isGuid(carried) ? carried : guid, rules)
}

/** The verdict over the metadata entries of a 1.0 message, which have no labels. */
export function judgeMetadata(rules: OracleRules): Verdict {
  const guid = fromSources(rules.sources, []) ?? stampOf(rules.missing)
  return guid === undefined ? withoutGuid(rules) : allowed(guid, rules)
}

/** The labels with the stamped one in its place: every label of its name out, one before the first greater name. */
export function stampPairs(labels: readonly Pair[], name: ByteText, guid: string): Pair[] {
  const rest = labels.filter(([other]) => other !== name)
  const found = rest.findIndex(([other]) => other > name)
  const place = found === -1 ? rest.length : found
  return [...rest.slice(0, place), [name, guid], ...rest.slice(place)]
}

function fromSources(sources: readonly OracleSource[], labels: readonly Pair[]): string | undefined {
  for (const source of sources) {
    if (source.kind === 'constant') {
      if (isGuid(source.value)) return source.value
      continue
    }
    const value = firstValue(labels, source.name)
    if (value === undefined || value.length > SOURCE_BYTES_MAX) continue
    const text = Buffer.from(value, 'latin1').toString('utf8')
    const candidate = source.match === undefined ? text : source.match.exec(text)?.[1]
    if (candidate !== undefined && isGuid(candidate)) return candidate
  }
  return undefined
}

function firstValue(labels: readonly Pair[], wanted: ByteText): ByteText | undefined {
  return labels.find(([name]) => name === wanted)?.[1]
}

function stampOf(missing: OracleRules['missing']): string | undefined {
  return missing.action === 'stamp' ? missing.guid : undefined
}

function withoutGuid(rules: OracleRules): Verdict {
  return rules.missing.action === 'drop' ? { kind: 'drop' } : { kind: 'refuse', reason: 'guid missing' }
}

function allowed(guid: string, rules: OracleRules): Verdict {
  if (rules.allow === undefined || rules.allow.some((pattern) => pattern.test(guid)))
    return { kind: 'stamp', guid }
  return { kind: 'refuse', reason: 'guid not allowed' }
}

function flawOf(labels: readonly Pair[], refuseEmptyValues: boolean): Refusal | undefined {
  const names = labels.map(([name]) => name)
  for (const [name, value] of labels) {
    if (name === '') return 'name empty'
    if (value === '' && refuseEmptyValues) return 'value empty'
  }
  if (new Set(names).size !== names.length) return 'label repeated'
  const sorted = names.every((name, index) => index === 0 || (names[index - 1] ?? '') < name)
  return sorted ? undefined : 'labels unsorted'
}

function isUtf8(text: ByteText): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'latin1'))
    return true
  } catch {
    return false
  }
}
