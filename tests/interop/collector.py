#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports to the real OpenTelemetry Collector: what it prints of the kitchen example, and what it
passes on of many spans, must be what was made.

    $(tests/interop/python_env.sh) tests/interop/collector.py [--spans N] [--rate N] OTELCOL BUILD
"""

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

from throughput import THREADS, Tests, check_protobuf

CONFIG = """
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}
exporters:
  debug: {{verbosity: {verbosity}, use_internal_logger: false}}
  otlp_http:
    traces_endpoint: "{receiver}"
    compression: none
    encoding: proto
service:
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [debug, otlp_http]}}
"""


def order(dish, minutes, price, burnt):
    """Name, scope, kind, the parent's name, status, attributes, events; of one order."""
    exception = [("exception.type", "Str(ETIMEDOUT)"), ("exception.message", "Str(Connection timed out)")]
    return [
        (
            "POST /order",
            "kitchen.waiter 1.0.0",
            "Server",
            "",
            ("Unset", ""),
            [
                ("http.request.method", "Str(POST)"),
                ("http.route", "Str(/order)"),
                ("http.response.status_code", "Int(202)"),
            ],
            [("enqueued", [("dish", f"Str({dish})")])],
        ),
        (
            "charge",
            "kitchen.waiter 1.0.0",
            "Client",
            "POST /order",
            ("Unset", ""),
            [("amount", f"Double({price})"), ("paid", "Bool(true)")],
            [],
        ),
        (
            "cook",
            "kitchen.stove 1.0.0",
            "Consumer",
            "POST /order",
            ("Error", "burnt") if burnt else ("Unset", ""),
            [("dish", f"Str({dish})")],
            [("chopped", [("knives", "Int(1)")])],
        ),
        (
            "heat",
            "kitchen.stove 1.0.0",
            "Internal",
            "cook",
            ("Error", "Connection timed out") if burnt else ("Unset", ""),
            [("minutes", f"Int({minutes})")] + [("error.type", "Str(ETIMEDOUT)")] * burnt,
            [("exception", exception)] if burnt else [("done", [("temperature", "Double(71.5)")])],
        ),
    ]


KITCHEN = order("soup", 8, 6.5, 0) + order("pizza", 12, 11, 0) + order("roast", 25, 19.9, 1)


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


