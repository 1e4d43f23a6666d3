# SPDX-License-Identifier: Apache-2.0
"""Agents that are killed, stopped and started again: applications do not notice, and nothing is lost in silence."""
from harness import check, equal, named, one, test
from serving import Attach, Serve


@test
def after_an_agent_was_killed_applications_are_no_ops_at_once_and_the_next_agent_picks_them_up():
    program = Serve(2)
    off = []
    for number in range(5):
        agent = Attach(program)
        program.work(100)
        program.open(f"open {number}")
        equal(program.span(f"while {number}"), 1, "recorded")
        off.append(program.off_after(agent.process.kill))
        program.rest()
        equal(program.span("between"), 0, "recorded while nobody listens")
    check(sorted(off)[2] < 100 and max(off) < 1000, f"the semaphores were set for {off} ms")
    last = Attach(program)
    equal(program.span("picked up"), 1, "recorded")
    program.close()
    last.stop()
    equal(named(last.spans, "between"), [], "spans of when nobody listened")
    one(last.spans, "picked up")
    check("lost" not in last.err and "malformed" not in last.err, last.err)
    ids = [s.id for s in last.spans]
    equal(len(ids), len(set(ids)), "different ids")
