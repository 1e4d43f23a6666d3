#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Are the spans in a file of OTLP JSON lines those that api.c and api.cpp make?

    tests/compile/spans.py FILE PART...

A PART is a tracer's name, PART/OTHER that of one that was called within PART's span; those of api.cpp
begin with "hpp". Nothing else
may be in the file; no PART: nothing at all.
"""

import base64
import json
import sys
from collections import Counter

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(1, 6)
UNSET, OK, ERROR = range(3)


def exception(symbol, text):
    return ("exception", {"exception.type": symbol, "exception.message": text})


def branches(which, error):
    ends = which == 1
    attributes = {"which": which, "branch": "if" if which else "else"}
    if not ends:
        attributes["before.the.end"] = True
    if error:
        attributes["error.type"] = "EIO"
    return (
        "branches",
        INTERNAL,
        "api",
        attributes,
        [
            ("if", {}) if which else ("else", {"which": 0}),
            ("loop", {"i": 0}),
            ("loop", {"i": 1}),
            ("case" if which else "default", {}),
        ]
        + ([exception("EIO", "Input/output error")] if error else []),
        (ERROR, "it did not work") if error else (OK if which else UNSET, ""),
    )


# Name, kind, the parent's name, attributes, events, status; links and times where there are any.
SPANS = [
    ("api", SERVER, "", {}, [], (UNSET, "")),
    *[("kind", kind, "api", {"index": i}, [], (UNSET, "")) for i, kind in enumerate(range(1, 6))],
    branches(0, False),
    branches(1, False),
    branches(0, True),
    ("fails", INTERNAL, "api", {}, [], (UNSET, "")),
    (
        "fails",
        INTERNAL,
        "api",
        {"error.type": "EINVAL"},
        [exception("EINVAL", "Invalid argument")],
        (ERROR, "Invalid argument"),
    ),
    (
        "fails",
        INTERNAL,
        "api",
        {"error.type": "ENOENT"},
        [exception("ENOENT", "No such file or directory")],
        (ERROR, "No such file or directory"),
    ),
    ("detached", PRODUCER, "api", {"dish": "soup", "plates": 3}, [], (UNSET, "")),
    ("used", INTERNAL, "detached", {}, [], (UNSET, "")),
    ("used twice", INTERNAL, "used", {"recording": True}, [], (UNSET, "")),
    ("used again", INTERNAL, "used", {}, [("to the current one", {})], (UNSET, "")),
    (
        "nested",
        INTERNAL,
        "api",
        {"once": 1, "text": "a", "measured": 7, "enabled": True, "failed": 0},
        [("measured", {}), ("event", {"text": "b", "once": 2, "comma": 3})],
        (UNSET, ""),
    ),
    (
        "renamed",
        SERVER,
        "api",
        {
            "strings": ["a", "", "c"],
            "ints": [1, -2, 1 << 40],
            "doubles": [0.5, -1.25],
            "bools": [True, False],
            "bytes": b"\xff\0",
            "strn": "ab",
            "none": [],
        },
        [
            ("long ago", {"true": True}),
            (
                "exception",
                {
                    "exception.type": "ParseError",
                    "exception.message": "not a number",
                    "exception.stacktrace": "at 1",
                },
            ),
        ],
        (UNSET, ""),
        [("detached", {"index": 0}), ("detached", {}), ("detached", {"added": "yes"})],
        (1700000000000000000, 1700000000000001000),
    ),
    (
        "lists",
        INTERNAL,
        "api",
        {
            "even": 2,
            "odd": 1,
            "wide": True,
            "commas": [1, 2],
            "more": ["a", "b"],
        },
        [("made of", {"even": 2, "odd": 1, "n": 3}), ("in lists", {"last": 7, "ninth": 8, "even": 2, "odd": 1, "beside": True}),
         ("too deep", {"last": 0, "beside": True})],
        (UNSET, ""),
        [("detached", {"even": 2, "odd": 1, "behind": True})],
        None,
    ),
    ("root", INTERNAL, None, {}, [], (UNSET, "")),
    ("inner of two", INTERNAL, "nested", {"set": True}, [], (UNSET, "")),
    ("outer of two", INTERNAL, "nested", {"inner": True, "in an expression": 1}, [], (UNSET, "")),
    ("in an argument", INTERNAL, "nested", {}, [], (UNSET, "")),
    (
        "many",
        INTERNAL,
        "api",
        {f"a{i}": i for i in range(16)} | {"long": "0123456789" * 14},
        [],
        (UNSET, ""),
    ),
]

CONSTANT = [
    (
        "attributes",
        CLIENT,
        "api",
        {
            "at.start": "yes",
            "size_t": 3,
            "bool": True,
            "dish": "soup",
            "null": "",
            "empty": "",
            "name": "from memory",
            "double": 99.5,
            "negative.double": -0.25,
            "char": 97,
            "unsigned.char": 200,
            "large": 1 << 40,
            "negative": -5,
            "sizeof": 8,
            "enum": 4,
            "false": False,
            "pointer": True,
            "twice": 2,
        },
        [],
        (UNSET, ""),
    ),
    ("child of detached", INTERNAL, "detached", {}, [("moved", {"valid": True})], (UNSET, "")),
]


BOOM = "std::runtime_error: boom"
THROWN = {"exception.type": "std::runtime_error", "exception.message": "boom", "exception.escaped": True}

# Of api.cpp.
OBJECTS = [
    ("api", SERVER, "", {}, [], (UNSET, "")),
    (
        "values",
        CLIENT,
        "api",
        {
            "string": "a string",
            "int": 42,
            "view": "string",
            "set": True,
            "list": [1, 2, 3],
            "null": "",
            "double": 0.25,
            "large": 1 << 40,
            "char": 97,
            "bits": [True, False],
            "doubles": [0.5, -1.25],
            "texts": ["a", "b"],
            "bytes": b"\xff\0",
            "nine": 9,
            "of C": -1,
            "otel.h": "yes",
        },
        [("event", {}), ("a string", {"n": 1})],
        (ERROR, "good"),
    ),
    ("first", PRODUCER, "api", {"moved": True}, [], (UNSET, "")),
    (
        "below",
        INTERNAL,
        "first",
        {"by": "current", "error.type": "ENOENT"},
        [exception("ENOENT", "No such file or directory")],
        (ERROR, "No such file or directory"),
        [("first", {"index": 0}), ("first", {})],
        None,
    ),
    ("timed", INTERNAL, None, {}, [], (UNSET, ""), [], (1700000000 * 10**9, 1700000001 * 10**9)),
    ("child", INTERNAL, "first", {}, [], (UNSET, "")),
    ("returns", INTERNAL, "api", {"a": 1, "b": 2}, [], (UNSET, "")),
    ("throws", INTERNAL, "api", {}, [("exception", THROWN)], (ERROR, BOOM)),
]


def plain(value):
    ((kind, it),) = value.items()
    if kind == "arrayValue":
        return [plain(element) for element in it.get("values", [])]
    convert = {"intValue": int, "doubleValue": float, "bytesValue": base64.b64decode}
    return convert.get(kind, lambda x: x)(it)


def attributes(message):
    return {it["key"]: plain(it["value"]) for it in message.get("attributes", [])}


def expected(part):
    caller, _, part = part.rpartition("/")
    scopes = ((part, "1.2.3", SPANS), (part + ".constant", "", CONSTANT))
    for scope, version, spans in ((part, "1.2.3", OBJECTS),) if part.startswith("hpp") else scopes:
        for name, kind, above, attrs, events, status, *rest in spans:
            if above is None:
                parent = ""
            else:
                parent = f"{part}:{above}" if above else f"{caller}:api" if caller else ""
            links, times = rest or ([], None)
            links = [(f"{part}:{it}", attrs) for it, attrs in links]
            yield repr((scope, version, name, kind, parent, attrs, events, status, links, times))


def found(path):
    spans = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            for resource in json.loads(line)["resourceSpans"]:
                made_by = attributes(resource["resource"])
                if (made_by.get("made.by"), made_by.get("number")) != ("api.c", 3):
                    sys.exit(f"the resource is not what the program said: {made_by}")
                for scope in resource["scopeSpans"]:
                    spans += [(scope["scope"], span) for span in scope["spans"]]
    names, traces = {}, {}
    for scope, span in spans:
        names[span["spanId"]] = f"{scope['name'].partition('.')[0]}:{span['name']}"
        traces[span["spanId"]] = span["traceId"]
    if len(names) != len(spans):
        sys.exit("two spans have the same id")
    for scope, span in spans:
        status = span.get("status", {})
        parent = span.get("parentSpanId")
        times = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        if parent and traces[parent] != span["traceId"]:
            sys.exit("a child is in another trace")
        yield repr(
            (
                scope["name"],
                scope.get("version", ""),
                span["name"],
                span["kind"],
                names[parent] if parent else "",
                attributes(span),
                [(it["name"], attributes(it)) for it in span.get("events", [])],
                (status.get("code", 0), status.get("message", "")),
                [(names[it["spanId"]], attributes(it)) for it in span.get("links", [])],
                times if times[0] < 1750000000000000000 else None,
            )
        )


def main():
    want = Counter(span for part in sys.argv[2:] for span in expected(part))
    have = Counter(found(sys.argv[1]))
    for what, spans in (("missing", want - have), ("unexpected", have - want)):
        if spans:
            print(spans.total(), f"{what}:", *list(spans)[:3], sep="\n  ")
    sys.exit(want != have)


if __name__ == "__main__":
    main()
