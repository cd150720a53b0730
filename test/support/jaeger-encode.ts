/**
 * Plain Jaeger batches as bytes, by encoders that share nothing with `src/`: Apache's own Thrift library, and protobufjs
 * after proto/jaeger/api_v2.
 */
import { createRequire } from 'node:module'
import protobuf from 'protobufjs'
import type { TProtocol, TProtocolConstructor, TTransport } from 'thrift'
import { protoRoot } from './proto.ts'
import type {
  JaegerBatch,
  JaegerLog,
  JaegerProcess,
  JaegerReference,
  JaegerSpan,
  JaegerTag,
} from './random-jaeger.ts'

const require = createRequire(import.meta.url)
const { TBinaryProtocol, TCompactProtocol, TBufferedTransport, Thrift, Int64 } = require('thrift') as {
  readonly TBinaryProtocol: TProtocolConstructor
  readonly TCompactProtocol: TProtocolConstructor
  readonly TBufferedTransport: new (buffer: undefined, flushed: (bytes: Buffer) => void) => TTransport
  readonly Thrift: typeof import('thrift')['Thrift']
  readonly Int64: typeof import('thrift')['Int64']
}
const { Type } = Thrift
/** Thrift's codes of types. */
export const thriftTypes = Type
const longs = protobuf.util.Long as unknown as { fromString(text: string, unsigned: boolean): protobuf.Long }

export type ThriftProtocol = 'binary' | 'compact'

/** A bare Batch in Thrift. */
export function encodeThrift(protocol: ThriftProtocol, batch: JaegerBatch): Buffer {
  return writtenBy(protocol, (output) => writeBatch(output, batch))
}

/** A datagram of the agent's ports: `emitBatch` with the batch. */
export function encodeDatagram(protocol: ThriftProtocol, batch: JaegerBatch): Buffer {
  return writtenBy(protocol, (output) => {
    output.writeMessageBegin('emitBatch', Thrift.MessageType.ONEWAY, 1)
    struct(output, () => field(output, Type.STRUCT, 1, () => writeBatch(output, batch)))
    output.writeMessageEnd()
  })
}

/** What `write` writes; for structures that no plain batch has. */
export function writtenBy(protocol: ThriftProtocol, write: (output: TProtocol) => void): Buffer {
  let bytes = Buffer.alloc(0)
  const transport = new TBufferedTransport(undefined, (flushed) => {
    bytes = Buffer.concat([bytes, flushed])
  })
  const Protocol = protocol === 'binary' ? TBinaryProtocol : TCompactProtocol
  write(new Protocol(transport))
  transport.flush()
  return bytes
}

/** A struct of the fields that `write` writes. */
export function struct(output: TProtocol, write: () => void): void {
  output.writeStructBegin('')
  write()
  output.writeFieldStop()
  output.writeStructEnd()
}

export function field(
  output: TProtocol,
  type: (typeof Type)[keyof typeof Type],
  id: number,
  write: () => void,
): void {
  output.writeFieldBegin('', type, id)
  write()
  output.writeFieldEnd()
}

export function list<Item>(
  output: TProtocol,
  id: number,
  items: readonly Item[],
  write: (output: TProtocol, item: Item) => void,
): void {
  field(output, Type.LIST, id, () => {
    output.writeListBegin(Type.STRUCT, items.length)
    for (const item of items) write(output, item)
    output.writeListEnd()
  })
}

function int64(value: bigint): InstanceType<typeof Int64> {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt.asIntN(64, value))
  return new Int64(bytes)
}

export function writeI64(output: TProtocol, id: number, value: bigint): void {
  field(output, Type.I64, id, () => output.writeI64(int64(value)))
}

export function writeI32(output: TProtocol, id: number, value: number): void {
  field(output, Type.I32, id, () => output.writeI32(value))
}

export function writeText(output: TProtocol, id: number, value: string): void {
  field(output, Type.STRING, id, () => output.writeString(value))
}

export function writeBatch(output: TProtocol, { process, spans }: JaegerBatch): void {
  struct(output, () => {
    if (process !== undefined) field(output, Type.STRUCT, 1, () => writeProcess(output, process))
    list(output, 2, spans, writeSpan)
  })
}

export function writeProcess(output: TProtocol, { serviceName, tags }: JaegerProcess): void {
  struct(output, () => {
    writeText(output, 1, serviceName)
    if (tags.length > 0) list(output, 2, tags, writeTag)
  })
}

/** The fields that a span must have, without the lists. */
export function writeSpanHead(output: TProtocol, span: JaegerSpan): void {
  writeI64(output, 1, span.traceId.readBigInt64BE(8))
  writeI64(output, 2, span.traceId.readBigInt64BE(0))
  writeI64(output, 3, span.spanId.readBigInt64BE())
  writeI64(output, 4, span.parentSpanId.readBigInt64BE())
  writeText(output, 5, span.operationName)
}

export function writeSpanTimes(output: TProtocol, span: JaegerSpan): void {
  writeI32(output, 7, span.flags | 0)
  writeI64(output, 8, span.startTimeUs)
  writeI64(output, 9, span.durationUs)
}

