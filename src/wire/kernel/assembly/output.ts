// Where a translation is written: the last region of the arena, which grows. `out` is the cursor; whoever writes asks with
// `room` first, and what he asks for includes the lengths that he leaves open (five bytes each at most). When there is no
// room, `room` says false from then on and `outputCode` why; what is written after it is lost, and harmless.

import { E_MEMORY, E_TOO_LARGE, arenaResize, arenaTake, copyLoose } from './memory'
import { varintBytes, writeVarint } from './wire'

/** Address of the translation. */
export let translated: usize = 0
/** The next byte to be written. */
export let out: usize = 0
/** Why there is no more room; 0 while there is. */
export let outputCode: i32 = 0

/** The address up to which the region reaches; lower than `out` once there is no more room. */
let limit: usize = 0
let outputBytesMax: usize = 0

const STEP: usize = 64 * 1024
/** Bytes behind `limit` for closing what is open: each nested length may move its content by three. */
const CLOSING: usize = 128

/** Begins a translation of at most `bytesMax` bytes, `bytesLikely` of which are made ready. 0 or E_MEMORY. */
export function outputBegin(bytesMax: usize, bytesLikely: usize = 0): i32 {
  outputBytesMax = bytesMax
  outputCode = 0
  const bytes = min(bytesLikely, bytesMax) + STEP
  translated = arenaTake(bytes + CLOSING)
  out = translated
  limit = translated + bytes
  return translated == 0 ? E_MEMORY : 0
}

/** Makes sure that `bytes` bytes can be written at `out`. */
@inline
export function room(bytes: usize): bool {
  // As signed numbers, since `limit` is zero when there is no more room.
  return <i64>limit - <i64>out >= <i64>bytes ? true : grow(bytes)
}

function grow(bytes: usize): bool {
  if (outputCode != 0) return false
  const written = out - translated
  if (written + bytes > outputBytesMax + STEP) return noRoom(E_TOO_LARGE)
  const more = written + bytes + max(STEP, written >> 1)
  if (!arenaResize(translated, more + CLOSING)) return noRoom(E_MEMORY)
  limit = translated + more
  return true
}

function noRoom(code: i32): bool {
  outputCode = code
  limit = 0
  return false
}

/** Ends the translation: its bytes, or why there was no room. */
export function outputEnd(): i32 {
  if (outputCode != 0) return outputCode
  const bytes = out - translated
  if (bytes > outputBytesMax) return E_TOO_LARGE
  return arenaResize(translated, bytes) ? <i32>bytes : E_MEMORY
}

/** Says that the translation begins at `at`, before which there is something else. */
export function outputFrom(at: usize): void {
  translated = at
}

/** Moves the cursor: back to where something began, or behind bytes that were written without these functions. */
@inline
export function outTo(at: usize): void {
  out = at
}

/** Writes a tag and leaves two bytes for the length of what follows. The mark that `close` takes. */
@inline
export function open(tag: u32): usize {
  return openWidth(tag, 2)
}

/** The same with `width` bytes for the length, for what is likely shorter or longer. */
@inline
export function openWidth(tag: u32, width: usize): usize {
  putTag(tag)
  out += width
  return out
}

/** Writes the length of what was written since the mark, after moving it when the length takes another width. */
@inline
export function close(mark: usize, width: usize = 2): void {
  const bytes = out - mark
  if (width == 2 ? bytes - 128 < 16384 - 128 : varintBytes(<u32>bytes) == width) writeVarint(mark - width, <u32>bytes)
  else closeMoved(mark, bytes, width)
}

function closeMoved(mark: usize, bytes: usize, width: usize): void {
  const at = mark - width
  const needed = varintBytes(<u32>bytes)
  if (needed < width) copyLoose(at + needed, mark, bytes)
  else if (needed > width) memory.copy(at + needed, mark, bytes)
  writeVarint(at, <u32>bytes)
  out = at + needed + bytes
}

/** A field's number and wire type, of one or two bytes. */
@inline
export function putTag(tag: u32): void {
  if (tag < 0x80) store<u8>(out++, tag)
  else {
    store<u16>(out, (tag & 0x7f) | 0x80 | ((tag >> 7) << 8))
    out += 2
  }
}

/** Bytes of `value` as a varint of 64 bits. */
@inline
export function varint64Bytes(value: u64): usize {
  return (<usize>(63 - clz(value | 1)) * 9 + 73) >> 6
}

@inline
export function putVarint(value: u64): void {
  let at = out
  while (value >= 0x80) {
    store<u8>(at++, <u32>value | 0x80)
    value >>= 7
  }
  store<u8>(at, <u32>value)
  out = at + 1
}

@inline
export function putFixed64(value: u64): void {
  store<u64>(out, value)
  out += 8
}

@inline
export function putBytes(at: usize, bytes: usize): void {
  copyLoose(out, at, bytes)
  out += bytes
}

/** A string or bytes field. */
@inline
export function putText(tag: u32, at: usize, bytes: usize): void {
  putTag(tag)
  putVarint(bytes)
  putBytes(at, bytes)
}
