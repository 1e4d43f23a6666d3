/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "log.h"

static const char usage[] =
	"otel-bpf: OpenTelemetry tracing from outside of the process\n"
	"\n"
	"usage: otel-bpf run [OPTIONS] -- COMMAND [ARG...]   trace a command and what it starts\n"
	"       otel-bpf attach [OPTIONS] -p PID...          trace processes that run already\n"
	"       otel-bpf detach --pin[=DIR] [OPTIONS]        end what goes on since attach --pin\n"
	"       otel-bpf status [--json] [--pid PID]         what agents have recorded and lost\n"
	"       otel-bpf COMMAND --help                      its options\n"
	"       otel-bpf --version\n"
	"\n"
	"A first trace, as a waterfall on the terminal:\n"
	"       otel-bpf run --exporter console -- ./app\n"
	"To a Collector, Jaeger, or anything else that takes OTLP:\n"
	"       otel-bpf run --endpoint http://localhost:4318 -- ./app\n";

int main(int argc, char **argv)
{
	struct launch_origin origin;

	launch_remember(&origin);
	if (argc < 2) {
		fputs(usage, stderr);
		return EXIT_AGENT_FAILED;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("otel-bpf " OTEL_BPF_VERSION);
		return 0;
	}
	if (!strcmp(argv[1], "run"))
		return cmd_run(argc - 1, argv + 1, &origin);
	if (!strcmp(argv[1], "attach"))
		return cmd_attach(argc - 1, argv + 1);
	if (!strcmp(argv[1], "detach"))
		return cmd_detach(argc - 1, argv + 1);
	if (!strcmp(argv[1], "status"))
		return cmd_status(argc - 1, argv + 1);
	log_error("there is no command \"%s\"; see otel-bpf --help", argv[1]);
	return EXIT_AGENT_FAILED;
}
