/**
 * What the JSON of both versions of Zipkin is made of. Source: zipkin-api.yaml and zipkin2-api.yaml of openzipkin/zipkin-api,
 * and V1JsonSpanReader and V2SpanReader of openzipkin/zipkin where these are silent.
 *
 * It is read as Zipkin reads it, and more leniently where nothing is lost by it: ids in capitals, numbers and booleans as
 * texts of themselves, integers with an exponent. A value of `null` is as good as none.
 */
import { limits } from '../../limits.ts'
import { KeyTable } from '../json/keys.ts'
import { Malformed } from '../json/malformed.ts'
import type { NumberText } from '../json/numbers.ts'
import { Path } from '../json/path.ts'
import { hexDigit, type Scanner } from '../json/scanner.ts'
import type { Target } from '../json/target.ts'
import { Values } from '../json/values.ts'
import { ipv6Bytes, putAddress } from './address.ts'

const quote = 0x22
const portMax = 65_535

/** Bytes of a trace id; those of a span's are the last half. */
const idBytes = 16
/** Digits of a span's id, and of the shorter form of a trace's. */
export const spanIdDigits = 16
export const traceIdDigits = 32

/** The attributes that OTLP has for an endpoint's address, on this side and the other; they take any text. */
const addressNames = { own: Buffer.from('net.host.ip'), peer: Buffer.from('net.peer.ip') } as const
export type EndpointSide = keyof typeof addressNames

export function keyTable<Key extends string>(...keys: Key[]): KeyTable<Key> {
  return new KeyTable(keys.map((key) => [key, key]))
}

export class Reader {
  readonly scanner: Scanner
  readonly values: Values
  readonly path = new Path()
  /** The id that was read last, with zeros before it. */
  readonly id = Buffer.alloc(idBytes)
  /** The address that was read last, from its beginning. */
  readonly address = Buffer.alloc(ipv6Bytes)
  /** Texts of the span's endpoints that are no addresses: where each begins, and which tag keeps it. */
  readonly oddTexts: number[] = []
  readonly oddSides: EndpointSide[] = []

  constructor(scanner: Scanner) {
    this.scanner = scanner
    this.values = new Values(scanner)
  }

  /** The one list of a text; `element` reads each span. */
  spans(element: () => void): number {
    this.path.at(0, '')
    return this.list(0, element)
  }

  /** A list, whose index is the path's at `level`. Returns the number of its elements. */
  list(level: number, element: () => void): number {
    const { scanner, path } = this
    scanner.expect('[', 'a list')
    if (scanner.peek() === 0x5d) {
      scanner.at += 1
      return 0
    }
    let count = 0
    do {
      path.index(level, count++)
      element()
    } while (scanner.hasMore(']'))
    path.index(level, -1)
    return count
  }

  /** An object; `member` reads the value of each known key that has one, and other keys are skipped. */
  object<Key extends string>(keys: KeyTable<Key>, level: number, member: (key: Key) => void): void {
    const { scanner, path, values } = this
    scanner.expect('{', 'an object')
    if (scanner.peek() === 0x7d) {
      scanner.at += 1
      return
    }
    do {
      path.at(level, undefined)
      const key = keys.read(scanner)
      path.at(level, key ?? '(unknown)')
      if (key === undefined) scanner.skip(limits.otlpNestingMax)
      else if (!values.isNull()) member(key)
    } while (scanner.hasMore('}'))
    path.at(level, undefined)
  }

  /** Where the next value begins. */
  start(): number {
    this.scanner.peek()
    return this.scanner.at
  }

  /** A text, or a number or boolean as it is written, left in the scanner as the string read last. */
  readText(): void {
    const { scanner } = this
    const byte = scanner.peek()
    if (byte === quote) {
      scanner.readString()
      return
    }
    const from = scanner.at
    if (byte === 0x74 || byte === 0x66) this.values.bool()
    else if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) scanner.readNumber()
    else throw scanner.unexpected('a string')
    scanner.from = from
    scanner.to = scanner.at
    scanner.length = scanner.to - from
  }

  /** The text that was read last, `scanner.length` bytes of it. */
  copyText(target: Target): void {
    const { from, to, length } = this.scanner
    this.copy(target, from, to, length)
  }

  /** A text that was read earlier: its place, and its length with the escapes resolved. */
  copy(target: Target, from: number, to: number, length: number): void {
    const { scanner } = this
    if (length < to - from) {
      target.reserve(length)
      target.at = scanner.resolve(target.bytes, target.at, from, to)
    } else target.copy(scanner.bytes, from, to)
  }

  /** Hexadecimal digits, left in `id`. Returns how many there were before zeros were put before them; 0 for an id of zero. */
  readId(digitsMax: number): number {
    const { values, id } = this
    values.readText('hexadecimal digits in quotes')
    const { text, from, to } = values
    const digits = to - from
    if (digits > digitsMax) {
      throw values.malformedText(`at most ${digitsMax} hexadecimal digits, found ${digits}`)
    }
    id.fill(0)
    let any = 0
    for (let at = to - 1, place = idBytes * 2 - 1; at >= from; at--, place--) {
      const digit = hexDigit(text[at])
      if (digit < 0) throw values.malformedText('hexadecimal digits', at)
      id[place >> 1]! |= place & 1 ? digit : digit << 4
      any |= digit
    }
    return any === 0 ? 0 : digits
  }

  /** As `readId`, of an id that every span has. */
  readRequiredId(digitsMax: number): number {
    const digits = this.readId(digitsMax)
    if (digits === 0) throw this.values.malformedText('an id that is not zero')
    return digits
  }

  /**
   * An integer of 64 bits, in quotes or not. The result is valid until the next number. A negative one is as a signed integer
   * has it, others are as an unsigned one, unless all are to be signed.
   */
  readInteger(isSigned: boolean): NumberText {
    const start = this.values.readNumber('an integer')
    const { number } = this.scanner
    const found = number.integer(isSigned || number.isNegative)
    if (found === 'fraction') throw new Malformed(start, 'expected an integer, found a fraction')
    if (found === 'range') throw new Malformed(start, 'expected what an integer of 64 bits can hold')
    return number
  }

  /** 0 when the port is not known, which is also what a negative one means. */
  readPort(): number {
    const start = this.start()
    const { low, high } = this.readInteger(true)
    if (high >= 2 ** 31) return 0
    if (high > 0 || low > portMax) throw new Malformed(start, `expected a port, 0 to ${portMax}`)
    return low
  }

  /** Leaves an address in `address` and returns its bytes, 4 or 16. 0 for an empty text and for what is none, which is noted. */
  readAddress(side: EndpointSide): number {
    const start = this.start()
    const { values } = this
    values.readText('an address in quotes')
    if (values.to === values.from) return 0
    const bytes = putAddress(values.text, values.from, values.to, this.address)
    if (bytes > 0) return bytes
    this.oddTexts.push(start)
    this.oddSides.push(side)
    return 0
  }

  /** Reads each text that was noted, forgets them all, and goes back to where it was. */
  takeOddTexts(take: (name: Buffer) => void): void {
    const { scanner, oddTexts, oddSides } = this
    const end = scanner.at
    for (let index = 0; index < oddTexts.length; index++) {
      scanner.at = oddTexts[index] ?? 0
      this.readText()
      take(addressNames[oddSides[index] ?? 'own'])
    }
    scanner.at = end
    this.oddTexts.length = 0
    this.oddSides.length = 0
  }
}
