/** Opens the lanes of a load: what is sent over which connections. */
import { GrpcLane, grpcFrame, openSession } from './grpc-lane.ts'
import { Http1Lane } from './http1-lane.ts'
import { jaegerEncoder } from './jaeger-payload.ts'
import type { Lane, LaneFailed } from './load-lane.ts'
import type { LoadSettings, ReadyRequests, SpanProtocol, SpanRequests, SpanShape } from './load-messages.ts'
import { otlpEncoder } from './otlp-payload.ts'
import { GuidTurns, guidPlaces } from './span-guids.ts'
import {
  compressedRequests,
  type Framing,
  identityRequests,
  type RequestSource,
  type SpanEncoder,
} from './span-requests.ts'

/** Where spans are sent, and what says that they were taken. */
interface Target {
  readonly encoder: (shape: SpanShape | undefined) => SpanEncoder
  readonly path: string
  /** Of HTTP/1; a gRPC call has neither. */
  readonly http?: { readonly contentType: string; readonly success: 200 | 202 }
}

const targets: Readonly<Record<SpanProtocol, Target>> = {
  grpc: { encoder: otlpEncoder, path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export' },
  http: {
    encoder: otlpEncoder,
    path: '/v1/traces',
    http: { contentType: 'application/x-protobuf', success: 200 },
  },
  'jaeger-grpc': { encoder: () => jaegerEncoder('proto'), path: '/jaeger.api_v2.CollectorService/PostSpans' },
  'jaeger-thrift': {
    encoder: () => jaegerEncoder('thrift'),
    path: '/api/traces',
    http: { contentType: 'application/vnd.apache.thrift.binary', success: 202 },
  },
}

/** All lanes of the load, connected. */
export function openLanes({ port, sends }: LoadSettings, failed: LaneFailed): Promise<Lane[]> {
  if (sends.kind === 'ready') return openReady(port, sends, failed)
  const { protocol, encoding, shape, spans, inFlight } = sends
  const { encoder, path, http } = targets[protocol]
  const encode = encoder(shape)
  const turns = shape?.guids === undefined ? undefined : new GuidTurns(shape.guids)
  const sourceOf = (frame: Framing): RequestSource =>
    encoding !== 'identity'
      ? compressedRequests(encode, spans, inFlight, frame, encoding)
      : identityRequests(encode, spans, inFlight, frame, turns)
  if (http === undefined) return openGrpc(port, path, sends, sourceOf, failed)
  return openHttp(port, path, http, sends, sourceOf, failed)
}

function openReady(
  port: number,
  { requests, connections, guids }: ReadyRequests,
  failed: LaneFailed,
): Promise<Lane[]> {
  let sent = 0
  const next = (): Uint8Array => requests[sent++ % requests.length]!
  const turns = guids === undefined ? undefined : new GuidTurns(guids)
  /** With a guid to write each connection has requests of its own: what is under way on another must stay as it is. */
  const ownNext = (guidTurns: GuidTurns): typeof next => {
    const own = requests.map((request) => {
      const buffer = Buffer.from(request)
      return { buffer, guidsAt: guidPlaces(buffer) }
    })
    return () => {
      const { buffer, guidsAt } = own[sent++ % own.length]!
      guidTurns.write(buffer, 0, guidsAt)
      return buffer
    }
  }
  return Promise.all(
    Array.from({ length: connections }, () =>
      new Http1Lane(port, 204, turns === undefined ? next : ownNext(turns), failed).open(),
    ),
  )
}

async function openGrpc(
  port: number,
  path: string,
  { encoding, inFlight, connections }: SpanRequests,
  sourceOf: (frame: Framing) => RequestSource,
  failed: LaneFailed,
): Promise<Lane[]> {
  const source = sourceOf((message) => grpcFrame(message, encoding !== 'identity'))
  const sessions = await Promise.all(Array.from({ length: connections }, () => openSession(port, failed)))
  return Array.from({ length: inFlight }, (_, slot) => {
    const session = sessions[slot % sessions.length]!
    return new GrpcLane(session, path, encoding, () => source.next(slot), failed)
  })
}

function openHttp(
  port: number,
  path: string,
  { contentType, success }: NonNullable<Target['http']>,
  { encoding, inFlight }: SpanRequests,
  sourceOf: (frame: Framing) => RequestSource,
  failed: LaneFailed,
): Promise<Lane[]> {
  const source = sourceOf((message) => {
    const head = [
      `POST ${path} HTTP/1.1`,
      'Host: 127.0.0.1',
      'User-Agent: http-bench/1.0',
      `Content-Length: ${message.length}`,
      `Content-Type: ${contentType}`,
      ...(encoding === 'identity' ? [] : [`Content-Encoding: ${encoding}`]),
    ]
    return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), message])
  })
  return Promise.all(
    Array.from({ length: inFlight }, (_, slot) =>
      new Http1Lane(port, success, () => source.next(slot), failed).open(),
    ),
  )
}
