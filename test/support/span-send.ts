/** Spans of Jaeger and Zipkin as tests make them, one for each id, over each entry, and what came back. */
import type { OpenPort } from '../../src/listeners.ts'
import { idAttribute } from './otlp-items.ts'
import { callUnary } from './otlp-send.ts'
import { protoRoot } from './proto.ts'
import { thriftBatch } from './span-thrift.ts'

/** A span to send: it belongs to `guid`, which a tag of its process says, or one of its own in Zipkin. */
export interface SpanItem {
  readonly guid: string
  readonly id: string
}

export interface SpanReply {
  /** HTTP status, or 200 and the gRPC status in `grpcStatus`. */
  readonly status: number
  readonly grpcStatus: number
  readonly text: string
}

/** The tag that says whose a span is. */
const guidTag = 'k8s.namespace.name'

const root = protoRoot(['jaeger/api_v2/collector.proto', 'zipkin/zipkin.proto']).resolveAll()
const postSpansRequest = root.lookupType('jaeger.api_v2.PostSpansRequest')
const listOfSpans = root.lookupType('zipkin.proto3.ListOfSpans')

const tag = (key: string, vStr: string) => ({ key, vStr })
const traceId = Buffer.from('0af7651916cd43dd8448eb211c80319c', 'hex')
const spanId = Buffer.from('b7ad6b7169203331', 'hex')
const startTime = { seconds: 1_700_000_000, nanos: 5_000 }

/** A PostSpansRequest with a process of its own for each span. */
export function postSpans(items: readonly SpanItem[]): Buffer {
  const spans = items.map(({ guid, id }) => ({
    ...{ traceId, spanId, operationName: 'work', startTime, duration: { seconds: 1 } },
    tags: [tag(idAttribute, id)],
    process: { serviceName: 'cart', tags: [tag(guidTag, guid)] },
  }))
  return encode(postSpansRequest, { batch: { spans, process: { serviceName: 'cart' } } })
}

/** A ListOfSpans of Zipkin. */
export function zipkinList(items: readonly SpanItem[]): Buffer {
  const spans = items.map(({ guid, id }) => ({
    ...{ traceId, id: spanId, name: 'work', timestamp: 1_700_000_000_000_005, duration: 1_000_000 },
    localEndpoint: { serviceName: 'cart' },
    tags: { [idAttribute]: id, [guidTag]: guid },
  }))
  return encode(listOfSpans, { spans })
}

/** The same in JSON, version 2. */
export function zipkinJson(items: readonly SpanItem[]): Buffer {
  const spans = items.map(({ guid, id }) => ({
    ...{ traceId: traceId.toString('hex'), id: spanId.toString('hex'), name: 'work' },
    ...{ timestamp: 1_700_000_000_000_005, duration: 1_000_000, kind: 'SERVER' },
    localEndpoint: { serviceName: 'cart', ipv4: '10.0.0.1' },
    tags: { [idAttribute]: id, [guidTag]: guid },
  }))
  return Buffer.from(JSON.stringify(spans))
}

/** The same in JSON, version 1. */
export function zipkinJsonV1(items: readonly SpanItem[]): Buffer {
  const endpoint = { serviceName: 'cart', ipv4: '10.0.0.1', port: 80 }
  const spans = items.map(({ guid, id }) => ({
    ...{ traceId: traceId.toString('hex'), id: spanId.toString('hex'), name: 'work' },
    ...{ timestamp: 1_700_000_000_000_005, duration: 1_000_000 },
    annotations: [{ timestamp: 1_700_000_000_000_005, value: 'sr', endpoint }],
    binaryAnnotations: [
      { key: idAttribute, value: id, endpoint },
      { key: guidTag, value: guid, endpoint },
    ],
  }))
  return Buffer.from(JSON.stringify(spans))
}

function encode(type: typeof listOfSpans, message: object): Buffer {
  return Buffer.from(type.encode(type.fromObject(message)).finish())
}

/** Where spans come in. */
interface Entry {
  readonly listener: OpenPort['key']
  /** Whether the spans of one request may have several guids. */
  readonly isMixed: boolean
  send(port: number, items: readonly SpanItem[]): Promise<SpanReply>
}

const http =
  (path: string, contentType: string | undefined, bodyOf: (items: readonly SpanItem[]) => Buffer) =>
  async (port: number, items: readonly SpanItem[]): Promise<SpanReply> =>
    await post(port, path, bodyOf(items), contentType === undefined ? {} : { 'content-type': contentType })

export const entries = {
  'Jaeger over gRPC': {
    listener: 'jaegerGrpc',
    isMixed: true,
    send: async (port, items) => {
      const path = '/jaeger.api_v2.CollectorService/PostSpans'
      const { code, details } = await callUnary(port, path, postSpans(items))
      return { status: 200, grpcStatus: code, text: details }
    },
  },
  'Jaeger over HTTP': {
    listener: 'jaegerHttp',
    isMixed: false,
    send: http('/api/traces', 'application/x-thrift', (items) =>
      thriftBatch(
        'binary',
        { serviceName: 'cart', tags: { [guidTag]: items[0]?.guid ?? '' } },
        items.map(({ id }) => ({ operationName: 'work', tags: { [idAttribute]: id } })),
      ),
    ),
  },
  'Zipkin in protobuf': {
    listener: 'zipkin',
    isMixed: true,
    send: http('/api/v2/spans', 'application/x-protobuf', zipkinList),
  },
  'Zipkin in JSON': { listener: 'http', isMixed: true, send: http('/api/v2/spans', undefined, zipkinJson) },
  'Zipkin in JSON of version 1': {
    listener: 'zipkin',
    isMixed: true,
    send: http('/api/v1/spans', 'application/json', zipkinJsonV1),
  },
} as const satisfies Readonly<Record<string, Entry>>

export async function post(
  port: number,
  path: string,
  body: Buffer,
  headers: Readonly<Record<string, string>>,
): Promise<SpanReply & { readonly headers: Headers }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', body, headers })
  return { status: response.status, grpcStatus: 0, text: await response.text(), headers: response.headers }
}
