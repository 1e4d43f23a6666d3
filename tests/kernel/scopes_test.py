# SPDX-License-Identifier: Apache-2.0
"""What is current, where scopes are not left in the order in which they were entered."""
import functools

from harness import build, check, contains, equal, named, one, run, test


def in_all_ways(function):
    """A test that gets what runs a scene: in both languages, with both compilers, optimised and not."""
    def all_ways():
        for name, compiler, flags in (("gcc", "gcc", ()), ("clang", "clang", ()), ("g++", "g++", ()),
                                      ("clang++", "clang++", ()), ("gcc_O0", "gcc", ("-O0",)),
                                      ("clang_O3", "clang", ("-O3", "-fomit-frame-pointer"))):
            program = build("scopes_" + name, "scopes", compiler, flags)
            try:
                function(lambda scene, program=program, **more: run([program, scene], **more))
            except AssertionError as err:
                raise AssertionError(f"{name}: {err}") from None
    functools.update_wrapper(all_ways, function)
    return test(all_ways)


def parent_names(spans, name):
    names = {s.id: s.name for s in spans}
    return [names.get(s.parent, s.parent) for s in named(spans, name)]


# ---- longjmp ----


def jumped(spans):
    equal(parent_names(spans, "after"), [""] * 8, "parents of what comes after a jump")
    equal(parent_names(spans, "inner"), ["after"] * 8, "parents of what is in it")
    equal(len({s.trace for s in named(spans, "after")}), 8, "traces")
    equal(parent_names(spans, "deeper"), [""], "parent of what is deeper than what was jumped over")
    equal(parent_names(spans, "detached"), [""], "parent of a detached span")
    check(not any("written" in s.attributes for s in spans), "what was jumped over was written to")
    check(all("otelbpf.cut_short" in s.attributes for s in named(spans, "jumped over")), "ended")
    first = [s for s in named(spans, "jumped over") if not s.parent]
    equal(len(first), 9, "roots that were jumped over")


@in_all_ways
def what_longjmp_jumps_over_is_no_parent_of_what_comes_after(play):
    jumped(play("jump_at_the_outermost").spans)


@in_all_ways
def the_same_on_the_stack_of_another_thread(play):
    jumped(play("jump_in_a_thread").spans)


@in_all_ways
def what_is_around_a_jump_stays_current(play):
    spans = play("jump_within").spans
    equal(parent_names(spans, "after"), ["outer"] * 8, "parents of what comes after a jump")
    equal(parent_names(spans, "last"), ["outer"], "parent of what comes after a block with a jump")
    equal(one(spans, "outer").attributes, {"goes on": True}, "outer")


@in_all_ways
def a_token_is_never_taken_for_jumped_over(play):
    equal(play("jump_over_a_token").out, "still current 1\n", "what is current")


# ---- Other stacks ----


@in_all_ways
def a_handler_on_a_stack_of_its_own_leaves_what_is_current(play):
    spans = play("on_an_alternative_stack").spans
    equal([parent_names(spans, n) for n in ("in a handler", "after")], [["outer"], ["outer"]], "parents")


@in_all_ways
def coroutines_stacks_are_not_taken_for_the_threads(play):
    spans = play("on_a_coroutines_stack").spans
    equal({n: parent_names(spans, n)[0] for n in ("in a coroutine", "below", "between", "resumed", "after")},
          {"in a coroutine": "outer", "below": "in a coroutine", "between": "below", "resumed": "below",
           "after": "outer"}, "parents")
    check(not any("otelbpf.cut_short" in s.attributes for s in spans), "a span was not ended")


@in_all_ways
def a_coroutine_that_ends_in_another_thread_leaves_nothing_current(play):
    spans = play("moves_to_another_thread").spans
    equal({n: parent_names(spans, n)[0] for n in ("moves", "below", "where it began", "where it ends")},
          {"moves": "", "below": "moves", "where it began": "", "where it ends": ""}, "parents")
    equal(one(spans, "moves").attributes, {"moved": True}, "the span that moves")


# ---- Attach and detach ----


@in_all_ways
def a_context_is_current_from_attach_to_detach_over_functions(play):
    done = play("hooks")
    equal(done.out, "detach b 0\ndetach a 0\n", "what otel_detach() says")
    spans = done.spans
    equal({n: parent_names(spans, n)[0] for n in ("a", "in a", "b", "in b", "in a again", "in nothing")},
          {"a": "", "in a": "a", "b": "a", "in b": "b", "in a again": "a", "in nothing": ""}, "parents")
    equal(one(spans, "b").attributes, {"current": True}, "b")


@in_all_ways
def detaching_in_the_wrong_order_is_said_and_harmless(play):
    done = play("wrong_order")
    equal(done.out, "nothing 0\nelsewhere 1\nouter first 1\ninner last 1\ntwice 1\na copy 1\nafter its block 1\n",
          "what otel_detach() says")
    spans = done.spans
    equal(parent_names(spans, "in nothing"), [""] * 5, "parents of what is in nothing")
    equal({n: parent_names(spans, n)[0] for n in ("a", "b", "in b", "c", "d", "in d", "elsewhere")},
          {"a": "", "b": "a", "in b": "b", "c": "", "d": "c", "in d": "d", "elsewhere": ""}, "parents")
    check(not any("otelbpf.cut_short" in s.attributes for s in spans), "a span was not ended")


@in_all_ways
def a_span_that_is_used_may_end_with_the_block(play):
    done = play("ends_with_the_block")
    equal(done.out, "recording 0\n", "after the block")
    spans = done.spans
    equal(one(spans, "used").attributes, {"written": True}, "used")
    equal([parent_names(spans, n) for n in ("in early", "in nothing")], [["ended early"], [""]], "parents")


# ---- At random ----


@test
def what_is_current_is_what_a_plain_account_says_whatever_is_sampled():
    for name, compiler, flags in (("gcc", "gcc", ()), ("clang", "clang", ()), ("g++", "g++", ()),
                                  ("gcc_O0", "gcc", ("-O0",)), ("clang_O3", "clang", ("-O3",))):
        program = build("nesting_" + name, "nesting", compiler, flags)
        more = ("always_on", "always_off") if name == "gcc" else ()
        for sampler in ("parentbased_always_off", "parentbased_traceidratio", *more):
            env = {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": "0.5"}
            done = run([program, "1", "300"], env=env, exporter="none")
            contains(done.out, "looked ", f"{name}, {sampler}")
