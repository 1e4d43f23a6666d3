#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do programs written after five documents about OpenTelemetry for Python do what Python does?

    BUILD=build tests/interop/seeds/run.py [NAME...]

Each NAME.c or NAME.cpp runs under the agent, NAME.py with OpenTelemetry's SDK; their spans must be the
same but for ids and times, and so must what they print. Where we differ, we do so on purpose: every such
difference is in the list below, which turns what Python makes into what we make, and fails where Python
does not do any more what it says. As root, after make. Prints "N passed, N failed".
"""
import base64
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
OUT = os.path.join(BUILD, "tests", "interop", "seeds")
PROGRAMS = ["kitchen.c", "users.cpp", "reference.cpp", "shop.cpp", "manual.c"]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wcast-qual", "-Werror"]
GIVEN = 10**18  # earlier times were given by the program

# What an exception of the one language is called in the other.
TYPES = {"ValueError": "std::invalid_argument", "RuntimeError": "std::runtime_error", "__main__.BurntError": "BurntError"}


# ---- What the programs make -----------------------------------------------------------------------


def typed(value):
    (kind, content), = value.items()
    if kind == "arrayValue":
        return ["array", [typed(item) for item in content.get("values", [])]]
    if kind == "bytesValue":
        return ["bytes", base64.b64decode(content)]
    return [kind.removesuffix("Value"), {"intValue": int, "doubleValue": float}.get(kind, lambda it: it)(content)]


def attributes(items):
    return {item["key"]: typed(item["value"]) for item in items}


def ours(path):
    spans = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            for group in json.loads(line)["resourceSpans"]:
                resource = attributes(group["resource"]["attributes"])
                for in_scope in group["scopeSpans"]:
                    scope = in_scope.get("scope", {})
                    for span in in_scope["spans"]:
                        status = span.get("status", {})
                        parent = span.get("parentSpanId", "")
                        spans.append({
                            "name": span["name"],
                            "id": span["traceId"] + "/" + span["spanId"],
                            "parent": span["traceId"] + "/" + parent if parent else "",
                            "remote": bool(span["flags"] & 0x200),
                            "tracestate": span.get("traceState", ""),
                            "kind": span["kind"] - 1,
                            "start": int(span["startTimeUnixNano"]),
                            "end": int(span["endTimeUnixNano"]),
                            "attributes": attributes(span.get("attributes", [])),
                            "events": [[event["name"], int(event["timeUnixNano"]),
                                        attributes(event.get("attributes", []))] for event in span.get("events", [])],
                            # Of their flags what Python knows: sampled, remote.
                            "links": [[link["traceId"] + "/" + link["spanId"], attributes(link.get("attributes", [])),
                                       link.get("traceState", ""), link["flags"] & 0x201]
                                      for link in span.get("links", [])],
                            "status": [status.get("code", 0), status.get("message", "")],
                            "scope": [scope.get("name", ""), scope.get("version", ""), in_scope.get("schemaUrl", "")],
                            "resource": resource,
                        })
    return spans


# ---- The same without ids and times ---------------------------------------------------------------


def moment(time):
    return time if time < GIVEN else "now"


def normal(spans):
    """Spans by labels, which are their names and which one of the name it is, in the order of their starts."""
    labels, count = {}, {}
    # Spans with a start of their own go first: their order is that of their names.
    for span in sorted(spans, key=lambda it: (it["start"], it["name"])):
        count[span["name"]] = count.get(span["name"], 0) + 1
        labels[span["id"]] = f"{span['name']} ({count[span['name']]})"
    roots = {span["id"].split("/")[0]: labels[span["id"]] for span in spans if not span["parent"]}

    def label(ident):
        return labels.get(ident, ident)

    result = {}
    for span in spans:
        it = dict(span)
        it["trace"] = roots.get(it.pop("id").split("/")[0], "elsewhere")
        it["parent"] = label(it["parent"])
        it["start"], it["end"] = moment(it["start"]), moment(it["end"])
        it["events"] = [[name, moment(time), them] for name, time, them in it["events"]]
        it["links"] = [[label(ident), *them] for ident, *them in it["links"]]
        result[labels[span["id"]]] = it
    return result


# ---- Deliberate differences -----------------------------------------------------------------------


class Differences:
    """What Python makes, as we make it; counts where each difference was seen."""

    def __init__(self):
        self.seen = {}

    def note(self, which):
        self.seen[which] = self.seen.get(which, 0) + 1

    def spans(self, expected, made):
        for label, span in expected.items():
            mine = made.get(label, {})
            escaping = False
            for event in span["events"]:
                escaping = self.exception(event, span, escaping) or escaping
            self.status(span)
            # The agent adds what it knows about the process; what the program said must be there.
            if mine:
                self.note("resource")
                mine["resource"] = {key: mine["resource"].get(key) for key in span["resource"]}

    def exception(self, event, span, before):
        if event[0] != "exception":
            return False
        them = event[2]
        # Stack traces are taken only where otel_stack() asks for one.
        assert them.pop("exception.stacktrace")[0] == "string"
        self.note("no stack trace unless asked for")
        # A boolean, and only where an exception leaves a span; Python says the text "False" always.
        assert them.pop("exception.escaped") == ["string", "False"]
        self.note("exception.escaped")
        if self.leaves(span, event, before):
            them["exception.escaped"] = ["bool", True]
        kind = them["exception.type"][1]
        them["exception.type"] = ["string", TYPES.get(kind, kind)]
        return True

    @staticmethod
    def leaves(span, event, before):
        """Does this exception leave the span? Those are the last ones of spans whose names say so."""
        if span["name"] == "risky_operation":
            return before
        return span["name"] in ("insert-user", "raised", "no status", "set before")

    def status(self, span):
        code, text = span["status"]
        if code != 2:
            return
        if span["name"] == "set before":
            # A status that was set by hand stays; Python's is overwritten.
            assert text == "ValueError: raised", text
            self.note("a status by hand is kept")
            text = "by hand"
        elif span["name"] == "risky_operation":
            assert text in ("ValueError: wrong value", "RuntimeError: worse"), text
            self.note("a status by hand is kept")
            text = {"ValueError: wrong value": "wrong value"}.get(text, "Internal error")
        for python, cpp in TYPES.items():
            if text.startswith(python + ": "):
                text = cpp + text[len(python):]
        span["status"] = [code, text]

    def said(self, name, lines):
        if name != "reference":
            return lines
        # A key that is there twice: the first one counts; Python discards all.
        at = lines.index("0 []", lines.index("0 []", lines.index("0 []") + 1) + 1)
        lines[at] = "1 [a=1]"
        self.note("a tracestate key that is there twice")
        return lines


# ---- Running --------------------------------------------------------------------------------------


def build(source):
    name, cpp = source.split(".")[0], source.endswith("pp")
    path = os.path.join(OUT, name)
    os.makedirs(OUT, exist_ok=True)
    subprocess.run(["g++" if cpp else "gcc", "-std=c++17" if cpp else "-std=c11", *WARNINGS, "-O2",
                    "-I" + os.path.join(ROOT, "usdt"), "-o", path, os.path.join(HERE, source)], check=True)
    return path


def compare(expected, made, where=""):
    """Lines that say where two values differ."""
    if isinstance(expected, dict) and isinstance(made, dict):
        lines = []
        for key in {**expected, **made}:
            if key not in expected or key not in made:
                lines.append(f"{where}{key}: " + ("is not expected" if key in made else "is missing"))
            else:
                lines += compare(expected[key], made[key], where + key + ": ")
        return lines
    return [] if expected == made else [f"{where}Python {expected!r}, here {made!r}"]


def main():
    python = subprocess.run(["sh", os.path.join(ROOT, "tests/interop/python_env.sh")], check=True,
                            capture_output=True, text=True).stdout.strip()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    passed = failed = 0
    differences = Differences()
    for source in PROGRAMS:
        name = source.split(".")[0]
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        program = build(source)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "spans.jsonl")
            run = subprocess.run([os.path.join(BUILD, "otel-bpf"), "run", "-e", "otlp_file=" + path, "--", program],
                                 env=environment, stdout=subprocess.PIPE, text=True, check=True)
            made = normal(ours(path))
        answer = json.loads(subprocess.run([python, os.path.join(HERE, name + ".py")], env=environment, check=True,
                                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout)
        expected = normal(answer["spans"])
        problems = {}
        try:
            differences.spans(expected, made)
            said = differences.said(name, answer["said"])
        except (AssertionError, ValueError) as err:
            problems["Python"] = [f"does not differ as it did: {err!r}"]
            said = answer["said"]
        for label in {**expected, **made}:
            lines = compare(expected.get(label), made.get(label))
            if lines:
                problems[label] = lines
            else:
                passed += 1
        if said == run.stdout.splitlines():
            passed += 1
        else:
            problems["what it prints"] = [f"Python {said}", f"here {run.stdout.splitlines()}"]
        for label, lines in problems.items():
            failed += 1
            print(f"  FAIL {name}: {label}")
            for line in lines[:20]:
                print("    " + line)
    print("  deliberate differences: " + ", ".join(f"{it} ({n})" for it, n in sorted(differences.seen.items())))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
