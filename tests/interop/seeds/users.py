# SPDX-License-Identifier: Apache-2.0
"""What users.cpp does, with OpenTelemetry for Python."""
import oracle
from opentelemetry import trace

oracle.begin()
tracer = trace.get_tracer("app_or_package_name", "1.0.0")


def create_user(ident, email):
    if "@" not in email:
        raise ValueError("no e-mail address: " + email)
    return ident, email


def insert_user(**kwargs):
    with tracer.start_as_current_span("insert-user") as span:
        if span.is_recording():
            span.set_attribute("enduser.id", kwargs["id"])
            span.set_attribute("enduser.email", kwargs["email"])
        return create_user(kwargs["id"], kwargs["email"])


insert_user(id=7, email="me@example.org")
try:
    insert_user(id=8, email="nobody")
except ValueError:
    oracle.say("rejected")
with tracer.start_as_current_span("operation-name", kind=trace.SpanKind.SERVER) as span:
    if span.is_recording():
        span.set_attribute("http.method", "GET")
        span.set_attribute("http.route", "/projects/:id")
    span.add_event("log", {"log.severity": "error", "log.message": "User not found", "enduser.id": "123"})
with tracer.start_as_current_span("status") as span:
    try:
        create_user(2, "nobody")
    except ValueError as exc:
        span.set_status(trace.Status(trace.StatusCode.ERROR, str(exc)))
with tracer.start_as_current_span("recorded") as span:
    try:
        create_user(3, "nobody")
    except ValueError as exc:
        span.record_exception(exc)
        span.set_status(trace.Status(trace.StatusCode.ERROR, str(exc)))
span = tracer.start_span("activated")
with trace.use_span(span, end_on_exit=True):
    trace.get_current_span().set_attribute("is", "current")
    with tracer.start_as_current_span("below it"):
        pass
oracle.end()
