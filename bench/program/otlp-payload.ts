/** OTLP trace requests as an SDK or a Collector sends them, encoded by the official transformer. */
import { type SpanContext, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { spanPlaces } from '../support/otlp-spans.ts'
import type { SpanShape } from './load-messages.ts'
import { guidPlaces, guidText } from './span-guids.ts'
import { SpanIds } from './span-ids.ts'
import type { SpanEncoder } from './span-requests.ts'
import { processValues, Sequence, type SpanValues, spansInTrace, spanValues } from './span-values.ts'

const spansInResource = 1_000
/** Of a span of `spanBytes` without any attribute, and of an attribute's own frame. */
const bareSpanBytes = 150
const fillName = 'db.statement'
const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL }

function resourceNumber(index: number, sequence: Sequence, { guids }: SpanShape): Resource {
  const { service, attributes } = processValues(index, sequence)
  const guid = guids === undefined ? {} : { 'k8s.namespace.name': guidText(0) }
  return resourceFromAttributes({ 'service.name': service, ...attributes, ...guid })
}

/** The span's own attributes, or none but a text that fills it up. */
function attributesOf(
  values: SpanValues,
  sequence: Sequence,
  { spanBytes }: SpanShape,
): ReadableSpan['attributes'] {
  if (spanBytes === undefined) return { ...values.attributes }
  const missing = spanBytes - bareSpanBytes
  return missing <= 0 ? {} : { [fillName]: sequence.hex(missing) }
}

function spanNumber(
  index: number,
  resource: Resource,
  traceId: string,
  sequence: Sequence,
  shape: SpanShape,
): ReadableSpan {
  const values = spanValues(index, sequence)
  const { spanId, parentId, name, kind, seconds, startNanos, tookNanos, hasFailed } = values
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
    attributes: attributesOf(values, sequence, shape),
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

/**
 * One request of so many spans, five to a trace. Each seed gives another one. With `guids` each resource has the guid of
 * number 0, to be written over.
 */
export function encodeSpans(count: number, seed: number, shape: SpanShape = {}): Buffer {
  const sequence = new Sequence(seed)
  const spans: ReadableSpan[] = []
  const each = shape.resources === undefined ? spansInResource : count / shape.resources
  let resource = resourceNumber(0, sequence, shape)
  let traceId = ''
  for (let index = 0; index < count; index++) {
    if (index > 0 && index % each === 0) resource = resourceNumber(index / each, sequence, shape)
    if (index % spansInTrace === 0) traceId = sequence.hex(32)
    spans.push(spanNumber(index, resource, traceId, sequence, shape))
  }
  const encoded = ProtobufTraceSerializer.serializeRequest(spans)
  if (encoded === undefined) throw new Error('the transformer encoded nothing')
  return Buffer.from(encoded)
}

/** The same, with what renews its ids and where its guids are. */
export function otlpEncoder(shape: SpanShape = {}): SpanEncoder {
  return (count, seed) => {
    const message = encodeSpans(count, seed, shape)
    const places = spanPlaces(message).map(({ traceIdAt, spanIdAt, parentIdAt }) => {
      if (Math.min(traceIdAt, spanIdAt, parentIdAt) < 0) throw new Error('a span without ids')
      return { traceHigh: [traceIdAt], traceLow: [traceIdAt + 8], span: [spanIdAt], parent: [parentIdAt] }
    })
    const ids = new SpanIds(places)
    return shape.guids === undefined ? { message, ids } : { message, ids, guidsAt: guidPlaces(message) }
  }
}
