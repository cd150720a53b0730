// Reads zipkin.proto3.ListOfSpans (openzipkin/zipkin-api zipkin.proto):
//   ListOfSpans  1 spans
//   Span         1 trace_id (8 or 16 bytes), 2 parent_id, 3 id (8), 4 kind, 5 name, 6 timestamp (fixed64), 7 duration (varint),
//                8 local_endpoint, 9 remote_endpoint, 10 annotations, 11 tags (map of strings), 12 debug, 13 shared
//   Endpoint     1 service_name, 2 ipv4, 3 ipv6, 4 port (int32)
//   Annotation   1 timestamp (fixed64), 2 value
// A field of another type than its own is one that is not known, and is passed over. The last value of a repeated field
// counts, and the fields of a repeated endpoint are joined.

import { A_TEXT } from './attributes'
import { E_ITEMS, E_PROTOBUF } from './memory'
import { closeSpan, openSpan, requestBegin, requestEnd, writeEvent } from './zipkin-otlp'
import { tag } from './zipkin-slots'
import * as z from './zipkin-span'
import { finishSpan, local, remote, setTimes, span, spanBegin } from './zipkin-span'
import { fieldNumber, length, readLength, readTag, readVarint, skipValue, varint, wireType } from './wire'

/** From the first annotation of the span at hand to behind the last. */
let annotationsAt: usize = 0
let annotationsEnd: usize = 0

/** Bytes that a span may have more in OTLP: the names of what were fields. */
const SPAN_MORE: usize = 192

/** Translates `bytes` bytes. The bytes of the request, or a code. */
export function translateProto(at: usize, bytes: usize, itemsMax: u32, outputBytesMax: usize): i32 {
  const end = at + bytes
  const spans = countSpans(at, end)
  if (spans < 0) return E_PROTOBUF
  if (<u32>spans > itemsMax) return E_ITEMS
  let code = requestBegin(spans, outputBytesMax, bytes + <usize>spans * SPAN_MORE)
  if (code != 0) return code
  while (at < end) {
    at = readTag(at, end)
    if (fieldNumber != 1 || wireType != 2) {
      at = skipValue(at, end, wireType)
      continue
    }
    at = readLength(at, end)
    const spanEnd = at + length
    if (!readSpan(at, spanEnd)) return E_PROTOBUF
    setTimes()
    finishSpan()
    code = openSpan()
    if (code == 0 && annotationsAt != 0) code = writeAnnotations()
    if (code == 0) code = closeSpan()
    if (code != 0) return code
    at = spanEnd
  }
  return requestEnd()
}

/** The list's frame is sound when this is not negative. */
function countSpans(at: usize, end: usize): i32 {
  let spans = 0
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return -1
    if (fieldNumber == 1 && wireType == 2) spans++
    at = skipValue(at, end, wireType)
    if (at == 0) return -1
  }
  return spans
}

function readSpan(at: usize, end: usize): bool {
  spanBegin(false)
  annotationsAt = 0
  let ids: u32 = 0
  while (at < end) {
    const fieldAt = at
    at = readTag(at, end)
    if (at == 0) return false
    const field = fieldNumber
    const type = wireType
    if (type == 2) {
      at = readLength(at, end)
      if (at == 0) return false
      const valueEnd = at + length
      if (field == 11) {
        if (!readTagEntry(at, valueEnd)) return false
      } else if (field <= 3) {
        if (!readId(field, at, length)) return false
        ids |= 1 << field
      } else if (field == 5) {
        store<u32>(span, <u32>at, z.NAME)
        store<u32>(span, <u32>length, z.NAME_BYTES)
      } else if (field == 8 || field == 9) {
        if (!readEndpoint(at, valueEnd, field == 8 ? local : remote)) return false
      } else if (field == 10) {
        if (annotationsAt == 0) annotationsAt = fieldAt
        annotationsEnd = valueEnd
      }
      at = valueEnd
      continue
    }
    if (type == 0) {
      at = readVarint(at, end)
      if (at == 0) return false
      if (field == 4) store<u32>(span, <u32>varint, z.KIND)
      else if (field == 7) store<u64>(span, varint, z.DURATION)
      else if (field == 12) store<u8>(span, varint != 0 ? 1 : 0, z.DEBUG)
      else if (field == 13) store<u8>(span, varint != 0 ? 1 : 0, z.SHARED)
      continue
    }
    const valueAt = at
    at = skipValue(at, end, type)
    if (at == 0) return false
    if (field == 6 && type == 1) store<u64>(span, load<u64>(valueAt), z.TIMESTAMP)
  }
  // Fields 1 and 3.
  return (ids & 0b1010) == 0b1010
}

