/** The values of JSON that readers of one format or another ask for, checked, with the refusals that name what was expected. */
import { Malformed } from './malformed.ts'
import type { Scanner } from './scanner.ts'

const quote = 0x22

export class Values {
  /** Of the text that was read last, with its escapes resolved: the bytes are borrowed until the next one is read. */
  text: Buffer
  from = 0
  to = 0
  readonly #scanner: Scanner

  constructor(scanner: Scanner) {
    this.#scanner = scanner
    this.text = scanner.bytes
  }

  /** A string, left in the scanner. */
  readString(expected: string): void {
    if (this.#scanner.peek() !== quote) throw this.#scanner.unexpected(expected)
    this.#scanner.readString()
  }

  /** A string whose bytes are wanted at hand. */
  readText(expected: string): void {
    const scanner = this.#scanner
    this.readString(expected)
    if (scanner.hasEscapes) {
      this.text = Buffer.allocUnsafe(scanner.length)
      this.from = 0
      this.to = scanner.resolve(this.text, 0)
    } else {
      this.text = scanner.bytes
      this.from = scanner.from
      this.to = scanner.to
    }
  }

  /** Whether the text that was read last is this one, which is ASCII. */
  textIs(text: string): boolean {
    if (this.to - this.from !== text.length) return false
    return this.text.toString('latin1', this.from, this.to) === text
  }

  /** A number, in quotes or not, is left in the scanner's `number`. Returns where it begins. */
  readNumber(expected: string): number {
    const scanner = this.#scanner
    const byte = scanner.peek()
    const start = scanner.at
    if (byte === quote) {
      this.readText(expected)
      if (!this.isNumber()) throw this.malformedText(expected)
    } else if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) scanner.readNumber()
    else throw scanner.unexpected(expected)
    return start
  }

  /** Whether the text that was read last is a number from its beginning to its end; it is left in the scanner. */
  isNumber(): boolean {
    const { number } = this.#scanner
    return number.find(this.text, this.from, this.to) && number.end === this.to
  }

  bool(): boolean {
    const scanner = this.#scanner
    const isTrue = scanner.peek() === 0x74
    if (!isTrue && scanner.peek() !== 0x66) throw scanner.unexpected('true or false')
    scanner.literal(isTrue ? 'true' : 'false')
    return isTrue
  }

  /** `null` has been read, if it is what comes next. */
  isNull(): boolean {
    if (this.#scanner.peek() !== 0x6e) return false
    this.#scanner.literal('null')
    return true
  }

  /** What to throw for the text that was read last; `at` is an index into it. */
  malformedText(expected: string, at?: number): Malformed {
    const { from, hasEscapes } = this.#scanner
    return new Malformed(at === undefined || hasEscapes ? from : at, `expected ${expected}`)
  }
}
