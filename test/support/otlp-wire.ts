/**
 * Protobuf of OTLP written byte by byte, for requests that no encoder would write; and the published messages field by
 * field, for tests that try something at each of them. Nothing here is shared with `src/`.
 */
import protobuf from 'protobufjs'
import { encodeOtlp, idAttribute, messageOf, type OtlpSignal } from './otlp-items.ts'

/** `value` as a varint of at least `bytesMin` bytes, which may be more than it needs. */
export function varint(value: number, bytesMin = 1): Buffer {
  const bytes: number[] = []
  let rest = value
  while (rest > 0x7f || bytes.length < bytesMin - 1) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  return Buffer.from([...bytes, rest])
}

export function tag(field: number, type: number, bytesMin = 1): Buffer {
  return varint(field * 8 + type, bytesMin)
}

export type Content = string | Uint8Array

/** A field with a length and its bytes; several parts are one after the other. */
export function field(number: number, ...parts: readonly Content[]): Buffer {
  return loose(number, 1, ...parts)
}

/** The same with tag and length in at least `bytesMin` bytes each. */
export function loose(number: number, bytesMin: number, ...parts: readonly Content[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)))
  return Buffer.concat([tag(number, 2, bytesMin), varint(body.length, bytesMin), body])
}

/** KeyValue (1 key, 2 value) with a string (AnyValue 1), without its own tag and length. */
export function keyValue(key: string, value: string): Buffer {
  return Buffer.concat([field(1, key), field(2, field(1, value))])
}

/** Resource.attributes (1) with a string. */
export function attribute(key: string, value: string): Buffer {
  return field(1, keyValue(key, value))
}

const scopes = { traces: 'scopeSpans', metrics: 'scopeMetrics', logs: 'scopeLogs' } as const
const groups = { traces: 'resourceSpans', metrics: 'resourceMetrics', logs: 'resourceLogs' } as const

/** One item known by `id`, as the object that stands in a Scope*: a span, a metric with one point, a log record. */
export function itemOf(signal: OtlpSignal, id: string): object {
  const attributes = [{ key: idAttribute, value: { stringValue: id } }]
  switch (signal) {
    case 'traces':
      return { name: 'work', attributes }
    case 'metrics':
      return { name: 'm', gauge: { dataPoints: [{ asDouble: 1, attributes }] } }
    case 'logs':
      return { attributes }
  }
}

/** The bytes inside a Resource* that hold one item; its number is 2 in each signal. */
export function scopeBytes(signal: OtlpSignal, id: string): Buffer {
  const items = { traces: 'spans', metrics: 'metrics', logs: 'logRecords' }[signal]
  const whole = encodeOtlp(signal, {
    [groups[signal]]: [{ [scopes[signal]]: [{ [items]: [itemOf(signal, id)] }] }],
  })
  return contentOf(whole)
}

/** What stands in the only field of a message. */
export function contentOf(message: Buffer): Buffer {
  const reader = protobuf.Reader.create(message)
  reader.uint32()
  return Buffer.from(reader.bytes())
}

/** A request of one Resource* made of `parts`, with one item known by `id`. */
export function requestOf(signal: OtlpSignal, id: string, ...parts: readonly Uint8Array[]): Buffer {
  return field(1, ...parts, scopeBytes(signal, id))
}

/** One field of one message, and how it is reached from the request. */
export interface Place {
  /** Such as `Span.trace_id`. */
  readonly name: string
  readonly field: protobuf.Field
  /** Fields from the request down to the message that `field` is in. */
  readonly above: readonly protobuf.Field[]
}

/** Every field of every message that a request may hold, each message by the first way to it. */
export function placesOf(signal: OtlpSignal): Place[] {
  const places: Place[] = []
  const seen = new Set<protobuf.Type>()
  const visit = (type: protobuf.Type, above: readonly protobuf.Field[]): void => {
    if (seen.has(type)) return
    seen.add(type)
    for (const each of type.fieldsArray) {
      each.resolve()
      places.push({ name: `${type.name}.${each.name}`, field: each, above })
    }
    for (const each of type.fieldsArray) {
      if (each.resolvedType instanceof protobuf.Type) visit(each.resolvedType, [...above, each])
    }
  }
  visit(messageOf(signal), [])
  return places
}

/**
 * A request that holds `content` in the message of the place, and at least one item, known by `id`, that has the message
 * above it, below it or in it.
 */
export function requestAt(signal: OtlpSignal, place: Place, id: string, content: Uint8Array): Buffer {
  let bytes: Buffer = Buffer.from(content)
  for (let depth = place.above.length; depth >= 0; depth--) {
    const next = place.above[depth] ?? place.field
    const type = next.parent
    const more =
      type === null ? undefined : companion(signal, type.name, next.name, id, depth === place.above.length)
    if (more !== undefined) bytes = Buffer.concat([bytes, more])
    const around = place.above[depth - 1]
    if (around !== undefined) bytes = field(around.id, bytes)
  }
  return bytes
}

/** By the message that holds them, the number of a data point's attributes. */
const attributesIn: Readonly<Record<string, number>> = {
  ...{ Gauge: 7, Sum: 7, Histogram: 9, ExponentialHistogram: 1, Summary: 7 },
}

/** What a message around items needs beside `next`, so that there is an item. */
function companion(
  signal: OtlpSignal,
  type: string,
  next: string,
  id: string,
  isLast: boolean,
): Buffer | undefined {
  const scope = scopeBytes(signal, id)
  const attributes = field(signal === 'traces' ? 9 : 6, keyValue(idAttribute, id))
  const point = field(1, field(7, keyValue(idAttribute, id)))
  if (type.startsWith('Export') && !next.startsWith('resource')) return field(1, scope)
  if (/^Resource(?:Spans|Metrics|Logs)$/.test(type) && !next.startsWith('scope')) return scope
  if (/^Scope(?:Spans|Metrics|Logs)$/.test(type) && !/^(?:spans|metrics|logRecords)$/.test(next)) {
    return contentOf(scope)
  }
  if (type === 'Span' || type === 'LogRecord') return attributes
  const inPoint = attributesIn[type]
  if (isLast && inPoint !== undefined) return field(1, field(inPoint, keyValue(idAttribute, id)))
  if (type === 'Metric' && !/^(?:gauge|sum|histogram|exponentialHistogram|summary)$/.test(next)) {
    return field(5, point)
  }
  return undefined
}
