# SPDX-License-Identifier: Apache-2.0
"""soak_driver.py PROGRAM LIBRARY FOLDER SECONDS: short lives, one after the other, of copies of PROGRAM
that load copies of LIBRARY, under names that are new each time and are deleted afterwards. Says "rests"
when the time is over, and ends with its standard input."""
import os
import shutil
import subprocess
import sys
import time

program, library, folder, seconds = sys.argv[1:]
end = time.monotonic() + float(seconds)
lives = 0
while time.monotonic() < end:
    running = []
    for how in ("return", "exit", "kill", "exec"):
        lives += 1
        names = [os.path.join(folder, f"{name}{lives}") for name in ("program", "library")]
        shutil.copy(program, names[0])
        shutil.copy(library, names[1])
        running.append((subprocess.Popen([names[0], how, names[1]]), names))
    for process, names in running:
        process.wait()
        for name in names:
            os.unlink(name)
    time.sleep(0.05)  # what a busy build host does, not what a fork bomb does
print("rests", lives, flush=True)
sys.stdin.read()
