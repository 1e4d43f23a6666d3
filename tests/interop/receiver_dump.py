#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the spans in a file that receiver wrote: one JSON object a line, decoded with
OpenTelemetry's own classes.

    $(tests/interop/python_env.sh) tests/interop/receiver_dump.py FILE
"""

import base64
import json
import math
import struct
import sys

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
STATUSES = ["UNSET", "OK", "ERROR"]


def requests(path):
    with open(path, "rb") as file:
        while size := file.read(4):
            (size,) = struct.unpack("=I", size)
            body = file.read(size)
            if len(body) != size:
                sys.exit(f"{path}: the last request is not complete")
            yield ExportTraceServiceRequest.FromString(body)


def plain(value):
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(it) for it in value.array_value.values]
    if kind == "kvlist_value":
        return {it.key: plain(it.value) for it in value.kvlist_value.values}
    if kind == "bytes_value":
        return {"base64": base64.b64encode(value.bytes_value).decode()}
    if kind == "double_value" and not math.isfinite(value.double_value):
        return {"double": str(value.double_value)}  # JSON has no such numbers
    return getattr(value, kind)


def attributes(message):
    found = {}
    for it in message.attributes:
        if it.key in found:
            sys.exit(f"attribute {it.key!r} is there twice")
        found[it.key] = plain(it.value)
    return found


def spans(request):
    for resource_spans in request.resource_spans:
        resource = attributes(resource_spans.resource)
        for scope_spans in resource_spans.scope_spans:
            scope = {
                "name": scope_spans.scope.name,
                "version": scope_spans.scope.version,
                "attributes": attributes(scope_spans.scope),
                "schema_url": scope_spans.schema_url,
            }
            for span in scope_spans.spans:
                yield {
                    "trace_id": span.trace_id.hex(),
                    "span_id": span.span_id.hex(),
                    "parent_id": span.parent_span_id.hex(),
                    "trace_state": span.trace_state,
                    "flags": span.flags,
                    "name": span.name,
                    "kind": KINDS[span.kind],
                    "start": span.start_time_unix_nano,
                    "end": span.end_time_unix_nano,
                    "status": STATUSES[span.status.code],
                    "status_message": span.status.message,
                    "attributes": attributes(span),
                    "events": [
                        {
                            "time": it.time_unix_nano,
                            "name": it.name,
                            "attributes": attributes(it),
                            "dropped_attributes": it.dropped_attributes_count,
                        }
                        for it in span.events
                    ],
                    "links": [
                        {
                            "trace_id": it.trace_id.hex(),
                            "span_id": it.span_id.hex(),
                            "trace_state": it.trace_state,
                            "flags": it.flags,
                            "attributes": attributes(it),
                            "dropped_attributes": it.dropped_attributes_count,
                        }
                        for it in span.links
                    ],
                    "dropped_attributes": span.dropped_attributes_count,
                    "dropped_events": span.dropped_events_count,
                    "dropped_links": span.dropped_links_count,
                    "scope": scope,
                    "resource": resource,
                    "resource_schema_url": resource_spans.schema_url,
                }


def main():
    for request in requests(sys.argv[1]):
        for span in spans(request):
            print(json.dumps(span, ensure_ascii=False))


if __name__ == "__main__":
    main()
