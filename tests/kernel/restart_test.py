# SPDX-License-Identifier: Apache-2.0
"""Agents that are killed, stopped and started again: applications do not notice, and nothing is lost in silence."""
import json
import os
import random
import re
import signal
import time

from harness import AGENT, Run, build, check, contains, direct, equal, named, one, test, wait_until
from serving import Attach, BpfFs, Serve


@test(alone=True)
def after_an_agent_was_killed_applications_are_no_ops_at_once_and_the_next_agent_picks_them_up():
    program = Serve(2)
    off = []
    for n in range(3):
        agent = Attach(program)
        program.work(100)
        program.open(f"open {n}")
        equal(program.span(f"while {n}"), 1, "recorded")
        off.append(program.off_after(agent.process.kill))
        program.rest()
        equal(program.span("between"), 0, "recorded while nobody listens")
    check(sorted(off)[1] < 100 and max(off) < 1000, f"the semaphores were set for {off} ms")
    last = Attach(program)
    equal(program.span("picked up"), 1, "recorded")
    program.close()
    last.stop()
    equal(named(last.spans, "between"), [], "spans of when nobody listened")
    one(last.spans, "picked up")
    check("lost" not in last.err and "malformed" not in last.err, last.err)
    ids = [s.id for s in last.spans]
    equal(len(ids), len(set(ids)), "different ids")


@test
def what_threads_cannot_keep_any_more_while_an_agent_ends_is_not_lost():
    program = Serve()
    for _ in range(3):
        agent = Attach(program)
        program.ask("brim", "brimming")
        agent.arrived("drop", 100)
        agent.stop()
        equal(len(agent.spans), int(program.ask("brimmed", "brimmed")), "spans")
        check("lost" not in agent.err, agent.err)


# ---- Pinned ----


@test
def without_a_bpf_file_system_pin_says_how_to_mount_one():
    done = Run([], ["--pin=/tmp", "-p", str(os.getpid())], agent="attach").wait()
    equal(done.process.returncode, 125, "exit status")
    contains(done.err, "mount -t bpf bpf /sys/fs/bpf")


@test
def what_is_pinned_goes_on_recording_while_no_agent_runs():
    program, bpf = Serve(), BpfFs()
    bpf.attach(program).stop()
    equal(program.span("nobody is there"), 1, "recorded")
    child = int(program.ask("fork", "child"))
    equal(program.span("of a child"), 1, "recorded")
    os.kill(program.serves, signal.SIGKILL)
    agent = bpf.attach()
    one(agent.arrived("nobody is there"), "nobody is there")
    equal(one(agent.arrived("of a child"), "of a child").resource["process.pid"], child, "its process")
    equal(program.span("somebody is there"), 1, "recorded")
    agent.stop()
    done = bpf.detach()
    wait_until(lambda: not program.span("detached"), "the end of recording")
    equal(bpf.pinned(), [], "what is left")
    spans = agent.spans + done.spans
    equal(sorted(s.name for s in spans), ["nobody is there", "of a child", "somebody is there"], "spans")
    equal([it for it in (agent.err + done.err).splitlines() if "lost" in it], [], "complaints")


# For what is recorded while no agent runs, on a busy machine, too.
ROOM = ("--pin", "--ring-size", "128M")


def complaints(agent):
    """What it says beside what is going on."""
    return [line for line in agent.err.splitlines()
            if not any(it in line for it in (" recorded", "are taken over", "spans were lost with"))]


@test
def agents_that_are_restarted_in_order_under_load_lose_nothing_and_repeat_nothing():
    program, bpf, agents = Serve(4), BpfFs(), []
    agents.append(bpf.attach(program, options=ROOM))
    program.open("across all of them")
    program.work(500)
    for _ in range(5):
        agents[-1].stop()
        agents.append(bpf.attach())
    recorded = program.rest() + 1
    program.close()
    agents[-1].arrived("across all of them")
    agents[-1].stop()
    agents.append(bpf.detach())
    spans = [s for agent in agents for s in agent.spans]
    for agent in agents:
        equal(complaints(agent), [], "complaints")
    equal((len(spans), len({s.id for s in spans})), (recorded, recorded), "spans, different ids")
    across = one(spans, "across all of them")
    equal(across.attributes, {"at": "start", "at the": "end"}, "attributes of the span that was open")
    equal({s.resource["service.instance.id"] for s in spans}, {across.resource["service.instance.id"]},
          "one instance")
    check(all(s.start <= s.end and len(s.events) == (s.name == "work") for s in spans), "spans that are not whole")
    parents = {s.id for s in named(spans, "request")}
    check(all(s.parent in parents for s in named(spans, "work")), "spans without their parent")


def number(text, *patterns):
    """The sum of what the patterns find in the text; each has one group."""
    return sum(int(found) for pattern in patterns for found in re.findall(pattern, text))


