#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the kernel tests whose names, or whose files' names, contain one of the arguments."""
import importlib
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness  # noqa: E402


def main():
    for name in sorted(os.listdir(os.path.dirname(os.path.abspath(__file__)))):
        if name.endswith("_test.py"):
            importlib.import_module(name[:-3])
    verbose = "-v" in sys.argv[1:]
    wanted = [argument for argument in sys.argv[1:] if argument != "-v"]
    tests = [test for test in harness.TESTS
             if not wanted or any(it in test.__name__ or it in test.__module__ for it in wanted)]
    if not tests:
        sys.exit("no test, and no file of tests, has a name with " + " or ".join(wanted) + " in it")
    why_not = harness.privileged()
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    harness.become_reaper()
    file = None
    for test in tests:
        if test.__module__ != file:
            file = test.__module__
            print(f"  {file.removesuffix('_test')}", flush=True)
        begin = time.monotonic()
        what, text = ("skipped", why_not) if why_not else harness.run_test(test)
        counts[what] += 1
        if what == "skipped":
            print(f"  SKIP {test.__name__}: {text}", flush=True)
        elif verbose:
            print(f"    {what} in {time.monotonic() - begin:5.2f} s  {test.__name__}", flush=True)
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    print(f"{counts['passed']} passed, {counts['failed']} failed{skipped}")
    return 1 if counts["failed"] else 0


sys.exit(main())
