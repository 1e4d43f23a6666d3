# SPDX-License-Identifier: Apache-2.0
"""Programs that run without an agent (programs/serve.c, torrent.c), and agents that attach to them."""
import time

from harness import Run, build, contains, direct, equal, wait_until


class Serve(Run):
    """Runs serve, or another program with arguments, and asks it one line at a time."""

    def __init__(self, threads=0, program="serve", env=None):
        super().__init__([build(program), *str(threads).split()], env=env, direct=True)
        self.answers = 0
        self.serves = int(self.answer("ready"))

    def answer(self, begin):
        """Its next line, which begins with this word; returns the rest."""
        def found():
            lines = self.out.split("\n")[:-1]
            return len(lines) > self.answers and (lines[self.answers],)
        line, = wait_until(found, f"an answer {begin!r}")
        self.answers += 1
        word, _, rest = line.partition(" ")
        equal(word, begin, "word of the answer")
        return rest

    def ask(self, command, begin):
        self.tell(command + "\n")
        return self.answer(begin)

    def span(self, name):
        """Makes one; returns whether it was recorded."""
        return int(self.ask("span " + name, "span"))

    def open(self, name):
        return int(self.ask("open " + name, "opened"))

    def close(self):
        self.ask("close", "closed")

    def work(self, pause_us):
        self.ask(f"work {pause_us}", "working")

    def rest(self):
        """Returns how many spans its threads have recorded."""
        return int(self.ask("rest", "recorded"))

    def off_after(self, act):
        """Milliseconds from what act() does to the last semaphore's end."""
        began = time.monotonic_ns()
        act()
        return (int(self.ask("off", "off")) - began) / 1e6


class Attach(Run):
    """An agent that attaches to programs, and records them when this returns."""

    def __init__(self, *programs, options=(), ready="recorded", **more):
        pids = [it for program in programs for it in ("-p", str(program.serves))]
        super().__init__([], [*options, *pids], agent="attach", **more)
        if ready:
            wait_until(lambda: ready in self.err or self.process.poll() is not None, f"the agent to say {ready!r}")
            contains(self.err, ready)

    def stop(self, status=0):
        self.process.terminate()
        equal(self.wait().process.returncode, status, "exit status of the agent")
        return self


class OwnMount:
    """A file system that only commands with .prefix in front see, in a mount namespace of its own."""

    def __init__(self, kind, path):
        self.holder = Run(["unshare", "--mount", "sh", "-c",
                           f"mount -t {kind} none {path} && echo mounted && exec sleep 600"], direct=True)
        self.holder.line("mounted")
        self.prefix = ("nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "--")

    def path(self, path):
        """Of a file in there, as others see it."""
        return f"/proc/{self.holder.pid}/root{path}"


class BpfFs(OwnMount):
    """A BPF file system, and agents that pin to it."""

    def __init__(self):
        super().__init__("bpf", "/sys/fs/bpf")

    def attach(self, *programs, options=("--pin",), **more):
        return Attach(*programs, options=options, prefix=self.prefix, **more)

    def detach(self, *options, status=0):
        done = Run([], ["--pin", *options], agent="detach", prefix=self.prefix).wait()
        equal(done.process.returncode, status, "exit status")
        return done

    def pinned(self):
        """Names of what is pinned."""
        return direct([*self.prefix, "sh", "-c", "ls /sys/fs/bpf/otel-bpf 2>/dev/null || true"]).out.split()
