#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs producer under the agent, which exports to receiver and to a JSON file at once, decodes what
came out at both ends, and looks at every span.

    $(tests/interop/python_env.sh) tests/interop/throughput.py [--spans N] [--rate N]
        [--ring-size BYTES] BUILD

Paced, nothing may be missing. Flat out, what was exported and what the agent counted as lost must
be all of it. BUILD is where otel-bpf is, and producer and receiver in tests/interop.
"""

import argparse
import base64
import concurrent.futures
import json
import os
import re
import resource
import struct
import subprocess
import sys
import tempfile
import time
from array import array

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

THREADS = 2
PER_TRACE = 11
SERVER, CLIENT = 2, 3


class Checker:
    """Takes spans in any order; says what is wrong with them, the first few times."""

    def __init__(self, spans, may_repeat=False):
        self.spans = spans
        self.may_repeat = may_repeat
        self.repeated = 0
        per_thread = [spans // THREADS + (i < spans % THREADS) for i in range(THREADS)]
        self.base = [sum(per_thread[:i]) for i in range(THREADS + 1)]
        self.ids = array("Q", bytes(8 * spans))
        self.parents = array("Q", bytes(8 * spans))
        self.traces = [None] * spans
        self.starts = array("Q", bytes(8 * spans))
        self.ends = array("Q", bytes(8 * spans))
        self.count = 0
        self.wrong = []

    def complain(self, text):
        if len(self.wrong) < 10:
            self.wrong.append(text)

    def span(self, trace, span_id, parent, kind, name, start, end, attributes, events):
        """Ids are bytes; attributes a dict; events a list of (time, name, attributes)."""
        self.count += 1
        sequence = attributes.get("sequence")
        if not isinstance(sequence, int) or sequence >> 32 >= THREADS:
            return self.complain(f"sequence {sequence!r}")
        thread, number = sequence >> 32, sequence & 0xFFFFFFFF
        at = self.base[thread] + number
        if at >= self.base[thread + 1]:
            return self.complain(f"sequence {sequence!r}")
        if self.may_repeat and self.ids[at] == int.from_bytes(span_id, "big"):
            self.repeated += 1
        elif self.ids[at]:
            return self.complain(f"span {sequence:#x} is there twice")
        position = number % PER_TRACE
        wanted = {
            "sequence": sequence,
            "text": f"span {sequence:016x}",
            "half": number / 2,
            "odd": number % 2 == 1,
        }
        if attributes != wanted or type(attributes["odd"]) is not bool or len(attributes) != 4:
            self.complain(f"attributes {attributes}, not {wanted}")
        if len(events) != 1 or events[0][1:] != ("written", {"position": position}):
            self.complain(f"events {events}")
        elif not start <= events[0][0] <= end:
            self.complain(f"span {sequence:#x}: event at {events[0][0]}, not in {start}..{end}")
        if (name, kind) != (("child", CLIENT) if position else ("root", SERVER)):
            self.complain(f"span {sequence:#x} is a {name} of kind {kind}")
        if bool(parent) != bool(position) or len(trace) != 16 or len(span_id) != 8:
            self.complain(f"span {sequence:#x}: ids {trace.hex()}, {span_id.hex()}, {parent.hex()}")
        self.ids[at] = int.from_bytes(span_id, "big")
        self.parents[at] = int.from_bytes(parent, "big")
        self.traces[at] = trace
        self.starts[at] = start
        self.ends[at] = end

    def finish(self):
        """Between spans: ids and parents. Returns how many there are, and what is wrong."""
        found = [it for it in self.ids if it]
        if len(set(found)) != len(found):
            self.complain(f"{len(found) - len(set(found))} span ids are not unique")
        roots = set()
        for thread in range(THREADS):
            base = self.base[thread]
            for at in range(base, self.base[thread + 1]):
                position = (at - base) % PER_TRACE
                root = at - position
                if not self.ids[at]:
                    continue
                if not position:
                    roots.add(self.traces[at])
                elif self.ids[root] and (
                    self.parents[at] != self.ids[root] or self.traces[at] != self.traces[root]
                ):
                    self.complain(f"span {at} has a wrong parent or trace")
                elif self.ids[root] and not (
                    self.starts[root] <= self.starts[at] <= self.ends[at] <= self.ends[root]
                ):
                    self.complain(f"span {at} is not within its parent")
        if len(roots) != sum(
            1
            for thread in range(THREADS)
            for at in range(self.base[thread], self.base[thread + 1], PER_TRACE)
            if self.ids[at]
        ):
            self.complain("trace ids are not unique")
        return self.count, self.wrong


def check_scope(checker, service, scope, version):
    if (service, scope, version) != ("unknown_service:producer", "producer", "1.0.0"):
        checker.complain(f"service {service}, scope {scope} {version}")


def read_requests(path):
    """What receiver wrote; without the end, if it was killed while it wrote that."""
    with open(path, "rb") as file:
        while len(size := file.read(4)) == 4:
            (size,) = struct.unpack("=I", size)
            body = file.read(size)
            if len(body) == size:
                yield ExportTraceServiceRequest.FromString(body)


def feed_protobuf(checker, path):
    def value(it):
        it = it.value
        return getattr(it, it.WhichOneof("value"))

    for request in read_requests(path):
        for group in request.resource_spans:
            service = {it.key: it.value.string_value for it in group.resource.attributes}
            for scoped in group.scope_spans:
                scope = scoped.scope
                check_scope(checker, service["service.name"], scope.name, scope.version)
                for span in scoped.spans:
                    checker.span(
                        span.trace_id,
                        span.span_id,
                        span.parent_span_id,
                        span.kind,
                        span.name,
                        span.start_time_unix_nano,
                        span.end_time_unix_nano,
                        {it.key: value(it) for it in span.attributes},
                        [
                            (it.time_unix_nano, it.name, {a.key: value(a) for a in it.attributes})
                            for it in span.events
                        ],
                    )


def check_protobuf(path, spans):
    checker = Checker(spans)
    feed_protobuf(checker, path)
    return checker.finish()


CONVERT = {"intValue": int, "doubleValue": float, "stringValue": str, "boolValue": bool}


def check_json(path, spans):
    checker = Checker(spans)
    fromhex = bytes.fromhex

    def value(it):
        ((kind, it),) = it["value"].items()
        return CONVERT[kind](it)

    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file):
            request = json.loads(line)
            for group in request["resourceSpans"]:
                service = {it["key"]: it["value"] for it in group["resource"]["attributes"]}
                service = service["service.name"]["stringValue"]
                for scoped in group["scopeSpans"]:
                    scope = scoped["scope"]
                    check_scope(checker, service, scope["name"], scope["version"])
                    for span in scoped["spans"]:
                        checker.span(
                            fromhex(span["traceId"]),
                            fromhex(span["spanId"]),
                            fromhex(span.get("parentSpanId", "")),
                            span["kind"],
                            span["name"],
                            int(span["startTimeUnixNano"]),
                            int(span["endTimeUnixNano"]),
                            {it["key"]: value(it) for it in span["attributes"]},
                            [
                                (
                                    int(it["timeUnixNano"]),
                                    it["name"],
                                    {a["key"]: value(a) for a in it["attributes"]},
                                )
                                for it in span["events"]
                            ],
                        )
            if number % 50 == 0:  # some as OpenTelemetry's own classes see them: it takes long
                for group in request["resourceSpans"]:
                    for scoped in group["scopeSpans"]:
                        for span in scoped["spans"]:
                            for key in ("traceId", "spanId", "parentSpanId"):
                                if key in span:
                                    span[key] = base64.b64encode(fromhex(span[key])).decode()
                json_format.ParseDict(request, ExportTraceServiceRequest())
    return checker.finish()


class Tests:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, wrong):
        """@wrong is a list of what is; empty: all is well."""
        if not wrong:
            self.passed += 1
            print(f"  ok    {name}")
            return
        self.failed += 1
        print(f"  FAIL  {name}")
        for line in wrong:
            print(f"        {line}")


def run_agent(build, directory, spans, rate, ring):
    """Returns what the agent said, and the two files."""
    dump, lines = os.path.join(directory, "requests"), os.path.join(directory, "spans.jsonl")
    programs = os.path.join(build, "tests/interop")
    receiver = subprocess.Popen(
        [f"{programs}/receiver", "0", dump], stdout=subprocess.PIPE, text=True
    )
    url = f"http://127.0.0.1:{int(receiver.stdout.readline())}/v1/traces"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        agent = subprocess.run(
            [f"{build}/otel-bpf", "run", "-v", "-e", f"otlp={url},otlp_file={lines}"]
            + (["--ring-size", ring] if ring else [])
            + ["--", f"{programs}/producer", str(spans), str(rate), str(THREADS)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    finally:
        receiver.terminate()
        receiver.wait()
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    said = re.search(r"spans in .*, (\d+) ns of CPU each.*", agent.stdout)
    if said:
        print(f"        the producer: {said[0][9:]}")
        print(f"        the agent: {cpu * 1e9 / spans - int(said[1]):.0f} ns of CPU for each span")
    return agent, dump, lines


def throughput(tests, build, spans, rate, ring):
    what = f"{spans} spans from {THREADS} threads, " + (f"{rate}/s each" if rate else "flat out")
    print(what)
    with tempfile.TemporaryDirectory(dir=os.path.join(build, "tests")) as directory:
        agent, dump, lines = run_agent(build, directory, spans, rate, ring)
        said = agent.stdout.splitlines()
        tests.check("the agent ends well", [] if agent.returncode == 0 else said)
        books = {
            what: int(n) for n, what in re.findall(r"^otel-bpf:   +(\d+)  (.*)$", agent.stdout, re.M)
        }
        exported = {
            what.partition(":")[0]: n for what, n in books.items() if what.endswith(": exported")
        }
        if "started" not in books or set(exported) != {"otlp", "otlp_file"}:
            return tests.check("the agent reports what it did", said)
        started = books["started"]
        finished = books["finished, and handed to the exporters"]
        lost = sum(n for what, n in books.items() if what.startswith("lost: "))
        tests.check(
            f"exported and lost are all: {exported['otlp']} + {lost} = {spans}",
            []
            if started == finished + lost == spans
            and exported == {"otlp": finished, "otlp_file": finished}
            else said,
        )
        if rate:
            tests.check("nothing was lost", said if lost else [])
        begin = time.monotonic()
        with concurrent.futures.ProcessPoolExecutor(2) as pool:
            jobs = [
                ("the receiver", pool.submit(check_protobuf, dump, spans)),
                ("the JSON file", pool.submit(check_json, lines, spans)),
            ]
            for name, job in jobs:
                count, wrong = job.result()
                if count != finished:
                    wrong.append(f"{count} spans, not {finished}")
                tests.check(f"{name} has {count} spans, each as it was made", wrong)
        print(f"        decoded and checked in {time.monotonic() - begin:.0f} s")
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--spans", type=int, default=1000000)
    parser.add_argument("--rate", type=int, default=100000)
    parser.add_argument("--ring-size", help="default: the agent's")
    options = parser.parse_args()
    tests = Tests()
    sys.stdout.reconfigure(line_buffering=True)
    throughput(tests, options.build, options.spans, options.rate, options.ring_size)
    throughput(tests, options.build, options.spans, 0, options.ring_size)
    print(f"{tests.passed} passed, {tests.failed} failed")
    sys.exit(tests.failed > 0)


if __name__ == "__main__":
    main()
