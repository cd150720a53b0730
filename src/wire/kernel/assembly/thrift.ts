// Thrift's binary and compact protocols (apache/thrift doc/specs/thrift-binary-protocol.md, thrift-compact-protocol.md), as
// they stand on the wire:
//
//            binary                                     compact
//   field    type byte, i16 id; stop 0x00               id delta and type in one byte, or type and zigzag id; stop 0x00
//   ints     big endian, fixed                          zigzag varint; i8 one byte
//   double   eight bytes, big endian                    eight bytes, little endian
//   bool     one byte                                   in the field's type (1 true, 2 false); in a list one byte, 1 is true
//   string   i32 length and bytes                       varint length and bytes
//   list     type byte, i32 count                       count and type in one byte, or 15 and a varint count
//   map      two type bytes, i32 count                  varint count, then (if not 0) both types in one byte
//
// A reader is compiled for each of them: its type parameter `P` is `Binary` or `Compact`. The codes of types are those of the
// binary protocol for both. A cursor is an address; 0 means that the input is malformed, and `faultAt` then says where.

import { E_METHOD, E_THRIFT } from './memory'

/** The protocols; only the width of the types tells them apart. */
export type Binary = u8
export type Compact = u16

export const T_STOP: u32 = 0
export const T_BOOL: u32 = 2
export const T_DOUBLE: u32 = 4
export const T_I16: u32 = 6
export const T_I32: u32 = 8
export const T_I64: u32 = 10
export const T_STRING: u32 = 11
export const T_STRUCT: u32 = 12
const T_MAP: u32 = 13
const T_SET: u32 = 14
export const T_LIST: u32 = 15
/** What a byte that is no type's code becomes. */
const T_NONE: u32 = 16

/** Levels of structs and collections below a value that is skipped; Apache's own readers stop here too. */
const LEVELS: i32 = 64

/** Address at which the last malformed input is at fault. */
export let faultAt: usize = 0

/** Says that the input is malformed at `at`. */
export function fault(at: usize): usize {
  faultAt = at
  return 0
}

@inline
export function isCompact<P>(): bool {
  return sizeof<P>() == 2
}

// By the compact codes: stop, true, false, i8, i16, i32, i64, double, binary, list, set, map, struct, and three that are none.
// prettier-ignore
const typeOfCompact = memory.data<u8>([0, 2, 2, 3, 6, 8, 10, 4, 11, 15, 14, 13, 12, 16, 16, 16])
// Bytes that a value takes at least, by the binary codes; 0 for what is no type (binary 7, 9, 1, 5, 16 and up, and stop).
const leastBinary = memory.data<u8>([0, 0, 1, 1, 8, 0, 2, 0, 4, 0, 8, 4, 1, 6, 5, 5, 0])
const leastCompact = memory.data<u8>([0, 0, 1, 1, 8, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1, 0])

@inline
function leastOf<P>(type: u32): usize {
  return <usize>load<u8>((isCompact<P>() ? leastCompact : leastBinary) + <usize>type)
}

/** Type of the field of the last `readField`; T_STOP at the end of its struct. */
export let fieldType: u32 = 0
/** Id of that field. A reader of a compact struct hands it on to the next `readField`, and 0 to the first. */
export let fieldId: i32 = 0
/** The value of that field when its type is T_BOOL, in the compact protocol. */
let headerBool: bool = false

/** Reads the header of a struct's next field, after the field `lastId`. */
@inline
export function readField<P>(at: usize, end: usize, lastId: i32): usize {
  if (at >= end) return fault(at)
  const byte = <u32>load<u8>(at)
  if (isCompact<P>()) {
    const code = byte & 15
    fieldType = <u32>load<u8>(typeOfCompact + <usize>code)
    headerBool = code == 1
    if (byte > 15) {
      // A byte of this kind whose type is stop ends the struct too, as in Apache's readers.
      fieldId = <i32><i16>(lastId + <i32>(byte >> 4))
      return at + 1
    }
    return code == 0 ? at + 1 : readLongId(at + 1, end)
  }
  if (byte == 0) {
    fieldType = T_STOP
    return at + 1
  }
  if (end - at < 3) return fault(end)
  fieldType = min(byte, T_NONE)
  fieldId = <i32><i16>bswap(load<u16>(at, 1))
  return at + 3
}

