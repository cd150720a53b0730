/**
 * From the JSON of OTLP to its protobuf, in one pass: each key and value is written as soon as it has been read.
 *
 * Sources: the section "JSON Protobuf Encoding" of OTLP's specification, and ProtoJSON (protobuf.dev) where that is
 * silent. Every occurrence of a key is written, in the order of the text, so that protobuf's rules decide about keys that
 * occur twice, and defaults are written when the text has them.
 */
import { limits } from '../../limits.ts'
import { base64Size, putBase64, putHex } from './bytes.ts'
import { type CompiledField, type CompiledMessage, hashStep, keyBytesMax } from './compiled.ts'
import { Malformed } from './malformed.ts'
import type { Scalar } from './messages.ts'
import type { NumberText } from './numbers.ts'
import type { Output } from './output.ts'
import type { Scanner } from './scanner.ts'

const quote = 0x22
const backslash = 0x5c

const oldKeys = /^instrumentation(Library|_library_)(Spans|Metrics|Logs|spans|metrics|logs)$/

/** AnyValue's whole number, and the tag of its double. */
const anyInteger = 'intValue'
const anyDoubleTag = 4 * 8 + 1

type Integer = Exclude<Scalar, 'string' | 'bool' | 'hex' | 'bytes' | 'double'>

export class Converter {
  readonly #scanner: Scanner
  readonly #output: Output
  /** Where the cursor is: for each open message the name of the field and its index in a list, -1 without one. */
  readonly #names: (string | undefined)[] = []
  readonly #indices: number[] = []
  #depth = 0
  /** The string that was read last, with its escapes resolved. */
  #text: Buffer
  #from = 0
  #to = 0

  constructor(scanner: Scanner, output: Output) {
    this.#scanner = scanner
    this.#output = output
    this.#text = scanner.bytes
  }

  /** Like `resourceSpans[0].scopeSpans[2].spans[1].traceId`; empty for the request itself. */
  get path(): string {
    let path = ''
    for (let depth = 0; this.#names[depth] !== undefined; depth++) {
      const index = this.#indices[depth] ?? -1
      path += `${depth > 0 ? '.' : ''}${this.#names[depth]}${index >= 0 ? `[${index}]` : ''}`
    }
    return path
  }

  /** An object, and its fields as those of `message`. @throws Malformed */
  message(message: CompiledMessage): void {
    const scanner = this.#scanner
    if (this.#depth > limits.otlpNestingMax) throw new Malformed(scanner.at, 'too deeply nested')
    scanner.expect('{', 'an object')
    if (scanner.peek() === 0x7d) {
      scanner.at += 1
      return
    }
    const depth = this.#depth
    this.#indices[depth] = -1
    do {
      this.#names[depth] = undefined
      const field = this.#key(message)
      this.#names[depth] = field?.name ?? '(unknown)'
      if (field === undefined) scanner.skip(limits.otlpNestingMax)
      else this.#field(field)
    } while (scanner.hasMore('}'))
    this.#names[depth] = undefined
  }

  /** A key and its colon. */
  #key(message: CompiledMessage): CompiledField | undefined {
    const scanner = this.#scanner
    const { bytes } = scanner
    if (scanner.peek() !== quote) throw scanner.unexpected('a key in quotes')
    const from = scanner.at + 1
    let at = from
    let hash = 0
    let byte = bytes[at]
    while (byte !== undefined && byte >= 0x20 && byte < 0x7f && byte !== quote && byte !== backslash) {
      hash = hashStep(hash, byte)
      byte = bytes[++at]
    }
    if (byte === quote) {
      scanner.at = at + 1
      scanner.expect(':', ': after the key')
      const field = message.find(bytes, from, at, hash)
      if (field === undefined && at - from <= keyBytesMax) refuseOld(bytes, from, at)
      return field
    }
    scanner.skipKey()
    if (!scanner.hasEscapes || scanner.length > keyBytesMax) return undefined
    this.#resolve()
    return message.find(this.#text, 0, this.#to, this.#text.reduce(hashStep, 0))
  }

  #field(field: CompiledField): void {
    if (this.#scanner.peek() === 0x6e) this.#scanner.literal('null')
    else if (field.isRepeated) this.#list(field)
    else if (field.type === 'int64' && field.name === anyInteger) this.#anyInteger(field)
    else {
      this.#output.varint(field.tag)
      this.#value(field)
    }
  }

  /** SDKs for JavaScript write every whole number as `intValue`, 1e300 too: beyond 64 bits it is a double. */
  #anyInteger(field: CompiledField): void {
    const start = this.#readNumber('an integer')
    const { number } = this.#scanner
    const found = number.integer(true)
    if (found === 'fraction') throw new Malformed(start, 'expected an integer, found a fraction')
    const value = number.double()
    if (found === 'range' && Number.isFinite(value)) {
      this.#output.varint(anyDoubleTag)
      this.#output.double(value)
      return
    }
    this.#scanner.at = start
    this.#output.varint(field.tag)
    this.#value(field)
  }

