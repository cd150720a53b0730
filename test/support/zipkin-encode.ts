/**
 * Plain Zipkin spans as bytes, by encoders that share nothing with `src/`: protobufjs after proto/zipkin/zipkin.proto, and
 * Apache's own Thrift library.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import protobuf from 'protobufjs'
import type { TProtocol, TProtocolConstructor, TTransport } from 'thrift'
import type { CoreEndpoint, CoreSpan, ZipkinSpan } from './random-zipkin.ts'

const require = createRequire(import.meta.url)
const { TBinaryProtocol, TCompactProtocol, TBufferedTransport, Thrift, Int64 } = require('thrift') as {
  readonly TBinaryProtocol: TProtocolConstructor
  readonly TCompactProtocol: TProtocolConstructor
  readonly TBufferedTransport: new (buffer: undefined, flushed: (bytes: Buffer) => void) => TTransport
  readonly Thrift: typeof import('thrift')['Thrift']
  readonly Int64: typeof import('thrift')['Int64']
}
const { Type } = Thrift

/** protobufjs reads and writes 64 bits by this library; its types do not say all of it. */
const longs = protobuf.util.Long as unknown as { fromString(text: string, unsigned: boolean): protobuf.Long }

/** A map is a list of entries on the wire, in which a key may come again. */
const source = readFileSync(new URL('../../proto/zipkin/zipkin.proto', import.meta.url), 'utf8')
const { root } = protobuf.parse(
  `${source.replace('map<string, string> tags', 'repeated Entry tags')} message Entry { string key = 1; string value = 2; }`,
)
const listType = root.resolveAll().lookupType('zipkin.proto3.ListOfSpans')

/** A zipkin.proto3.ListOfSpans. */
export function zipkinProto(spans: readonly ZipkinSpan[]): Buffer {
  const unsigned = (value: bigint | undefined) =>
    value === undefined ? {} : longs.fromString(String(value), true)
  const message = {
    spans: spans.map((span) => ({
      ...span,
      tags: span.tags.map(([key, value]) => ({ key, value })),
      annotations: span.annotations.map(({ timestamp, value }) => ({
        timestamp: unsigned(timestamp),
        value,
      })),
      ...(span.timestamp === undefined ? {} : { timestamp: unsigned(span.timestamp) }),
      ...(span.duration === undefined ? {} : { duration: unsigned(span.duration) }),
    })),
  }
  return Buffer.from(listType.encode(message).finish())
}

/** A Thrift list of zipkincore.Span from its header on. */
export function zipkinThrift(protocol: 'binary' | 'compact', spans: readonly CoreSpan[]): Buffer {
  return written(protocol, (output) => writeList(output, spans, (span) => writeSpan(output, span)))
}

/** A datagram for the agent: `emitZipkinBatch` with a list. */
export function zipkinMessage(protocol: 'binary' | 'compact', spans: readonly CoreSpan[]): Buffer {
  return written(protocol, (output) => {
    output.writeMessageBegin('emitZipkinBatch', Thrift.MessageType.ONEWAY, 0)
    output.writeStructBegin('emitZipkinBatch_args')
    output.writeFieldBegin('spans', Type.LIST, 1)
    writeList(output, spans, (span) => writeSpan(output, span))
    output.writeFieldEnd()
    output.writeFieldStop()
    output.writeStructEnd()
    output.writeMessageEnd()
  })
}

function written(protocol: 'binary' | 'compact', write: (output: TProtocol) => void): Buffer {
  const chunks: Buffer[] = []
  const transport = new TBufferedTransport(undefined, (flushed) => chunks.push(Buffer.from(flushed)))
  const Protocol = protocol === 'binary' ? TBinaryProtocol : TCompactProtocol
  write(new Protocol(transport))
  transport.flush()
  return Buffer.concat(chunks)
}

function writeSpan(output: TProtocol, span: CoreSpan): void {
  output.writeStructBegin('Span')
  i64(output, 1, span.traceId)
  text(output, 3, span.name)
  i64(output, 4, span.id)
  i64(output, 5, span.parentId)
  field(output, Type.LIST, 6, () =>
    writeList(output, span.annotations, (one) => {
      output.writeStructBegin('Annotation')
      i64(output, 1, one.timestamp)
      text(output, 2, one.value)
      writeHost(output, 3, one.host)
      end(output)
    }),
  )
  field(output, Type.LIST, 8, () =>
    writeList(output, span.binaryAnnotations, (one) => {
      output.writeStructBegin('BinaryAnnotation')
      text(output, 1, one.key)
      field(output, Type.STRING, 2, () => output.writeBinary(one.value))
      field(output, Type.I32, 3, () => output.writeI32(one.type))
      writeHost(output, 4, one.host)
      end(output)
    }),
  )
  const { debug } = span
  if (debug !== undefined) field(output, Type.BOOL, 9, () => output.writeBool(debug))
  i64(output, 10, span.timestamp)
  i64(output, 11, span.duration)
  i64(output, 12, span.traceIdHigh)
  end(output)
}

function writeHost(output: TProtocol, id: number, host: CoreEndpoint | undefined): void {
  if (host === undefined) return
  field(output, Type.STRUCT, id, () => {
    output.writeStructBegin('Endpoint')
    field(output, Type.I32, 1, () => output.writeI32(host.ipv4))
    field(output, Type.I16, 2, () => output.writeI16((host.port << 16) >> 16))
    text(output, 3, host.serviceName)
    const { ipv6 } = host
    if (ipv6 !== undefined) field(output, Type.STRING, 4, () => output.writeBinary(ipv6))
    end(output)
  })
}

function writeList<Item>(output: TProtocol, items: readonly Item[], write: (item: Item) => void): void {
  output.writeListBegin(Type.STRUCT, items.length)
  for (const item of items) write(item)
  output.writeListEnd()
}

function field(output: TProtocol, type: number, id: number, write: () => void): void {
  output.writeFieldBegin('', type, id)
  write()
  output.writeFieldEnd()
}

function end(output: TProtocol): void {
  output.writeFieldStop()
  output.writeStructEnd()
}

function i64(output: TProtocol, id: number, value: bigint | undefined): void {
  if (value === undefined) return
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(value)
  field(output, Type.I64, id, () => output.writeI64(new Int64(bytes)))
}

function text(output: TProtocol, id: number, value: string): void {
  field(output, Type.STRING, id, () => output.writeString(value))
}
