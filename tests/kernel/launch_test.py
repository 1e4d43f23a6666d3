# SPDX-License-Identifier: Apache-2.0
"""The command runs as if it had been started directly."""
import os
import pty
import pwd
import resource
import select
import signal
import subprocess
import time

from harness import (AGENT, PATIENCE, Run, Seen, build, check, children, command_pid, contains, direct, environment,
                     equal, one, run, test, wait_until)


def plain(*arguments, **more):
    return run([build("plain"), *arguments], **more)


def script(name, text, mode=0o755):
    path = os.path.join(Seen.folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def same_as_direct(*arguments, **more):
    program = build("plain")
    seen, expected = run([program, *arguments], **more).out, direct([program, *arguments], **more).out
    equal(seen.splitlines(), expected.splitlines(), "what the command sees")
    return expected


# ---- The end ----


@test
def the_exit_status_is_the_commands():
    for status in (0, 1, 2, 42, 124, 125, 126, 127, 128, 137, 254, 255):
        equal(plain("exit", str(status), status=None).process.returncode, status, "exit status")


@test
def a_command_killed_by_a_signal_makes_128_and_its_number():
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1, signal.SIGABRT):
        equal(plain("die", str(int(number)), status=None).process.returncode, 128 + number, "exit status")


@test
def a_command_that_is_not_found_makes_127():
    for command in ("no-such-command", "./no-such-command", "/no/such/command", ""):
        done = run([command], status=127)
        equal(done.err, f"otel-bpf: {command}: command not found\n", "message")


@test
def a_command_that_cannot_be_executed_makes_126():
    for command in (script("text", "text\n", 0o644), Seen.folder):
        done = run([command], status=126)
        contains(done.err, f"otel-bpf: {command}: cannot be executed: ", "message")


@test
def a_script_whose_interpreter_is_missing_is_said_to_be_so():
    done = run([script("bad", "#!/no/such/interpreter\n")], status=None)
    check(done.process.returncode in (126, 127), f"status {done.process.returncode}")
    contains(done.err, "bad", "message")


@test
def wrong_options_make_125_and_say_what_is_wrong():
    for options, word in ((["--nonsense"], "--nonsense"), (["--exporter"], "--exporter"), (["-e"], "-e"),
                          (["--ring-size", "3"], "--ring-size"), ([], "no command")):
        done = Run([AGENT, "run", *options], direct=True).wait()
        equal(done.process.returncode, 125, f"status of {options}")
        contains(done.err, word, "message")
        equal(done.err.count("\n"), 1, "lines of the message")


@test
def help_and_version_are_on_standard_output():
    for arguments, word in ((["--help"], "otel-bpf run"), (["--version"], "otel-bpf 0"), (["run", "--help"], "--exporter")):
        done = direct([AGENT, *arguments])
        contains(done.out, word)
        equal(done.err, "", "standard error")


# ---- What it inherits ----


@test
def standard_input_output_and_error_are_the_commands_own():
    program = build("plain")
    text = "".join(f"line {i}\n" for i in range(20000))
    for option in ([], ["--exporter", "none"]):
        done = subprocess.run([AGENT, "run", "-e", "none", *option, "--", program, "copy"], input=text,
                              capture_output=True, text=True, check=True, timeout=PATIENCE)
        check(done.stdout == text, "standard output has changed")
        equal(done.stderr, "copied\n", "standard error")


@test
def signals_limits_environment_and_the_rest_are_as_if_started_directly():
    def unusual():
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGWINCH})
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]))
        resource.setrlimit(resource.RLIMIT_NOFILE, (400, 500))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.umask(0o027)
        os.nice(3)
    same_as_direct("show")
    text = same_as_direct("show", preexec_fn=unusual, cwd="/usr", restore_signals=False,
                          env={"EMPTY": "", "OTEL_SERVICE_NAME": "a name", "ODD KEY": "=x=\n"})
    contains(text, "blocked", "the test itself")


@test
def ignored_sigchld_and_sigint_stay_ignored():
    def ignoring():
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    same_as_direct("show", preexec_fn=ignoring)
    equal(plain("exit", "7", status=7, preexec_fn=ignoring).process.returncode, 7, "exit status")


@test
def no_descriptor_of_the_agent_reaches_the_command():
    text = same_as_direct("files")
    equal(len(text.splitlines()), 3, "descriptors of the command")
    with open("/dev/null", encoding="ascii") as extra:
        os.set_inheritable(extra.fileno(), True)
        equal(len(same_as_direct("files", pass_fds=[extra.fileno()]).splitlines()), 4, "with one of ours")


