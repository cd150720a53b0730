/**
 * Spans of Zipkin's version 1, from JSON to a list of zipkincore.Span in Thrift's binary protocol, from its header on.
 *
 *     Span               1 trace_id i64, 3 name, 4 id i64, 5 parent_id i64, 6 annotations, 8 binary_annotations, 9 debug bool,
 *                        10 timestamp i64, 11 duration i64, 12 trace_id_high i64
 *     Annotation         1 timestamp i64, 2 value, 3 host
 *     BinaryAnnotation   1 key, 2 value, 3 annotation_type (0 bool, 1 bytes, 4 i64, 5 double, 6 string), 4 host
 *     Endpoint           1 ipv4 i32, 2 port i16 (read as unsigned), 3 service_name, 4 ipv6
 *
 * Source: zipkinCore.thrift of openzipkin/zipkin-api. Fields are written as they are read, except the two lists, which come
 * last: Thrift has one of each, and Zipkin joins those of a key that occurs twice. To readers of Thrift the last value of a
 * field counts.
 */

import { limits } from '../../limits.ts'
import { base64Size, putBase64 } from '../json/bytes.ts'
import type { Conversion } from '../json/conversion.ts'
import { Malformed } from '../json/malformed.ts'
import type { Path } from '../json/path.ts'
import type { Scanner } from '../json/scanner.ts'
import { ipv4Bytes } from './address.ts'
import { type EndpointSide, keyTable, Reader, spanIdDigits, traceIdDigits } from './reader.ts'
import { ThriftTarget, thrift } from './thrift-target.ts'

const spanKeys = keyTable(
  'traceId',
  'parentId',
  'id',
  'name',
  'timestamp',
  'duration',
  'annotations',
  'binaryAnnotations',
  'debug',
  // Of version 2.
  'kind',
  'localEndpoint',
  'remoteEndpoint',
  'tags',
  'shared',
)
const endpointKeys = keyTable('serviceName', 'ipv4', 'ipv6', 'port')
const annotationKeys = keyTable('timestamp', 'value', 'endpoint')
const binaryKeys = keyTable('key', 'value', 'type', 'endpoint')
/** Keys whose endpoint is the other side's. */
const addressKeys = keyTable('sa', 'ca', 'ma')
/** Types of AnnotationType for which the JSON has a value that it could not be known by. */
const valueTypes = keyTable('BYTES', 'I16', 'I32', 'I64', 'DOUBLE')

const span = {
  traceId: 1,
  name: 3,
  id: 4,
  parentId: 5,
  annotations: 6,
  binaryAnnotations: 8,
  debug: 9,
  timestamp: 10,
  duration: 11,
  traceIdHigh: 12,
}
const annotation = { timestamp: 1, value: 2, host: 3 }
const binary = { key: 1, value: 2, type: 3, host: 4 }
const endpoint = { ipv4: 1, port: 2, serviceName: 3, ipv6: 4 }
const annotationType = { bool: 0, bytes: 1, i64: 4, double: 5, string: 6 }

/** Where the second half of the reader's id begins. */
const lowIdAt = 8

type Key<Table> = Table extends { find(...args: never[]): infer Name } ? NonNullable<Name> : never

export class ConversionV1 implements Conversion {
  readonly path: Path
  readonly #reader: Reader
  readonly #target: ThriftTarget
  readonly #listStart: number
  /** Of the span that is being read. */
  #hasTraceId = false
  #hasId = false
  readonly #annotationsAt: number[] = []
  readonly #binaryAnnotationsAt: number[] = []
  /** Of the annotation. */
  #hasTimestamp = false
  #hasValue = false
  /** Of the binary annotation; the places are -1 without a value. */
  #hasKey = false
  #endpointSide: EndpointSide = 'own'
  #valueAt = -1
  #typeAt = -1

  constructor(scanner: Scanner, bytesExpected: number, bytesMax: number) {
    this.#reader = new Reader(scanner)
    this.#target = new ThriftTarget(bytesExpected, bytesMax)
    this.path = this.#reader.path
    this.#listStart = this.#target.beginList()
  }

  read(): void {
    this.#target.endList(this.#listStart, this.#reader.spans(this.#span))
  }

  finish(): Buffer {
    return this.#target.finish()
  }

