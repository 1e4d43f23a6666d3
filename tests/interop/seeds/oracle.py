# SPDX-License-Identifier: Apache-2.0
"""What the scripts beside it share: OpenTelemetry's SDK with an exporter that keeps the spans, and at
the end prints them, and what the script said, as JSON."""
import json

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

_exporter = InMemorySpanExporter()
_said = []


def begin(resource=None):
    provider = TracerProvider(resource=resource or Resource({}))
    provider.add_span_processor(SimpleSpanProcessor(_exporter))
    trace.set_tracer_provider(provider)


def say(*words):
    _said.append(" ".join(str(word) for word in words))


def _typed(value):
    if isinstance(value, (tuple, list)):
        return ["array", [_typed(item) for item in value]]
    return [{bool: "bool", int: "int", float: "double", str: "string", bytes: "bytes"}[type(value)], value]


def _attributes(them):
    return {key: _typed(value) for key, value in (them or {}).items()}


def _id(context):
    return f"{context.trace_id:032x}/{context.span_id:016x}"


def end():
    print(json.dumps({"said": _said, "spans": [{
        "name": span.name,
        "id": _id(span.context),
        "parent": _id(span.parent) if span.parent else "",
        "remote": bool(span.parent and span.parent.is_remote),
        "tracestate": span.context.trace_state.to_header(),
        "kind": span.kind.value,
        "start": span.start_time,
        "end": span.end_time,
        "attributes": _attributes(span.attributes),
        "events": [[event.name, event.timestamp, _attributes(event.attributes)] for event in span.events],
        "links": [[_id(link.context), _attributes(link.attributes), link.context.trace_state.to_header(),
                   link.context.trace_flags & 1 | (0x200 if link.context.is_remote else 0)] for link in span.links],
        "status": [span.status.status_code.value, span.status.description or ""],
        "scope": [span.instrumentation_scope.name, span.instrumentation_scope.version or "",
                  span.instrumentation_scope.schema_url or ""],
        "resource": _attributes(span.resource.attributes),
    } for span in _exporter.get_finished_spans()]}))
