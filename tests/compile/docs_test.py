#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do the examples in the documents compile? Prints "N passed, N failed".

A block of C must compile as C11 and as C++17, one of C++ as C++17, without a warning, with all compilers
that there are, and with OTEL_BPF_DISABLE as well. It is the body of a function, behind what PRELUDE says.
"""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCUMENTS = ["docs/api.md", "docs/coming-from.md"]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wcast-qual", "-Werror"]

PRELUDE = r"""
#define _GNU_SOURCE 1
#include <errno.h>
#include <otel/propagation.h>
#include <otel/semconv.h>
#include <otel/stack.h>
#include <otel/trace.h>
#include <stdio.h>
#include <unistd.h>

struct request {
	const char *path, *plugin, *dish, *reason, *email;
	otel_context context;
	otel_span span;
	otel_token token;
	void *downstream;
	unsigned char digest[16];
	int page, express, id, count;
	const char *names[8], *values[8];
#ifdef __cplusplus
	std::shared_ptr<otel::span> job;
#endif
};

#ifdef __cplusplus
extern "C" {
#endif
const char *describe(const struct request *rq);
int parse(struct request *rq);
int store(struct request *rq);
const char *get_header(void *rq, const char *name, unsigned index);
void set_header(void *rq, const char *name, const char *value);
int show_baggage(void *file, const char *key, const char *value, const char *metadata);
void start_child(const char *path, char **envp);
#ifdef __cplusplus
}
int count(request *rq);
void remove(request *rq, int rows);
static const otel::tracer cpp_shop("shop", "1.4.2");
void use_tracer();
void use_tracer() { (void)cpp_shop.enabled(); }
#endif

static otel_tracer shop = OTEL_TRACER("shop", "1.4.2");
int use_tracers(void);
int use_tracers(void) { return otel_enabled(&shop); }
"""
CPP = "#include <memory>\n#include <otel/trace.hpp>\n#include <thread>\n"


def blocks():
    for document in DOCUMENTS:
        with open(os.path.join(ROOT, document), encoding="utf-8") as file:
            text = file.read()
        for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S):
            line = text.count("\n", 0, match.start(2)) + 1
            yield document, line, match[1], match[2]


def function(number, document, line, body):
    ending = "" if re.search(r"^return .*;\s*\Z", body, re.M) else "return 0;\n"
    head = f"int example_{number}(struct request *rq);\nint example_{number}(struct request *rq)\n{{\n(void)rq;\n"
    return head + f'#line {line} "{document}"\n' + body + ending + "}\n"


def complaints(examples, compiler, cpp, flags):
    """What the compiler says of a file with these examples."""
    source = (CPP if cpp else "") + PRELUDE + "".join(function(i, *it) for i, it in enumerate(examples))
    if cpp:
        source = source.replace("#define _GNU_SOURCE 1\n", "")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "example" + (".cpp" if cpp else ".c"))
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
        command = [compiler, "-std=c++17" if cpp else "-std=c11", *WARNINGS, "-O1", *flags,
                   "-I" + os.path.join(ROOT, "usdt"), "-c", path, "-o", os.path.join(folder, "example.o")]
        done = subprocess.run(command, capture_output=True, text=True)
    return done.stderr or (done.returncode and f"status {done.returncode}") or ""


def compile_all(way, examples):
    """All in one file, which is ten times as fast; those that fail, by themselves. Returns what is wrong."""
    compiler, cpp, flags = way
    if not complaints(examples, *way):
        return []
    wrong = []
    for example in examples:
        said = complaints([example], *way)
        if said:
            wrong.append(f"  FAIL {example[0]}:{example[1]} with {compiler} {' '.join(flags)}\n{said[:3000]}")
    return wrong or [f"  FAIL all of them at once, not one by one, with {compiler} {' '.join(flags)}"]


def main():
    ways = {}  # what is compiled in each way
    problems = []
    for document, line, language, body in blocks():
        if language not in ("c", "cpp"):
            problems.append(f"  FAIL {document}:{line}: a block of {language}, which nothing checks")
            continue
        compilers = [("gcc", False), ("clang", False)] if language == "c" else []
        compilers += [("g++", True), ("clang++", True)]
        for compiler, cpp in compilers:
            if shutil.which(compiler):
                ways.setdefault((compiler, cpp, ()), []).append((document, line, body))
        ways.setdefault((*compilers[0], ("-DOTEL_BPF_DISABLE",)), []).append((document, line, body))
    count = sum(map(len, ways.values())) + len(problems)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for wrong in pool.map(compile_all, ways.keys(), ways.values()):
            problems += wrong
    for problem in problems:
        print(problem)
    print(f"{count - len(problems)} passed, {len(problems)} failed")
    return 1 if problems or count < 50 else 0


sys.exit(main())
