# SPDX-License-Identifier: Apache-2.0
"""Where spans go, and what is said when they cannot."""
import http.server
import json
import os
import re
import socket
import threading

from harness import AGENT, Run, Seen, build, check, contains, direct, equal, named, run, test, wait_until
from serving import Attach, Serve


def refused(exporter, *words, options=()):
    done = run(["true"], options, 125, exporter=exporter)
    equal(done.err.count("\n"), 1, "lines of the message")
    for word in words:
        contains(done.err, word, "message")


@test
def a_file_that_cannot_be_written_is_one_error_and_125():
    refused("otlp_file=/no/such/folder/spans", "/no/such/folder/spans", "No such file or directory")
    refused(f"otlp_file={Seen.folder}", Seen.folder, "Is a directory")
    refused("console=/no/such/folder/spans", "/no/such/folder/spans", "No such file or directory")
    refused("otlp_file", "otlp_file=spans.jsonl")


@test
def an_endpoint_that_is_no_url_is_one_error_and_125():
    refused("otlp=nonsense", "nonsense")
    refused("otlp=ftp://localhost/", "ftp://localhost/")
    refused("otlp", "not a url", options=["--endpoint", "not a url"])


@test
def an_exporter_that_does_not_exist_is_one_error_and_125():
    refused("teapot", "teapot", "console", "otlp_file", "none")
    refused("none=foo", "none", "foo")


@test
def the_command_has_not_run_when_otel_bpf_fails():
    trace = os.path.join(Seen.folder, "trace")
    run(["touch", trace], [], 125, exporter="teapot")
    check(not os.path.exists(trace), "it has run")


@test
def a_binary_without_probes_is_said_to_have_none_and_runs():
    done = run(["echo", "hello"])
    equal(done.out, "hello\n", "its output")
    contains(done.err, "no otel probes", "what is said")


@test
def a_binary_with_probes_runs_without_a_word():
    equal(run([build("scenes_c", "scenes"), "roots"]).err, "", "what is said")


def unused_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


@test
def without_a_collector_the_application_is_untouched_and_the_loss_is_told():
    program = build("scenes_c", "scenes")
    alone = direct([program, "ids"])
    done = run([program, "ids"], exporter=f"otlp=http://127.0.0.1:{unused_port()}/v1/traces")
    equal(done.out, alone.out, "output")
    check(done.seconds < alone.seconds + 8, f"took {done.seconds:.1f} s")
    lines = done.err.splitlines()
    contains(done.err, "4000 of 4000 spans were not delivered: the receiver did not take them in time (with --spool",
             "what is said at the end")
    books = lines.index("otel-bpf:          spans")
    check(books <= 3, f"more than a word: {lines}")
    check(re.search(r"4000  started\n.*\n.* 0  otlp: exported\n.* 4000  otlp: lost: the receiver", done.err), done.err)
    contains(done.err, "the books balance", "what is said at the end")


@test
def without_collectors_the_exit_status_is_still_the_commands_and_all_exporters_wait_at_the_same_time():
    exporters = ",".join(f"otlp=http://127.0.0.1:{unused_port()}/v1/traces" for _ in range(3))
    done = run([build("family"), "exits_at_once"], status=3, exporter=exporters)
    check(done.seconds < 9, f"took {done.seconds:.1f} s")


