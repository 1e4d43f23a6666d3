# SPDX-License-Identifier: Apache-2.0
"""What trace.hpp's objects become, compiled by g++ and clang++, and that they are nothing when nobody listens."""
import functools
import json

from harness import build, check, direct, equal, named, one, run, test

SERVER, CLIENT, PRODUCER = 2, 3, 4
UNSET, OK, ERROR = 0, 1, 2


def frame(flags=("-fexceptions",)):
    """The C function that exceptions pass through, as an object file."""
    return build("frame" + "".join(flags) + ".o", "frame", flags=(*flags, "-c"), libs=())


def program(compiler="g++", flags=(), name="objects", in_c=("-fexceptions",)):
    return build(f"{name}_{compiler}", "objects.cpp", compiler, flags, libs=(frame(in_c), "-lpthread"))


def with_both_compilers(function):
    def both():
        for compiler in ("g++", "clang++"):
            path = program(compiler)
            function(lambda scene, path=path, **more: run([path, scene], **more))
    functools.update_wrapper(both, function)
    return test(both)


def listed(values, kind):
    return {"values": [{kind: value} for value in values]}


def links(done, name):
    with open(done.file, encoding="utf-8") as file:
        found = [span for line in file for group in json.loads(line)["resourceSpans"]
                 for scope in group["scopeSpans"] for span in scope["spans"] if span["name"] == name]
    return found[0].get("links", [])


def exceptions(span):
    return [event.attributes for event in span.events if event.name == "exception"]


@with_both_compilers
def every_type_of_value_arrives_as_what_it_is(play):
    span, = play("values").spans
    equal(span.name, "GET", "a name that is part of a text")
    equal(span.scope, ("objects", "1.2.3"), "scope")
    expected = {
        "literal": "text", "string": "a string", "view": "GET", "buffer": "up to its NUL", "null": "",
        "empty": "", "own": "named", "temporary": "gone soon", "GET": "the key is a view",
        "a string": "the key is a string", "bool": True, "int": 42, "negative": -1,
        "unsigned": 4000000000, "size_t": 8, "smallest": -2**63, "largest unsigned": -1, "char": 99,
        "enum": 7, "double": 99.99, "float": 0.5, "long double": 0.25,
        "strings": listed(["a", "", "c"], "stringValue"), "bits": listed([True, False, True], "boolValue"),
        "views": listed(["GET", "/order"], "stringValue"), "floats": listed([1.5, -2.5], "doubleValue"),
        "names": listed(["x", "", "z"], "stringValue"), "raw": b"\1\0\xff", "more": b"\x09\0",
        "bytes": b"\0\1", "ints": listed(["1", "2", "3"], "intValue"),
        "bools": listed([True, False], "boolValue"), "texts": listed(["a", "b"], "stringValue"),
        "one": listed(["alone"], "stringValue"), "doubles": listed([1, 0.5], "doubleValue"),
        "shorts": listed(["-1", "1"], "intValue"), "no strings": listed([], ""), "otel.h": "of C",
        "otel.hpp": "of C++",
    }
    for key in {**expected, **span.attributes}:
        equal(span.attributes.get(key), expected.get(key), key)
        equal(type(span.attributes[key]), type(expected[key]), "the type of " + key)


@with_both_compilers
def large_values_and_many_of_them_arrive(play):
    span, = play("big").spans
    equal(span.scope, ("", ""), "the scope of a tracer without a name")
    equal(len(span.attributes["megabyte"]), 1 << 20, "a megabyte")
    equal(len(span.attributes["many"]["values"]), 3000, "elements")
    equal([span.attributes[f"number {i}"] for i in range(10)], list(range(290, 300)), "the last values")


@with_both_compilers
def a_span_may_be_moved_and_ends_once(play):
    done = play("moving")
    spans = done.spans
    equal(done.out, "0 1\n", "is_recording")
    around = one(spans, "around")
    equal(around.kind, SERVER, "kind")
    equal(one(spans, "first").attributes, {"kept": True, "still": True}, "attributes of what was moved")
    moved = one(spans, "moved while an exception passes")
    equal((moved.status, moved.events), (0, []), "what was moved while an exception passes")
    equal(one(spans, "first").kind, CLIENT, "kind")
    equal(one(spans, "second").attributes, {}, "attributes of what took its place")
    equal(sorted(s.attributes["i"] for s in named(spans, "several")), list(range(5)), "spans in a vector")
    equal([e.name for e in one(spans, "held").events], ["elsewhere"], "events from another thread")
    equal(one(spans, "renamed").parent, around.id, "parent")
    equal({s.parent for s in spans}, {"", around.id}, "parents")
    equal(len(spans), 11, "spans")


