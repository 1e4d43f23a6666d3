# SPDX-License-Identifier: Apache-2.0
"""What a program that is traced, or is not, must never notice."""
import os
import signal

from harness import Run, build, check, contains, direct, equal, named, run, test

SPANS = 1 + 3 * (2 ** 6 - 1)  # of the scene "unsampled"


def program(compiler="cc"):
    return build("safety_" + compiler, "safety", compiler, ("-fno-exceptions",))


@test
def no_call_enters_the_kernel_while_nobody_listens():
    for compiler in ("gcc", "clang"):
        equal(direct([program(compiler), "silent"]).out, "no system call\n", compiler)
    # That this would be seen: the first span that is recorded needs memory.
    listening = run([program("gcc"), "silent"], status=None)
    equal(listening.out, "", "what a program says that was killed for a system call")


@test(alone=True)
def an_end_takes_no_longer_when_the_agent_stands_still_and_the_ring_is_full():
    done = Run([program(), "ends"], ("--ring-size", "256K"))

    def measure(mark):
        done.tell(mark + "\n")
        return [int(number) for number in done.line("round " + mark, 60).split()]

    measure("w")  # warms up
    median, most = measure("a")
    os.kill(done.pid, signal.SIGSTOP)
    try:
        measure("f")  # fills the ring
        full_median, full_most = measure("b")
    finally:
        os.kill(done.pid, signal.SIGCONT)
    done.wait(60)
    check(full_median <= 5 * median and full_most <= 20 * most,
          f"median {median} ns and then {full_median}, 99th percentile {most} ns and then {full_most}")
    check(len(named(done.spans, "timed")) < 4 * 20000, "the ring was never full")
    contains(done.err, "lost")


@test
def what_is_not_sampled_has_ids_and_every_return_makes_its_parent_current():
    for compiler in ("gcc", "clang", "c++"):
        done = run([program(compiler), "unsampled"], ("-v",), env={"OTEL_TRACES_SAMPLER": "always_off"})
        equal((done.out, done.spans), ("wrong 0\n", []), compiler)
        contains(done.err, f"{SPANS}  not sampled", compiler)


@test
def a_thread_that_ends_within_a_scope_leaves_nothing_current_to_the_next():
    for compiler in ("gcc", "clang"):
        spans = run([program(compiler), "thread_reuse"]).spans
        first = named(spans, "first of its thread")
        equal(([s.parent for s in first], len({s.trace for s in first})), ([""] * 8, 8), compiler)
        equal(len([s for s in named(spans, "left open") if not s.parent]), 8, compiler + ": roots left open")
