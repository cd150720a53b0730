// The kernel's memory is an arena that starts anew with each request:
//
//   static data | input (compressed body) | payload (protobuf) | rows | tables | tuples | output
//
// Regions are laid out one behind the other with SLACK bytes between them, so that loads and stores that look a little
// too far touch no neighbour. Nothing is freed: `arenaReset` forgets everything at once.

export const SLACK: usize = 256

/** Codes that end a request as a whole; negative, so that they never look like a length or a count. */
export const E_MEMORY: i32 = -1
export const E_SNAPPY: i32 = -2
export const E_TOO_LARGE: i32 = -3
export const E_PROTOBUF: i32 = -4
export const E_ITEMS: i32 = -5
export const E_OTHER_VERSION: i32 = -6
export const E_SYMBOLS: i32 = -7
export const E_SYMBOL_ZERO: i32 = -8
export const E_UNKNOWN: i32 = -9
export const E_THRIFT: i32 = -10
export const E_METHOD: i32 = -11

let arenaEnd: usize = 0

/** Bytes of memory that the regions take. */
export function arenaBytes(): usize {
  return arenaEnd
}

/** Forgets all regions. */
export function arenaReset(): void {
  arenaEnd = (__heap_base + 63) & ~63
}

/** Reserves `bytes` behind the last region, 16-byte aligned. 0 when the memory cannot grow so far. */
export function arenaTake(bytes: usize): usize {
  const start = arenaEnd
  const end = (start + bytes + SLACK + 15) & ~15
  if (end < start || !arenaFits(end)) return 0
  arenaEnd = end
  return start
}

/** Moves the end of the last region, which began at `start`, to `bytes`. False when the memory cannot grow so far. */
export function arenaResize(start: usize, bytes: usize): bool {
  const end = (start + bytes + SLACK + 15) & ~15
  if (end < start || !arenaFits(end)) return false
  arenaEnd = end
  return true
}

function arenaFits(end: usize): bool {
  const have = <usize>memory.size() << 16
  if (end <= have) return true
  // Growing by at least a quarter keeps the number of growths (each one detaches the host's views) small.
  let more = ((end - have + 0xffff) >> 16)
  const quarter = <usize>memory.size() >> 2
  if (more < quarter && memory.grow(<i32>quarter) >= 0) return true
  return memory.grow(<i32>more) >= 0
}

/** Copies forward in steps of 16 bytes; may write up to 15 bytes past `target + bytes`, which must be slack or still unwritten. */
@inline
export function copyLoose(target: usize, source: usize, bytes: usize): void {
  if (bytes > 512) {
    memory.copy(target, source, bytes)
    return
  }
  let at: usize = 0
  while (at < bytes) {
    v128.store(target + at, v128.load(source + at))
    at += 16
  }
}

/** How many bytes the two ranges have in common from their starts, at most `bytesMax`. Looks up to 15 bytes further. */
@inline
function commonBytes(a: usize, b: usize, bytesMax: usize): usize {
  let bytes: usize = 0
  while (bytes < bytesMax) {
    const same = <u32>i8x16.bitmask(i8x16.eq(v128.load(a + bytes), v128.load(b + bytes)))
    if (same != 0xffff) return min(bytes + <usize>ctz(~same), bytesMax)
    bytes += 16
  }
  return bytesMax
}

/** True when the two ranges of equal length hold the same bytes. */
export function sameBytes(a: usize, b: usize, bytes: usize): bool {
  return commonBytes(a, b, bytes) == bytes
}

/** Byte order of two strings: negative, zero or positive, as memcmp and then the length. */
export function compareBytes(a: usize, aBytes: usize, b: usize, bBytes: usize): i32 {
  const least = min(aBytes, bBytes)
  const same = commonBytes(a, b, least)
  if (same < least) return <i32>load<u8>(a + same) - <i32>load<u8>(b + same)
  return <i32>aBytes - <i32>bBytes
}
