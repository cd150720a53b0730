// Protobuf wire format (protobuf.dev, "Encoding"): a field is a varint tag (number << 3 | type) and a value.
//   0 varint (at most 10 bytes)   1 eight bytes   2 length and bytes   5 four bytes   3, 4 groups: not in proto3, refused
// A cursor is an address; 0 means that the input is malformed.

/** The value of the last `readVarint`. */
export let varint: u64 = 0

/** Reads a varint at `at`; the address behind it, or 0 when it does not end in time or exceeds 64 bits. */
export function readVarint(at: usize, end: usize): usize {
  let value: u64 = 0
  let shift: u64 = 0
  while (at < end) {
    const byte = <u64>load<u8>(at++)
    if (shift == 63 && byte > 1) return 0
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      varint = value
      return at
    }
    shift += 7
    if (shift > 63) return 0
  }
  return 0
}

/** Field number of the last `readTag`. */
export let fieldNumber: u32 = 0
/** Wire type of the last `readTag`. */
export let wireType: u32 = 0

/** Reads a tag; 0 when malformed, when the number is 0 or beyond 2^29 - 1, or when it opens or closes a group. */
export function readTag(at: usize, end: usize): usize {
  if (at >= end) return 0
  const byte = <u32>load<u8>(at)
  let tag: u64 = byte
  if (byte < 0x80) at++
  else {
    const next = readVarint(at, end)
    // Readers differ on tags longer than the five bytes that hold 32 bits; some refuse them.
    if (next == 0 || next - at > 5) return 0
    at = next
    tag = varint
    if (tag > 0xffffffff) return 0
  }
  fieldNumber = <u32>(tag >> 3)
  wireType = <u32>tag & 7
  if (fieldNumber == 0) return 0
  if (wireType == 3 || wireType == 4 || wireType > 5) return 0
  return at
}

/** Length of the last `readLength`. */
export let length: usize = 0

/** Reads a length and checks that so many bytes follow. */
export function readLength(at: usize, end: usize): usize {
  if (at >= end) return 0
  const byte = <usize>load<u8>(at)
  if (byte < 0x80) {
    at++
    length = byte
  } else {
    const second = <usize>load<u8>(at, 1)
    if (second < 0x80 && end - at >= 2) {
      at += 2
      length = (byte & 0x7f) | (second << 7)
    } else {
      at = readVarint(at, end)
      if (at == 0) return 0
      if (varint > <u64>(end - at)) return 0
      length = <usize>varint
    }
  }
  return length > end - at ? 0 : at
}

/** Skips the value of a field whose tag was just read; the address behind it, or 0. */
export function skipValue(at: usize, end: usize, type: u32): usize {
  if (type == 0) return readVarint(at, end)
  if (type == 1) return end - at < 8 ? 0 : at + 8
  if (type == 5) return end - at < 4 ? 0 : at + 4
  if (type == 2) {
    at = readLength(at, end)
    return at == 0 ? 0 : at + length
  }
  return 0
}

/** Bytes of `value` as a varint. */
@inline
export function varintBytes(value: u32): usize {
  if (value < 1 << 7) return 1
  if (value < 1 << 14) return 2
  if (value < 1 << 21) return 3
  if (value < 1 << 28) return 4
  return 5
}

/** Writes `value` as a varint; the address behind it. */
export function writeVarint(at: usize, value: u32): usize {
  while (value >= 0x80) {
    store<u8>(at++, value | 0x80)
    value >>= 7
  }
  store<u8>(at++, value)
  return at
}

/** True when no byte of the range is above 0x7f. Reads up to 15 bytes past the end, and does not mind them. */
export function isAscii(at: usize, end: usize): bool {
  let seen = i8x16.splat(0)
  while (at + 64 <= end) {
    const half = v128.or(v128.load(at), v128.load(at, 16))
    seen = v128.or(v128.or(seen, half), v128.or(v128.load(at, 32), v128.load(at, 48)))
    at += 64
  }
  while (at + 16 <= end) {
    seen = v128.or(seen, v128.load(at))
    at += 16
  }
  if (i8x16.bitmask(seen) != 0) return false
  const rest = <i32>(end - at)
  return rest == 0 || (i8x16.bitmask(v128.load(at)) & ((1 << rest) - 1)) == 0
}

/** True when the range is well-formed UTF-8 (Unicode 15, table 3-7: no surrogates, no overlong forms, at most U+10FFFF). */
export function isUtf8(at: usize, end: usize): bool {
  if (isAscii(at, end)) return true
  while (at < end) {
    const lead = <u32>load<u8>(at++)
    if (lead < 0x80) continue
    let more: usize
    let low: u32 = 0x80
    let high: u32 = 0xbf
    if (lead >= 0xc2 && lead <= 0xdf) more = 1
    else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2
      if (lead == 0xe0) low = 0xa0
      if (lead == 0xed) high = 0x9f
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3
      if (lead == 0xf0) low = 0x90
      if (lead == 0xf4) high = 0x8f
    } else return false
    if (more > end - at) return false
    const second = <u32>load<u8>(at)
    if (second < low || second > high) return false
    for (let i: usize = 1; i < more; i++) {
      if ((<u32>load<u8>(at + i) & 0xc0) != 0x80) return false
    }
    at += more
  }
  return true
}