/** trace_id, parent_id or id; only a parent may be empty. */
function readId(field: u32, at: usize, bytes: usize): bool {
  if (field == 1) {
    store<u64>(span, bytes == 16 ? load<u64>(at) : 0, z.TRACE_ID)
    store<u64>(span, bytes == 16 ? load<u64>(at, 8) : load<u64>(at), z.TRACE_ID + 8)
    return bytes == 16 || bytes == 8
  }
  if (bytes != 8 && (bytes != 0 || field == 3)) return false
  store<u64>(span + (field == 3 ? z.SPAN_ID : z.PARENT_ID), bytes == 0 ? 0 : load<u64>(at))
  return true
}

/** An entry of the map: 1 key, 2 value; either may be left out when it is empty. */
function readTagEntry(at: usize, end: usize): bool {
  // As nearly all come: a key and a value of less than 128 bytes each, and nothing else.
  const bytes = end - at
  const shortKey = <usize>load<u8>(at, 1)
  if (bytes >= 4 && load<u8>(at) == 0x0a && shortKey < 128 && shortKey + 4 <= bytes) {
    const rest = bytes - 4 - shortKey
    const head = at + 2 + shortKey
    if (rest < 128 && load<u16>(head) == <u16>(0x12 | (rest << 8))) {
      tag(at + 2, shortKey, A_TEXT, head + 2, rest)
      return true
    }
  }
  return readAnyEntry(at, end)
}

function readAnyEntry(at: usize, end: usize): bool {
  let keyAt = at
  let keyBytes: usize = 0
  let valueAt = at
  let valueBytes: usize = 0
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    if (wireType != 2 || fieldNumber > 2) {
      at = skipValue(at, end, wireType)
      if (at == 0) return false
      continue
    }
    const field = fieldNumber
    at = readLength(at, end)
    if (at == 0) return false
    if (field == 1) {
      keyAt = at
      keyBytes = length
    } else {
      valueAt = at
      valueBytes = length
    }
    at += length
  }
  tag(keyAt, keyBytes, A_TEXT, valueAt, valueBytes)
  return true
}

function readEndpoint(at: usize, end: usize, endpoint: usize): bool {
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    const field = fieldNumber
    if (wireType == 2 && field <= 3) {
      at = readLength(at, end)
      if (at == 0) return false
      const part = endpoint + (<usize>(field - 1) << 3)
      store<u32>(part, <u32>at)
      store<u32>(part, <u32>length, 4)
      at += length
      continue
    }
    const isPort = field == 4 && wireType == 0
    at = skipValue(at, end, wireType)
    if (at == 0) return false
    if (isPort) store<u32>(endpoint, <u32>varint, z.E_PORT)
  }
  return true
}

/** Writes an event for each annotation. 0 or a code. */
function writeAnnotations(): i32 {
  let at = annotationsAt
  const end = annotationsEnd
  while (at < end) {
    at = readTag(at, end)
    if (fieldNumber != 10 || wireType != 2) {
      at = skipValue(at, end, wireType)
      continue
    }
    at = readLength(at, end)
    const valueEnd = at + length
    let us: u64 = 0
    let valueAt = at
    let valueBytes: usize = 0
    while (at < valueEnd) {
      at = readTag(at, valueEnd)
      if (at == 0) return E_PROTOBUF
      const field = fieldNumber
      const type = wireType
      const start = at
      at = skipValue(at, valueEnd, type)
      if (at == 0) return E_PROTOBUF
      if (field == 1 && type == 1) us = load<u64>(start)
      else if (field == 2 && type == 2) {
        valueAt = at - length
        valueBytes = length
      }
    }
    const code = writeEvent(us, valueAt, valueBytes, true, 0)
    if (code != 0) return code
    at = valueEnd
  }
  return 0
}
