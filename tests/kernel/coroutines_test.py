# SPDX-License-Identifier: Apache-2.0
"""C++20 coroutines that are suspended and go on in other threads."""
import functools

from harness import build, check, equal, named, one, run, test


def with_both_compilers(function):
    def both():
        for compiler, flags in (("g++", ("-std=c++20",)), ("clang++", ("-std=c++20", "-stdlib=libstdc++"))):
            program = build("coroutines_" + compiler, "coroutines.cpp", compiler, flags)
            function(lambda scene, program=program: run([program, scene]))
    functools.update_wrapper(both, function)
    return test(both)


@with_both_compilers
def the_context_travels_with_a_coroutine_from_thread_to_thread(play):
    spans = play("keeping").spans
    around = one(spans, "around")
    equal(len(spans), 2 + 2 + 6, "spans")
    for span in named(spans, "order"):
        steps = [s for s in named(spans, "step") if s.parent == span.id]
        equal([s.attributes for s in sorted(steps, key=lambda s: s.start)],
              [{"n": span.attributes["n"], "step": i} for i in range(3)], "steps of an order")
        equal([[e.name for e in s.events] for s in steps], [["worked"]] * 3, "events")
        equal((span.parent, span.attributes["done"]), (around.id, True), "an order")
    equal(one(spans, "after").parent, around.id, "what comes after")
    check(not [s for s in spans if "otelbpf.cut_short" in s.attributes], "a span was not ended")


@with_both_compilers
def a_scope_that_a_coroutine_leaves_in_another_thread_stays_current_in_none(play):
    done = play("holding")
    spans = done.spans
    equal(done.out.splitlines(), ["there: current 0, 0 scopes", "here: current 0, 0 scopes"] * 3 +
          ["end: current 0, 0 scopes"], "what is current")
    held = named(spans, "held")
    equal(len(held), 4, "spans that were held")
    equal([[e.name for e in s.events] for s in held], [["goes on"]] * 4, "events")
    equal({s.parent for s in named(spans, "inner")}, {s.id for s in held}, "parents of inner ones")
    equal([s.parent for s in named(spans, "there") + named(spans, "here")], [""] * 6, "spans of the two threads")
    tick, after = one(spans, "tick"), one(spans, "after the tick")
    equal((tick.parent, after.parent, [e.name for e in after.events]), ("", "", ["current"]), "around")
    check(not [s for s in spans if "otelbpf.cut_short" in s.attributes], "a span was not ended")
