# SPDX-License-Identifier: Apache-2.0
"""Samplers, tracers and agents that change while programs are in the midst of all that they can do."""
import collections
import os
import re
import signal
import struct

from harness import Run, Seen, build, check, contains, equal, test, wait_until
from serving import Attach, BpfFs

NOTED = struct.Struct("<16s8s8sBB14s")
Made = collections.namedtuple("Made", "trace id parent flags parent_flags sampling")
MUCH = 1000  # spans


class Churn(Run):
    """Runs programs/churn.c; all that it starts write down which spans they have made."""

    def __init__(self, seed, threads=3, **more):
        self.notes = os.path.join(Seen.folder, f"notes{seed}")
        os.mkdir(self.notes)
        super().__init__([build("churn"), str(seed), str(threads), self.notes], **more)
        self.serves = int(self.line("ready"))

    def go_on(self):
        """Waits until it has made some more spans."""
        def size():
            return sum(entry.stat().st_size for entry in os.scandir(self.notes))
        before = size()
        wait_until(lambda: size() >= before + MUCH * NOTED.size, "more spans")

    def end(self):
        """Returns the spans that it has made by their ids, once all that was current has been right."""
        contains(self.wait().out, "looked ")
        equal(self.process.returncode, 0, "exit status")
        all_made = []
        for entry in os.scandir(self.notes):
            with open(entry.path, "rb") as file:
                all_made += [Made(*it) for it in NOTED.iter_unpack(file.read())]
        made = {it.id.hex(): it for it in all_made}
        equal(len(made), len(all_made), "different ids")
        return made


def settings(*lines):
    path = os.path.join(Seen.folder, "settings")
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    os.rename(path + ".new", path)
    return path


def change(program, agent, count, *lines):
    """Changes the settings, the @count-th time for this agent, and lets the program go on before and after."""
    program.go_on()
    settings(*lines)
    wait_until(lambda: agent.err.count("settings changed") >= count, "the new settings")
    program.go_on()


def check_accounts(made, agents, *counts):
    """Is what says it is sampled exported once, or counted by one of these patterns, and nothing else?"""
    exported = collections.Counter()
    for agent in agents:
        with open(agent.file, encoding="ascii") as file:
            exported.update(re.findall(r'"spanId":"([0-9a-f]{16})","', file.read()))
    sampled = {it for it in made if made[it].flags & 1}
    equal([it for it in exported if exported[it] > 1], [], "exported twice")
    equal(set(exported) - sampled, set(), "exported, although they say that they are not sampled")
    said = "".join(agent.err for agent in agents)
    counted = sum(int(n) for pattern in counts for n in re.findall(pattern, said))
    equal(len(sampled) - len(exported), counted, "spans that were not exported, and the counts of them")
    check(len(exported) > MUCH, f"the test itself: {len(exported)} spans were exported")


TRACER_OFF = r" (\d+)  their tracer is switched off"


@test
def with_agents_samplers_and_tracers_that_change_each_span_is_exported_by_one_agent_or_counted():
    program, agents = Churn(1, direct=True), []
    for first, then in ((["sampler always_off"], ["sampler always_on"]),
                        (["sampler parentbased_always_on"], ["sampler parentbased_always_off"]),
                        (["sampler traceidratio 0.5", "tracer b* off"], ["sampler parentbased_traceidratio 0.25"])):
        agent = Attach(program, options=("--settings", settings(*first), "--verbose"))
        agents.append(agent)
        change(program, agent, 1, *then)
        change(program, agent, 2, *first)
        agent.stop()
    check_accounts(program.end(), agents, TRACER_OFF, r" (\d+)  lost: ")


@test
def with_agents_that_are_killed_and_go_on_pinned_each_span_is_exported_once_or_counted():
    program, bpf, agents = Churn(2, direct=True), BpfFs(), []
    lines = ["sampler always_on", "tracer b off"], ["sampler parentbased_traceidratio 0.5", "tracer b.c off"]
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        agent = bpf.attach(program, options=("--pin", "--settings", settings(*lines[0]), "--verbose"))
        agents.append(agent)
        change(program, agent, 1, *lines[1])
        agent.process.send_signal(how)
        agent.wait()
        program.go_on()
    agents.append(bpf.attach(options=("--pin", "--verbose")))
    made = program.end()
    agents[-1].wait()
    check_accounts(made, agents, TRACER_OFF, r" (\d+)  lost: ", r"had left (\d+) spans out",
                   r"(\d+) spans were lost with the agent that was killed", r"had counted (\d+) spans as lost before")


@test
def a_ratio_that_changes_leaves_no_trace_half_where_children_follow_their_parents():
    ratios = "sampler parentbased_traceidratio 0.5", "sampler parentbased_traceidratio 0.25"
    program = Churn(3, options=("--settings", settings(ratios[0])))
    for n in range(1, 5):
        change(program, program, n, ratios[n % 2])
    made = program.end()
    roots = [it for it in made.values() if it.parent_flags == 0xff]
    equal({it.flags & 1 for it in roots}, {0, 1}, "what becomes of roots")
    for it in made.values():
        threshold, parent = it.sampling.rstrip(b"\0").decode(), made.get(it.parent.hex())
        if it.parent_flags != 0xff:
            equal(it.flags & 1, it.parent_flags & 1, "sampled like its parent")
            equal(threshold, parent.sampling.rstrip(b"\0").decode() if parent else "", "its threshold")
        elif it.flags & 1:
            # Those of 0.5 and 0.25, and in between of both.
            check(threshold in ("th:8", "th:c", "th:4"), f"threshold {threshold}")
            check(it.trace[9] >> 4 >= int(threshold[3:], 16), "a trace whose random value is below the threshold")
    check_accounts(made, [program])