function readLongId(at: usize, end: usize): usize {
  at = readVarint64(at, end)
  fieldId = <i32><i16>zigzag(integer)
  return at
}

/** The value of the last integer that was read, its sign extended; the varint itself after `readVarint64`. */
export let integer: i64 = 0

@inline
function zigzag(value: u64): i64 {
  return <i64>(value >> 1) ^ -(<i64>value & 1)
}

/** Reads a varint of the compact protocol into `integer`. Bits beyond the 64th are lost, as in Apache's readers. */
@inline
function readVarint64(at: usize, end: usize): usize {
  if (at < end) {
    const byte = <i64>load<u8>(at)
    if (byte < 0x80) {
      integer = byte
      return at + 1
    }
  }
  return readLongVarint(at, end)
}

function readLongVarint(at: usize, end: usize): usize {
  // Eight bytes at once, which may lie behind the end: the first one below 0x80 is the last, and the groups of seven bits
  // are pushed together.
  const word = load<u64>(at)
  const stops = ~word & 0x8080808080808080
  let next: usize
  let value: u64
  if (stops != 0) {
    const bits = <u64>ctz(stops) + 1
    value = packed(bits == 64 ? word : word & ((<u64>1 << bits) - 1))
    next = at + <usize>(bits >> 3)
  } else {
    const ninth = <u64>load<u8>(at, 8)
    value = packed(word) | ((ninth & 0x7f) << 56)
    next = at + 9
    if (ninth >= 0x80) {
      const tenth = <u64>load<u8>(at, 9)
      if (tenth >= 0x80) return fault(min(at, end))
      value |= tenth << 63
      next = at + 10
    }
  }
  if (next > end) return fault(end)
  integer = <i64>value
  return next
}

/** The low seven bits of each of eight bytes, one behind the other. */
@inline
function packed(word: u64): u64 {
  word = (word & 0x007f007f007f007f) | ((word & 0x7f007f007f007f00) >> 1)
  word = (word & 0x00003fff00003fff) | ((word & 0x3fff00003fff0000) >> 2)
  return (word & 0x000000000fffffff) | ((word & 0x0fffffff00000000) >> 4)
}

@inline
export function readI64<P>(at: usize, end: usize): usize {
  if (isCompact<P>()) {
    at = readVarint64(at, end)
    integer = zigzag(integer)
    return at
  }
  if (end - at < 8) return fault(end)
  integer = <i64>bswap(load<u64>(at))
  return at + 8
}

@inline
export function readI32<P>(at: usize, end: usize): usize {
  if (isCompact<P>()) {
    at = readVarint64(at, end)
    // A varint of 32 bits; what is above them is lost, as in Apache's readers.
    const value = <u32>integer
    integer = <i64>(<i32>(value >> 1) ^ -(<i32>value & 1))
    return at
  }
  if (end - at < 4) return fault(end)
  integer = <i64><i32>bswap(load<u32>(at))
  return at + 4
}

@inline
export function readI16<P>(at: usize, end: usize): usize {
  if (isCompact<P>()) {
    at = readI32<P>(at, end)
    integer = <i64><i16>integer
    return at
  }
  if (end - at < 2) return fault(end)
  integer = <i64><i16>bswap(load<u16>(at))
  return at + 2
}

/** Bits of the last `readDouble` (IEEE 754). */
export let doubleBits: u64 = 0

@inline
export function readDouble<P>(at: usize, end: usize): usize {
  if (end - at < 8) return fault(end)
  const bits = load<u64>(at)
  doubleBits = isCompact<P>() ? bits : bswap(bits)
  return at + 8
}

/** The last bool that was read. */
export let boolean: bool = false

/** Reads the value of the field of type T_BOOL whose header was just read. */
@inline
export function readBool<P>(at: usize, end: usize): usize {
  if (isCompact<P>()) {
    boolean = headerBool
    return at
  }
  if (at >= end) return fault(at)
  boolean = load<u8>(at) == 1
  return at + 1
}

