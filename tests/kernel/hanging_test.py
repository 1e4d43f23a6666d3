# SPDX-License-Identifier: Apache-2.0
"""Files, command lines and memory that an application can have never come: the agent does not wait for them."""
import os
import signal
import tempfile
import time

from harness import Run, Seen, Skip, build, check, children, command_pid, contains, equal, named, one, run, test, wait_until


def folder():
    if not os.path.exists("/dev/fuse"):
        raise Skip("no /dev/fuse")
    return tempfile.mkdtemp(prefix="a folder ", dir=Seen.folder)


def goes_on(running, said):
    """The neighbour's spans arrive all the while, and the agent ends in time."""
    running.line("ready")
    wait_until(lambda: said in running.err, said)
    running.arrived("beside", len(named(running.spans, "beside")) + 50, seconds=5)
    command = command_pid(running.pid)
    for pid in [*children(command), command]:  # who has such a file open cannot end before its server
        os.kill(pid, signal.SIGKILL)
    begin = time.monotonic()
    running.wait()
    check(time.monotonic() - begin < 5, f"the agent took {time.monotonic() - begin} s to end")
    return running


def hanging(user, how="hang"):
    return Run([build("fuse"), build("fuse"), folder(), user, how])


@test
def a_file_that_a_users_daemon_does_not_serve_does_not_stop_the_agent():
    done = goes_on(hanging("1000"), "user 1000")
    equal(done.err.count("user 1000"), 1, f"times that it is said: {done.err}")
    contains(done.err, "fuse.hanging", "what is said")
    contains(done.err, "a folder ", "where it is said to be")


@test
def a_file_that_a_user_namespaces_root_does_not_serve_does_not_stop_the_agent():
    goes_on(hanging("own"), "fuse.hanging")


@test
def a_program_on_what_root_mounted_is_recorded_and_one_on_what_a_user_mounted_is_not():
    done = run([build("fuse"), build("fuse"), folder(), "0", "run"])
    one(done.spans, "served")
    equal(done.err, "", "complaints")
    done = run([build("fuse"), build("fuse"), folder(), "1000", "run"])
    equal(done.spans, [], "spans")
    contains(done.err, "served is not attached to: it is on a file system (fuse.hanging")
    contains(done.err, "1 time, a file")


@test
def a_file_that_is_mounted_nowhere_any_more_does_not_stop_the_agent():
    goes_on(hanging("1000", "gone"), "nobody knows what file system")


@test
def an_overlay_above_what_a_users_daemon_does_not_serve_does_not_stop_the_agent():
    goes_on(hanging("own", "overlay"), "overlay")


def command_line(how):
    victim = Run([build("fuse"), build("fuse"), folder(), "1000", how], direct=True)
    victim.line("ready")
    agent = Run([], ["-p", str(victim.pid)], agent="attach")
    agent.arrived("beside", 50, seconds=5)
    begin = time.monotonic()
    agent.process.send_signal(signal.SIGTERM)
    agent.wait()
    check(time.monotonic() - begin < 5, f"the agent took {time.monotonic() - begin} s to end")
    for pid in [*children(victim.pid), victim.pid]:
        os.kill(pid, signal.SIGKILL)
    span = named(agent.spans, "beside")[0]
    equal(span.resource.get("process.command"), build("fuse"), "process.command")


@test
def a_command_line_on_a_file_that_never_comes_does_not_stop_the_agent():
    command_line("words")


@test
def a_command_line_that_a_userfaultfd_never_brings_does_not_stop_the_agent():
    command_line("fault")
