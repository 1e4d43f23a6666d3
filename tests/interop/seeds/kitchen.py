# SPDX-License-Identifier: Apache-2.0
"""What kitchen.c does, with OpenTelemetry for Python."""
import oracle
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import set_span_in_context
from opentelemetry.trace.status import Status, StatusCode

oracle.begin(Resource({"service.name": "service123", "service.version": "1.2.3", "hostname": "stove-1"}))
tracer = trace.get_tracer("kitchen")


class BurntError(Exception):
    pass


def bake_cake():
    trace.get_current_span().set_attribute("oven", "left")


trace.get_current_span().set_attribute("lost", True)
with tracer.start_as_current_span("meal") as meal:
    cake = tracer.start_span(name="bake-cake", context=set_span_in_context(meal))
    bake_cake()
    cake.end()
    with tracer.start_as_current_span("bake-cake"):
        bake_cake()
    call = tracer.start_span("request", attributes={
        "http.method": "GET",
        "http.flavor": "1.1",
        "http.url": "http://shop/list?page=2",
        "net.peer.ip": "192.0.2.5",
        "http.status_code": 200,
        "http.status_text": "OK",
    })
    call.set_attribute("list.page_number", 2)
    call.set_attribute("example.list.page_number", 2)
    call.end()
    with tracer.start_as_current_span("enqueue"):
        trace.get_current_span().add_event("enqueued item", {"queue.length": 3})
    with tracer.start_as_current_span("burn"):
        span = trace.get_current_span()
        span.record_exception(BurntError("too dark"))
        span.set_status(Status(StatusCode.ERROR, "error happened"))
oracle.end()
