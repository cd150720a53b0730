// One span of OTLP as one of Jaeger's. Sources: OpenTelemetry specification "OpenTelemetry to Jaeger Transformation" and
// "Mapping to non-OTLP Formats" (names of dropped counts); opentelemetry-collector-contrib pkg/translator/jaeger v0.145.0,
// traces_to_jaegerproto.go.
//
// Beyond the Collector, dropped counts and an end that the duration cannot say are kept in tags, the name of an event also
// when it has an attribute `event`, and what the translation from Jaeger has put into attributes (flags, warnings, process
// id) goes back to its field.
//
//   Span of OTLP: 1 trace_id, 2 span_id, 3 trace_state, 4 parent_span_id, 5 name, 6 kind, 7 start_time_unix_nano,
//   8 end_time_unix_nano, 9 attributes, 10 dropped_attributes_count, 11 events, 12 dropped_events_count, 13 links,
//   14 dropped_links_count, 15 status (2 message, 3 code)
//   Span of Jaeger: 1 trace_id, 2 span_id, 3 operation_name, 4 references, 5 flags, 6 start_time, 7 duration, 8 tags,
//   9 logs, 10 process, 11 process_id, 12 warnings

import { ANY_INT, ANY_LIST, ANY_TEXT, anyAt, anyBits, anyBytes, anyKind, bytesOf, isText, keep, next, readPair, readValue } from './otlp-to-jaeger-any'
import { putUnsigned } from './otlp-to-jaeger-json'
import { idAt, putLinkTags, putReferences, zeros } from './otlp-to-jaeger-links'
import { closeText, openText, putAttribute, putIntTag, putTextTag, putTrueTag, putWordTag } from './otlp-to-jaeger-tags'
import { sameBytes } from './memory'
import { keyAt, keyBytes, readKey } from './otlp-schema'
import { close, open, putTag, putText, putVarint, room, varint64Bytes } from './output'
import { fieldNumber, length, readLength, readTag, readVarint, skipValue, varint, wireType } from './wire'

const TAGS: u32 = 0x42
const FIELDS: u32 = 0x12
const STATUS_OK: u32 = 1
const STATUS_ERROR: u32 = 2
const SECOND_NS: u64 = 1000000000

const key_scopeName = keep('otel.scope.name')
const key_scopeVersion = keep('otel.scope.version')
const key_kind = keep('span.kind')
const key_statusCode = keep('otel.status_code')
const key_description = keep('otel.status_description')
const key_error = keep('error')
const key_traceState = keep('w3c.tracestate')
const key_event = keep('event')
export const key_attributesDropped = keep('otel.dropped_attributes_count')
const key_eventsDropped = keep('otel.dropped_events_count')
const key_linksDropped = keep('otel.dropped_links_count')
const key_end = keep('otlp.end_time_unix_nano')
const key_flags = keep('jaeger.flags')
const key_processId = keep('jaeger.process_id')
const key_warnings = keep('@jaeger@warnings')
const word_ok = keep('OK')
const word_error = keep('ERROR')
const word_internal = keep('internal')
const word_server = keep('server')
const word_client = keep('client')
const word_producer = keep('producer')
const word_consumer = keep('consumer')

// The scope at hand.
let scopeNameAt: usize = 0
let scopeNameBytes: usize = 0
let scopeVersionAt: usize = 0
let scopeVersionBytes: usize = 0

/** Reads the scope of a ScopeSpans; it counts for the spans that follow. InstrumentationScope: 1 name, 2 version. */
export function readScope(at: usize, end: usize): void {
  scopeNameBytes = 0
  scopeVersionBytes = 0
  for (let scope = next(at, end, 1); scope != 0; ) {
    const scopeEnd = scope + length
    for (let name = next(scope, scopeEnd, 1); name != 0; name = next(name + length, scopeEnd, 1)) {
      scopeNameAt = name
      scopeNameBytes = length
    }
    for (let version = next(scope, scopeEnd, 2); version != 0; version = next(version + length, scopeEnd, 2)) {
      scopeVersionAt = version
      scopeVersionBytes = length
    }
    scope = next(scopeEnd, end, 1)
  }
}

