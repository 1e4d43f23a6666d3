# SPDX-License-Identifier: Apache-2.0
"""otel-bpf attach: processes that run already are recorded, with their descendants, and nobody else."""
import os
import signal
import time

from harness import AGENT, Run, build, check, contains, equal, named, one, test, wait_until
from serving import Attach, Serve


def refused(*options):
    done = Run([], options, agent="attach").wait()
    equal(done.process.returncode, 125, "exit status")
    return done.err


@test
def a_running_process_is_recorded_from_attach_on_and_is_a_no_op_before_and_after():
    program = Serve()
    equal(program.span("before"), 0, "recorded before")
    agent = Attach(program)
    equal(program.span("while"), 1, "recorded while attached")
    off = program.off_after(agent.process.terminate)
    check(off < 5000, f"semaphores are set for {off} ms after SIGTERM")
    equal(program.span("after"), 0, "recorded after")
    equal(agent.wait().process.returncode, 0, "exit status")
    span = one(agent.spans, "while")
    equal((len(agent.spans), span.resource["process.pid"]), (1, program.serves), "spans, process")
    equal(span.resource["service.name"], "unknown_service:serve", "service.name")


@test
def a_process_whose_main_thread_has_ended_is_recorded_while_others_run():
    program = Serve()
    program.ask("leave", "left")
    wait_until(lambda: "(zombie)" in open(f"/proc/{program.serves}/status").read(), "the main thread's end")
    agent = Attach(program)
    equal(program.span("without main"), 1, "recorded")
    program.open("open")
    program.process.kill()
    wait_until(lambda: named(agent.spans, "open"), "what the process leaves when it is killed")
    agent.stop()
    span = one(agent.spans, "without main")
    equal(span.resource["process.executable.path"], program.command[0], "process.executable.path")
    equal(span.resource["service.name"], "unknown_service:serve", "service.name")
    check("otelbpf.cut_short" in one(agent.spans, "open").attributes, "the open span was cut short")


@test
def what_a_process_holds_that_dies_before_it_hands_anything_to_the_second_agent_is_recorded():
    program = Serve()
    first = Attach(program)
    equal(program.span("first"), 1, "recorded")
    first.stop()
    second = Attach(program)
    program.open("held")
    equal(program.span("inside"), 1, "recorded")
    os.kill(program.serves, signal.SIGKILL)
    second.wait()
    equal(sorted(s.name for s in second.spans), ["held", "inside"], "spans")
    check("otelbpf.cut_short" in one(second.spans, "held").attributes, "the open span was cut short")


@test
def what_was_open_before_attaching_changes_nothing_and_keeps_its_children():
    program = Serve()
    equal(program.open("unknown"), 0, "recorded")
    agent = Attach(program)
    program.close()
    equal(program.span("child"), 1, "recorded")
    agent.stop()
    equal([s.name for s in agent.spans], ["child"], "spans")
    check("lost" not in agent.err and "malformed" not in agent.err, agent.err)


@test
def what_a_program_said_of_itself_is_known_to_agents_that_come_later():
    program = Serve()
    program.ask("resource by the program", "said")
    agent = Attach(program)
    equal(program.span("parent"), 1, "recorded")
    agent.stop()
    program.ask("fork", "child")
    later = Attach(program)
    equal(program.span("child"), 1, "recorded")
    later.stop()
    equal([it.resource.get("said") for it in (one(agent.spans, "parent"), one(later.spans, "child"))],
          ["by the program"] * 2, "what the program said")


@test
def a_span_of_an_agent_before_ends_with_the_next_one_and_is_no_loss():
    program = Serve()
    before = Attach(program)
    equal(program.open("across"), 1, "recorded")
    # The next operation finds the record old, and hands it over.
    time.sleep(0.15)
    program.span("between")
    before.stop()
    after = Attach(program)
    equal(program.span("child"), 1, "recorded")
    program.close()
    after.stop()
    equal(named(after.spans, "across"), [], "what only ends")
    across, child = one(before.spans, "across"), one(after.spans, "child")
    equal(child.parent, across.id, "parent")
    equal(across.attributes.get("otelbpf.incomplete"), True, "the span that its agent saw no end of")
    check("lost" not in after.err and "malformed" not in after.err, after.err)


def holds_what_was_exported(program, agent):
    """The thread has handed over neither, but a look has found them."""
    equal(program.open("open"), 1, "recorded")
    program.span("quiet")
    agent.arrived("quiet")


@test
def what_an_agent_before_has_exported_is_not_exported_again():
    program = Serve()
    before = Attach(program)
    holds_what_was_exported(program, before)
    before.stop()
    after = Attach(program)
    equal(program.span("child"), 1, "recorded")
    program.close()
    after.stop()
    equal(sorted(s.name for s in before.spans), ["open", "quiet"], "spans of the first agent")
    equal(one(before.spans, "open").attributes.get("otelbpf.incomplete"), True, "the span that its agent saw no end of")
    equal([s.name for s in after.spans], ["child"], "spans of the second agent")
    check("lost" not in after.err and "malformed" not in after.err, after.err)


@test
def what_an_agent_that_was_killed_has_exported_is_not_exported_again():
    program = Serve()
    before = Attach(program)
    holds_what_was_exported(program, before)
    before.process.kill()
    before.wait()
    program.ask("off", "off")
    after = Attach(program)
    program.close()
    equal(program.span("after"), 1, "recorded")
    equal([s.name for s in after.stop().spans], ["after"], "spans of the second agent")
    check("lost" not in after.err and "malformed" not in after.err, after.err)


