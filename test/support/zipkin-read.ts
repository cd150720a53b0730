/** Zipkin's binary forms, read by protobufjs and by Apache's Thrift library; nothing is shared with `src/`. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import type { TProtocol, TProtocolConstructor, TTransport } from 'thrift'
import { protoRoot } from './proto.ts'

const require = createRequire(import.meta.url)
const { TBinaryProtocol, TFramedTransport, Thrift } = require('thrift') as {
  readonly TBinaryProtocol: TProtocolConstructor
  readonly TFramedTransport: new (bytes: Buffer) => TTransport & { readonly readPos: number }
  readonly Thrift: typeof import('thrift')['Thrift']
}
const { Type } = Thrift

const listOfSpans = protoRoot(['zipkin/zipkin.proto']).resolveAll().lookupType('zipkin.proto3.ListOfSpans')

/** A span of version 2 as protobufjs shows it: ids and addresses in hexadecimal, 64 bits as decimal texts, no defaults. */
export interface SpanV2 {
  readonly traceId?: string
  readonly parentId?: string
  readonly id?: string
  readonly kind?: string
  readonly name?: string
  readonly timestamp?: string
  readonly duration?: string
  readonly localEndpoint?: EndpointV2
  readonly remoteEndpoint?: EndpointV2
  readonly annotations?: readonly { readonly timestamp?: string; readonly value?: string }[]
  readonly tags?: Readonly<Record<string, string>>
  readonly debug?: boolean
  readonly shared?: boolean
}

export interface EndpointV2 {
  readonly serviceName?: string
  readonly ipv4?: string
  readonly ipv6?: string
  readonly port?: number
}

/** The spans of a ListOfSpans. */
export function spansV2(bytes: Uint8Array): SpanV2[] {
  const message = listOfSpans.toObject(listOfSpans.decode(bytes), { longs: String, enums: String })
  const spans = withoutDefaults(message['spans'] ?? [])
  return spans as SpanV2[]
}

/** Without what means nothing in protobuf: zero, the empty text, the empty list. Buffers become hexadecimal texts. */
function withoutDefaults(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('hex')
  if (Array.isArray(value)) return value.map(withoutDefaults)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, inner]) => [
    key,
    key === 'tags' ? inner : withoutDefaults(inner),
  ])
  return Object.fromEntries(entries.filter(([, inner]) => !isDefault(inner)))
}

function isDefault(value: unknown): boolean {
  return ['', '0', 0, false, 'SPAN_KIND_UNSPECIFIED'].some((plain) => plain === value)
}

/** A struct by the numbers of its fields: integers of 64 bits as decimal texts, the bytes of texts as they are. */
export interface ThriftStruct {
  readonly [field: number]: ThriftValue
}
export type ThriftValue = boolean | number | string | Buffer | ThriftStruct | readonly ThriftValue[]

/** The structs of a list, from its header to the end of the bytes. */
export function thriftStructs(bytes: Buffer): ThriftStruct[] {
  const transport = new TFramedTransport(bytes)
  const list = readValue(new TBinaryProtocol(transport), Type.LIST)
  assert.equal(transport.readPos, bytes.length, 'bytes behind the list')
  return list as ThriftStruct[]
}

function readValue(input: TProtocol, type: number): ThriftValue {
  if (type === Type.BOOL) return input.readBool()
  if (type === Type.I16) return input.readI16()
  if (type === Type.I32) return input.readI32()
  if (type === Type.I64) return String(input.readI64().buffer.readBigInt64BE())
  if (type === Type.STRING) return Buffer.from(input.readBinary())
  if (type === Type.STRUCT) return readStruct(input)
  assert.equal(type, Type.LIST)
  const { etype, size } = input.readListBegin()
  assert.equal(etype, Type.STRUCT)
  return Array.from({ length: size }, () => readStruct(input))
}

function readStruct(input: TProtocol): ThriftStruct {
  const struct: Record<number, ThriftValue> = {}
  for (;;) {
    const { ftype, fid } = input.readFieldBegin()
    if (ftype === Type.STOP) return struct
    struct[fid] = readValue(input, ftype)
  }
}
