# SPDX-License-Identifier: Apache-2.0
"""Callers that keep values below their stack pointer are not hurt by probes."""
import os
import shutil

from harness import Run, Seen, Skip, build, equal, named, run, test


def programs():
    for compiler in ("gcc", "clang"):
        for level in ("-O2", "-O3"):
            if shutil.which(compiler):
                yield build(f"redzone_{compiler}{level}", "redzone", compiler, [level, "-fomit-frame-pointer"])


@test
def red_zones_survive_the_agents_probes():
    for program in programs():
        done = run([program, "3000"])
        equal(done.out, "bad 0\n", program)
        equal((len(named(done.spans, "almost a leaf")), len(named(done.spans, "numbers"))), (3000, 6000), "spans")


@test
def red_zones_survive_the_probes_for_people():
    if not shutil.which("bpftrace"):
        raise Skip("bpftrace is not installed")
    program = next(programs())
    script = "".join(f"usdt:{program}:otel:{probe} {{ @[probe] = count(); }}"
                     for probe in ("flush", "span_start", "span_end", "span_attribute", "span_event", "span_status"))
    done = Run(["bpftrace", "-e", script, "-c", f"{program} 2000"], direct=True).wait(60)
    equal("bad 0\n" in done.out, True, "what the program found")
    for probe, count in (("span_start", 6000), ("span_end", 6000), ("span_attribute", 18000), ("span_event", 2000)):
        equal(f"@[usdt:{program}:otel:{probe}]: {count}" in done.out, True, f"{count} times {probe}")


@test
def red_zones_survive_all_probes_at_once():
    if not shutil.which("bpftrace"):
        raise Skip("bpftrace is not installed")
    program = next(programs())
    script = f'usdt:{program}:otel:span_start {{ @ = count(); }} interval:s:2 {{ exit(); }}'
    watching = os.path.join(Seen.folder, "watch.bt")
    with open(watching, "w", encoding="utf-8") as file:
        file.write(script)
    watch = Run(["bpftrace", watching, "-c", f"{program} 1000"], direct=True)
    done = run([program, "5000"])
    equal(done.out, "bad 0\n", "what the program found")
    equal(len(named(done.spans, "numbers")), 10000, "spans")
    watch.wait(30)