@test
def what_is_lost_with_agents_that_are_killed_under_load_is_counted_exactly():
    program, bpf, agents = Serve(4), BpfFs(), []
    agents.append(bpf.attach(program, options=ROOM))
    program.open("never exported")
    program.work(300)
    for i in range(5):
        before = len(agents[-1].spans)
        wait_until(lambda: len(agents[-1].spans) > before, "spans")
        time.sleep(0.03 * i)  # at another moment of its doings each time
        agents[-1].process.kill()
        agents[-1].wait()
        agents.append(bpf.attach())
    recorded = program.rest() + 1
    program.close()
    status = json.loads(direct([AGENT, "status", "--json", "--pid", str(agents[-1].process.pid)]).out)
    equal(status[0]["spans"]["lost"].get("not_handed_over", 0), 0, "taken for lost by the status")
    agents[-1].stop()
    agents.append(bpf.detach())
    lost = sum(number(a.err, r"(\d+) spans were lost with the agent that was killed") for a in agents)
    unknown = sum(number(a.err, r"(\d+) more were on their way then") for a in agents)
    spans = [s for agent in agents for s in agent.spans]
    ids = {s.id for s in spans}
    equal(len(ids), len(spans), "different ids")
    check(0 <= recorded - len(ids) - lost <= unknown,
          f"{recorded} recorded, {len(ids)} exported, {lost} lost, {unknown} unknown: "
          f"{recorded - len(ids) - lost} are missing")
    check(lost > 0, "the test itself: nothing was lost")
    for agent in agents:
        equal([line for line in agent.err.splitlines() if "not handed over" in line], [], "taken for lost once more")
    equal(named(spans, "never exported"), [], "the span that was open")


def span_ids(agent):
    """Of all that it has exported: too many to look at each."""
    with open(agent.file, encoding="ascii") as file:
        text = file.read()
    return re.findall(r'"spanId":"([0-9a-f]{16})"', text[:text.rfind("\n") + 1])


def check_flood(end, times, staying, coming):
    """
    Agents end by end() one after the other, while so many threads that stay, and processes of threads that come and
    go, make more than a small ring takes: all spans are counted.
    """
    stays, comes, bpf, agents = Serve(staying), Serve(coming, "torrent"), BpfFs(), []
    agents.append(bpf.attach(stays, comes, options=("--pin", "--ring-size", "64K")))
    stays.work(0)
    comes.ask("work", "working")
    for _ in range(times):
        size = os.path.getsize(agents[-1].file)
        wait_until(lambda: os.path.getsize(agents[-1].file) > size, "spans")
        time.sleep(0.1 * random.random())  # at another moment of its doings each time
        end(agents[-1].process)
        agents[-1].wait()
        agents.append(bpf.attach())
    recorded = stays.rest() + int(comes.ask("rest", "recorded"))
    agents[-1].stop()
    agents.append(bpf.detach())
    said = "".join(agent.err for agent in agents)
    lost = number(said, r"(\d+) spans were lost with the agent that was killed", r" (\d+)  lost: ",
                  r"had counted (\d+) spans as lost before")
    ids = [it for agent in agents for it in span_ids(agent)]
    equal(len(set(ids)), len(ids), "different ids")
    check(lost > recorded / 10, f"only {lost} of {recorded} were lost: this was no overload")
    # What was on its way is one line, which is there or is not.
    possible = {0}
    for n in re.findall(r"(\d+) more were on their way then", said):
        possible |= {it + int(n) for it in possible}
    missing = recorded - len(ids) - lost
    check(missing in possible, f"{missing} of {recorded} spans are in no count; possible were {sorted(possible)}")


@test
def of_a_flood_what_agents_that_are_killed_have_lost_is_counted_exactly():
    check_flood(lambda process: process.kill(), 6, 3, "1 3 40")


@test
def of_a_flood_of_short_lives_what_agents_that_are_killed_have_lost_is_counted_exactly():
    check_flood(lambda process: process.kill(), 15, 0, "2 4 50")


@test
def of_a_flood_what_agents_that_are_restarted_in_order_lose_is_counted_exactly():
    check_flood(lambda process: process.terminate(), 3, 3, "1 3 40")


@test
def what_was_looked_at_by_an_agent_that_was_killed_is_not_taken_again():
    program, bpf = Serve(), BpfFs()
    first = bpf.attach(program)
    program.open("open")
    program.span("quiet")
    first.arrived("quiet")
    first.process.kill()
    second = bpf.attach()
    contains(second.err, "1 spans were lost with the agent that was killed at 20")
    program.span("handed over with the rest")
    program.close()
    second.stop()
    done = bpf.detach()
    equal(sorted(s.name for s in second.spans + done.spans), ["handed over with the rest"], "spans")


@test
def a_checkpoint_that_is_damaged_is_refused_and_what_was_in_it_is_counted():
    program, bpf = Serve(), BpfFs()
    bpf.attach(program).stop()
    program.open("open")
    agent = bpf.attach()
    program.span("hands over")
    agent.arrived("hands over")
    agent.stop()
    Run([*bpf.prefix, build("other_build"), "/sys/fs/bpf/otel-bpf/checkpoint"], direct=True).wait()
    agent = bpf.attach()
    contains(agent.err, "cannot go on from the checkpoint of the agent before: it is damaged")
    contains(agent.err, "1 spans were lost that were open when the agent before ended at 20")
    equal(program.span("after"), 1, "recorded")
    program.close()
    agent.stop()
    bpf.detach()


