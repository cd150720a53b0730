// Snappy block format (google/snappy format_description.txt): a varint with the inflated length, then elements. The two
// low bits of an element's first byte say what follows:
//   00 literal, length in the upper six bits plus one (60..63: in 1..4 further bytes, little endian)
//   01 copy of 4..11 bytes, 11-bit offset    10 copy of 1..64 bytes, 16-bit offset    11 the same, 32-bit offset
// A copy may overlap what it writes (offset < length repeats a pattern).

import { E_MEMORY, E_SNAPPY, E_TOO_LARGE, SLACK, arenaTake, copyLoose } from './memory'

/** The length that the block announces, read before anything is reserved for it; E_SNAPPY when there is none. */
export function snappyLength(input: usize, bytes: usize): i64 {
  let value: u64 = 0
  let shift: u64 = 0
  for (let at: usize = 0; at < bytes && at < 5; at++) {
    const byte = <u64>load<u8>(input + at)
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) return value > 0xffffffff ? E_SNAPPY : <i64>value
    shift += 7
  }
  return E_SNAPPY
}

/** Start of the last inflated payload. */
export let inflated: usize = 0

/** Inflates the block into a new region of at most `bytesMax` bytes: its length, or E_SNAPPY, E_TOO_LARGE, E_MEMORY. */
export function snappyInflate(input: usize, bytes: usize, bytesMax: usize): i32 {
  const announced = snappyLength(input, bytes)
  if (announced < 0) return E_SNAPPY
  if (<usize>announced > bytesMax) return E_TOO_LARGE
  // An element of three bytes writes at most 64: a block that announces more than its bytes can make is a lie, and
  // costs nothing.
  if (announced > <i64>bytes * 32) return E_SNAPPY
  const base = arenaTake(<usize>announced)
  if (base == 0) return E_MEMORY
  inflated = base
  const end = base + <usize>announced
  const last = input + bytes
  let at = input
  while (load<u8>(at) >= 0x80) at++
  at++
  let out = base
  while (at < last) {
    const tag = <usize>load<u8>(at++)
    let length: usize
    let offset: usize
    const kind = tag & 3
    if (kind == 0) {
      length = (tag >> 2) + 1
      if (length > 60) {
        const more = length - 60
        if (at + more > last) return E_SNAPPY
        const word = <usize>load<u32>(at)
        length = (more == 4 ? word : word & ((<usize>1 << (more << 3)) - 1)) + 1
        if (length == 0) return E_SNAPPY
        at += more
      }
      if (length > last - at || length > end - out) return E_SNAPPY
      copyLoose(out, at, length)
      at += length
      out += length
      continue
    }
    if (kind == 1) {
      if (at >= last) return E_SNAPPY
      length = 4 + ((tag >> 2) & 7)
      offset = ((tag >> 5) << 8) | <usize>load<u8>(at)
      at += 1
    } else if (kind == 2) {
      if (last - at < 2) return E_SNAPPY
      length = 1 + (tag >> 2)
      offset = <usize>load<u16>(at)
      at += 2
    } else {
      if (last - at < 4) return E_SNAPPY
      length = 1 + (tag >> 2)
      offset = <usize>load<u32>(at)
      at += 4
    }
    if (offset == 0 || offset > out - base || length > end - out) return E_SNAPPY
    const source = out - offset
    if (offset >= 16) {
      // At most 64 bytes in steps of 16; what is written past the end is overwritten or lies in the slack.
      v128.store(out, v128.load(source))
      if (length > 16) {
        v128.store(out + 16, v128.load(source + 16))
        if (length > 32) {
          v128.store(out + 32, v128.load(source + 32))
          if (length > 48) v128.store(out + 48, v128.load(source + 48))
        }
      }
    } else if (offset >= 8) {
      for (let i: usize = 0; i < length; i += 8) store<u64>(out + i, load<u64>(source + i))
    } else {
      for (let i: usize = 0; i < length; i++) store<u8>(out + i, load<u8>(source + i))
    }
    out += length
  }
  return out == end ? <i32>announced : E_SNAPPY
}
