// The attributes of one message while they are read: a table, since what a key means for the whole (a kind, a status) and
// whether it comes again is known at the end only. Attributes of a message inside of another one (an event of a span) are
// put behind those that wait, and are forgotten when they are written.
//
//   row 32 bytes: keyAt, keyBytes, type, valueBytes (u32 each), value u64, hash u32, unused
//
// The value of a text or of bytes is its address, that of the others their 64 bits. The table lies before the output; when
// it is too small, what does not fit is lost, `distinctAttributes` says E_ROWS, and the translation begins again.

import { E_MEMORY, arenaResize, arenaTake, sameBytes } from './memory'
import { out, outTo, putBytes, putTag, putVarint, room, varint64Bytes } from './output'
import { hashSeed } from './rules'
import { fieldNumber, length, readLength, readTag, skipValue, varintBytes, wireType } from './wire'

/** The table was too small; never shown to the host. */
export const E_ROWS: i32 = -100

export const A_TEXT: u32 = 0
export const A_BOOL: u32 = 1
export const A_INT: u32 = 2
/** The bits of an IEEE 754 double. */
export const A_DOUBLE: u32 = 3
export const A_BYTES: u32 = 4
/**
 * A list of texts, as a range of checked protobuf fields: the value is the address, and above its 32 bits the number of
 * the fields that are meant.
 */
export const A_TEXTS: u32 = 5
/** A row that is not written: a repeated key, or one that became something else than an attribute. */
const A_NONE: u32 = 6

const ROW: usize = 32
/** Rows up to which repeated keys are found by a filter and a look at each row before; with more, by a hash table. */
const FEW: i32 = 32

let rows: usize = 0
let rowsMax: i32 = 0
let index: usize = 0
/** The first row of the message at hand, and the one behind its last. */
let first: i32 = 0
let last: i32 = 0
let isOverfull: bool = false
/** Repeats of a key whose value differs from the one before. */
export let attributesDropped: u32 = 0

/** Makes room for `max` attributes at once. 0 or E_MEMORY. */
export function attributesBegin(max: i32): i32 {
  let size: usize = 64
  while (size < <usize>max * 2) size <<= 1
  rows = arenaTake(<usize>max * ROW)
  index = arenaTake(size << 2)
  rowsMax = max
  first = 0
  last = 0
  isOverfull = false
  return rows == 0 || index == 0 ? E_MEMORY : 0
}

/**
 * After E_ROWS: how many rows there are at the next try, 0 when there were `max` already. Gives back all regions from
 * `regionsAt` on, so that a try takes no memory from the next one.
 */
export function moreRows(rows: i32, max: i32, regionsAt: usize): i32 {
  if (rows == max) return 0
  arenaResize(regionsAt, 0)
  return <i32>min(<i64>rows * 16, <i64>max)
}

/** Begins the attributes of a message; what `attributesShut` takes to go back to those that wait. */
@inline
export function attributesOpen(): i32 {
  const waiting = first
  first = last
  return waiting
}

/** Forgets the attributes of the message at hand. */
@inline
export function attributesShut(waiting: i32): void {
  last = first
  first = waiting
}

/** Forgets all attributes of all messages. */
@inline
export function attributesForget(): void {
  first = 0
  last = 0
}

/** Adds an attribute: `value` is an address or 64 bits by `type`, `valueBytes` counts for texts and bytes. */
@inline
export function attribute(keyAt: usize, keyBytes: usize, type: u32, value: u64, valueBytes: usize): void {
  if (last == rowsMax) {
    isOverfull = true
    return
  }
  const row = rows + <usize>last * ROW
  last++
  store<u32>(row, <u32>keyAt)
  store<u32>(row, <u32>keyBytes, 4)
  store<u32>(row, type, 8)
  store<u32>(row, <u32>valueBytes, 12)
  store<u64>(row, value, 16)
}

/** The rows of the message at hand, from the first address to before the second, `ROW` bytes each. */
@inline
export function firstAttribute(): usize {
  return rows + <usize>first * ROW
}

@inline
export function endOfAttributes(): usize {
  return rows + <usize>last * ROW
}

@inline
export function nextAttribute(row: usize): usize {
  return row + ROW
}

@inline
export function keyOf(row: usize): usize {
  return <usize>load<u32>(row)
}

@inline
export function keyBytesOf(row: usize): usize {
  return <usize>load<u32>(row, 4)
}

@inline
export function typeOf(row: usize): u32 {
  return load<u32>(row, 8)
}

@inline
export function valueOf(row: usize): u64 {
  return load<u64>(row, 16)
}

@inline
export function valueBytesOf(row: usize): usize {
  return <usize>load<u32>(row, 12)
}

