# SPDX-License-Identifier: Apache-2.0
"""otel-bpf status: the books of agents that run."""
import json
import os
import signal
import socket
import stat
import subprocess

from harness import AGENT, Run, build, check, contains, environment, equal, run, test, wait_until
from serving import OwnMount

SOCKETS = "/run/otel-bpf"


def ask(*options, status=0, prefix=()):
    done = subprocess.run([*prefix, AGENT, "status", *options], capture_output=True, text=True, env=environment(), timeout=20)
    equal(done.returncode, status, f"exit status; it says {done.stderr}")
    return done


def ask_json(pid):
    agents = json.loads(ask("--json", "--pid", str(pid)).stdout)
    equal(len(agents), 1, "agents")
    return agents[0]


def socket_of(pid):
    return os.path.join(SOCKETS, f"{pid}.sock")


def staying(*arguments, options=(), **more):
    """An agent whose processes have done all and stay."""
    running = Run([build("barrel"), *arguments, "stay"], options, **more)
    wait_until(lambda: running.out.count("started") == int(arguments[0]), "all have started their spans")
    started = {int(pid): int(n) for pid, _, n in (line.split() for line in running.out.splitlines())}
    return running, started


def settled(pid, started):
    """What status says once nothing is on its way any more."""
    def found():
        agent = ask_json(pid)
        return agent["spans"]["started"] == started and agent["exporters"][0]["waiting"] == 0 and agent
    return wait_until(found, f"{started} spans in the books, none waiting")


@test
def status_says_of_each_process_what_it_did():
    running, started = staying("3", "2", "500", env={"OTEL_SPAN_EVENT_COUNT_LIMIT": "1"})
    agent = settled(running.pid, 3000)
    equal((agent["pid"], agent["images"], agent["processes_followed"]), (running.pid, 1, 4), "agent")
    equal((agent["spans"]["finished"], agent["spans"]["open"], agent["spans"]["difference"]), (3000, 0, 0), "spans")
    equal(sum(agent["spans"]["lost"].values()), 0, "lost")
    exporter = agent["exporters"][0]
    equal((exporter["name"], exporter["exported"], exporter["healthy"]), ("otlp_file", 3000, True), "exporter")
    by_pid = {it["pid"]: it for it in agent["processes"]}
    for pid, n in started.items():
        equal((by_pid[pid]["name"], by_pid[pid]["started"], by_pid[pid]["exporters"][0]["exported"]),
              ("barrel", n, n), f"process {pid}")
    text = ask("--pid", str(running.pid)).stdout
    contains(text, f"agent {running.pid}")
    contains(text, "3000  started")
    for pid in started:
        contains(text, f"{pid}         1000         1000")
    running.wait()


@test
def status_counts_what_a_small_ring_loses_while_it_does():
    running, started = staying("2", "4", "20000", options=["--ring-size", "64K"])
    agent = settled(running.pid, 160000)
    spans = agent["spans"]
    check(sum(spans["lost"].values()) > 0, "nothing was lost")
    equal(spans["finished"] + sum(spans["lost"].values()) + spans["open"], 160000, "finished + lost + open")
    equal((spans["difference"], spans["contradicted"]), (0, 0), "what does not balance")
    equal(agent["exporters"][0]["exported"], spans["finished"], "exported")
    for process in agent["processes"]:
        n = started.get(process["pid"], 0)
        equal(process["started"], n, "started")
        equal(process["finished"] + sum(process["lost"].values()) + process["open"], n, "finished + lost + open")
    running.wait()


@test
def spans_that_are_not_sampled_are_counted_while_their_thread_is_quiet():
    running, _ = staying("1", "0", "700", env={"OTEL_TRACES_SAMPLER": "always_off"})
    wait_until(lambda: ask_json(running.pid)["spans"]["not_sampled"] == 700, "700 spans not sampled")
    equal(ask_json(running.pid)["spans"]["started"], 0, "started")
    running.wait()


@test
def spans_that_are_not_sampled_are_counted_when_their_process_is_killed():
    running, started = staying("3", "0", "700", env={"OTEL_TRACES_SAMPLER": "always_off"}, options=["-v"])
    for pid in started:
        os.kill(pid, signal.SIGKILL)
    contains(running.wait().err, "2100  not sampled")


@test
def status_says_why_an_exporter_cannot_deliver():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        running, _ = staying("1", "1", "10", exporter=f"otlp=http://127.0.0.1:{closed.getsockname()[1]}/v1/traces")
        exporter = wait_until(lambda: [it for it in ask_json(running.pid)["exporters"] if not it["healthy"]],
                              "an exporter that is not healthy")[0]
        contains(exporter["last_error"], "Connection refused")
        equal((exporter["waiting"], exporter["exported"]), (10, 0), "waiting, exported")
        contains(ask("--pid", str(running.pid)).stdout, "exporter otlp: cannot deliver")
        running.process.terminate()


