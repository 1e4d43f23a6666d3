#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The cases of the W3C Trace Context suite, level 2, strict, against service.c with the agent attached.

    tests/interop/w3c/run.py [CASE...]          as root, after make; BUILD=build

The suite at https://github.com/w3c/trace-context/tree/main/test is the model: a case has the name that it
has there, and the same requests. This is a harness of our own: it needs nothing but Python, and sends
headers exactly as they are written here, blanks and all. The last check is of what was exported.
"""
import contextlib
import http.server
import json
import os
import re
import signal
import socket
import string
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
AGENT = os.path.join(BUILD, "otel-bpf")
OUT = os.path.join(BUILD, "tests", "interop", "w3c")

TRACE = "12345678901234567890123456789012"
PARENT = "1234567890123456"
VALID = f"00-{TRACE}-{PARENT}-01"
UNSAMPLED = f"00-{TRACE}-{PARENT}-00"

CASES = []


def case(function):
    CASES.append(function)
    return function


# ---- The other side ------------------------------------------------------------------------------


class Harness(http.server.ThreadingHTTPServer):
    """What the service calls: keeps the headers of each request by its path."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen = {}
        self.paths = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def path(self):
        self.paths += 1
        return f"/{self.paths}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen[self.path] = self.headers.items()
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"null")

    def log_message(self, *_):
        pass


HARNESS = None
SERVICE = 0


