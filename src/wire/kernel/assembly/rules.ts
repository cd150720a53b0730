// Which labels matter: the name that is stamped (bit 0) and the labels that may hold a guid (bits 1..30, in
// the order of `guid.from`). The host writes the names once for each set of rules; a request then says with two masks
// which sources stand before its own guid (`active`) and which of them need a regular expression (`opaque`), which
// only the host can judge.
//
// For each series the first active source whose value is a valid guid wins; the values of opaque sources met before it
// are kept too. What was kept is a tuple. Equal tuples of a request are one, so that the host decides once for each
// distinct tuple, not for each series. Bit 0 of a tuple's mask is the value that the series already carries under the
// stamp's name (kept only when the rules care), bit n is source n.

import { E_MEMORY, arenaResize, arenaTake, sameBytes } from './memory'

const NAME_BYTES: usize = 256

/** Options of a walk: the value under the stamp's name matters; that name is removed below its place as well. */
export const EXISTING: u32 = 1
export const DEEP: u32 = 2

/** Set in the kept length of a value that is not a text: only the host can judge it, whatever its source. */
export const NOT_TEXT: u32 = 0x80000000

/** The stamp's name and those of the sources; bits of a mask, of which the host's numbers have 31. */
const names = memory.data(31 * 256)
const nameBytes = memory.data(31 * 4)
const byKey = memory.data(256 * 4)
const valueAt = memory.data(31 * 4)
const valueBytes = memory.data(31 * 4)
const valid = memory.data(256)

let nameCount: i32 = 0

/** Where the host writes name `i` (at most 255 bytes) before it calls `rulesName`. */
export function rulesNameAt(i: i32): usize {
  return names + <usize>i * NAME_BYTES
}

/** Begins a new set of rules. */
export function rulesBegin(): void {
  nameCount = 0
  memory.fill(byKey, 0, 256 * 4)
  // A guid: [A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])? — 1 marks an inner byte, 3 one that may begin and end it.
  for (let c: i32 = 0; c < 256; c++) {
    const alnum = (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122)
    store<u8>(valid + c, alnum ? 3 : c == 45 || c == 46 || c == 95 ? 1 : 0)
  }
}

/** Adds the next name; bit 0 is the stamp's. */
export function rulesName(bytes: i32): void {
  const bit = <u32>1 << nameCount
  const at = names + <usize>nameCount * NAME_BYTES
  store<u32>(nameBytes + (<usize>nameCount << 2), bytes)
  const key = byKey + keyOf(at, bytes)
  store<u32>(key, load<u32>(key) | bit)
  nameCount++
}

/** Address of the stamp's name. */
@inline
export function stampName(): usize {
  return names
}

/** Bytes of the stamp's name. */
@inline
export function stampNameBytes(): usize {
  return <usize>load<u32>(nameBytes)
}

/** Places a name in the table by its length and first byte. */
@inline
function keyOf(at: usize, bytes: usize): usize {
  return ((bytes * 37 + <usize>load<u8>(at)) & 255) << 2
}

/** Bits of the names that equal the given one; most names leave at the table look-up. */
@inline
export function matchName(at: usize, bytes: usize): u32 {
  const candidates = load<u32>(byKey + keyOf(at, bytes))
  return candidates == 0 ? 0 : matchCandidates(candidates, at, bytes)
}

function matchCandidates(candidates: u32, at: usize, bytes: usize): u32 {
  let matched: u32 = 0
  while (candidates != 0) {
    const i = ctz(candidates)
    candidates &= candidates - 1
    if (<usize>load<u32>(nameBytes + (<usize>i << 2)) == bytes && sameBytes(names + <usize>i * NAME_BYTES, at, bytes)) matched |= <u32>1 << i
  }
  return matched
}

/** Remembers the value of the sources in `bits` for the series at hand; the first occurrence of a name counts. */
export function keepValue(bits: u32, found: u32, at: usize, bytes: usize): u32 {
  let fresh = bits & ~found
  while (fresh != 0) {
    const i = <usize>ctz(fresh) << 2
    fresh &= fresh - 1
    store<u32>(valueAt + i, <u32>at)
    store<u32>(valueBytes + i, <u32>bytes)
  }
  return found | bits
}

export function isGuid(at: usize, bytes: usize): bool {
  if (bytes == 0 || bytes > 128) return false
  if (load<u8>(valid + <usize>load<u8>(at)) != 3) return false
  if (load<u8>(valid + <usize>load<u8>(at + bytes - 1)) != 3) return false
  for (let i: usize = 1; i < bytes - 1; i++) {
    if (load<u8>(valid + <usize>load<u8>(at + i)) == 0) return false
  }
  return true
}