class Collector:
    """Takes OTLP over HTTP; answers with a status."""

    def __init__(self, port=0, status=200):
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((self.path, self.headers["Content-Type"], body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@test
def spans_go_to_a_collector_over_http_and_to_a_file_and_a_console_at_once():
    collector = Collector()
    try:
        spans, console = (os.path.join(Seen.folder, name) for name in ("both.jsonl", "console"))
        done = run([build("scenes_c", "scenes"), "nesting"], ["--endpoint", f"http://127.0.0.1:{collector.port}"],
                   exporter=f"otlp,otlp_file={spans},console={console}")
    finally:
        collector.close()
    done.file = spans
    equal({(path, kind) for path, kind, _ in collector.requests}, {("/v1/traces", "application/x-protobuf")}, "requests")
    bodies = b"".join(body for _, _, body in collector.requests)
    with open(console, encoding="utf-8") as file:
        text = file.read()
    for name in ("outer", "first", "second", "innermost"):
        equal(bodies.count(name.encode()), 1, f"{name} in the requests")
        equal(len(named(done.spans, name)), 1, f"{name} in the file")
        contains(text, name, "the console")
    check("\x1b" not in text, "colours in a file")


@test
def the_endpoint_of_the_environment_is_used():
    collector = Collector()
    try:
        base = f"http://127.0.0.1:{collector.port}"
        for env, path in (({"OTEL_EXPORTER_OTLP_ENDPOINT": base}, "/v1/traces"),
                          ({"OTEL_EXPORTER_OTLP_ENDPOINT": base + "/base/"}, "/base/v1/traces"),
                          ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": base + "/as/it/is"}, "/as/it/is")):
            collector.requests.clear()
            Run([build("scenes_c", "scenes"), "roots"], exporter="otlp", env=env).wait()
            equal({it[0] for it in collector.requests}, {path}, f"path with {env}")
    finally:
        collector.close()


@test
def a_collector_that_comes_later_gets_what_was_retried():
    port = unused_port()
    running = Run([build("people")], exporter=f"otlp=http://127.0.0.1:{port}/v1/traces")
    running.tell()
    running.line("apart")
    wait = re.compile("127.0.0.1")
    wait_until(lambda: wait.search(running.err), "a word about the collector")
    collector = Collector(port)
    try:
        wait_until(lambda: any(b"outer" in body for _, _, body in collector.requests) or running.wait(), "spans to arrive")
        running.wait()
    finally:
        collector.close()
    check(any(b"outer" in body for _, _, body in collector.requests), "the spans did not arrive")
    check("not delivered" not in running.err, running.err)


@test
def a_collector_that_refuses_is_told_of():
    collector = Collector(status=400)
    try:
        done = run([build("scenes_c", "scenes"), "nesting"], exporter=f"otlp=http://127.0.0.1:{collector.port}/")
    finally:
        collector.close()
    contains(done.err, "4 of 4 spans were not delivered: the receiver refused them", "what is said")


@test
def a_collector_that_asks_to_be_tried_later_is_not_said_to_be_unreachable():
    collector = Collector(status=503)
    try:
        done = run([build("scenes_c", "scenes"), "nesting"], exporter=f"otlp=http://127.0.0.1:{collector.port}/")
    finally:
        collector.close()
    contains(done.err, "503", "what is said")
    contains(done.err, "4 of 4 spans were not delivered: the receiver did not take them in time", "what is said")
    check("reach" not in done.err, done.err)


def console_counts(done, started):
    """(exported, lost) by the console; the books must balance."""
    contains(done.err, "the books balance", "what is said")
    check(re.search(rf" {started}  started\n", done.err), done.err)
    exported, lost = (re.search(rf"(\d+)  console: {word}", done.err) for word in ("exported", "lost"))
    return int(exported.group(1)), int(lost.group(1)) if lost else 0


@test
def what_the_console_cannot_print_is_lost_and_not_exported():
    done = run([build("scenes_c", "scenes"), "ids"], exporter="console=/dev/full")
    contains(done.err, "cannot print spans on /dev/full: No space left on device", "what is said")
    contains(done.err, "4000 of 4000 spans were not delivered: they could not be written", "what is said")
    equal(console_counts(done, 4000), (0, 4000), "exported and lost")


@test
def what_the_consoles_reader_does_not_take_in_time_is_lost_and_not_exported():
    path = os.path.join(Seen.folder, "fifo")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        done = run([build("scenes_c", "scenes"), "ids"], exporter=f"console={path}")
        shown = os.read(reader, 1 << 20).decode(errors="replace")
    finally:
        os.close(reader)
    whole = shown[:shown.rindex("\n\n")]
    printed = sum(int(n) for n in re.findall(r"· (\d+) spans? ·", whole))
    contains(done.err, "spans were not delivered: whoever reads the output did not take them in time", "what is said")
    equal(console_counts(done, 4000), (printed, 4000 - printed), "exported and lost")


@test
def a_reader_of_the_console_that_goes_away_is_told_of_and_counted():
    path = os.path.join(Seen.folder, "fifo")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    running = Run([build("people")], ["-v"], exporter=f"console={path}")
    try:
        running.tell()
        running.line("apart")
    finally:
        os.close(reader)
    done = running.wait()
    contains(done.err, "Broken pipe", "what is said")
    contains(done.err, "not delivered: they could not be written", "what is said")
    started = int(re.search(r"(\d+)  started", done.err).group(1))
    exported, lost = console_counts(done, started)
    check(lost and exported + lost == started, done.err)


# ---- The spool -----------------------------------------------------------------------------------


def spool():
    return os.path.join(Seen.folder, "spool")


def spooled(pid):
    """How many spans wait there, by the agent's word."""
    agent, = json.loads(direct([AGENT, "status", "--json", "--pid", str(pid)]).out)
    return agent["exporters"][0]["spooled"]


def absent():
    return f"otlp=http://127.0.0.1:{unused_port()}/v1/traces"


@test
def what_no_collector_takes_is_kept_for_the_next_run():
    options = ["-v", "--spool", spool()]
    done = run([build("scenes_c", "scenes"), "nesting"], options, exporter=absent())
    contains(done.err, f"4 spans are kept in {spool()} for the next run", "what is said")
    check(done.seconds < 4, f"took {done.seconds:.1f} s: there was nothing to wait for")
    check("not delivered" not in done.err, done.err)
    collector = Collector()
    try:
        done = run(["true"], options, exporter=f"otlp=http://127.0.0.1:{collector.port}/v1/traces")
    finally:
        collector.close()
    contains(done.err, "found 4 spans of a run before", "what is said")
    check(re.search(r" 4  otlp: exported\n", done.err), done.err)
    bodies = b"".join(body for _, _, body in collector.requests)
    for name in ("outer", "first", "second", "innermost"):
        equal(bodies.count(name.encode()), 1, f"{name} in the requests")
    equal(os.listdir(spool()), ["lock"], "what is left")


@test
def what_is_in_the_spool_outlives_an_agent_that_is_killed():
    program, options = Serve(), ["--spool", spool()]
    agent = Attach(program, options=options, exporter=absent())
    for i in range(30):
        program.span(f"span number {i:02}")
        if i % 10 == 9:  # some batches
            wait_until(lambda: spooled(agent.pid) == i + 1, f"{i + 1} spans in the spool")
    agent.process.kill()
    agent.wait()
    collector = Collector()
    try:
        run(["true"], options, exporter=f"otlp=http://127.0.0.1:{collector.port}/v1/traces")
    finally:
        collector.close()
    bodies = b"".join(body for _, _, body in collector.requests)
    equal(re.findall(rb"span number (\d\d)", bodies), [b"%02d" % i for i in range(30)], "spans, in order")


@test
def a_spool_that_is_not_safe_is_one_error_and_125():
    options = ["--spool", spool()]
    os.symlink(Seen.folder, spool())
    refused(absent(), spool(), "symbolic link", options=options)
    os.unlink(spool())
    os.mkdir(spool())
    os.chmod(spool(), 0o777)
    refused(absent(), spool(), "not safe", "chmod 700", options=options)
    refused(absent(), "No such file", options=["--spool", "/no/such/folder/spool"])


@test
def a_spool_of_no_use_is_one_error_and_125():
    refused(f"otlp_file={Seen.folder}/spans", "--spool", "otlp", options=["--spool", spool()])
    refused(absent(), "--spool", "directory", options=["--spool", ""])
    refused(absent(), "--spool-size", "--spool", options=["--spool-size", "8M"])
    for size in ("1M", "-5M", "5X", "", "99999999999G"):
        refused(absent(), "--spool-size", "4M", options=["--spool", spool(), "--spool-size", size])


@test
def two_agents_do_not_share_a_spool():
    first = Run([build("people")], ["--spool", spool()], exporter=absent())
    first.tell()
    first.line("apart")  # it runs, so the agent is ready
    refused(absent(), spool(), "in use by another otel-bpf", options=["--spool", spool()])
    first.process.kill()
    first.process.wait()
    collector = Collector()
    try:
        run(["true"], ["--spool", spool()], exporter=f"otlp=http://127.0.0.1:{collector.port}/v1/traces")
    finally:
        collector.close()


@test
def when_the_disk_is_full_spans_wait_in_memory_and_all_are_accounted_for():
    os.mkdir(spool(), 0o700)
    command = [AGENT, "run", "-v", "-e", absent(), "--spool", spool(), "--", build("scenes_c", "scenes"), "ids"]
    script = 'mount -t tmpfs -o size=4k,mode=700 none "$0" && exec "$@"'
    done = Run(["unshare", "-m", "sh", "-c", script, spool(), *command], direct=True).wait()
    equal(done.process.returncode, 0, "status")
    contains(done.err, f"cannot write to the spool {spool()}: No space left on device", "what is said")
    contains(done.err, "4000 of 4000 spans were not delivered", "what is said")
