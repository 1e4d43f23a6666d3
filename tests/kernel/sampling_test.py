# SPDX-License-Identifier: Apache-2.0
"""Sampling at the head: set from outside, decided in the application, told downstream."""
import math
import os

from harness import Run, Seen, build, check, contains, equal, named, run, test, wait_until

# What is sampled of a root, of a child of a sampled remote parent, of one of another.
SAMPLERS = {
    "always_on": (1, 1, 1),
    "always_off": (0, 0, 0),
    "parentbased_always_on": (1, 1, 0),
    "parentbased_always_off": (0, 1, 0),
}


def sampled_by(sampler, argument=None, roots=1):
    env = {"OTEL_TRACES_SAMPLER": sampler}
    if argument is not None:
        env["OTEL_TRACES_SAMPLER_ARG"] = argument
    done = run([build("sampling"), "roots", str(roots)], env=env)
    return done, int(done.out.split()[-1])


def remote(sampler, argument=None):
    env = {"OTEL_TRACES_SAMPLER": sampler, **({"OTEL_TRACES_SAMPLER_ARG": argument} if argument else {})}
    done = run([build("sampling"), "remote"], env=env)
    counts = tuple(int(line.split()[-1]) for line in done.out.splitlines())
    equal(tuple(len(named(done.spans, flags)) for flags in ("01", "00")), counts, f"{sampler}: exported")
    return counts


@test
def every_sampler_decides_of_roots_and_of_children_of_remote_parents_as_specified():
    for sampler, (root, of_sampled, of_other) in SAMPLERS.items():
        done, sampled = sampled_by(sampler)
        equal(sampled, root, f"{sampler}: roots")
        equal(len(done.spans), 2 * root, f"{sampler}: spans exported")
        equal(remote(sampler), (of_sampled, of_other), f"{sampler}: children of remote parents")
    equal(remote("parentbased_traceidratio", "0.0001"), (1, 0), "parentbased_traceidratio: children")


@test
def a_tenth_of_ten_thousand_roots_is_a_tenth_and_says_its_threshold():
    done, sampled = sampled_by("traceidratio", "0.1", 10000)
    sigma = math.sqrt(10000 * 0.1 * 0.9)
    check(abs(sampled - 1000) < 5 * sigma, f"{sampled} of 10000 roots")
    roots, children = named(done.spans, "root"), named(done.spans, "child")
    equal((len(roots), len(children)), (sampled, sampled), "exported roots and children")
    equal({s.parent for s in children}, {s.id for s in roots}, "children of exported roots")
    # 0.1 in steps of 2^-16: 6554 of 65536, so the threshold is 2^56 - 6554 * 2^40.
    threshold = f"{65536 - 6554:04x}".rstrip("0")
    equal({s.tracestate for s in done.spans}, {f"ot=th:{threshold}"}, "trace states")
    least = int(threshold.ljust(14, "0"), 16)
    check(all(int(s.trace[18:], 16) >= least for s in roots), "a trace whose random value is below the threshold")
    equal({s.flags & 0xff for s in roots}, {3}, "flags: sampled and random")


@test
def an_argument_that_makes_no_sense_is_told_of_and_the_sampler_stays():
    for argument in ("x", "2", "-0.1", "nan"):
        done, sampled = sampled_by("traceidratio", argument)
        equal(sampled, 1, f"roots with the argument {argument!r}")
        contains(done.err, f"OTEL_TRACES_SAMPLER_ARG={argument} ignored")
    equal(remote("traceidratio", "x"), (1, 1), "it ignores the parent, as this sampler does")
    done, sampled = sampled_by("sometimes", roots=3)
    equal(sampled, 3, "roots with a sampler that nobody knows")
    contains(done.err, "OTEL_TRACES_SAMPLER=sometimes ignored")


def write(path, text):
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(text)
    os.rename(path + ".new", path)


def windows(running):
    return [int(line.split()[1]) for line in running.out.splitlines() if line.startswith("window ")]


@test
def changing_the_ratio_of_a_running_process_passes_through_neither_everything_nor_nothing():
    # Based on the parent: else a child decides anew, perhaps by the new ratio, and need not agree with its root.
    settings = os.path.join(Seen.folder, "settings")
    write(settings, "sampler parentbased_traceidratio 0.5\n")
    running = Run([build("sampling"), "windows", "2000"], ["--settings", settings], exporter="none")
    first = len(wait_until(lambda: len(windows(running)) >= 20 and windows(running), "windows"))
    # Shares of 2000 with all bits of one ratio and any of the other: between 1/4 and 3/4, give or take.
    for changes, ratio in enumerate(("0.25", "0.5", "0.25"), 1):
        write(settings, f"sampler parentbased_traceidratio {ratio}\n")
        wait_until(lambda n=changes: running.err.count("settings changed") >= n, "the new settings")
        near = float(ratio) * 2000
        wait_until(lambda near=near: abs(windows(running)[-1] - near) < 120, f"windows near {near}")
    running.tell()
    running.wait()
    seen = windows(running)
    check(len(seen) > first, "windows after the changes")
    check(all(350 < it < 1650 for it in seen), f"a window of another share: {sorted(seen)[:3]} {sorted(seen)[-3:]}")


@test
def settings_with_a_mistake_change_nothing_and_are_told_of():
    settings = os.path.join(Seen.folder, "settings")
    write(settings, "sampler always_off\n")
    running = Run([build("sampling"), "windows", "100"], ["--settings", settings], exporter="none")
    wait_until(lambda: len(windows(running)) >= 3, "windows")
    write(settings, "sampler always_on\ntracer x\n")
    wait_until(lambda: "settings:2:" in running.err, "the complaint")
    before = len(windows(running))
    wait_until(lambda: len(windows(running)) > before + 3, "windows after it")
    running.tell()
    running.wait()
    equal(set(windows(running)), {0}, "sampled in each window")
    equal(Run(["true"], ["--settings", settings + ".not"], exporter="none").wait().process.returncode, 125,
          "exit status with a file that is not there")


@test
def settings_that_are_no_file_are_refused_before_the_command_starts():
    fifo = os.path.join(Seen.folder, "fifo")
    os.mkfifo(fifo)
    for path in (fifo, "/dev/zero", Seen.folder):
        done = Run(["echo", "started"], ["--settings", path], exporter="none").wait()
        equal((done.process.returncode, done.out), (125, ""), f"status and output with {path}")
        contains(done.err, f"settings {path}: not a regular file")


@test
def what_is_wrong_with_where_metrics_are_asked_for_or_spans_are_sent_is_said():
    for port in ("99999", "0", "-5", "12x"):
        done = Run(["true"], ["--metrics", f"127.0.0.1:{port}"], exporter="none").wait()
        equal(done.process.returncode, 125, f"status with port {port}")
        contains(done.err, f"--metrics 127.0.0.1:{port}: not an address and a port")
    done = run(["true"], exporter="otlp", env={"OTEL_EXPORTER_OTLP_HEADERS": "key=secret",
                                               "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"})
    contains(done.err, "OTEL_EXPORTER_OTLP_HEADERS is ignored")
    check("PROTOCOL" not in done.err and "secret" not in done.err, done.err)
