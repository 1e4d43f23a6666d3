/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "log.h"

const char options_help[] =
	"  -e, --exporter LIST      where spans go, separated by commas:\n"
	"                             console[=FILE]  a waterfall, on standard error, in FILE, or on\n"
	"                                             standard output (-)\n"
	"                             otlp[=URL]      OTLP over HTTP, to URL as it is\n"
	"                             otlp_file=FILE  OTLP as JSON lines\n"
	"                             none\n"
	"                           default: $OTEL_TRACES_EXPORTER, else otlp if an endpoint is set,\n"
	"                           else console\n"
	"      --endpoint URL       base of the OTLP receiver (/v1/traces is added); default:\n"
	"                           $OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4318\n"
	"      --service-name NAME  service.name of processes that do not set OTEL_SERVICE_NAME\n"
	"                           (default: unknown_service: and their executable's name)\n"
	"      --ring-size BYTES    room for records on their way from the kernel, a power of two;\n"
	"                           K, M and G may follow (default: 16M)\n"
	"      --settings FILE      what may change while it runs, read again when it does; lines\n"
	"                             sampler NAME [RATIO]  (default: $OTEL_TRACES_SAMPLER, else\n"
	"                                                   parentbased_always_on)\n"
	"                             tracer GLOB on|off\n"
	"  -v, --verbose            say more\n"
	"  -h, --help               this text\n";

static int parse_ring_size(const char *text, size_t *out)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	switch (*end) {
	case 'G':
		value <<= 10; /* fall through */
	case 'M':
		value <<= 10; /* fall through */
	case 'K':
		value <<= 10;
		end++;
	}
	if (errno || *end || end == text || value < 65536 || value > 1u << 31 || value & (value - 1)) {
		log_error("--ring-size %s: not a power of two between 64K and 2G", text);
		return -EINVAL;
	}
	*out = (size_t)value;
	return 0;
}

int options_take(struct agent_options *options, int option, const char *command, char **argv)
{
	switch (option) {
	case 'e':
		options->exporter = optarg;
		return 0;
	case OPTION_ENDPOINT:
		options->endpoint = optarg;
		return 0;
	case OPTION_SERVICE_NAME:
		options->service_name = optarg;
		return 0;
	case OPTION_RING_SIZE:
		return parse_ring_size(optarg, &options->ring_bytes);
	case OPTION_SETTINGS:
		options->settings = optarg;
		return 0;
	case 'v':
		options->verbose = true;
		return 0;
	case ':':
		log_error("%s needs an argument; see otel-bpf %s --help", argv[optind - 1], command);
		return -EINVAL;
	default:
		log_error("unknown option %s; see otel-bpf %s --help", argv[optind - 1], command);
		return -EINVAL;
	}
}
