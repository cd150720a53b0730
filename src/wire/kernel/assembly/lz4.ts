// A block of LZ4 (lz4/lz4 doc/lz4_Block_format.md): sequences of
//   token     upper four bits: literals, lower four: bytes of the match less 4; 15 goes on in further bytes, each added,
//             until one is below 255
//   literals
//   offset    16 bits, little endian, 1 to 65535 bytes back from here; the match may overlap what it writes
// The last sequence ends behind its literals, which are 5 bytes at least; no match begins in the last 12 bytes.
//
// The table has the place at which each hash of six bytes was met last, as the low 16 bits of its address less the
// block's: what is 64 KiB old is overwritten or out of reach, and the distance needs no check against the block's begin.
// Two neighbouring places are looked at, then as many are left out as the literals are old. What makes it fast was
// measured: docs/performance.md.

import { arenaReset, arenaTake } from './memory'

const TABLE_BITS: i32 = 13
const TABLE_BYTES: usize = 2 << TABLE_BITS
/** Bytes at the end of a block in which no match is looked for: more than the format asks for, so that words may be read. */
const TAIL: usize = 20
/** The format's own. */
const LITERALS_LAST: usize = 5
/** How many times 32 places in vain before one more is left out; where it begins, one is left out at once. */
const VAIN_SHIFT: usize = 5
const VAIN_FIRST: usize = 1 << VAIN_SHIFT
/** Shifts a word's first six bytes to its top. */
const SIX: u64 = 16

let table: usize = 0
/** Where the host puts a block, and where it finds the compressed one. */
export let lz4Input: usize = 0
export let lz4Output: usize = 0

/** Lays out memory for blocks of up to `bytesMax` bytes, forgetting all else. False when there is not enough. */
export function lz4Reserve(bytesMax: usize): bool {
  arenaReset()
  table = arenaTake(TABLE_BYTES)
  lz4Input = arenaTake(bytesMax)
  lz4Output = arenaTake(bytesMax + bytesMax / 255 + 16)
  return table != 0 && lz4Input != 0 && lz4Output != 0
}

/** Compresses the block of `bytes` bytes at `lz4Input`: the bytes at `lz4Output`, at most bytes + bytes / 255 + 16. */
export function lz4Block(bytes: usize): usize {
  const base = lz4Input
  const end = base + bytes
  let out = lz4Output
  let anchor = base
  if (bytes > TAIL) {
    memory.fill(table, 0, TABLE_BYTES)
    const searchEnd = end - TAIL
    // The first place is where the empty table's entries point to.
    let at = base + 1
    let vain = VAIN_FIRST
    while (at < searchEnd) {
      const word = load<u64>(at)
      const place = at - base
      const slot = slotOf(word)
      const nextSlot = slotOf(word >> 8)
      const offsetHere = (place - <usize>load<u16>(slot)) & 0xffff
      const offsetNext = (place + 1 - <usize>load<u16>(nextSlot)) & 0xffff
      store<u16>(slot, <u16>place)
      store<u16>(nextSlot, <u16>(place + 1))
      let offset = offsetHere
      if ((load<u64>(at - offsetHere) ^ word) << SIX != 0) {
        if ((load<u64>(at + 1 - offsetNext) ^ (word >> 8)) << SIX != 0) {
          at += 2 + (vain >> VAIN_SHIFT)
          vain++
          continue
        }
        offset = offsetNext
        at++
      }
      // Met 64 KiB ago, or never: out of reach.
      if (offset == 0) {
        at += 2
        continue
      }
      vain = VAIN_FIRST
      const from = at - offset
      // Eight bytes back at most, as far as both have them.
      const alike = <usize>clz(load<u64>(at - 8) ^ load<u64>(from - 8)) >> 3
      const matchAt = at - min(min(alike, at - anchor), from - base)
      const matchEnd = endOfMatch(at + 6, offset, end - LITERALS_LAST)
      out = writeSequence(out, anchor, matchAt - anchor, offset, matchEnd - matchAt - 4)
      anchor = matchEnd
      at = matchEnd
      store<u16>(slotOf(load<u64>(at - 2)), <u16>(at - 2 - base))
    }
  }
  const rest = end - anchor
  store<u8>(out, <u8>(min<usize>(rest, 15) << 4))
  out = writeLength(out + 1, rest)
  memory.copy(out, anchor, rest)
  return out + rest - lz4Output
}

@inline
function slotOf(word: u64): usize {
  return table + (<usize>(((word << SIX) * 0x9e3779b185ebca87) >> (64 - TABLE_BITS)) << 1)
}

/** Where the bytes from `at` on stop being those `offset` before them; `last` at most. Looks up to 15 bytes further. */
@inline
function endOfMatch(at: usize, offset: usize, last: usize): usize {
  let end = at
  while (end < last) {
    const same = <u32>i8x16.bitmask(i8x16.eq(v128.load(end), v128.load(end - offset)))
    if (same != 0xffff) {
      end += <usize>ctz(~same)
      break
    }
    end += 16
  }
  return min(end, last)
}

/** `excess`: bytes of the match less 4. May write up to 31 bytes more than it says, which are overwritten or lie in the slack. */
@inline
function writeSequence(target: usize, from: usize, literals: usize, offset: usize, excess: usize): usize {
  store<u8>(target, <u8>((min<usize>(literals, 15) << 4) | min<usize>(excess, 15)))
  let out = writeLength(target + 1, literals)
  v128.store(out, v128.load(from))
  v128.store(out + 16, v128.load(from + 16))
  if (literals > 32) memory.copy(out, from, literals)
  out += literals
  store<u16>(out, <u16>offset)
  return writeLength(out + 2, excess)
}

/** What of a length does not fit its four bits of the token. */
@inline
function writeLength(target: usize, length: usize): usize {
  let out = target
  if (length >= 15) {
    let rest = length - 15
    for (; rest >= 255; rest -= 255) store<u8>(out++, 255)
    store<u8>(out++, <u8>rest)
  }
  return out
}
