/** Requests of spans as work for the gateway and its peer. */
import type { SpanProtocol, SpanRequests, SpanShape } from './load-messages.ts'
import { itemsInTurns } from './span-guids.ts'
import { spansGuid } from './span-values.ts'
import type { Work } from './work.ts'

const inFlight = 32
const grpcConnections = 4
const largeSpans = 8_000

export function spanTraffic(
  protocol: SpanProtocol,
  spans: number,
  encoding: SpanRequests['encoding'],
): SpanRequests {
  const isGrpc = protocol === 'grpc' || protocol === 'jaeger-grpc'
  const connections = isGrpc ? grpcConnections : inFlight
  return { kind: 'spans', protocol, encoding, spans, inFlight, connections }
}

/**
 * The largest requests of the bench, all under way at once, are more than the gateway lets in by default: it would tell
 * some senders to wait, and every call is to succeed here.
 */
function roomFor({ spans }: SpanRequests): Record<string, string> {
  return spans < largeSpans ? {} : { GUIDEPOST_LIMITS_INFLIGHT_BYTES: '512MiB' }
}

export function spanWork(traffic: SpanRequests): Work {
  const { spans, protocol, shape = {} } = traffic
  return {
    item: 'spans',
    itemsEach: spans,
    entry: protocol,
    sends: traffic,
    env: roomFor(traffic),
    expected: (requests) => expectedSpans(shape, spans, requests),
  }
}

function expectedSpans(
  { guids, resources = 1 }: SpanShape,
  spans: number,
  requests: number,
): Map<string, number> {
  return guids === undefined
    ? new Map([[spansGuid, spans * requests]])
    : itemsInTurns(guids, requests * resources, spans / resources)
}

/** OTLP over gRPC, a guid or many of them. */
export function shapedWork(spans: number, shape: SpanShape, changes: Partial<SpanRequests> = {}): Work {
  return spanWork({ ...spanTraffic('grpc', spans, 'identity'), shape, ...changes })
}
