# SPDX-License-Identifier: Apache-2.0
"""What the kernel tests are written with: builds programs, runs them under the agent, reads spans.

A test is a function marked with @test, its name a sentence. It fails by an exception; check() and
equal() raise one that says what was seen. Everything that was run in a test is shown when it fails.

Other tests run at the same time, each with agents of its own. What measures the machine, not what
happens on it, is marked with @test(alone=True).
"""
import base64
import contextlib
import ctypes
import fcntl
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
AGENT = os.path.join(BUILD, "otel-bpf")
OUT = os.path.join(BUILD, "tests", "kernel")
PROGRAMS = os.path.join(ROOT, "tests", "kernel", "programs")
HEADERS = os.path.join(ROOT, "usdt")
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wcast-qual", "-Werror"]
PATIENCE = 20  # seconds that a condition may take before the test fails

TESTS = []


class Skip(Exception):
    """The test cannot run here; says why."""


def test(function=None, alone=False):
    """Marks a test; alone: nothing else runs beside it."""
    if not function:
        return lambda marked: test(marked, alone)
    function.alone = alone
    TESTS.append(function)
    return function


# ---- Saying what is wrong ------------------------------------------------------------------------


class Seen:
    """What the running test has run, to be shown if it fails, and where."""

    runs = []
    folder = None
    worker = 1  # which of the processes that run tests this is


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def equal(seen, expected, what):
    if seen != expected:
        raise AssertionError(f"{what}:\n  seen     {seen!r}\n  expected {expected!r}")


def contains(text, part, what="output"):
    if part not in text:
        raise AssertionError(f"{what}: no {part!r} in\n{text}")


def wait_until(condition, what, seconds=PATIENCE):
    """Waits for the condition to become true, and returns what it returned."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for: {what}")
        time.sleep(0.01)


# ---- Building ------------------------------------------------------------------------------------


def _newest(folder):
    return max(os.path.getmtime(os.path.join(folder, name)) for name in os.listdir(folder))


_broken = {}  # programs that cannot be compiled: said once, not at every use


@contextlib.contextmanager
def alone_with(path):
    """Keeps other processes that run tests from making this file at the same time."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def own_copy(made, name):
    """A copy of a file for this process; who runs or maps an older one keeps that."""
    path = os.path.join(OUT, f"worker{Seen.worker}", name)
    if not os.path.exists(path) or os.path.getmtime(path) != os.path.getmtime(made):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy2(made, path + ".new")
        os.rename(path + ".new", path)
    return path


def build(name, source=None, compiler="cc", flags=(), headers=HEADERS, libs=("-lpthread",)):
    """Compiles programs/SOURCE.c (default: NAME.c) to a program called NAME; returns its path.

    Each process that runs tests has a copy of its own: a probe belongs to a file, and the control bits of
    whoever attaches to it are set in all processes that run that.
    """
    made = os.path.join(OUT, name)
    source = source or name
    if not os.path.isabs(source):
        source = os.path.join(PROGRAMS, source + ("" if "." in source else ".c"))
    newest = max(os.path.getmtime(source), _newest(PROGRAMS), _newest(os.path.join(headers, "otel")))
    if made in _broken:
        raise AssertionError(_broken[made])
    with alone_with(made):
        if not os.path.exists(made) or os.path.getmtime(made) <= newest:
            standard = ["-std=c++17", "-x", "c++"] if "++" in compiler else ["-std=c11"]
            command = [compiler, *standard, *WARNINGS, *([] if "++" in compiler else ["-D_GNU_SOURCE"]), "-O2",
                       "-I" + headers, *flags, "-o", made, source, "-x", "none", *libs]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                _broken[made] = f"cannot compile {name}, see above"
                raise AssertionError("cannot compile: " + " ".join(command) + "\n" + done.stderr)
        return own_copy(made, name)


# ---- Spans ---------------------------------------------------------------------------------------


def _value(value):
    """An OTLP JSON AnyValue as a Python value; integers stay apart from floats and booleans."""
    (kind, content), = value.items() if value else (("none", None),)
    if kind == "intValue":
        return int(content)
    if kind == "doubleValue":
        return float(content)
    if kind == "bytesValue":
        return base64.b64decode(content)
    return content


def _attributes(items):
    result = {}
    for item in items:
        check(item["key"] not in result, f"attribute {item['key']} is there twice: {items}")
        result[item["key"]] = _value(item["value"])
    return result


