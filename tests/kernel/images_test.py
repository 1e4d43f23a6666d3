# SPDX-License-Identifier: Apache-2.0
"""An executable and its libraries: one current span and one buffer per thread, whoever compiled them."""
import json
import os
import re
import shutil
import signal
import subprocess

from harness import (AGENT, HEADERS, OUT, Run, Seen, alone_with, build, check, contains, equal, named, one, run, test,
                     wait_until)


def library(name, compiler="cc", headers=HEADERS, version=1, flags=()):
    return build(f"lib{name}.so", "library", compiler, headers=headers, flags=[
        f'-DNAME="{name}"', f"-DTHREAD=otel_bpf_thread_v{version}", f"-DANCHOR=otel_bpf_anchor_v{version}",
        "-shared", "-fPIC", "-fvisibility=hidden", *flags])


def host(*arguments, **more):
    return run([build("host", libs=("-lpthread", "-ldl")), *arguments], **more)


def attached_to(pid):
    """How many files this agent is."""
    done = subprocess.run([AGENT, "status", "--json", "--pid", str(pid)], capture_output=True, check=True)
    return json.loads(done.stdout)[0]["images"]


@test
def what_the_kernel_had_no_room_to_report_is_looked_up():
    fresh = shutil.copy(build("family"), os.path.join(Seen.folder, "fresh"))
    running = Run([build("mappings"), "5000", fresh, "stranger", "late"])
    running.line("waits")
    os.kill(running.pid, signal.SIGSTOP)
    running.tell("x")
    running.line("ready")
    os.kill(running.pid, signal.SIGCONT)
    wait_until(lambda: attached_to(running.pid) == 1, "the program to be attached to")
    running.tell("\n")
    equal(named(running.wait().spans, "late")[0].attributes["enabled"], True, "recorded")
    equal(running.err.count("could not report"), 1, "times that it is told")


@test
def who_loads_files_without_end_does_not_keep_others_from_being_attached_to():
    copies = [shutil.copy(build("family"), os.path.join(Seen.folder, f"copy{i}")) for i in range(100)]
    late = shutil.copy(build("family"), os.path.join(Seen.folder, "late"))
    # 64 files, by that.
    running = Run([build("hoard"), late, *copies], prefix=("prlimit", "--nofile=512:512", "--"))
    running.line("hoards")
    wait_until(lambda: "will not be until some are not" in running.err, "all that one may have")
    n = attached_to(running.pid)
    check(n < 64, f"{n} files are attached to")
    running.tell("x")
    running.line("ready")
    wait_until(lambda: attached_to(running.pid) == n + 1, "the program to be attached to")
    running.tell("\n")
    equal(named(running.wait().spans, "late")[-1].attributes["enabled"], True, "recorded")


def compilers():
    return [it for it in ("gcc", "clang") if shutil.which(it)]


@test
def an_executable_and_two_libraries_share_one_current_span_and_one_buffer_a_thread():
    other = compilers()[-1]
    for done in (host("share", library("one"), library("two")),
                 host("share", library("one"), library("two_" + other, other)),
                 host("share", library("one"), library("two_cpp", "c++"))):
        two = re.search(r"libtwo\w*", " ".join(done.command))[0][3:]
        for thread in ("main", "other"):
            outer, = [s for s in named(done.spans, "in host") if s.attributes["thread"] == thread]
            first, = [s for s in named(done.spans, "in one") if s.trace == outer.trace]
            second, = [s for s in named(done.spans, "in " + two) if s.trace == outer.trace]
            inner, = [s for s in named(done.spans, "in host again") if s.trace == outer.trace]
            equal([first.parent, second.parent, inner.parent], [outer.id, first.id, second.id], "parents")
            equal(first.attributes, {"name": "one", "written by": two}, "written through the current span")
            contains(done.out, f"{thread} first thread 1 anchor 1\n{thread} second thread 1 anchor 1\n")
        ids = re.findall(r"buffer (\d+) and (\d+) others", done.out)
        equal((len(ids), len(set(ids)), {others for _, others in ids}), (2, 2, {"0"}), "buffers")
        equal((len(done.spans), done.err), (8, ""), "spans, complaints")


@test
def closing_a_library_while_its_threads_live_is_safe():
    done = host("closing", library("closed"))
    equal(len(named(done.spans, "in closed")), 12, "spans of the library")
    equal(len(named(done.spans, "after the libraries")), 12, "spans after it was closed")
    equal(done.err, "", "complaints")


def version_2():
    """The headers with another layout version, as a later release could bring them."""
    folder = os.path.join(OUT, "version2")
    with alone_with(folder):
        os.makedirs(os.path.join(folder, "otel"), exist_ok=True)
        for name in os.listdir(os.path.join(HEADERS, "otel")):
            with open(os.path.join(HEADERS, "otel", name), encoding="utf-8") as file:
                text = file.read()
            text = re.sub(r"\b(otel_bpf\w*)_v1\b", r"\1_v2", text)
            text = text.replace('"otel_bpf_" name "_v1', '"otel_bpf_" name "_v2').replace(" otel_bpf_v1", " otel_bpf_v2")
            text = text.replace('_v1, %', '_v2, %').replace('_v1, . -', '_v2, . -').replace('name "_v1', 'name "_v2')
            text = text.replace("#define OTEL_FORMAT_VERSION 1", "#define OTEL_FORMAT_VERSION 2")
            text = re.sub(r'"5: \.2byte 1, 6f', '"5: .2byte 2, 6f', text)
            write_if_new(os.path.join(folder, "otel", name), text)
    return folder


def write_if_new(path, text):
    """What is as it was keeps its time: nobody compiles it again, or while it is written."""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


@test
def images_with_another_layout_version_keep_apart_from_this_one():
    headers = version_2()
    later = library("later", headers=headers, version=2)
    with open(later, "rb") as file:
        check(b"otel_bpf_thread_v1" not in file.read(), "the test itself: version 1 is in the later library")
    for libraries in ([later], [library("one"), later], [later, library("one")]):
        done = host("apart", *libraries)
        again = named(done.spans, "in host again")
        outer = one(done.spans, "in host")
        equal(len(again), len(libraries) + 1, "spans of the host")
        equal([s for s in done.spans if s.name == "in later"], [], "spans of a version that the agent does not know")
        equal(again[-1].parent, "", "parent after all was left")
        equal(done.err, "", "complaints")
        check(all(s.parent in {outer.id, ""} or s.trace == outer.trace for s in again), "parents")
        equal(re.findall(r"enabled (\d)", done.out)[libraries.index(later)], "0", "the later library is not enabled")


@test
def a_program_of_another_layout_version_runs_and_is_said_to_have_no_probes():
    program = build("roots_later", "scenes", headers=version_2())
    done = run([program, "nesting"])
    equal(done.spans, [], "spans")
    contains(done.err, "no otel probes")
