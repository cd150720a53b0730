/**
 * What a batch of Jaeger spans is in OTLP: the reference for the translation, over plain objects. The mapping is the
 * Collector's (pkg/translator/jaeger), with one rule on top: nothing that a span says gets lost. So, unlike there,
 * - a tag with a special meaning becomes part of the span only where its type and its text have that meaning, and stays
 *   an attribute otherwise;
 * - of a repeated key the last value counts, in the place of the first, and those with another value are counted as
 *   dropped attributes;
 * - only the reference to the parent is no link, not one to the same span id in another trace;
 * - `flags` and `warnings` become attributes where they say more than `sampled`;
 * - scope and trace state are read from Thrift as from protobuf.
 */
import type {
  PlainAttributes,
  PlainEvent,
  PlainItem,
  PlainLink,
  PlainSpan,
  PlainValue,
} from './plain-spans.ts'
import type { JaegerBatch, JaegerLog, JaegerProcess, JaegerSpan, JaegerTag } from './random-jaeger.ts'

/** As Jaeger 2 calls it (internal/jptrace/attributes.go). */
const WARNINGS = '@jaeger@warnings'
const FLAGS = 'jaeger.flags'
const kinds: Readonly<Record<string, number>> = {
  internal: 1,
  server: 2,
  client: 3,
  producer: 4,
  consumer: 5,
}
const KIND_SERVER = 2
const KIND_CLIENT = 3
const STATUS_OK = 1
const STATUS_ERROR = 2
const NANOS_MAX = (1n << 64n) - 1n

/** Every span in the order of the batch, with the resource and scope that it belongs to. */
export function expectedItems(batch: JaegerBatch, via: 'proto' | 'thrift'): PlainItem[] {
  return batch.spans.map((span) => {
    const own = via === 'proto' ? span.process : undefined
    const { rows, dropped } = rowsOf(span.tags)
    const scope = scopeOf(rows)
    const resource = resourceOf(own ?? batch.process)
    return { resource, scope, span: spanOf(span, rows, dropped, via) }
  })
}

/** Attributes while they are taken away: a Map keeps the place of the first of equal keys. */
type Rows = Map<string, JaegerTag>

function rowsOf(tags: readonly JaegerTag[]): { rows: Rows; dropped: number } {
  const rows: Rows = new Map()
  let dropped = 0
  for (const tag of tags) {
    const earlier = rows.get(tag.key)
    if (earlier !== undefined && !isSame(earlier, tag)) dropped += 1
    rows.set(tag.key, tag)
  }
  return { rows, dropped }
}

/** Bit by bit, so that one NaN equals the other and 0 differs from -0. */
function isSame(left: JaegerTag, right: JaegerTag): boolean {
  if (left.type !== right.type) return false
  if (left.type === 'binary' && right.type === 'binary') return left.value.equals(right.value)
  return Object.is(left.value, right.value)
}

function attributesOf(rows: Rows, droppedAttributesCount: number): PlainAttributes {
  return { attributes: [...rows].map(([key, tag]) => [key, plainValue(tag)]), droppedAttributesCount }
}

function plainValue(tag: JaegerTag): PlainValue {
  return tag.type === 'binary' ? { bytes: tag.value.toString('hex') } : tag.value
}

/** The text of a tag, if it has one. */
function textIn(rows: Rows, key: string): string | undefined {
  const tag = rows.get(key)
  return tag?.type === 'string' ? tag.value : undefined
}

function takenText(rows: Rows, key: string): string | undefined {
  const text = textIn(rows, key)
  if (text !== undefined) rows.delete(key)
  return text
}

function resourceOf(process: JaegerProcess | undefined): PlainAttributes {
  if (process === undefined) return { attributes: [], droppedAttributesCount: 0 }
  const { serviceName, tags } = process
  const service: JaegerTag[] =
    serviceName === '' ? [] : [{ key: 'service.name', type: 'string', value: serviceName }]
  const { rows, dropped } = rowsOf([...service, ...tags])
  const hostname = rows.get('hostname')
  if (hostname !== undefined && !rows.has('host.name')) {
    rows.delete('hostname')
    rows.set('host.name', { ...hostname, key: 'host.name' })
  }
  const version = textIn(rows, 'jaeger.version')
  const key = 'opencensus.exporterversion'
  if (version !== undefined && !rows.has(key)) {
    rows.delete('jaeger.version')
    rows.set(key, { key, type: 'string', value: `Jaeger-${version}` })
  }
  return attributesOf(rows, dropped)
}

/** The version alone is no scope, and stays an attribute. */
function scopeOf(rows: Rows): PlainItem['scope'] {
  const none = { attributes: [], droppedAttributesCount: 0 }
  const name = takenText(rows, 'otel.scope.name')
  if (name === undefined) return { name: '', version: '', ...none }
  return { name, version: takenText(rows, 'otel.scope.version') ?? '', ...none }
}