/** Gives an attribute another value. */
function changeAttribute(row: usize, type: u32, value: u64, valueBytes: usize): void {
  store<u32>(row, type, 8)
  store<u32>(row, <u32>valueBytes, 12)
  store<u64>(row, value, 16)
}

/** Takes an attribute out. */
@inline
export function takeAttribute(row: usize): void {
  store<u32>(row, A_NONE, 8)
}

/**
 * Finds the repeated keys of the message at hand: the last value stands in the place of the first. Sets
 * `attributesDropped`. 0, or E_ROWS when the table was too small for all attributes so far.
 */
export function distinctAttributes(): i32 {
  attributesDropped = 0
  if (isOverfull) return E_ROWS
  if (last - first > FEW) {
    distinctMany()
    return 0
  }
  const start = firstAttribute()
  const end = endOfAttributes()
  let seen: u64 = 0
  for (let row = start; row < end; row += ROW) {
    const hash = filterOf(keyOf(row), keyBytesOf(row))
    store<u32>(row, hash, 24)
    const bit = <u64>1 << <u64>(hash & 63)
    if ((seen & bit) != 0) {
      for (let other = start; other < row; other += ROW) {
        if (load<u32>(other, 24) != hash || typeOf(other) == A_NONE || !sameKey(other, row)) continue
        replace(other, row)
        break
      }
    }
    seen |= bit
  }
  return 0
}

/** A number that differs for most names; keys that agree in it are compared. */
@inline
function filterOf(at: usize, bytes: usize): u32 {
  let mixed: u64
  if (bytes >= 8) mixed = load<u64>(at) ^ rotl(load<u64>(at + bytes - 8), 23)
  else mixed = load<u64>(at) & ((<u64>1 << (<u64>bytes << 3)) - 1)
  return <u32>((mixed + <u64>bytes) * 0x9e3779b97f4a7c15 >> 32)
}

function distinctMany(): void {
  let size: u32 = 64
  while (size < <u32>(last - first) << 1) size <<= 1
  memory.fill(index, 0, <usize>size << 2)
  const end = endOfAttributes()
  for (let row = firstAttribute(); row < end; row += ROW) {
    const hash = hashOf(keyOf(row), keyBytesOf(row))
    store<u32>(row, hash, 24)
    for (let slot = hash & (size - 1); ; slot = (slot + 1) & (size - 1)) {
      const place = index + (<usize>slot << 2)
      const other = <usize>load<u32>(place)
      if (other == 0) {
        store<u32>(place, <u32>row)
        break
      }
      if (load<u32>(other, 24) != hash || !sameKey(other, row)) continue
      replace(other, row)
      break
    }
  }
}

/**
 * The host seeds it, since a sender chooses the keys. Four bytes are mixed into 64 at a time: what two keys differ in
 * reaches the upper half at once, where what follows in them cannot make it good.
 */
export function hashOf(at: usize, bytes: usize): u32 {
  let hash = (<u64>hashSeed << 32 | <u64>bytes) * 0x9e3779b97f4a7c15
  const whole = at + (bytes & ~3)
  while (at < whole) {
    hash = (hash ^ <u64>load<u32>(at)) * 0xbf58476d1ce4e5b9
    hash ^= hash >> 32
    at += 4
  }
  const rest = <u32>(bytes & 3)
  if (rest != 0) hash = (hash ^ <u64>(load<u32>(at) & ((1 << (rest << 3)) - 1))) * 0xbf58476d1ce4e5b9
  hash ^= hash >> 29
  return <u32>(hash * 0x94d049bb133111eb >> 32)
}

@inline
function sameKey(a: usize, b: usize): bool {
  const bytes = keyBytesOf(a)
  return bytes == keyBytesOf(b) && sameBytes(keyOf(a), keyOf(b), bytes)
}

function replace(row: usize, by: usize): void {
  if (!sameValue(row, by)) attributesDropped++
  changeAttribute(row, typeOf(by), valueOf(by), valueBytesOf(by))
  takeAttribute(by)
}

function sameValue(a: usize, b: usize): bool {
  const type = typeOf(a)
  if (type != typeOf(b)) return false
  if (type != A_TEXT && type != A_BYTES) return valueOf(a) == valueOf(b)
  const bytes = valueBytesOf(a)
  return bytes == valueBytesOf(b) && sameBytes(<usize>valueOf(a), <usize>valueOf(b), bytes)
}

/** Writes the attributes of the message at hand as fields with the tag `tag` (of one byte), KeyValue of OTLP. */
export function writeAttributes(tag: u32): void {
  const end = endOfAttributes()
  for (let row = firstAttribute(); row < end; row += ROW) {
    const type = typeOf(row)
    if (type < A_NONE) writeAttribute(tag, type, keyOf(row), keyBytesOf(row), valueOf(row), valueBytesOf(row))
  }
}

