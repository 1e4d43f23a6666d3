# SPDX-License-Identifier: Apache-2.0
"""Spans where control does not go from top to bottom: signals, cancelled threads, new processes, exit()."""
import platform
import re

from harness import Skip, build, check, contains, equal, named, one, run, test

CUT = "otelbpf.cut_short"


def anywhere(scene, flags=(), name="anywhere", **more):
    return run([build(name, "anywhere", "cc", flags), scene], **more)


def numbers(text):
    return {key: int(value) for key, value in re.findall(r"^(\w+) (\d+)$", text, re.M)}


# ---- Signals -------------------------------------------------------------------------------------


def books(done):
    """Everything that was started has arrived or was counted; returns the spans of handlers."""
    said, spans = numbers(done.out), done.spans
    equal(len(named(spans, "work")), said["work"], "spans of the program")
    equal(len(named(spans, "inner")), 3 * said["work"], "inner spans of the program")
    handlers = named(spans, "in a handler")
    equal(len({s.attributes["n"] for s in handlers}), len(handlers), "different spans of handlers")
    equal(len({s.id for s in spans}), len(spans), "different ids")
    ids = {s.id: s for s in spans}
    for span in handlers:
        check(not span.parent or ids[span.parent].trace == span.trace, "an unknown parent")
        equal([e.name for e in span.events], ["event"], "events in a handler")
    for span in named(spans, "inner"):
        equal((ids[span.parent].name, span.attributes), ("work", {"i": span.attributes["i"], "d": 0.5, "s": "text"}),
              "an interrupted span")
    check(not [s for s in spans if CUT in s.attributes], "a span was not ended")
    return said, handlers


@test
def no_span_of_a_signal_handler_is_lost_wherever_it_interrupts():
    said, handlers = books(anywhere("signals", options=["--ring-size", "64M"]))
    equal((len(handlers), said["dropped"]), (said["handled"], 0), "spans of handlers, dropped")


@test
def no_span_of_a_signal_handler_is_lost_where_threads_begin_and_end():
    said, handlers = books(anywhere("thread_signals", options=["--ring-size", "64M"]))
    equal(len(handlers), said["handled"], "spans of handlers")


@test
def signal_handlers_that_interrupt_each_other_are_recorded_or_counted():
    said, handlers = books(anywhere("deep_signals", options=["--ring-size", "64M"]))
    check(len(handlers) <= said["handled"] <= len(handlers) + said["dropped"],
          f"{len(handlers)} spans of {said} handlers")
    # How many interrupt each other is up to how busy the machine is.
    check(said["dropped"] < said["handled"] / 4, f"most of it has room: {said}")


@test
def a_threads_first_span_does_not_enter_malloc_where_a_signal_handler_may_have_interrupted_it():
    done = run([build("in_malloc", "in_malloc", "cc")])
    equal(numbers(done.out), {"handled": 3, "again": 0}, "handlers, and entered again")
    equal((len(named(done.spans, "first")), len(named(done.spans, "in a handler"))), (3, 3), "spans")


@test
def a_signal_handler_finds_and_leaves_all_in_order_after_every_single_instruction():
    if platform.machine() != "x86_64":
        raise Skip("the processor traps after every instruction on x86-64 only")
    some = "always_on", "parentbased_traceidratio"
    for name, compiler, flags, samplers in (("gcc", "gcc", (), (*some, "always_off", "parentbased_always_off")),
                                            ("gcc_O0", "gcc", ("-O0",), ("always_on", "always_off")),
                                            ("clang", "clang", (), some),
                                            ("clang_O3", "clang", ("-O3",), ("always_on",))):
        for sampler in samplers:
            env = {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": "0.5"}
            done = run([build("steps_" + name, "steps", compiler, flags)], ["-v", "--ring-size", "64M"], env=env)
            said = numbers(done.out)
            check(said.get("handled", 0) > 2500, f"{name}, {sampler}: {done.out}")
            if sampler == "always_on":
                equal(len(named(done.spans, "in a handler")) + said["dropped"], said["handled"],
                      f"{name}: spans of handlers")
                contains(done.err, f' {said["dropped"]}  lost: the application was too deep in signals', name)
                check(said["dropped"] < said["handled"] / 10, f"{name}: most of it has room: {said}")
                equal(len({s.id for s in done.spans}), said["made"], f"{name}: spans")
                equal({s.name for s in done.spans if CUT in s.attributes}, {"jumped over"}, f"{name}: not ended")
            else:
                contains(done.err, f' {said["made"] - len(done.spans)}  not sampled', f"{name}, {sampler}")


# ---- Threads and processes -----------------------------------------------------------------------


@test
def a_thread_that_blocks_signals_forgets_what_was_jumped_over_and_lets_go_at_its_end():
    for name, flags in (("anywhere", ()), ("anywhere_O0", ("-O0",))):
        done = anywhere("blocks", flags, name)
        equal(numbers(done.out), {"forgot_0": 1, "let_go_0": 1, "forgot_1": 1, "let_go_1": 1}, name)
        equal([s.parent for s in named(done.spans, "open at the end")], ["", ""], f"{name}: parents")


@test
def a_cancelled_thread_ends_its_spans_if_it_is_unwound_and_leaves_nothing_behind_if_not():
    for name, flags, unwound in (("anywhere", (), False), ("anywhere_unwinding", ("-fexceptions",), True)):
        spans = anywhere("cancels", flags, name).spans
        outer = named(spans, "outer")
        equal(len(outer), 3, "cancelled threads")
        for span in outer + [s for s in named(spans, "inner") if s.parent in {o.id for o in outer}]:
            equal(CUT not in span.attributes, unwound, f"{name}: whether a span was ended")
        equal([s.parent for s in outer], [""] * 3, "the next thread's parent")
        equal([s.parent for s in named(spans, "work")], [""] * 3, "parents of what comes after")


@test
def what_vfork_and_posix_spawn_start_is_recorded_and_their_parent_loses_nothing():
    done = anywhere("starts")
    spans, around = done.spans, one(done.spans, "around")
    equal(len(spans), 1 + 20 * 2 + 40, "spans")
    for name in ("before", "after", "once"):
        equal({s.parent for s in named(spans, name)}, {around.id}, f"parents of {name}")
    for span in spans:
        pid = span.attributes.get("pid", around.attributes["pid"])
        equal(span.resource["process.pid"], pid, "the process of a span")
    equal(len({s.attributes["pid"] for s in named(spans, "once")}), 40, "processes that were started")
    equal(([e.name for e in around.events], done.err), (["all done"], ""), "events, complaints")


@test
def a_thread_of_a_forked_child_inherits_nothing_from_one_of_its_parent():
    spans = anywhere("forks_beside_threads").spans
    equal([s.parent for s in named(spans, "work")], [""], "parents in the child's thread")
    equal((len(named(spans, "inner")), len(spans)), (3, 5), "its inner spans, all")


@test
def a_child_that_was_forked_by_another_thread_than_the_first_forgets_what_was_jumped_over():
    done = anywhere("forks_in_a_thread")
    equal((numbers(done.out), len(named(done.spans, "jumped over"))), ({"forgot": 1}, 1), "what it says, spans")


@test
def what_threads_hold_at_exit_is_not_lost():
    spans = anywhere("exits").spans
    equal(sorted(s.attributes["i"] for s in named(spans, "ended")), sorted(list(range(10)) * 8), "ended spans")
    equal([s.attributes.get(CUT) for s in named(spans, "open")], [True] * 8, "open spans")
    equal(one(spans, "at exit").attributes, {}, "a span of an atexit() function")
