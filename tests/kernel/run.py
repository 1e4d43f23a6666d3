#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the kernel tests whose names, or whose files' names, contain one of the arguments.

    run.py [-v] [-j JOBS] [WORD...]

Most of the time a test waits: JOBS of them run at once (one more than there are processors), each in
a process of its own; then, one by one, those that must run alone. What they print comes in their order.
"""
import argparse
import contextlib
import importlib
import io
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness  # noqa: E402


def end_at_signals():
    """What runs is ended on the way out; another signal does not disturb that."""
    def end(*_):
        nonlocal ending
        if not ending:
            ending = True
            sys.exit(130)

    ending = False
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


class Worker:
    """A process that runs one test after the other."""

    def __init__(self, number):
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=self.work, args=(number, other), daemon=True)
        self.process.start()
        other.close()
        self.test = None

    def work(self, number, pipe):
        end_at_signals()
        harness.become_reaper()
        harness.Seen.worker = number
        while True:
            test = harness.TESTS[pipe.recv()]
            out, begin = io.StringIO(), time.monotonic()
            with contextlib.redirect_stdout(out):
                what, text = harness.run_test(test)
            pipe.send((what, text, out.getvalue(), time.monotonic() - begin))

    def start(self, test):
        self.test = test
        self.pipe.send(harness.TESTS.index(test))

    def result(self):
        try:
            return self.pipe.recv()
        except EOFError:
            self.process.join()
            return "failed", "", f"  FAIL {self.test.__name__}\n    its process ended: {self.process.exitcode}\n", 0


class Report:
    """Prints what became of tests, in their order, and counts."""

    def __init__(self, tests, verbose):
        self.left = list(tests)
        self.verbose = verbose
        self.results = {}
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.heading = None

    def add(self, test, result):
        self.results[test] = result
        while self.left and self.left[0] in self.results:
            test = self.left.pop(0)
            self.show(test, *self.results[test])

    def show(self, test, what, text, out, seconds):
        heading = f"  {test.__module__.removesuffix('_test')}{', alone' if test.alone else ''}"
        if heading != self.heading:
            self.heading = heading
            print(heading)
        self.counts[what] += 1
        print(out, end="")
        if what == "skipped":
            print(f"  SKIP {test.__name__}: {text}")
        elif self.verbose:
            print(f"    {what} in {seconds:5.2f} s  {test.__name__}")
        sys.stdout.flush()

    def close(self):
        skipped = f", {self.counts['skipped']} skipped" if self.counts["skipped"] else ""
        print(f"{self.counts['passed']} passed, {self.counts['failed']} failed{skipped}")
        return 1 if self.counts["failed"] else 0


def take(left, before, running):
    """The next test for a worker: of the file that it is at, else of one that no other is at."""
    ours = before.__module__ if before else None
    others = {test.__module__ for test in running}
    best = min(left, key=lambda test: (test.__module__ != ours, test.__module__ in others))
    left.remove(best)
    return best


def run(tests, jobs, report):
    left, workers = list(tests), {}
    for number in range(1, min(jobs, len(tests)) + 1):
        workers[number] = Worker(number)
        workers[number].start(take(left, None, [it.test for it in workers.values() if it.test]))
    while workers:
        ready = multiprocessing.connection.wait([it.pipe for it in workers.values()])
        for number, worker in list(workers.items()):
            if worker.pipe not in ready:
                continue
            test = worker.test
            report.add(test, worker.result())
            if not left:
                del workers[number]
                worker.process.terminate()
                worker.process.join()
                continue
            if not worker.process.is_alive():
                worker = workers[number] = Worker(number)
            worker.start(take(left, test, [it.test for it in workers.values() if it is not worker]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-v", action="store_true", help="say how long each test took")
    parser.add_argument("-j", type=int, metavar="JOBS", default=os.cpu_count() + 1, help="how many run at once")
    parser.add_argument("words", nargs="*", metavar="WORD", help="a part of the name of a test or of its file")
    options = parser.parse_args()
    for name in sorted(os.listdir(os.path.dirname(os.path.abspath(__file__)))):
        if name.endswith("_test.py"):
            importlib.import_module(name[:-3])
    tests = [test for test in harness.TESTS
             if not options.words or any(it in test.__name__ or it in test.__module__ for it in options.words)]
    if not tests:
        sys.exit("no test, and no file of tests, has a name with " + " or ".join(options.words) + " in it")
    together, alone = ([test for test in tests if test.alone == it] for it in (False, True))
    report = Report(together + alone, options.v)
    why_not = harness.privileged()
    if why_not:
        for test in together + alone:
            report.add(test, ("skipped", why_not, "", 0))
        return report.close()
    end_at_signals()
    run(together, max(1, options.j), report)
    run(alone, 1, report)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
