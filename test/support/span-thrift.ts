/**
 * Jaeger's Thrift as Apache's own library writes it, in the simple shape that most tests need: string tags, one process.
 */
import { createRequire } from 'node:module'
import type { TProtocol, TProtocolConstructor, TTransport } from 'thrift'

const require = createRequire(import.meta.url)
const { TBinaryProtocol, TCompactProtocol, TBufferedTransport, Thrift } = require('thrift') as {
  readonly TBinaryProtocol: TProtocolConstructor
  readonly TCompactProtocol: TProtocolConstructor
  readonly TBufferedTransport: new (buffer: undefined, flushed: (bytes: Buffer) => void) => TTransport
  readonly Thrift: typeof import('thrift')['Thrift']
}
const { Type } = Thrift

export type ThriftProtocol = 'binary' | 'compact'

export interface ThriftProcess {
  readonly serviceName: string
  readonly tags: Readonly<Record<string, string>>
}

export interface ThriftSpan {
  readonly operationName: string
  readonly tags: Readonly<Record<string, string>>
}

/** A bare Batch. */
export function thriftBatch(
  protocol: ThriftProtocol,
  process: ThriftProcess,
  spans: readonly ThriftSpan[],
): Buffer {
  return written(protocol, (output) => writeBatch(output, process, spans))
}

/** A datagram for the agent: `emitBatch` with a Batch, as a oneway message. */
export function agentMessage(
  protocol: ThriftProtocol,
  process: ThriftProcess,
  spans: readonly ThriftSpan[],
): Buffer {
  return written(protocol, (output) => {
    output.writeMessageBegin('emitBatch', Thrift.MessageType.ONEWAY, 0)
    output.writeStructBegin('emitBatch_args')
    output.writeFieldBegin('batch', Type.STRUCT, 1)
    writeBatch(output, process, spans)
    output.writeFieldEnd()
    output.writeFieldStop()
    output.writeStructEnd()
    output.writeMessageEnd()
  })
}

function written(protocol: ThriftProtocol, write: (output: TProtocol) => void): Buffer {
  let bytes = Buffer.alloc(0)
  const transport = new TBufferedTransport(undefined, (flushed) => {
    bytes = Buffer.concat([bytes, flushed])
  })
  const Protocol = protocol === 'binary' ? TBinaryProtocol : TCompactProtocol
  write(new Protocol(transport))
  transport.flush()
  return bytes
}

function writeBatch(output: TProtocol, process: ThriftProcess, spans: readonly ThriftSpan[]): void {
  output.writeStructBegin('Batch')
  output.writeFieldBegin('process', Type.STRUCT, 1)
  output.writeStructBegin('Process')
  text(output, 1, process.serviceName)
  tags(output, 2, process.tags)
  output.writeFieldStop()
  output.writeStructEnd()
  output.writeFieldEnd()
  output.writeFieldBegin('spans', Type.LIST, 2)
  output.writeListBegin(Type.STRUCT, spans.length)
  for (const span of spans) writeSpan(output, span)
  output.writeListEnd()
  output.writeFieldEnd()
  output.writeFieldStop()
  output.writeStructEnd()
}

function writeSpan(output: TProtocol, { operationName, tags: own }: ThriftSpan): void {
  output.writeStructBegin('Span')
  const i64 = (id: number, value: number): void => {
    output.writeFieldBegin('', Type.I64, id)
    output.writeI64(value)
    output.writeFieldEnd()
  }
  i64(1, 77)
  i64(2, 0)
  i64(3, 78)
  i64(4, 0)
  text(output, 5, operationName)
  output.writeFieldBegin('flags', Type.I32, 7)
  output.writeI32(1)
  output.writeFieldEnd()
  i64(8, 1_700_000_000_000_005)
  i64(9, 1_000_000)
  tags(output, 10, own)
  output.writeFieldStop()
  output.writeStructEnd()
}

function tags(output: TProtocol, id: number, values: Readonly<Record<string, string>>): void {
  const entries = Object.entries(values)
  output.writeFieldBegin('tags', Type.LIST, id)
  output.writeListBegin(Type.STRUCT, entries.length)
  for (const [key, value] of entries) {
    output.writeStructBegin('Tag')
    text(output, 1, key)
    output.writeFieldBegin('vType', Type.I32, 2)
    output.writeI32(0)
    output.writeFieldEnd()
    text(output, 3, value)
    output.writeFieldStop()
    output.writeStructEnd()
  }
  output.writeListEnd()
  output.writeFieldEnd()
}

function text(output: TProtocol, id: number, value: string): void {
  output.writeFieldBegin('', Type.STRING, id)
  output.writeString(value)
  output.writeFieldEnd()
}
