// Tags of Jaeger's model (jaeger-idl proto/api_v2/model.proto): KeyValue 1 key, 2 v_type (0 string, 1 bool, 2 int64,
// 3 float64, 4 binary), 3 v_str, 4 v_bool, 5 v_int64, 6 v_float64, 7 v_binary. What is 0, false or empty is left out. The
// tag of the field that holds a KeyValue has one byte.

import { ANY_BOOL, ANY_BYTES, ANY_DOUBLE, ANY_INT, ANY_LIST, ANY_MAP, ANY_TEXT, anyAt, anyBits, anyBytes, anyKind, bytesOf, keyAt, keyBytes, readPair } from './otlp-to-jaeger-any'
import { putNested } from './otlp-to-jaeger-json'
import { close, open, putFixed64, putTag, putText, putVarint, room, varint64Bytes } from './output'
import { varintBytes } from './wire'

const T_BOOL: u32 = 1
const T_INT64: u32 = 2
const T_FLOAT64: u32 = 3
const T_BINARY: u32 = 4

const V_STR: u32 = 0x1a
const V_BOOL: u32 = 0x20
const V_INT64: u32 = 0x28
const V_FLOAT64: u32 = 0x31
const V_BINARY: u32 = 0x3a

/** Writes the attribute in a KeyValue of OTLP. A list or map becomes a text of JSON, an attribute without a value an empty text. */
export function putAttribute(tag: u32, at: usize, end: usize): void {
  readPair(at, end)
  const kind = anyKind
  if (kind == ANY_TEXT) putData(tag, keyAt, keyBytes, 0, V_STR, anyAt, anyBytes)
  else if (kind == ANY_BYTES) putData(tag, keyAt, keyBytes, T_BINARY, V_BINARY, anyAt, anyBytes)
  else if (kind == ANY_INT) putNumber(tag, keyAt, keyBytes, T_INT64, V_INT64, anyBits)
  else if (kind == ANY_BOOL) putNumber(tag, keyAt, keyBytes, T_BOOL, V_BOOL, anyBits != 0 ? 1 : 0)
  else if (kind == ANY_DOUBLE) putNumber(tag, keyAt, keyBytes, T_FLOAT64, V_FLOAT64, anyBits)
  else if (kind == ANY_LIST || kind == ANY_MAP) {
    const mark = openText(tag, keyAt, keyBytes)
    if (mark == 0) return
    putNested(at, end, true, kind, anyAt)
    closeText(mark)
  } else putData(tag, keyAt, keyBytes, 0, V_STR, keyAt, 0)
}

/** Writes a tag with a text; `key` was kept. */
export function putTextTag(tag: u32, key: usize, valueAt: usize, valueBytes: usize): void {
  putData(tag, key, bytesOf(key), 0, V_STR, valueAt, valueBytes)
}

/** Writes a tag with a text, both kept. */
export function putWordTag(tag: u32, key: usize, word: usize): void {
  putTextTag(tag, key, word, bytesOf(word))
}

export function putTrueTag(tag: u32, key: usize): void {
  putNumber(tag, key, bytesOf(key), T_BOOL, V_BOOL, 1)
}

export function putIntTag(tag: u32, key: usize, value: u64): void {
  putNumber(tag, key, bytesOf(key), T_INT64, V_INT64, value)
}

/** The mark of the text's length; that of the tag's follows from it. */
let outerMark: usize = 0

/** Begins a tag with a text that is written next; 0 when there is no room. Such tags do not stand in each other. */
export function openText(tag: u32, key: usize, bytes: usize): usize {
  if (!room(bytes + 24)) return 0
  outerMark = open(tag)
  if (bytes != 0) putText(0x0a, key, bytes)
  return open(V_STR)
}

/** Ends it. */
export function closeText(mark: usize): void {
  close(mark)
  close(outerMark)
}

function putData(tag: u32, key: usize, bytes: usize, type: u32, valueTag: u32, valueAt: usize, valueBytes: usize): void {
  const size = headBytes(bytes, type) + (valueBytes == 0 ? 0 : 1 + varintBytes(<u32>valueBytes) + valueBytes)
  if (!room(size + 8)) return
  putHead(tag, size, key, bytes, type)
  if (valueBytes != 0) putText(valueTag, valueAt, valueBytes)
}

function putNumber(tag: u32, key: usize, bytes: usize, type: u32, valueTag: u32, bits: u64): void {
  const valueBytes: usize = bits == 0 ? 0 : 1 + (type == T_FLOAT64 ? 8 : varint64Bytes(bits))
  const size = headBytes(bytes, type) + valueBytes
  if (!room(size + 8)) return
  putHead(tag, size, key, bytes, type)
  if (bits == 0) return
  putTag(valueTag)
  if (type == T_FLOAT64) putFixed64(bits)
  else putVarint(bits)
}

@inline
function headBytes(bytes: usize, type: u32): usize {
  return (bytes == 0 ? 0 : 1 + varintBytes(<u32>bytes) + bytes) + (type == 0 ? 0 : 2)
}

function putHead(tag: u32, size: usize, key: usize, bytes: usize, type: u32): void {
  putTag(tag)
  putVarint(size)
  if (bytes != 0) putText(0x0a, key, bytes)
  if (type == 0) return
  putTag(0x10)
  putVarint(type)
}