def send(*headers, count=1):
    """Sends the service a request with these headers that asks for calls; returns what these had."""
    paths = [HARNESS.path() for _ in range(count)]
    body = json.dumps([{"url": f"http://127.0.0.1:{HARNESS.server_port}{p}", "arguments": []} for p in paths])
    head = ["POST /test HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in headers]
    with socket.create_connection(("127.0.0.1", SERVICE), timeout=10) as connection:
        connection.sendall(("\r\n".join(head) + "\r\n\r\n" + body).encode("latin-1"))
        reply = connection.recv(4096)
    assert reply.startswith(b"HTTP/1.1 200 "), f"the service answered {reply!r}"
    return [Context(HARNESS.seen[path]) for path in paths]


class Context:
    """What a call came with; that there is one valid traceparent is a part of every case."""

    def __init__(self, headers):
        parents = [value for name, value in headers if name.lower() == "traceparent"]
        assert len(parents) == 1, f"one traceparent expected, not {parents}"
        match = re.fullmatch("([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", parents[0])
        assert match and match[1] == "00", f"malformed traceparent {parents[0]!r}"
        assert int(match[2], 16) and int(match[3], 16), f"zeros in {parents[0]!r}"
        self.trace, self.parent, self.flags = match[2], match[3], int(match[4], 16)
        self.text = ",".join(value for name, value in headers if name.lower() == "tracestate")
        self.state = {}
        for member in filter(None, (it.strip(" \t") for it in self.text.split(","))):
            key, equals, value = member.partition("=")
            assert equals, f"malformed member {member!r}"
            self.state.setdefault(key, value)


def one(*headers):
    return send(*headers)[0]


# ---- What may come of a request --------------------------------------------------------------------


def continues(*parents):
    """A request with this traceparent continues its trace, as a span of its own."""
    for parent in parents:
        context = one(("traceparent", parent))
        assert context.trace == TRACE, f"{parent!r}: trace {context.trace}"
        assert context.parent != PARENT, f"{parent!r}: the parent's id was handed on"


def restarts(*parents):
    """A request with this traceparent begins a new trace."""
    for parent in parents:
        context = one(("traceparent", parent), ("tracestate", "foo=1"))
        assert context.trace not in parent, f"{parent!r}: trace {context.trace}"
        assert context.trace != TRACE, f"{parent!r}: trace {context.trace}"
        assert not context.state, f"{parent!r}: tracestate {context.text!r}"


def state(*values, name="tracestate"):
    """The tracestate that comes of these, with a valid traceparent; the trace must go on."""
    context = one(("traceparent", UNSAMPLED), *((name, value) for value in values))
    assert context.trace == TRACE, f"{values}: trace {context.trace}"
    assert not context.flags & 1, f"{values}: sampled"
    return context.state


def inherits(expected, *values):
    seen = state(*values)
    assert list(seen.items()) == list(expected.items()), f"{values}: {seen}"


def discards(*values):
    seen = state(*values)
    assert not seen, f"{values}: {seen}"


# ---- Level 1 -------------------------------------------------------------------------------------


@case
def both_traceparent_and_tracestate_missing():
    one()


@case
def traceparent_included_tracestate_missing():
    continues(VALID)


@case
def traceparent_duplicated():
    first, second = TRACE[:-1] + "1", TRACE
    context = one(("traceparent", f"00-{first}-{PARENT}-01"), ("traceparent", f"00-{second}-{PARENT}-01"))
    assert context.trace not in (first, second), context.trace


@case
def traceparent_header_name():
    for name in "trace-parent", "trace.parent":
        assert one((name, VALID)).trace != TRACE, name


@case
def traceparent_header_name_valid_casing():
    for name in "TraceParent", "TrAcEpArEnT", "TRACEPARENT":
        assert one((name, VALID)).trace == TRACE, name


@case
def traceparent_version_0x00():
    restarts(VALID + ".", VALID + "-what-the-future-will-be-like")


@case
def traceparent_version_0xcc():
    future = f"cc-{TRACE}-{PARENT}-01"
    continues(future, future + "-what-the-future-will-be-like")
    restarts(future + ".what-the-future-will-be-like")


@case
def traceparent_version_0xff():
    restarts(f"ff-{TRACE}-{PARENT}-01")


@case
def traceparent_version_illegal_characters():
    restarts(f".0-{TRACE}-{PARENT}-01", f"0.-{TRACE}-{PARENT}-01")


@case
def traceparent_version_too_long():
    restarts(f"000-{TRACE}-{PARENT}-01", f"0000-{TRACE}-{PARENT}-01")


@case
def traceparent_version_too_short():
    restarts(f"0-{TRACE}-{PARENT}-01")


@case
def traceparent_trace_id_all_zero():
    restarts(f"00-{'0' * 32}-{PARENT}-01")


@case
def traceparent_trace_id_illegal_characters():
    restarts(f"00-.{TRACE[1:]}-{PARENT}-01", f"00-{TRACE[:-1]}.-{PARENT}-01")


@case
def traceparent_trace_id_too_long():
    restarts(f"00-{TRACE}3-{PARENT}-01")


@case
def traceparent_trace_id_too_short():
    restarts(f"00-{TRACE[:-1]}-{PARENT}-01")


@case
def traceparent_parent_id_all_zero():
    restarts(f"00-{TRACE}-{'0' * 16}-01")


@case
def traceparent_parent_id_illegal_characters():
    restarts(f"00-{TRACE}-.{PARENT[1:]}-01", f"00-{TRACE}-{PARENT[:-1]}.-01")


@case
def traceparent_parent_id_too_long():
    restarts(f"00-{TRACE}-{PARENT}7-01")


@case
def traceparent_parent_id_too_short():
    restarts(f"00-{TRACE}-{PARENT[:-1]}-01")


@case
def traceparent_trace_flags_illegal_characters():
    restarts(f"00-{TRACE}-{PARENT}-.0", f"00-{TRACE}-{PARENT}-0.")


@case
def traceparent_trace_flags_too_long():
    restarts(f"00-{TRACE}-{PARENT}-001")


@case
def traceparent_trace_flags_too_short():
    restarts(f"00-{TRACE}-{PARENT}-1")


@case
def traceparent_ows_handling():
    continues(" " + VALID, "\t" + VALID, VALID + " ", VALID + "\t", "\t " + VALID + " \t")


@case
def tracestate_included_traceparent_missing():
    for value in "foo=1", "foo=1,bar=2":
        assert not one(("tracestate", value)).state, value


@case
def tracestate_included_traceparent_included():
    inherits({"foo": "1", "bar": "2"}, "foo=1,bar=2")


@case
def tracestate_header_name():
    for name in "trace-state", "trace.state":
        assert not state("foo=1", name=name), name


@case
def tracestate_header_name_valid_casing():
    for name in "TraceState", "TrAcEsTaTe", "TRACESTATE":
        assert state("foo=1", name=name) == {"foo": "1"}, name


@case
def tracestate_empty_header():
    discards("")
    inherits({"foo": "1"}, "foo=1", "")
    inherits({"foo": "1"}, "", "foo=1")


@case
def tracestate_multiple_headers_different_keys():
    expected = {"foo": "1", "bar": "2", "rojo": "1", "congo": "2", "baz": "3"}
    inherits(expected, "foo=1,bar=2", "rojo=1,congo=2", "baz=3")


@case
def tracestate_duplicated_keys():
    for values in ("foo=1,foo=1",), ("foo=1,foo=2",), ("foo=1", "foo=1"), ("foo=1", "foo=2"):
        inherits({"foo": "1"}, *values)


@case
def tracestate_all_allowed_characters():
    key = string.ascii_lowercase + string.digits + "_-*/"
    value = "".join(chr(c) for c in range(0x20, 0x7F) if chr(c) not in ",=")
    inherits({key: value}, f"{key}={value}")
    inherits({key + "@a-z0-9_-*/": value}, f"{key}@a-z0-9_-*/={value}")


@case
def tracestate_ows_handling():
    expected = {"foo": "1", "bar": "2", "baz": "3"}
    inherits(expected, "foo=1 \t , \t bar=2, \t baz=3")
    inherits(expected, "foo=1\t \t,\t \tbar=2,\t \tbaz=3")
    for value in " foo=1", "\tfoo=1", "foo=1 ", "foo=1\t", "\t foo=1 \t":
        inherits({"foo": "1"}, value)


@case
def tracestate_key_illegal_characters():
    for value in "foo =1", "FOO=1", "foo.bar=1":
        discards(value)


@case
def tracestate_key_illegal_vendor_format():
    for key in "foo@", "foo@@bar", "foo@bar@baz":
        inherits({key: "1", "bar": "2"}, f"{key}=1,bar=2")
    discards("@foo=1,bar=2")


@case
def tracestate_member_count_limit():
    members = [f"bar{i:02}={i:02}" for i in range(1, 34)]
    parts = [members[0:10], members[10:20], members[20:30]]
    inherits(dict(it.split("=") for it in members[:32]), *map(",".join, parts + [members[30:32]]))
    discards(*map(",".join, parts + [members[30:33]]))


@case
def tracestate_key_length_limit():
    for key in "z" * 256, "t" * 241 + "@" + "v" * 14, "t" * 242 + "@v", "t@" + "v" * 15:
        inherits({"foo": "1", key: "1"}, "foo=1", key + "=1")
    discards("foo=1", "z" * 257 + "=1")


@case
def tracestate_value_illegal_characters():
    discards("foo=bar=baz")
    discards("foo=,bar=3")


# ---- Several calls for one request -----------------------------------------------------------------


@case
def multiple_requests_with_valid_traceparent():
    calls = send(("traceparent", VALID), count=3)
    assert {it.trace for it in calls} == {TRACE}, calls
    assert len({it.parent for it in calls} | {PARENT}) == 4


@case
def multiple_requests_without_traceparent():
    calls = send(count=3)
    assert len({it.trace for it in calls}) == 1
    assert len({it.parent for it in calls}) == 3


@case
def multiple_requests_with_illegal_traceparent():
    calls = send(("traceparent", f"00-{'0' * 32}-{PARENT}-01"), count=3)
    assert len({it.trace for it in calls}) == 1
    assert len({it.parent for it in calls}) == 3


# ---- Level 2 -------------------------------------------------------------------------------------


@case
def propagates_random_flag():
    context = one(("traceparent", f"00-{TRACE}-{PARENT}-02"))
    assert context.trace == TRACE and context.parent != PARENT
    assert context.flags == 2, f"flags {context.flags}"


# ---- Running ---------------------------------------------------------------------------------------


def spans_of(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            for resource in json.loads(line)["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    yield from scope["spans"]


def exported_is_what_went_out(path, calls):
    """Of the calls of a sampled request: the spans, below each other, with the tracestate."""
    spans = {it["spanId"]: it for it in spans_of(path)}
    for call in calls:
        client = spans[call.parent]
        server = spans[client["parentSpanId"]]
        assert client["traceId"] == server["traceId"] == call.trace, (client, server)
        assert client["traceState"] == server["traceState"] == call.text == "foo=1,bar=2", (client, server)
        assert (server["parentSpanId"], server["flags"], client["flags"]) == (PARENT, 0x301, 0x101), (client, server)


@contextlib.contextmanager
def service(export):
    """The service under the agent; its port."""
    os.makedirs(OUT, exist_ok=True)
    program = os.path.join(OUT, "service")
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wcast-qual", "-Werror"]
    flags += os.environ.get("SERVICE_CFLAGS", "").split()
    subprocess.run([os.environ.get("CC", "cc"), *flags, "-I" + os.path.join(ROOT, "usdt"), "-o", program,
                    os.path.join(HERE, "service.c"), "-lpthread"], check=True)
    agent = subprocess.Popen([AGENT, "run", "-e", export, "--", program], stdout=subprocess.PIPE, start_new_session=True)
    try:
        yield int(agent.stdout.readline())
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(agent.pid, signal.SIGTERM)
        try:
            agent.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(agent.pid, signal.SIGKILL)
            agent.wait()


def main():
    global HARNESS, SERVICE
    chosen = [it for it in CASES if not sys.argv[1:] or it.__name__ in sys.argv[1:]]
    passed = failed = 0

    def run(name, function, *arguments):
        nonlocal passed, failed
        try:
            function(*arguments)
            passed += 1
            print(f"ok    {name}")
        except Exception as error:  # pylint: disable=broad-except
            failed += 1
            print(f"FAIL  {name}: {type(error).__name__}: {error}")

    HARNESS = Harness()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "spans.json")
        calls = []
        with service("otlp_file=" + path) as SERVICE:
            for function in chosen:
                run(function.__name__, function)
            run("a sampled request", lambda: calls.extend(
                send(("traceparent", VALID), ("tracestate", "foo=1 , bar=2"), count=2)))
        run("exported is what went out", exported_is_what_went_out, path, calls)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