@test
def images_are_not_attached_to_twice_and_a_sampler_that_changed_is_taken():
    program, bpf = Serve(), BpfFs()
    bpf.attach(program).stop()
    before = bpf.pinned()
    bpf.attach().stop()
    equal(bpf.pinned(), before, "what is pinned")
    bpf.attach(env={"OTEL_TRACES_SAMPLER": "always_off"}).stop()
    wait_until(lambda: not program.span("off"), "the kernel to take the old control bits back")
    bpf.attach(env={"OTEL_TRACES_SAMPLER": "always_on"}).stop()
    equal(program.span("on"), 1, "recorded")
    done = bpf.detach()
    one(done.spans, "on")


@test
def programs_started_while_no_agent_runs_are_attached_to_by_the_next():
    program, bpf = Serve(), BpfFs()
    bpf.attach(program).stop()
    agent = bpf.attach()
    program.ask("exec " + build("family"), "ended")
    wait_until(lambda: program.ask("exec " + build("family"), "ended") == "" and named(agent.spans, "once"),
               "a span of a program that was started later")
    agent.stop()
    bpf.detach()


@test
def of_two_agents_on_one_directory_the_second_is_refused():
    program, bpf = Serve(), BpfFs()
    first = bpf.attach(program)
    second = bpf.attach(program, ready=None).wait()
    equal(second.process.returncode, 125, "exit status")
    contains(second.err, "another otel-bpf uses /sys/fs/bpf/otel-bpf")
    contains(bpf.detach(status=125).err, "another otel-bpf uses")
    equal(program.span("first"), 1, "recorded")
    one(first.arrived("first"), "first")
    first.stop()
    bpf.detach()


@test
def a_killed_agent_leaves_what_is_pinned_to_the_next():
    program, bpf = Serve(), BpfFs()
    bpf.attach(program).process.kill()
    equal(program.span("meanwhile"), 1, "recorded")
    agent = bpf.attach()
    one(agent.arrived("meanwhile"), "meanwhile")
    agent.stop()
    bpf.detach()


@test
def after_a_killed_agent_the_next_one_knows_what_the_program_says_of_itself():
    program, bpf = Serve(env={"OTEL_SERVICE_NAME": "shop"}), BpfFs()
    for name in ("first", "second"):
        agent = bpf.attach(*([program] if name == "first" else []))
        program.span(name)
        equal(one(agent.arrived(name), name).resource["service.name"], "shop", f"service of {name}")
        agent.process.kill()
    # What it hears first is the end.
    agent = bpf.attach()
    program.open("open at the end")
    program.process.kill()
    equal(agent.wait().process.returncode, 0, "exit status")
    equal(one(agent.spans, "open at the end").resource["service.name"], "shop", "service at the end")


@test
def when_all_have_ended_nothing_stays_pinned():
    program, bpf = Serve(), BpfFs()
    agent = bpf.attach(program)
    program.span("last")
    program.wait()
    equal(agent.wait().process.returncode, 0, "exit status")
    equal((bpf.pinned(), [s.name for s in agent.spans]), ([], ["last"]), "what is pinned, spans")
    contains(bpf.attach(ready=None).wait().err, "nothing is pinned in /sys/fs/bpf/otel-bpf")
    contains(bpf.detach(status=125).err, "nothing is pinned in /sys/fs/bpf/otel-bpf")
    equal(bpf.pinned(), [], "what is pinned")


@test
def what_a_command_left_behind_goes_on_by_what_run_has_pinned():
    bpf = BpfFs()
    flag = os.path.join(os.path.dirname(bpf.holder.file), "flag")
    with open(flag, "w", encoding="ascii"):
        pass
    command = Run([build("family"), "daemonizes", flag], ["--pin", "--no-wait"], prefix=bpf.prefix).wait()
    equal(command.process.returncode, 0, "exit status")
    contains(command.err, "otel-bpf attach --pin=/sys/fs/bpf/otel-bpf")
    contains(Run([build("family")], ["--pin"], prefix=bpf.prefix).wait().err, "take that over by otel-bpf attach")
    agent = bpf.attach()
    os.unlink(flag)
    equal(agent.wait().process.returncode, 0, "exit status")
    one(command.spans + agent.spans, "daemon")
    equal(bpf.pinned(), [], "what is pinned")


@test
def what_another_build_has_pinned_is_refused_and_can_be_dropped():
    program, bpf = Serve(), BpfFs()
    bpf.attach(program).stop()
    other = build("other_build")
    Run([*bpf.prefix, other, "/sys/fs/bpf/otel-bpf/layout"], direct=True).wait()
    refused = bpf.attach(ready=None).wait()
    equal(refused.process.returncode, 125, "exit status")
    contains(refused.err, "another build of otel-bpf")
    contains(refused.err, "otel-bpf detach --drop --pin=/sys/fs/bpf/otel-bpf")
    equal(program.span("goes on"), 1, "recorded")
    bpf.detach("--drop")
    wait_until(lambda: not program.span("dropped"), "the end of recording")
    equal(bpf.pinned(), [], "what is pinned")