@test
def only_the_agents_user_may_ask():
    running, _ = staying("1", "1", "1")
    mode = os.stat(socket_of(running.pid))
    equal((stat.S_IMODE(mode.st_mode), mode.st_uid), (0o600, 0), "mode and owner of the socket")
    equal(stat.S_IMODE(os.stat(SOCKETS).st_mode), 0o755, "mode of its directory")
    running.wait()
    check(not os.path.exists(socket_of(running.pid)), "the socket is left behind")


@test
def without_an_agent_status_says_so():
    done = ask("--pid", "1", status=1)
    contains(done.stderr, "no agent with pid 1")
    equal(json.loads(ask("--json", "--pid", "1", status=1).stdout), [], "agents")
    contains(ask("--pid", "x", status=125).stderr, "--pid x")
    contains(ask("--teapot", status=125).stderr, "--teapot")


@test
def a_dead_agents_socket_is_ignored_and_removed_by_the_next_agent():
    apart = OwnMount("tmpfs", "/run")  # any agent is the next one
    running, _ = staying("1", "1", "1", prefix=apart.prefix)
    path = apart.path(socket_of(running.pid))
    running.process.kill()
    running.process.wait()
    check(os.path.exists(path), "no socket is left to be cleaned up")
    contains(ask("--pid", str(running.pid), status=1, prefix=apart.prefix).stderr, "no agent")
    run([build("barrel"), "1", "1", "1"], prefix=apart.prefix)
    check(not os.path.exists(path), "the dead agent's socket is still there")


@test
def clients_that_ask_and_do_not_read_or_never_ask_hold_up_nobody():
    running, _ = staying("1", "1", "2000")
    idle = []
    for i in range(20):
        client = socket.socket(socket.AF_UNIX)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect(socket_of(running.pid))
        client.send([b"json\n", b"js", b"x" * 64, b"teapot\n"][i % 4])
        idle.append(client)
    equal(settled(running.pid, 2000)["spans"]["finished"], 2000, "finished")
    equal(len(running.wait().spans), 2000, "spans")
    for client in idle:
        client.close()


@test
def an_agent_that_waits_for_its_exporters_at_its_end_is_not_denied():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        apart = OwnMount("tmpfs", "/run")  # where it is the only one
        running, _ = staying("1", "1", "10", prefix=apart.prefix,
                             exporter=f"otlp=http://127.0.0.1:{silent.getsockname()[1]}/v1/traces")
        running.process.stdin.close()
        wait_until(lambda: not os.path.exists(apart.path(socket_of(running.pid))), "the agent to begin to end")
        for options in ([], ["--pid", str(running.pid)]):
            err = ask(*options, status=1, prefix=apart.prefix).stderr
            contains(err, f"agent {running.pid} is ending: it waits for its exporters")
            check("no agent" not in err, err)
        running.process.kill()
        running.wait()
        contains(ask("--pid", str(running.pid), status=1, prefix=apart.prefix).stderr,
                 f"no agent with pid {running.pid} runs")


# ---- Metrics -------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def scrape(port, family=socket.AF_INET, host="127.0.0.1"):
    with socket.socket(family) as client:
        client.settimeout(10)
        client.connect((host, port))
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        return b"".join(iter(lambda: client.recv(65536), b"")).decode()


@test
def metrics_are_there_for_prometheus_whoever_else_connects_and_says_nothing():
    port = free_port()
    running, _ = staying("1", "1", "100", options=["--metrics", f"127.0.0.1:{port}"])
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(6)]
    for client in idle:
        client.sendall(b"GET /met")
    line = 'otel_sdk_span_started_total{otel_span_sampling_result="RECORD_AND_SAMPLE"} 100\n'
    wait_until(lambda: line in scrape(port), "100 spans started")
    check("pid" not in scrape(port), "a process in the metrics")
    equal(len(running.wait().spans), 100, "spans")
    for client in idle:
        client.close()


@test
def what_a_receiver_has_not_taken_is_in_flight_and_not_in_the_queue():
    port = free_port()
    running, _ = staying("1", "1", "10", options=["--metrics", f"127.0.0.1:{port}"],
                         exporter=f"otlp=http://127.0.0.1:{free_port()}/v1/traces")
    exporter = 'otel_component_name="otlp_http_span_exporter/0",otel_component_type="otlp_http_span_exporter"'
    processor = 'otel_component_name="batching_span_processor/0",otel_component_type="batching_span_processor"'
    wait_until(lambda: f"otel_sdk_exporter_span_inflight{{{exporter}}} 10\n" in scrape(port), "10 spans in flight")
    text = scrape(port)
    contains(text, f"otel_sdk_processor_span_processed_total{{{processor}}} 10\n")
    contains(text, f"otel_sdk_processor_span_queue_size{{{processor}}} 0\n")
    contains(text, f"otel_sdk_exporter_span_exported_total{{{exporter}}} 0\n")
    running.process.kill()


@test
def metrics_that_cannot_be_served_are_refused_with_a_reason():
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    for value, reason in (("::1:9464", "not an address and a port"),
                          (f"127.0.0.1:{taken.getsockname()[1]}", "Address already in use"),
                          ("otlp,otlp", "more than one otlp")):
        done = run(["true"], ["--metrics", value], status=125)
        contains(done.err, reason)
        equal(len(done.err.splitlines()), 1, f"lines about {value}")
