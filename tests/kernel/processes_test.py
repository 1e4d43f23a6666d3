# SPDX-License-Identifier: Apache-2.0
"""Who is recorded: the command and all that it starts, whole, and nobody else."""
import json
import os
import signal
import subprocess
import time

from harness import (Run, Seen, alive, build, check, command_pid, contains, direct, equal, named, one, run,
                     test, wait_until)

ERROR = 2
KEPT_SECONDS = 3.5  # the agent knows a dead process for that long, for what is late
BPFTOOL = next((it for it in ("/usr/sbin/bpftool", "/usr/local/sbin/bpftool") if os.path.exists(it)), "bpftool")


def family(*arguments, **more):
    return run([build("family"), *arguments], **more)


def pids(spans):
    return [s.resource["process.pid"] for s in spans]


@test
def a_child_that_forks_is_recorded_as_its_own_process():
    spans = family("forks").spans
    parent, own = one(spans, "parent"), named(spans, "child")
    equal(len(own), 3, "the child's spans")
    equal({(s.parent, s.trace) for s in own}, {(parent.id, parent.trace)}, "parents of the child's spans")
    pid, = {s.attributes["pid"] for s in own}
    check(pid != parent.resource["process.pid"], "the child's resource is its parent's")
    equal(set(pids(own)), {pid}, "process.pid of the child's spans")
    equal(own[0].resource["process.parent_pid"], parent.resource["process.pid"], "process.parent_pid")
    check(own[0].resource["service.instance.id"] != parent.resource["service.instance.id"], "one instance id")


@test
def a_forked_child_never_repeats_what_its_parent_had_buffered():
    spans = family("forks").spans
    equal(sorted(s.name for s in spans), ["after the fork", "before the fork", "child", "child", "child",
                                          "first", "first", "first", "open across the fork", "parent"], "spans")
    equal(len({s.id for s in spans}), 10, "different ids")
    for name in ("before the fork", "after the fork"):
        span = one(spans, name)
        equal(span.attributes["pid"], span.resource["process.pid"], f"process of the span {name}")


@test
def what_a_forked_child_does_to_its_parents_spans_changes_nothing():
    done = family("forks")
    span, parent = one(done.spans, "open across the fork"), one(done.spans, "parent")
    equal((span.attributes, span.events, span.status), ({"owner": "parent"}, [], 0), "the span")
    check(span.end >= named(done.spans, "child")[0].start, "it ended in the child")
    equal((parent.attributes, parent.status), ({}, 0), "the scope around")
    check(parent.end >= one(done.spans, "after the fork").end, "the scope ended in the child")
    equal(done.err, "", "complaints")


@test
def ids_do_not_repeat_in_a_tree_of_forks():
    spans = family("fork_tree").spans
    leaves = named(spans, "leaf")
    equal(len({s.id for s in spans}), len(spans), "different ids")
    equal(len(leaves), 80, "spans")
    check(all(s.attributes["pid"] == s.resource["process.pid"] for s in leaves), "a span of another process")
    equal(len({s.trace for s in leaves}), 80, "different traces")


@test
def forked_children_in_a_context_that_is_not_sampled_have_ids_of_their_own_and_are_counted():
    done = family("forks_in_a_context", options=["-v"], env={"OTEL_TRACES_SAMPLER": "parentbased_always_off"})
    seen = [line.split() for line in done.out.splitlines()]
    equal((len({it[0] for it in seen}), [it[1] for it in seen]), (3, ["0"] * 3), "ids, and who is remote")
    contains(done.err, " 4  not sampled")


@test
def threads_that_take_over_memory_in_a_context_that_is_not_sampled_are_counted():
    done = family("threads_in_a_context", options=["-v"], env={"OTEL_TRACES_SAMPLER": "parentbased_always_off"})
    contains(done.err, " 500  not sampled")


@test
def what_a_descendant_executes_is_recorded_with_its_own_resource():
    spans = family("execs").spans
    before, own = one(spans, "before the exec"), named(spans, "once")
    equal(len(own), 2, "spans after an exec")
    equal({s.attributes["pid"] for s in own}, set(pids(own)), "process.pid")
    same, = [s for s in own if s.resource["process.pid"] == before.resource["process.pid"]]
    other, = [s for s in own if s is not same]
    equal((same.resource["process.command"].endswith("family"), other.resource["process.command"]),
          (True, "renamed"), "process.command")


