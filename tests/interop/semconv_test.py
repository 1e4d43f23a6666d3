#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Are the constants of otel/semconv.h the published names, and are all stable ones there?

The names come from the package opentelemetry-semantic-conventions of the version below, which is made
from version 1.44.0 of the conventions. Prints "N passed, N failed".
"""
import ast
import os
import re
import subprocess
import sys

CONVENTIONS = "1.44.0"
PACKAGE = "opentelemetry-semantic-conventions==0.66b2"
# Of these, every stable name must have its constant.
COMPLETE = """server client network url error user_agent http db rpc messaging faas exception code service
deployment telemetry container k8s host os process thread""".split()

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HEADER = os.path.join(ROOT, "usdt", "otel", "semconv.h")


def package():
    """The folder of the package, installed beside the other tests' packages if it is not there."""
    python = subprocess.run(["sh", os.path.join(ROOT, "tests/interop/python_env.sh")], check=True,
                            capture_output=True, text=True).stdout.strip()
    target = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(python))), PACKAGE)
    folder = os.path.join(target, "opentelemetry", "semconv")
    if not os.path.exists(folder):
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                        "--target", target, PACKAGE], check=True)
    return folder


def names(path):
    """Attribute name -> (is a prefix, is deprecated) of one of the package's modules."""
    if not os.path.isfile(path):
        return {}
    with open(path, encoding="utf-8") as file:
        body = ast.parse(file.read()).body
    found = {}
    for at, statement in enumerate(body):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.value, ast.Constant):
            continue
        text = statement.value.value
        after = body[at + 1] if at + 1 < len(body) else None
        doc = after.value.value if isinstance(after, ast.Expr) else ""
        prefix = statement.target.id.endswith("_TEMPLATE") and not text.endswith("template")
        found[text] = (prefix, doc.strip().startswith("Deprecated"))
    return found


def main():
    folder = package()
    stable, all_of_them = {}, {}
    for name in os.listdir(os.path.join(folder, "_incubating", "attributes")):
        all_of_them |= names(os.path.join(folder, "_incubating", "attributes", name))
    for name in os.listdir(os.path.join(folder, "attributes")):
        stable |= names(os.path.join(folder, "attributes", name))
    all_of_them |= stable

    with open(HEADER, encoding="utf-8") as file:
        header = file.read()
    problems = []
    constants = {}
    promised_unstable = False
    for line in header.splitlines():
        if not line or line.startswith("/* ----"):
            promised_unstable = False
        if line == "/* Not stable yet. */":
            promised_unstable = True
        match = re.match(r'#define (OTEL_\w+) "([^"]*)"(.*)', line)
        if not match or match[1].startswith("OTEL_SEMCONV_"):
            continue
        macro, text, rest = match.groups()
        constants[text] = macro
        if text not in all_of_them:
            problems.append(f"{macro}: {text} is not a published name")
            continue
        prefix, deprecated = all_of_them[text]
        if macro != "OTEL_" + re.sub(r"[.\-]", "_", text).upper():
            problems.append(f"{macro} is not called as {text} is")
        if deprecated and text != "exception.escaped":
            problems.append(f"{text} is deprecated")
        if promised_unstable == (text in stable):
            problems.append(f"{text} is in the wrong place: " + ("stable" if text in stable else "not stable"))
        if prefix != ("a name behind it" in rest):
            problems.append(f"{text}: " + ("is completed by a name" if prefix else "is not completed by a name"))
    for text in stable:
        if text.split(".")[0] in COMPLETE and text not in constants and not stable[text][1]:
            problems.append(f"the stable name {text} has no constant")
    for macro, text in (("VERSION", CONVENTIONS), ("SCHEMA_URL", "https://opentelemetry.io/schemas/" + CONVENTIONS)):
        if f'#define OTEL_SEMCONV_{macro} "{text}"' not in header:
            problems.append(f"OTEL_SEMCONV_{macro} is not {text}")
    with open(os.path.join(folder, "schemas.py"), encoding="utf-8") as file:
        newest = re.findall(r'"https://opentelemetry.io/schemas/([0-9.]+)"', file.read())[-1]
    if newest != CONVENTIONS:
        problems.append(f"the package is made of {newest}, not of {CONVENTIONS}")
    if len(constants) < 200:
        problems.append(f"only {len(constants)} constants were found")
    for problem in problems:
        print("  FAIL " + problem)
    print(f"{len(constants)} passed, {len(problems)} failed")
    return bool(problems)


sys.exit(main())
