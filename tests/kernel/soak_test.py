# SPDX-License-Identifier: Apache-2.0
"""Processes, threads, images, libraries and exceptions come and go: the agent ends where it began.

SOAK_SECONDS: how long; an hour by `make soak`."""
import json
import os
import re
import subprocess
import sys
import time

from harness import PROGRAMS, Run, Seen, build, check, test, wait_until

SECONDS = float(os.environ.get("SOAK_SECONDS", "8"))
MEGABYTE = 1 << 20


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def entries(pid):
    """How much is in those maps of the agent whose entries come and go."""
    count = {}
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as file:
                found = re.search(r"map_type:\t1\n.*map_id:\t(\d+)", file.read(), re.S)  # hash tables
        except OSError:
            continue
        if found:
            done = subprocess.run(["bpftool", "-j", "map", "dump", "id", found[1]], capture_output=True, text=True)
            count[found[1]] = len(json.loads(done.stdout))
    return count


class State:
    def __init__(self, pid):
        self.memory = resident(pid)
        self.descriptors = descriptors(pid)
        self.entries = sum(entries(pid).values())

    def __repr__(self):
        return f"{self.memory / MEGABYTE:.1f} MiB, {self.descriptors} descriptors, {self.entries} entries"


@test
def memory_descriptors_links_and_maps_end_where_they_began():
    library = build("libsoaked.so", "library", flags=[
        '-DNAME="soaked"', "-DTHREAD=otel_bpf_thread_v1", "-DANCHOR=otel_bpf_anchor_v1", "-shared", "-fPIC",
        "-fvisibility=hidden"])
    program = build("soak", libs=("-lpthread", "-ldl"))
    running = Run([sys.executable, os.path.join(PROGRAMS, "soak_driver.py"), program, library, Seen.folder, str(SECONDS)],
                  exporter="none")
    time.sleep(min(2.0, SECONDS / 4))  # not for a condition: what is measured is a time
    first = State(running.pid)
    time.sleep(min(60.0, SECONDS / 2))
    middle = State(running.pid)
    lives = int(running.line("rests", seconds=SECONDS + 60))
    check(lives > SECONDS * 2, f"only {lives} lives")
    busy = State(running.pid)
    check(busy.memory < middle.memory * 1.2 + 16 * MEGABYTE, f"memory grows: {middle}, then {busy}")
    print(f"    {lives} lives in {SECONDS:.0f} s: at first {first}, later {middle}, at the end {busy}")
    # What is deleted and mapped by nobody is let go within some seconds.
    wait_until(lambda: descriptors(running.pid) <= 64, "descriptors of files that are gone to be closed", 30)
    wait_until(lambda: sum(entries(running.pid).values()) < 20, "entries of processes that are gone to be removed", 30)
    print(f"    at rest {State(running.pid)}")
    running.wait()
