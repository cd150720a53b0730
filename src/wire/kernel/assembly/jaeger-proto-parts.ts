// What a Jaeger span is made of in protobuf (jaegertracing/jaeger-idl proto/api_v2/model.proto v0.6.0): tags, references,
// logs, times. A known field with another wire type than its own is malformed, as Go's readers have it; an unknown one
// passes.

import { A_BOOL, A_BYTES, A_DOUBLE, A_INT, A_TEXT, attribute } from './attributes'
import { reference, writeEvent } from './jaeger-span'
import { eventTimeOf } from './jaeger-times'
import { fieldNumber, length, readLength, readTag, readVarint, skipValue, varint, wireType } from './wire'

/** Adds a KeyValue to the table: 1 key, 2 v_type, 3 v_str, 4 v_bool, 5 v_int64, 6 v_float64, 7 v_binary. */
@inline
export function readKeyValue(at: usize, end: usize): bool {
  return readUsual(at, end) || readAny(at, end)
}

/**
 * A tag as nearly all are: the key, the type if it is not the string, the value of this type, lengths below 128. False when
 * it is another one. What is read behind `end` is somebody else's, and is not used.
 */
function readUsual(at: usize, end: usize): bool {
  const keyBytes = <usize>load<u8>(at, 1)
  if (load<u8>(at) != 0x0a || keyBytes >= 0x80) return false
  const key = at + 2
  at = key + keyBytes
  if (at >= end) return false
  let tag = load<u8>(at)
  let type: u32 = A_TEXT
  if (tag == 0x10) {
    type = load<u8>(at, 1)
    tag = load<u8>(at, 2)
    at += 2
  }
  if (type == A_TEXT) {
    const bytes = <usize>load<u8>(at, 1)
    if (tag != 0x1a || bytes >= 0x80 || at + 2 + bytes != end) return false
    attribute(key, keyBytes, A_TEXT, <u64>(at + 2), bytes)
    return true
  }
  if (type == A_INT) {
    if (tag != 0x28 || readVarint(at + 1, end) != end) return false
    attribute(key, keyBytes, A_INT, varint, 0)
    return true
  }
  if (type == A_BOOL) {
    if (tag != 0x20 || at + 2 != end || load<u8>(at, 1) > 1) return false
    attribute(key, keyBytes, A_BOOL, <u64>load<u8>(at, 1), 0)
    return true
  }
  if (type != A_DOUBLE || tag != 0x31 || at + 9 != end) return false
  attribute(key, keyBytes, A_DOUBLE, load<u64>(at, 1), 0)
  return true
}

function readAny(at: usize, end: usize): bool {
  let key: usize = 0
  let keyBytes: usize = 0
  let type: u32 = 0
  let text: usize = 0
  let textBytes: usize = 0
  let isTrue: bool = false
  let int: u64 = 0
  let bits: u64 = 0
  let binary: usize = 0
  let binaryBytes: usize = 0
  // The type of the last value, for a tag whose own type is unknown.
  let any: u32 = A_TEXT
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    switch (fieldNumber << 3 | wireType) {
      case 0x0a:
        at = readLength(at, end)
        if (at == 0) return false
        key = at
        keyBytes = length
        at += length
        break
      case 0x10:
        at = readVarint(at, end)
        type = <u32>varint
        break
      case 0x1a:
        at = readLength(at, end)
        if (at == 0) return false
        text = at
        textBytes = length
        at += length
        any = A_TEXT
        break
      case 0x20:
        at = readVarint(at, end)
        isTrue = varint != 0
        any = A_BOOL
        break
      case 0x28:
        at = readVarint(at, end)
        int = varint
        any = A_INT
        break
      case 0x31:
        if (end - at < 8) return false
        bits = load<u64>(at)
        at += 8
        any = A_DOUBLE
        break
      case 0x3a:
        at = readLength(at, end)
        if (at == 0) return false
        binary = at
        binaryBytes = length
        at += length
        any = A_BYTES
        break
      default:
        if (fieldNumber <= 7) return false
        at = skipValue(at, end, wireType)
    }
    if (at == 0) return false
  }
  // Jaeger's numbers of the types are those of the table.
  switch (type > A_BYTES ? any : type) {
    case A_BOOL:
      attribute(key, keyBytes, A_BOOL, isTrue ? 1 : 0, 0)
      break
    case A_INT:
      attribute(key, keyBytes, A_INT, int, 0)
      break
    case A_DOUBLE:
      attribute(key, keyBytes, A_DOUBLE, bits, 0)
      break
    case A_BYTES:
      attribute(key, keyBytes, A_BYTES, <u64>binary, binaryBytes)
      break
    default:
      attribute(key, keyBytes, A_TEXT, <u64>text, textBytes)
  }
  return true
}

