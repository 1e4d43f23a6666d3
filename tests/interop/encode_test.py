#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Decodes what encode_dump wrote with OpenTelemetry's own protobuf classes.

    $(tests/interop/python_env.sh) tests/interop/encode_test.py build/tests/interop/encode_dump
"""

import base64
import json
import math
import os
import subprocess
import sys
import tempfile
import unittest

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

START = 1790000000123456789


def trace_id(trace):
    return bytes((trace * 37 + i * 17 + 1) & 0xFF for i in range(16))


def span_id(number):
    return (number * 0x9E3779B97F4A7C15 & 2**64 - 1).to_bytes(8, sys.byteorder)


def hex_to_base64(node):
    """OTLP writes ids in hex where protobuf's JSON has base64."""
    if isinstance(node, list):
        return [hex_to_base64(it) for it in node]
    if not isinstance(node, dict):
        return node
    return {
        key: base64.b64encode(bytes.fromhex(value)).decode()
        if key in ("traceId", "spanId", "parentSpanId")
        else hex_to_base64(value)
        for key, value in node.items()
    }


def plain(value):
    """An AnyValue as what Python has for it."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(it) for it in value.array_value.values]
    if kind == "kvlist_value":
        return {it.key: plain(it.value) for it in value.kvlist_value.values}
    return getattr(value, kind)


def attributes_of(message):
    return {it.key: plain(it.value) for it in message.attributes}


class EncodingTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as directory:
            paths = [os.path.join(directory, name) for name in ("spans.pb", "spans.jsonl")]
            subprocess.run([PROGRAM, *paths], check=True)
            with open(paths[0], "rb") as file:
                cls.encoded = file.read()
            with open(paths[1], encoding="utf-8") as file:
                cls.line = file.read()
        cls.request = ExportTraceServiceRequest.FromString(cls.encoded)
        cls.full = cls.request.resource_spans[0].scope_spans[0].spans[0]

    def test_nothing_in_it_is_unknown_or_written_in_another_way(self):
        self.assertEqual(len(self.request.SerializeToString()), len(self.encoded))

    def test_spans_are_grouped_by_resource_and_equal_scope_in_their_order(self):
        groups = [
            (
                attributes_of(resource.resource)["service.name"],
                [(it.scope.name, len(it.spans)) for it in resource.scope_spans],
            )
            for resource in self.request.resource_spans
        ]
        self.assertEqual(
            [name for name, _ in groups], ["shop", "kitchen", "kitchen"], "by process, not by name"
        )
        for _, scopes in groups:
            self.assertEqual(sorted(name for name, _ in scopes), ["", "other", "tracer"])
        self.assertEqual(sum(n for _, scopes in groups for _, n in scopes), 64)
        for resource in self.request.resource_spans:
            self.assertEqual(resource.schema_url, "https://opentelemetry.io/schemas/1.36.0")
            for scope in resource.scope_spans:
                ends = [it.end_time_unix_nano for it in scope.spans if it is not self.full]
                small = [it for it in ends if it < START + 1000]
                self.assertEqual(small, sorted(small))

    def test_a_span_has_all_it_was_made_with(self):
        span = self.full
        self.assertEqual(span.trace_id, trace_id(1))
        self.assertEqual(span.span_id, span_id(1))
        self.assertEqual(span.parent_span_id, span_id(2))
        self.assertEqual(span.name, 'GET /menu "today"')
        self.assertEqual(span.trace_state, "ot=th:8,vendor=1")
        self.assertEqual(span.kind, 2)
        self.assertEqual(span.start_time_unix_nano, START)
        self.assertEqual(span.end_time_unix_nano, START + 1234567)
        self.assertEqual(span.flags, 0x301)
        self.assertEqual((span.status.code, span.status.message), (2, "out of salt\n"))
        self.assertEqual(span.dropped_attributes_count, 300)
        self.assertEqual(span.dropped_events_count, 1)
        self.assertEqual(span.dropped_links_count, 2**32 - 1)

    def test_attributes_have_their_values(self):
        found = attributes_of(self.full)
        self.assertEqual(found["integer.5"], 2**63 - 1)
        self.assertEqual(found["integer.6"], -(2**63))
        self.assertEqual(found["real.3"], 0.1)
        self.assertTrue(math.isnan(found["real.13"]))
        self.assertEqual(math.copysign(1, found["real.1"]), -1)
        self.assertIs(found["true"], True)
        self.assertIs(found["false"], False)
        self.assertIsNone(found["no value"])
        self.assertEqual(found["array"], [1, "two", None])
        self.assertEqual(found["bytes 2"], b"\xff\0")
        self.assertEqual(found["map"]["a"], 2.5)
        self.assertEqual(found["料理"], "寿司 🍣 { } [ ] é")

    def test_events_and_links_have_their_parts(self):
        deep = "bottom"
        for _ in range(31):
            deep = {"k": deep}
        events = [(it.time_unix_nano, it.name, attributes_of(it)) for it in self.full.events]
        self.assertEqual(
            events,
            [
                (START + 5, "no attributes", {}),
                (
                    START + 7,
                    "exception",
                    {"exception.type": "KeyError", "exception.escaped": False},
                ),
                (START + 8, "as deep as may be", {"deepest": deep}),
            ],
        )
        links = [(it.trace_id, it.span_id, it.flags, attributes_of(it)) for it in self.full.links]
        self.assertEqual(
            links,
            [
                (trace_id(200), span_id(4711), 0x301, {}),
                (trace_id(200), span_id(4711), 0, {"batch": 7}),
            ],
        )

    def test_json_is_one_line_and_means_the_same(self):
        self.assertEqual(self.line.count("\n"), 1)
        self.assertTrue(self.line.endswith("\n"))
        parsed = json_format.ParseDict(
            hex_to_base64(json.loads(self.line)), ExportTraceServiceRequest()
        )
        # NaN differs from itself: compare what both encode to.
        self.assertEqual(
            parsed.SerializeToString(deterministic=True),
            self.request.SerializeToString(deterministic=True),
        )

    def test_json_writes_numbers_and_defaults_as_the_specification_says(self):
        resources = json.loads(self.line)["resourceSpans"]
        span = resources[0]["scopeSpans"][0]["spans"][0]
        values = {it["key"]: it["value"] for it in span["attributes"]}
        self.assertEqual(span["traceId"], trace_id(1).hex())
        self.assertEqual(span["startTimeUnixNano"], str(START))
        self.assertEqual(span["kind"], 2)
        self.assertEqual(span["flags"], 0x301)
        self.assertEqual(span["droppedLinksCount"], 2**32 - 1)
        self.assertEqual(values["integer.0"], {"intValue": "0"})
        self.assertEqual(values["real.13"], {"doubleValue": "NaN"})
        self.assertEqual(values["real.20"], {"doubleValue": "Infinity"})
        self.assertEqual(values["real.21"], {"doubleValue": "-Infinity"})
        self.assertEqual(values["real.15"], {"doubleValue": 99.99})
        self.assertEqual(values["bytes 1"], {"bytesValue": "/w=="})
        self.assertEqual(values["no value"], {})
        small = [
            it
            for scope in resources[1]["scopeSpans"]
            for it in scope["spans"]
            if it["spanId"] == span_id(100 + 4).hex()
        ]
        self.assertNotIn("parentSpanId", small[0])
        self.assertNotIn("name", small[0])
        self.assertNotIn("attributes", small[0])
        self.assertNotIn("flags", small[0])


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
