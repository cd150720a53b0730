// What a Jaeger span is made of in Thrift (jaegertracing/jaeger-idl thrift/jaeger.thrift), read by either protocol: tags and
// references. As in the readers that Apache's compiler generates, a field of another type than its own is passed over as
// an unknown one, a repeated field counts the last time, and a missing required field is malformed.

import { A_BOOL, A_BYTES, A_DOUBLE, A_INT, A_TEXT } from './attributes'
import { reference } from './jaeger-span'
import {
  Compact,
  T_BOOL,
  T_DOUBLE,
  T_I32,
  T_I64,
  T_STOP,
  T_STRING,
  T_STRUCT,
  boolean,
  doubleBits,
  elementCount,
  elementType,
  fault,
  fieldId,
  fieldType,
  integer,
  isCompact,
  readBool,
  readDouble,
  readField,
  readI32,
  readI64,
  readList,
  readText,
  skipField,
  textAt,
  textBytes,
} from './thrift'

/** The last tag that was read, as `attribute` takes it. */
export let tagKey: usize = 0
export let tagKeyBytes: usize = 0
export let tagType: u32 = 0
export let tagValue: u64 = 0
export let tagValueBytes: usize = 0

/** Reads the header of a list of structs; `elementCount` is 0 for an empty one of whatever type. */
@inline
export function readStructs<P>(at: usize, end: usize): usize {
  const listAt = at
  at = readList<P>(at, end)
  if (at != 0 && elementCount != 0 && elementType != T_STRUCT) return fault(listAt)
  return at
}

/** Tag: 1 key, 2 vType (0 string, 1 double, 2 bool, 3 long, 4 binary), 3 vStr, 4 vDouble, 5 vBool, 6 vLong, 7 vBinary. */
@inline
export function readTag<P>(at: usize, end: usize): usize {
  const next = isCompact<P>() ? readUsualCompact(at, end) : readUsualBinary(at, end)
  return next != 0 && next <= end ? next : readAnyTag<P>(at, end)
}

/**
 * A tag as nearly all are: key, type and the value of this type, lengths below 128. 0 when it is another one. What is read
 * behind `end` is somebody else's, and is not used.
 */
function readUsualCompact(at: usize, end: usize): usize {
  const keyBytes = <usize>load<u8>(at, 1)
  if (load<u8>(at) != 0x18 || keyBytes >= 0x80) return 0
  tagKey = at + 2
  tagKeyBytes = keyBytes
  at += keyBytes + 2
  if (at >= end || load<u8>(at) != 0x15) return 0
  const type = load<u8>(at, 1)
  const head = load<u8>(at, 2)
  if (type == 0) {
    const bytes = <usize>load<u8>(at, 3)
    if (head != 0x18 || bytes >= 0x80) return 0
    tagType = A_TEXT
    tagValue = <u64>(at + 4)
    tagValueBytes = bytes
    at += bytes + 4
  } else {
    tagValueBytes = 0
    if (type == 6) {
      if (head != 0x46) return 0
      at = readI64<Compact>(at + 3, end)
      if (at == 0) return 0
      tagType = A_INT
      tagValue = <u64>integer
    } else if (type == 4) {
      if (head != 0x31 && head != 0x32) return 0
      tagType = A_BOOL
      tagValue = head == 0x31 ? 1 : 0
      at += 3
    } else if (type == 2) {
      if (head != 0x27) return 0
      tagType = A_DOUBLE
      tagValue = load<u64>(at, 3)
      at += 11
    } else return 0
  }
  return at < end && load<u8>(at) == 0 ? at + 1 : 0
}

/** The same in the binary protocol, for texts of any length. */
function readUsualBinary(at: usize, end: usize): usize {
  if ((load<u32>(at) & 0xffffff) != 0x01000b) return 0
  const keyBytes = <usize>bswap(load<u32>(at, 3))
  if (keyBytes > end - at) return 0
  tagKey = at + 7
  tagKeyBytes = keyBytes
  at += keyBytes + 7
  if (at >= end || (load<u32>(at) & 0xffffff) != 0x020008) return 0
  const type = bswap(load<u32>(at, 3))
  const head = load<u32>(at, 7) & 0xffffff
  if (type == 0) {
    const bytes = <usize>bswap(load<u32>(at, 10))
    if (head != 0x03000b || bytes > end - at) return 0
    tagType = A_TEXT
    tagValue = <u64>(at + 14)
    tagValueBytes = bytes
    at += bytes + 14
  } else {
    tagValueBytes = 0
    if (type == 3) {
      if (head != 0x06000a) return 0
      tagType = A_INT
      tagValue = bswap(load<u64>(at, 10))
      at += 18
    } else if (type == 2) {
      if (head != 0x050002) return 0
      tagType = A_BOOL
      tagValue = load<u8>(at, 10) == 1 ? 1 : 0
      at += 11
    } else if (type == 1) {
      if (head != 0x040004) return 0
      tagType = A_DOUBLE
      tagValue = bswap(load<u64>(at, 10))
      at += 18
    } else return 0
  }
  return at < end && load<u8>(at) == 0 ? at + 1 : 0
}

