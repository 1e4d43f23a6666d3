# SPDX-License-Identifier: Apache-2.0
"""Stack traces: taken where the exception is recorded, given names by the agent, also of the dead."""
import os
import re
import shutil

from harness import Run, Seen, build, check, equal, named, one, run, test, wait_until

FRAME = re.compile(r"^    at (\S+)\+0x[0-9a-f]+ \((\S+)\+0x[0-9a-f]+\)$")
NAMELESS = re.compile(r"^    at \?\? \((?:\S+\+)?0x[0-9a-f]+\)$")
NESTED = ["innermost", "middle", "outer", "main"]


def program(name="stack", flags=()):
    return build(name, "stack", flags=flags)


def library():
    return build("libstack.so", "stack", flags=("-DSTACK_LIBRARY", "-shared", "-fPIC"))


def frames(span, index=0):
    """The functions and files of the stack trace of an event, innermost first; None for no name."""
    found = []
    for line in span.events[index].attributes["exception.stacktrace"].split("\n"):
        frame = FRAME.match(line)
        check(frame or NAMELESS.match(line), f"a line of a stack trace: {line!r}")
        found.append(frame.groups() if frame else None)
    return found


def functions(span, index=0):
    return [frame and frame[0] for frame in frames(span, index)]


def names_its_callers(name, flags):
    path = program(name, flags)
    span = one(run([path, "nested"]).spans, "nested")
    equal(frames(span)[:4], [(function, name) for function in NESTED], "the innermost frames")


@test
def a_stack_trace_names_the_callers_in_a_position_independent_program():
    names_its_callers("stack_pie", ("-fPIE", "-pie"))


@test
def a_stack_trace_names_the_callers_in_a_program_at_a_fixed_address():
    names_its_callers("stack_no_pie", ("-fno-pie", "-no-pie"))


@test
def a_stack_trace_names_the_callers_in_a_static_program():
    names_its_callers("stack_static", ("-static", "-Wno-error"))


@test
def a_stack_trace_names_the_callers_in_a_library_that_was_loaded():
    span = one(run([program(), "loads", library()]).spans, "library")
    found = frames(span)
    equal(found[:5], [("in_library", "libstack.so")] * 4 + [("library_entry", "libstack.so")], "frames")
    check(("main", "stack") in found, f"main is not in {found}")


@test
def a_stripped_program_has_frames_without_names():
    path = os.path.join(Seen.folder, "stripped")
    shutil.copy(program(), path)
    os.chmod(path, 0o755)
    run(["strip", path], direct=True)
    span = one(run([path, "nested"]).spans, "nested")
    text = span.events[0].attributes["exception.stacktrace"]
    check(re.match(r"    at \?\? \(stripped\+0x[0-9a-f]+\)\n", text), text)


@test
def the_program_before_and_after_an_exec_and_a_forked_child_have_their_own_names():
    other = program("stack_no_pie", ("-fno-pie", "-no-pie"))
    spans = run([other, "executes", program()]).spans
    equal(frames(one(spans, "before the exec"))[:4], [(f, "stack_no_pie") for f in NESTED], "before")
    equal(frames(one(spans, "nested"))[:4], [(f, "stack") for f in NESTED], "after")
    equal(functions(one(run([program(), "forked"]).spans, "forked"))[:4], NESTED, "in a child")


def opened(pid):
    """The files that a process has open."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            pass
    return found


@test
def a_program_that_is_deleted_while_it_runs_has_names():
    path = os.path.join(Seen.folder, "short_lived")
    shutil.copy(program(), path)
    os.chmod(path, 0o755)
    running = Run([path, "waits"])
    running.line("ready")
    # A program that is gone before the agent has come to open it for its names has none: once to attach, once for them.
    wait_until(lambda: opened(running.pid).count(path) >= 2, "the agent to open the program")
    os.remove(path)
    running.tell()
    equal(functions(one(running.wait().spans, "waits"))[:4], NESTED, "frames")


@test
def a_stack_trace_belongs_to_its_own_event():
    span = one(run([program(), "several"]).spans, "several")
    equal([e.name for e in span.events], ["before", "exception", "after", "not an exception"], "events")
    equal(["exception.stacktrace" in e.attributes for e in span.events], [False, True, False, True], "traces")
    equal(functions(span, 1)[:3], ["innermost", "several", "main"], "frames of the exception")
    equal(functions(span, 3)[:2], ["several", "main"], "frames of the other event")


@test
def a_stack_trace_that_the_program_gives_itself_stays():
    span = one(run([program(), "own_text"]).spans, "own text")
    equal(span.events[0].attributes["exception.stacktrace"], "mine", "stack trace")


@test
def a_stack_trace_from_another_thread_belongs_to_its_event():
    span = one(run([program(), "threads"]).spans, "threads")
    equal(sorted(e.attributes["exception.type"] for e in span.events), ["DeepError"] * 3, "events")
    traces = [functions(span, i) for i in range(3)]
    equal([trace[0] for trace in traces], ["innermost"] * 3, "where they were recorded")
    equal(sorted(trace[1] for trace in traces), ["in_thread", "in_thread", "threads"], "their callers")


@test
def a_stack_trace_is_cut_like_other_values():
    done = run([program(), "nested"], env={"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "20"})
    equal(one(done.spans, "nested").events[0].attributes["exception.stacktrace"], "    at innermost+0xe9"[:20],
          "stack trace")


@test
def many_processes_that_end_at_once_all_have_names():
    spans = run([program(), "many"], ("--ring-size", "64M")).spans
    equal(len(named(spans, "nested")), 200, "spans")
    for span in named(spans, "nested"):
        equal(functions(span)[:4], NESTED, "frames")