class Event:
    def __init__(self, it):
        self.name = it.get("name", "")
        self.time = int(it["timeUnixNano"])
        self.attributes = _attributes(it.get("attributes", []))

    def __repr__(self):
        return f"{self.name}{self.attributes}"


class Span:
    def __init__(self, it, resource, scope, schema_url=""):
        self.name = it.get("name", "")
        self.trace = it["traceId"]
        self.id = it["spanId"]
        self.parent = it.get("parentSpanId", "")
        self.flags = it.get("flags", 0)
        self.tracestate = it.get("traceState", "")
        self.kind = it.get("kind", 0)
        self.start = int(it["startTimeUnixNano"])
        self.end = int(it["endTimeUnixNano"])
        self.attributes = _attributes(it.get("attributes", []))
        self.dropped_attributes = it.get("droppedAttributesCount", 0)
        self.events = [Event(e) for e in it.get("events", [])]
        self.status = it.get("status", {}).get("code", 0)
        self.message = it.get("status", {}).get("message", "")
        self.resource = resource
        self.scope = (scope.get("name", ""), scope.get("version", ""))
        self.scope_attributes = _attributes(scope.get("attributes", []))
        self.schema_url = schema_url
        self.links = [(link["traceId"], link["spanId"], _attributes(link.get("attributes", [])))
                      for link in it.get("links", [])]
        self.link_contexts = [(link.get("flags", 0), link.get("traceState", "")) for link in it.get("links", [])]
        self.dropped_links = it.get("droppedLinksCount", 0)

    def __repr__(self):
        short = {k: v if len(str(v)) < 80 else str(v)[:80] + "..." for k, v in self.attributes.items()}
        return (f"{self.name!r} {self.trace}/{self.id} parent {self.parent or '-'} kind {self.kind} "
                f"status {self.status} {self.message!r} {short} {self.events} "
                f"pid {self.resource.get('process.pid')} service {self.resource.get('service.name')!r}")


def _of_line(line):
    spans = []
    for group in json.loads(line)["resourceSpans"]:
        resource = _attributes(group["resource"]["attributes"])
        for scope in group["scopeSpans"]:
            spans += [Span(it, resource, scope.get("scope", {}), scope.get("schemaUrl", "")) for it in scope["spans"]]
    return spans


class SpanFile:
    """The spans of a file that grows; each line of it is decoded once."""

    def __init__(self, path):
        self.path = path
        self.at = 0
        self.spans = []

    def read(self):
        try:
            with open(self.path, "rb") as file:
                file.seek(self.at)
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            return []
        for line in lines[:-1]:  # behind the last newline stands nothing, or a line being written
            self.at += len(line) + 1
            self.spans += _of_line(line)
        return list(self.spans)


def one(spans, name):
    found = [span for span in spans if span.name == name]
    equal(len(found), 1, f"spans called {name!r}")
    return found[0]


def named(spans, name):
    return [span for span in spans if span.name == name]


def same_number(a, b):
    """Equal, or both not a number."""
    return isinstance(a, float) and (a == b or (math.isnan(a) and math.isnan(b)))


# ---- Running -------------------------------------------------------------------------------------


