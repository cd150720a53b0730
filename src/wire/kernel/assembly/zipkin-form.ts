// What the OpenTelemetry Collector's Zipkin exporter makes of an event with attributes, and of a link
// (opentelemetry-collector-contrib pkg/translator/zipkin, zipkinv2/from_translator.go):
//   annotation         name|{"key":value,…}|dropped attributes
//   tag otlp.link.N    trace id in hex|span id in hex|trace state|{"key":value,…}|dropped attributes
// Only a flat object of texts, numbers and booleans is read, and numbers only where a double or 64 bits hold them exactly;
// whatever is of another form, or longer than FORM_MAX, stays the text that it is.

import { A_BOOL, A_DOUBLE, A_INT, A_TEXT, attribute } from './attributes'

const FORM_MAX: usize = 64 * 1024
const BAR: u8 = 0x7c

/** The object of the last form, from its brace to behind the other one, and what comes last. */
let objectAt: usize = 0
let objectEnd: usize = 0
export let formDropped: u32 = 0

/** Texts that had escapes, without them. */
const texts = memory.data(16384)
const TEXTS_BYTES: usize = 16384
let textsUsed: usize = 0

/** Finds the object and the number at the end of a form whose object may begin at `at`, behind a bar. */
function readTail(at: usize, end: usize): bool {
  let digitsAt = end
  while (digitsAt > at && load<u8>(digitsAt - 1) - 0x30 <= 9) digitsAt--
  if (digitsAt == end || end - digitsAt > 10 || digitsAt - at < 3) return false
  if (load<u8>(digitsAt - 1) != BAR || load<u8>(digitsAt - 2) != 0x7d || load<u8>(at) != 0x7b) return false
  let dropped: u64 = 0
  for (let i = digitsAt; i < end; i++) dropped = dropped * 10 + load<u8>(i) - 0x30
  if (dropped > 0xffffffff) return false
  formDropped = <u32>dropped
  objectAt = at
  objectEnd = digitsAt - 1
  return true
}

function barAfter(at: usize, end: usize): usize {
  while (at < end && load<u8>(at) != BAR) at++
  return at
}

/** Bytes of the name of an event of this form, whose attributes are added to those at hand; -1 when it is none. */
export function readEventForm(at: usize, bytes: usize): i32 {
  // Nearly all annotations end here.
  if (bytes < 5 || bytes > FORM_MAX || load<u8>(at + bytes - 1) - 0x30 > 9) return -1
  const end = at + bytes
  const bar = barAfter(at, end)
  return bar < end && readTail(bar + 1, end) && readObject() ? <i32>(bar - at) : -1
}

/** The ids of the last link: 16 bytes and 8; how many digits each had. Its trace state. */
export const linkIds = memory.data(24)
export let linkStateAt: usize = 0
export let linkStateBytes: usize = 0

/** Whether a tag is a link of this form, whose attributes are added to those at hand. */
export function readLinkForm(at: usize, bytes: usize): bool {
  if (bytes > FORM_MAX) return false
  const end = at + bytes
  const first = barAfter(at, end)
  if (first == end || !readHex(at, first, linkIds, 16)) return false
  const second = barAfter(first + 1, end)
  if (second == end || !readHex(first + 1, second, linkIds + 16, 8)) return false
  const third = barAfter(second + 1, end)
  if (third == end) return false
  linkStateAt = second + 1
  linkStateBytes = third - second - 1
  return readTail(third + 1, end) && readObject()
}

/** Reads an id of `bytes` bytes; an empty one is zero. */
function readHex(at: usize, end: usize, to: usize, bytes: usize): bool {
  memory.fill(to, 0, bytes)
  if (at == end) return true
  if (end - at != bytes << 1) return false
  for (let i: usize = 0; i < bytes; i++) {
    const high = hexOf(load<u8>(at + (i << 1)))
    const low = hexOf(load<u8>(at + (i << 1), 1))
    if ((high | low) > 15) return false
    store<u8>(to + i, (high << 4) | low)
  }
  return true
}

