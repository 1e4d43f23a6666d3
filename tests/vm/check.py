# SPDX-License-Identifier: Apache-2.0
"""check.py KERNEL FOLDER FOLDER-PREEMPT: judges what guest.sh has left; a line per check."""
import json
import os
import re
import sys

KERNEL, FOLDER, PREEMPT = sys.argv[1:4]
DETACH_MS = 3000


class Failed(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Failed(what)


def text(name, folder=FOLDER):
    try:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def number(name, folder=FOLDER):
    content = text(name, folder).strip()
    need(content, f"no {name}: the guest did not come that far")
    return int(content)


def said(name, word, folder=FOLDER):
    """The number behind a word that the program or the agent has said."""
    found = re.search(rf"^{word} (-?\d+)$", text(name, folder), re.M)
    need(found, f"{name} says nothing of {word}: {text(name, folder)[-300:]!r}")
    return int(found.group(1))


def spans(name):
    found = []
    for line in text(name + ".jsonl").splitlines():
        for group in json.loads(line)["resourceSpans"]:
            for scope in group["scopeSpans"]:
                found += scope["spans"]
    return found


def ended(name, status=0, folder=FOLDER):
    seen = number(name + ".status", folder)
    need(seen == status, f"status {seen}, not {status}: {text(name + '.err', folder)[-600:]!r}")


def release():
    return tuple(int(n) for n in re.findall(r"\d+", text("release"))[:2])


# ---- The checks: each returns what else is worth knowing ------------------------------------------


def agent_attaches_and_spans_arrive():
    ended("kitchen")
    found = spans("kitchen")
    need(len(found) == 12, f"{len(found)} spans, not 12: {text('kitchen.err')[-600:]!r}")
    need(len({span["spanId"] for span in found}) == 12, "the same span twice")
    by = re.search(r"attaching by (.*)", text("kitchen.err"))
    errno = re.search(r"uprobe_errno (\d+)", text("site.out"))
    names = {6: "ENXIO: makes calls of 5-byte nops", 71: "EPROTO: makes calls of 10-byte nops"}
    return (f"by {by.group(1) if by else '?'}; {number('kitchen.ms')} ms in all; uprobe(2) says "
            f"{names.get(int(errno.group(1)), errno.group(1)) if errno else '?'}")


def all_spans_arrive_or_are_counted(name="load", folder=FOLDER):
    ended(name, 0, folder)
    started = said(name + ".out", "started", folder)
    arrived = number(name + ".ids", folder)
    report = text(name + ".err", folder)
    need("the books balance" in report, f"no report: {report[-600:]!r}")
    said_lost = re.search(r"(\d+) of \d+ spans were lost", report)
    lost = int(said_lost.group(1)) if said_lost else 0
    need(arrived + lost == started,
         f"{started} started, {arrived} arrived, {lost} counted as lost; thread, "
         f"spans, from, to: {text(name + '.threads', folder).splitlines()}: {report[-600:]!r}")
    need("malformed record" not in report, f"records were corrupted: {report[-600:]!r}")
    if not lost:
        numbers, texts = number(name + ".numbers", folder), number(name + ".texts", folder)
        need(numbers == started and texts == started * 9 // 10,
             f"{numbers} numbers and {texts} texts in {started} spans")
    skipped = re.search(r"the kernel skipped (\d+) probes?", report)
    return (f"{arrived} of {started} arrived, {lost} counted as lost"
            f"{', ' + skipped.group(0) if skipped else ''}; {number(name + '.ms', folder)} ms")


def books_are_exact_under_overload(folder=FOLDER):
    """In each process, what arrived and what was lost is what it says it has started.

    Where the last flush of a thread may be skipped (docs/kernels.md), nobody knows of up to one span in a hundred."""
    unknown = 0.01 if folder == PREEMPT and release() < (6, 0) else 0
    ended("books", 0, folder)
    report = text("books.err", folder)
    started = {int(pid): int(n) for pid, n in re.findall(r"^(\d+) started (\d+)$", text("books.out", folder), re.M)}
    arrived = {int(pid): int(n) for pid, n in
               (line.split() for line in text("books.arrived", folder).splitlines())}
    lost = {int(pid): (int(n), int(of)) for pid, n, of in
            re.findall(r"process (\d+) \(barrel\): (\d+) of (\d+) lost", report)}
    need(len(started) == 3, f"{len(started)} processes: {report[-600:]!r}")
    need(lost, f"nothing was lost: this was no overload: {report[-600:]!r}")
    for pid, n in started.items():
        was_lost, of = lost.get(pid, (0, n))
        need(n * (1 - unknown) <= of <= n and arrived.get(pid, 0) + was_lost == of,
             f"process {pid} has started {n}, the books say {of}; {arrived.get(pid, 0)} arrived, {was_lost} "
             f"counted as lost: {report[-1000:]!r}")
    need("the books balance" in report, f"no balance: {report[-600:]!r}")
    known = sum(lost[pid][1] if pid in lost else n for pid, n in started.items())
    return (f"{sum(started.values())} started, {sum(arrived.values())} arrived, {sum(n for n, _ in lost.values())} "
            f"counted as lost, {sum(started.values()) - known} not known of")


def restarts(name):
    """Spans that were recorded, that arrived, different ids among them, and what the agents said."""
    need(number(name + ".status") == 0, f"detach failed: {text(name + '.last.err')[-600:]!r}")
    need(not text(name + ".left"), f"stays pinned: {text(name + '.left')!r}")
    said_recorded = said(name + ".answers", "recorded") + 1  # the one that is open
    arrived, ids = (int(n) for n in text(name + ".spans").split())
    return said_recorded, arrived, ids, text(name + ".errors")


def restarts_in_order_lose_nothing():
    recorded, arrived, ids, errors = restarts("ordered")
    need((arrived, ids) == (recorded, recorded),
         f"{recorded} recorded, {arrived} arrived, {ids} different: {errors[-1500:]!r}")
    need("lost" not in errors, errors[-1500:])
    return f"{recorded} spans"


def what_is_lost_with_killed_agents_is_counted():
    recorded, arrived, ids, errors = restarts("killed")
    need(arrived == ids, f"{arrived} arrived, {ids} different")
    lost = sum(int(n) for n in re.findall(r"(\d+) spans were lost with the agent that was killed", errors))
    lost += sum(int(n) for n in re.findall(r"had counted (\d+) spans as lost before", errors))
    unknown = sum(int(n) for n in re.findall(r"(\d+) more were on their way then", errors))
    need(0 < lost and 0 <= recorded - ids - lost <= unknown,
         f"{recorded} recorded, {ids} arrived, {lost} lost, {unknown} were on their way: {errors[-1500:]!r}")
    return f"{recorded} recorded, {ids} arrived, {lost} counted as lost, {unknown} were on their way"


def children_are_recorded():
    ended("family")
    found = spans("family")
    names = sorted(span["name"] for span in found)
    if "memory at exec: this kernel does not let us read it" in text("family.err"):
        need({"executed", "parent"} <= set(names), f"spans {names}: {text('family.err')[-600:]!r}")
        return f"{', '.join(names)}; what the child holds at its exec cannot be read here"
    need(names == ["executed", "forked", "parent"],
         f"spans {names}: {text('family.err')[-600:]!r} {text('dmesg')[-300:]!r}")
    return ""


def the_dying_leave_their_spans():
    """Required where the kernel offers it; the numbers are shown in any case."""
    seen = []
    for how, status in (("kill", 137), ("abort", 134), ("_exit", 3)):
        name = "death_" + how
        ended(name, status)
        found = [span["name"] for span in spans(name)]
        complete, still_open = found.count("ended"), found.count("open")
        at_death = "memory at death: by" in text(name + ".err")
        if at_death or release() >= (6, 16):
            need(complete == 4 and still_open == 4,
                 f"{how}: {complete} ended, {still_open} open of 4: {text(name + '.err')[-600:]!r}")
        seen.append(f"{how} {complete} ended {still_open} open")
    by = re.search(r"memory at death: (.*)", text("death_kill.err"))
    return f"{'; '.join(seen)} of 4 each{'; ' + by.group(1) if by else ''}"


def deaths_at_random_moments_lose_nothing(folder=FOLDER):
    """Where probes may be skipped, less than one span in a thousand, and that is told: docs/kernels.md."""
    skips = release() >= (7, 0) or (folder == PREEMPT and release() < (6, 0))
    ended("chaos", 0, folder)
    report, verdict = text("chaos.err", folder), text("chaos.check", folder)
    found = re.search(r"^all lives (\d+) ended (\d+) open (\d+) lost (\d+) duplicated (\d+) wrong (\d+) strangers (\d+)",
                      verdict, re.M)
    need(found, f"no verdict: {verdict[-300:]!r} {report[-600:]!r}")
    lives, complete, still_open, lost, duplicated, wrong, strangers = (int(n) for n in found.groups())
    seen = f"{lives} deaths, {complete} spans ended, {still_open} open, {lost} lost, {duplicated} duplicated, {wrong} wrong"
    if not re.search("memory at death: by (do_exit|sched_process_exit)", report):
        return f"{seen}; not all of it can be read here"
    need(not duplicated and not strangers, f"{seen}: {verdict[:1500]}")
    if not skips:
        need(not lost and not wrong, f"{seen}: {verdict[:1500]} {report[-600:]!r}")
        return seen
    told = re.search(r"lost|unseen|not seen|refused|not told|skipped (?!a program)", report)
    need(not lost or told, f"{seen}, and nothing is said: {report[-600:]!r}")
    rate = (lost + wrong) / (complete + still_open)
    need(rate < 0.001, f"{seen}: {verdict[:1500]}")
    twice = re.search(r"the kernel skipped a program at (.*) of this host", report)
    return f"{seen}: {100 * rate:.4f} %{'; skipped at first: ' + twice.group(1) if twice else ''}"


def the_kernel_detaches_for_a_killed_agent():
    need(said("detach.out", "words_set") > 1, "nothing was attached")
    need(said("detach.out", "words_left") == 0, f"semaphores stay: {text('detach.out')!r}")
    took = said("detach.out", "all_off_ms")
    need(took < DETACH_MS, f"after {took} ms")
    need(said("detach.out", "unharmed") == 1, "the program did not go on")
    return f"after {took} ms"


def preemption_corrupts_nothing():
    need("spans were lost" not in text("preempt.err", PREEMPT), f"lost: {text('preempt.err', PREEMPT)[-600:]!r}")
    return all_spans_arrive_or_are_counted("preempt", PREEMPT)


def books_are_exact_on_a_preemptible_kernel():
    return books_are_exact_under_overload(PREEMPT)


def deaths_on_a_preemptible_kernel_lose_nothing():
    return deaths_at_random_moments_lose_nothing(PREEMPT)


def the_kernel_has_nothing_to_complain_of():
    # The chaos test crashes on purpose.
    complaints = "\n".join(line for line in (text("dmesg") + text("dmesg", PREEMPT)).splitlines()
                           if "segfault at 0 " not in line)
    need(not complaints, complaints[-600:])
    return ""


def a_kernel_that_is_too_old_is_refused():
    ended("kitchen", 125)
    need("is too old: otel-bpf needs Linux 5.15 or newer" in text("kitchen.err"), text("kitchen.err")[-600:])
    return text("kitchen.err").strip().splitlines()[-1]


CHECKS = (
    agent_attaches_and_spans_arrive,
    all_spans_arrive_or_are_counted,
    books_are_exact_under_overload,
    books_are_exact_on_a_preemptible_kernel,
    children_are_recorded,
    the_dying_leave_their_spans,
    deaths_at_random_moments_lose_nothing,
    deaths_on_a_preemptible_kernel_lose_nothing,
    the_kernel_detaches_for_a_killed_agent,
    restarts_in_order_lose_nothing,
    what_is_lost_with_killed_agents_is_counted,
    preemption_corrupts_nothing,
    the_kernel_has_nothing_to_complain_of,
)


def main():
    if not text("release"):
        print(f"  FAIL {KERNEL}: did not boot, or did not finish:")
        print("\n".join("    " + line for line in text("console").splitlines()[-10:]))
        return
    for check in CHECKS if release() >= (5, 15) else (a_kernel_that_is_too_old_is_refused,):
        label = f"{KERNEL:5} {check.__name__}"
        try:
            more = check()
            print(f"  ok   {label}{': ' + more if more else ''}")
        except Failed as why:
            print(f"  FAIL {label}: {why}")


main()