@test
def closed_standard_descriptors_stay_closed():
    def closing():
        os.close(0)
    text = same_as_direct("files", stdin=None, preexec_fn=closing)
    check("fd 0 " not in text, "the test itself")


@test
def arguments_and_the_name_are_as_given():
    program = build("plain")
    same_as_direct("arguments", "--", "-e", "", "two words", "ümlaut")
    seen = run(["plain", "arguments"], env={"PATH": "/nowhere:" + os.path.dirname(program)})
    equal(seen.out, "argument plain\nargument arguments\n", "a command found through PATH")
    equal(len(seen.spans), 1, "spans")
    seen = run(["./plain", "arguments"], cwd=os.path.dirname(program))
    equal((seen.out, len(seen.spans)), ("argument ./plain\nargument arguments\n", 1), "a relative path")


@test
def scripts_run_with_their_interpreter():
    program = build("plain")
    python = script("program.py", "#!/usr/bin/env python3\nimport subprocess, sys\nprint(sys.argv[1])\n"
                    f"subprocess.run(['{program}'])\n")
    equal(run([python, "argument"]).out, "argument\n", "a script")
    equal(run([script("plain.sh", 'echo "$0 $1"\n'), "one"]).out, f"{Seen.folder}/plain.sh one\n",
          "a script without #!")
    done = run([script("ours", f"#!{program} arguments\n")])
    contains(done.out, "argument arguments\n")
    equal(len(done.spans), 1, "spans of an interpreter with probes")


# ---- Identity ----


@test
def a_user_is_who_the_command_runs_as():
    nobody = pwd.getpwnam("nobody")
    os.chmod(Seen.folder, 0o755)
    lines = plain("show", options=["--user", "nobody"]).out.splitlines()
    check(f"ids {nobody.pw_uid} {nobody.pw_uid} {nobody.pw_gid} {nobody.pw_gid}" in lines, f"ids: {lines}")
    groups = os.getgrouplist("nobody", nobody.pw_gid)
    equal([line for line in lines if line.startswith("in group")], [f"in group {g}" for g in groups], "groups")
    done = plain("files", options=["-u", "nobody"])
    equal([line.split()[1] for line in done.out.splitlines()], ["0", "1", "2"], "descriptors")
    equal([s.attributes["uid"] for s in done.spans], [nobody.pw_uid], "spans")


@test
def a_user_that_does_not_exist_makes_125():
    done = run(["true"], ["--user", "no-such-user"], status=125)
    equal(done.err, "otel-bpf: --user no-such-user: there is no such user\n", "message")


@test
def without_privileges_one_error_names_what_is_missing():
    done = Run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", AGENT, "run", "-e", "none", "--",
                build("plain")], direct=True).wait()
    equal(done.process.returncode, 125, "status")
    equal(done.err.count("\n"), 1, "lines of the message")
    for part in ("CAP_BPF", "CAP_PERFMON", "root", "setcap"):
        contains(done.err, part, "message")


@test
def with_bpf_and_perfmon_only_spans_are_recorded_or_one_error_says_what_is_missing():
    wanted = "+bpf,+perfmon,+sys_ptrace,+setuid,+setgid"
    spans = os.path.join(Seen.folder, "for-nobody")
    os.mkdir(spans)
    os.chmod(spans, 0o777)
    done = Run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", f"--inh-caps={wanted}",
                f"--ambient-caps={wanted}", "--", AGENT, "run", "-e", f"otlp_file={spans}/spans", "--", build("plain")],
               direct=True).wait()
    if done.process.returncode == 125:
        contains(done.err, "setcap", "message")
        return
    done.file = spans + "/spans"
    equal((done.process.returncode, [s.attributes["uid"] for s in done.spans]), (0, [65534]), "status, spans")


# ---- Signals ----


def counting(**more):
    running = Run([build("plain"), "count"], **more)
    running.line("ready")
    return running


@test
def a_signal_sent_to_otel_bpf_is_passed_on_once():
    running = counting()
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        running.process.send_signal(number)
    pid = command_pid(running.pid)
    wait_until(lambda: pending(running.pid) == 0 and pending(pid) == 0, "signals to be taken")
    running.wait()
    names = sorted(signal.strsignal(n) for n in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP,
                                                 signal.SIGINT, signal.SIGQUIT))
    equal(sorted(running.out.splitlines()[1:]), sorted(f"got {name} 1" for name in names), "signals")