/** A digit's value, or 255. */
function hexOf(char: u8): u32 {
  if (char - 0x30 <= 9) return char - 0x30
  const letter = (char | 0x20) - 0x61
  return letter <= 5 ? <u32>letter + 10 : 255
}

// ---- the object (RFC 8259) ------------------------------------------------------------------------------------------------

function skipSpace(at: usize): usize {
  while (true) {
    const char = load<u8>(at)
    if (char != 0x20 && char != 0x0a && char != 0x0d && char != 0x09) return at
    at++
  }
}

/** The object ends with a brace, at which every loop below stops. */
function readObject(): bool {
  textsUsed = 0
  const last = objectEnd - 1
  let at = skipSpace(objectAt + 1)
  if (at == last) return true
  while (true) {
    at = readString(at, last)
    if (at == 0) return false
    const keyAt = stringAt
    const keyBytes = stringBytes
    at = skipSpace(at)
    if (load<u8>(at) != 0x3a) return false
    at = readScalar(skipSpace(at + 1), last)
    if (at == 0) return false
    attribute(keyAt, keyBytes, scalarType, scalar, scalarBytes)
    at = skipSpace(at)
    if (at == last) return true
    if (load<u8>(at) != 0x2c) return false
    at = skipSpace(at + 1)
  }
}

let stringAt: usize = 0
let stringBytes: usize = 0

/** Reads a string before `end`; the address behind it, or 0. */
function readString(at: usize, end: usize): usize {
  if (load<u8>(at) != 0x22) return 0
  const start = ++at
  while (at < end) {
    const char = load<u8>(at)
    if (char == 0x22) {
      stringAt = start
      stringBytes = at - start
      return at + 1
    }
    if (char == 0x5c) return unescape(start, at, end)
    if (char < 0x20) return 0
    at++
  }
  return 0
}

/** The same for a string whose first escape is at `at`. */
function unescape(start: usize, at: usize, end: usize): usize {
  let to = texts + textsUsed
  const toEnd = texts + TEXTS_BYTES - 16
  if (to + (at - start) >= toEnd) return 0
  stringAt = to
  memory.copy(to, start, at - start)
  to += at - start
  while (at < end && to < toEnd) {
    const char = load<u8>(at++)
    if (char == 0x22) {
      stringBytes = to - stringAt
      textsUsed = to - texts
      return at
    }
    if (char < 0x20) return 0
    if (char != 0x5c) {
      store<u8>(to++, char)
      continue
    }
    const letter = load<u8>(at++)
    if (letter == 0x75) {
      at = readUnicode(at, end)
      if (at == 0) return 0
      to = writeUtf8(to, codePoint)
    } else {
      const plain = plainOf(letter)
      if (plain == 0) return 0
      store<u8>(to++, plain)
    }
  }
  return 0
}

function plainOf(letter: u8): u8 {
  if (letter == 0x22 || letter == 0x5c || letter == 0x2f) return letter
  if (letter == 0x6e) return 0x0a
  if (letter == 0x74) return 0x09
  if (letter == 0x72) return 0x0d
  if (letter == 0x62) return 0x08
  return letter == 0x66 ? 0x0c : 0
}

let codePoint: u32 = 0

/** Reads four hex digits, and the pair's other half after the first; the address behind them, or 0. */
function readUnicode(at: usize, end: usize): usize {
  const high = readUnit(at, end)
  if (high > 0xffff || (high & 0xfc00) == 0xdc00) return 0
  codePoint = high
  at += 4
  if ((high & 0xfc00) != 0xd800) return at
  if (end - at < 6 || load<u16>(at) != 0x755c) return 0
  const low = readUnit(at + 2, end)
  if ((low & 0xfffffc00) != 0xdc00) return 0
  codePoint = 0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff)
  return at + 6
}

function readUnit(at: usize, end: usize): u32 {
  if (at + 4 > end) return 0x10000
  let unit: u32 = 0
  for (let i: usize = 0; i < 4; i++) {
    const digit = hexOf(load<u8>(at + i))
    if (digit > 15) return 0x10000
    unit = (unit << 4) | digit
  }
  return unit
}

