// Lists and maps of OTLP as JSON, for tags of Jaeger, which have neither. As Go's encoding/json writes it, of which the
// Collector makes such tags: `<`, `>`, `&`, U+2028 and U+2029 escaped, bytes as base64. Other than there, keys stay in the
// order in which they came, repeated ones too, and the numbers that JSON has not are texts ("NaN", "Infinity",
// "-Infinity", as in protobuf's JSON), where the Collector makes the whole tag empty. Integers keep all of their digits.

import { dtoa_buffered } from 'util/number'
import { ANY_BOOL, ANY_BYTES, ANY_DOUBLE, ANY_INT, ANY_LIST, ANY_MAP, ANY_TEXT, anyAt, anyBits, anyBytes, anyKind, bytesOf, keep, keyAt, keyBytes, next, readPair, readValue } from './otlp-to-jaeger-any'
import { out, outTo, putBytes, room } from './output'
import { fieldNumber, length, readLength, readTag, skipValue, wireType } from './wire'

const word_null = keep('null')
const word_true = keep('true')
const word_false = keep('false')
const hex = keep('0123456789abcdef')
const base64 = keep('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/')

/** Bytes of a text that are escaped before room is asked for again. Each may become six. */
const CHUNK: usize = 256
const scratch = memory.data(80)

@inline
export function putByte(byte: u32): void {
  store<u8>(out, byte)
  outTo(out + 1)
}

/** Writes a text that was kept. */
function putKept(text: usize): void {
  const bytes = bytesOf(text)
  if (room(bytes)) putBytes(text, bytes)
}

/** Writes a list or map that stands in a KeyValue (`isPair`) or an AnyValue; `from` is what `anyAt` said of it. */
export function putNested(at: usize, end: usize, isPair: bool, kind: u32, from: usize): void {
  if (!room(1)) return
  putByte(kind == ANY_LIST ? 0x5b : 0x7b)
  if (isPair) {
    for (let part = next(at, end, 2); part != 0; ) {
      const partEnd = part + length
      putMembers(part, partEnd, kind, from)
      part = next(partEnd, end, 2)
    }
  } else putMembers(at, end, kind, from)
  if (!room(1)) return
  putByte(kind == ANY_LIST ? 0x5d : 0x7d)
}

function putMembers(at: usize, end: usize, kind: u32, from: usize): void {
  while (at < end) {
    const start = at
    at = readTag(at, end)
    if (at == 0) return
    if (fieldNumber != kind || start < from) {
      at = skipValue(at, end, wireType)
      if (at == 0) return
      continue
    }
    at = readLength(at, end)
    if (at == 0) return
    const listEnd = at + length
    for (let member = next(at, listEnd, 1); member != 0; ) {
      const memberEnd = member + length
      if (kind == ANY_MAP) putMember(member, memberEnd)
      else putElement(member, memberEnd)
      member = next(memberEnd, listEnd, 1)
    }
    at = listEnd
  }
}

/** Whatever was written last, it ends in a bracket that opens only when it is one. */
function putComma(): void {
  if (!room(1)) return
  const last = load<u8>(out - 1)
  if (last != 0x5b && last != 0x7b) putByte(0x2c)
}

/** Writes a KeyValue as a member of an object, with a comma when it is not the first. */
export function putMember(at: usize, end: usize): void {
  putComma()
  readPair(at, end)
  putQuoted(keyAt, keyBytes)
  if (!room(1)) return
  putByte(0x3a)
  putScalarOr(at, end, true)
}

function putElement(at: usize, end: usize): void {
  putComma()
  readValue(at, end)
  putScalarOr(at, end, false)
}

/** Writes the value that was just read; the range is that of what was read. */
function putScalarOr(at: usize, end: usize, isPair: bool): void {
  switch (anyKind) {
    case ANY_TEXT:
      putQuoted(anyAt, anyBytes)
      break
    case ANY_BOOL:
      putKept(anyBits != 0 ? word_true : word_false)
      break
    case ANY_INT:
      putDigits(<i64>anyBits)
      break
    case ANY_DOUBLE:
      putDouble(anyBits)
      break
    case ANY_BYTES:
      putBase64(anyAt, anyBytes)
      break
    case ANY_LIST:
    case ANY_MAP:
      putNested(at, end, isPair, anyKind, anyAt)
      break
    default:
      putKept(word_null)
  }
}