  readonly #span = (): void => {
    const reader = this.#reader
    const start = reader.start()
    this.#hasTraceId = false
    this.#hasId = false
    this.#annotationsAt.length = 0
    this.#binaryAnnotationsAt.length = 0
    reader.object(spanKeys, 1, this.#spanMember)
    if (!this.#hasTraceId || !this.#hasId) throw new Malformed(start, 'expected a span with traceId and id')
    this.#lists()
    this.#target.stop()
  }

  readonly #spanMember = (key: Key<typeof spanKeys>): void => {
    const reader = this.#reader
    switch (key) {
      case 'traceId': {
        this.#hasTraceId = true
        reader.readRequiredId(traceIdDigits)
        this.#lowId(span.traceId)
        this.#target.field(thrift.i64, span.traceIdHigh)
        // Zeros for a shorter one: they are what the field means when it is absent.
        this.#target.copy(reader.id, 0, lowIdAt)
        break
      }
      case 'id':
        this.#hasId = true
        reader.readRequiredId(spanIdDigits)
        this.#lowId(span.id)
        break
      case 'parentId':
        reader.readId(spanIdDigits)
        this.#lowId(span.parentId)
        break
      case 'name':
        this.#text(span.name)
        break
      case 'timestamp':
      case 'duration':
        this.#integer(span[key])
        break
      case 'debug':
        this.#target.field(thrift.bool, span.debug)
        this.#target.byte(reader.values.bool() ? 1 : 0)
        break
      case 'annotations':
        this.#later(this.#annotationsAt)
        break
      case 'binaryAnnotations':
        this.#later(this.#binaryAnnotationsAt)
        break
      default:
        throw new Malformed(reader.scanner.at, 'expected a span of version 1, found one of version 2')
    }
  }