def pending(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return sum(int(line.split()[1], 16) for line in file if line.startswith(("SigPnd", "ShdPnd")))


@test
def sigterm_ends_a_command_that_does_not_handle_it():
    running = Run(["sleep", "60"])
    command = command_pid(running.pid)
    wait_until(lambda: os.readlink(f"/proc/{command}/exe").endswith("/sleep"), "the command")
    running.process.send_signal(signal.SIGTERM)
    equal(running.wait(5).process.returncode, 128 + signal.SIGTERM, "status")


class Terminal:
    """A shell-like parent on a terminal of its own, that runs a command in the foreground."""

    def __init__(self, command):
        self.text, self.at = "", 0
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.execvpe(command[0], command, environment({"PS1": "prompt> "}))

    def read(self, until, seconds=PATIENCE):
        """Waits for a text behind the one that was read last."""
        end = time.monotonic() + seconds
        while until not in self.text[self.at:]:
            check(time.monotonic() < end, f"waited for {until!r} on the terminal, saw {self.text!r}")
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.fd, 4096).decode()
                except OSError:
                    break
        contains(self.text[self.at:], until, "the terminal")
        self.at = self.text.index(until, self.at) + len(until)

    def type(self, text):
        os.write(self.fd, text.encode())


@test
def a_terminals_ctrl_c_reaches_the_command_once():
    terminal = Terminal([AGENT, "run", "-e", "none", "--", build("plain"), "count"])
    terminal.read("ready")
    for _ in range(3):
        terminal.type("\x03")
        time.sleep(0.1)  # signals of one kind do not queue: they must not become one by themselves
    terminal.type("\x04")
    terminal.read("got Interrupt 3")
    equal(os.waitpid(terminal.pid, 0)[1], 0, "status")


@test
def ctrl_z_stops_all_and_the_shell_can_go_on_with_it():
    program = build("plain")
    shell = Terminal(["bash", "--norc", "--noprofile", "--noediting", "-i"])
    shell.read("prompt> ")
    shell.type(f"{AGENT} run -e none -- {program} count\n")
    shell.read("ready")
    shell.type("\x1a")
    shell.read("Stopped")
    shell.read("prompt> ")
    # The shell only knows of otel-bpf; who is still in read(2) would take what is typed next.
    wait_until(lambda: all(stopped(pid) for pid in tree(shell.pid)), "all to be stopped")
    shell.type("fg\n")
    shell.read("count\r\n")
    wait_until(lambda: os.tcgetpgrp(shell.fd) != os.getpgid(shell.pid) and
               not any(stopped(pid) for pid in tree(shell.pid)), "all to go on")
    shell.type("\x03")
    shell.read("^C")
    time.sleep(0.1)
    shell.type("\x04")
    shell.read("got Interrupt 1")
    shell.read("prompt> ")
    shell.type("echo status $?\n")
    shell.read("status 0")
    shell.type("exit\n")
    os.close(shell.fd)
    os.waitpid(shell.pid, 0)


@test
def an_interactive_shell_under_the_agent_keeps_its_job_control():
    shell = Terminal([AGENT, "run", "-e", "none", "--", "bash", "--norc", "--noprofile", "--noediting", "-i"])
    shell.read("prompt> ")
    check("no job control" not in shell.text, "no job control")
    shell.type("sleep 60\n")
    shell.read("sleep 60\r\n")
    wait_until(lambda: any(comm(pid) == "sleep" for pid in tree(shell.pid)), "sleep to run")
    shell.type("\x03")
    shell.read("^C")
    shell.type("echo still $((40 + 2))\n")
    shell.read("still 42")
    shell.type("exit 9\n")
    status = wait_status(shell)
    equal(os.waitstatus_to_exitcode(status), 9, "status")


def wait_status(terminal):
    """Of the end, while the terminal is read."""
    def ended():
        if select.select([terminal.fd], [], [], 0)[0]:
            try:
                terminal.text += os.read(terminal.fd, 4096).decode()
            except OSError:
                pass
        pid, status = os.waitpid(terminal.pid, os.WNOHANG)
        return pid and (status,)
    status, = wait_until(ended, "the terminal's program to end")
    return status


def tree(pid):
    """All below it that a terminal has to do with: who looks at quiet threads has left its session."""
    found = [child for child in children(pid) if os.getsid(child) == os.getsid(pid)]
    return found + [p for child in found for p in tree(child)]


def stopped(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


@test
def the_command_is_in_the_process_group_of_otel_bpf():
    running = counting()
    equal(os.getpgid(command_pid(running.pid)), os.getpgid(running.pid), "process group")
    running.wait()
    one(running.spans, "plain")
