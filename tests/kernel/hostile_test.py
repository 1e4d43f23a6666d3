# SPDX-License-Identifier: Apache-2.0
"""Processes that hand over nonsense: it is dropped, counted and reported, and hurts nobody else."""
import re

from harness import build, check, contains, equal, named, run, test


def hostile(how):
    done = run([build("hostile"), how])
    good = named(done.spans, "good")
    equal(len(good), 400, "spans of the process that behaves")
    equal(len({s.resource["process.pid"] for s in good}), 1, "its processes")
    equal(sorted(s.attributes["i"] for s in good), sorted([*range(200)] * 2), "its attributes")
    check(all([e.attributes for e in s.events] == [{"key": "value"}] and s.status == 0 for s in good), "its events")
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
