/**
 * What must become of a PostSpansRequest on its way to `jaeger_proto`, written to be read rather than to be fast: decode,
 * take out, decide, set.
 *
 * 1. A span's own process counts, else its batch's, else an empty one.
 * 2. A span with a text that is not UTF-8 in it or in its process is refused alone.
 * 3. The guid is found as for a series of remote write (`oracle/rules.ts`), with the tags of the process as its labels, of
 *    which the first of each name counts. A value that is no string counts as its text.
 * 4. The process loses all tags of the stamp's name and gets one, at its end. With `deep` the span and its logs lose
 *    theirs.
 *
 * The messages are those of proto/jaeger, changed on purpose so that nothing is lost in a comparison: strings are bytes,
 * doubles are fixed64, what is there with its default value differs from what is not, and every message has fields of a
 * later revision, which must be carried along.
 */
import { readFileSync } from 'node:fs'
import protobuf from 'protobufjs'
import type { OracleRules } from './oracle/index.ts'
import { judgeSeries } from './oracle/rules.ts'

/** A decoded message: bytes and texts as latin1 strings, 64-bit numbers as decimal strings. */
export type Model = { [field: string]: Value }
export type Value = string | number | boolean | Model | Value[]

const EXTRAS = `
  repeated fixed32 extra_fixed32 = 20 [packed = false];
  repeated uint64 extra_varint = 1001 [packed = false];
  repeated bytes extra_bytes = 536870911;
`
const TIMES = `
  message Timestamp { int64 seconds = 1; int32 nanos = 2; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
`

