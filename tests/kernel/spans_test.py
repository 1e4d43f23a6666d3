# SPDX-License-Identifier: Apache-2.0
"""What the API's calls become, through kernel and agent, the same in C11 and C++17."""
import functools
import math

from harness import Run, build, check, direct, equal, named, one, run, same_number, test

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
OK, ERROR = 1, 2


def in_c_and_cpp(function):
    """A test that gets what runs a scene, in both languages."""
    def both():
        for language, compiler, flags in (("c", "cc", ()), ("cpp", "c++", ())):
            program = build("scenes_" + language, "scenes", compiler, flags)
            function(lambda scene, program=program, **more: run([program, scene], **more))
    functools.update_wrapper(both, function)
    return test(both)


def text(size, salt):
    return "".join(chr(ord("a") + (i * 31 + salt + i // 977) % 26) for i in range(size))


# ---- Parents ----


@in_c_and_cpp
def spans_nest_by_the_current_one(play):
    spans = play("nesting").spans
    equal(len(spans), 4, "spans")
    outer, first, second, innermost = (one(spans, n) for n in ("outer", "first", "second", "innermost"))
    equal(outer.parent, "", "parent of the outermost")
    equal([first.parent, second.parent, innermost.parent], [outer.id, outer.id, first.id], "parents")
    equal({s.trace for s in spans}, {outer.trace}, "traces")
    check(outer.start <= first.start <= innermost.start <= innermost.end <= first.end <= second.start
          <= second.end <= outer.end, "the times do not nest")


@in_c_and_cpp
def spans_with_nothing_around_them_are_roots_of_their_own_traces(play):
    roots = named(play("roots").spans, "root")
    equal([r.parent for r in roots], ["", ""], "parents")
    check(roots[0].trace != roots[1].trace, "the same trace")


@in_c_and_cpp
def an_explicit_parent_is_taken_instead_of_the_current_span(play):
    spans = play("explicit_parent").spans
    left, around, child = one(spans, "left"), one(spans, "around"), one(spans, "child of left")
    equal((child.parent, child.trace), (left.id, left.trace), "child of a span that has ended")
    equal(one(spans, "grandchild of left").parent, child.id, "the child is current")
    root = one(spans, "a new root")
    equal(root.parent, "", "child of an invalid context")
    check(root.trace not in (left.trace, around.trace), "a new root continues another trace")


@test
def only_children_of_remote_parents_say_so():
    for compiler in ("gcc", "g++"):
        spans = run([build("contexts_" + compiler, "contexts.c", compiler)]).spans
        equal({name: one(spans, name).flags for name in ("below a remote one", "below its child", "below a local one",
                                                         "below its local child")},
              {"below a remote one": 0x301, "below its child": 0x101, "below a local one": 0x101,
               "below its local child": 0x101}, "flags")
        equal((one(spans, "below a remote one").trace, one(spans, "below a remote one").parent),
              ("ab" + 30 * "0", "cd" + 14 * "0"), "the parent")


@test
def a_span_that_stands_for_a_context_hands_it_on_and_cannot_be_written_to():
    for compiler in ("gcc", "g++"):
        done = run([build("contexts_" + compiler, "contexts.c", compiler)])
        equal(done.out, "0 1 0\n", "is_recording of both, and whether the context changed")
        span = one(done.spans, "span")
        equal((span.attributes, span.events, span.status, span.links), ({"goes on": True}, [], 0, []), "the span")
        equal(one(done.spans, "child").parent, span.id, "the child's parent")


@in_c_and_cpp
def a_detached_span_has_a_parent_but_is_not_current(play):
    spans = play("detached").spans
    around = one(spans, "around")
    equal({one(spans, n).parent for n in ("a", "b", "not below a or b")}, {around.id}, "parents")
    equal((one(spans, "a").kind, one(spans, "b").attributes), (CLIENT, {"who": "b"}), "a and b")


@in_c_and_cpp
def all_five_kinds_arrive(play):
    equal({s.name: s.kind for s in play("kinds").spans},
          {"unsaid": INTERNAL, "internal": INTERNAL, "server": SERVER, "client": CLIENT,
           "producer": PRODUCER, "consumer": CONSUMER}, "kinds")


@in_c_and_cpp
def every_span_says_its_tracers_name_and_version(play):
    done = play("nesting")
    equal({s.scope for s in done.spans}, {("scenes", "1.2.3")}, "scopes")
    equal(done.err, "", "what is said of tracers with a name")


@in_c_and_cpp
def a_tracer_without_a_name_works_and_is_told_of_once(play):
    done = play("no_scope")
    equal(({s.scope for s in done.spans}, len(done.spans)), ({("", "")}, 2), "scopes")
    equal(done.err.count("a tracer has no name"), 1, "how often it is told of:\n" + done.err)


@in_c_and_cpp
def a_tracer_at_file_scope_may_have_attributes(play):
    span, = play("static_scope").spans
    equal((span.scope, span.schema_url), (("described", "1"), "https://a.test/1"), "scope")
    equal(span.scope_attributes, {"flavour": "vegan", "seats": -4, "open": True, "rating": 4.5}, "its attributes")


@in_c_and_cpp
def a_tracer_made_at_run_time_has_a_name_a_schema_and_attributes(play):
    spans = play("made_scope").spans
    made, without = one(spans, "made"), one(spans, "without")
    equal((made.scope, made.schema_url, made.scope_attributes),
          (("plugin 7", "2"), "https://a.test/2", {"path": "/lib/vegan.so", "abi": -3}), "scope")
    equal((without.scope, without.schema_url, without.scope_attributes), (("", ""), "", {}), "a scope of NULL")


@in_c_and_cpp
def links_have_the_flags_and_the_trace_state_of_where_they_lead(play):
    spans = play("links").spans
    linked, span = one(spans, "linked"), one(spans, "links")
    remote, made = ("0123456789abcdef" * 2, "0123456789abcdef"), ("01" + "00" * 15, "02" + "00" * 7)
    equal(span.links, [(*remote, {"n": 1}), (*made, {}), (linked.trace, linked.id, {}), (*remote, {})], "links")
    equal(span.link_contexts, [(0x300, "a=1,b=2"), (0x103, ""), (0x103, ""), (0x300, "a=1,b=2")], "flags, trace state")


@in_c_and_cpp
def a_link_that_leads_nowhere_is_kept_if_it_says_something(play):
    done = play("links_to_nowhere")
    span, = done.spans
    equal([(trace.strip("0"), to.strip("0"), attributes) for trace, to, attributes in span.links],
          [("", "", {"why": "lost"}), ("", "", {"n": 2})], "links")
    equal((span.dropped_links, done.err), (0, ""), "dropped links, and what the agent says")


@in_c_and_cpp
def sampled_spans_carry_the_sampled_and_random_flags(play):
    equal({s.flags & 0xff for s in play("nesting").spans}, {3}, "W3C trace flags")


@in_c_and_cpp
def ids_are_unique_and_never_zero(play):
    spans = play("ids").spans
    equal(len(spans), 4000, "spans")
    equal(len({s.id for s in spans}), 4000, "different span ids")
    equal(len({s.trace for s in spans}), 2000, "different trace ids")
    check(all(int(s.id, 16) and int(s.trace, 16) for s in spans), "an id is 0")
    parents = {s.id: s for s in spans if s.name == "parent"}
    check(all(s.parent in parents and parents[s.parent].attributes == s.attributes
              for s in spans if s.name == "child"), "a child has another's parent")


# ---- Attributes ----


@in_c_and_cpp
def attributes_of_all_types_arrive_and_the_last_value_counts(play):
    equal(one(play("attributes").spans, "span").attributes,
          {"at.start": "s", "overwritten": "three", "string": "text", "true": True, "false": False,
           "five": True, "double": 0.1, "zero": 0, "twice": "b", "umlaut": "Grüße, 世界 🍜"}, "attributes")


@in_c_and_cpp
def numbers_keep_their_signs_limits_and_oddities(play):
    seen = one(play("numbers").spans, "span").attributes
    equal({k: v for k, v in seen.items() if isinstance(v, int)},
          {"minus one": -1, "min": -2**63, "max": 2**63 - 1, "char": -5, "unsigned": 4000000000, "size": 4},
          "integers")
    for key, value in (("nan", math.nan), ("inf", math.inf), ("minus inf", -math.inf), ("tiny", 5e-324),
                       ("huge", 1.7976931348623157e308)):
        check(same_number(seen[key], value), f"{key} is {seen[key]!r}")
    equal(math.copysign(1, seen["minus zero"]), -1.0, "the sign of zero")


@in_c_and_cpp
def null_and_empty_strings_are_empty_strings(play):
    done = play("nothing_there")
    spans = [s for s in done.spans if s.status == ERROR]
    equal(len(spans), 1, "spans with an error")
    span = spans[0]
    equal((span.name, span.message), ("", ""), "name, description")
    equal((span.attributes["empty"], span.attributes["null"]), ("", ""), "values")
    equal([e.name for e in span.events], ["", ""], "names of events")
    equal(len(done.spans), 2, "spans")


@in_c_and_cpp
def strings_larger_than_a_buffer_arrive_whole(play):
    spans = play("big_strings").spans
    big, mega, name = one(spans, "big"), text(1 << 20, 1), text(40000, 2)
    equal(sorted(big.attributes), ["after", "after set", "at start", "set"], "keys")
    check(big.attributes["at start"] == mega and big.attributes["set"] == mega, "a value is not what was set")
    equal((big.attributes["after"], big.attributes["after set"]), (1, 2), "what follows")
    check(big.events[0].attributes["in event"] == mega, "the event's value is not what was set")
    small, = [s for s in spans if s is not big]
    check(small.name == name and small.message == name, "the long name or description has changed")


@in_c_and_cpp
def what_no_reader_would_take_is_cut_and_the_rest_arrives(play):
    done = play("too_long", options=["--ring-size", "128M"])
    equal(done.err, "", "complaints")
    spans = done.spans
    span = one(spans, "too long")
    most = (12 << 20) // 3
    seen = {key: len(value) if isinstance(value, (str, bytes)) else value for key, value in span.attributes.items()
            if key != "texts"}
    equal(seen, {"before": 1, "text": most, "more": 0, "after": 1, "bytes": 12 << 20, "bytes after": 1, "texts after": 1},
          "how long the attributes are")
    check(set(span.attributes["text"]) == {"\u20ac"}, "a character was cut")
    equal([v["stringValue"] for v in span.attributes["texts"]["values"]], ["first"], "what has room in an array")
    equal((len(span.events[0].attributes["in event"]), span.events[0].attributes["after"]), (most, 1), "the event")
    equal(len(span.message), (1 << 20) // 3, "the description")
    other, = [s for s in spans if s is not span]
    equal((len(other.name), len(other.events[0].name)), ((1 << 20) // 3,) * 2, "names")


@in_c_and_cpp
def a_string_of_any_length_is_cut_nowhere(play):
    full = text(20000, 3)
    spans = named(play("all_lengths").spans, "length")
    equal(len(spans), 360, "spans")
    for span in spans:
        size = span.attributes["size"]
        check(span.attributes["text"] == full[:size], f"the text of {size} bytes has changed")


@in_c_and_cpp
def bytes_that_are_no_utf8_are_repaired_or_become_bytes(play):
    span, = play("no_utf8").spans
    equal((span.name, span.message), ("bad \ufffd name", "bad \ufffd description"), "name, description")
    equal(span.attributes, {"latin1": b"caf\xe9", "bad \ufffd key": "fine", "surrogate": b"\xed\xa0\x80",
                            "fine": "ok"}, "attributes")
    equal([e.name for e in span.events], ["bad \ufffd event"], "events")


@in_c_and_cpp
def more_than_128_attributes_or_events_are_counted_not_kept(play):
    span = one(play("many_attributes").spans, "span")
    equal((len(span.attributes), span.dropped_attributes, len(span.events)), (128, 72, 128),
          "attributes, dropped, events")


# ---- Events and status ----


@in_c_and_cpp
def events_arrive_in_order_with_times_and_attributes(play):
    span = one(play("events").spans, "span")
    equal([(e.name, e.attributes) for e in span.events],
          [("first", {}), ("second", {"n": -7, "s": "text", "b": True, "d": 2.5}), ("third", {})], "events")
    first, second, third = (e.time for e in span.events)
    check(span.start <= first < second <= third <= span.end, "times are out of order")
    check(second - first >= 2_000_000, "the time between two events is too short")


@in_c_and_cpp
def status_follows_opentelemetrys_rules(play):
    done = play("status")
    equal({s.name: (s.status, s.message) for s in done.spans},
          {"unset": (0, ""), "ok": (OK, ""), "error": (ERROR, "why"),
           "the last error counts": (ERROR, "second"), "ok is final": (OK, ""),
           "unset is ignored": (ERROR, "stays"), "ok has no description": (OK, "")}, "status")
    equal(done.err.count("a description goes with the status Error only, that of another is ignored"), 1,
          "how often that is said")


@in_c_and_cpp
def otel_fail_makes_an_exception_event_and_an_error(play):
    spans = play("failing").spans
    none, some, negative = one(spans, "no error"), one(spans, "errno"), one(spans, "negative")
    equal((none.status, none.events), (0, []), "otel_fail(span, 0)")
    for span, symbol, message in ((some, "ENOENT", "No such file or directory"),
                                  (negative, "ECONNREFUSED", "Connection refused")):
        equal((span.status, [e.name for e in span.events]), (ERROR, ["exception"]), f"span of {symbol}")
        attributes = span.events[0].attributes
        equal((attributes["exception.type"], attributes["exception.message"]), (symbol, message), "exception")
        check(span.message, "the status has no description")
    by_hand = one(spans, "status by hand stays")
    equal((by_hand.status, by_hand.message, len(by_hand.events)), (ERROR, "the kitchen is closed", 1), "by hand")
    odd = one(spans, "unknown errno")
    check(odd.status == ERROR and "4242" in odd.events[0].attributes["exception.message"], f"unknown: {odd}")


# ---- Ends ----


@in_c_and_cpp
def a_span_ended_twice_is_exported_once_and_not_changed_after_its_end(play):
    done = play("ending")
    spans = done.spans
    twice = one(spans, "ended twice")
    equal((twice.attributes, twice.events, twice.status), ({"before": 1}, [], 0), "what was written")
    check(twice.end - twice.start < 2_000_000, "the second end counted")
    scoped = one(spans, "ended before its scope")
    equal(scoped.attributes, {}, "what was written to it")
    equal(one(spans, "child of an ended one").parent, scoped.id, "an ended span stays current")
    equal(done.err.count("a span was written to after its end, which changes nothing"), 1, "how often that is said")
    check("malformed" not in done.err and "status Error only" not in done.err, done.err)


# ---- Threads ----


@in_c_and_cpp
def a_context_used_in_another_thread_writes_to_the_same_span(play):
    spans = play("use").spans
    shared, child = one(spans, "shared"), one(spans, "child in the other thread")
    equal(shared.attributes, {"mine": "first", "from": "the other thread"}, "attributes")
    equal([e.name for e in shared.events], ["there", "back"], "events")
    equal((child.parent, child.trace), (shared.id, shared.trace), "the child's parent")
    equal(shared.status, 0, "status")


@in_c_and_cpp
def what_another_thread_hands_over_after_the_end_is_part_of_the_span(play):
    spans = named(play("late_writes").spans, "written late")
    equal(sorted((s.attributes["way"], s.attributes.get("late")) for s in spans),
          [(0, "kept"), (1, "kept"), (2, "kept")], "spans")


@in_c_and_cpp
def a_span_may_be_started_written_and_ended_by_three_threads(play):
    span = one(play("three_threads").spans, "travelling")
    equal((span.attributes, [e.name for e in span.events]), ({"order": 3, "second": 2}, ["written"]), "span")


@in_c_and_cpp
def what_a_thread_holds_is_handed_over_when_it_ends(play):
    done = Run([play("roots").command[-2], "thread_exit"])
    done.line("joined")
    done.arrived("of a thread that ended")
    done.wait()
    check(one(done.spans, "left open by a thread").attributes["otelbpf.cut_short"], "not marked as cut short")


# ---- Manners ----


@in_c_and_cpp
def programs_can_ask_whether_they_are_recorded(play):
    done = play("asking")
    equal(done.out, "recording 1 enabled 1 valid 1\nafter the end 0\n", "with the agent")
    equal(direct(done.command[-2:]).out, "recording 0 enabled 0 valid 0\nafter the end 0\n", "without")


@in_c_and_cpp
def every_call_leaves_errno_as_it_was(play):
    done = play("keeping_errno")
    equal(done.out, "errno changed 0 times\n", "with the agent")
    equal(direct(done.command[-2:]).out, "errno changed 0 times\n", "without")


@in_c_and_cpp
def arguments_are_evaluated_exactly_once_agent_or_not(play):
    done = play("evaluating")
    equal(done.out, "span 5\nstart 4\nset 4\nevent 3\nstatus 2\nfail 1\nwhich 3\nended 1\n", "with the agent")
    equal(direct(done.command[-2:]).out, done.out, "without")