@test
def a_program_is_called_after_its_file_whatever_path_led_to_it():
    # It is gone before the agent can ask.
    spans = named(family("loops", "50", "/proc/self/exe").spans, "once")
    equal([s.resource["service.name"] for s in spans], ["unknown_service:family"] * 50, "service.name")


@test
def a_program_that_a_shell_starts_is_attached_to_when_it_is_first_seen():
    # Each lives for a moment only: the first ones may be faster than the agent, the rest is not.
    program = build("family")
    shell = Run(["sh", "-c", f"while read line; do {program} once; done; exec env -i {program} once"])
    wait_until(lambda: "no otel probes" in shell.err, "a word about the shell")

    def tried():
        shell.tell()
        return named(shell.spans, "once")
    wait_until(tried, "a span of a short process")
    before = len(named(shell.spans, "once"))
    shell.wait()
    check(len(named(shell.spans, "once")) > before, "the last process was not recorded")


@test
def run_waits_for_a_daemon_that_the_command_left_behind():
    flag = os.path.join(Seen.folder, "flag")
    open(flag, "w", encoding="ascii").close()
    daemon = Run([build("family"), "daemonizes", flag])
    began, = daemon.arrived("daemon began")
    command = one(daemon.arrived("starter"), "starter").resource["process.pid"]
    wait_until(lambda: not alive(command), "the command's end")
    check(daemon.process.poll() is None, "otel-bpf has not waited for the daemon")
    os.unlink(flag)
    equal(daemon.wait().process.returncode, 0, "status")
    span = one(daemon.spans, "daemon")
    equal(span.resource["process.pid"], began.resource["process.pid"], "process of the daemon")
    check(not alive(began.resource["process.pid"]), "otel-bpf did not wait for the end")


@test
def no_wait_leaves_a_daemon_behind_with_a_word():
    flag = os.path.join(Seen.folder, "flag")
    open(flag, "w", encoding="ascii").close()
    done = family("daemonizes", flag, options=["--no-wait"])
    check(done.seconds < 5, f"took {done.seconds} s")
    contains(done.err, "still runs; no longer recorded", "what is said")
    one(done.spans, "starter")
    os.unlink(flag)


@test
def a_signal_ends_the_wait_for_a_daemon():
    flag = os.path.join(Seen.folder, "flag")
    open(flag, "w", encoding="ascii").close()
    daemon = Run([build("family"), "daemonizes", flag])
    daemon.arrived("daemon began")
    command = one(daemon.spans, "starter").resource["process.pid"]
    wait_until(lambda: not alive(command), "the command's end")
    daemon.process.send_signal(signal.SIGTERM)
    equal(daemon.wait(5).process.returncode, 0, "the command's status")
    contains(daemon.err, "still runs; no longer recorded", "what is said")
    os.unlink(flag)


@test
def strangers_who_run_the_same_binary_are_not_recorded():
    program = build("family")
    stranger = Run([program, "stranger", "not me"], direct=True)
    stranger.line("ready")
    recorded = Run([program, "stranger", "me"])
    recorded.line("ready")
    stranger.wait()  # writes a span while the agent is attached
    late = direct([program, "exits_at_once"], status=3)
    check(not late.spans, "a stranger's spans")
    recorded.wait()
    equal([s.name for s in recorded.spans], ["me", "me"], "spans")
    equal(recorded.err, "", "complaints")


def resident(pid):
    """Kilobytes of memory, without those that it shares with the kernel."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))


def map_entries(pid):
    """How many entries the agent's BPF maps have, by name: of those that can grow."""
    entries, seen = {}, set()
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        with open(f"/proc/{pid}/fdinfo/{fd}", encoding="utf-8") as file:
            info = dict(line.split(":", 1) for line in file if ":" in line)
        if info.get("map_type", "").strip() != "1" or info["map_id"] in seen:  # BPF_MAP_TYPE_HASH
            continue
        seen.add(info["map_id"])
        show, dump = (json.loads(subprocess.run([BPFTOOL, "-j", "map", what, "id", info["map_id"].strip()],
                                                capture_output=True, check=True).stdout) for what in ("show", "dump"))
        entries[show["name"]] = len(dump)
    check("followed" in entries, f"maps {entries}")
    return entries


