/**
 * JSON (RFC 8259) in UTF-8, read by a cursor: nothing is built, what is met is only checked and pointed at.
 *
 * Everything that is read has been checked: escapes, surrogate pairs, control characters, UTF-8. Every method throws
 * `Malformed` at the byte that does not fit.
 */
import { isUtf8 } from 'node:buffer'
import { firstInvalidUtf8 } from './invalid-utf8.ts'
import { Malformed } from './malformed.ts'
import { NumberText } from './numbers.ts'

const quote = 0x22
const backslash = 0x5c

/** The letters of the short escapes and the characters they mean; 0 for what is none. */
const escaped = new Uint8Array(256)
for (const [letter, meaning] of ['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t']) {
  escaped[letter!.charCodeAt(0)] = meaning!.charCodeAt(0)
}

export class Scanner {
  readonly bytes: Buffer
  /** Index of the next byte to read. */
  at = 0
  /** Of the string that was read last: its first byte, its closing quote, and its length once escapes are resolved. */
  from = 0
  to = 0
  length = 0
  /** The number that was read last. */
  readonly number = new NumberText()
  readonly #invalidAt: number

  /** `bytes` are borrowed for as long as the scanner is used. */
  constructor(bytes: Buffer) {
    this.bytes = bytes
    this.#invalidAt = isUtf8(bytes) ? Number.POSITIVE_INFINITY : firstInvalidUtf8(bytes)
    const startsWithMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
    if (startsWithMark) this.at = 3
  }

  /** The string that was read last is written otherwise than it is meant. */
  get hasEscapes(): boolean {
    return this.length < this.to - this.from
  }

  /** Skips white space and gives the byte after it, -1 at the end. */
  peek(): number {
    const { bytes } = this
    let byte = bytes[this.at]
    while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = bytes[++this.at]
    return byte ?? -1
  }

  /** White space, then the character. */
  expect(character: string, meaning: string): void {
    if (this.peek() !== character.charCodeAt(0)) throw this.unexpected(meaning)
    this.at += 1
  }

  /** After a value of a list: true when another follows, false when `closing` ended it. */
  hasMore(closing: '}' | ']'): boolean {
    const byte = this.peek()
    if (byte !== 0x2c && byte !== closing.charCodeAt(0)) throw this.unexpected(`, or ${closing}`)
    this.at += 1
    return byte === 0x2c
  }

  /** `null`, `true` or `false`, which begins here. */
  literal(text: string): void {
    for (let index = 0; index < text.length; index++) {
      if (this.bytes[this.at + index] !== text.charCodeAt(index)) throw this.unexpected(text)
    }
    this.at += text.length
  }

  /** The number that begins here is left in `number`. */
  readNumber(): void {
    const isNumber = this.number.find(this.bytes, this.at, this.bytes.length)
    this.at = this.number.end
    if (!isNumber) throw this.unexpected('a digit')
  }

  /** The string whose opening quote is here is left in `from`, `to` and `length`. */
  readString(): void {
    const { bytes } = this
    let at = this.at + 1
    let saved = 0
    this.from = at
    for (;;) {
      const byte = bytes[at]
      if (byte === quote) break
      if (byte === undefined || byte < 0x20) throw this.#badCharacter(at)
      if (byte !== backslash) at += 1
      else {
        const size = this.#escapeSize(at)
        saved += size - resolvedSize(bytes, at, size)
        at += size
      }
    }
    if (at > this.#invalidAt) throw new Malformed(this.#invalidAt, 'expected UTF-8')
    this.to = at
    this.length = at - this.from - saved
    this.at = at + 1
  }

  /** Writes the string that was read last, or an earlier one, with its escapes resolved, and returns the index behind. */
  resolve(target: Buffer, targetAt: number, from: number = this.from, to: number = this.to): number {
    const { bytes } = this
    let at = from
    while (at < to) {
      const byte = bytes[at]!
      if (byte !== backslash) {
        target[targetAt++] = byte
        at += 1
        continue
      }
      const letter = bytes[at + 1]!
      if (letter !== 0x75) {
        target[targetAt++] = escaped[letter]!
        at += 2
        continue
      }
      const point = codePoint(bytes, at)
      targetAt = putUtf8(target, targetAt, point)
      at += point > 0xffff ? 12 : 6
    }
    return targetAt
  }

  /** Any value, with at most `levels` levels of lists and objects; nothing of it is kept. */
  skip(levels: number): void {
    const byte = this.peek()
    if (byte === quote) this.readString()
    else if (byte === 0x7b || byte === 0x5b) this.#skipList(byte === 0x7b ? '}' : ']', levels)
    else if (byte === 0x74) this.literal('true')
    else if (byte === 0x66) this.literal('false')
    else if (byte === 0x6e) this.literal('null')
    else if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) this.readNumber()
    else throw this.unexpected('a value')
  }

