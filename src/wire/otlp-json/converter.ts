/**
 * From the JSON of OTLP to its protobuf, in one pass: each key and value is written as soon as it has been read.
 *
 * Sources: the section "JSON Protobuf Encoding" of OTLP's specification, and ProtoJSON (protobuf.dev) where that is
 * silent. Every occurrence of a key is written, in the order of the text, so that protobuf's rules decide about keys that
 * occur twice, and defaults are written when the text has them.
 */
import { limits } from '../../limits.ts'
import { base64Size, putBase64, putHex } from '../json/bytes.ts'
import { keyBytesMax } from '../json/keys.ts'
import { Malformed } from '../json/malformed.ts'
import type { NumberText } from '../json/numbers.ts'
import type { Output } from '../json/output.ts'
import { Path } from '../json/path.ts'
import type { Scanner } from '../json/scanner.ts'
import { Values } from '../json/values.ts'
import type { CompiledField, CompiledMessage } from './compiled.ts'
import type { Scalar } from './messages.ts'

const quote = 0x22

const oldKeys = /^instrumentation(Library|_library_)(Spans|Metrics|Logs|spans|metrics|logs)$/

/** AnyValue's whole number, and the tag of its double. */
const anyInteger = 'intValue'
const anyDoubleTag = 4 * 8 + 1

type Integer = Exclude<Scalar, 'string' | 'bool' | 'hex' | 'bytes' | 'double'>

export class Converter {
  readonly #scanner: Scanner
  readonly #output: Output
  readonly #values: Values
  /** A level for each open message. */
  readonly path = new Path()
  #depth = 0

  constructor(scanner: Scanner, output: Output) {
    this.#scanner = scanner
    this.#output = output
    this.#values = new Values(scanner)
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
    do {
      this.path.at(depth, undefined)
      const field = this.#key(message)
      this.path.at(depth, field?.name ?? '(unknown)')
      if (field === undefined) scanner.skip(limits.otlpNestingMax)
      else this.#field(field)
    } while (scanner.hasMore('}'))
    this.path.at(depth, undefined)
  }

  #key(message: CompiledMessage): CompiledField | undefined {
    const scanner = this.#scanner
    const field = message.keys.read(scanner)
    if (field === undefined && !scanner.hasEscapes && scanner.length <= keyBytesMax) {
      refuseOld(scanner.bytes, scanner.from, scanner.to)
    }
    return field
  }

  #field(field: CompiledField): void {
    if (this.#values.isNull()) return
    if (field.isRepeated) this.#list(field)
    else if (field.type === 'int64' && field.name === anyInteger) this.#anyInteger(field)
    else {
      this.#output.varint(field.tag)
      this.#value(field)
    }
  }

  /** SDKs for JavaScript write every whole number as `intValue`, 1e300 too: beyond 64 bits it is a double. */
  #anyInteger(field: CompiledField): void {
    const start = this.#values.readNumber('an integer')
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
      this.path.index(depth, index++)
      if (!field.isPacked) this.#output.varint(field.tag)
      this.#value(field)
    } while (scanner.hasMore(']'))
    this.path.index(depth, -1)
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
        this.#output.varint(this.#values.bool() ? 1 : 0)
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
    this.#values.readString('a string')
    output.varint(scanner.length)
    if (scanner.hasEscapes) {
      output.reserve(scanner.length)
      output.at = scanner.resolve(output.bytes, output.at)
    } else output.copy(scanner.bytes, scanner.from, scanner.to)
  }

  #hex(): void {
    const output = this.#output
    const values = this.#values
    values.readText('hexadecimal digits in quotes')
    const digits = values.to - values.from
    if (digits % 2 > 0) throw values.malformedText(`an even number of hexadecimal digits, found ${digits}`)
    output.varint(digits / 2)
    output.reserve(digits / 2)
    const wrongAt = putHex(values.text, values.from, values.to, output.bytes, output.at)
    if (wrongAt >= 0) throw values.malformedText('hexadecimal digits', wrongAt)
    output.at += digits / 2
  }

  #base64(): void {
    const output = this.#output
    const values = this.#values
    values.readText('base64 in quotes')
    const size = base64Size(values.text, values.from, values.to)
    if (size < 0) throw values.malformedText('base64, found a length that it cannot have')
    output.varint(size)
    output.reserve(size)
    const wrongAt = putBase64(values.text, values.from, values.to, output.bytes, output.at)
    if (wrongAt >= 0) throw values.malformedText('base64', wrongAt)
    output.at += size
  }

  /** A number, in quotes or not, or a name. */
  #enum({ numbers }: CompiledField): void {
    const scanner = this.#scanner
    const values = this.#values
    const start = scanner.at
    if (scanner.peek() === quote) {
      values.readText('a name')
      const { text, from, to } = values
      const isName = to > from && text[from]! >= 0x41
      if (isName) {
        const named = numbers?.get(text.toString('latin1', from, Math.min(to, from + 64)))
        if (named === undefined) {
          throw values.malformedText(`a number, or a name like ${[...(numbers?.keys() ?? [])].at(-1)}`)
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
    const start = this.#values.readNumber('an integer')
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
    const values = this.#values
    const isText = scanner.peek() === quote
    const start = scanner.at
    if (isText) {
      values.readText('a number')
      if (values.textIs('NaN')) return Number.NaN
      if (values.textIs('Infinity')) return Number.POSITIVE_INFINITY
      if (values.textIs('-Infinity')) return Number.NEGATIVE_INFINITY
      if (!values.isNumber()) throw values.malformedText('a number, NaN, Infinity or -Infinity')
    } else values.readNumber('a number')
    const value = scanner.number.double()
    if (!Number.isFinite(value)) throw new Malformed(start, 'expected what a double can hold')
    return value
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