/** Where the last string or binary begins, and its bytes. */
export let textAt: usize = 0
export let textBytes: usize = 0

/** Reads the length of a string or binary; the address behind its bytes. */
@inline
export function readText<P>(at: usize, end: usize): usize {
  if (isCompact<P>()) {
    at = readVarint64(at, end)
    if (at == 0) return 0
    const bytes = <u32>integer
    if (<usize>bytes > end - at) return fault(at)
    textAt = at
    textBytes = <usize>bytes
    return at + <usize>bytes
  }
  if (end - at < 4) return fault(end)
  const bytes = bswap(load<u32>(at))
  at += 4
  // A negative length is a large one here.
  if (<usize>bytes > end - at) return fault(at - 4)
  textAt = at
  textBytes = <usize>bytes
  return at + <usize>bytes
}

/** Type of the elements of the last list or set, and their number. */
export let elementType: u32 = 0
export let elementCount: u32 = 0

/** Reads the header of a list or set. There are no more elements than the bytes left can hold. */
export function readList<P>(at: usize, end: usize): usize {
  const listAt = at
  if (at >= end) return fault(at)
  const byte = <u32>load<u8>(at)
  let type: u32
  let count: u32
  if (isCompact<P>()) {
    at++
    type = <u32>load<u8>(typeOfCompact + <usize>(byte & 15))
    count = byte >> 4
    if (count == 15) {
      at = readVarint64(at, end)
      if (at == 0) return 0
      count = <u32>integer
    }
  } else {
    if (end - at < 5) return fault(end)
    type = min(byte, T_NONE)
    count = bswap(load<u32>(at, 1))
    at += 5
  }
  if (count != 0) {
    const least = leastOf<P>(type)
    if (least == 0 || <u64>count * <u64>least > <u64>(end - at)) return fault(listAt)
  }
  elementType = type
  elementCount = count
  return at
}

/** Skips the value of the field whose header was just read. */
export function skipField<P>(at: usize, end: usize): usize {
  // A bool stands in its field's header.
  if (isCompact<P>() && fieldType == T_BOOL) return at
  return skipThrift<P>(at, end, fieldType, LEVELS)
}

/** Skips a value of `type`, not a field's bool of the compact protocol, in which `levels` more may stand in each other. */
function skipThrift<P>(at: usize, end: usize, type: u32, levels: i32): usize {
  if (type == T_STRING) return readText<P>(at, end)
  if (type == T_STRUCT) return skipStruct<P>(at, end, levels)
  if (type == T_LIST || type == T_SET) {
    if (levels == 0) return fault(at)
    at = readList<P>(at, end)
    if (at == 0) return 0
    return skipElements<P>(at, end, elementType, T_NONE, elementCount, levels - 1)
  }
  if (type == T_MAP) return levels == 0 ? fault(at) : skipMap<P>(at, end, levels - 1)
  const bytes = leastOf<P>(type)
  if (bytes == 0) return fault(at)
  if (isCompact<P>() && (type == T_I16 || type == T_I32 || type == T_I64)) return readVarint64(at, end)
  return bytes > end - at ? fault(end) : at + bytes
}

function skipStruct<P>(at: usize, end: usize, levels: i32): usize {
  if (levels == 0) return fault(at)
  let id: i32 = 0
  while (true) {
    at = readField<P>(at, end, id)
    if (at == 0 || fieldType == T_STOP) return at
    id = fieldId
    if (isCompact<P>() && fieldType == T_BOOL) continue
    at = skipThrift<P>(at, end, fieldType, levels - 1)
    if (at == 0) return 0
  }
}