// The span at hand. An id is the address of its bytes.
let traceId: usize = 0
let spanId: usize = 0
let parentId: usize = 0
let stateAt: usize = 0
let stateBytes: usize = 0
let nameAt: usize = 0
let nameBytes: usize = 0
let kind: u32 = 0
let startNs: u64 = 0
let endNs: u64 = 0
let attributesDropped: u32 = 0
let eventsDropped: u32 = 0
let linksDropped: u32 = 0
let statusCode: u32 = 0
let messageAt: usize = 0
let messageBytes: usize = 0
let hasEvents: bool = false
let hasLinks: bool = false
/** Attributes that become fields: where they begin, 0 when there is none. */
let flagsPair: usize = 0
let flags: u64 = 0
let processIdPair: usize = 0
let processIdAt: usize = 0
let processIdBytes: usize = 0
let warningsPair: usize = 0
let warningsPairEnd: usize = 0

function forgetSpan(): void {
  traceId = zeros
  spanId = zeros
  parentId = zeros
  stateBytes = 0
  nameBytes = 0
  kind = 0
  startNs = 0
  endNs = 0
  attributesDropped = 0
  eventsDropped = 0
  linksDropped = 0
  statusCode = 0
  messageBytes = 0
  hasEvents = false
  hasLinks = false
  flagsPair = 0
  processIdPair = 0
  warningsPair = 0
}

function readSpan(at: usize, end: usize): void {
  forgetSpan()
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return
    const field = fieldNumber
    const type = wireType
    if (type == 0) {
      at = readVarint(at, end)
      if (at == 0) return
      readSpanNumber(field, <u32>varint)
      continue
    }
    if (type != 2) {
      if (field == 7) startNs = load<u64>(at)
      else if (field == 8) endNs = load<u64>(at)
      at = skipValue(at, end, type)
      if (at == 0) return
      continue
    }
    at = readLength(at, end)
    if (at == 0) return
    const bytes = length
    readSpanBytes(field, at, bytes)
    at += bytes
  }
}

function readSpanNumber(field: u32, value: u32): void {
  if (field == 6) kind = value
  else if (field == 10) attributesDropped = value
  else if (field == 12) eventsDropped = value
  else if (field == 14) linksDropped = value
}

function readSpanBytes(field: u32, at: usize, bytes: usize): void {
  switch (field) {
    case 1:
      traceId = idAt(at, bytes)
      break
    case 2:
      spanId = idAt(at, bytes)
      break
    case 3:
      stateAt = at
      stateBytes = bytes
      break
    case 4:
      parentId = idAt(at, bytes)
      break
    case 5:
      nameAt = at
      nameBytes = bytes
      break
    case 9:
      noteAttribute(at, at + bytes)
      break
    case 11:
      hasEvents = true
      break
    case 13:
      hasLinks = true
      break
    case 15:
      readStatus(at, at + bytes)
  }
}

function readStatus(at: usize, end: usize): void {
  for (let message = next(at, end, 2); message != 0; message = next(message + length, end, 2)) {
    messageAt = message
    messageBytes = length
  }
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return
    const isCode = fieldNumber == 3 && wireType == 0
    at = skipValue(at, end, wireType)
    if (at == 0) return
    if (isCode) statusCode = <u32>varint
  }
}

/** Remembers an attribute that was made of a field of Jaeger's span. */
function noteAttribute(at: usize, end: usize): void {
  readKey(at, end)
  const bytes = keyBytes
  if (bytes != bytesOf(key_flags) && bytes != bytesOf(key_processId) && bytes != bytesOf(key_warnings)) return
  const key = keyAt
  readPair(at, end)
  if (anyKind == ANY_INT && anyBits - 1 < 0xffffffff && isText(key, bytes, key_flags)) {
    flagsPair = at
    flags = anyBits
  } else if (anyKind == ANY_TEXT && anyBytes != 0 && isText(key, bytes, key_processId)) {
    processIdPair = at
    processIdAt = anyAt
    processIdBytes = anyBytes
  } else if (anyKind == ANY_LIST && isText(key, bytes, key_warnings) && isTexts(at, end)) {
    warningsPair = at
    warningsPairEnd = end
  }
}

