# SPDX-License-Identifier: Apache-2.0
"""Tracers that the operator switches off: nothing in running processes, where the kernel can write to them."""
import os

from harness import Run, Seen, build, check, contains, equal, one, run, test, wait_until
from serving import BpfFs


def settings(text):
    path = os.path.join(Seen.folder, "settings")
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(text)
    os.rename(path + ".new", path)
    return path


def change(running, text, count):
    """Changes the settings, and waits until the agent has said that they are so."""
    settings(text)
    wait_until(lambda: running.err.count("settings changed") >= count, "the agent's word")


def round_of(spans, n):
    return [s for s in spans if s.attributes.get("round") == n]


def one_round(running, n):
    running.tell()
    said = running.line(f"round {n}: ")
    running.arrived("outer", n + 1)
    return said


def names(spans):
    return sorted(s.name for s in spans)


def parents(spans):
    """Names of spans, with those of their parents; "": a root; "?": one that was not exported."""
    by_id = {s.id: s.name for s in spans}
    return {s.name: by_id.get(s.parent, "?") if s.parent else "" for s in spans}


ALL = {"outer": "", "noisy": "outer", "inner": "noisy", "const": "inner", "made": "const", "innermost": "made",
       "detached": "", "below the detached": "detached"}
WITHOUT_NOISY = {"outer": "", "inner": "outer", "innermost": "inner", "below the detached": ""}


def for_all_compilers(function):
    def all_of_them():
        for compiler, flags, name in (("gcc", (), "pie"), ("gcc", ("-no-pie",), "no_pie"), ("clang", (), "pie"),
                                      ("gcc", ("-static-pie",), "static"), ("g++", (), "cpp"),
                                      ("gcc", ("-Wl,-z,pack-relative-relocs",), "relr")):
            function(build(f"tracers_{compiler}_{name}", "tracers.c", compiler, flags))
    all_of_them.__name__ = function.__name__
    return test(all_of_them)


@for_all_compilers
def a_tracer_is_switched_off_and_on_in_a_running_process(path):
    running = Run([path], ["--settings", settings("sampler always_on\n")])
    on = "noisy 1 quiet 1 const 1 made 1, off 0"
    equal(one_round(running, 0), on, "enabled")
    change(running, "tracer noisy.* off\n", 1)
    # What the kernel cannot write to is switched off by the agent alone.
    equal(one_round(running, 1), "noisy 0 quiet 1 const 1 made 1, off 1", "enabled")
    change(running, "tracer noisy.* on\n", 2)
    last = 2
    while one_round(running, last) != on:  # soon: the kernel waits until nobody runs the probe any more
        last += 1
        check(last < 1000, "the tracer is not enabled again")
    running.wait()
    for n, expected in ((0, ALL), (1, WITHOUT_NOISY), (last, ALL)):
        equal(parents(round_of(running.spans, n)), expected, f"round {n}")


@test
def a_tracer_that_is_off_at_the_start_is_off_from_the_first_instruction():
    done = run([build("tracers"), "once"], ["--settings", settings("tracer noisy.* off\n"), "--verbose"])
    contains(done.out, "round 0: noisy 0 quiet 1")
    equal(parents(done.spans), WITHOUT_NOISY, "spans")
    # Those that the application did not leave out itself.
    contains(done.err, "2  their tracer is switched off", "the books")
    contains(done.err, "the books balance")
    # Processes that start later have it, too.
    done = run(["sh", "-c", f"{build('tracers')} once; {build('tracers')} once"],
               ["--settings", settings("tracer noisy.* off\n")])
    equal(done.out.count("round 0: noisy 0"), 2, "processes that saw it")


@test
def when_the_agent_is_killed_all_tracers_are_on_again():
    running = Run([build("tracers")], ["--settings", settings("tracer noisy.* off\n")])
    equal(one_round(running, 0), "noisy 0 quiet 1 const 1 made 1, off 1", "with the agent")
    running.process.kill()
    said = []

    def on_again():
        running.tell()
        said.append(running.out)
        return ", off 0" in said[-1]

    wait_until(on_again, "the kernel to take it back")


@test
def spans_that_an_agent_left_out_before_it_was_killed_are_in_the_next_ones_count():
    program, bpf = Run([build("tracers")], direct=True), BpfFs()
    program.serves = program.pid
    killed = bpf.attach(program, options=("--pin", "--settings", settings("tracer noisy.* off\n")))
    program.tell()
    program.line("round 0: noisy 0")
    killed.arrived("outer")
    killed.process.kill()
    killed.wait()
    agent = bpf.attach()
    wait_until(lambda: "had left 2 spans out: their tracer is switched off" in agent.err, "the count")
    agent.stop()
    bpf.detach()
