// Attributes of OTLP while they become tags of Jaeger (opentelemetry-proto common/v1): KeyValue 1 key, 2 value (AnyValue).
// AnyValue, of which the last one set counts: 1 string, 2 bool, 3 int64, 4 double, 5 ArrayValue, 6 KeyValueList, 7 bytes,
// 8 an index that only profiles have. ArrayValue and KeyValueList: 1 values.
//
// All of it has been checked (`otlp-schema.ts`). A message that comes in parts is read as if the parts stood one behind the
// other, which is how protobuf merges them.

import { sameBytes } from './memory'
import { fieldNumber, length, readLength, readTag, readVarint, skipValue, varint, wireType } from './wire'

/** Kinds of value are their field's numbers; 0 is none. */
export const ANY_TEXT: u32 = 1
export const ANY_BOOL: u32 = 2
export const ANY_INT: u32 = 3
export const ANY_DOUBLE: u32 = 4
export const ANY_LIST: u32 = 5
export const ANY_MAP: u32 = 6
export const ANY_BYTES: u32 = 7

/** Key of the last `readPair`. */
export let keyAt: usize = 0
export let keyBytes: usize = 0
/** What the last `readPair` or `readValue` met. */
export let anyKind: u32 = 0
/** A text or bytes: where they are. A list or map: where the first field begins that belongs to it. */
export let anyAt: usize = 0
export let anyBytes: usize = 0
/** A bool, an int or the bits of a double. */
export let anyBits: u64 = 0

/** Where the content of the next field `field`, which has a length, begins; its bytes are in `length`. 0 when there is none. */
export function next(at: usize, end: usize, field: u32): usize {
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return 0
    if (fieldNumber == field && wireType == 2) return readLength(at, end)
    at = skipValue(at, end, wireType)
    if (at == 0) return 0
  }
  return 0
}

/** Reads a KeyValue. */
export function readPair(at: usize, end: usize): void {
  if (!readPlainPair(at, end)) readAnyPair(at, end)
}

/** The common one: a key and a text, once each, both shorter than 128 bytes. */
@inline
function readPlainPair(at: usize, end: usize): bool {
  const keySize = <usize>load<u8>(at, 1)
  const value = at + 2 + (keySize & 0x7f)
  const size = <usize>load<u8>(value, 1)
  if (load<u16>(value, 2) != (0x0a | <u32>(size - 2) << 8) || load<u8>(at) != 0x0a || load<u8>(value) != 0x12) return false
  if ((keySize | size) >= 0x80 || value + 2 + size != end) return false
  keyAt = at + 2
  keyBytes = keySize
  anyKind = ANY_TEXT
  anyAt = value + 4
  anyBytes = size - 2
  return true
}

function readAnyPair(at: usize, end: usize): void {
  keyAt = at
  keyBytes = 0
  anyKind = 0
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return
    const field = fieldNumber
    if (wireType != 2) {
      at = skipValue(at, end, wireType)
      if (at == 0) return
      continue
    }
    at = readLength(at, end)
    if (at == 0) return
    const valueEnd = at + length
    if (field == 1) {
      keyAt = at
      keyBytes = length
    } else if (field == 2) readFields(at, valueEnd)
    at = valueEnd
  }
}

/** Reads an AnyValue. */
export function readValue(at: usize, end: usize): void {
  anyKind = 0
  readFields(at, end)
}

function readFields(at: usize, end: usize): void {
  while (at < end) {
    const start = at
    at = readTag(at, end)
    if (at == 0) return
    const field = fieldNumber
    const type = wireType
    const valueAt = at
    at = skipValue(at, end, type)
    if (at == 0) return
    if (field > 8) continue
    if (field == ANY_LIST || field == ANY_MAP) {
      if (anyKind != field) anyAt = start
      anyKind = field
      continue
    }
    anyKind = field == 8 ? 0 : field
    if (field == ANY_TEXT || field == ANY_BYTES) {
      anyAt = readLength(valueAt, end)
      anyBytes = length
    } else if (field == ANY_DOUBLE) anyBits = load<u64>(valueAt)
    else {
      readVarint(valueAt, end)
      anyBits = varint
    }
  }
}

// Texts of ASCII that stay where they are, each behind its length.
const texts = memory.data(768)
let textsEnd: usize = texts

/** Puts a text where it stays; its address. */
export function keep(text: string): usize {
  store<u32>(textsEnd, text.length)
  const at = textsEnd + 4
  textsEnd = at + <usize>text.length
  for (let i = 0; i < text.length; i++) store<u8>(at + <usize>i, text.charCodeAt(i))
  return at
}

/** Bytes of a text that was kept. */
@inline
export function bytesOf(text: usize): usize {
  return <usize>load<u32>(text - 4)
}

/** Whether the range holds that text. */
@inline
export function isText(at: usize, bytes: usize, text: usize): bool {
  return bytes == bytesOf(text) && sameBytes(at, text, bytes)
}