// ---- tuples: [hash u32, mask u32, then address u32 and bytes u32 for each bit of the mask] -----------------------------

let tuples: usize = 0
let tuplesBytes: usize = 0
let index: usize = 0
let table: usize = 0
let tableMask: u32 = 0
let last: i32 = -1
export let tupleCount: i32 = 0

/** Makes room for the tuples of at most `series` series. Tuple 0 is the empty one: the request's own guid. */
export function tuplesBegin(series: usize): i32 {
  let size: u32 = 16
  while (size < <u32>series << 1) size <<= 1
  table = arenaTake(<usize>size << 2)
  index = arenaTake((series + 1) << 2)
  tuples = arenaTake(1024)
  if (table == 0 || index == 0 || tuples == 0) return E_MEMORY
  memory.fill(table, 0, <usize>size << 2)
  tableMask = size - 1
  tuplesBytes = 0
  tupleCount = 0
  last = -1
  return internTuple(0)
}

/** Address of tuple `i`. */
export function tupleAt(i: i32): usize {
  return tuples + <usize>load<u32>(index + (<usize>i << 2))
}

/** The tuple of the series at hand, from the kept values of the sources in `found`; E_MEMORY when there is no room. */
export function tupleOf(found: u32, active: u32, opaque: u32, wantExisting: bool): i32 {
  let mask: u32 = wantExisting ? found & 1 : 0
  let rest = found & active
  // Neighbours mostly have the value that the one before had.
  const first = rest & (0 - rest)
  if (last >= 0 && mask == 0 && (first & opaque) == 0 && sameTuple(tupleAt(last), first)) return last
  while (rest != 0) {
    const bit = rest & (0 - rest)
    rest ^= bit
    if ((opaque & bit) != 0) {
      mask |= bit
      continue
    }
    const i = <usize>ctz(bit) << 2
    if (isGuid(<usize>load<u32>(valueAt + i), <usize>load<u32>(valueBytes + i))) {
      mask |= bit
      break
    }
  }
  if (last >= 0 && sameTuple(tupleAt(last), mask)) return last
  last = internTuple(mask)
  return last
}

function sameTuple(tuple: usize, mask: u32): bool {
  if (load<u32>(tuple, 4) != mask) return false
  let at = tuple + 8
  while (mask != 0) {
    const i = <usize>ctz(mask) << 2
    mask &= mask - 1
    const bytes = load<u32>(valueBytes + i)
    if (load<u32>(at, 4) != bytes || !sameBytes(load<u32>(at), load<u32>(valueAt + i), bytes & ~NOT_TEXT)) return false
    at += 8
  }
  return true
}

function internTuple(mask: u32): i32 {
  let hash: u32 = mask * 0x9e3779b1
  let rest = mask
  while (rest != 0) {
    const i = <usize>ctz(rest) << 2
    rest &= rest - 1
    hash = hashBytes(hash, load<u32>(valueAt + i), load<u32>(valueBytes + i))
  }
  let slot = hash & tableMask
  for (;;) {
    const entry = load<u32>(table + (<usize>slot << 2))
    if (entry == 0) break
    const tuple = tupleAt(entry - 1)
    if (load<u32>(tuple) == hash && sameTuple(tuple, mask)) return entry - 1
    slot = (slot + 1) & tableMask
  }
  const bytes: usize = 8 + (<usize>popcnt(mask) << 3)
  if (!arenaResize(tuples, tuplesBytes + bytes)) return E_MEMORY
  const tuple = tuples + tuplesBytes
  store<u32>(tuple, hash)
  store<u32>(tuple, mask, 4)
  let at = tuple + 8
  while (mask != 0) {
    const i = <usize>ctz(mask) << 2
    mask &= mask - 1
    store<u32>(at, load<u32>(valueAt + i))
    store<u32>(at, load<u32>(valueBytes + i), 4)
    at += 8
  }
  store<u32>(index + (<usize>tupleCount << 2), <u32>tuplesBytes)
  tuplesBytes += bytes
  store<u32>(table + (<usize>slot << 2), tupleCount + 1)
  return tupleCount++
}

// A sender chooses the values, so the host seeds the hash; all bytes count, so that no two values are made to collide by
// what they share. `sameTuple` decides.
export let hashSeed: u32 = 0
export function setHashSeed(seed: u32): void {
  hashSeed = seed
}

function hashBytes(hash: u32, at: usize, bytes: u32): u32 {
  hash = (hash ^ bytes ^ hashSeed) * 0x85ebca6b
  bytes &= ~NOT_TEXT
  for (let i: u32 = 0; i < bytes; i++) hash = rotl(hash ^ load<u8>(at + i), 5) * 0xcc9e2d51
  hash ^= hash >> 15
  return hash * 0x9e3779b1 ^ hash >> 13
}