function skipMap<P>(at: usize, end: usize, levels: i32): usize {
  const mapAt = at
  let key: u32
  let value: u32
  let count: u32
  if (isCompact<P>()) {
    at = readVarint64(at, end)
    if (at == 0) return 0
    count = <u32>integer
    if (count == 0) return at
    if (at >= end) return fault(at)
    const types = <u32>load<u8>(at++)
    key = <u32>load<u8>(typeOfCompact + <usize>(types >> 4))
    value = <u32>load<u8>(typeOfCompact + <usize>(types & 15))
  } else {
    if (end - at < 6) return fault(end)
    key = min(<u32>load<u8>(at), T_NONE)
    value = min(<u32>load<u8>(at, 1), T_NONE)
    count = bswap(load<u32>(at, 2))
    at += 6
    if (count == 0) return at
  }
  const keyLeast = leastOf<P>(key)
  const valueLeast = leastOf<P>(value)
  if (keyLeast == 0 || valueLeast == 0) return fault(mapAt)
  if (<u64>count * <u64>(keyLeast + valueLeast) > <u64>(end - at)) return fault(mapAt)
  return skipElements<P>(at, end, key, value, count, levels)
}

/** Skips `count` values of the type `first`, each followed by one of the type `second` unless that is T_NONE. */
function skipElements<P>(at: usize, end: usize, first: u32, second: u32, count: u32, levels: i32): usize {
  for (let i: u32 = 0; i < count; i++) {
    at = skipThrift<P>(at, end, first, levels)
    if (at == 0) return 0
    if (second == T_NONE) continue
    at = skipThrift<P>(at, end, second, levels)
    if (at == 0) return 0
  }
  return at
}

// ---- the envelope of an agent's datagram ----------------------------------------------------------------------------------

/** What the method's first argument holds: where its value begins (a Batch struct, or a list header), and the end of the bytes. */
export let argumentAt: usize = 0
export let argumentEnd: usize = 0

/**
 * Reads a message's envelope and the header of its argument. 1 for emitBatch, 2 for emitZipkinBatch, E_METHOD for another
 * name, E_THRIFT for anything else. The type of the message does not matter, as in Jaeger's agent. Bytes behind the message
 * are nobody's, and are not looked at.
 */
export function readEnvelope(protocol: i32, at: usize, bytes: usize): i32 {
  const end = at + bytes
  argumentEnd = end
  at = protocol == 0 ? readBinaryHead(at, end) : readCompactHead(at, end)
  if (at == 0) return E_THRIFT
  const method = methodOf(textAt, textBytes)
  if (method == 0) return E_METHOD
  argumentAt = protocol == 0 ? findArgument<Binary>(at, end, method) : findArgument<Compact>(at, end, method)
  return argumentAt == 0 ? E_THRIFT : method
}

/** Strict: 0x8001, an unused byte, the type, name, i32. Old: name, the type's byte, i32. */
function readBinaryHead(at: usize, end: usize): usize {
  if (end - at < 4) return fault(end)
  const word = bswap(load<u32>(at))
  let typeBytes: usize = 1
  if (<i32>word < 0) {
    if ((word & 0xffff0000) != 0x80010000) return fault(at)
    at += 4
    typeBytes = 0
  }
  at = readText<Binary>(at, end)
  if (at == 0) return 0
  return end - at < typeBytes + 4 ? fault(end) : at + typeBytes + 4
}

/** 0x82, the type and the version 1 in one byte, varint sequence, name. */
function readCompactHead(at: usize, end: usize): usize {
  if (end - at < 2) return fault(end)
  if (load<u8>(at) != 0x82 || (load<u8>(at, 1) & 0x1f) != 1) return fault(at)
  at = readVarint64(at + 2, end)
  return at == 0 ? 0 : readText<Compact>(at, end)
}

function methodOf(at: usize, bytes: usize): i32 {
  // "emitBatc" "h"
  if (bytes == 9) return load<u64>(at) == 0x6374614274696d65 && load<u8>(at, 8) == 0x68 ? 1 : 0
  // "emitZipk" "inBatch" after its first byte
  if (bytes == 15) return load<u64>(at) == 0x6b70695a74696d65 && load<u64>(at, 7) == 0x68637461426e696b ? 2 : 0
  return 0
}

function findArgument<P>(at: usize, end: usize, method: i32): usize {
  const type = method == 1 ? T_STRUCT : T_LIST
  let id: i32 = 0
  while (true) {
    at = readField<P>(at, end, id)
    if (at == 0) return 0
    if (fieldType == T_STOP) return fault(at - 1)
    id = fieldId
    if (id == 1 && fieldType == type) return at
    at = skipField<P>(at, end)
    if (at == 0) return 0
  }
}
