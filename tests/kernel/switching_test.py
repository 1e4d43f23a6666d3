# SPDX-License-Identifier: Apache-2.0
"""Samplers and tracers are switched, and agents come and go, in the midst of spans within spans."""
import os
import re

from harness import Run, Seen, build, check, equal, test, wait_until

SAMPLERS = ("always_on", "always_off", "parentbased_always_on", "parentbased_always_off",
            "parentbased_traceidratio 0.5", "traceidratio 0.3")
SWITCHES = 40


def switch(path, n):
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(f"sampler {SAMPLERS[n % len(SAMPLERS)]}\n" + ("tracer goes off\n" if n % 5 == 1 else ""))
    os.rename(path + ".new", path)


def counted(agent, reason):
    return sum(int(n) for n in re.findall(rf" (\d+)  {reason}", agent.err))


@test
def each_span_is_exported_or_counted_by_one_agent_while_samplers_are_switched_and_agents_come_and_go():
    settings = os.path.join(Seen.folder, "settings")
    program = Run([build("switching")], direct=True)
    agents = []
    for _ in range(3):
        switch(settings, 0)
        agent = Run([], ["-v", "--ring-size", "64M", "--settings", settings, "-p", str(program.pid)], agent="attach")
        agents.append(agent)
        wait_until(lambda a=agent: "is recorded" in a.err, "the agent")
        for n in range(1, SWITCHES):
            switch(settings, n)
            wait_until(lambda a=agent, n=n: a.err.count("settings changed") >= n, "the new settings")
        if len(agents) < 3:
            agent.process.terminate()
            equal(agent.wait().process.returncode, 0, "exit status")
    program.tell()
    program.wait()
    agents[-1].wait()

    lines = [line.split() for line in program.out.splitlines()]
    equal([line for line in lines if line[0] == "wrong:"], [], "what the program found")
    parents = {(trace, own): rest[0] if rest else "" for _, trace, own, *rest in lines}
    equal(len(parents), len(lines), "different ids")
    recorded = {(trace, own) for what, trace, own, *_ in lines if what == "recorded"}
    check(len(recorded) > 500 and len(lines) - len(recorded) > 200, f"{len(recorded)} of {len(lines)} recorded")

    spans = [span for agent in agents for span in agent.spans]
    exported = {(span.trace, span.id) for span in spans}
    equal(len(exported), len(spans), "each once")
    equal(exported - recorded, set(), "exported, but not recorded")
    check(recorded != exported, "a tracer was switched off")
    equal(len(recorded - exported), sum(counted(a, "their tracer is switched off") for a in agents), "left out")
    equal(len(lines) - len(recorded), sum(counted(a, "not sampled") for a in agents), "not sampled")
    for span in spans:
        parent = parents[span.trace, span.id]
        # What a tracer makes that is switched off is left out, and its children are its parent's.
        while (span.trace, parent) in recorded - exported:
            parent = parents[span.trace, parent]
        equal(span.parent, parent, "parent")
