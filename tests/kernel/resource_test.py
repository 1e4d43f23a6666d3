# SPDX-License-Identifier: Apache-2.0
"""Who a span says that it comes from."""
import os
import platform

from harness import build, check, contains, equal, one, run, test


def resource_of(options=(), program="scenes_c", scene="roots", **more):
    path = build(program, "scenes" if program.startswith("scenes") else program)
    spans = run([path, scene], options, **more).spans
    check(spans, "no spans")
    return spans[0].resource


@test
def the_service_is_called_after_the_executable_if_nobody_says_more():
    equal(resource_of()["service.name"], "unknown_service:scenes_c", "service.name")


@test
def otel_service_name_names_the_service():
    env = {"OTEL_SERVICE_NAME": "Küche 7", "OTEL_RESOURCE_ATTRIBUTES": "service.name=not this"}
    equal(resource_of(env=env)["service.name"], "Küche 7", "service.name")
    equal(resource_of(["--service-name", "nor this"], env=env)["service.name"], "Küche 7", "service.name")


@test
def the_option_names_services_that_do_not_name_themselves():
    equal(resource_of(["--service-name", "by option"])["service.name"], "by option", "service.name")
    equal(resource_of(["--service-name", "by option"], env={"OTEL_RESOURCE_ATTRIBUTES": "service.name=by attribute"})
          ["service.name"], "by attribute", "service.name")


@test
def an_empty_service_name_is_none():
    equal(resource_of(env={"OTEL_SERVICE_NAME": ""})["service.name"], "unknown_service:scenes_c", "service.name")


@test
def resource_attributes_of_the_environment_are_decoded():
    seen = resource_of(env={"OTEL_RESOURCE_ATTRIBUTES": "a=1, b = two words ,c=%2C%3d%25,d=,host.name=mine,umlaut=%C3%A4"})
    equal({k: seen.get(k) for k in ("a", "b", "c", "d", "host.name", "umlaut")},
          {"a": "1", "b": "two words", "c": ",=%", "d": "", "host.name": "mine", "umlaut": "ä"}, "attributes")


@test
def resource_attributes_with_a_mistake_are_dropped_as_a_whole_and_reported():
    for value in ("good=1,bad", "good=1,bad=%4", "good=1,bad=%zz", "good=1,=empty"):
        done = run([build("scenes_c", "scenes"), "roots"], env={"OTEL_RESOURCE_ATTRIBUTES": value})
        check("good" not in done.spans[0].resource, f"something of {value!r} was kept")
        contains(done.err, "OTEL_RESOURCE_ATTRIBUTES", "what is said")


@test
def propagators_that_are_not_known_are_reported():
    program = build("scenes_c", "scenes")
    for value, said in (("b3", True), ("tracecontext,jaeger", True), (" Baggage, tracecontext", False), ("none", False), ("", False)):
        done = run([program, "roots"], env={"OTEL_PROPAGATORS": value})
        equal("OTEL_PROPAGATORS" in done.err, said, f"whether {value!r} is reported")


@test
def process_host_os_and_sdk_are_said():
    done = run([build("scenes_c", "scenes"), "ids"])
    seen = done.spans[0].resource
    equal({s.resource["service.instance.id"] for s in done.spans}, {seen["service.instance.id"]}, "instance ids")
    uname = platform.uname()
    for key, value in (("process.executable.name", "scenes_c"), ("process.command", build("scenes_c", "scenes")),
                       ("process.executable.path", os.path.realpath(build("scenes_c", "scenes"))),
                       ("process.parent_pid", done.pid), ("host.name", uname.node), ("os.type", "linux"),
                       ("host.arch", {"x86_64": "amd64", "aarch64": "arm64"}[uname.machine]),
                       ("os.version", uname.release), ("telemetry.sdk.name", "otel-bpf"),
                       ("telemetry.sdk.language", "c")):
        equal(seen.get(key), value, key)
    check(isinstance(seen["process.pid"], int) and seen["process.pid"] > 1, "process.pid")
    check(seen["telemetry.sdk.version"] and seen["process.creation.time"].endswith("Z"), "version, creation time")


@test
def what_a_program_says_of_itself_holds_for_children_that_it_forks():
    spans = run([build("scenes_c", "scenes"), "resource_of_a_child"]).spans
    equal(sorted((s.attributes["child"], s.resource.get("said"), s.resource.get("tables")) for s in spans),
          [(False, "by the program", 12), (True, "by the program", 12)], "resources")


@test
def the_language_is_said_to_be_cpp_where_it_is():
    seen = run([build("scenes_cpp", "scenes", "c++"), "roots"]).spans[0].resource
    equal(seen["telemetry.sdk.language"], "cpp", "telemetry.sdk.language")


@test
def a_server_that_overwrites_its_environment_keeps_its_service_name():
    done = run([build("title")], env={"OTEL_SERVICE_NAME": "the server",
                                      "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"})
    seen = one(done.spans, "span").resource
    equal((seen["service.name"], seen["deployment.environment.name"]), ("the server", "test"), "resource")