function writeUtf8(to: usize, point: u32): usize {
  if (point < 0x80) {
    store<u8>(to, point)
    return to + 1
  }
  if (point < 0x800) {
    store<u8>(to, 0xc0 | (point >> 6))
    store<u8>(to, 0x80 | (point & 63), 1)
    return to + 2
  }
  if (point < 0x10000) {
    store<u8>(to, 0xe0 | (point >> 12))
    store<u8>(to, 0x80 | ((point >> 6) & 63), 1)
    store<u8>(to, 0x80 | (point & 63), 2)
    return to + 3
  }
  store<u8>(to, 0xf0 | (point >> 18))
  store<u8>(to, 0x80 | ((point >> 12) & 63), 1)
  store<u8>(to, 0x80 | ((point >> 6) & 63), 2)
  store<u8>(to, 0x80 | (point & 63), 3)
  return to + 4
}

let scalarType: u32 = 0
let scalar: u64 = 0
let scalarBytes: usize = 0

/** Reads a text, a number, true or false; the address behind it, or 0. */
function readScalar(at: usize, end: usize): usize {
  const char = load<u8>(at)
  scalarBytes = 0
  if (char == 0x22) {
    at = readString(at, end)
    scalarType = A_TEXT
    scalar = stringAt
    scalarBytes = stringBytes
    return at
  }
  scalarType = A_BOOL
  if (char == 0x74) {
    scalar = 1
    return load<u32>(at) == 0x65757274 ? at + 4 : 0
  }
  if (char == 0x66) {
    scalar = 0
    return load<u32>(at, 1) == 0x65736c61 ? at + 5 : 0
  }
  return readNumber(at)
}

// Powers of ten that a double holds exactly. With an integer below 2^53 one multiplication or division by them is rounded
// once, hence right (Clinger, "How to read floating point numbers accurately").
const powers = memory.data<f64>([
  1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
])

function readNumber(at: usize): usize {
  const isNegative = load<u8>(at) == 0x2d
  if (isNegative) at++
  let digits: i32 = 0
  let mantissa: u64 = 0
  let exponent: i32 = 0
  const wholeAt = at
  while (load<u8>(at) - 0x30 <= 9) {
    if (++digits > 18) return 0
    mantissa = mantissa * 10 + load<u8>(at++) - 0x30
  }
  if (digits == 0 || (digits > 1 && load<u8>(wholeAt) == 0x30)) return 0
  let isWhole = true
  if (load<u8>(at) == 0x2e) {
    isWhole = false
    const pointAt = at++
    while (load<u8>(at) - 0x30 <= 9) {
      if (++digits > 18) return 0
      mantissa = mantissa * 10 + load<u8>(at++) - 0x30
    }
    exponent = <i32>(pointAt + 1) - <i32>at
    if (exponent == 0) return 0
  }
  if ((load<u8>(at) | 0x20) == 0x65) {
    isWhole = false
    at = readExponent(at + 1)
    if (at == 0) return 0
    exponent += exponentRead
  }
  if (isWhole) {
    scalarType = A_INT
    scalar = isNegative ? 0 - mantissa : mantissa
    return at
  }
  if (mantissa >> 53 != 0 || exponent < -22 || exponent > 22) return 0
  const power = load<f64>(powers + (<usize>abs(exponent) << 3))
  let value = exponent < 0 ? <f64>mantissa / power : <f64>mantissa * power
  if (isNegative) value = -value
  // The exporter writes whole numbers of both kinds alike, and its reader takes them for integers.
  const isInteger = Math.floor(value) == value && Math.abs(value) < 9007199254740992
  scalarType = isInteger ? A_INT : A_DOUBLE
  scalar = isInteger ? <u64><i64>value : reinterpret<u64>(value)
  return at
}

let exponentRead: i32 = 0

function readExponent(at: usize): usize {
  const sign = load<u8>(at)
  if (sign == 0x2b || sign == 0x2d) at++
  const start = at
  exponentRead = 0
  while (load<u8>(at) - 0x30 <= 9) {
    if (at - start >= 3) return 0
    exponentRead = exponentRead * 10 + load<u8>(at++) - 0x30
  }
  if (at == start) return 0
  if (sign == 0x2d) exponentRead = -exponentRead
  return at
}