  #skipList(closing: '}' | ']', levels: number): void {
    if (levels === 0) throw new Malformed(this.at, 'too deeply nested')
    this.at += 1
    if (this.peek() === closing.charCodeAt(0)) {
      this.at += 1
      return
    }
    do {
      if (closing === '}') this.skipKey()
      this.skip(levels - 1)
    } while (this.hasMore(closing))
  }

  /** A key and its colon. */
  skipKey(): void {
    if (this.peek() !== quote) throw this.unexpected('a key in quotes')
    this.readString()
    this.expect(':', ': after the key')
  }

  /** What to throw when something else stands at `at`. */
  unexpected(expected: string): Malformed {
    return new Malformed(this.at, `expected ${expected}, found ${this.#found(this.at)}`)
  }

  #found(at: number): string {
    const byte = this.bytes[at]
    if (byte === undefined) return 'the end'
    return byte > 0x20 && byte < 0x7f
      ? String.fromCharCode(byte)
      : `the byte 0x${byte.toString(16).padStart(2, '0')}`
  }

  #badCharacter(at: number): Malformed {
    if (at > this.#invalidAt) return new Malformed(this.#invalidAt, 'expected UTF-8')
    if (at >= this.bytes.length)
      return new Malformed(at, 'expected the closing quote of a string, found the end')
    return new Malformed(at, `expected control characters to be escaped, found ${this.#found(at)}`)
  }

  /** Bytes of the escape at `at`, 12 for a pair of surrogates. */
  #escapeSize(at: number): number {
    const letter = this.bytes[at + 1]
    if (letter !== 0x75) {
      if (letter !== undefined && escaped[letter] !== 0) return 2
      throw new Malformed(at, `expected an escape of JSON, found \\ and ${this.#found(at + 1)}`)
    }
    const unit = unitAt(this.bytes, at)
    if (unit < 0) throw new Malformed(at, 'expected four hexadecimal digits after \\u')
    if (unit < 0xd800 || unit > 0xdfff) return 6
    // JSON.stringify writes half of a pair for a text that was cut there. No UTF-8 holds it: it becomes U+FFFD.
    return isPair(this.bytes, at, unit) ? 12 : 6
  }
}

/** The 16 bits of the escape \uXXXX that begins at `at`, -1 when there is none. */
function unitAt(bytes: Buffer, at: number): number {
  if (bytes[at] !== backslash || bytes[at + 1] !== 0x75) return -1
  let unit = 0
  for (let index = at + 2; index < at + 6; index++) {
    const digit = hexDigit(bytes[index])
    if (digit < 0) return -1
    unit = unit * 16 + digit
  }
  return unit
}

/** Whether the escape at `at`, which is the first half of a pair of surrogates, has its other half behind it. */
function isPair(bytes: Buffer, at: number, unit: number): boolean {
  return unit < 0xdc00 && (unitAt(bytes, at + 6) & ~0x3ff) === 0xdc00
}

/** The character of a checked escape. */
function codePoint(bytes: Buffer, at: number): number {
  const unit = unitAt(bytes, at)
  if (unit < 0xd800 || unit > 0xdfff) return unit
  if (!isPair(bytes, at, unit)) return 0xfffd
  return 0x10000 + ((unit - 0xd800) << 10) + unitAt(bytes, at + 6) - 0xdc00
}

/** Bytes that a checked escape of `size` bytes becomes. */
function resolvedSize(bytes: Buffer, at: number, size: number): number {
  if (size === 2) return 1
  if (size === 12) return 4
  const unit = unitAt(bytes, at)
  if (unit < 0x80) return 1
  return unit < 0x800 ? 2 : 3
}

function putUtf8(target: Buffer, at: number, point: number): number {
  if (point < 0x80) {
    target[at++] = point
    return at
  }
  if (point < 0x800) target[at++] = 0xc0 | (point >> 6)
  else {
    if (point < 0x10000) target[at++] = 0xe0 | (point >> 12)
    else {
      target[at++] = 0xf0 | (point >> 18)
      target[at++] = 0x80 | ((point >> 12) & 0x3f)
    }
    target[at++] = 0x80 | ((point >> 6) & 0x3f)
  }
  target[at++] = 0x80 | (point & 0x3f)
  return at
}

/** 0 to 15, -1 for what is no hexadecimal digit. */
export function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
