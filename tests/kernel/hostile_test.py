# SPDX-License-Identifier: Apache-2.0
"""Processes that hand over nonsense: it is dropped, counted and reported, and hurts nobody else."""
import os
import re
import signal
import threading
import time

from harness import Run, build, check, command_pid, contains, equal, named, one, test, wait_until

MEGABYTE = 1 << 20


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class Watch(threading.Thread):
    """The most memory that the agent has had."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid = pid
        self.most = 0
        self.start()

    def run(self):
        while True:
            try:
                self.most = max(self.most, resident(self.pid))
            except OSError:
                return
            time.sleep(0.02)


def good_spans(done):
    good = done.among_many("good")
    equal(len(good), 400, "spans of the process that behaves")
    equal(len({s.resource["process.pid"] for s in good}), 1, "its processes")
    equal(sorted(s.attributes["i"] for s in good), sorted([*range(200)] * 2), "its attributes")
    check(all([e.attributes for e in s.events] == [{"key": "value"}] and s.status == 0 for s in good), "its events")


def hostile(how, most=512 * MEGABYTE, seconds=20, options=()):
    running = Run([build("hostile"), how], list(options))
    watch = Watch(running.pid)
    done = running.wait(seconds)
    equal(done.process.returncode, 0, "exit status")
    good_spans(done)
    check(watch.most < most, f"the agent had {watch.most} bytes of memory")
    return done


def reported(how, word="malformed"):
    done = hostile(how)
    contains(done.err, word, "what is said")
    check(len(done.err) < 10000, f"{len(done.err)} bytes are said about it")
    return done


@test
def garbage_in_a_buffer_is_dropped_and_reported():
    reported("garbage")


@test
def records_with_a_byte_changed_are_dropped_or_repaired_and_reported():
    reported("flipped")


@test
def wrong_lengths_kinds_and_flags_are_dropped_and_reported():
    reported("lengths")


@test
def headers_that_contradict_themselves_are_dropped_and_reported():
    reported("headers")


@test
def wild_pointers_and_lengths_are_dropped_and_reported():
    done = reported("wild", "flushes were refused")
    check(max(map(int, re.findall(r"\d+", done.err))) < 100000, f"claims of the process are believed: {done.err}")


@test
def lists_that_loop_or_lead_nowhere_do_not_stop_the_agent():
    done = hostile("lists")
    check(done.seconds < 10, f"took {done.seconds} s")


@test
def a_process_that_wants_all_memory_does_not_hurt_others():
    hostile("greedy")


def looked_past(how, said=""):
    """One whose memory cannot be read, beside one that holds a span which has to be looked for."""
    running = Run([build("hostile"), how, "held"])
    running.line("ready")
    command = command_pid(running.pid)
    running.arrived("held", seconds=10)
    running.arrived("good", 400, seconds=10)
    wait_until(lambda: said in running.err, said)
    os.kill(command, signal.SIGKILL)
    begin = time.monotonic()
    running.wait()
    check(time.monotonic() - begin < 10, f"the agent took {time.monotonic() - begin} s to end")
    good_spans(running)
    if said:
        contains(running.err, "came to nothing", "what is said at the end")


@test
def an_anchor_that_never_comes_does_not_stop_the_agent():
    looked_past("never_anchor", "could not be read within a second")


@test
def a_buffer_that_never_comes_does_not_stop_the_agent():
    looked_past("never_buffer", "could not be read within a second")


@test
def a_hundred_thousand_threads_in_a_loop_do_not_keep_the_agent_from_others():
    looked_past("crowd")


@test
def processes_that_take_long_to_look_at_do_not_keep_the_agent_from_a_quiet_one():
    running = Run([build("crowds"), "60", "2"])
    running.line("ready")
    for i in range(2):  # where it is not looked at, it hands over after three seconds
        span, = wait_until(lambda: [s for s in named(running.spans, "held") if s.attributes["i"] == i], f"span {i}")
        late = time.time() - span.end / 1e9
        check(late < 2, f"span {i} was held for {late} s")
    os.kill(command_pid(running.pid), signal.SIGKILL)
    running.wait()


@test
def memory_that_is_not_there_or_a_devices_is_refused():
    reported("devices", "flushes were refused")


@test
def a_header_that_changes_while_it_is_read_hurts_nobody_else():
    hostile("changing")


@test
def the_id_of_anothers_span_changes_nothing_of_it():
    victim = one(hostile("forged").spans, "victim")
    equal((victim.status, victim.attributes), (0, {}), "the span's status and attributes")


@test
def times_and_counts_that_cannot_be_hurt_nobody_else():
    hostile("times")


@test
def a_million_open_spans_are_bounded():
    # With room in the ring for all of them: else only a part arrives, and that is not the question here.
    done = hostile("million", most=1024 * MEGABYTE, options=["--ring-size", "256M"])
    after = done.among_many("after")
    equal(len(after), 50, "spans that were started later and ended")
    check(not any("otelbpf.incomplete" in s.attributes for s in after), "of those, some are not whole")
    contains(done.err, "lost: too many spans were open", "the report")
    contains(done.err, "the books balance", "the report")


@test
def stack_traces_that_lead_nowhere_hurt_nobody_else():
    hostile("stacks")