function readAnyTag<P>(at: usize, end: usize): usize {
  let seen: u32 = 0
  let id: i32 = 0
  let type: i64 = 0
  let text: usize = 0
  let bytes: usize = 0
  let bits: u64 = 0
  let isTrue: bool = false
  let long: u64 = 0
  let binary: usize = 0
  let binaryBytes: usize = 0
  // The type of the last value, for a tag whose own type is unknown.
  let any: i64 = 0
  while (true) {
    at = readField<P>(at, end, id)
    if (at == 0) return 0
    if (fieldType == T_STOP) break
    id = fieldId
    if (id == 1 && fieldType == T_STRING) {
      at = readText<P>(at, end)
      tagKey = textAt
      tagKeyBytes = textBytes
      seen |= 1
    } else if (id == 2 && fieldType == T_I32) {
      at = readI32<P>(at, end)
      type = integer
      seen |= 2
    } else if (id == 3 && fieldType == T_STRING) {
      at = readText<P>(at, end)
      text = textAt
      bytes = textBytes
      any = 0
    } else if (id == 6 && fieldType == T_I64) {
      at = readI64<P>(at, end)
      long = <u64>integer
      any = 3
    } else if (id == 5 && fieldType == T_BOOL) {
      at = readBool<P>(at, end)
      isTrue = boolean
      any = 2
    } else if (id == 4 && fieldType == T_DOUBLE) {
      at = readDouble<P>(at, end)
      bits = doubleBits
      any = 1
    } else if (id == 7 && fieldType == T_STRING) {
      at = readText<P>(at, end)
      binary = textAt
      binaryBytes = textBytes
      any = 4
    } else at = skipField<P>(at, end)
    if (at == 0) return 0
  }
  if (seen != 3) return fault(at - 1)
  if (<u64>type > 4) type = any
  tagValueBytes = 0
  switch (<u32>type) {
    case 1:
      tagType = A_DOUBLE
      tagValue = bits
      break
    case 2:
      tagType = A_BOOL
      tagValue = isTrue ? 1 : 0
      break
    case 3:
      tagType = A_INT
      tagValue = long
      break
    case 4:
      tagType = A_BYTES
      tagValue = <u64>binary
      tagValueBytes = binaryBytes
      break
    default:
      tagType = A_TEXT
      tagValue = <u64>text
      tagValueBytes = bytes
  }
  return at
}

/** Reads the references of a span into their table. SpanRef: 1 refType, 2 traceIdLow, 3 traceIdHigh, 4 spanId, all required. */
export function readReferences<P>(at: usize, end: usize): usize {
  at = readStructs<P>(at, end)
  if (at == 0) return 0
  const count = elementCount
  for (let i: u32 = 0; i < count; i++) {
    at = readReference<P>(at, end)
    if (at == 0) return 0
  }
  return at
}

function readReference<P>(at: usize, end: usize): usize {
  let seen: u32 = 0
  let id: i32 = 0
  let type: i32 = 0
  let low: u64 = 0
  let high: u64 = 0
  let spanId: u64 = 0
  while (true) {
    at = readField<P>(at, end, id)
    if (at == 0) return 0
    if (fieldType == T_STOP) break
    id = fieldId
    if (id == 1 && fieldType == T_I32) {
      at = readI32<P>(at, end)
      type = <i32>integer
    } else if (id >= 2 && id <= 4 && fieldType == T_I64) {
      at = readI64<P>(at, end)
      if (id == 2) low = <u64>integer
      else if (id == 3) high = <u64>integer
      else spanId = <u64>integer
    } else {
      at = skipField<P>(at, end)
      if (at == 0) return 0
      continue
    }
    if (at == 0) return 0
    seen |= 1 << id
  }
  if (seen != 0x1e) return fault(at - 1)
  reference(high, low, spanId, type == 0 ? 0 : 1)
  return at
}
