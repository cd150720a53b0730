"""Sends spans with py_zipkin, as it is told on stdin; ends with status 0 when the answer was 200 or 202.

stdin: {"url": URL with its path, "encoding": "V1_JSON" | "V1_THRIFT" | "V2_JSON" | "V2_PROTO3", "service": text,
        "tags": {name: text} of every span, "ids": [value of the tag test.id of each span]}
The spans after the first are its children.
"""
import json
import sys
from urllib.request import Request, urlopen

from py_zipkin import Encoding, Kind
from py_zipkin.transport import BaseTransportHandler
from py_zipkin.zipkin import zipkin_span

TYPES = {
    "V1_JSON": "application/json",
    "V1_THRIFT": "application/x-thrift",
    "V2_JSON": "application/json",
    "V2_PROTO3": "application/x-protobuf",
}


class Transport(BaseTransportHandler):
    def __init__(self, url, content_type):
        super().__init__()
        self.url = url
        self.content_type = content_type
        self.status = None

    def get_max_payload_bytes(self):
        return None

    def send(self, payload):
        body = payload.encode() if isinstance(payload, str) else bytes(payload)
        with urlopen(Request(self.url, body, {"Content-Type": self.content_type}), timeout=10) as answer:
            self.status = answer.status


def main():
    job = json.load(sys.stdin)
    first, *others = job["ids"]
    transport = Transport(job["url"], TYPES[job["encoding"]])
    with zipkin_span(
        service_name=job["service"],
        span_name="GET /cart",
        transport_handler=transport,
        host="10.1.2.3",
        port=8080,
        sample_rate=100,
        use_128bit_trace_id=True,
        encoding=getattr(Encoding, job["encoding"]),
        binary_annotations={"test.id": first, **job["tags"]},
    ):
        for item in others:
            with zipkin_span(
                service_name=job["service"],
                span_name="SELECT",
                kind=Kind.CLIENT,
                binary_annotations={"test.id": item, **job["tags"]},
            ) as span:
                span.add_annotation("wire send")
                span.add_sa_binary_annotation(port=5432, service_name="store", host="10.1.2.4")
    if transport.status not in (200, 202):
        sys.exit("nothing was sent")


main()