/** Writes one KeyValue of OTLP: 1 key, 2 AnyValue (1 string, 2 bool, 3 int, 4 double, 5 array, 7 bytes). */
@inline
export function writeAttribute(tag: u32, type: u32, keyAt: usize, keyBytes: usize, value: u64, valueBytes: usize): void {
  if (type == A_TEXT || type == A_BYTES) {
    writeText(tag, type == A_TEXT ? 0x0a : 0x3a, keyAt, keyBytes, <usize>value, valueBytes)
    return
  }
  if (type == A_TEXTS) {
    writeTexts(tag, keyAt, keyBytes, value, valueBytes)
    return
  }
  const anyBytes: usize = type == A_BOOL ? 2 : type == A_INT ? 1 + varint64Bytes(value) : 9
  if (!writeHead(tag, keyAt, keyBytes, anyBytes)) return
  if (type == A_BOOL) {
    store<u8>(out, 0x10)
    store<u8>(out, value != 0 ? 1 : 0, 1)
    outTo(out + 2)
  } else if (type == A_INT) {
    putTag(0x18)
    putVarint(value)
  } else {
    store<u8>(out, 0x21)
    store<u64>(out, value, 1)
    outTo(out + 9)
  }
}

/** The tag and length of a KeyValue, its key, and the tag and length of its value, which takes `anyBytes`. */
@inline
function writeHead(tag: u32, keyAt: usize, keyBytes: usize, anyBytes: usize): bool {
  const keyField = varintBytes(<u32>keyBytes) + keyBytes + 1
  const bytes = keyField + varintBytes(<u32>anyBytes) + anyBytes + 1
  if (!room(bytes + 8)) return false
  store<u8>(out, tag)
  outTo(out + 1)
  putVarint(bytes)
  store<u8>(out, 0x0a)
  outTo(out + 1)
  putVarint(keyBytes)
  putBytes(keyAt, keyBytes)
  store<u8>(out, 0x12)
  outTo(out + 1)
  putVarint(anyBytes)
  return true
}

function writeText(tag: u32, valueTag: u32, keyAt: usize, keyBytes: usize, valueAt: usize, valueBytes: usize): void {
  if (keyBytes + valueBytes < 128 - 6) {
    // All lengths take one byte.
    if (!room(128)) return
    const at = out
    store<u8>(at, tag)
    store<u32>(at, <u32>(keyBytes + valueBytes + 6) | 0x0a00 | <u32>keyBytes << 16, 1)
    store<v128>(at, load<v128>(keyAt), 4)
    if (keyBytes > 16) putLong(at + 20, keyAt + 16, keyBytes - 16)
    const valueField = at + 4 + keyBytes
    store<u32>(valueField, 0x12 | (<u32>valueBytes + 2) << 8 | valueTag << 16 | <u32>valueBytes << 24)
    store<v128>(valueField, load<v128>(valueAt), 4)
    if (valueBytes > 16) putLong(valueField + 20, valueAt + 16, valueBytes - 16)
    outTo(valueField + 4 + valueBytes)
    return
  }
  if (!writeHead(tag, keyAt, keyBytes, 1 + varintBytes(<u32>valueBytes) + valueBytes)) return
  putTag(valueTag)
  putVarint(valueBytes)
  putBytes(valueAt, valueBytes)
}

/** Copies in steps of 16 bytes. */
@inline
function putLong(target: usize, source: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) store<v128>(target + i, load<v128>(source + i))
}

function writeTexts(tag: u32, keyAt: usize, keyBytes: usize, range: u64, rangeBytes: usize): void {
  const field = <u32>(range >> 32)
  const start = <usize>(range & 0xffffffff)
  const end = start + rangeBytes
  let listBytes: usize = 0
  for (let at = start; at < end; ) {
    at = nextText(at, end, field)
    if (at == 0) break
    const any = varintBytes(<u32>length) + length + 1
    listBytes += 1 + varintBytes(<u32>any) + any
    at += length
  }
  if (!writeHead(tag, keyAt, keyBytes, 1 + varintBytes(<u32>listBytes) + listBytes)) return
  putTag(0x2a)
  putVarint(listBytes)
  for (let at = start; at < end; ) {
    at = nextText(at, end, field)
    if (at == 0) break
    putTag(0x0a)
    putVarint(1 + varintBytes(<u32>length) + length)
    putTag(0x0a)
    putVarint(length)
    putBytes(at, length)
    at += length
  }
}

/** Where the content of the next field `field` begins, its bytes in `length`; 0 when there is none left. */
function nextText(at: usize, end: usize, field: u32): usize {
  while (at < end) {
    at = readTag(at, end)
    if (at == 0) return 0
    if (fieldNumber == field && wireType == 2) return readLength(at, end)
    at = skipValue(at, end, wireType)
    if (at == 0) return 0
  }
  return 0
}