/** The last trace id and span id that were read. */
export let traceHigh: u64 = 0
export let traceLow: u64 = 0
export let spanId: u64 = 0

/** Reads the length and bytes of a trace id: 16 of them, or 8, or none, which means zero. */
export function readTraceId(at: usize, end: usize): usize {
  at = readLength(at, end)
  if (at == 0) return 0
  traceHigh = 0
  traceLow = 0
  if (length == 16) {
    traceHigh = bswap(load<u64>(at))
    traceLow = bswap(load<u64>(at, 8))
  } else if (length == 8) traceLow = bswap(load<u64>(at))
  else if (length != 0) return 0
  return at + length
}

/** Reads the length and bytes of a span id: 8 of them, or none. */
export function readSpanId(at: usize, end: usize): usize {
  at = readLength(at, end)
  if (at == 0) return 0
  spanId = 0
  if (length == 8) spanId = bswap(load<u64>(at))
  else if (length != 0) return 0
  return at + length
}

/** Adds a SpanRef to the table: 1 trace_id, 2 span_id, 3 ref_type. */
export function readReference(at: usize, end: usize): bool {
  let type: u32 = 0
  traceHigh = 0
  traceLow = 0
  spanId = 0
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    switch (fieldNumber << 3 | wireType) {
      case 0x0a:
        at = readTraceId(at, end)
        break
      case 0x12:
        at = readSpanId(at, end)
        break
      case 0x18:
        at = readVarint(at, end)
        type = <u32>varint
        break
      default:
        if (fieldNumber <= 3) return false
        at = skipValue(at, end, wireType)
    }
    if (at == 0) return false
  }
  reference(traceHigh, traceLow, spanId, type == 0 ? 0 : 1)
  return true
}

/** What the Timestamps or Durations since `secondsAre` hold; parts of one message are joined. */
export let seconds: i64 = 0
export let nanos: i32 = 0

export function secondsAre(whole: i64, rest: i32): void {
  seconds = whole
  nanos = rest
}

/** Timestamp and Duration: 1 seconds int64, 2 nanos int32. */
export function readSeconds(at: usize, end: usize): bool {
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    const tag = fieldNumber << 3 | wireType
    if (tag == 0x08 || tag == 0x10) {
      at = readVarint(at, end)
      if (tag == 0x08) seconds = <i64>varint
      else nanos = <i32>varint
    } else {
      if (fieldNumber <= 2) return false
      at = skipValue(at, end, wireType)
    }
    if (at == 0) return false
  }
  return true
}

/** Writes a Log as an event: 1 timestamp, 2 fields. The table of attributes is empty before and after. */
export function readLog(at: usize, end: usize): bool {
  secondsAre(0, 0)
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    const tag = fieldNumber << 3 | wireType
    if (tag == 0x0a || tag == 0x12) {
      at = readLength(at, end)
      if (at == 0) return false
      const next = at + length
      if (!(tag == 0x0a ? readSeconds(at, next) : readKeyValue(at, next))) return false
      at = next
    } else {
      if (fieldNumber <= 2) return false
      at = skipValue(at, end, wireType)
      if (at == 0) return false
    }
  }
  return writeEvent(eventTimeOf(seconds, nanos))
}
