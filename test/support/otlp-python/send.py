"""Sends spans, data points and log records with the official exporters, as it is told on stdin, and prints how each
export ended as JSON: {"traces": "SUCCESS", "metrics": ..., "logs": ...}.

stdin: {"protocol": "grpc" | "http/protobuf", "endpoint": URL without a path, "compression": "gzip" | "none",
        "headers": {name: value}, "batches": {signal: {namespace: [id, ...]}}}
Each namespace is one resource; each signal goes in one request.
"""
import json
import sys
from importlib import import_module

from grpc import Compression as GrpcCompression
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression as HttpCompression
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def exporter_of(signal, name, job):
    kind = "grpc" if job["protocol"] == "grpc" else "http"
    module = import_module(f"opentelemetry.exporter.otlp.proto.{kind}.{signal}")
    headers = job["headers"]
    gzip = job["compression"] == "gzip"
    if kind == "grpc":
        compression = GrpcCompression.Gzip if gzip else GrpcCompression.NoCompression
        return getattr(module, name)(
            endpoint=job["endpoint"], insecure=True, headers=tuple(headers.items()), compression=compression
        )
    path = {"trace_exporter": "traces", "metric_exporter": "metrics", "_log_exporter": "logs"}[signal]
    compression = HttpCompression.Gzip if gzip else HttpCompression.NoCompression
    return getattr(module, name)(
        endpoint=f"{job['endpoint']}/v1/{path}", headers=headers, compression=compression
    )


def resource_of(namespace):
    return Resource.create({"service.name": "checkout", "k8s.namespace.name": namespace})


def spans_of(batch):
    for namespace, ids in batch.items():
        memory = InMemorySpanExporter()
        provider = TracerProvider(resource=resource_of(namespace))
        provider.add_span_processor(SimpleSpanProcessor(memory))
        tracer = provider.get_tracer("test", "1.0")
        for item in ids:
            with tracer.start_as_current_span("GET /cart", attributes={"test.id": item}) as span:
                span.add_event("cache miss", {"key": "cart:17"})
        yield from memory.get_finished_spans()


def metrics_of(batch):
    for namespace, ids in batch.items():
        reader = InMemoryMetricReader()
        meter = MeterProvider(metric_readers=[reader], resource=resource_of(namespace)).get_meter("test", "1.0")
        counter = meter.create_counter("cart.requests")
        histogram = meter.create_histogram("cart.duration", unit="s")
        for index, item in enumerate(ids):
            if index % 2 == 0:
                counter.add(1, {"test.id": item})
            else:
                histogram.record(0.25, {"test.id": item})
        yield from reader.get_metrics_data().resource_metrics


def logs_of(batch):
    for namespace, ids in batch.items():
        memory = InMemoryLogRecordExporter()
        provider = LoggerProvider(resource=resource_of(namespace))
        provider.add_log_record_processor(SimpleLogRecordProcessor(memory))
        logger = provider.get_logger("test", "1.0")
        for item in ids:
            logger.emit(
                LogRecord(
                    body=f"slow {item}",
                    severity_number=SeverityNumber.WARN,
                    severity_text="WARN",
                    attributes={"test.id": item},
                )
            )
        yield from memory.get_finished_logs()


def main():
    job = json.load(sys.stdin)
    batches = job["batches"]
    traces = exporter_of("trace_exporter", "OTLPSpanExporter", job)
    metrics = exporter_of("metric_exporter", "OTLPMetricExporter", job)
    logs = exporter_of("_log_exporter", "OTLPLogExporter", job)
    result = {
        "traces": traces.export(list(spans_of(batches["traces"]))).name,
        "metrics": metrics.export(MetricsData(resource_metrics=list(metrics_of(batches["metrics"])))).name,
        "logs": logs.export(list(logs_of(batches["logs"]))).name,
    }
    for exporter in (traces, metrics, logs):
        exporter.shutdown()
    print(json.dumps(result))


main()
