/**
 * What must become of an OTLP request, written to be read rather than to be fast: decode, take out, decide, set.
 *
 * 1. An item with a trace or span id of a wrong length, or with a text that is not UTF-8, is refused alone. A text at
 *    fault in a resource, a scope or a metric refuses every item below it.
 * 2. A Resource* without items is left out.
 * 3. The guid is found as for a series of remote write (`../oracle/rules.ts`), with the attributes of the resource as its
 *    labels, of which the first of each name counts. A value that is no string counts as its text.
 * 4. The resource loses all attributes of the stamp's name and gets one, at its end. With `deep`, so do scopes and
 *    items and what they hold, but for the getting.
 */
import type protobuf from 'protobufjs'
import type { OracleRules } from '../oracle/index.ts'
import { judgeSeries } from '../oracle/rules.ts'
import { isText, type Model, nestedType, oneofOf, requestType, type Signal, type Value } from './schema.ts'

export interface ExpectedOtlp {
  /** For each guid the Resource* that it gets, in their order. */
  readonly byGuid: ReadonlyMap<string, readonly Model[]>
  /** Items by the reason of their refusal. */
  readonly refused: ReadonlyMap<string, number>
  readonly items: number
}

const REASONS = {
  'guid conflict': 'guid_conflict',
  'guid missing': 'guid_missing',
  'guid not allowed': 'guid_not_allowed',
} as const

export function expectedOtlp(
  signal: Signal,
  model: Model,
  rules: OracleRules & { readonly deep: boolean },
): ExpectedOtlp {
  const type = requestType(signal)
  const field = type.fieldsById[1]!
  const byGuid = new Map<string, Model[]>()
  const refused = new Map<string, number>()
  let items = 0
  for (const one of listOf(model, field.name)) {
    items += countItems(nestedType(field)!, one)
    const left = withoutFaulty(nestedType(field)!, one, refused)
    const count = left === undefined ? 0 : countItems(nestedType(field)!, left)
    if (left === undefined || count === 0) continue
    const verdict = judgeSeries(sourcesOf(left['resource'] as Model | undefined), {
      ...rules,
      refuseEmptyValues: false,
    })
    if (verdict.kind === 'stamp') {
      const clean = rules.deep ? withoutForged(nestedType(field)!, left, rules.name) : left
      byGuid.set(verdict.guid, [
        ...(byGuid.get(verdict.guid) ?? []),
        stamped(clean, rules.name, verdict.guid),
      ])
    } else {
      const reason =
        verdict.kind === 'drop' ? 'guid_dropped' : REASONS[verdict.reason as keyof typeof REASONS]
      refused.set(reason, (refused.get(reason) ?? 0) + count)
    }
  }
  return { byGuid, refused, items }
}

/** Fields that hold items or what holds items, from the request down. */
export function itemField(type: protobuf.Type, name: string): boolean {
  const field = type.fields[name]
  if (field?.repeated !== true) return field !== undefined && oneofOf(field)?.name === 'data'
  return /^(resource|scope)(Spans|Metrics|Logs)$|^(spans|metrics|logRecords|dataPoints)$/.test(name)
}

export function isItem(type: protobuf.Type): boolean {
  return type.name === 'Span' || type.name === 'LogRecord' || type.name.endsWith('DataPoint')
}

export function countItems(type: protobuf.Type, model: Model): number {
  if (isItem(type)) return 1
  let items = 0
  for (const [field, one] of children(type, model)) items += countItems(nestedType(field)!, one)
  return items
}

function* children(type: protobuf.Type, model: Model): Generator<[protobuf.Field, Model]> {
  for (const name of Object.keys(model)) {
    if (!itemField(type, name)) continue
    for (const one of listOf(model, name)) yield [type.fields[name]!, one]
  }
}

function withoutFaulty(type: protobuf.Type, model: Model, refused: Map<string, number>): Model | undefined {
  const fault = faultOf(type, model)
  if (fault !== undefined) {
    const items = countItems(type, model)
    if (items > 0) refused.set(fault, (refused.get(fault) ?? 0) + items)
    return undefined
  }
  if (isItem(type)) return model
  const result: Model = {}
  for (const [name, value] of Object.entries(model)) {
    if (!itemField(type, name)) {
      result[name] = value
      continue
    }
    const nested = nestedType(type.fields[name]!)!
    const kept = listOf(model, name).flatMap((one) => withoutFaulty(nested, one, refused) ?? [])
    if (!Array.isArray(value)) result[name] = kept[0]!
    else if (kept.length > 0) result[name] = kept
  }
  return result
}

/** What is at fault anywhere in a request, by field: nothing may be in what goes to the bus. */
export function faultsIn(signal: Signal, model: Model): string[] {
  const faults: string[] = []
  const visit = (type: protobuf.Type, one: Model): void => {
    const fault = faultOf(type, one)
    if (fault !== undefined) faults.push(`${type.name}: ${fault}`)
    for (const [field, child] of children(type, one)) visit(nestedType(field)!, child)
  }
  visit(requestType(signal), model)
  return faults
}

const IDS: Readonly<Record<string, number>> = { traceId: 16, spanId: 8, parentSpanId: 8 }

