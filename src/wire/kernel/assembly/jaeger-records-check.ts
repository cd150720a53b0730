// What stands inside of a Jaeger span, as it must be for Jaeger's own reader (jaegertracing/jaeger-idl v0.6.0,
// proto/api_v2/model.proto and model/v1/ids.go; gogo/protobuf 1.3, types):
//   KeyValue   1 key, 2 v_type, 3 v_str, 4 v_bool, 5 v_int64, 6 v_float64, 7 v_binary
//   Log        1 timestamp, 2 fields (KeyValue)
//   SpanRef    1 trace_id (8 or 16 bytes), 2 span_id (8 bytes), 3 ref_type
//   Timestamp  1 seconds, 2 nanos: from the year 1 to 9999
//   Duration   1 seconds, 2 nanos: of one sign, together within 64 bits of nanoseconds
// What that reader refuses is malformed, since a record with it would stop the consumer. A text that is not UTF-8 leaves
// the frame whole: `isTextBroken` says that one was met.

import { sameBytes } from './memory'
import { stampName, stampNameBytes } from './rules'
import { fieldNumber, isAscii, isUtf8, length, readLength, readTag, readVarint, skipValue, varint, wireType } from './wire'

/** Set when a text is met that is not UTF-8. */
export let isTextBroken: bool = false

export function textsBegin(): void {
  isTextBroken = false
}

@inline
export function checkText(at: usize, end: usize): void {
  if (!isUtf8(at, end)) isTextBroken = true
}

// The KeyValue of the last `readKeyValue`; of repeated fields the last one counts.
export let keyAt: usize = 0
export let keyBytes: usize = 0
/** 0 string, 1 bool, 2 int64, 3 float64, 4 binary. */
export let valueType: u32 = 0
/** `v_str`, whatever the type. */
export let textAt: usize = 0
export let textBytes: usize = 0

/** Checks and reads a KeyValue. False: malformed. */
export function readKeyValue(at: usize, end: usize): bool {
  // The common form: a key and a text once each, in order, both shorter than 128 bytes.
  const n = <usize>load<u8>(at + 1)
  const value = at + 2 + (n & 0x7f)
  const m = <usize>load<u8>(value + 1)
  if (load<u8>(at) == 0x0a && n < 0x80 && load<u8>(value) == 0x1a && m < 0x80 && value + 2 + m == end) {
    keyAt = at + 2
    keyBytes = n
    valueType = 0
    textAt = value + 2
    textBytes = m
    // Tags and lengths are below 0x80 as well.
    if (!isAscii(at, end)) {
      checkText(keyAt, value)
      checkText(textAt, end)
    }
    return true
  }
  return readAnyKeyValue(at, end)
}

function readAnyKeyValue(at: usize, end: usize): bool {
  keyAt = at
  keyBytes = 0
  valueType = 0
  textAt = at
  textBytes = 0
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    const field = fieldNumber
    const type = wireType
    if (field == 1 || field == 3) {
      if (type != 2) return false
      at = readLength(at, end)
      if (at == 0) return false
      checkText(at, at + length)
      if (field == 1) {
        keyAt = at
        keyBytes = length
      } else {
        textAt = at
        textBytes = length
      }
      at += length
      continue
    }
    if (field == 2) {
      if (type != 0) return false
      at = readVarint(at, end)
      if (at == 0) return false
      // An enum has 32 bits; readers cut off what is above.
      valueType = <u32>varint
      continue
    }
    if (((field == 4 || field == 5) && type != 0) || (field == 6 && type != 1) || (field == 7 && type != 2)) return false
    at = skipValue(at, end, type)
    if (at == 0) return false
  }
  return true
}

/** Whether the last `readKeyValue` met the stamp's name. */
@inline
export function isStampKey(): bool {
  return keyBytes == stampNameBytes() && sameBytes(keyAt, stampName(), keyBytes)
}

/** Set when a log or tag bears the stamp's name; it is looked at only by those who remove it. */
export let isForged: bool = false

export function forgedBegin(): void {
  isForged = false
}

/** Checks a tag of a span, or a field of a log. */
@inline
export function checkTag(at: usize, end: usize): bool {
  if (!readKeyValue(at, end)) return false
  if (isStampKey()) isForged = true
  return true
}

export function checkLog(at: usize, end: usize): bool {
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    const field = fieldNumber
    if (field > 2) {
      at = skipValue(at, end, wireType)
      if (at == 0) return false
      continue
    }
    if (wireType != 2) return false
    at = readLength(at, end)
    if (at == 0) return false
    const last = at + length
    if (!(field == 1 ? checkTimestamp(at, last) : checkTag(at, last))) return false
    at = last
  }
  return true
}

export function checkReference(at: usize, end: usize): bool {
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    const field = fieldNumber
    const type = wireType
    const valueAt = at
    at = skipValue(at, end, type)
    if (at == 0) return false
    if (field > 3) continue
    if (type != (field == 3 ? <u32>0 : <u32>2)) return false
    if (field < 3) {
      readLength(valueAt, end)
      if (length != 8 && (field == 2 || length != 16)) return false
    }
  }
  return true
}

let seconds: i64 = 0
let nanos: i32 = 0

/** 0001-01-01 and 10000-01-01. */
const SECONDS_MIN: i64 = -62135596800
const SECONDS_END: i64 = 253402300800
/** Seconds of 2^63 nanoseconds. */
const DURATION_MAX: i64 = 9223372036
const SECOND: i32 = 1000000000

export function checkTimestamp(at: usize, end: usize): bool {
  return readTime(at, end) && seconds >= SECONDS_MIN && seconds < SECONDS_END && nanos >= 0 && nanos < SECOND
}

export function checkDuration(at: usize, end: usize): bool {
  if (!readTime(at, end) || seconds < -DURATION_MAX || seconds > DURATION_MAX || nanos <= -SECOND || nanos >= SECOND) return false
  if ((seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0)) return false
  return nanos == 0 || (seconds * <i64>SECOND + <i64>nanos < 0) == nanos < 0
}

/** Timestamp and Duration: 1 seconds int64, 2 nanos int32. */
function readTime(at: usize, end: usize): bool {
  seconds = 0
  nanos = 0
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return false
    const field = fieldNumber
    if (field > 2) {
      at = skipValue(at, end, wireType)
      if (at == 0) return false
      continue
    }
    if (wireType != 0) return false
    at = readVarint(at, end)
    if (at == 0) return false
    if (field == 1) seconds = <i64>varint
    else nanos = <i32>varint
  }
  return true
}
