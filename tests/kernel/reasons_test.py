# SPDX-License-Identifier: Apache-2.0
"""Each way in which spans are lost before the exporters is told by its reason, of the process, to the span."""
import json
import os
import re
import signal
import subprocess

from harness import AGENT, Run, build, check, contains, equal, test, wait_until


def books(pid):
    done = subprocess.run([AGENT, "status", "--json", "--pid", str(pid)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)[0]


def of_process(agent, pid):
    found, = [it for it in agent["processes"] if it["pid"] == pid]
    return found


def losing(how, options=(), seconds=20):
    """Runs it until the books know of all that it started; what they say of it, and how much it lost."""
    running = Run([build("reasons"), how], ["-v", *options])
    started, lost = map(int, re.fullmatch(r"(-?\d+) started (-?\d+) lost", running.line("", seconds)).groups())
    pid, = [int(it) for it in open(f"/proc/{running.pid}/task/{running.pid}/children").read().split()
            if open(f"/proc/{it}/comm").read().strip() == "reasons"]
    process = wait_until(lambda: next((it for it in [of_process(books(running.pid), pid)] if it["started"] == started), None),
                         f"{started} spans in the books", seconds)
    return running, process, lost


def told(how, text, options=(), **more):
    running, process, lost = losing(how, options, **more)
    reasons = {name: n for name, n in process["lost"].items() if n}
    equal(set(reasons), {how}, f"reasons: {process}")
    check(reasons[how] == lost if lost >= 0 else reasons[how] > 0, f"{lost} lost, but in the books {reasons}")
    equal((process["difference"], process["contradicted"]), (0, 0), "what does not balance")
    running.wait(60)
    contains(running.err, text, "the report")
    contains(running.err, "the books balance", "the report")


@test
def what_the_kernel_cannot_read_is_lost_as_unreadable():
    told("unreadable", "60  lost: the process's memory could not be read")


@test
def what_a_process_counted_and_never_handed_over_is_told():
    told("not_handed_over", "40  lost: by the processes' own counts, they were not handed over")


@test
def what_signal_handlers_could_not_record_is_lost_in_the_application():
    told("application", "1  lost: the application")


@test
def malformed_beginnings_of_spans_are_lost_as_malformed():
    told("malformed", "7  lost: the process handed over malformed records")


@test
def who_has_its_share_of_the_ring_loses_by_its_quota():
    told("quota", "lost: the process flooded the ring", ["--ring-size", "64K"])


@test
def when_many_have_filled_the_ring_those_who_have_little_of_it_lose_for_that():
    running = Run([build("reasons"), "ring_full"], ["-v", "--ring-size", "64K"])
    running.line("ready")
    os.kill(running.pid, signal.SIGSTOP)
    running.tell()
    started = int(wait_until(lambda: re.search(r"^(\d+) started", running.out, re.M), "the end of all")[1])
    os.kill(running.pid, signal.SIGCONT)
    running.wait()
    total = {what: int(n) for n, what in re.findall(r"^otel-bpf:   +(\d+)  (.*)$", running.err, re.M)}
    equal(total["started"], started, "started, by the report")
    check(total["lost: the ring was full (see --ring-size)"] > 0, running.err)
    check(re.search(r"process \d+ \(reasons\): \d+ of 1000 lost, ring_full \d+", running.err), running.err)
    contains(running.err, "the books balance")
