# SPDX-License-Identifier: Apache-2.0
"""The types of exceptions that leave the scopes of trace.hpp, which no destructor can see."""
import functools

from harness import build, direct, equal, named, one, run, test

UNSET, ERROR = 0, 2
FALLBACK = {"exception.escaped": True}


def program(compiler="g++", flags=(), name="exceptions"):
    if "-static" in flags:
        far_away = build(f"far_away_{compiler}.o", "exceptions.cpp", compiler, ("-c", "-DFAR_AWAY"), libs=())
    else:
        library = f"libfar_away_{compiler}.so"
        far_away = build(library, "exceptions.cpp", compiler, ("-shared", "-fPIC", "-DFAR_AWAY", "-Wl,-soname," + library))
    return build(f"{name}_{compiler}", "exceptions.cpp", compiler, flags,
                 libs=(far_away, "-lpthread", "-Wl,-rpath,$ORIGIN"))


def with_both_compilers(function):
    def both():
        for compiler in ("g++", "clang++"):
            function(program(compiler))
    functools.update_wrapper(both, function)
    return test(both)


def seen(span):
    return span.status, span.message, [e.attributes for e in span.events if e.name == "exception"]


def left_by(what, message=None):
    event = {"exception.type": what, **FALLBACK}
    if message:
        event["exception.message"] = message
    return ERROR, f"{what}: {message}" if message else what, [event]


def check_kinds(spans):
    for kind, what, message in (("class", "shop::no_such_dish", "soup"), ("number", "int", None),
                                ("template", "shop::refused<char const*>", None)):
        equal(seen(one(spans, kind + " callable")), left_by(what, message), kind + " through a callable")
        for way in ("scope", "outer", "middle", "inner", "rethrown"):
            equal(seen(one(spans, f"{kind} {way}")), left_by(what), f"{kind} {way}")
    equal(len(spans), 18, "spans")


@with_both_compilers
def every_kind_of_exception_has_its_type_however_it_leaves(path):
    check_kinds(run([path, "kinds"]).spans)


@test
def a_library_that_is_linked_into_the_program_tells_as_well():
    path = program("g++", ("-static-libstdc++", "-static-libgcc"), "static_library")
    check_kinds(run([path, "kinds"]).spans)
    check_kinds(run([program("g++", ("-static",), "all_static"), "kinds"]).spans)


@with_both_compilers
def exceptions_within_destructors_are_not_taken_for_the_one_around(path):
    spans = run([path, "at_once"]).spans
    equal([seen(s) for s in named(spans, "in a destructor")], [left_by("shop::refused<int>")] * 2, "within")
    for name, what in (("around", "std::logic_error"), ("around two", "std::logic_error"),
                       ("inside of two", "std::logic_error"), ("one level down", "double"),
                       ("last", "std::bad_alloc"), ("after a base", "shop::no_such_dish")):
        equal(seen(one(spans, name)), left_by(what), name)


@with_both_compilers
def each_thread_has_exceptions_of_its_own(path):
    spans = run([path, "threads"]).spans
    equal(seen(one(spans, "elsewhere")), left_by("shop::no_such_dish"), "a span that another thread started")
    for name, what in (("a double", "double"), ("an int", "int")):
        equal([seen(s) for s in named(spans, name)], [left_by(what)] * 200, name)


@with_both_compilers
def what_nobody_saw_has_no_type_rather_than_a_wrong_one(path):
    spans = run([path, "unseen"]).spans
    for name in ("thrown again later", "again in a destructor"):
        equal(seen(one(spans, name)), (ERROR, "", [FALLBACK]), name)
    equal(seen(one(spans, "around that")), left_by("int"), "what was seen")
    equal(seen(one(spans, "no event")), (ERROR, "int", [{"exception.message": "another one"}]), "no event")
    equal(seen(one(spans, "no status")), (UNSET, "", [{"exception.type": "int", **FALLBACK}]), "no status")
    equal(seen(one(spans, "nothing")), (UNSET, "", []), "nothing")


@with_both_compilers
def a_name_that_is_not_in_memory_is_read_from_its_file(path):
    equal(seen(one(run([path, "not_resident"]).spans, "not resident")), left_by("far_away"), "span")


@test
def programs_do_the_same_without_an_agent():
    for scene in ("kinds", "at_once", "threads", "unseen"):
        equal(direct([program(), scene]).out, "", scene)