function putQuoted(at: usize, bytes: usize): void {
  if (!room(1)) return
  putByte(0x22)
  const end = at + bytes
  while (at < end) {
    const chunkEnd = min(at + CHUNK, end)
    if (!room(CHUNK * 6 + 1)) return
    while (at < chunkEnd) {
      const byte = <u32>load<u8>(at)
      // U+2028 and U+2029 are e2 80 a8 and e2 80 a9.
      if (byte == 0xe2 && end - at >= 3 && load<u8>(at, 1) == 0x80 && (load<u8>(at, 2) & 0xfe) == 0xa8) {
        putUnicode(0x2020 | (<u32>load<u8>(at, 2) & 0xf))
        at += 3
        continue
      }
      if (byte >= 0x20 && byte != 0x22 && byte != 0x5c && byte != 0x3c && byte != 0x3e && byte != 0x26) putByte(byte)
      else putEscaped(byte)
      at++
    }
  }
  if (room(1)) putByte(0x22)
}

function putEscaped(byte: u32): void {
  let letter: u32 = 0
  if (byte == 0x22 || byte == 0x5c) letter = byte
  else if (byte == 0x08) letter = 0x62
  else if (byte == 0x09) letter = 0x74
  else if (byte == 0x0a) letter = 0x6e
  else if (byte == 0x0c) letter = 0x66
  else if (byte == 0x0d) letter = 0x72
  if (letter == 0) {
    putUnicode(byte)
    return
  }
  putByte(0x5c)
  putByte(letter)
}

function putUnicode(unit: u32): void {
  putByte(0x5c)
  putByte(0x75)
  for (let shift: i32 = 12; shift >= 0; shift -= 4) putByte(load<u8>(hex + <usize>(unit >> shift & 15)))
}

/** Writes bytes in hexadecimal digits. */
export function putHex(at: usize, bytes: usize): void {
  if (!room(bytes * 2)) return
  for (let i: usize = 0; i < bytes; i++) {
    const byte = <usize>load<u8>(at + i)
    putByte(load<u8>(hex + (byte >> 4)))
    putByte(load<u8>(hex + (byte & 15)))
  }
}

/** Writes a number in decimal digits. */
export function putDigits(value: i64): void {
  if (value < 0 && room(1)) putByte(0x2d)
  putUnsigned(value < 0 ? 0 - <u64>value : <u64>value)
}

export function putUnsigned(value: u64): void {
  const end = scratch + 20
  let at = end
  do {
    store<u8>(--at, 0x30 + <u32>(value % 10))
    value /= 10
  } while (value != 0)
  if (room(end - at)) putBytes(at, end - at)
}

function putDouble(bits: u64): void {
  const value = reinterpret<f64>(bits)
  if (!room(40)) return
  if (value == 0) {
    if (bits != 0) putByte(0x2d)
    putByte(0x30)
    return
  }
  const isNumber = isFinite(value)
  let units = dtoa_buffered(scratch, value)
  // A whole number comes with ".0".
  if (units > 2 && load<u32>(scratch + (<usize>units << 1) - 4) == 0x30002e) units -= 2
  if (!isNumber) putByte(0x22)
  for (let i: u32 = 0; i < units; i++) putByte(load<u16>(scratch + (<usize>i << 1)))
  if (!isNumber) putByte(0x22)
}

function putBase64(at: usize, bytes: usize): void {
  if (!room(2)) return
  putByte(0x22)
  const end = at + bytes
  for (; at < end; at += 3) {
    if (!room(5)) return
    const left = end - at
    let group = <u32>load<u8>(at) << 16
    if (left > 1) group |= <u32>load<u8>(at, 1) << 8
    if (left > 2) group |= <u32>load<u8>(at, 2)
    putByte(load<u8>(base64 + <usize>(group >> 18)))
    putByte(load<u8>(base64 + <usize>(group >> 12 & 63)))
    putByte(left > 1 ? load<u8>(base64 + <usize>(group >> 6 & 63)) : 0x3d)
    putByte(left > 2 ? load<u8>(base64 + <usize>(group & 63)) : 0x3d)
  }
  if (room(1)) putByte(0x22)
}
