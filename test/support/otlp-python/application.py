"""An application that knows OpenTelemetry's API and nothing else; where its telemetry goes is said by environment
variables to `opentelemetry-instrument`, which starts it. The ids of its items are its arguments."""
import logging
import sys

from opentelemetry import metrics, trace

tracer = trace.get_tracer("application")
orders = metrics.get_meter("application").create_counter("orders")
log = logging.getLogger("application")

for item in sys.argv[1:]:
    with tracer.start_as_current_span("order", attributes={"test.id": item}):
        orders.add(1, {"test.id": item})
        log.warning("ordered %s", item, extra={"test.id": item})
