# SPDX-License-Identifier: Apache-2.0
"""More spans than the agent can take: who makes them loses some, counted; nobody else does."""
import os
import re
import signal
import time

from harness import Run, build, check, children, equal, named, run, test, wait_until


def flooded(ring, pause, flooders=2, milliseconds=700):
    done = run([build("flood"), str(flooders), str(milliseconds), str(pause)], ("--ring-size", ring, "-v"))
    started = {int(pid): (kind, int(n)) for kind, pid, n in (line.split() for line in done.out.splitlines())}
    arrived = {}
    with open(done.file, encoding="utf-8") as file:  # too many to look at each
        for group in file.read().split('{"resource":')[1:]:
            pid = int(re.search(r'"process.pid","value":{"intValue":"(\d+)"', group)[1])
            arrived[pid] = arrived.get(pid, 0) + group.count('"spanId":')
    return done, started, arrived


def check_flooded(ring, pause=1000):
    done, started, arrived = flooded(ring, pause)
    equal(len(started), 3, "processes")
    for pid, (kind, n) in started.items():
        if kind == "modest":
            check(n > 30, f"only {n} spans of the modest process")
            equal(arrived.get(pid), n, "spans of the modest process")
    lost = {int(pid): int(n) for pid, n in re.findall(r"process (\d+) \(flood\): (\d+) of", done.err)}
    check(lost, "nothing was lost: this was no overload")
    for pid, (kind, n) in started.items():
        if pid in lost:
            equal(arrived.get(pid, 0) + lost[pid], n, f"exported and lost of process {pid}, {kind}")


@test(alone=True)
def a_modest_process_loses_nothing_while_two_others_flood_the_ring():
    check_flooded("1M")


@test(alone=True)
def a_modest_process_loses_nothing_while_two_others_flood_the_smallest_ring():
    check_flooded("64K", 10000)  # the agent may be away for as long as others have the processor


@test(alone=True)
def the_agent_ends_in_time_under_overload():
    running = Run([build("flood"), "3", "30000"], ("--no-wait",), exporter="none")
    command = wait_until(lambda: next(iter(children(running.pid)), None), "the command")
    wait_until(lambda: len(children(command)) == 4, "its children")
    time.sleep(0.5)  # not for something to happen: for the ring to be full when it does
    os.kill(command, signal.SIGKILL)
    begin = time.monotonic()
    running.wait()
    check(time.monotonic() - begin < 10, f"took {time.monotonic() - begin} s")
    check("still run" in running.err, running.err)