class Collector:
    """A Collector that prints to a file and passes on to receiver, which has a file of its own."""

    def __init__(self, options, directory, verbosity):
        self.dump = os.path.join(directory, "requests")
        self.log = os.path.join(directory, "collector.log")
        self.port = free_port()
        self.receiver = subprocess.Popen(
            [os.path.join(options.build, "tests/interop/receiver"), "0", self.dump],
            stdout=subprocess.PIPE,
            text=True,
        )
        url = f"http://127.0.0.1:{int(self.receiver.stdout.readline())}/v1/traces"
        config = os.path.join(directory, "config.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(port=self.port, receiver=url, verbosity=verbosity))
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [options.otelcol, "--config", f"file:{config}"], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    sys.exit(f"the collector does not start:\n{self.text()}")
                time.sleep(0.05)

    def text(self):
        with open(self.log, encoding="utf-8") as file:
            return file.read()

    def stop(self):
        """It passes on what it has, first."""
        self.process.terminate()
        self.process.wait(30)
        self.receiver.terminate()
        self.receiver.wait(30)


def run_agent(options, collector, *command):
    return subprocess.run(
        [os.path.join(options.build, "otel-bpf"), "run", "-v", "-e", "otlp"]
        + ["--endpoint", f"http://127.0.0.1:{collector.port}", "--", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )


def parse_debug(text):
    """What the debug exporter prints, as in KITCHEN, and the resource's attributes."""
    spans, resource, target, scope = [], {}, None, ""
    for line in text.splitlines():
        line = line.strip()
        field = re.match(r"(-> )?([^:]+?) *:(:?) ?(.*)", line)
        if line.startswith("InstrumentationScope "):
            scope = line.partition(" ")[2]
        elif re.match(r"Span #\d", line):
            spans.append({"scope": scope, "attributes": [], "events": []})
            target = None
        elif line == "Resource attributes:":
            target = "resource"
        elif line == "Attributes:":
            target = spans[-1]["attributes"]
        elif re.match(r"SpanEvent #\d", line):
            spans[-1]["events"].append(["", []])
            target = "event"
        elif not field:
            target = None
        elif field[1] and target == "resource":
            resource[field[2]] = field[4]
        elif field[1] and target == "event" and field[2] == "Name":
            spans[-1]["events"][-1][0] = field[4]
        elif field[1] and target == "event" and field[2] == "Attributes":
            target = spans[-1]["events"][-1][1]
        elif field[1] and isinstance(target, list):
            target.append((field[2], field[4]))
        elif spans and not field[1]:
            spans[-1][field[2]] = field[4]
    names = {(it["Trace ID"], it["ID"]): it["Name"] for it in spans}
    return resource, [
        (
            it["Name"],
            it["scope"],
            it["Kind"],
            names[it["Trace ID"], it["Parent ID"]] if it["Parent ID"] else "",
            (it["Status code"], it["Status message"]),
            it["attributes"],
            [(name, attributes) for name, attributes in it["events"]],
        )
        for it in spans
    ]


def kitchen(tests, options, directory):
    collector = Collector(options, directory, "detailed")
    agent = run_agent(options, collector, os.path.join(options.build, "examples/kitchen"))
    collector.stop()
    text = collector.text()
    resource, spans = parse_debug(text)
    wrong = [f"missing: {it}" for it in KITCHEN if it not in spans]
    wrong += [f"unexpected: {it}" for it in spans if it not in KITCHEN]
    if agent.returncode:
        wrong.append(agent.stdout)
    tests.check(f"the collector prints {len(spans)} spans of the kitchen, as they were made", wrong)
    wanted = {
        "service.name": "Str(unknown_service:kitchen)",
        "telemetry.sdk.name": "Str(otel-bpf)",
        "telemetry.sdk.language": "Str(c)",
        "host.name": f"Str({socket.gethostname()})",
        "process.executable.name": "Str(kitchen)",
        "os.type": "Str(linux)",
    }
    tests.check(
        "and the resource",
        [f"{key}: {resource.get(key)}" for key, it in wanted.items() if resource.get(key) != it],
    )
    tests.check(
        "it has nothing to complain about",
        [it for it in text.splitlines() if re.search(r"\t(warn|error)\t", it)],
    )


def many(tests, options, directory):
    collector = Collector(options, directory, "basic")
    agent = run_agent(
        options,
        collector,
        os.path.join(options.build, "tests/interop/producer"),
        *map(str, (options.spans, options.rate, THREADS)),
    )
    collector.stop()
    accepted = sum(map(int, re.findall(r'"spans": (\d+)}', collector.text())))
    tests.check(
        f"the collector accepts {accepted} spans",
        [] if accepted == options.spans and agent.returncode == 0 else agent.stdout.splitlines(),
    )
    count, wrong = check_protobuf(collector.dump, options.spans)
    if count != options.spans:
        wrong.append(f"{count} spans, not {options.spans}")
    tests.check(f"and passes {count} on, each as it was made", wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("otelcol")
    parser.add_argument("build")
    parser.add_argument("--spans", type=int, default=100000)
    parser.add_argument("--rate", type=int, default=25000)
    options = parser.parse_args()
    tests = Tests()
    sys.stdout.reconfigure(line_buffering=True)
    for test in (kitchen, many):
        with tempfile.TemporaryDirectory(dir=os.path.join(options.build, "tests")) as directory:
            test(tests, options, directory)
    print(f"{tests.passed} passed, {tests.failed} failed")
    sys.exit(tests.failed > 0)


if __name__ == "__main__":
    main()
