// OTLP's ExportTraceServiceRequest (opentelemetry-proto 1.11, trace/v1) as Jaeger's PostSpansRequest (jaeger-idl v0.6.0,
// proto/api_v2): one batch, in which each span has the process that its resource is. The mapping is the Collector's
// (opentelemetry-collector-contrib pkg/translator/jaeger v0.145.0, traces_to_jaegerproto.go); what differs is said where it
// is done.
//
//   ExportTraceServiceRequest: 1 resource_spans. ResourceSpans: 1 resource, 2 scope_spans. ScopeSpans: 1 scope, 2 spans.
//   Resource: 1 attributes, 2 dropped_attributes_count.
//   PostSpansRequest: 1 batch. Batch: 1 spans. Span: 10 process. Process: 1 service_name, 2 tags.
//
// The fields of later revisions go, and what Jaeger has no place for: schema URLs, entities, the attributes of scopes, the
// flags of spans and links. Translations to OTLP do not write them.

import { E_ITEMS, E_MEMORY, E_PROTOBUF } from './memory'
import { ANY_TEXT, anyAt, anyBytes, anyKind, isText, keep, keyAt, keyBytes, next, readPair } from './otlp-to-jaeger-any'
import { key_attributesDropped, putSpan, readScope } from './otlp-to-jaeger-span'
import { putAttribute, putIntTag } from './otlp-to-jaeger-tags'
import { FAULT_ID, RESOURCE_SPANS, check, checkBegin, faults } from './otlp-schema'
import { close, open, openWidth, out, outputBegin, outputCode, outputEnd, putText, room } from './output'
import { fieldNumber, length, readLength, readTag, skipValue, varint, wireType } from './wire'

const key_service = keep('service.name')
const TAGS: u32 = 0x12
/** Bytes for the length of the batch until it is known. */
const BATCH_WIDTH: usize = 3

let spans: i32 = 0
let spansMax: i32 = 0
/** Content of the process that the last span was given; 0 before the first span of a resource. */
let processAt: usize = 0
let processBytes: usize = 0

/**
 * Translates the request of `bytes` bytes at `at` to at most `bytesMax` bytes; `levelsMax` is how many messages may stand in
 * each other. The bytes of the translation, which is at `translated`, or a code: E_PROTOBUF also for an id that has a wrong
 * length, E_ITEMS for more than `itemsMax` spans.
 */
export function otlpToJaeger(at: usize, bytes: usize, itemsMax: i32, levelsMax: i32, bytesMax: usize): i32 {
  const end = at + bytes
  if (!checkRequest(at, end, levelsMax)) return E_PROTOBUF
  if (outputBegin(bytesMax, bytes + (bytes >> 1)) != 0) return E_MEMORY
  spans = 0
  spansMax = itemsMax
  const batch = openWidth(0x0a, BATCH_WIDTH)
  for (let resource = next(at, end, 1); resource != 0; ) {
    const resourceEnd = resource + length
    const code = putResource(resource, resourceEnd)
    if (code != 0) return code
    resource = next(resourceEnd, end, 1)
  }
  close(batch, BATCH_WIDTH)
  return outputEnd()
}

function checkRequest(at: usize, end: usize, levelsMax: i32): bool {
  checkBegin(levelsMax, false)
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    if (fieldNumber != 1) {
      at = skipValue(at, end, wireType)
      if (at == 0) return false
      continue
    }
    if (wireType != 2) return false
    at = readLength(at, end)
    if (at == 0) return false
    const resourceEnd = at + length
    if (!check(RESOURCE_SPANS, at, resourceEnd, 1)) return false
    at = resourceEnd
  }
  return (faults & FAULT_ID) == 0
}

function putResource(at: usize, end: usize): i32 {
  processAt = 0
  for (let scope = next(at, end, 2); scope != 0; ) {
    const scopeEnd = scope + length
    readScope(scope, scopeEnd)
    for (let span = next(scope, scopeEnd, 2); span != 0; ) {
      const spanEnd = span + length
      if (++spans > spansMax) return E_ITEMS
      if (!room(16)) return outputCode
      const mark = open(0x0a)
      putSpan(span, spanEnd)
      putProcess(at, end)
      close(mark)
      // It is the last that was written; closing the span may have moved it.
      processAt = out - processBytes
      span = next(spanEnd, scopeEnd, 2)
    }
    scope = next(scopeEnd, end, 2)
  }
  return 0
}

/** Writes the process: made of the resource for its first span, copied for the others. */
function putProcess(at: usize, end: usize): void {
  if (processAt != 0) {
    if (room(processBytes + 8)) putText(0x52, processAt, processBytes)
    return
  }
  if (!room(16)) return
  const mark = open(0x52)
  const start = out
  putResourceFields(at, end)
  processBytes = out - start
  close(mark)
}

/**
 * A resource without a service's name gives an empty one, as it does at the Collector when there are other attributes, which
 * the stamp sees to; the name that it writes otherwise makes its own reader forget all tags.
 */
function putResourceFields(at: usize, end: usize): void {
  const service = putService(at, end)
  let dropped: u32 = 0
  for (let resource = next(at, end, 1); resource != 0; ) {
    const resourceEnd = resource + length
    for (let field = resource; field < resourceEnd; ) {
      const tagAt = readTag(field, resourceEnd)
      if (tagAt == 0) return
      const number = fieldNumber
      field = skipValue(tagAt, resourceEnd, wireType)
      if (field == 0) return
      if (number == 2) dropped = <u32>varint
      if (number != 1) continue
      const pair = readLength(tagAt, resourceEnd)
      if (pair != service) putAttribute(TAGS, pair, field)
    }
    resource = next(resourceEnd, end, 1)
  }
  if (dropped != 0) putIntTag(TAGS, key_attributesDropped, dropped)
}

/** Writes the first text that is the service's name; where its KeyValue is, 0 when there is none. */
function putService(at: usize, end: usize): usize {
  for (let resource = next(at, end, 1); resource != 0; ) {
    const resourceEnd = resource + length
    for (let pair = next(resource, resourceEnd, 1); pair != 0; ) {
      const pairEnd = pair + length
      readPair(pair, pairEnd)
      if (anyKind == ANY_TEXT && isText(keyAt, keyBytes, key_service)) {
        if (anyBytes != 0 && room(anyBytes + 8)) putText(0x0a, anyAt, anyBytes)
        return pair
      }
      pair = next(pairEnd, resourceEnd, 1)
    }
    resource = next(resourceEnd, end, 1)
  }
  return 0
}