function spanOf(span: JaegerSpan, rows: Rows, dropped: number, via: 'proto' | 'thrift'): PlainSpan {
  const kind = kinds[textIn(rows, 'span.kind') ?? '']
  if (kind !== undefined) rows.delete('span.kind')
  const status = statusOf(rows, kind ?? 0)
  const traceState = takenText(rows, 'w3c.tracestate') ?? ''
  const plain = attributesOf(rows, dropped)
  const extra: [string, PlainValue][] = []
  if (span.flags > 1) extra.push([FLAGS, BigInt(span.flags)])
  const warnings = via === 'proto' ? (span.warnings ?? []) : []
  if (warnings.length > 0) extra.push([WARNINGS, { list: warnings }])
  const parentSpanId = parentOf(span, via)
  return {
    traceId: span.traceId.toString('hex'),
    spanId: span.spanId.toString('hex'),
    parentSpanId,
    traceState,
    flags: 0,
    name: span.operationName,
    kind: kind ?? 0,
    startTimeUnixNano: nanosOf(span.startTimeUs),
    endTimeUnixNano: nanosOf(span.startTimeUs + span.durationUs),
    attributes: [...plain.attributes, ...extra],
    droppedAttributesCount: plain.droppedAttributesCount,
    events: span.logs.map(eventOf),
    links: linksOf(span, parentSpanId),
    status,
  }
}

function nanosOf(us: bigint): bigint {
  const nanos = us * 1000n
  return nanos < 0n ? 0n : nanos > NANOS_MAX ? NANOS_MAX : nanos
}

function eventOf(log: JaegerLog): PlainEvent {
  const { rows, dropped } = rowsOf(log.fields)
  const name = takenText(rows, 'event') ?? ''
  return { timeUnixNano: nanosOf(log.timeUs), name, ...attributesOf(rows, dropped) }
}

/** Thrift's own field, else the first child_of reference within the trace, else the first follows_from there. */
function parentOf(span: JaegerSpan, via: 'proto' | 'thrift'): string {
  if (via === 'thrift' && span.parentSpanId.some((byte) => byte !== 0))
    return span.parentSpanId.toString('hex')
  const near = span.references.filter(({ traceId }) => traceId.equals(span.traceId))
  const parent = near.find(({ type }) => type === 'child_of') ?? near[0]
  return parent?.spanId.toString('hex') ?? ''
}

/** A parent that the span follows from stays a link too: nothing else says which of the two it is. */
function linksOf(span: JaegerSpan, parentSpanId: string): PlainLink[] {
  return span.references
    .filter(({ type, traceId, spanId }) => {
      return type !== 'child_of' || !traceId.equals(span.traceId) || spanId.toString('hex') !== parentSpanId
    })
    .map(({ type, traceId, spanId }) => ({
      traceId: traceId.toString('hex'),
      spanId: spanId.toString('hex'),
      traceState: '',
      flags: 0,
      attributes: [['opentracing.ref_type', type]],
      droppedAttributesCount: 0,
    }))
}

/** `error: true` is above `otel.status_code`, that above `http.status_code`. What was taken into the status is taken away. */
function statusOf(rows: Rows, kind: number): PlainSpan['status'] {
  const error = rows.get('error')
  const isError = error?.type === 'bool' && error.value
  const code = textIn(rows, 'otel.status_code')
  const isCode = code !== undefined && /^(ok|error)$/i.test(code)
  if (isError) {
    rows.delete('error')
    if (isCode && /^error$/i.test(code)) rows.delete('otel.status_code')
    const description = takenText(rows, 'otel.status_description')
    return { code: STATUS_ERROR, message: description ?? textIn(rows, 'http.status_message') ?? '' }
  }
  if (isCode) {
    rows.delete('otel.status_code')
    const message = takenText(rows, 'otel.status_description') ?? ''
    return { code: /^ok$/i.test(code) ? STATUS_OK : STATUS_ERROR, message }
  }
  if (rows.has('otel.status_code') || !isHttpError(rows.get('http.status_code'), kind)) {
    return { code: 0, message: '' }
  }
  return { code: STATUS_ERROR, message: textIn(rows, 'http.status_message') ?? '' }
}

function isHttpError(tag: JaegerTag | undefined, kind: number): boolean {
  if (tag === undefined) return false
  let code: bigint
  if (tag.type === 'int64') code = tag.value
  else if (tag.type === 'string' && /^[+-]?\d+$/.test(tag.value)) code = BigInt(tag.value.replace(/^\+/, ''))
  else return false
  if (code >= 400n && code < 500n) {
    if (kind === KIND_CLIENT) return true
    if (kind === KIND_SERVER) return false
  }
  return code < 100n || code >= 399n
}
