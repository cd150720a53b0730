/**
 * Finds the spans of an OTLP trace request, for the bench's own payloads and for counting what lies on the bus.
 *
 *     ExportTraceServiceRequest  1 resource_spans
 *     ResourceSpans              1 resource { 1 attributes }   2 scope_spans
 *     ScopeSpans                 2 spans
 *     Span                       1 trace_id   2 span_id   4 parent_span_id
 *
 * Source: opentelemetry-proto 1.11.0, `trace/v1/trace.proto`, `resource/v1/resource.proto`, `common/v1/common.proto`.
 * It shares no code with the gateway, so that it may judge it.
 */
import { Reader } from 'protobufjs/minimal.js'

const BYTES = 2

/** Where the ids of one span begin in the message; -1 for one that is not there. */
export interface SpanPlace {
  readonly traceIdAt: number
  readonly spanIdAt: number
  readonly parentIdAt: number
}

/** Calls `visit` with the number of each length-delimited field between the reader's place and `end`, and where it ends. */
function eachMessage(reader: Reader, end: number, visit: (field: number, end: number) => void): void {
  while (reader.pos < end) {
    const tag = reader.uint32()
    if ((tag & 7) !== BYTES) {
      reader.skipType(tag & 7)
      continue
    }
    const length = reader.uint32()
    const next = reader.pos + length
    if (next > end) throw new RangeError(`a field ends at ${next}, its message at ${end}`)
    visit(tag >>> 3, next)
    reader.pos = next
  }
}

/** Walks `message`; `span` gets the end of each span with the reader at its begin, `resource` those of each resource. */
function eachSpan(
  message: Uint8Array,
  span: (reader: Reader, end: number) => void,
  resource: (reader: Reader, end: number) => void,
): void {
  const reader = Reader.create(message)
  eachMessage(reader, message.length, (topField, topEnd) => {
    if (topField !== 1) return
    eachMessage(reader, topEnd, (field, end) => {
      if (field === 1) resource(reader, end)
      if (field !== 2) return
      eachMessage(reader, end, (scopeField, scopeEnd) => {
        if (scopeField === 2) span(reader, scopeEnd)
      })
    })
  })
}

/** The ids of every span. Throws on a message that is cut short. */
export function spanPlaces(message: Uint8Array): SpanPlace[] {
  const places: SpanPlace[] = []
  eachSpan(
    message,
    (reader, end) => {
      const at = [-1, -1, -1, -1, -1]
      eachMessage(reader, end, (field) => {
        if (field < at.length) at[field] = reader.pos
      })
      places.push({ traceIdAt: at[1]!, spanIdAt: at[2]!, parentIdAt: at[4]! })
    },
    () => undefined,
  )
  return places
}

/** How many spans the message holds, and the values of the attribute `name` of its resources, one for each occurrence. */
export function spansAndValues(
  message: Uint8Array,
  name: string,
): { readonly spans: number; readonly resources: number; readonly values: readonly string[] } {
  const values: string[] = []
  let spans = 0
  let resources = 0
  eachSpan(
    message,
    () => {
      spans++
    },
    (reader, end) => {
      resources++
      eachMessage(reader, end, (field, attributeEnd) => {
        if (field !== 1) return
        const { key, value } = stringAttribute(reader, attributeEnd)
        if (key === name) values.push(value)
      })
    },
  )
  return { spans, resources, values }
}

/** KeyValue: 1 key, 2 value { 1 string_value }. Another type than string counts as an empty one. */
function stringAttribute(reader: Reader, end: number): { readonly key: string; readonly value: string } {
  let key = ''
  let value = ''
  eachMessage(reader, end, (field, fieldEnd) => {
    if (field === 1) key = text(reader, fieldEnd)
    else if (field === 2) {
      eachMessage(reader, fieldEnd, (kind, valueEnd) => {
        if (kind === 1) value = text(reader, valueEnd)
      })
    }
  })
  return { key, value }
}

function text(reader: Reader, end: number): string {
  return Buffer.from(reader.buf.buffer, reader.buf.byteOffset + reader.pos, end - reader.pos).toString()
}
