/**
 * Spans of OTLP as plain objects that can be compared: made of the protobuf form by protobufjs and proto/opentelemetry,
 * and of the JSON form that the Collector's file exporter writes. What a reader cannot tell apart is alike here: an id of
 * zeros and none, an empty message and none. Ids and bytes are lower-case hex; attributes are in the order that they came.
 */
import { otlpFile, otlpMessage, protoRoot } from './proto.ts'

export type PlainValue =
  | string
  | boolean
  | bigint
  /** A double; no other kind of value is a number here. */
  | number
  | { readonly bytes: string }
  | { readonly list: readonly PlainValue[] }
  | { readonly map: readonly PlainAttribute[] }
  /** A value without a value. */
  | null

export type PlainAttribute = readonly [key: string, value: PlainValue]

export interface PlainAttributes {
  readonly attributes: readonly PlainAttribute[]
  readonly droppedAttributesCount: number
}

export interface PlainEvent extends PlainAttributes {
  readonly timeUnixNano: bigint
  readonly name: string
}

export interface PlainLink extends PlainAttributes {
  readonly traceId: string
  readonly spanId: string
  readonly traceState: string
  readonly flags: number
}

export interface PlainSpan extends PlainAttributes {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly traceState: string
  readonly flags: number
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: bigint
  readonly endTimeUnixNano: bigint
  readonly events: readonly PlainEvent[]
  readonly links: readonly PlainLink[]
  readonly status: { readonly code: number; readonly message: string }
}

export interface PlainScope extends PlainAttributes {
  readonly name: string
  readonly version: string
}

/** A span with where it stands. */
export interface PlainItem {
  readonly resource: PlainAttributes
  readonly scope: PlainScope
  readonly span: PlainSpan
}

interface Tree {
  readonly [field: string]: unknown
}

const requestType = protoRoot([otlpFile('traces')])
  .resolveAll()
  .lookupType(otlpMessage('traces'))

/** The spans of an ExportTraceServiceRequest, or of TracesData, in their order. Throws when it is none. */
export function spansOfOtlp(bytes: Uint8Array): PlainItem[] {
  return itemsOf(requestType.toObject(requestType.decode(bytes), { longs: String }))
}

/** The same of the JSON form, parsed. */
export function spansOfOtlpJson(traces: unknown): PlainItem[] {
  return itemsOf(treeOf(traces))
}

/** Attributes everywhere in the order of their keys, items in the order of their ids and texts: for comparing what may differ in that. */
export function sorted(items: readonly PlainItem[]): PlainItem[] {
  const keyed = items.map((item) => {
    const span = {
      ...sortedAttributes(item.span),
      events: item.span.events.map(sortedAttributes),
      links: item.span.links.map(sortedAttributes),
    }
    const plain = { resource: sortedAttributes(item.resource), scope: sortedAttributes(item.scope), span }
    return { plain, key: textOf(plain) }
  })
  return keyed.toSorted((left, right) => compare(left.key, right.key)).map(({ plain }) => plain)
}

/** A text that differs when two plain things differ. */
export function textOf(thing: unknown): string {
  return JSON.stringify(thing, (_key, value: unknown) => {
    if (typeof value === 'bigint') return `${value}n`
    if (typeof value === 'number' && !Number.isFinite(value)) return `${value}`
    return Object.is(value, -0) ? '-0' : value
  })
}

function sortedAttributes<Having extends PlainAttributes>(having: Having): Having {
  return { ...having, attributes: having.attributes.toSorted(([left], [right]) => compare(left, right)) }
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}

function itemsOf(traces: Tree): PlainItem[] {
  return listOf(traces, 'resourceSpans').flatMap((resourceSpans) => {
    const resource = attributesOf(treeOf(resourceSpans['resource']))
    return listOf(resourceSpans, 'scopeSpans').flatMap((scopeSpans) => {
      const scope = scopeOf(treeOf(scopeSpans['scope']))
      return listOf(scopeSpans, 'spans').map((span) => ({ resource, scope, span: spanOf(span) }))
    })
  })
}

function scopeOf(scope: Tree): PlainScope {
  return { name: stringOf(scope['name']), version: stringOf(scope['version']), ...attributesOf(scope) }
}

function spanOf(span: Tree): PlainSpan {
  const status = treeOf(span['status'])
  return {
    traceId: idOf(span['traceId']),
    spanId: idOf(span['spanId']),
    parentSpanId: idOf(span['parentSpanId']),
    traceState: stringOf(span['traceState']),
    flags: Number(span['flags'] ?? 0),
    name: stringOf(span['name']),
    kind: Number(span['kind'] ?? 0),
    startTimeUnixNano: longOf(span['startTimeUnixNano']),
    endTimeUnixNano: longOf(span['endTimeUnixNano']),
    events: listOf(span, 'events').map((event) => ({
      timeUnixNano: longOf(event['timeUnixNano']),
      name: stringOf(event['name']),
      ...attributesOf(event),
    })),
    links: listOf(span, 'links').map((link) => ({
      traceId: idOf(link['traceId']),
      spanId: idOf(link['spanId']),
      traceState: stringOf(link['traceState']),
      flags: Number(link['flags'] ?? 0),
      ...attributesOf(link),
    })),
    status: { code: Number(status['code'] ?? 0), message: stringOf(status['message']) },
    ...attributesOf(span),
  }
}

function attributesOf(tree: Tree): PlainAttributes {
  const droppedAttributesCount = Number(tree['droppedAttributesCount'] ?? 0)
  return { attributes: listOf(tree, 'attributes').map(attributeOf), droppedAttributesCount }
}

function attributeOf(attribute: Tree): PlainAttribute {
  return [stringOf(attribute['key']), plainValue(treeOf(attribute['value']))]
}

function plainValue(value: Tree): PlainValue {
  if ('stringValue' in value) return stringOf(value['stringValue'])
  if ('boolValue' in value) return value['boolValue'] === true
  if ('intValue' in value) return longOf(value['intValue'])
  if ('doubleValue' in value) return Number(value['doubleValue'])
  if ('bytesValue' in value) return { bytes: bytesOf(value['bytesValue']).toString('hex') }
  if ('arrayValue' in value) return { list: listOf(treeOf(value['arrayValue']), 'values').map(plainValue) }
  if ('kvlistValue' in value) return { map: listOf(treeOf(value['kvlistValue']), 'values').map(attributeOf) }
  return null
}

/** Ids are bytes in protobuf and hex in OTLP's JSON. */
function idOf(id: unknown): string {
  const hex = typeof id === 'string' ? id : bytesOf(id).toString('hex')
  return /^0*$/.test(hex) ? '' : hex
}

/** Bytes of an attribute are base64 in JSON. */
function bytesOf(value: unknown): Buffer {
  if (typeof value === 'string') return Buffer.from(value, 'base64')
  return Buffer.from((value as Uint8Array | undefined) ?? [])
}

function longOf(value: unknown): bigint {
  return BigInt((value as string | number | undefined) ?? 0)
}

function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function treeOf(value: unknown): Tree {
  return typeof value === 'object' && value !== null ? (value as Tree) : {}
}

function listOf(tree: Tree, field: string): Tree[] {
  const list = tree[field]
  return Array.isArray(list) ? list.map(treeOf) : []
}
