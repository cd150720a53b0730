/**
 * Spans of Zipkin's version 2, from JSON to zipkin.proto3.ListOfSpans: each field is written as soon as it has been read.
 *
 *     ListOfSpans   1 spans
 *     Span          1 trace_id bytes, 2 parent_id bytes, 3 id bytes, 4 kind, 5 name, 6 timestamp fixed64, 7 duration uint64,
 *                   8 local_endpoint, 9 remote_endpoint, 10 annotations, 11 tags (1 key, 2 value), 12 debug, 13 shared
 *     Endpoint      1 service_name, 2 ipv4 bytes, 3 ipv6 bytes, 4 port int32
 *     Annotation    1 timestamp fixed64, 2 value
 *
 * Source: zipkin.proto of openzipkin/zipkin-api. A key that occurs twice is written twice, and so is a tag: to readers of
 * protobuf the last scalar and the last tag of a key count, and lists follow each other, which is how Zipkin reads the JSON.
 * Endpoints would merge where Zipkin takes the last one; therefore a second one begins with the defaults of all its fields.
 */
import type { Conversion } from '../json/conversion.ts'
import { KeyTable } from '../json/keys.ts'
import { Malformed } from '../json/malformed.ts'
import { Output, varintBytes } from '../json/output.ts'
import type { Path } from '../json/path.ts'
import type { Scanner } from '../json/scanner.ts'
import { ipv4Bytes } from './address.ts'
import { type EndpointSide, keyTable, Reader, spanIdDigits, traceIdDigits } from './reader.ts'

const spanKeys = keyTable(
  'traceId',
  'parentId',
  'id',
  'kind',
  'name',
  'timestamp',
  'duration',
  'localEndpoint',
  'remoteEndpoint',
  'annotations',
  'tags',
  'debug',
  'shared',
  // Of version 1.
  'binaryAnnotations',
)
const endpointKeys = keyTable('serviceName', 'ipv4', 'ipv6', 'port')
// `endpoint` is of version 1.
const annotationKeys = keyTable('timestamp', 'value', 'endpoint')

const kindNames = ['CLIENT', 'SERVER', 'PRODUCER', 'CONSUMER']
const kinds = new KeyTable(
  kindNames.flatMap((name, index) => [[name, index + 1] as const, [name.toLowerCase(), index + 1] as const]),
)

/** Number and wire type as they stand before a field's value: 0 varint, 1 eight bytes, 2 bytes after their length. */
const tag = (number: number, wireType: 0 | 1 | 2): number => number * 8 + wireType
const list = { spans: tag(1, 2) }
const span = {
  traceId: tag(1, 2),
  parentId: tag(2, 2),
  id: tag(3, 2),
  kind: tag(4, 0),
  name: tag(5, 2),
  timestamp: tag(6, 1),
  duration: tag(7, 0),
  localEndpoint: tag(8, 2),
  remoteEndpoint: tag(9, 2),
  annotations: tag(10, 2),
  tags: tag(11, 2),
  debug: tag(12, 0),
  shared: tag(13, 0),
}
const entry = { key: tag(1, 2), value: tag(2, 2) }
const endpoint = { serviceName: tag(1, 2), ipv4: tag(2, 2), ipv6: tag(3, 2), port: tag(4, 0) }
const endpointDefaults = Buffer.from(
  [endpoint.serviceName, endpoint.ipv4, endpoint.ipv6, endpoint.port].flatMap((field) => [field, 0]),
)
const annotation = { timestamp: tag(1, 1), value: tag(2, 2) }

/** Bytes of an id of 64 bits, and where it begins in the reader's. */
const shortIdBytes = 8

type Key<Table> = Table extends KeyTable<infer Name> ? Name : never

export class ConversionV2 implements Conversion {
  readonly path: Path
  readonly #reader: Reader
  readonly #output: Output
  /** Of the object that is being read. */
  #hasTraceId = false
  #hasId = false
  #hasTimestamp = false
  #hasValue = false
  #localEndpoints = 0
  #remoteEndpoints = 0
  #endpointSide: EndpointSide = 'own'

  constructor(scanner: Scanner, bytesExpected: number, bytesMax: number) {
    this.#reader = new Reader(scanner)
    this.#output = new Output(bytesExpected, bytesMax)
    this.path = this.#reader.path
  }

  read(): void {
    this.#reader.spans(this.#span)
  }

  finish(): Buffer {
    return this.#output.finish()
  }