/** Whether a KeyValue holds a list of texts and nothing else, in the plain form: one value, one list. */
function isTexts(at: usize, end: usize): bool {
  const list = plainList(at, end)
  if (list == 0 || length == 0) return false
  const listEnd = list + length
  for (let text = next(list, listEnd, 1); text != 0; ) {
    const textEnd = text + length
    readValue(text, textEnd)
    if (anyKind != ANY_TEXT) return false
    text = next(textEnd, listEnd, 1)
  }
  return true
}

/** Where the content of the list begins, its bytes in `length`; 0 when there are several, or none. */
function plainList(at: usize, end: usize): usize {
  const value = next(at, end, 2)
  if (value == 0) return 0
  const valueEnd = value + length
  if (next(valueEnd, end, 2) != 0) return 0
  const list = next(value, valueEnd, 5)
  if (list == 0 || next(list + length, valueEnd, 5) != 0) return 0
  return next(value, valueEnd, 5)
}

function putWarnings(): void {
  const list = plainList(warningsPair, warningsPairEnd)
  if (list == 0) return
  const listEnd = list + length
  for (let text = next(list, listEnd, 1); text != 0; ) {
    const textEnd = text + length
    readValue(text, textEnd)
    if (!room(anyBytes + 8)) return
    putText(0x62, anyAt, anyBytes)
    text = next(textEnd, listEnd, 1)
  }
}

/** Writes the content of a span, all but its process. The input has been checked. */
export function putSpan(at: usize, end: usize): void {
  readSpan(at, end)
  if (!room(nameBytes + 128)) return
  putText(0x0a, traceId, 16)
  putText(0x12, spanId, 8)
  if (nameBytes != 0) putText(0x1a, nameAt, nameBytes)
  // Without links the references are looked for in nothing.
  putReferences(hasLinks ? at : end, end, traceId, parentId)
  if (!room(64)) return
  if (flagsPair != 0) {
    putTag(0x28)
    putVarint(flags)
  }
  putTime(0x32, <i64>(startNs / SECOND_NS), <i64>(startNs % SECOND_NS))
  const isClamped = putDuration()
  putTags(at, end, isClamped)
  if (hasEvents) putLogs(at, end)
  if (processIdPair != 0 && room(processIdBytes + 8)) putText(0x5a, processIdAt, processIdBytes)
  if (warningsPair != 0) putWarnings()
}

/** Timestamp and Duration: 1 seconds, 2 nanos. They are written when they are zero, too: readers in Go take none for the year 1. */
function putTime(tag: u32, seconds: i64, nanos: i64): void {
  putTag(tag)
  putVarint((seconds == 0 ? 0 : 1 + varint64Bytes(seconds)) + (nanos == 0 ? 0 : 1 + varint64Bytes(nanos)))
  if (seconds != 0) {
    putTag(0x08)
    putVarint(<u64>seconds)
  }
  if (nanos == 0) return
  putTag(0x10)
  putVarint(<u64>nanos)
}

/** True when it is longer than readers in Go can hold (63 bits of nanoseconds), so that it was cut. */
function putDuration(): bool {
  const isNegative = endNs < startNs
  const most = <u64>i64.MAX_VALUE
  const whole = isNegative ? startNs - endNs : endNs - startNs
  const ns = min(whole, most)
  const seconds = <i64>(ns / SECOND_NS)
  const nanos = <i64>(ns % SECOND_NS)
  putTime(0x3a, isNegative ? -seconds : seconds, isNegative ? -nanos : nanos)
  return whole > most
}

/**
 * `error` stands before the attributes: of a key that comes twice readers take the last, and an attribute of this name says
 * what went wrong, while `otel.status_code` says that something did.
 */
