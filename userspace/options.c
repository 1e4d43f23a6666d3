/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "log.h"
#include "pin.h"

/* Room for a full batch, whatever is in it, and for another behind it. */
#define SPOOL_LEAST (4u << 20)

/* Where spans go. */
#define HELP_EXPORT                                                                                \
	"  -e, --exporter LIST      where spans go, separated by commas:\n"                        \
	"                             console[=FILE]  a waterfall, on standard error, in FILE, "   \
	"or "                                                                                      \
	"on\n"                                                                                     \
	"                                             standard output (-)\n"                       \
	"                             otlp[=URL]      OTLP over HTTP, to URL as it is\n"           \
	"                             otlp_file=FILE  OTLP as JSON lines\n"                        \
	"                             none\n"                                                      \
	"                           default: $OTEL_TRACES_EXPORTER, else otlp if an endpoint is "  \
	"set,\n"                                                                                   \
	"                           else console\n"                                                \
	"      --endpoint URL       base of the OTLP receiver (/v1/traces is added); default:\n"   \
	"                           $OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4318\n"    \
	"      --service-name NAME  service.name of processes that do not set OTEL_SERVICE_NAME\n" \
	"                           (default: unknown_service: and their executable's name)\n"

/* How they are recorded. */
#define HELP_RECORD                                                                                \
	"      --ring-size BYTES    room for records on their way from the kernel, a power of "    \
	"two;\n"                                                                                   \
	"                           K, M and G may follow (default: 16M)\n"                        \
	"      --settings FILE      what may change while it runs, read again when it does; "      \
	"lines\n"                                                                                  \
	"                             sampler NAME [RATIO]  (default: $OTEL_TRACES_SAMPLER, "      \
	"else\n"                                                                                   \
	"                                                   parentbased_always_on)\n"              \
	"                             tracer GLOB on|off\n"

/* What becomes of those that wait. */
#define HELP_DELIVER                                                                               \
	"      --spool DIR          where spans wait on disk when the OTLP receiver does not "     \
	"take "                                                                                    \
	"them,\n"                                                                                  \
	"                           also for the next run; a directory for this otel-bpf alone\n"  \
	"      --spool-size BYTES   how much may wait there: then the oldest are dropped; K, M "   \
	"and "                                                                                     \
	"G\n"                                                                                      \
	"                           may follow (default: 256M)\n"                                  \
	"      --metrics LIST       metrics of otel-bpf itself, separated by commas:\n"            \
	"                             ADDRESS:PORT    for Prometheus, at /metrics\n"               \
	"                             otlp[=URL]      OTLP, to URL as it is, or to the "           \
	"endpoint's\n"                                                                             \
	"                                             /v1/metrics\n"

#define HELP_PIN                                                                                   \
	"      --pin[=DIR]          leave it recording when otel-bpf ends, for the next one that " \
	"is given\n"                                                                               \
	"                           the same DIR, in a BPF file system (default: " PIN_DEFAULT     \
	")\n"

#define HELP_REST                                                                                  \
	"  -v, --verbose            say more\n"                                                    \
	"  -h, --help               this text\n"

const char options_help[] = HELP_EXPORT HELP_RECORD HELP_DELIVER HELP_PIN HELP_REST;
const char options_help_finish[] = HELP_EXPORT HELP_DELIVER HELP_REST;

/* A number of bytes; K, M or G may follow. */
static int parse_bytes(const char *text, uint64_t *out)
{
	char *end;
	unsigned long long value;
	unsigned int shift = 0;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end == 'G')
		shift = 30;
	else if (*end == 'M')
		shift = 20;
	else if (*end == 'K')
		shift = 10;
	if (errno || *text < '0' || *text > '9' || end[shift > 0] || value > UINT64_MAX >> shift)
		return -EINVAL;
	*out = (uint64_t)value << shift;
	return 0;
}

static int parse_ring_size(const char *text, size_t *out)
{
	uint64_t value;

	if (parse_bytes(text, &value) || value < 65536 || value > 1u << 31 || value & (value - 1)) {
		log_error("--ring-size %s: not a power of two between 64K and 2G", text);
		return -EINVAL;
	}
	*out = (size_t)value;
	return 0;
}

static int parse_spool_size(const char *text, uint64_t *out)
{
	if (parse_bytes(text, out) || *out < SPOOL_LEAST) {
		log_error("--spool-size %s: not a number of bytes from 4M", text);
		return -EINVAL;
	}
	return 0;
}

int options_take(struct agent_options *options, int option, const char *command, char **argv)
{
	switch (option) {
	case 'e':
		options->pipeline.exporters = optarg;
		return 0;
	case OPTION_ENDPOINT:
		options->pipeline.endpoint = optarg;
		return 0;
	case OPTION_SERVICE_NAME:
		options->service_name = optarg;
		return 0;
	case OPTION_RING_SIZE:
		return parse_ring_size(optarg, &options->ring_bytes);
	case OPTION_SETTINGS:
		options->settings = optarg;
		return 0;
	case OPTION_SPOOL:
		options->pipeline.spool = optarg;
		return 0;
	case OPTION_SPOOL_SIZE:
		return parse_spool_size(optarg, &options->pipeline.spool_bytes);
	case OPTION_METRICS:
		options->metrics = optarg;
		return 0;
	case OPTION_PIN:
		options->pin = optarg ? optarg : PIN_DEFAULT;
		return 0;
	case 'v':
		options->verbose = true;
		return 0;
	case ':':
		log_error("%s needs an argument; see otel-bpf %s --help", argv[optind - 1],
			  command);
		return -EINVAL;
	default:
		log_error("unknown option %s; see otel-bpf %s --help", argv[optind - 1], command);
		return -EINVAL;
	}
}
