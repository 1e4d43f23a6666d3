# SPDX-License-Identifier: Apache-2.0
"""The probes for people: readelf, bpftrace and perf see and use them, with no agent and beside one."""
import os
import re
import shutil
import subprocess

from harness import Run, Seen, Skip, build, check, contains, direct, equal, named, one, run, test, wait_until

PROBES = {"flush", "span_start", "span_end", "span_attribute", "span_event", "span_status"}

SCRIPT = """
usdt:PROGRAM:otel:span_start {
    printf("start %s id %016lx parent %016lx kind %d trace %016lx%016lx\\n", str(arg0), arg1, arg2, arg4,
           *(uint64 *)arg3, *(uint64 *)(arg3 + 8)); }
usdt:PROGRAM:otel:span_end { printf("end %s id %016lx took %lu status %d\\n", str(arg0), arg1, arg2, arg3); }
usdt:PROGRAM:otel:span_attribute /arg2 == 1/ { printf("attribute %016lx %s=%s\\n", arg0, str(arg1), str(arg3)); }
usdt:PROGRAM:otel:span_attribute /arg2 != 1/ { printf("attribute %016lx %s type %d %ld\\n", arg0, str(arg1), arg2, arg3); }
usdt:PROGRAM:otel:span_event { printf("event %016lx %s\\n", arg0, str(arg1)); }
usdt:PROGRAM:otel:span_status { printf("status %016lx %d %s\\n", arg0, arg1, str(arg2)); }
"""


def tool(name):
    if not shutil.which(name):
        raise Skip(f"{name} is not installed")


def ids(out):
    """What the program said: name -> (span id, trace id)."""
    found = {}
    for line in out.splitlines():
        match = re.match(r"(outer|inner|apart) ([0-9a-f]{16}) ([0-9a-f]{32})", line)
        if match:
            found[match[1]] = (match[2], match[3])
    equal(sorted(found), ["apart", "inner", "outer"], "spans that the program tells of")
    return found


def check_lines(out, of):
    """What bpftrace must have printed about the spans with these ids."""
    lines = out.splitlines()
    (outer, trace), (inner, _), (apart, _) = of["outer"], of["inner"], of["apart"]
    swapped = "".join("".join(reversed(re.findall("..", trace[i:i + 16]))) for i in (0, 16))
    for name, own, parent, kind in (("outer", outer, "0" * 16, 1), ("inner", inner, outer, 0), ("apart", apart, inner, 4)):
        line = f"start {name} id {own} parent {parent} kind {kind} trace {swapped}"
        equal(lines.count(line), 1, f"{line!r} in {out}")
        equal(len([x for x in lines if x.startswith(f"end {name} id {own} ")]), 1, f"ends of {name}")
    for line in (f"attribute {outer} route=/order", f"attribute {inner} negative type 3 -7",
                 f"attribute {inner} bool type 2 1", f"attribute {inner} double type 4 {0x4004000000000000}",
                 f"attribute {inner} null=", f"event {inner} event", f"status {inner} 2 description",
                 f"event {outer} exception"):
        equal(lines.count(line), 1, f"{line!r} in {out}")
    took = int(re.search(f"end inner id {inner} took (\\d+) status 2", out)[1])
    check(5_000_000 <= took < 5_000_000_000, f"inner took {took} ns")
    contains(out, f"end apart id {apart}")


@test
def readelf_shows_six_probes_and_no_control_bits():
    tool("readelf")
    for program in (build("people"), build("scenes_cpp", "scenes", "c++")):
        notes = subprocess.run(["readelf", "-n", program], capture_output=True, text=True, check=True).stdout
        equal(re.findall(r"Name: (\S+)", notes).__len__(), 6, "names in .note.stapsdt")
        equal(set(re.findall(r"Name: (\S+)", notes)), PROBES, "probes")
        equal(set(re.findall(r"Provider: (\S+)", notes)), {"otel"}, "providers")
        check("Semaphore: 0x0000000000000000" not in notes, "a probe without a semaphore")


@test
def bpftrace_lists_the_probes():
    tool("bpftrace")
    program = build("people")
    listed = subprocess.run(["bpftrace", "-l", f"usdt:{program}:*"], capture_output=True, text=True, check=True).stdout
    equal({line.rpartition(":")[2] for line in listed.splitlines()}, PROBES, "probes")


@test
def bpftrace_sees_spans_with_no_agent():
    tool("bpftrace")
    program = build("people")
    done = Run(["bpftrace", "-e", SCRIPT.replace("PROGRAM", program), "-c", f"{program} once"], direct=True).wait()
    check_lines(done.out, ids(done.out))
    equal(re.findall(r"flags (\d+) recording (\d+) enabled (\d+)", done.out), [("2", "0", "0")] * 3,
          "flags without the sampled bit, recording, enabled")


