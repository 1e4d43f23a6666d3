# SPDX-License-Identifier: Apache-2.0
"""The books: each span that a program starts is exported, or lost for a reason that is told."""
import re

from harness import build, check, contains, equal, run, test


def started_by(done):
    """What each process says that it started, by pid."""
    return {int(pid): int(n) for pid, n in re.findall(r"^(\d+) started (\d+)$", done.out, re.M)}


def table(text):
    """The lines of the report that count spans."""
    return {what: int(n) for n, what in re.findall(r"^otel-bpf:   +(\d+)  (.*)$", text, re.M)}


def exported(done):
    by_pid = {}
    for span in done.spans:
        by_pid[span.resource["process.pid"]] = by_pid.get(span.resource["process.pid"], 0) + 1
    return by_pid


@test
def what_is_exported_and_what_is_lost_is_what_was_started_in_each_process():
    barrel = build("barrel")
    done = run([barrel, "3", "4", "20000"], ["--ring-size", "64K"], status=0)
    started, arrived = started_by(done), exported(done)
    equal(len(started), 3, "processes")
    lost = {int(pid): (int(n), int(of)) for pid, n, of in
            re.findall(r"process (\d+) \(barrel\): (\d+) of (\d+) lost", done.err)}
    check(lost, "nothing was lost: the ring is too large for this test")
    for pid, n in started.items():
        was_lost, of = lost.get(pid, (0, n))
        equal(of, n, f"started, by the report, in process {pid}")
        equal(arrived.get(pid, 0) + was_lost, n, f"exported + lost of process {pid}")
    total = table(done.err)
    equal(total["started"], sum(started.values()), "started, in all")
    equal(total["finished, and handed to the exporters"], sum(arrived.values()), "finished, in all")
    equal(total["otlp_file: exported"], sum(arrived.values()), "exported, in all")
    contains(done.err, "the books balance")


@test
def what_thousands_of_threads_lose_at_once_is_counted_exactly():
    for processes, threads in ("2", "5000"), ("1", "8000"):
        done = run([build("barrel"), processes, threads, "20"], ["--ring-size", "64K"], status=0, exporter="none")
        total, started = table(done.err), sum(started_by(done).values())
        check(sum(n for what, n in total.items() if "lost" in what) > started / 10, "hardly anything was lost")
        equal(total["started"], started, "started")
        contains(done.err, "the books balance")


@test
def nothing_is_said_of_books_in_which_nothing_was_lost():
    barrel = build("barrel")
    done = run([barrel, "1", "1", "10"], status=0)
    check("spans" not in done.err, done.err)
    done = run([barrel, "1", "1", "10"], ["--verbose"], status=0)
    equal(table(done.err)["started"], 10, "started")
    equal(table(done.err)["otlp_file: exported"], 10, "exported")
    contains(done.err, "the books balance")