/** Why the message goes as a whole; what is at fault in the items below is theirs. */
function faultOf(type: protobuf.Type, model: Model): string | undefined {
  let isTextBad = false
  for (const [field, value] of leaves(type, model)) {
    const length = IDS[field.name]
    if (length !== undefined && value !== '' && value.length !== length) return 'id_length'
    if (isText(field) && !isUtf8(value)) isTextBad = true
  }
  return isTextBad ? 'not_utf8' : undefined
}

/** Every bytes and string field of the message and below it, but for items. */
function* leaves(type: protobuf.Type, model: Model): Generator<[protobuf.Field, string]> {
  for (const [name, value] of Object.entries(model)) {
    const field = type.fields[name]!
    if (itemField(type, name)) continue
    const nested = nestedType(field)
    for (const one of Array.isArray(value) ? value : [value]) {
      if (nested !== undefined) yield* leaves(nested, one as Model)
      else if (field.type === 'bytes') yield [field, one as string]
    }
  }
}

function stamped(model: Model, name: string, guid: string): Model {
  const resource = (model['resource'] ?? {}) as Model
  const attributes = listOf(resource, 'attributes').filter(({ key = '' }) => key !== name)
  return {
    ...model,
    resource: { ...resource, attributes: [...attributes, { key: name, value: { stringValue: guid } }] },
  }
}

/** Without the attributes of that name anywhere but in the resource; entries of kvlists are no attributes. */
function withoutForged(type: protobuf.Type, model: Model, name: string): Model {
  const result: Model = {}
  for (const [key, value] of Object.entries(model)) {
    const nested = nestedType(type.fields[key]!)
    if (nested === undefined || ['Resource', 'AnyValue'].includes(nested.name)) result[key] = value
    else if (nested.name === 'KeyValue') {
      const kept = (value as Model[]).filter((attribute) => (attribute['key'] ?? '') !== name)
      if (kept.length > 0) result[key] = kept
    } else if (Array.isArray(value))
      result[key] = value.map((one) => withoutForged(nested, one as Model, name))
    else result[key] = withoutForged(nested, value as Model, name)
  }
  return result
}

/** The attributes as labels: the first of each name, sorted. */
function sourcesOf(resource: Model | undefined): [string, string][] {
  const found = new Map<string, string>()
  for (const { key = '', value } of listOf(resource ?? {}, 'attributes')) {
    if (key !== '' && !found.has(key as string)) found.set(key as string, textOf(value as Model | undefined))
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1))
}

/** As the Collector's AsString. Texts are latin1 strings of their bytes, as everywhere in the model. */
function textOf(value: Model | undefined): string {
  const text = rendered(value)
  return text === undefined
    ? ''
    : typeof text === 'string'
      ? text
      : Buffer.from(jsonOf(value)).toString('latin1')
}

function rendered(value: Model | undefined): string | object | undefined {
  if (value === undefined) return undefined
  if (value['stringValue'] !== undefined) return value['stringValue'] as string
  if (value['boolValue'] !== undefined) return String(value['boolValue'])
  if (value['intValue'] !== undefined) return String(value['intValue'])
  if (value['doubleValue'] !== undefined) return String(double(value['doubleValue'] as string))
  if (value['bytesValue'] !== undefined)
    return Buffer.from(value['bytesValue'] as string, 'latin1').toString('base64')
  return value['arrayValue'] !== undefined || value['kvlistValue'] !== undefined ? value : undefined
}

function jsonOf(value: Model | undefined): string {
  if (value?.['arrayValue'] !== undefined) {
    return `[${listOf(value['arrayValue'] as Model, 'values')
      .map(jsonOf)
      .join()}]`
  }
  if (value?.['kvlistValue'] !== undefined) {
    const entries = listOf(value['kvlistValue'] as Model, 'values').map(
      ({ key = '', value: held }) => [key as string, jsonOf(held as Model | undefined)] as const,
    )
    const sorted = [...new Map(entries)].sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${sorted.map(([key, json]) => `${quoted(key)}:${json}`).join()}}`
  }
  const text = rendered(value)
  if (text === undefined) return 'null'
  const isBare = value?.['stringValue'] === undefined && value?.['bytesValue'] === undefined
  if (!isBare) return quoted(text as string)
  return ['NaN', 'Infinity', '-Infinity'].includes(text as string) ? 'null' : (text as string)
}

function quoted(text: string): string {
  const hex: Record<string, string> = {
    '<': '\\u003c',
    '>': '\\u003e',
    '&': '\\u0026',
    '\u2028': '\\u2028',
    '\u2029': '\\u2029',
  }
  return [...JSON.stringify(Buffer.from(text, 'latin1').toString())].map((one) => hex[one] ?? one).join('')
}

function double(bits: string): number {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(bits))
  return bytes.readDoubleLE()
}

export function listOf(model: Model, name: string): Model[] {
  const value: Value | undefined = model[name]
  return (value === undefined ? [] : Array.isArray(value) ? value : [value]) as Model[]
}

function isUtf8(text: string): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'latin1'))
    return true
  } catch {
    return false
  }
}