@test
def children_that_run_already_and_those_that_start_later_are_recorded_and_nobody_else():
    program, stranger = Serve(), Serve()
    parent = program.serves
    child = int(program.ask("fork", "child"))
    agent = Attach(program)
    equal(program.span("child"), 1, "recorded")
    grandchild = int(program.ask("fork", "child"))
    program.span("grandchild")
    stranger.span("stranger")
    program.ask("exec " + build("family"), "ended")
    wait_until(lambda: program.ask("exec " + build("family"), "ended") == "" and named(agent.spans, "once"),
               "a span of a program that was started later")
    os.kill(parent, signal.SIGKILL)
    agent.stop()
    equal({s.name for s in agent.spans}, {"child", "grandchild", "once"}, "spans")
    equal(one(agent.spans, "child").resource["process.pid"], child, "process of the child")
    equal(one(agent.spans, "grandchild").resource["process.pid"], grandchild, "process of the grandchild")


@test
def attach_ends_when_all_its_processes_have_ended():
    first, second = Serve(), Serve()
    agent = Attach(first, second)
    first.span("first")
    first.wait()
    second.span("second")
    agent.arrived("second")
    check(agent.process.poll() is None, "the agent has ended before the last process")
    second.wait()
    equal(agent.wait().process.returncode, 0, "exit status")
    equal(sorted(s.name for s in agent.spans), ["first", "second"], "spans")


@test
def a_program_that_forks_and_ends_all_the_time_is_attached_to_whole():
    storm = Run([build("storm")], direct=True)
    pid = int(storm.line("storm"))
    agent = Run([], ["-p", str(pid)], agent="attach")
    wait_until(lambda: "recorded" in agent.err, "the agent")
    # Every generation after the attach is recorded: no pid that is gone stays in the table, either.
    agent.arrived("generation", 50)
    storm.tell("stop\n")
    equal(agent.wait().process.returncode, 0, "exit status")
    storm.wait()
    numbers = sorted(s.attributes["n"] for s in named(agent.spans, "generation"))
    equal(numbers, list(range(numbers[0], numbers[-1] + 1)), "generations without a hole")


@test
def agents_that_attach_while_processes_come_and_go_do_not_wait_for_those_that_are_gone():
    storm = Run([build("storm"), "8"], direct=True)
    pid = storm.line("storm")
    agents = [Run([], ["-p", pid], agent="attach", exporter="none") for _ in range(5)]
    for agent in agents:
        wait_until(lambda agent=agent: "recorded" in agent.err, "the agent")
    storm.tell("stop\n")
    storm.wait()
    for agent in agents:
        equal(agent.wait().process.returncode, 0, "exit status")


@test
def what_cannot_be_attached_to_is_named_and_does_not_keep_the_others_from_it():
    gone = Serve()
    gone.wait()
    contains(refused("-p", str(gone.serves)), f"there is no process {gone.serves}")
    contains(refused("-p", "2"), "a thread of the kernel")
    contains(refused("-p", "x"), "not a pid")
    contains(refused("-p", "-1"), "not a pid")
    contains(refused(), "no process to record")
    contains(refused("-p", str(os.getpid()), "sleep"), "not an option")
    program = Serve(1)
    thread, = [it for it in os.listdir(f"/proc/{program.serves}/task") if int(it) != program.serves]
    contains(refused("-p", thread), f"{thread} is a thread of process {program.serves}")
    agent = Attach(program, options=["-p", "2", "-p", str(gone.serves)])
    equal(program.span("span"), 1, "recorded")
    one(agent.stop().spans, "span")


@test
def in_a_pid_namespace_of_its_own_attach_says_where_to_run_it():
    done = Run(["unshare", "--pid", "--fork", "--mount-proc", AGENT, "attach", "-e", "none", "-p", "1"],
               direct=True).wait()
    equal(done.process.returncode, 125, "exit status")
    contains(done.err, "run it in the host's")


@test
def without_privileges_attach_says_what_is_missing():
    done = Run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--",
                AGENT, "attach", "-e", "none", "-p", str(os.getpid())], direct=True).wait()
    equal(done.process.returncode, 125, "exit status")
    contains(done.err, "setcap")


@test
def what_a_quiet_thread_holds_is_looked_at_although_its_process_says_nothing():
    program = Serve()
    before = Attach(program)
    program.span("has a buffer from now on")
    before.stop()
    agent = Attach(program)
    program.open("open")  # while it is, nothing is handed over
    program.span("quiet")
    began = time.monotonic()
    agent.arrived("quiet")
    check(time.monotonic() - began < 3, "it took too long")
    equal(named(agent.spans, "has a buffer from now on"), [], "of the agent before")
    agent.stop()


@test
def agents_that_are_stopped_under_load_take_all_that_was_recorded():
    # Each stops while all threads record: what they hand over last must be heard, too.
    program, agents = Serve(4), []
    program.work(50)
    for _ in range(5):
        agents.append(Attach(program, options=["--ring-size", "64M"]))
        agents[-1].arrived("work", 100)
        agents[-1].stop()
    recorded = program.rest()
    spans = [s for agent in agents for s in agent.spans]
    equal(len({s.id for s in spans}), recorded, "different spans")
    equal(len(spans), recorded, "spans, and those whose agent ended in the middle of them")
    for agent in agents:
        check(not any(it in agent.err for it in ("were lost", "did not arrive", "balance")), agent.err)