@with_both_compilers
def contexts_are_copied_and_made_current_anywhere(play):
    done = play("contexts")
    spans = done.spans
    equal(done.out, "1\n1 0 0 1\n1 0 1 32 16\n", "what the program saw")
    first, second, root = (one(spans, name) for name in ("first", "second", "root"))
    job = one(spans, "in a job")
    equal((job.parent, job.trace, job.attributes), (first.id, first.trace, {"written by": "current"}), "job")
    equal((root.parent, root.trace != second.trace), ("", True), "root")
    equal(one(spans, "below the first").parent, first.id, "an explicit parent")
    detached = one(spans, "detached")
    equal(one(spans, "below the detached").parent, detached.id, "below a span that was made current")
    found = links(done, "second")
    equal([(link["traceId"], link["spanId"], len(link.get("attributes", []))) for link in found],
          [(first.trace, first.id, 2), (first.trace, first.id, 1)], "links")


@with_both_compilers
def given_times_are_taken_as_they_are(play):
    span, = play("times").spans
    start = 1700000000123 * 10**6
    equal((span.start, span.end, [e.time for e in span.events]),
          (start, start + 3600 * 10**9, [start + 10**9]), "times")


@with_both_compilers
def the_status_takes_a_text_without_its_end(play):
    done = play("status")
    equal(done.out, "-2\n", "what fail() returns")
    equal([(s.status, s.message) for s in (one(done.spans, n) for n in ("error", "ok", "failed"))],
          [(ERROR, "out of flour"), (OK, ""), (ERROR, "No such file or directory")], "status")


@with_both_compilers
def what_a_callable_throws_is_recorded_and_passed_on(play):
    done = play("callables")
    spans = done.spans
    equal(done.out.splitlines(), ["5 3 3", "no soup", "5", "through both", "boom", "boom", "1", "1", "boom"],
          "what the program saw")
    with_options = one(spans, "with options")
    equal((with_options.kind, with_options.attributes), (PRODUCER, {"n": 1, "inside": True, "current": True}),
          "the span")

    def seen(name):
        span = one(spans, name)
        return span.status, span.message, exceptions(span)

    def thrown(what, **more):
        return {"exception.type": what, **{"exception." + k: v for k, v in more.items()}, "exception.escaped": True}

    equal(seen("reference"), (UNSET, "", []), "nothing thrown")
    equal(seen("std"), (ERROR, "shop::no_such_dish: no soup",
                        [thrown("shop::no_such_dish", message="no soup")]), "std")
    equal(seen("int"), (ERROR, "int", [thrown("int")]), "int")
    both = (ERROR, "std::logic_error: through both", [thrown("std::logic_error", message="through both")])
    equal((seen("inner"), seen("outer")), (both, both), "through two")
    boom = [thrown("std::runtime_error", message="boom")]
    equal(seen("by hand"), (ERROR, "I know better", boom), "a status by hand")
    equal(seen("ok"), (OK, "", boom), "Ok")
    equal(seen("no event"), (ERROR, "int", []), "record_exception(false)")
    equal(seen("no status"), (UNSET, "", [thrown("int")]), "set_status_on_exception(false)")
    equal(seen("detached"), (ERROR, "std::runtime_error: boom", boom), "a span that there was")
    equal(one(spans, "detached").attributes, {"goes": "on"}, "it is not ended")
    caught = one(spans, "caught")
    equal((caught.status, exceptions(caught)),
          (UNSET, [{"exception.type": "shop::no_such_dish", "exception.message": "short", "extra": 1}]),
          "a caught one")


@with_both_compilers
def an_exception_that_leaves_a_block_marks_its_spans(play):
    spans = play("unwinding").spans
    boom = [{"exception.type": "std::runtime_error", "exception.escaped": True}]
    what = "std::runtime_error"
    for name, status, message, events in (
            ("current", ERROR, what, boom), ("not current", ERROR, what, boom), ("cleaning up", UNSET, "", []),
            ("nothing", UNSET, "", []), ("by hand", ERROR, "mine", boom),
            ("in a handler", UNSET, "", []), ("after", UNSET, "", [])):
        span = one(spans, name)
        equal((span.status, span.message, exceptions(span)), (status, message, events), name)
    equal(one(spans, "cleaning up").attributes, {"well": True}, "in a destructor")
    equal(one(spans, "after").parent, "", "nothing stays current")


@with_both_compilers
def an_exception_through_a_frame_of_c_ends_its_span(play):
    spans = play("c_frames").spans
    around, inner = one(spans, "around"), one(spans, "inner")
    equal([s.parent for s in named(spans, "in C")], [around.id, inner.id], "parents")
    equal([s.attributes for s in named(spans, "in C")], [{"before": True}] * 2, "attributes")
    equal(one(spans, "after").parent, around.id, "what is current behind it")


@test
def a_frame_of_c_without_cleanups_does_not_confuse_what_is_around_it():
    path = program("g++", name="no_cleanups", in_c=("-fno-exceptions",))
    spans = run([path, "c_frames"]).spans
    around = one(spans, "around")
    check(one(spans, "inner").trace == around.trace, "another trace")
    equal(one(spans, "inner").status, UNSET, "the status of what was not left by the exception")
    check({"around", "inner", "after"} <= {s.name for s in spans}, "spans are missing")


@with_both_compilers
def a_thread_that_ends_within_a_callable_is_no_error(play):
    spans = play("thread_exit").spans
    equal([(s.name, s.status, s.events) for s in sorted(spans, key=lambda s: len(s.name))],
          [("pthread_exit", UNSET, []), ("pthread_exit below an object", UNSET, [])], "spans")


