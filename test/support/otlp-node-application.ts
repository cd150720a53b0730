/**
 * An application whose exporters are told nothing in code: where they send to comes from OTEL_EXPORTER_OTLP_… alone. The
 * ids of its items are its arguments.
 */
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-proto'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs'
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'

const traces = new TracerProvider({
  spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
})
const metrics = new MeterProvider({
  readers: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter() })],
})
const logs = new LoggerProvider({
  processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter() })],
})

const tracer = traces.getTracer('application')
const orders = metrics.getMeter('application').createCounter('orders')
const logger = logs.getLogger('application')
for (const id of process.argv.slice(2)) {
  const attributes = { 'test.id': id }
  tracer.startSpan('order', { attributes }).end()
  orders.add(1, attributes)
  logger.emit({ body: `ordered ${id}`, attributes })
}
await Promise.all([traces.shutdown(), metrics.shutdown(), logs.shutdown()])
