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
int example(struct request *rq);
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


def compile_one(job):
    document, line, body, compiler, cpp, flags = job
    ending = "" if re.search(r"^return .*;\s*\Z", body, re.M) else "return 0;\n"
    source = ((CPP if cpp else "") + PRELUDE + "int example(struct request *rq)\n{\n(void)rq;\n" +
              f'#line {line} "{document}"\n' + body + ending + "}\n")
    if cpp:
        source = source.replace("#define _GNU_SOURCE 1\n", "")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "example" + (".cpp" if cpp else ".c"))
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
        command = [compiler, "-std=c++17" if cpp else "-std=c11", *WARNINGS, "-O1", *flags,
                   "-I" + os.path.join(ROOT, "usdt"), "-c", path, "-o", os.path.join(folder, "example.o")]
        done = subprocess.run(command, capture_output=True, text=True)
    what = f"{document}:{line} with {compiler} {' '.join(flags)}"
    return "" if done.returncode == 0 and not done.stderr else f"  FAIL {what}\n{done.stderr[:3000]}"


def main():
    jobs = []
    unknown = []
    for document, line, language, body in blocks():
        if language not in ("c", "cpp"):
            unknown.append(f"  FAIL {document}:{line}: a block of {language}, which nothing checks")
        compilers = [("gcc", False), ("clang", False)] if language == "c" else []
        compilers += [("g++", True), ("clang++", True)]
        for compiler, cpp in compilers:
            if shutil.which(compiler):
                jobs.append((document, line, body, compiler, cpp, []))
        jobs.append((document, line, body, *compilers[0], ["-DOTEL_BPF_DISABLE"]))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = unknown + [it for it in pool.map(compile_one, jobs) if it]
    for problem in problems:
        print(problem)
    print(f"{len(jobs) + len(unknown) - len(problems)} passed, {len(problems)} failed")
    return 1 if problems or len(jobs) < 50 else 0


sys.exit(main())