@with_both_compilers
def a_tracer_may_be_a_constant_expression_with_attributes(play):
    span, = play("static_scope").spans
    equal((span.scope, span.scope_attributes), (("described", "1"), {"flavour": "vegan", "seats": 4}), "scope")


@with_both_compilers
def scopes_that_are_left_in_any_order_leave_nothing_current(play):
    done = play("in_any_order")
    equal(done.out, "recording 0\nrecording 0\n", "what is current")
    names = {s.id: s.name for s in done.spans}
    equal(sorted((s.name, names.get(s.parent, "")) for s in done.spans),
          [("a", ""), ("a has gone", ""), ("b", "a"), ("c", ""), ("d", ""), ("in c", "c"), ("in d", "d"),
           ("inner", "a has gone"), ("last", "inner"), *[("nothing is current", "")] * 3], "parents")
    equal(one(done.spans, "b").attributes, {"written": True}, "what was left last")


@with_both_compilers
def a_thread_that_is_cancelled_ends_its_spans_and_is_no_error(play):
    spans = play("cancelled").spans
    equal(sorted((s.name, s.status, s.events, "otelbpf.cut_short" in s.attributes) for s in spans),
          [("an object", UNSET, [], False), ("called", UNSET, [], False)] if spans else [], "spans")


@test
def attributes_that_are_put_together_at_run_time_arrive_wherever_they_are_given():
    got = {"http.request.header.accept": "*/*", "http.request.header.host": "example.org, a name that is long"}
    for compiler, flags in (("g++", ()), ("clang++", ()), ("g++", ("-fsanitize=address,undefined",))):
        done = run([build("gathered" + compiler + "".join(flags), "gathered.cpp", compiler, flags)])
        spans = done.spans
        equal(done.err, "", "what the program says, or a sanitizer")
        started = one(spans, "started with")
        equal(started.attributes, {
            "texts": listed(["a text that is too long to be kept in a string itself", "", "b"], "stringValue"),
            "numbers": listed(["1", "-2"], "intValue"), "bits": listed([True, False], "boolValue"),
            "list": listed([1.5, 2.5], "doubleValue"), "words": listed(["x", "y"], "stringValue"),
            "bytes": b"\1\0\xff", "bytes too": b"\1\0", "number": 42, "flag": True, "double": 0.25, "null": "",
            "twice": 2}, "every type, from a list that was moved")
        equal([event.attributes for event in started.events],
              [got, {"exception.type": "CustomError", "exception.message": "made up", **got}], "events")
        equal(len(links(done, "started with")[0]["attributes"]), 2, "a link's attributes")
        beside = one(spans, "beside others")
        equal((beside.kind, beside.attributes), (CLIENT, {**got, "only": "in one", "more": 1, "after": "moving", "last": True}),
              "beside others")
        equal(len(links(done, "beside others")[0]["attributes"]), 3, "a link's attributes beside others")
        equal([one(spans, name).attributes for name in ("called", "root", "empty")], [got, {}, {}], "the others")
        equal({key: started.resource[key] for key in got}, got, "the resource")


@with_both_compilers
def a_tracer_of_cpp_serves_the_macros_of_c(play):
    done = play("with_macros")
    equal(done.out, "enabled 1\n", "asked in both ways")
    equal({span.scope for span in done.spans}, {("objects", "1.2.3")}, "scopes")
    parent, child = one(done.spans, "macro"), one(done.spans, "started")
    equal((child.parent, child.kind), (parent.id, CLIENT), "the child")


@test
def a_stack_trace_begins_with_who_records_it():
    for compiler in ("g++", "clang++"):
        for flags, name in ((), "objects"), (("-O0",), "objects_O0"):
            spans = run([program(compiler, flags, name), "stacks"]).spans
            events = one(spans, "stacks").events + one(spans, "of C").events
            equal(len(events), 4, "events")
            for event in events:
                frame = event.attributes["exception.stacktrace"].split("\n")[0]
                check(frame.startswith("    at records+0x"), f"{compiler} {flags}, {event.name}: {frame}")


@test
def nothing_is_allocated_while_nobody_listens():
    for compiler in ("g++", "clang++"):
        equal(direct([program(compiler), "no_allocations"]).out, "0 allocations\n", compiler)


@test
def without_an_agent_and_without_the_library_programs_do_the_same():
    for compiler in ("g++", "clang++"):
        enabled = program(compiler)
        disabled = program(compiler, ("-DOTEL_BPF_DISABLE",), "disabled")
        for scene in ("values", "big", "callables", "unwinding", "c_frames", "thread_exit", "status"):
            said = run([enabled, scene]).out
            equal(direct([enabled, scene]).out, said, scene + " without an agent")
            done = run([disabled, scene])
            equal(done.out, said, scene + " with OTEL_BPF_DISABLE")
            equal([s for s in done.spans if s.name != "in C"], [], scene + ": spans with OTEL_BPF_DISABLE")