def environment(changes=None):
    """Ours without what would change the agent's or the application's mind, and with changes."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    env.update(changes or {})
    return env


class Run:
    """A command that runs, or has run. With the agent around it unless direct; or an agent without one."""

    def __init__(self, command, options=(), env=None, direct=False, exporter=None, agent="run", prefix=(), **popen):
        self.file = os.path.join(Seen.folder, f"spans{len(Seen.runs)}.jsonl")
        exporter = exporter or "otlp_file=" + self.file
        recording = [*prefix, AGENT, agent, "-e", exporter, *options, *(["--", *command] if command else [])]
        self.command = list(command) if direct else recording
        self.out_path = os.path.join(Seen.folder, f"out{len(Seen.runs)}")
        self.err_path = os.path.join(Seen.folder, f"err{len(Seen.runs)}")
        Seen.runs.append(self)
        self.started = time.monotonic()
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            popen = {"stdin": subprocess.PIPE, "stdout": out, "stderr": err, **popen}
            self.process = subprocess.Popen(self.command, env=environment(env), **popen)
        self.pid = self.process.pid
        self.seconds = None
        self.exported = SpanFile(self.file)

    @property
    def out(self):
        with open(self.out_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    @property
    def err(self):
        with open(self.err_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    @property
    def spans(self):
        if self.exported.path != self.file:
            self.exported = SpanFile(self.file)
        return self.exported.read()

    def among_many(self, name):
        """Those of this name, where it would take long to decode all."""
        with open(self.file, encoding="utf-8") as file:
            return [span for line in file if f'"name":"{name}"' in line for span in _of_line(line) if span.name == name]

    def line(self, text, seconds=PATIENCE):
        """Waits until the command has printed a line that begins with this; returns the rest of it."""
        def found():
            for line in self.out.split("\n")[:-1]:
                if line.startswith(text):
                    return (line[len(text):].strip(),)
            return self.process.poll() is not None and (None,)
        rest, = wait_until(found, f"line {text!r} of {self.command}", seconds)
        check(rest is not None, f"ended without a line {text!r}")
        return rest

    def arrived(self, name, count=1, seconds=PATIENCE):
        """Waits until so many spans of this name have been exported; returns them."""
        return wait_until(lambda: len(named(self.spans, name)) >= count and named(self.spans, name),
                          f"{count} spans called {name!r}", seconds)

    def tell(self, text="\n"):
        """Writes to the command's standard input."""
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def wait(self, seconds=PATIENCE):
        """Waits for the end and returns self; standard input is closed."""
        if self.process.stdin and not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {seconds} s: {self.command}") from None
        self.seconds = time.monotonic() - self.started
        return self

    def show(self):
        print(f"    $ {' '.join(self.command)}\n    status {self.process.poll()}")
        for name, text in (("out", self.out), ("err", self.err)):
            for line in text[-3000:].splitlines()[-25:]:
                print(f"    {name}: {line}")
        try:
            for span in self.spans[:10]:
                print(f"    span: {span}")
        except Exception as err:
            print(f"    spans cannot be read: {err!r}")


def run(command, options=(), status=0, **more):
    """Runs the command under the agent to its end, and expects the exit status (None: any)."""
    if isinstance(command, str):
        command = [command]
    done = Run(command, options, **more).wait()
    if status is not None:
        equal(done.process.returncode, status, "exit status")
    return done


def direct(command, **more):
    return run(command, direct=True, **more)


def command_pid(agent_pid):
    """The pid of the command that this agent has launched."""
    return wait_until(lambda: next(iter(children(agent_pid)), None), "the agent's child")


def children(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                found += [int(child) for child in file.read().split()]
    except OSError:
        pass
    return found


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


# ---- Around a test -------------------------------------------------------------------------------


def become_reaper():
    """What tests leave behind becomes our child, so that end_leftovers() finds it; that is ended when our parent dies."""
    prctl = ctypes.CDLL(None).prctl
    prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    prctl(1, signal.SIGTERM, 0, 0, 0)  # PR_SET_PDEATHSIG


def _all_descendants(pid):
    found = []
    for child in children(pid):
        found += [child, *_all_descendants(child)]
    return found


def end_leftovers():
    for pid in _all_descendants(os.getpid()):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def privileged():
    """Why the tests cannot run here; None if they can."""
    if os.geteuid():
        return "not root"
    if not os.path.exists("/sys/kernel/btf/vmlinux"):
        return "the kernel has no type information"
    done = subprocess.run([AGENT, "run", "-e", "none", "--", "true"], capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else None


def run_test(function):
    """Runs one test; returns (what, text): passed, failed, skipped."""
    Seen.runs = []
    Seen.folder = tempfile.mkdtemp(prefix="otel-bpf-test-")
    os.chmod(Seen.folder, 0o755)
    try:
        function()
        return "passed", ""
    except Skip as why:
        return "skipped", str(why)
    except Exception as err:
        frame, where = err.__traceback__, ""
        while frame:
            code = frame.tb_frame.f_code
            if code.co_filename != __file__:
                where = f"{os.path.basename(code.co_filename)}:{frame.tb_lineno}: "
            frame = frame.tb_next
        kind = "" if isinstance(err, AssertionError) else type(err).__name__ + ": "
        print(f"  FAIL {function.__name__}\n    {where}{kind}" + str(err)[:6000].replace("\n", "\n    "))
        for it in Seen.runs[-3:]:
            it.show()
        return "failed", ""
    finally:
        for it in Seen.runs:
            if it.process.poll() is None:
                it.process.kill()
                it.process.wait()
            if it.process.stdin and not it.process.stdin.closed:
                try:
                    it.process.stdin.close()
                except OSError:
                    pass
        end_leftovers()
        shutil.rmtree(Seen.folder, ignore_errors=True)
        sys.stdout.flush()