def arrived(lives):
    with open(lives.file, encoding="utf-8") as file:
        return file.read().count('"name":"life"')


@test
def processes_that_live_a_millisecond_are_all_recorded_and_leave_nothing_behind():
    count = int(os.environ.get("SHORT_LIVES", "3000"))
    warm = count // 2
    lives = Run([build("family"), "lives", str(warm), str(count - warm)])
    lives.line("warm")
    wait_until(lambda: arrived(lives) == warm, f"{warm} spans")
    time.sleep(KEPT_SECONDS)  # so that the memory of the first half is there for the second
    before = resident(lives.pid), len(os.listdir(f"/proc/{lives.pid}/fd")), map_entries(lives.pid)
    lives.tell()
    lives.line("done", 60 + count / 50)
    wait_until(lambda: arrived(lives) >= count, f"{count} spans")
    equal((len(os.listdir(f"/proc/{lives.pid}/fd")), map_entries(lives.pid)), before[1:], "descriptors and map entries")
    wait_until(lambda: resident(lives.pid) - before[0] < 4096,
               f"memory like before: {before[0]} kB after {warm}, {resident(lives.pid)} kB after {count} processes")
    lives.tell()
    lives.wait()
    equal(lives.err, "", "complaints")
    spans = lives.spans
    equal(sorted(s.attributes["i"] for s in spans), list(range(count)), "spans")
    equal([s for s in spans if s.resource["service.name"] != f"life-{s.attributes['i']}" or
           s.resource["number"] != str(s.attributes["i"]) or s.resource["process.pid"] != s.attributes["pid"]],
          [], "spans with the resource of others")


@test
def spans_that_ended_before_exit_without_cleanup_are_recorded():
    equal([s.attributes["i"] for s in family("exits_at_once", status=3).spans], [0, 1, 2, 3, 4], "spans")


def dies(how, status):
    done = Run([build("family"), "killed", how])
    done.line("ready")
    done.arrived("ended", 3)
    done.tell()
    equal(done.wait().process.returncode, status, "status")
    cut = [one(done.spans, "open"), one(done.spans, "open in a thread")]
    equal([s.attributes.get("otelbpf.cut_short") for s in cut], [True, True], "marked as cut short")
    contains(done.err, "2 spans were cut short by the end of their process", "what is said")
    check("incomplete" not in done.err, done.err)
    equal((cut[0].attributes["who"], [e.name for e in cut[0].events]), ("main", ["seen"] + ["exception"] * bool(status)), "the open span")
    for span in cut if status else []:
        equal((span.events[-1].name, span.events[-1].time), ("exception", span.end), "the last event, and when")
    equal([s.status for s in named(done.spans, "ended")], [0, 0, 0], "spans that had ended")
    return cut


@test
def open_spans_of_a_process_that_exits_without_an_error_have_no_status():
    cut = dies("0", 0)
    equal([(s.status, s.message) for s in cut], [(0, "")] * 2, "status")
    equal([e.name for s in cut for e in s.events], ["seen"], "events")


def says_why(cut, kind, message):
    equal([(s.status, s.message) for s in cut], [(ERROR, message)] * 2, "status")
    equal([s.events[-1].attributes for s in cut],
          [{"exception.type": kind, "exception.message": message}] * 2, "exceptions")


@test
def open_spans_of_a_killed_process_are_cut_short_and_say_why():
    says_why(dies("9", 137), "SIGKILL", "process killed by SIGKILL")


@test
def open_spans_of_a_crashed_process_are_cut_short_and_say_why():
    says_why(dies("11", 139), "SIGSEGV", "process killed by SIGSEGV")


@test
def open_spans_of_a_process_that_exits_with_an_error_say_its_status():
    says_why(dies("7", 7), "exit", "process exited with status 7 before the span ended")


@test
def run_ends_when_the_command_has_been_killed_while_it_was_stopped():
    done = Run([build("family"), "stranger", "stopped"])
    done.line("ready")
    pid = command_pid(done.pid)
    os.kill(pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    equal(done.wait(5).process.returncode, 137, "status")
    equal(len(named(done.spans, "stopped")), 1, "spans")