  readonly #span = (): void => {
    const reader = this.#reader
    const start = reader.start()
    this.#hasTraceId = false
    this.#hasId = false
    this.#localEndpoints = 0
    this.#remoteEndpoints = 0
    this.#output.varint(list.spans)
    this.#output.open()
    reader.object(spanKeys, 1, this.#spanMember)
    if (!this.#hasTraceId || !this.#hasId) throw new Malformed(start, 'expected a span with traceId and id')
    if (reader.oddTexts.length > 0) reader.takeOddTexts(this.#oddText)
    this.#output.close()
  }

  readonly #spanMember = (key: Key<typeof spanKeys>): void => {
    const reader = this.#reader
    switch (key) {
      case 'traceId': {
        this.#hasTraceId = true
        const digits = reader.readRequiredId(traceIdDigits)
        this.#id(span.traceId, digits > spanIdDigits ? 0 : shortIdBytes)
        break
      }
      case 'id':
        this.#hasId = true
        reader.readRequiredId(spanIdDigits)
        this.#id(span.id, shortIdBytes)
        break
      case 'parentId':
        this.#id(span.parentId, reader.readId(spanIdDigits) > 0 ? shortIdBytes : reader.id.length)
        break
      case 'kind':
        this.#kind()
        break
      case 'name':
        this.#text(span.name)
        break
      case 'timestamp':
        this.#time(span.timestamp)
        break
      case 'duration': {
        const { low, high } = reader.readInteger(false)
        this.#output.varint(span.duration)
        this.#output.varint64(low, high)
        break
      }
      case 'localEndpoint':
        this.#endpoint(span.localEndpoint, this.#localEndpoints++, 'own')
        break
      case 'remoteEndpoint':
        this.#endpoint(span.remoteEndpoint, this.#remoteEndpoints++, 'peer')
        break
      case 'annotations':
        reader.list(1, this.#annotation)
        break
      case 'tags':
        this.#tags()
        break
      case 'debug':
      case 'shared':
        this.#output.varint(span[key])
        this.#output.varint(reader.values.bool() ? 1 : 0)
        break
      default:
        throw new Malformed(reader.scanner.at, 'expected a span of version 2, found one of version 1')
    }
  }

  /** The reader's id from that byte on. */
  #id(tag: number, from: number): void {
    const { id } = this.#reader
    this.#output.varint(tag)
    this.#output.varint(id.length - from)
    this.#output.copy(id, from, id.length)
  }

  #kind(): void {
    const { values } = this.#reader
    const expected = `one of ${kindNames.join(', ')}`
    values.readText(expected)
    const kind = values.from === values.to ? 0 : kinds.find(values.text, values.from, values.to)
    if (kind === undefined) throw values.malformedText(expected)
    this.#output.varint(span.kind)
    this.#output.varint(kind)
  }

  #text(tag: number): void {
    const reader = this.#reader
    reader.readText()
    this.#output.varint(tag)
    this.#output.varint(reader.scanner.length)
    reader.copyText(this.#output)
  }

  #time(tag: number): void {
    const { low, high } = this.#reader.readInteger(false)
    this.#output.varint(tag)
    this.#output.fixed64(low, high)
  }

  #endpoint(tag: number, before: number, side: EndpointSide): void {
    this.#endpointSide = side
    this.#output.varint(tag)
    this.#output.open()
    if (before > 0) this.#output.copy(endpointDefaults, 0, endpointDefaults.length)
    this.#reader.object(endpointKeys, 2, this.#endpointMember)
    this.#output.close()
  }

  readonly #endpointMember = (key: Key<typeof endpointKeys>): void => {
    const reader = this.#reader
    const output = this.#output
    if (key === 'serviceName') this.#text(endpoint.serviceName)
    else if (key === 'port') {
      const port = reader.readPort()
      output.varint(endpoint.port)
      output.varint(port)
    } else {
      // As Zipkin reads it, the text decides which of the two it is.
      const bytes = reader.readAddress(this.#endpointSide)
      if (bytes === 0) return
      output.varint(bytes === ipv4Bytes ? endpoint.ipv4 : endpoint.ipv6)
      output.varint(bytes)
      output.copy(reader.address, 0, bytes)
    }
  }

  readonly #annotation = (): void => {
    const start = this.#reader.start()
    this.#hasTimestamp = false
    this.#hasValue = false
    this.#output.varint(span.annotations)
    this.#output.open()
    this.#reader.object(annotationKeys, 2, this.#annotationMember)
    if (!this.#hasTimestamp || !this.#hasValue) {
      throw new Malformed(start, 'expected an annotation with timestamp and value')
    }
    this.#output.close()
  }

  readonly #annotationMember = (key: Key<typeof annotationKeys>): void => {
    if (key === 'timestamp') {
      this.#hasTimestamp = true
      this.#time(annotation.timestamp)
    } else if (key === 'value') {
      this.#hasValue = true
      this.#text(annotation.value)
    } else {
      const { at } = this.#reader.scanner
      throw new Malformed(at, 'expected an annotation of version 2, found one of version 1')
    }
  }

  #tags(): void {
    const reader = this.#reader
    const { scanner } = reader
    scanner.expect('{', 'an object')
    if (scanner.peek() === 0x7d) {
      scanner.at += 1
      return
    }
    do {
      scanner.skipKey()
      const { from, to, length } = scanner
      reader.readText()
      this.#beginTag(length, scanner.length)
      reader.copy(this.#output, from, to, length)
      this.#endTag()
    } while (scanner.hasMore('}'))
  }

  readonly #oddText = (name: Buffer): void => {
    this.#beginTag(name.length, this.#reader.scanner.length)
    this.#output.copy(name, 0, name.length)
    this.#endTag()
  }

  /** To be followed by the key. */
  #beginTag(keyBytes: number, valueBytes: number): void {
    const output = this.#output
    output.varint(span.tags)
    output.varint(2 + varintBytes(keyBytes) + keyBytes + varintBytes(valueBytes) + valueBytes)
    output.varint(entry.key)
    output.varint(keyBytes)
  }

  /** The value is the text that was read last. */
  #endTag(): void {
    this.#output.varint(entry.value)
    this.#output.varint(this.#reader.scanner.length)
    this.#reader.copyText(this.#output)
  }
}
