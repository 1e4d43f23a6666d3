#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The agent's metrics, read by OpenTelemetry's own classes and by Prometheus' own parser.

    $(tests/interop/python_env.sh) tests/interop/metrics_test.py build     # as root
"""

import http.server
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE
from prometheus_client.parser import text_string_to_metric_families

BUILD = sys.argv.pop(1)
SPANS = 300
PROGRAM = """
#include <otel/trace.h>
#include <stdio.h>
static otel_tracer tracer = OTEL_TRACER("metered", "1");
int main(void)
{
	for (int i = 0; i < %d; i++) {
		OTEL_SPAN(span, &tracer, "counted");
		otel_set(span, otel_int("i", i));
	}
	puts("done");
	fflush(stdout);
	return getchar() == 'x';
}
"""


class Receiver(http.server.BaseHTTPRequestHandler):
    requests = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.requests.append((self.path, self.headers["Content-Type"], body))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_until(condition, what):
    end = time.monotonic() + 20
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("waited for: " + what)
        time.sleep(0.02)


def plain(name):
    return name.replace(".", "_")


def otlp_points(metric):
    """{labels: value} of a metric, with the labels' names as Prometheus has them."""
    data = getattr(metric, metric.WhichOneof("data"))
    return {
        frozenset((plain(it.key), it.value.string_value) for it in point.attributes): point.as_int
        for point in data.data_points
    }


class MetricsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        source = os.path.join(cls.folder.name, "metered.c")
        program = os.path.join(cls.folder.name, "metered")
        with open(source, "w", encoding="utf-8") as file:
            file.write(PROGRAM % SPANS)
        subprocess.run(["cc", "-O2", "-Iusdt", "-o", program, source], check=True)
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.port = free_port()
        endpoint = f"http://127.0.0.1:{cls.server.server_port}"
        cls.agent = subprocess.Popen(
            [os.path.join(BUILD, "otel-bpf"), "run", "-e", "otlp_file=/dev/null", "--endpoint", endpoint,
             "--metrics", f"127.0.0.1:{cls.port},otlp", "--", program],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "OTEL_METRIC_EXPORT_INTERVAL": "200"},
        )
        cls.agent.stdout.readline()
        wait_until(lambda: f"otel_sdk_exporter_span_exported_total{{" in cls.scrape()
                   and cls.value("otel_sdk_exporter_span_exported_total", {}) == SPANS, "all spans are exported")
        cls.text = cls.scrape()
        cls.families = {it.name: it for it in text_string_to_metric_families(cls.text)}
        cls.agent.stdin.close()
        cls.agent.wait(20)
        cls.request = ExportMetricsServiceRequest.FromString(Receiver.requests[-1][2])
        cls.metrics = {it.name: it for it in cls.request.resource_metrics[0].scope_metrics[0].metrics}

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.agent.stdout.close()
        cls.folder.cleanup()

    @classmethod
    def scrape(cls, path="/metrics"):
        with urllib.request.urlopen(f"http://127.0.0.1:{cls.port}{path}", timeout=10) as answer:
            cls.type = answer.headers["Content-Type"]
            return answer.read().decode()

    @classmethod
    def value(cls, sample, labels, families=None):
        """Of the first sample that has these labels, and no error.type unless it is one of them."""
        for family in families or text_string_to_metric_families(cls.scrape()):
            for it in family.samples:
                if it.name == sample and labels.items() <= it.labels.items() \
                        and ("error_type" in labels or "error_type" not in it.labels):
                    return it.value
        return None

    def test_prometheus_reads_what_was_done(self):
        families = self.families.values()
        self.assertEqual(self.type, "text/plain; version=0.0.4; charset=utf-8")
        for sample, labels, value in (
            ("otel_sdk_span_started_total", {"otel_span_sampling_result": "RECORD_AND_SAMPLE"}, SPANS),
            ("otel_sdk_span_started_total", {"otel_span_sampling_result": "DROP"}, 0),
            ("otel_sdk_span_live", {}, 0),
            ("otel_sdk_processor_span_processed_total", {}, SPANS),
            ("otel_sdk_processor_span_queue_size", {}, 0),
            ("otel_sdk_exporter_span_inflight", {}, 0),
            ("otel_sdk_exporter_span_exported_total", {}, SPANS),
            ("otel_sdk_exporter_span_exported_total", {"error_type": "rejected"}, 0),
            ("otelbpf_span_lost_total", {"otelbpf_reason": "ring_full"}, 0),
            ("otelbpf_image_attached", {}, 1),
            ("otelbpf_ring_size_bytes", {}, 16 << 20),
        ):
            with self.subTest(sample=sample, labels=labels):
                self.assertEqual(self.value(sample, labels, families), value)

    def test_nothing_in_otlp_is_unknown_or_written_in_another_way(self):
        body = Receiver.requests[-1][2]
        self.assertEqual(len(self.request.SerializeToString()), len(body))
        self.assertEqual(Receiver.requests[-1][:2], ("/v1/metrics", "application/x-protobuf"))

    def test_both_say_the_same(self):
        for name, metric in self.metrics.items():
            family = self.families.get(plain(name)) or self.families.get(plain(name) + "_bytes")
            self.assertIsNotNone(family, name)
            self.assertEqual(metric.description, family.documentation)
            sums = metric.WhichOneof("data") == "sum"
            self.assertEqual(family.type == "counter", sums and metric.sum.is_monotonic, name)
            if name in ("otelbpf.process.followed", "otelbpf.ring.used"):
                continue  # the program has ended in between
            seen = {frozenset(it.labels.items()): int(it.value) for it in family.samples}
            self.assertEqual(otlp_points(metric), seen, name)

    def test_sums_are_since_the_start_of_the_agent(self):
        first = ExportMetricsServiceRequest.FromString(Receiver.requests[0][2])
        begin = first.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points[0].start_time_unix_nano
        for metric in self.metrics.values():
            if metric.WhichOneof("data") == "gauge":
                continue
            self.assertEqual(metric.sum.aggregation_temporality, AGGREGATION_TEMPORALITY_CUMULATIVE)
            for point in metric.sum.data_points:
                self.assertEqual(point.start_time_unix_nano, begin)
                self.assertLess(begin, point.time_unix_nano)
                self.assertLess(abs(point.time_unix_nano - time.time_ns()), 60 * 10**9)

    def test_the_resource_is_the_agent(self):
        attributes = {it.key: it.value for it in self.request.resource_metrics[0].resource.attributes}
        self.assertEqual(attributes["service.name"].string_value, "otel-bpf")
        self.assertEqual(attributes["process.pid"].int_value, self.agent.pid)
        self.assertEqual(attributes["host.name"].string_value, socket.gethostname())

    def test_the_agent_ends_well(self):
        self.assertEqual(self.agent.returncode, 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
