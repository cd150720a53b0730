"""Sends spans with Jaeger's client or OpenTelemetry's exporters to Jaeger, as it is told on stdin; ends with status 0 when
the client has handed everything over.

stdin: {"client": "jaeger-client" | "otel-udp" | "otel-http" | "otel-grpc", "port": number on 127.0.0.1,
        "service": text, "tags": {name: text} of the process, "ids": [value of the tag test.id of each span]}
Every second span is a child of the one before it.
"""
import json
import sys
import time
import warnings

warnings.filterwarnings("ignore", category=DeprecationWarning)


def send_jaeger(job):
    from jaeger_client import Config
    from opentracing import child_of, follows_from, tags

    config = Config(
        config={
            "sampler": {"type": "const", "param": 1},
            "local_agent": {"reporting_host": "127.0.0.1", "reporting_port": job["port"]},
            "tags": job["tags"],
            "generate_128bit_trace_id": True,
        },
        service_name=job["service"],
        validate=True,
    )
    tracer = config.initialize_tracer()
    before = None
    for index, item in enumerate(job["ids"]):
        references = [] if before is None else [child_of(before.context)]
        if before is None and index > 0:
            references = [follows_from(first.context)]
        with tracer.start_span("GET /cart", references=references) as span:
            span.set_tag("test.id", item)
            span.set_tag(tags.SPAN_KIND, tags.SPAN_KIND_RPC_SERVER)
            span.set_tag(tags.HTTP_STATUS_CODE, 503 if index % 4 == 3 else 200)
            span.set_tag("cart.size", 17)
            span.set_tag("cart.total", 12.5)
            span.set_tag("cart.empty", False)
            if index % 4 == 3:
                span.set_tag(tags.ERROR, True)
            span.log_kv({"event": "cache miss", "key": "cart:17", "tries": 2})
            span.set_baggage_item("user", "jörg")
        first = span
        before = span if index % 2 == 0 else None
    done = tracer.close()
    while not done.done():
        time.sleep(0.01)
    done.result()


def send_otel(job):
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import Link, SpanKind, Status, StatusCode

    port = job["port"]
    if job["client"] == "otel-grpc":
        from opentelemetry.exporter.jaeger.proto.grpc import JaegerExporter

        exporter = JaegerExporter(collector_endpoint=f"127.0.0.1:{port}", insecure=True)
    else:
        from opentelemetry.exporter.jaeger.thrift import JaegerExporter

        if job["client"] == "otel-http":
            endpoint = f"http://127.0.0.1:{port}/api/traces?format=jaeger.thrift"
            exporter = JaegerExporter(collector_endpoint=endpoint)
        else:
            exporter = JaegerExporter(agent_host_name="127.0.0.1", agent_port=port)
    provider = TracerProvider(resource=Resource({"service.name": job["service"], **job["tags"]}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("test", "1.0")
    context = None
    for index, item in enumerate(job["ids"]):
        links = [] if context is None else [Link(context, {"why": "before"})]
        with tracer.start_as_current_span("GET /cart", kind=SpanKind.CLIENT, links=links) as span:
            span.set_attribute("test.id", item)
            span.set_attribute("cart.sizes", [1, 2, 3])
            span.set_attribute("cart.total", 12.5)
            span.set_attribute("cart.empty", False)
            span.add_event("cache miss", {"key": "cart:17", "tries": 2})
            if index % 2 == 1:
                span.set_status(Status(StatusCode.ERROR, "no such cart"))
            else:
                span.set_status(Status(StatusCode.OK))
            context = span.get_span_context()
    if not provider.force_flush():
        sys.exit("not all spans could be sent")
    provider.shutdown()


def main():
    job = json.load(sys.stdin)
    if job["client"] == "jaeger-client":
        send_jaeger(job)
    else:
        send_otel(job)


main()