const sources = ['model', 'collector'].map((file) =>
  readFileSync(new URL(`../../proto/jaeger/api_v2/${file}.proto`, import.meta.url), 'utf8')
    .replaceAll(/^import .*$/gm, '')
    .replaceAll('google.protobuf.', ''),
)
const published = new protobuf.Root()
/** With strings as bytes and so on, without and with the fields of a later version. */
const changed = new protobuf.Root()
const extended = new protobuf.Root()
for (const source of [`syntax = "proto3"; package jaeger.api_v2; ${TIMES}`, ...sources]) {
  protobuf.parse(source, published)
  const told = source
    .replaceAll(/([{;]) /g, '$1\n')
    .replaceAll(/^(\s*)((?!repeated|syntax|message)[\w.]+ \w+ = \d+;)/gm, '$1optional $2')
    .replaceAll(/\bstring (\w+ =)/g, 'bytes $1')
    .replaceAll(/\bdouble (\w+ =)/g, 'fixed64 $1')
  protobuf.parse(told, changed)
  protobuf.parse(told.replaceAll(/^(\s*message \w+ \{)/gm, `$1${EXTRAS}`), extended)
}
for (const root of [published, changed, extended]) root.resolveAll()

export const requestType = extended.lookupType('jaeger.api_v2.PostSpansRequest')
export const spanType = extended.lookupType('jaeger.api_v2.Span')
/** For bytes whose fields of later versions may be of any type. */
export const damagedSpanType = changed.lookupType('jaeger.api_v2.Span')
/** As a consumer has it. */
export const publishedSpan = published.lookupType('jaeger.api_v2.Span')

/** Whether the field is a string in the published schema. */
export function isText(field: protobuf.Field): boolean {
  return published.lookupType(field.parent!.fullName).fields[field.name]?.type === 'string'
}

/** The message in a field, if it is one. */
export function nestedType(field: protobuf.Field): protobuf.Type | undefined {
  return field.resolvedType instanceof protobuf.Type ? field.resolvedType : undefined
}

/** Throws when it is no protobuf. */
export function decodeModel(type: protobuf.Type, bytes: Uint8Array): Model {
  return convert(type, type.toObject(type.decode(bytes), { longs: String }))
}

function convert(type: protobuf.Type, tree: { [field: string]: unknown }): Model {
  const one = (field: protobuf.Field, value: unknown): Value => {
    const nested = nestedType(field)
    if (nested !== undefined) return convert(nested, value as { [field: string]: unknown })
    return field.type === 'bytes' ? Buffer.from(value as Uint8Array).toString('latin1') : (value as Value)
  }
  const entries = Object.entries(tree).map(([name, value]): [string, Value] => {
    const field = type.fields[name]!
    return [name, Array.isArray(value) ? value.map((element) => one(field, element)) : one(field, value)]
  })
  return Object.fromEntries(entries)
}

export interface ExpectedRecords {
  /** In the order of the spans. */
  readonly records: readonly { readonly guid: string; readonly span: Model }[]
  readonly refused: ReadonlyMap<string, number>
  readonly items: number
}

const REASONS: Readonly<Record<string, string>> = {
  'guid conflict': 'guid_conflict',
  'guid missing': 'guid_missing',
  'guid not allowed': 'guid_not_allowed',
}

export function expectedRecords(
  request: Model,
  rules: OracleRules & { readonly deep: boolean },
): ExpectedRecords {
  const batch = (request['batch'] ?? {}) as Model
  const records: { guid: string; span: Model }[] = []
  const refused = new Map<string, number>()
  const refuse = (reason: string): void => void refused.set(reason, (refused.get(reason) ?? 0) + 1)
  const spans = listOf(batch, 'spans')
  for (const span of spans) {
    const process = (span['process'] ?? batch['process'] ?? {}) as Model
    if (!isWholeText(spanType, { ...span, process })) {
      refuse('not_utf8')
      continue
    }
    const verdict = judgeSeries(labelsOf(process), { ...rules, refuseEmptyValues: false })
    if (verdict.kind === 'drop') refuse('guid_dropped')
    else if (verdict.kind === 'refuse') refuse(REASONS[verdict.reason]!)
    else {
      const { guid } = verdict
      const stamped = withoutNamed(process, 'tags', rules.name)
      const tags = [...listOf(stamped, 'tags'), { key: rules.name, vStr: guid }]
      records.push({
        guid,
        span: { ...(rules.deep ? clean(span, rules.name) : span), process: { ...stamped, tags } },
      })
    }
  }
  return { records, refused, items: spans.length }
}

function clean(span: Model, name: string): Model {
  const result = withoutNamed(span, 'tags', name)
  if (result['logs'] !== undefined)
    result['logs'] = listOf(result, 'logs').map((log) => withoutNamed(log, 'fields', name))
  return result
}

/** Without the KeyValues of that name in `list`; an empty list is none. */
function withoutNamed(message: Model, list: string, name: string): Model {
  const { [list]: _all, ...rest } = message
  const kept = listOf(message, list).filter((tag) => (tag['key'] ?? '') !== name)
  return kept.length === 0 ? rest : { ...rest, [list]: kept }
}

/** The tags as labels: the first of each name, sorted. */
function labelsOf(process: Model): [string, string][] {
  const found = new Map<string, string>()
  for (const tag of listOf(process, 'tags')) {
    const key = (tag['key'] ?? '') as string
    if (key !== '' && !found.has(key)) found.set(key, textOf(tag))
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1))
}

function textOf(tag: Model): string {
  switch (tag['vType'] ?? 0) {
    case 0:
      return (tag['vStr'] ?? '') as string
    case 1:
      return String(tag['vBool'] ?? false)
    case 2:
      return String(tag['vInt64'] ?? 0)
    case 3: {
      const bits = Buffer.alloc(8)
      bits.writeBigUInt64LE(BigInt((tag['vFloat64'] ?? 0) as string))
      return String(bits.readDoubleLE())
    }
    case 4:
      return Buffer.from((tag['vBinary'] ?? '') as string, 'latin1').toString('base64')
    default:
      // Of a later revision: some value, and no guid.
      return '\0'
  }
}

export function listOf(model: Model, name: string): Model[] {
  return (model[name] ?? []) as Model[]
}

/** Whether every text in the message is UTF-8. */
export function isWholeText(type: protobuf.Type, model: Model): boolean {
  return Object.entries(model).every(([name, value]) => {
    const field = type.fields[name]!
    const nested = nestedType(field)
    return [value].flat().every((one) => {
      if (nested !== undefined) return isWholeText(nested, one as Model)
      return !isText(field) || isUtf8(one as string)
    })
  })
}

function isUtf8(text: string): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'latin1'))
    return true
  } catch {
    return false
  }
}
