# SPDX-License-Identifier: Apache-2.0
"""When spans arrive: none that has ended stays in the application's memory for more than a second."""
import os
import time

from harness import Run, build, check, command_pid, equal, named, one, test, wait_until

# A second in memory, then up to 200 ms in a batch; the rest is for a busy machine.
LIMIT = 1.7


def blocked(scene):
    running = Run([build("quiet"), scene])
    running.line("blocked")
    return running


def arrives(scene, name, count=1):
    """Spans that have arrived in time, while the program does nothing."""
    running = blocked(scene)
    spans = running.arrived(name, count, LIMIT)
    check(running.process.poll() is None, "the program has ended")
    return running, spans


@test(alone=True)
def an_event_loop_with_overlapping_spans_that_blocks_keeps_none_back():
    running, spans = arrives("overlapping", "overlapping", 397)
    equal(sorted(s.attributes["i"] for s in spans), sorted({*range(400)} - {397, 398, 399}), "spans")
    running.wait()
    equal(len(running.spans), 400, "spans in the end")
    equal(len({s.id for s in running.spans}), 400, "different ids")


@test(alone=True)
def a_span_that_ended_beside_an_open_one_is_not_kept_back():
    arrives("one_of_two", "ended")


@test(alone=True)
def a_span_that_ended_inside_an_open_one_is_not_kept_back():
    running, spans = arrives("inside", "ended")
    equal(spans[0].attributes, {"key": "value"}, "attributes")
    equal(len(named(running.wait().spans, "ended")), 1, "spans in the end: seen twice, exported once")


@test(alone=True)
def what_a_thread_writes_to_anothers_span_before_it_sleeps_is_in_it():
    _, spans = arrives("writer", "shared")
    equal((spans[0].attributes, [e.name for e in spans[0].events]), ({"from": "the writer"}, ["written"]), "span")


@test(alone=True)
def the_end_of_a_span_by_a_thread_that_then_sleeps_arrives():
    arrives("ended_elsewhere", "shared")


def switches(pid):
    """How often the threads of a process have woken up."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="utf-8") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches"))
    return total


def wakeups(pid, seconds):
    """How many there are per second, for so long."""
    before, begin = switches(pid), time.monotonic()
    time.sleep(seconds)
    return (switches(pid) - before) / (time.monotonic() - begin)


@test(alone=True)
def an_agent_with_nothing_to_do_sleeps():
    running = blocked("idle")
    running.arrived("ended", 3)
    command_pid(running.pid)
    # It has a little to do after the last span, and on a busy machine is woken for each part of an answer: one time
    # without that will come.
    wait_until(lambda: wakeups(running.pid, 2) <= 5, "5 wakeups per second or less", 30)
    one(running.wait().spans[:1], "ended")
