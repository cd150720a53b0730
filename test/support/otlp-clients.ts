/** The official OpenTelemetry exporters for Node, each as a client that sends what a test tells it to. */
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { Metadata } from '@grpc/grpc-js'
import { SeverityNumber } from '@opentelemetry/api'
import { OTLPLogExporter as GrpcLogs } from '@opentelemetry/exporter-logs-otlp-grpc'
import { OTLPLogExporter as JsonLogs } from '@opentelemetry/exporter-logs-otlp-http'
import { OTLPLogExporter as ProtoLogs } from '@opentelemetry/exporter-logs-otlp-proto'
import { OTLPMetricExporter as GrpcMetrics } from '@opentelemetry/exporter-metrics-otlp-grpc'
import { OTLPMetricExporter as JsonMetrics } from '@opentelemetry/exporter-metrics-otlp-http'
import { OTLPMetricExporter as ProtoMetrics } from '@opentelemetry/exporter-metrics-otlp-proto'
import { OTLPTraceExporter as GrpcTraces } from '@opentelemetry/exporter-trace-otlp-grpc'
import { OTLPTraceExporter as JsonTraces } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as ProtoTraces } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  InMemoryLogRecordExporter,
  LoggerProvider,
  type LogRecordExporter,
  SimpleLogRecordProcessor,
} from '@opentelemetry/sdk-logs'
import {
  AggregationType,
  MeterProvider,
  MetricReader,
  type PushMetricExporter,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics'
import {
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanExporter,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { idAttribute, type OtlpSignal } from './otlp-items.ts'

export type OtlpProtocol = 'grpc' | 'http/protobuf' | 'http/json'
export const otlpProtocols: readonly OtlpProtocol[] = ['grpc', 'http/protobuf', 'http/json']

export interface OtlpClientOptions {
  readonly protocol: OtlpProtocol
  /** Such as `http://127.0.0.1:4317`; without a path. */
  readonly endpoint: string
  readonly compression?: 'gzip' | 'none'
  readonly headers?: Readonly<Record<string, string>>
  /** Milliseconds of one export, its retries included. */
  readonly timeoutMs?: number
}

/** Ids of the items of each `k8s.namespace.name`: one resource for each. */
export type Batch = Readonly<Record<string, readonly string[]>>

type GrpcConfig = NonNullable<ConstructorParameters<typeof GrpcTraces>[0]>
type LogRecords = Parameters<LogRecordExporter['export']>[0]
type Callback = Parameters<SpanExporter['export']>[1]

interface Exporters {
  readonly traces: SpanExporter
  readonly metrics: PushMetricExporter
  readonly logs: LogRecordExporter
}

export class OtlpClient {
  readonly #exporters: Exporters

  constructor(options: OtlpClientOptions) {
    this.#exporters = exportersOf(options)
  }

  /**
   * Sends the batch: spans and log records in one request, data points in one request for each resource, as the SDK
   * does. Rejects with what the exporter says when it gave up; it has retried then where OTLP allows it.
   */
  async send(signal: OtlpSignal, batch: Batch): Promise<void> {
    if (signal === 'traces') {
      const spans = await spansOf(batch)
      await settled((callback) => this.#exporters.traces.export(spans, callback))
    } else if (signal === 'logs') {
      const records = await logRecordsOf(batch)
      await settled((callback) => this.#exporters.logs.export(records, callback))
    } else {
      for (const metrics of await resourceMetricsOf(batch)) {
        await settled((callback) => this.#exporters.metrics.export(metrics, callback))
      }
    }
  }

  async close(): Promise<void> {
    const { traces, metrics, logs } = this.#exporters
    await Promise.all([traces.shutdown(), metrics.shutdown(), logs.shutdown()])
  }
}

/** Runs an application whose exporters are configured by `variables` alone; one item of each signal for each id. */
export async function runNodeApplication(
  variables: Readonly<Record<string, string>>,
  ids: readonly string[],
): Promise<void> {
  const file = path.join(import.meta.dirname, 'otlp-node-application.ts')
  const own = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('OTEL_') && name !== 'NODE_TEST_CONTEXT' && name !== 'NODE_OPTIONS',
  )
  const env = { ...Object.fromEntries(own), ...variables }
  await promisify(execFile)(process.execPath, [file, ...ids], { env, timeout: 60_000 })
}

function settled(send: (callback: Callback) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    send(({ code, error }) => {
      if (code === 0) resolve()
      else reject(error ?? new Error('the exporter failed and did not say why'))
    })
  })
}

function exportersOf(options: OtlpClientOptions): Exporters {
  const { protocol, endpoint, headers = {}, timeoutMs: timeoutMillis = 10_000 } = options
  // The enumeration's values are these texts; the package that declares it is none that a user installs.
  const compression = (options.compression ?? 'none') as NonNullable<GrpcConfig['compression']>
  if (protocol === 'grpc') {
    const metadata = new Metadata()
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
    const config = { url: endpoint, metadata, compression, timeoutMillis }
    return { traces: new GrpcTraces(config), metrics: new GrpcMetrics(config), logs: new GrpcLogs(config) }
  }
  const config = { headers: { ...headers }, compression, timeoutMillis }
  const [traces, metrics, logs] = ['traces', 'metrics', 'logs'].map((signal) => ({
    ...config,
    url: `${endpoint}/v1/${signal}`,
  }))
  if (protocol === 'http/json') {
    return { traces: new JsonTraces(traces), metrics: new JsonMetrics(metrics), logs: new JsonLogs(logs) }
  }
  return { traces: new ProtoTraces(traces), metrics: new ProtoMetrics(metrics), logs: new ProtoLogs(logs) }
}

/** What a user's application has: its name and where it runs. */
function resourceOf(namespace: string) {
  return resourceFromAttributes({
    'service.name': 'checkout',
    'k8s.namespace.name': namespace,
    'process.pid': process.pid,
  })
}

async function spansOf(batch: Batch): Promise<ReadableSpan[]> {
  const all: ReadableSpan[] = []
  for (const [namespace, ids] of Object.entries(batch)) {
    const exporter = new InMemorySpanExporter()
    const provider = new TracerProvider({
      resource: resourceOf(namespace),
      spanProcessors: [new SimpleSpanProcessor({ exporter })],
    })
    const tracer = provider.getTracer('test', '1.0')
    for (const id of ids) {
      const span = tracer.startSpan('GET /cart', { attributes: { [idAttribute]: id, 'http.route': '/cart' } })
      span.addEvent('cache miss', { key: 'cart:17' })
      span.end()
    }
    await provider.forceFlush()
    all.push(...exporter.getFinishedSpans())
    await provider.shutdown()
  }
  return all
}

async function logRecordsOf(batch: Batch): Promise<LogRecords> {
  const all: LogRecords = []
  for (const [namespace, ids] of Object.entries(batch)) {
    const exporter = new InMemoryLogRecordExporter()
    const provider = new LoggerProvider({
      resource: resourceOf(namespace),
      processors: [new SimpleLogRecordProcessor({ exporter })],
    })
    const logger = provider.getLogger('test', '1.0')
    for (const id of ids) {
      const attributes = { [idAttribute]: id, attempt: 3, tags: ['a', 'b'] }
      logger.emit({
        severityNumber: SeverityNumber.WARN,
        severityText: 'WARN',
        body: `slow ${id}`,
        attributes,
      })
    }
    await provider.forceFlush()
    all.push(...exporter.getFinishedLogRecords())
    await provider.shutdown()
  }
  return all
}

class Collecting extends MetricReader {
  protected override onShutdown(): Promise<void> {
    return Promise.resolve()
  }
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve()
  }
}

/** The ids in turn as points of a sum, a gauge, a histogram and an exponential histogram. */
async function resourceMetricsOf(batch: Batch): Promise<ResourceMetrics[]> {
  const all: ResourceMetrics[] = []
  for (const [namespace, ids] of Object.entries(batch)) {
    const reader = new Collecting()
    const aggregation = { type: AggregationType.EXPONENTIAL_HISTOGRAM } as const
    const provider = new MeterProvider({
      resource: resourceOf(namespace),
      readers: [reader],
      views: [{ instrumentName: 'cart.size', aggregation }],
    })
    const meter = provider.getMeter('test', '1.0')
    const counter = meter.createCounter('cart.requests', { unit: '{request}' })
    const gauge = meter.createGauge('cart.open')
    const histogram = meter.createHistogram('cart.duration', { unit: 's' })
    const exponential = meter.createHistogram('cart.size', { unit: 'By' })
    const record = [
      (id: string) => counter.add(1, { [idAttribute]: id }),
      (id: string) => gauge.record(2.5, { [idAttribute]: id }),
      (id: string) => histogram.record(0.25, { [idAttribute]: id }),
      (id: string) => exponential.record(4096, { [idAttribute]: id }),
    ]
    for (const [index, id] of ids.entries()) record[index % record.length]?.(id)
    const { resourceMetrics, errors } = await reader.collect()
    if (errors.length > 0) throw new AggregateError(errors, 'the SDK did not collect its metrics')
    all.push(resourceMetrics)
    await provider.shutdown()
  }
  return all
}
