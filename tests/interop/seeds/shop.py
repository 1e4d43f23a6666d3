# SPDX-License-Identifier: Apache-2.0
"""What shop.cpp does, with OpenTelemetry for Python."""
import oracle
from opentelemetry import trace
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.trace import Status, StatusCode

oracle.begin(Resource({SERVICE_NAME: "my-python-app"}))
tracer = trace.get_tracer("shop")

with tracer.start_as_current_span("startup") as span:
    span.set_attribute("config", "loaded")
    oracle.say("Application started")


def process_payment():
    with tracer.start_as_current_span("process_payment") as span:
        span.set_attribute("user_id", 42)
        span.set_attribute("amount", 99.99)
        with tracer.start_as_current_span("db_query") as db_span:
            db_span.set_attribute("query", "SELECT * FROM orders")
            db_span.set_attribute("rows_returned", len(["a", "b", "c"]))
        with tracer.start_as_current_span("stripe_charge") as stripe_span:
            stripe_span.set_attribute("api_version", "2023-10-16")
            stripe_span.set_attribute("charge_id", "ch_1")
        return "ch_1"


def user_service(headers):
    with tracer.start_as_current_span("GET /users/{id}", context=extract(headers), kind=trace.SpanKind.SERVER):
        with tracer.start_as_current_span("db_query"):
            pass
        with tracer.start_as_current_span("cache_set"):
            return 200


def call_user_service(user_id):
    with tracer.start_as_current_span("call_user_service") as span:
        span.set_attribute("user_id", user_id)
        headers = {}
        inject(headers)
        span.set_attribute("response_status", user_service(headers))


def create_order(is_valid):
    with tracer.start_as_current_span("POST /order", kind=trace.SpanKind.SERVER):
        with tracer.start_as_current_span("validate_order") as span:
            span.set_attribute("order_id", "o-1")
            if not is_valid:
                span.set_attribute("valid", False)
                return 400
            span.set_attribute("valid", True)
        with tracer.start_as_current_span("save_to_database") as span:
            span.set_attribute("saved_id", 17)
        with tracer.start_as_current_span("notify_warehouse") as span:
            span.set_attribute("response_status", 202)
            call_user_service(42)
        return 201


def risky_operation(how):
    with tracer.start_as_current_span("risky_operation") as span:
        try:
            if how == 1:
                raise ValueError("wrong value")
            if how == 2:
                raise RuntimeError("worse")
            span.set_attribute("outcome", "success")
        except ValueError as e:
            span.record_exception(e)
            span.set_status(Status(StatusCode.ERROR, str(e)))
            raise
        except Exception as e:
            span.record_exception(e)
            span.set_status(Status(StatusCode.ERROR, "Internal error"))
            raise


oracle.say(process_payment())
oracle.say(create_order(True))
oracle.say(create_order(False))
for how in range(3):
    try:
        risky_operation(how)
        oracle.say("well")
    except Exception as e:
        oracle.say(e)
oracle.end()
