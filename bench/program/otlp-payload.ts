/**
 * OTLP trace requests as an SDK or a Collector sends them: encoded once by the official transformer, then given new
 * trace and span ids for each request in place, so that compression finds no request a second time.
 */
import { gzipSync } from 'node:zlib'
import { type SpanContext, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { type SpanPlace, spanPlaces } from '../support/otlp-spans.ts'

/** The namespace of every span, which by default is its guid. */
export const spansGuid = 'shop-checkout'

const spansInTrace = 5
const spansInResource = 1_000
const startSeconds = 1_760_000_000

/** A small generator (xorshift32): the same spans in every run. */
class Sequence {
  #state: number

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1)
  }

  below(bound: number): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return (x >>> 0) % bound
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }

  hex(digits: number): string {
    let text = ''
    while (text.length < digits) text += (this.below(0xffff) + 1).toString(16).padStart(4, '0')
    return text.slice(0, digits)
  }
}

const routes = ['/cart', '/cart/{id}', '/orders/{id}', '/orders/{id}/items', '/login', '/products/{id}']
const methods = ['GET', 'GET', 'GET', 'POST', 'PUT', 'DELETE']
const agents = ['okhttp/4.12.0', 'axios/1.7', 'Mozilla/5.0', 'curl/8.5.0']
const kinds = [SpanKind.SERVER, SpanKind.CLIENT, SpanKind.INTERNAL]
const statuses = [200, 200, 200, 200, 201, 204, 302, 404, 500]

function resourceNumber(index: number, sequence: Sequence): Resource {
  return resourceFromAttributes({
    'service.name': `checkout-${index}`,
    'service.version': '2.14.3',
    'service.instance.id': `${sequence.hex(8)}-${sequence.hex(4)}-4${sequence.hex(3)}-a${sequence.hex(3)}-${sequence.hex(12)}`,
    'k8s.namespace.name': spansGuid,
    'k8s.pod.name': `checkout-${index}-${sequence.hex(10)}-${sequence.hex(5)}`,
    'telemetry.sdk.language': 'nodejs',
    'telemetry.sdk.version': '2.1.0',
  })
}

function spanNumber(index: number, resource: Resource, traceId: string, sequence: Sequence): ReadableSpan {
  const route = sequence.of(routes)
  const status = sequence.of(statuses)
  const context = (): SpanContext => ({ traceId, spanId: sequence.hex(16), traceFlags: 1 })
  const [own, parent] = [context(), context()]
  const startNanos = sequence.below(1e9)
  const tookNanos = 50_000 + sequence.below(4e8)
  const seconds = startSeconds + Math.floor(index / 100)
  return {
    name: `${sequence.of(methods)} ${route}`,
    kind: sequence.of(kinds),
    spanContext: () => own,
    parentSpanContext: parent,
    startTime: [seconds, startNanos],
    endTime: [seconds + Math.floor((startNanos + tookNanos) / 1e9), (startNanos + tookNanos) % 1e9],
    duration: [0, tookNanos],
    status: { code: status >= 500 ? SpanStatusCode.ERROR : SpanStatusCode.UNSET },
    attributes: {
      'http.method': sequence.of(methods),
      'http.route': route,
      'http.status': status,
      tls: true,
      'peer.ip': `10.${sequence.below(256)}.${sequence.below(256)}.${sequence.below(256)}`,
      'peer.port': 1024 + sequence.below(60_000),
      agent: sequence.of(agents),
      'thread.id': sequence.below(64),
      retries: sequence.below(3),
      user: `u-${sequence.below(1e6)}`,
    },
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

/** A prime number of random bytes, so that requests do not fall into step with them. */
const noiseBytes = 1_000_003
const noise = Buffer.alloc(noiseBytes + 16)
let noiseAt = 0

function fillNoise(): void {
  const sequence = new Sequence(0)
  for (let at = 0; at < noise.length; at++) noise[at] = sequence.below(256)
}

/** Writes new ids into requests of one shape. */
export class SpanIds {
  readonly #places: readonly SpanPlace[]

  constructor(message: Uint8Array) {
    if (noiseAt === 0) fillNoise()
    this.#places = spanPlaces(message)
    if (
      this.#places.some(
        ({ traceIdAt, spanIdAt, parentIdAt }) => Math.min(traceIdAt, spanIdAt, parentIdAt) < 0,
      )
    )
      throw new Error('a span without ids')
  }

  /** Spans in a request. */
  get count(): number {
    return this.#places.length
  }

  /** Gives the message at `offset` of `buffer` new ids. Spans of one trace stay together. */
  renew(buffer: Buffer, offset: number): void {
    let traceNoiseAt = 0
    for (let index = 0; index < this.#places.length; index++) {
      const { traceIdAt, spanIdAt, parentIdAt } = this.#places[index]!
      if (index % spansInTrace === 0) traceNoiseAt = this.#next(16)
      this.#write(buffer, offset + traceIdAt, 16, traceNoiseAt)
      this.#write(buffer, offset + spanIdAt, 8, this.#next(8))
      this.#write(buffer, offset + parentIdAt, 8, this.#next(8))
    }
  }

  #next(bytes: number): number {
    const at = noiseAt
    noiseAt = (at + bytes) % noiseBytes
    return at
  }

  #write(buffer: Buffer, at: number, bytes: number, from: number): void {
    for (let i = 0; i < bytes; i++) buffer[at + i] = noise[from + i]!
  }
}

export type Framing = (message: Buffer) => Buffer

/** Ready requests, one after the other. What it returns is unchanged until the same slot asks again. */
export interface RequestSource {
  next(slot: number): Buffer
}

/** Uncompressed requests: each slot has one of its own, whose ids are renewed each time. */
export function identityRequests(spans: number, slots: number, frame: Framing): RequestSource {
  const requests = Array.from({ length: slots }, (_, slot) => {
    const message = encodeSpans(spans, slot)
    const buffer = frame(message)
    return { buffer, offset: buffer.length - message.length, ids: new SpanIds(message) }
  })
  return {
    next: (slot) => {
      const { buffer, offset, ids } = requests[slot]!
      ids.renew(buffer, offset)
      return buffer
    },
  }
}

/**
 * Compressed requests, made beforehand and sent in turn: gzip costs more than the rest of the sending. There are more of
 * them than requests under way, so that no record on the bus holds one twice.
 */
export function gzipRequests(spans: number, slots: number, frame: Framing): RequestSource {
  const requests = Array.from({ length: slots + slots / 2 }, (_, seed) =>
    frame(gzipSync(encodeSpans(spans, seed))),
  )
  let sent = 0
  return { next: () => requests[sent++ % requests.length]! }
}