  #later(places: number[]): void {
    const { scanner } = this.#reader
    places.push(scanner.at)
    scanner.skip(limits.otlpNestingMax)
  }

  #lists(): void {
    const reader = this.#reader
    const target = this.#target
    const end = reader.scanner.at
    if (this.#annotationsAt.length > 0) {
      target.field(thrift.list, span.annotations)
      const start = target.beginList()
      target.endList(start, this.#elements('annotations', this.#annotationsAt, this.#annotation))
    }
    if (this.#binaryAnnotationsAt.length + reader.oddTexts.length > 0) {
      target.field(thrift.list, span.binaryAnnotations)
      const start = target.beginList()
      const count = this.#elements('binaryAnnotations', this.#binaryAnnotationsAt, this.#binaryAnnotation)
      const more = reader.oddTexts.length
      if (more > 0) reader.takeOddTexts(this.#oddText)
      target.endList(start, count + more)
    }
    reader.scanner.at = end
    this.path.at(1, undefined)
  }

  #elements(key: string, places: readonly number[], element: () => void): number {
    const reader = this.#reader
    let count = 0
    for (const place of places) {
      reader.scanner.at = place
      this.path.at(1, key)
      count += reader.list(1, element)
    }
    return count
  }

  #lowId(number: number): void {
    const { id } = this.#reader
    this.#target.field(thrift.i64, number)
    this.#target.copy(id, lowIdAt, id.length)
  }

  #integer(number: number): void {
    const { low, high } = this.#reader.readInteger(true)
    this.#target.field(thrift.i64, number)
    this.#target.i64(low, high)
  }

  #text(number: number): void {
    this.#reader.readText()
    this.#textRead(number)
  }

  /** The text that was read last. */
  #textRead(number: number): void {
    const reader = this.#reader
    this.#target.field(thrift.string, number)
    this.#target.i32(reader.scanner.length)
    reader.copyText(this.#target)
  }

  readonly #annotation = (): void => {
    const start = this.#reader.start()
    this.#hasTimestamp = false
    this.#hasValue = false
    this.#endpointSide = 'own'
    this.#reader.object(annotationKeys, 2, this.#annotationMember)
    if (!this.#hasTimestamp || !this.#hasValue) {
      throw new Malformed(start, 'expected an annotation with timestamp and value')
    }
    this.#target.stop()
  }

  readonly #annotationMember = (key: Key<typeof annotationKeys>): void => {
    if (key === 'timestamp') {
      this.#hasTimestamp = true
      this.#integer(annotation.timestamp)
    } else if (key === 'value') {
      this.#hasValue = true
      this.#text(annotation.value)
    } else this.#endpoint(annotation.host)
  }

  #endpoint(number: number): void {
    this.#target.field(thrift.struct, number)
    this.#reader.object(endpointKeys, 3, this.#endpointMember)
    this.#target.stop()
  }

  readonly #endpointMember = (key: Key<typeof endpointKeys>): void => {
    const reader = this.#reader
    const target = this.#target
    if (key === 'serviceName') this.#text(endpoint.serviceName)
    else if (key === 'port') {
      const port = reader.readPort()
      target.field(thrift.i16, endpoint.port)
      target.i16(port)
    } else {
      const bytes = reader.readAddress(this.#endpointSide)
      if (bytes === 0) return
      if (bytes === ipv4Bytes) target.field(thrift.i32, endpoint.ipv4)
      else {
        target.field(thrift.string, endpoint.ipv6)
        target.i32(bytes)
      }
      target.copy(reader.address, 0, bytes)
    }
  }

  readonly #binaryAnnotation = (): void => {
    const reader = this.#reader
    const { scanner, oddSides } = reader
    const start = reader.start()
    const oddBefore = oddSides.length
    this.#hasKey = false
    this.#endpointSide = 'own'
    this.#valueAt = -1
    this.#typeAt = -1
    reader.object(binaryKeys, 2, this.#binaryMember)
    if (!this.#hasKey) throw new Malformed(start, 'expected a binary annotation with key')
    // The key may come behind the endpoint.
    if (oddSides.length > oddBefore) oddSides.fill(this.#endpointSide, oddBefore)
    const end = scanner.at
    this.#value()
    scanner.at = end
    this.path.at(2, undefined)
    this.#target.stop()
  }

  readonly #binaryMember = (key: Key<typeof binaryKeys>): void => {
    const { scanner } = this.#reader
    if (key === 'key') {
      this.#hasKey = true
      this.#text(binary.key)
      const isAddress = addressKeys.find(scanner.bytes, scanner.from, scanner.to) !== undefined
      this.#endpointSide = isAddress ? 'peer' : 'own'
    } else if (key === 'endpoint') this.#endpoint(binary.host)
    else {
      if (key === 'value') this.#valueAt = scanner.at
      else this.#typeAt = scanner.at
      scanner.skip(limits.otlpNestingMax)
    }
  }

  /** The value and its type; what has none has an empty text. */
  #value(): void {
    const { scanner, values } = this.#reader
    const type = this.#typeNamed()
    scanner.at = this.#valueAt
    if (this.#valueAt < 0) {
      this.#typed(annotationType.string, 0)
      return
    }
    const byte = scanner.peek()
    if (byte === 0x74 || byte === 0x66) {
      const isTrue = values.bool()
      this.#typed(annotationType.bool, 1)
      this.#target.byte(isTrue ? 1 : 0)
      return
    }
    this.path.at(2, 'value')
    this.#reader.readText()
    const isText = byte === 0x22
    if (isText) {
      scanner.at = this.#valueAt
      values.readText('a string')
      if (type === 'BYTES' && this.#bytes()) return
    }
    const isNumber = !isText || (type !== undefined && type !== 'BYTES' && values.isNumber())
    if (isNumber && this.#number(type === 'DOUBLE')) return
    this.#typed(annotationType.string, scanner.length)
    this.#reader.copyText(this.#target)
  }

  #typeNamed(): Key<typeof valueTypes> | undefined {
    const { scanner, values } = this.#reader
    if (this.#typeAt < 0 || scanner.bytes[this.#typeAt] !== 0x22) return undefined
    scanner.at = this.#typeAt
    values.readText('a type')
    return valueTypes.find(values.text, values.from, values.to)
  }

  /** The number that was read last, as an integer if it is written as one; false when none of the two types holds it. */
  #number(isDouble: boolean): boolean {
    const { number } = this.#reader.scanner
    const isPlain = number.end === number.integerEnd
    if (!isDouble && isPlain && number.integer(true) === 'ok') {
      this.#typed(annotationType.i64, 8)
      this.#target.i64(number.low, number.high)
      return true
    }
    const value = number.double()
    if (!Number.isFinite(value)) return false
    this.#typed(annotationType.double, 8)
    this.#target.double(value)
    return true
  }

  /** The text that was read last, if it is base64. */
  #bytes(): boolean {
    const { text, from, to } = this.#reader.values
    const size = base64Size(text, from, to)
    if (size < 0) return false
    const bytes = Buffer.allocUnsafe(size)
    if (putBase64(text, from, to, bytes, 0) >= 0) return false
    this.#typed(annotationType.bytes, size)
    this.#target.copy(bytes, 0, size)
    return true
  }

  /** Type and length of a value, which is to follow. */
  #typed(type: number, bytes: number): void {
    this.#target.field(thrift.i32, binary.type)
    this.#target.i32(type)
    this.#target.field(thrift.string, binary.value)
    this.#target.i32(bytes)
  }

  readonly #oddText = (name: Buffer): void => {
    const target = this.#target
    target.field(thrift.string, binary.key)
    target.i32(name.length)
    target.copy(name, 0, name.length)
    this.#typed(annotationType.string, this.#reader.scanner.length)
    this.#reader.copyText(target)
    target.stop()
  }
}