  #list(field: CompiledField): void {
    const scanner = this.#scanner
    scanner.expect('[', 'a list')
    if (scanner.peek() === 0x5d) {
      scanner.at += 1
      return
    }
    if (field.isPacked) {
      this.#output.varint(field.tag)
      this.#output.open()
    }
    const depth = this.#depth
    let index = 0
    do {
      this.#indices[depth] = index++
      if (!field.isPacked) this.#output.varint(field.tag)
      this.#value(field)
    } while (scanner.hasMore(']'))
    this.#indices[depth] = -1
    if (field.isPacked) this.#output.close()
  }

  #value(field: CompiledField): void {
    switch (field.type) {
      case 'message':
        this.#nested(field)
        break
      case 'string':
        this.#string()
        break
      case 'hex':
        this.#hex()
        break
      case 'bytes':
        this.#base64()
        break
      case 'double':
        this.#output.double(this.#double())
        break
      case 'bool':
        this.#output.varint(this.#bool())
        break
      case 'enum':
        this.#enum(field)
        break
      default:
        this.#putInteger(field.type)
    }
  }

  #putInteger(type: Integer): void {
    const output = this.#output
    const { low, high } = this.#integer(type)
    if (type === 'fixed32') output.fixed32(low)
    else if (type === 'fixed64' || type === 'sfixed64') output.fixed64(low, high)
    else if (type === 'sint32') output.varint(((low << 1) ^ (low >> 31)) >>> 0)
    else output.varint64(low, high)
  }

  #nested({ message }: CompiledField): void {
    if (message === undefined) throw new Error('a field of type message has no message')
    this.#output.open()
    this.#depth += 1
    this.message(message)
    this.#depth -= 1
    this.#output.close()
  }

  #string(): void {
    const scanner = this.#scanner
    const output = this.#output
    this.#readString('a string')
    output.varint(scanner.length)
    if (scanner.hasEscapes) {
      output.reserve(scanner.length)
      output.at = scanner.resolve(output.bytes, output.at)
    } else output.copy(scanner.bytes, scanner.from, scanner.to)
  }

  #hex(): void {
    const output = this.#output
    this.#readText('hexadecimal digits in quotes')
    const digits = this.#to - this.#from
    if (digits % 2 > 0) throw this.#malformedText(`an even number of hexadecimal digits, found ${digits}`)
    output.varint(digits / 2)
    output.reserve(digits / 2)
    const wrongAt = putHex(this.#text, this.#from, this.#to, output.bytes, output.at)
    if (wrongAt >= 0) throw this.#malformedText('hexadecimal digits', wrongAt)
    output.at += digits / 2
  }

  #base64(): void {
    const output = this.#output
    this.#readText('base64 in quotes')
    const size = base64Size(this.#text, this.#from, this.#to)
    if (size < 0) throw this.#malformedText('base64, found a length that it cannot have')
    output.varint(size)
    output.reserve(size)
    const wrongAt = putBase64(this.#text, this.#from, this.#to, output.bytes, output.at)
    if (wrongAt >= 0) throw this.#malformedText('base64', wrongAt)
    output.at += size
  }

  #bool(): number {
    const isTrue = this.#scanner.peek() === 0x74
    if (!isTrue && this.#scanner.peek() !== 0x66) throw this.#scanner.unexpected('true or false')
    this.#scanner.literal(isTrue ? 'true' : 'false')
    return isTrue ? 1 : 0
  }

  /** A number, in quotes or not, or a name. */
  #enum({ numbers }: CompiledField): void {
    const scanner = this.#scanner
    const start = scanner.at
    if (scanner.peek() === quote) {
      this.#readText('a name')
      const isName = this.#to > this.#from && this.#text[this.#from]! >= 0x41
      if (isName) {
        const named = numbers?.get(
          this.#text.toString('latin1', this.#from, Math.min(this.#to, this.#from + 64)),
        )
        if (named === undefined) {
          throw this.#malformedText(`a number, or a name like ${[...(numbers?.keys() ?? [])].at(-1)}`)
        }
        this.#output.varint(named)
        return
      }
      scanner.at = start
    }
    const { low, high } = this.#integer('int32')
    this.#output.varint64(low, high)
  }

  /** In quotes or not, and with an exponent if it is an integer nevertheless. The result is valid until the next one. */
  #integer(type: Integer): NumberText {
    const start = this.#readNumber('an integer')
    const isSigned = type === 'sfixed64' || type === 'int64' || type === 'int32' || type === 'sint32'
    const isShort = type === 'fixed32' || type === 'int32' || type === 'uint32' || type === 'sint32'
    const { number } = this.#scanner
    const found = number.integer(isSigned)
    if (found === 'fraction') throw new Malformed(start, 'expected an integer, found a fraction')
    if (found === 'range' || (isShort && !isWithin32Bits(number, isSigned))) {
      throw new Malformed(
        start,
        `expected what ${isSigned ? 'a signed' : 'an unsigned'} integer of ${isShort ? 32 : 64} bits can hold`,
      )
    }
    return number
  }

  #double(): number {
    const scanner = this.#scanner
    const isText = scanner.peek() === quote
    const start = scanner.at
    if (isText) {
      this.#readText('a number')
      if (this.#textIs('NaN')) return Number.NaN
      if (this.#textIs('Infinity')) return Number.POSITIVE_INFINITY
      if (this.#textIs('-Infinity')) return Number.NEGATIVE_INFINITY
      this.#findNumber('a number, NaN, Infinity or -Infinity')
    } else this.#readNumber('a number')
    const value = scanner.number.double()
    if (!Number.isFinite(value)) throw new Malformed(start, 'expected what a double can hold')
    return value
  }

  /** Leaves it in the scanner's `number` and returns where it begins. */
  #readNumber(expected: string): number {
    const scanner = this.#scanner
    const byte = scanner.peek()
    const start = scanner.at
    if (byte === quote) {
      this.#readText(expected)
      this.#findNumber(expected)
    } else if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) scanner.readNumber()
    else throw scanner.unexpected(expected)
    return start
  }

  #findNumber(expected: string): void {
    const { number } = this.#scanner
    const isNumber = number.find(this.#text, this.#from, this.#to) && number.end === this.#to
    if (!isNumber) throw this.#malformedText(expected)
  }

  #readString(expected: string): void {
    if (this.#scanner.peek() !== quote) throw this.#scanner.unexpected(expected)
    this.#scanner.readString()
  }

  /** A string that is wanted as bytes at hand. */
  #readText(expected: string): void {
    const scanner = this.#scanner
    this.#readString(expected)
    if (scanner.hasEscapes) this.#resolve()
    else {
      this.#text = scanner.bytes
      this.#from = scanner.from
      this.#to = scanner.to
    }
  }

  #resolve(): void {
    this.#text = Buffer.allocUnsafe(this.#scanner.length)
    this.#from = 0
    this.#to = this.#scanner.resolve(this.#text, 0)
  }

  #textIs(text: string): boolean {
    if (this.#to - this.#from !== text.length) return false
    return this.#text.toString('latin1', this.#from, this.#to) === text
  }

  /** What to throw for the string that was read last; `at` is an index into its text. */
  #malformedText(expected: string, at?: number): Malformed {
    const { from, hasEscapes } = this.#scanner
    return new Malformed(at === undefined || hasEscapes ? from : at, `expected ${expected}`)
  }
}

/** Items under the keys of OTLP before 0.19 would vanish as unknown ones do. */
function refuseOld(bytes: Buffer, from: number, to: number): void {
  const key = bytes.toString('latin1', from, to)
  if (oldKeys.test(key)) throw new Malformed(from, `expected the keys of OTLP 0.19 or later, found ${key}`)
}

function isWithin32Bits({ low, high }: NumberText, isSigned: boolean): boolean {
  if (!isSigned) return high === 0
  return low < 2 ** 31 ? high === 0 : high === 2 ** 32 - 1
}