@test
def bpftrace_beside_an_agent_gets_all_and_so_does_the_agent():
    tool("bpftrace")
    program = build("people")
    recorded = Run([program])
    pid = one(recorded.arrived("try")[:1], "try").resource["process.pid"]
    watching = Run(["bpftrace", "-e", SCRIPT.replace("PROGRAM", program), "-p", str(pid)], direct=True)
    for what in ("start try", "end try", "attribute"):
        wait_until(lambda what=what: what in watching.out or watching.process.poll() is not None, f"bpftrace to see {what}")
    equal(watching.process.poll(), None, "bpftrace has ended")
    recorded.tell()
    recorded.wait()
    watching.wait()
    of = ids(recorded.out)
    check_lines(watching.out, of)
    equal(set(re.findall(r"flags (\d+) recording (\d+) enabled (\d+)", recorded.out)), {("3", "1", "1")}, "flags")
    for name in ("outer", "inner", "apart"):
        span = one(recorded.spans, name)
        equal((span.id, span.trace), of[name], f"ids of {name}")
    equal(one(recorded.spans, "inner").attributes, {"negative": -7, "bool": True, "double": 2.5, "null": ""}, "attributes")


@test
def when_bpftrace_leaves_the_agent_goes_on():
    tool("bpftrace")
    program = build("people")
    recorded = Run([program])
    pid = recorded.arrived("try")[0].resource["process.pid"]
    watching = Run(["bpftrace", "-e", f'usdt:{program}:otel:span_start {{ printf("seen\\n"); }}', "-p", str(pid)],
                   direct=True)
    wait_until(lambda: "seen" in watching.out or watching.process.poll() is not None, "bpftrace to see a span")
    watching.process.terminate()
    watching.wait()
    before = len(named(recorded.spans, "try"))
    recorded.arrived("try", before + 20)
    recorded.wait()
    one(recorded.spans, "outer")


@test
def a_stranger_that_bpftrace_watches_is_not_recorded():
    tool("bpftrace")
    program = build("people")
    recorded = Run([program])
    recorded.arrived("try")
    done = Run(["bpftrace", "-e", SCRIPT.replace("PROGRAM", program), "-c", f"{program} once"], direct=True).wait()
    of = ids(done.out)
    recorded.wait()
    check(of["outer"][0] not in {s.id for s in recorded.spans}, "the stranger's span was exported")


@test
def perf_sees_the_probes():
    tool("perf")
    program = build("people")
    home = os.path.join(Seen.folder, "home")
    os.mkdir(home)
    cache = Run(["perf", "--buildid-dir", home, "buildid-cache", "--add", program], direct=True).wait()
    if cache.process.returncode:
        raise Skip("perf buildid-cache: " + cache.err.strip()[:200])
    listed = Run(["perf", "--buildid-dir", home, "list", "sdt"], direct=True).wait()
    for probe in PROBES:
        contains(listed.out, f"sdt_otel:{probe}")


@test
def perf_records_spans_where_tracefs_can_be_mounted():
    tool("perf")
    program = build("people")
    folder = Seen.folder
    text = (f"mount -t tracefs none /sys/kernel/tracing && export HOME={folder} && "
            f"perf --buildid-dir {folder}/ids buildid-cache --add {program} && "
            f"perf --buildid-dir {folder}/ids probe -q sdt_otel:span_start && exit 0; exit 77")
    done = Run(["unshare", "-m", "sh", "-c", text], direct=True).wait()
    if done.process.returncode:
        raise Skip("no uprobe events: " + (done.err.strip().splitlines() or ["?"])[-1][:120])
    try:
        recorded = Run(["unshare", "-m", "sh", "-c",
                        f"mount -t tracefs none /sys/kernel/tracing; perf --buildid-dir {folder}/ids record -q "
                        f"-o {folder}/data -e sdt_otel:span_start {program} once >/dev/null && perf script -i {folder}/data"],
                       direct=True).wait()
        equal(recorded.out.count("sdt_otel:span_start"), 3, "spans that perf recorded")
    finally:
        direct(["unshare", "-m", "sh", "-c",
                "mount -t tracefs none /sys/kernel/tracing; perf probe -q -d 'sdt_otel:*'"], status=None)


@test
def spans_look_the_same_whether_or_not_somebody_else_watches():
    done = run([build("people"), "once"])
    of = ids(done.out)
    equal({s.name: (s.id, s.trace) for s in done.spans}, of, "ids that the program sees")
    check(all(s.flags & 1 for s in done.spans), "not sampled")