export function writeSpan(output: TProtocol, span: JaegerSpan): void {
  struct(output, () => {
    writeSpanHead(output, span)
    if (span.references.length > 0) list(output, 6, span.references, writeReference)
    writeSpanTimes(output, span)
    if (span.tags.length > 0) list(output, 10, span.tags, writeTag)
    if (span.logs.length > 0) list(output, 11, span.logs, writeLog)
  })
}

function writeReference(output: TProtocol, { type, traceId, spanId }: JaegerReference): void {
  struct(output, () => {
    writeI32(output, 1, type === 'child_of' ? 0 : 1)
    writeI64(output, 2, traceId.readBigInt64BE(8))
    writeI64(output, 3, traceId.readBigInt64BE(0))
    writeI64(output, 4, spanId.readBigInt64BE())
  })
}

export function writeLog(output: TProtocol, { timeUs, fields }: JaegerLog): void {
  struct(output, () => {
    writeI64(output, 1, timeUs)
    list(output, 2, fields, writeTag)
  })
}

/** The library makes 0 of -0, so the eight bytes are written past it. */
function writeDouble(output: TProtocol, id: number, value: number): void {
  const bytes = Buffer.alloc(8)
  if (output instanceof TCompactProtocol) bytes.writeDoubleLE(value)
  else bytes.writeDoubleBE(value)
  const { trans } = output as unknown as { readonly trans: { write(bytes: Buffer): void } }
  field(output, Type.DOUBLE, id, () => trans.write(bytes))
}

const tagTypes = { string: 0, double: 1, bool: 2, int64: 3, binary: 4 } as const

export function writeTag(output: TProtocol, tag: JaegerTag): void {
  struct(output, () => {
    writeText(output, 1, tag.key)
    writeI32(output, 2, tagTypes[tag.type])
    if (tag.type === 'string') writeText(output, 3, tag.value)
    else if (tag.type === 'double') writeDouble(output, 4, tag.value)
    else if (tag.type === 'bool') field(output, Type.BOOL, 5, () => output.writeBool(tag.value))
    else if (tag.type === 'int64') writeI64(output, 6, tag.value)
    else field(output, Type.STRING, 7, () => output.writeBinary(tag.value))
  })
}

// ---- protobuf ---------------------------------------------------------------------------------------------------------------

const root = protoRoot(['jaeger/api_v2/collector.proto'], { keepCase: true }).resolveAll()
const requestType = root.lookupType('jaeger.api_v2.PostSpansRequest')

/** A PostSpansRequest. */
export function encodeProto(batch: JaegerBatch): Buffer {
  return Buffer.from(requestType.encode(requestType.fromObject({ batch: batchObject(batch) })).finish())
}

/** What a PostSpansRequest holds, by the names of the fields; numbers of 64 bits are texts. */
export function decodeProto(bytes: Uint8Array): { readonly [field: string]: unknown } {
  return requestType.toObject(requestType.decode(bytes), { longs: String, bytes: Buffer, defaults: true })
}

/** Any message of Jaeger's API, as protobufjs takes it. */
export function encodeMessage(name: string, message: { readonly [field: string]: unknown }): Buffer {
  const type = root.lookupType(`jaeger.api_v2.${name}`)
  return Buffer.from(type.encode(type.fromObject(message)).finish())
}

export function batchObject({ process, spans }: JaegerBatch): { [field: string]: unknown } {
  return {
    spans: spans.map(spanObject),
    ...(process === undefined ? {} : { process: processObject(process) }),
  }
}

export function processObject({ serviceName, tags }: JaegerProcess): { [field: string]: unknown } {
  return { service_name: serviceName, tags: tags.map(tagObject) }
}

export function spanObject(span: JaegerSpan): { [field: string]: unknown } {
  return {
    trace_id: span.traceId,
    span_id: span.spanId,
    operation_name: span.operationName,
    references: span.references.map(({ type, traceId, spanId }) => ({
      trace_id: traceId,
      span_id: spanId,
      ref_type: type === 'child_of' ? 0 : 1,
    })),
    flags: span.flags,
    start_time: secondsObject(span.startTimeUs),
    duration: secondsObject(span.durationUs),
    tags: span.tags.map(tagObject),
    logs: span.logs.map(({ timeUs, fields }) => ({
      timestamp: secondsObject(timeUs),
      fields: fields.map(tagObject),
    })),
    ...(span.process === undefined ? {} : { process: processObject(span.process) }),
    warnings: span.warnings ?? [],
  }
}

const protoTypes = { string: 0, bool: 1, int64: 2, double: 3, binary: 4 } as const

export function tagObject(tag: JaegerTag): { [field: string]: unknown } {
  const head = { key: tag.key, v_type: protoTypes[tag.type] }
  switch (tag.type) {
    case 'string':
      return { ...head, v_str: tag.value }
    case 'bool':
      return { ...head, v_bool: tag.value }
    case 'int64':
      return { ...head, v_int64: longOf(tag.value) }
    case 'double':
      return { ...head, v_float64: tag.value }
    case 'binary':
      return { ...head, v_binary: tag.value }
  }
}

function secondsObject(us: bigint): { [field: string]: unknown } {
  const rest = ((us % 1_000_000n) + 1_000_000n) % 1_000_000n
  return { seconds: longOf((us - rest) / 1_000_000n), nanos: Number(rest) * 1_000 }
}

function longOf(value: bigint): protobuf.Long {
  return longs.fromString(value.toString(), false)
}
