/**
 * What OpenTelemetry's own SDK for JavaScript writes as JSON becomes the message that it writes as protobuf.
 * GUIDEPOST_SEED replays a run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Attributes, SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api'
import {
  JsonLogsSerializer,
  JsonMetricsSerializer,
  JsonTraceSerializer,
  ProtobufLogsSerializer,
  ProtobufMetricsSerializer,
  ProtobufTraceSerializer,
} from '@opentelemetry/otlp-transformer'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs'
import { AggregationType, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { jsonToOtlp } from '../../src/wire/otlp-json/index.ts'
import type { OtlpSignal } from '../support/proto.ts'
import { Random } from '../support/random.ts'
import { decoded, requestTypes } from '../support/random-otlp-json.ts'

const seed = Number(process.env['GUIDEPOST_SEED'] ?? Date.now() % 2 ** 31)
const random = new Random(seed)
const items = 200

function attributes(): Attributes {
  const texts = ['', 'é"\\\n', '😀', 'x'.repeat(random.below(300))]
  // The SDK takes every whole number for an integer, also those that 64 bits cannot hold.
  const numbers = [0, -1, 1.5, 2 ** 40, -(2 ** 53), 1e-300]
  const all: Attributes = {
    text: random.pick(texts),
    number: random.pick(numbers),
    isTrue: random.oneIn(2),
    texts: [random.pick(texts), random.pick(texts)],
    numbers: [random.pick(numbers), 1],
  }
  return Object.fromEntries(Object.entries(all).filter(() => random.oneIn(2)))
}

function assertSame(
  signal: OtlpSignal,
  json: Uint8Array | undefined,
  protobuf: Uint8Array | undefined,
): void {
  assert.ok(json !== undefined && protobuf !== undefined && protobuf.length > 100)
  const bytes = Buffer.from(json)
  const result = jsonToOtlp(signal, [bytes], bytes.length, bytes.length)
  const message = 'message' in result ? result.message : assert.fail(result.problem)
  const type = requestTypes[signal]
  assert.deepEqual(decoded(type, message), decoded(type, protobuf), `seed ${seed}`)
}

test('spans', async () => {
  const exporter = new InMemorySpanExporter()
  const provider = new TracerProvider({
    resource: resourceFromAttributes(attributes()),
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
  })
  for (let index = 0; index < items; index++) {
    const tracer = provider.getTracer(random.pick(['a', 'b']), random.pick(['', '1.0']))
    const context = {
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      traceFlags: random.pick([TraceFlags.NONE, TraceFlags.SAMPLED]),
    }
    const links = random.oneIn(3) ? [{ context, attributes: attributes() }] : []
    const kind = random.pick([
      SpanKind.INTERNAL,
      SpanKind.SERVER,
      SpanKind.CLIENT,
      SpanKind.PRODUCER,
      SpanKind.CONSUMER,
    ])
    const span = tracer.startSpan('GET /', { kind, links, attributes: attributes() })
    if (random.oneIn(2)) span.addEvent('event', attributes())
    if (random.oneIn(3)) span.setStatus({ code: SpanStatusCode.ERROR, message: 'é' })
    span.end()
  }
  await provider.forceFlush()
  const spans = exporter.getFinishedSpans()
  assert.equal(spans.length, items)
  assertSame(
    'traces',
    JsonTraceSerializer.serializeRequest(spans),
    ProtobufTraceSerializer.serializeRequest(spans),
  )
  await provider.shutdown()
})

class Reader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

test('metrics', async () => {
  const reader = new Reader()
  const provider = new MeterProvider({
    resource: resourceFromAttributes(attributes()),
    readers: [reader],
    views: [{ instrumentName: 'exponential', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
  })
  const meter = provider.getMeter('meter', '1.0')
  const counter = meter.createCounter('counter', { unit: '1', description: 'é' })
  const balance = meter.createUpDownCounter('balance')
  const gauge = meter.createGauge('gauge')
  const histogram = meter.createHistogram('histogram')
  const exponential = meter.createHistogram('exponential')
  for (let index = 0; index < items; index++) {
    counter.add(random.below(1_000), attributes())
    balance.add(random.below(1_000) - 500.5, attributes())
    gauge.record(random.pick([0, -0.1, 1e300]), attributes())
    histogram.record(random.below(1_000_000) / 7, attributes())
    exponential.record(random.below(1_000_000) / 7, attributes())
  }
  const { resourceMetrics } = await reader.collect()
  assertSame(
    'metrics',
    JsonMetricsSerializer.serializeRequest(resourceMetrics),
    ProtobufMetricsSerializer.serializeRequest(resourceMetrics),
  )
  await provider.shutdown()
})

test('log records', async () => {
  const exporter = new InMemoryLogRecordExporter()
  const provider = new LoggerProvider({
    resource: resourceFromAttributes(attributes()),
    processors: [new SimpleLogRecordProcessor({ exporter })],
  })
  const logger = provider.getLogger('logger', '1.0')
  for (let index = 0; index < items; index++) {
    logger.emit({
      severityNumber: 1 + random.below(24),
      severityText: random.pick(['', 'info']),
      eventName: random.pick(['', 'event']),
      body: random.pick(['text', 5, 1.5, true, null, { a: [1, { b: 'c' }] }, new Uint8Array([1, 2, 250])]),
      attributes: { ...attributes(), bytes: new Uint8Array([0xfb, 0xff]), map: { a: 1, b: { c: null } } },
    })
  }
  await provider.forceFlush()
  const records = exporter.getFinishedLogRecords()
  assert.equal(records.length, items)
  assertSame(
    'logs',
    JsonLogsSerializer.serializeRequest(records),
    ProtobufLogsSerializer.serializeRequest(records),
  )
  await provider.shutdown()
})
