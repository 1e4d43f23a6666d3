# SPDX-License-Identifier: Apache-2.0
"""What manual.c does, with OpenTelemetry for Python."""
import oracle
from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode

oracle.begin()
tracer = trace.get_tracer("manual")

with tracer.start_as_current_span("span-name") as span:
    pass
with tracer.start_as_current_span("parent"):
    with tracer.start_as_current_span("child"):
        pass
with tracer.start_as_current_span("attributes"):
    current_span = trace.get_current_span()
    current_span.set_attribute("operation.value", 1)
    current_span.set_attribute("operation.name", "Saying hello!")
    current_span.set_attribute("operation.other-stuff", [1, 2, 3])
with tracer.start_as_current_span("events"):
    current_span = trace.get_current_span()
    current_span.add_event("Gonna try it!")
    current_span.add_event("Did it!")
with tracer.start_as_current_span("linked-to"):
    ctx = trace.get_current_span().get_span_context()
    with tracer.start_as_current_span("new-span", links=[trace.Link(ctx)]):
        pass
with tracer.start_as_current_span("status"):
    trace.get_current_span().set_status(Status(StatusCode.ERROR))
with tracer.start_as_current_span("overridden") as span:
    span.set_status(Status(StatusCode.ERROR, "not so bad"))
    span.set_status(Status(StatusCode.OK))
    span.set_status(Status(StatusCode.ERROR, "too late"))
with tracer.start_as_current_span("exception"):
    current_span = trace.get_current_span()
    try:
        raise FileNotFoundError("no such file")
    except FileNotFoundError as ex:
        current_span.set_status(Status(StatusCode.ERROR))
        current_span.record_exception(ex)
with tracer.start_as_current_span("one line") as span:
    try:
        raise FileNotFoundError(2, "No such file or directory")
    except FileNotFoundError as ex:
        span.record_exception(ex, {"exception.type": "ENOENT", "exception.message": ex.strerror})
        span.set_status(Status(StatusCode.ERROR, ex.strerror))
        span.set_attribute("error.type", "ENOENT")
oracle.end()