function putTags(at: usize, end: usize, isClamped: bool): void {
  // Readers look for the version only where there is a name.
  if (scopeNameBytes + scopeVersionBytes != 0) putTextTag(TAGS, key_scopeName, scopeNameAt, scopeNameBytes)
  if (scopeVersionBytes != 0) putTextTag(TAGS, key_scopeVersion, scopeVersionAt, scopeVersionBytes)
  if (statusCode == STATUS_ERROR) putTrueTag(TAGS, key_error)
  for (let pair = next(at, end, 9); pair != 0; ) {
    const pairEnd = pair + length
    if (pair != flagsPair && pair != processIdPair && pair != warningsPair) putAttribute(TAGS, pair, pairEnd)
    pair = next(pairEnd, end, 9)
  }
  const word = wordOf(kind)
  if (word != 0) putWordTag(TAGS, key_kind, word)
  if (statusCode == STATUS_OK) putWordTag(TAGS, key_statusCode, word_ok)
  else if (statusCode == STATUS_ERROR) putWordTag(TAGS, key_statusCode, word_error)
  if (messageBytes != 0) putTextTag(TAGS, key_description, messageAt, messageBytes)
  if (stateBytes != 0) putTextTag(TAGS, key_traceState, stateAt, stateBytes)
  if (attributesDropped != 0) putIntTag(TAGS, key_attributesDropped, attributesDropped)
  if (eventsDropped != 0) putIntTag(TAGS, key_eventsDropped, eventsDropped)
  if (linksDropped != 0) putIntTag(TAGS, key_linksDropped, linksDropped)
  if (isClamped) putEndTag()
  if (hasLinks) putLinkTags(at, end, TAGS)
}

function wordOf(number: u32): usize {
  switch (number) {
    case 1:
      return word_internal
    case 2:
      return word_server
    case 3:
      return word_client
    case 4:
      return word_producer
    case 5:
      return word_consumer
    default:
      return 0
  }
}

function putEndTag(): void {
  const mark = openText(TAGS, key_end, bytesOf(key_end))
  if (mark == 0) return
  putUnsigned(endNs)
  closeText(mark)
}

/** Log: 1 timestamp, 2 fields. Event: 1 time_unix_nano, 2 name, 3 attributes, 4 dropped_attributes_count. */
function putLogs(at: usize, end: usize): void {
  for (let event = next(at, end, 11); event != 0; ) {
    const eventEnd = event + length
    putLog(event, eventEnd)
    event = next(eventEnd, end, 11)
  }
}

function putLog(start: usize, end: usize): void {
  let timeNs: u64 = 0
  let name: usize = 0
  let nameLength: usize = 0
  let dropped: u32 = 0
  for (let at = start; at < end; ) {
    at = readTag(at, end)
    if (at == 0) return
    const field = fieldNumber
    if (field == 1) timeNs = load<u64>(at)
    if (field == 2) {
      name = readLength(at, end)
      nameLength = length
    }
    at = skipValue(at, end, wireType)
    if (at == 0) return
    if (field == 4) dropped = <u32>varint
  }
  if (!room(64)) return
  const mark = open(0x4a)
  putTime(0x0a, <i64>(timeNs / SECOND_NS), <i64>(timeNs % SECOND_NS))
  if (nameLength != 0 && !hasName(start, end, name, nameLength)) putTextTag(FIELDS, key_event, name, nameLength)
  for (let pair = next(start, end, 3); pair != 0; ) {
    const pairEnd = pair + length
    putAttribute(FIELDS, pair, pairEnd)
    pair = next(pairEnd, end, 3)
  }
  if (dropped != 0) putIntTag(FIELDS, key_attributesDropped, dropped)
  close(mark)
}

/** Whether an attribute `event` says the name. */
function hasName(start: usize, end: usize, name: usize, bytes: usize): bool {
  for (let pair = next(start, end, 3); pair != 0; ) {
    const pairEnd = pair + length
    readKey(pair, pairEnd)
    if (isText(keyAt, keyBytes, key_event)) {
      readPair(pair, pairEnd)
      if (anyKind == ANY_TEXT && anyBytes == bytes && sameBytes(anyAt, name, bytes)) return true
    }
    pair = next(pairEnd, end, 3)
  }
  return false
}
