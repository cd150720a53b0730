/** OTLP trace requests as an SDK or a Collector sends them, encoded by the official transformer. */
import { type SpanContext, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { spanPlaces } from '../support/otlp-spans.ts'
import { SpanIds } from './span-ids.ts'
import type { EncodedSpans } from './span-requests.ts'
import { processValues, Sequence, spansInTrace, spanValues } from './span-values.ts'

const spansInResource = 1_000
const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL }

function resourceNumber(index: number, sequence: Sequence): Resource {
  const { service, attributes } = processValues(index, sequence)
  return resourceFromAttributes({ 'service.name': service, ...attributes })
}

function spanNumber(index: number, resource: Resource, traceId: string, sequence: Sequence): ReadableSpan {
  const { spanId, parentId, name, kind, seconds, startNanos, tookNanos, hasFailed, attributes } = spanValues(
    index,
    sequence,
  )
  const context = (id: string): SpanContext => ({ traceId, spanId: id, traceFlags: 1 })
  const [own, parent] = [context(spanId), context(parentId)]
  const endNanos = startNanos + tookNanos
  return {
    name,
    kind: kinds[kind],
    spanContext: () => own,
    parentSpanContext: parent,
    startTime: [seconds, startNanos],
    endTime: [seconds + Math.floor(endNanos / 1e9), endNanos % 1e9],
    duration: [0, tookNanos],
    status: { code: hasFailed ? SpanStatusCode.ERROR : SpanStatusCode.UNSET },
    attributes: { ...attributes },
    links: [],
    events: [],
    ended: true,
    resource,
    instrumentationScope: { name: '@opentelemetry/instrumentation-http', version: '0.205.0' },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  }
}

/** One request of so many spans: a resource for each thousand of them, five spans to a trace. Each seed gives another one. */
export function encodeSpans(count: number, seed: number): Buffer {
  const sequence = new Sequence(seed)
  const spans: ReadableSpan[] = []
  let resource = resourceNumber(0, sequence)
  let traceId = ''
  for (let index = 0; index < count; index++) {
    if (index > 0 && index % spansInResource === 0) {
      resource = resourceNumber(index / spansInResource, sequence)
    }
    if (index % spansInTrace === 0) traceId = sequence.hex(32)
    spans.push(spanNumber(index, resource, traceId, sequence))
  }
  const encoded = ProtobufTraceSerializer.serializeRequest(spans)
  if (encoded === undefined) throw new Error('the transformer encoded nothing')
  return Buffer.from(encoded)
}

/** The same, with what renews its ids. */
export function encodeOtlp(count: number, seed: number): EncodedSpans {
  const message = encodeSpans(count, seed)
  const places = spanPlaces(message).map(({ traceIdAt, spanIdAt, parentIdAt }) => {
    if (Math.min(traceIdAt, spanIdAt, parentIdAt) < 0) throw new Error('a span without ids')
    return { traceHigh: [traceIdAt], traceLow: [traceIdAt + 8], span: [spanIdAt], parent: [parentIdAt] }
  })
  return { message, ids: new SpanIds(places) }
}
