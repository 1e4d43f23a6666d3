#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What comes of bad input: programs that hand it to the API, as they are and with sanitizers, under the
agent; what it exports, decoded by OpenTelemetry's own classes, must be valid OTLP within the limits.

    $(tests/interop/python_env.sh) tests/interop/bad_test.py BUILD
"""

import math
import os
import subprocess
import sys
import tempfile

import receiver_dump
from google.protobuf.unknown_fields import UnknownFieldSet

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LIMIT = 128
MEGA = "m" * (1 << 20)
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
KINDS = (
    ("c", "cc", ("-std=c11", "-D_GNU_SOURCE", "-O2")),
    ("c_sanitized", "cc", ("-std=c11", "-D_GNU_SOURCE", *SANITIZED)),
    ("cpp", "c++", ("-std=c++17", "-x", "c++", "-O2")),
    ("cpp_sanitized", "clang++", ("-std=c++17", "-x", "c++", *SANITIZED)),
)


def equal(seen, expected, what):
    if seen != expected:
        seen, expected = (str(it).replace(MEGA, "MEGA")[:1500] for it in (seen, expected))
        raise AssertionError(f"{what}: seen {seen}, expected {expected}")


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def record(build, folder, program, *arguments, options=()):
    """Runs it under the agent; returns the requests that were received, and what the agent said."""
    dump = os.path.join(folder, "dump")
    receiver = subprocess.Popen([f"{build}/tests/interop/receiver", "0", dump], stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{int(receiver.stdout.readline())}"
        env = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
        done = subprocess.run([f"{build}/otel-bpf", "run", "--endpoint", url, *options, "--", program, *arguments],
                              env=env, capture_output=True, text=True, errors="replace", timeout=120)
    finally:
        receiver.terminate()
        receiver.wait()
        receiver.stdout.close()
    equal(done.returncode, 0, "status, with " + done.stderr)
    return list(receiver_dump.requests(dump)), done.stderr


# ---- Valid OTLP ----------------------------------------------------------------------------------


def valid_attributes(message, limit=LIMIT):
    keys = [it.key for it in message.attributes]
    check(all(keys), "an attribute without a key")
    equal(len(set(keys)), len(keys), "keys")
    theirs = [key for key in keys if not key.startswith("otelbpf.")]
    check(limit is None or len(theirs) <= limit, f"{len(theirs)} attributes")
    check(all(it.value.WhichOneof("value") for it in message.attributes), "an attribute without a value")


def valid_ids(message, what):
    equal((len(message.trace_id), len(message.span_id)), (16, 8), "sizes of the ids of " + what)


def valid(requests):
    """That the texts are UTF-8 was seen to when they were decoded."""
    for request in requests:
        check(not len(UnknownFieldSet(request)), "unknown fields")
        for resource_spans in request.resource_spans:
            valid_attributes(resource_spans.resource, None)
            for scope_spans in resource_spans.scope_spans:
                valid_attributes(scope_spans.scope, None)
                for span in scope_spans.spans:
                    valid_ids(span, "a span")
                    check(any(span.trace_id) and any(span.span_id), "ids of zeros")
                    check(len(span.parent_span_id) in (0, 8), "a parent's id")
                    check(not len(UnknownFieldSet(span)), "unknown fields of a span")
                    check(1 <= span.kind <= 5 and 0 <= span.status.code <= 2, "kind or status")
                    check(span.status.code == 2 or not span.status.message, "a description without an error")
                    check(not span.flags & ~0x3ff, "flags of a span")
                    valid_attributes(span)
                    check(len(span.events) <= LIMIT and len(span.links) <= LIMIT, "events or links")
                    for event in span.events:
                        check(event.time_unix_nano, "an event without a time")
                        valid_attributes(event)
                    for link in span.links:
                        valid_ids(link, "a link")
                        check(not link.flags & ~0x3ff, "flags of a link")
                        valid_attributes(link)


# ---- What must be in it ----------------------------------------------------------------------------


def expected(spans):
    by_name = {}
    for span in spans:
        by_name.setdefault(span["name"], []).append(span)

    def one(name):
        equal(len(by_name.get(name, [])), 1, f"spans called {name[:50]!r}")
        return by_name[name][0]

    nothing = one("in nothing")
    equal((nothing["parent_id"], [link["attributes"] for link in nothing["links"]], nothing["dropped_links"]),
          ("", [{"k": ""}], 0), "in nothing: parent, links")
    for name in ("of a zeroed tracer", "of no tracer"):
        equal(one(name)["scope"]["name"], "", name)
    null = one("null")
    equal((null["kind"], null["status"], null["status_message"]), ("INTERNAL", "ERROR", ""), "NULL")
    equal(null["attributes"], {"null": "", "n": "", "bytes": {"base64": ""}, "ints": [], "strs": [], "doubles": [],
                               "bools": []}, "values of NULL")
    equal([event["name"] for event in null["events"]], ["", "exception", "exception", "lists"], "events of NULL")
    huge = one("huge")
    equal(huge["attributes"], {"value": MEGA, MEGA: 2, "after": "x"}, "huge attributes")
    equal((huge["events"][0]["name"], huge["events"][0]["attributes"]), (MEGA, {MEGA: 1}), "a huge event")
    equal(huge["events"][1]["attributes"], {"exception.type": MEGA, "exception.message": MEGA}, "a huge exception")
    equal((huge["links"][0]["attributes"], huge["status_message"]), ({MEGA: MEGA}, MEGA), "a huge link and status")
    one(MEGA)
    scope = one("of a huge tracer")["scope"]
    equal((scope["name"], scope["version"], scope["attributes"], scope["schema_url"]), (MEGA, MEGA, {}, MEGA),
          "a huge scope, whose attributes may have a megabyte together")
    many = one("many")
    equal([(len(many[what]), many["dropped_" + what]) for what in ("attributes", "events", "links")],
          [(LIMIT, 1000 - LIMIT)] * 3, "more than the limits")
    equal([list(it["attributes"]) for it in many["links"]], [[f"k{i}"] for i in range(LIMIT)], "the first links")
    numbers = one("numbers")["attributes"]
    equal([str(it) for it in numbers["doubles"]], [str({"double": it}) for it in ("nan", "inf", "-inf")], "doubles")
    check(math.isnan(float(numbers["nan"]["double"])), "NaN")
    broken = one("no utf8 \ufffd")
    equal(broken["attributes"], {"\ufffd": {"base64": "/w=="},
                                 "texts": ["a", "", {"base64": "/w=="}, {"base64": "7aCA"}]}, "attributes")
    equal((broken["events"][0]["name"], broken["scope"]["name"], broken["scope"]["version"]),
          ("\ufffd", "tracer \ufffd", "\ufffd"), "names")
    equal(one("ended")["attributes"], {"before": 1}, "after the end")
    equal(one("child of an ended one")["parent_id"], one("ended")["span_id"], "a child of an ended span")
    equal(one("in a released context")["parent_id"], "", "a released context")
    raced = one("raced")
    equal({key: value for key, value in raced["attributes"].items() if key != "last"}, {f"t{i}": i for i in range(16)},
          "attributes of sixteen threads")
    equal(sorted(event["name"] for event in raced["events"]), sorted(f"t{i}" for i in range(16)), "their events")
    check(raced["end"] - 2000000000000000000 in range(16), "an end that nobody gave")
    check(all(span["resource"].get("of.\ufffd") == {"base64": "/w=="} for span in spans), "the resource")


def decoded(requests):
    return [span for request in requests for span in receiver_dump.spans(request)]


def bad_input_becomes_valid_otlp_within_the_limits(build, folder, program):
    requests, _ = record(build, folder, program, options=("--ring-size", "128M"))  # nothing is lost
    valid(requests)
    expected(decoded(requests))


def a_million_attributes_are_within_the_limits_whatever_is_lost(build, folder, program):
    requests, _ = record(build, folder, program, "million")
    valid(requests)
    spans = decoded(requests)
    million = [span for span in spans if span["name"] == "million"]
    equal(len(million), 1, "spans called 'million'")
    equal([key for key in million[0]["attributes"] if key.startswith("k")][:LIMIT - 2],
          [f"k{i}" for i in range(LIMIT)][:LIMIT - 2], "the first attributes")
    check(million[0]["dropped_attributes"] <= 1000000 - LIMIT + 2, "more dropped than set")


TESTS = (bad_input_becomes_valid_otlp_within_the_limits, a_million_attributes_are_within_the_limits_whatever_is_lost)


def main():
    build = os.path.abspath(sys.argv[1])
    passed = failed = 0
    for name, compiler, flags in KINDS:
        with tempfile.TemporaryDirectory(prefix="otel-bpf-test-") as folder:
            program = os.path.join(folder, "bad")
            subprocess.run([compiler, *flags, "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/usdt", "-o", program,
                            f"{HERE}/bad.c", "-x", "none", "-lpthread", "-lm"], check=True)
            for test in TESTS:
                if test is a_million_attributes_are_within_the_limits_whatever_is_lost and "sanitized" in name:
                    continue  # slow, and it would see no more than the other does
                try:
                    test(build, folder, program)
                    passed += 1
                except Exception as err:
                    print(f"  FAIL  {test.__name__}, {name}: {type(err).__name__}: {str(err)[:3000]}")
                    failed += 1
                if os.path.exists(f"{folder}/dump"):
                    os.unlink(f"{folder}/dump")
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
