/** Opens the lanes of a load: what is sent over which connections. */
import { GrpcLane, grpcFrame, openSession } from './grpc-lane.ts'
import { Http1Lane } from './http1-lane.ts'
import type { Lane, LaneFailed } from './load-lane.ts'
import type { LoadSettings, ReadyRequests, SpanRequests } from './load-messages.ts'
import { type Framing, gzipRequests, identityRequests, type RequestSource } from './otlp-payload.ts'

const exportPath = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'

/** All lanes of the load, connected. */
export function openLanes({ port, sends }: LoadSettings, failed: LaneFailed): Promise<Lane[]> {
  if (sends.kind === 'ready') return openReady(port, sends, failed)
  return sends.protocol === 'grpc' ? openGrpc(port, sends, failed) : openHttp(port, sends, failed)
}

function openReady(
  port: number,
  { requests, connections }: ReadyRequests,
  failed: LaneFailed,
): Promise<Lane[]> {
  let sent = 0
  const next = (): Uint8Array => requests[sent++ % requests.length]!
  return Promise.all(Array.from({ length: connections }, () => new Http1Lane(port, 204, next, failed).open()))
}

function sourceOf({ spans, inFlight, encoding }: SpanRequests, frame: Framing): RequestSource {
  const make = encoding === 'gzip' ? gzipRequests : identityRequests
  return make(spans, inFlight, frame)
}

async function openGrpc(port: number, sends: SpanRequests, failed: LaneFailed): Promise<Lane[]> {
  const source = sourceOf(sends, (message) => grpcFrame(message, sends.encoding === 'gzip'))
  const sessions = await Promise.all(
    Array.from({ length: sends.connections }, () => openSession(port, failed)),
  )
  return Array.from(
    { length: sends.inFlight },
    (_, slot) =>
      new GrpcLane(
        sessions[slot % sessions.length]!,
        exportPath,
        sends.encoding,
        () => source.next(slot),
        failed,
      ),
  )
}

function openHttp(port: number, sends: SpanRequests, failed: LaneFailed): Promise<Lane[]> {
  const source = sourceOf(sends, (message) => {
    const head = [
      'POST /v1/traces HTTP/1.1',
      'Host: 127.0.0.1',
      'User-Agent: http-bench/1.0',
      `Content-Length: ${message.length}`,
      'Content-Type: application/x-protobuf',
      ...(sends.encoding === 'gzip' ? ['Content-Encoding: gzip'] : []),
    ]
    return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), message])
  })
  return Promise.all(
    Array.from({ length: sends.inFlight }, (_, slot) =>
      new Http1Lane(port, 200, () => source.next(slot), failed).open(),
    ),
  )
}
