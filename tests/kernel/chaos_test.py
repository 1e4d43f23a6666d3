# SPDX-License-Identifier: Apache-2.0
"""Applications of 8 threads that end at random moments, in every way there is; see programs/chaos.c.

CHAOS_KILLS: how many of each way (50). CHAOS_SEED: that of a run that failed, which it says.
"""
import os
import random
import re
import shutil
import subprocess
import time

from harness import Run, Seen, build, check, equal, test

KINDS = ("kill", "segv", "abort", "bus", "exit", "_exit", "exit_group", "exec", "exec_thread", "oom")
KILLS = int(os.environ.get("CHAOS_KILLS", "50"))
AT_ONCE = 100  # of each kind under one agent
# What the agent says when something was lost, or may have been.
LOSS = re.compile(r"lost:|malformed|refused|unseen|not told|not followed|did not arrive|skipped|not delivered")


def round_of(seed, kills):
    """Under one agent; returns what the checker has counted, by kind."""
    folder = os.path.join(Seen.folder, "chaos")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    done = Run([build("chaos"), "drive", folder, str(seed), "all", str(kills * len(KINDS))],
               ["--ring-size", "64M"]).wait(60 + kills)
    words = f"seed {seed}, {kills} kills of each kind"
    equal(done.process.returncode, 0, f"{words}: status")
    judged = subprocess.run([build("chaos_check"), os.path.join(folder, "truth"), done.file],
                            capture_output=True, text=True)
    os.truncate(done.file, 0)
    equal(judged.returncode, 0, f"{words}: {judged.stdout[-4000:]}\n{done.err[-1000:]}\nstatus of the checker")
    check(not LOSS.search(done.err), f"{words}: {done.err}")
    found = {}
    for line in judged.stdout.splitlines():
        kind, *rest = line.split()
        found[kind] = {name: int(number) for name, number in zip(rest[::2], rest[1::2])}
    equal(set(found), {*KINDS, "all"}, "kinds")
    return found


@test
def no_way_to_die_loses_or_repeats_a_span():
    seed = int(os.environ.get("CHAOS_SEED", random.randrange(1 << 32)))
    begin, left, sums = time.monotonic(), KILLS, {}
    while left:
        kills = min(left, AT_ONCE)
        for kind, counts in round_of(seed, kills).items():
            for name, number in counts.items():
                sums.setdefault(kind, {}).setdefault(name, 0)
                sums[kind][name] += number
        left -= kills
        seed += 1
    for kind in KINDS:
        equal(sums[kind]["lives"], KILLS, f"lives that ended by {kind}")
        check(sums[kind]["ended"] and sums[kind]["open"], f"{kind}: nothing was at stake: {sums[kind]}")
    if KILLS > AT_ONCE:
        for kind, counts in sums.items():
            print("    " + f"{kind:12}" + " ".join(f"{name} {number}" for name, number in counts.items()))
        print(f"    {time.monotonic() - begin:.0f} s")
