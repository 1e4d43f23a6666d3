#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports to a receiver that goes up and down, hangs, refuses and leaves requests unanswered, while
producer runs under the agent; then kills the agent while it spools. Looks at every span.

    $(tests/interop/python_env.sh) tests/interop/flap.py [--seconds N] [--rate N] BUILD

No span may be missing, and none may be there more often than the agent says. BUILD is as for
throughput.py.
"""

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

from throughput import PER_TRACE, THREADS, Checker, Tests, feed_protobuf


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


class Receiver:
    """Comes and goes, always on the same port; each time it has a file of its own."""

    def __init__(self, build, directory):
        self.program = os.path.join(build, "tests/interop/receiver")
        self.directory = directory
        self.port = free_port()
        self.files = []
        self.process = None

    def up(self):
        self.files.append(os.path.join(self.directory, f"requests{len(self.files)}"))
        self.process = subprocess.Popen(
            [self.program, str(self.port), self.files[-1]], stdout=subprocess.PIPE
        )
        self.process.stdout.readline()

    def down(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait()
        self.process.stdout.close()

    def received(self):
        return os.path.getsize(self.files[-1])

    def tell(self, what):
        self.process.send_signal(what)

    def check(self, spans):
        checker = Checker(spans, may_repeat=True)
        for path in self.files:
            feed_protobuf(checker, path)
        count, wrong = checker.finish()
        return checker, count - checker.repeated, wrong


def agent(build, receiver, spool, *command):
    return [
        os.path.join(build, "otel-bpf"),
        *("run", "-v", "--ring-size", "64M", "--spool", spool),
        *("-e", f"otlp=http://127.0.0.1:{receiver.port}/v1/traces", "--", *command),
    ]


def producer(build, spans, rate):
    return [os.path.join(build, "tests/interop/producer"), *map(str, (spans, rate, THREADS))]


def number(pattern, text):
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


def resent(text):
    return sum(map(int, re.findall(r"(\d+)  otlp: sent again", text)))


def replay(build, receiver, spool):
    """Another agent delivers what the one before has left."""
    return subprocess.run(
        agent(build, receiver, spool, "true"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def trouble(receiver, ended):
    """All that a receiver can do wrong, one after the other, until the agent has ended."""

    def arrives():
        """Until the receiver has a request more."""
        before = receiver.received()
        while not ended.over and receiver.received() == before:
            ended.wait(0.02)

    def silent():
        receiver.tell(signal.SIGUSR2)
        arrives()
        receiver.tell(signal.SIGHUP)

    def killed():
        receiver.down()
        ended.wait(1)
        receiver.up()

    def hangs():
        receiver.tell(signal.SIGSTOP)
        ended.wait(1.5)
        receiver.tell(signal.SIGCONT)

    def busy():
        receiver.tell(signal.SIGUSR1)
        ended.wait(0.7)
        receiver.tell(signal.SIGHUP)

    while True:
        for step in (silent, killed, hangs, busy):
            arrives()
            if ended.over:
                return
            step()


class Ended:
    """Waits for a process, or for a time."""

    def __init__(self, process):
        self.process = process
        self.over = False

    def wait(self, seconds):
        try:
            self.process.wait(seconds)
            self.over = True
        except subprocess.TimeoutExpired:
            pass


def flap(tests, options, directory):
    spans = options.rate * THREADS * options.seconds
    receiver, spool = Receiver(options.build, directory), os.path.join(directory, "spool")
    said = os.path.join(directory, "said")
    receiver.up()
    with open(said, "w+", encoding="utf-8") as file:
        run = subprocess.Popen(
            agent(options.build, receiver, spool, *producer(options.build, spans, options.rate)),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        trouble(receiver, Ended(run))
        status = run.wait(60)
        file.seek(0)
        said = file.read()
    again = replay(options.build, receiver, spool)
    receiver.down(signal.SIGTERM)
    checker, count, wrong = receiver.check(spans)
    text = said + again
    said = text.splitlines()
    kept = number(r"(\d+) spans are kept", text)
    tests.check(
        f"the agent ends well, and leaves {kept} spans to the next one",
        said if status or "not delivered" in text or "were lost:" in text else [],
    )
    if count != spans:
        wrong.append(f"{count} spans, not {spans}")
    tests.check(f"all of {spans} spans have arrived", wrong and wrong + said)
    counted = resent(text)
    tests.check(
        f"{checker.repeated} of them twice, {counted} were counted as sent again",
        [] if checker.repeated <= counted else said,
    )
    tests.check("the trouble was real", [] if counted and len(receiver.files) > 1 else said)


def spooled(directory):
    """Whether there is something in the spool."""
    return os.path.isdir(directory) and any(it.endswith(".otlp") for it in os.listdir(directory))


def killed(tests, options, directory):
    """Nobody is there, and then the agent is killed: what it had spooled is whole."""
    seconds = 2
    spans = options.rate * THREADS * 60
    receiver, spool = Receiver(options.build, directory), os.path.join(directory, "spool")
    with open(os.devnull, "w", encoding="utf-8") as null:
        run = subprocess.Popen(
            agent(options.build, receiver, spool, *producer(options.build, spans, options.rate)),
            stdout=null,
            stderr=null,
            start_new_session=True,
        )
        begin = None
        while not begin or time.monotonic() < begin + seconds:
            if run.poll() is not None:
                return tests.check("the agent runs until it is killed", ["it has ended"])
            if not begin and spooled(spool):
                begin = time.monotonic()
            time.sleep(0.01)
        run.kill()
        run.wait()
        os.killpg(run.pid, signal.SIGKILL)
    receiver.up()
    said = replay(options.build, receiver, spool)
    receiver.down(signal.SIGTERM)
    checker, count, wrong = receiver.check(spans)
    found = number(r"found (\d+) spans", said)
    if count != found - number(r"with (\d+) spans as far", said):
        wrong.append(f"{count} spans arrived, not {found}")
    for thread in range(THREADS):
        ids = checker.ids[checker.base[thread] : checker.base[thread + 1]]
        last = max((i for i, it in enumerate(ids) if it), default=0)
        missing = [i for i in range(last - 2 * PER_TRACE) if not ids[i]]
        if missing:
            wrong.append(f"thread {thread} has {len(missing)} holes, the first at {missing[0]}")
        # It began before, and a second may be in memory; the rest is for a busy machine.
        if last < options.rate * (seconds - 1):
            wrong.append(f"thread {thread} ends at {last}")
    tests.check(
        f"an agent that is killed while it spools leaves {count} spans to the next one, no holes",
        wrong and wrong + said.splitlines(),
    )
    tests.check(
        f"{checker.repeated} of them twice",
        [] if checker.repeated <= resent(said) else said.splitlines(),
    )
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--seconds", type=int, default=7)
    parser.add_argument("--rate", type=int, default=4000)
    options = parser.parse_args()
    tests = Tests()
    sys.stdout.reconfigure(line_buffering=True)
    for test in (flap, killed):
        with tempfile.TemporaryDirectory(dir=os.path.join(options.build, "tests")) as directory:
            test(tests, options, directory)
    print(f"{tests.passed} passed, {tests.failed} failed")
    sys.exit(tests.failed > 0)


if __name__ == "__main__":
    main()
