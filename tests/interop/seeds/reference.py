# SPDX-License-Identifier: Apache-2.0
"""What reference.cpp does, with OpenTelemetry for Python."""
import oracle
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace import set_span_in_context
from opentelemetry.trace.span import TraceState

oracle.begin()
tracer = trace.get_tracer("reference", "0.5", schema_url="https://opentelemetry.io/schemas/1.21.0")

with tracer.start_as_current_span("parent") as parent:
    with tracer.start_as_current_span("child"):
        pass
    context = set_span_in_context(parent)
    child = tracer.start_span("detached child", context=context)
    try:
        child.add_event("work")
    finally:
        child.end()

with tracer.start_as_current_span("one") as parent:
    parent.add_event("parent's event")
    with tracer.start_as_current_span("two") as child:
        child.add_event("child's event")
        trace.get_current_span().set_attribute("current", "two")
    trace.get_current_span().set_attribute("current", "one")

with tracer.start_as_current_span("around"):
    with tracer.start_span("one") as child:
        child.add_event("child's event")
        trace.get_current_span().set_attribute("current", "around")

span = tracer.start_span("equivalent")
with trace.use_span(span, end_on_exit=True):
    with tracer.start_as_current_span("below"):
        pass
span.end(1)
span.set_attribute("too", "late")

with tracer.start_as_current_span("other") as other:
    link = other.get_span_context()
    span = tracer.start_span(
        "all options", context=Context(), kind=SpanKind.PRODUCER,
        attributes={"string": "s", "bool": True, "int": -7, "float": 1.5, "strings": ["a", "b"],
                    "bools": [True, False], "ints": [1, 2], "floats": [0.5, 2.0]},
        links=[Link(link), Link(link, {"n": 1})], start_time=123)
    span.set_attributes({"int": 8, "more": "of them"})
    span.add_event("timed", {"a": 1}, timestamp=200)
    span.add_event("untimed")
    span.update_name("renamed")
    span.end(456)

for kind in SpanKind:
    with tracer.start_as_current_span("kind", kind=kind):
        pass

ok, error, unset = StatusCode.OK, StatusCode.ERROR, StatusCode.UNSET
for name, calls in {
    "unset": [],
    "ok": [(ok, None)],
    "error": [(error, "no good")],
    "error then error": [(error, "one"), (error, "two")],
    "error then ok": [(error, "one"), (ok, None)],
    "ok then error": [(ok, None), (error, "one")],
    "error then unset": [(error, "one"), (unset, None)],
    "ok with text": [(ok, "dropped")],
}.items():
    with tracer.start_as_current_span(name) as span:
        for call in calls:
            span.set_status(Status(*call))


def thrown(name, record_exception, set_status_on_exception):
    try:
        with tracer.start_as_current_span(name, record_exception=record_exception,
                                          set_status_on_exception=set_status_on_exception):
            raise ValueError("raised")
    except ValueError:
        pass


with tracer.start_as_current_span("recorded") as span:
    span.record_exception(ValueError("recorded"), {"more": 1}, timestamp=300)
    thrown("raised", True, True)
    thrown("no event", False, True)
    thrown("no status", True, False)
    thrown("neither", False, False)
    try:
        with tracer.start_as_current_span("set before") as before:
            before.set_status(Status(error, "by hand"))
            raise ValueError("raised")
    except ValueError:
        pass

remote = SpanContext(0xdeadbeef, 0xdeadbef0, True, TraceFlags(TraceFlags.SAMPLED), TraceState([("vendor", "1")]))
wrapped = NonRecordingSpan(remote)
wrapped.set_attribute("lost", True)
wrapped.add_event("lost")
wrapped.end()
again = wrapped.get_span_context()
oracle.say(trace.format_trace_id(remote.trace_id), trace.format_span_id(remote.span_id), int(remote.is_remote),
           int(remote.trace_flags.sampled), int(remote.is_valid))
oracle.say(int(wrapped.is_recording()), int(again.is_valid))


def print_state(state):
    oracle.say(len(state), f"[{state.to_header()}]")


print_state(remote.trace_state)
with tracer.start_as_current_span("below a remote one", context=set_span_in_context(wrapped)) as child:
    oracle.say(int(child.get_span_context().is_remote))
with tracer.start_as_current_span("linked to a remote one", links=[Link(remote, {"n": 1})]):
    pass
none = trace.get_current_span().get_span_context()
oracle.say(trace.format_trace_id(none.trace_id), trace.format_span_id(none.span_id), int(none.is_valid),
           int(trace.get_current_span().is_recording()))

state = TraceState.from_header(["a=1,b=2", "c=3"])
print_state(TraceState.get_default())
print_state(state)
print_state(TraceState.from_header(["foo=1,,bar=2 ", " "]))
print_state(TraceState.from_header(["a=1,b"]))
print_state(TraceState.from_header(["a=1,a=2"]))
print_state(state.add("d", "4"))
print_state(state.add("a", "again"))
print_state(state.add("Not a key", "1"))
print_state(state.add("e", "not,a,value"))
print_state(state.update("b", "new"))
print_state(state.delete("b"))
print_state(state.delete("z"))
oracle.say(len(state.get("c")), state.get("c"))
full = TraceState()
for i in range(40):
    full = full.add(f"key{i}", "v")
oracle.say(len(full))
oracle.say(len(full.update("one-too-many", "v")))
oracle.end()
