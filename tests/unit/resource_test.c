/* SPDX-License-Identifier: Apache-2.0 */
/* What is exported about a process, from its environment, the system and its own word. */
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "resource.h"
#include "otel/semconv.h"
#include "fixture.h"

/* Sends an anchor with these strings, each with its NUL. */
static int send_anchor(struct producer *p, const char *environment, size_t size,
		       enum otel_language language)
{
	static struct otel_anchor anchor;

	memset(&anchor, 0, sizeof(anchor));
	anchor.magic = OTEL_ANCHOR_MAGIC;
	anchor.version = OTEL_FORMAT_VERSION;
	anchor.language = (uint16_t)language;
	anchor.size = (uint32_t)(offsetof(struct otel_anchor, environment) + size);
	anchor.environment_size = (uint32_t)size;
	memcpy(anchor.environment, environment, size);
	return producer_life(p, intake, EVENT_ANCHOR, &anchor, anchor.size);
}

#define ANCHOR(text) send_anchor(&one, text, sizeof(text), OTEL_LANGUAGE_C)

/* The resource of a span that ends now. */
static const struct resource *resource_now(struct producer *p)
{
	static uint64_t id = SPAN;

	producer_start(p, id, "a", NULL);
	producer_end(p, id++, NOW + 1, 0, 0, 0, 0);
	producer_flush(p, intake);
	assert_true(out.n > 0);
	return out.spans[out.n - 1]->resource;
}

static struct bytes text_of(const struct resource *resource, const char *key)
{
	return text_attribute(resource->encoded, 1, key);
}

static void the_service_name_comes_from_the_environment(void **state)
{
	const struct resource *resource;

	(void)state;
	ANCHOR("OTEL_RESOURCE_ATTRIBUTES=service.name=other,team=a%20b\0OTEL_SERVICE_NAME=kitchen");
	resource = resource_now(&one);
	assert_text(text_of(resource, "service.name"), "kitchen");
	assert_text(resource->service_name, "kitchen");
	assert_text(text_of(resource, "team"), "a b");
	assert_text(resource->schema_url, OTEL_SEMCONV_SCHEMA_URL);
	assert_int_equal(resource->pid, app.pid);
}

static void service_name_in_the_attributes_counts_without_a_variable_of_its_own(void **state)
{
	(void)state;
	ANCHOR("OTEL_RESOURCE_ATTRIBUTES=service.name=other");
	assert_text(resource_now(&one)->service_name, "other");
}

static void without_a_name_it_is_the_operators_or_the_executables(void **state)
{
	struct {
		struct event_exec exec;
		char strings[32];
	} event = {.exec = {.filename_size = 8, .arguments_size = 11}};
	const struct intake_options options = {
		.service_name = "by-operator",
		.max_open = 10,
		.sink = {.submit = collect_span, .self = &out},
	};

	(void)state;
	memcpy(event.strings, "/bin/app./argv\0-pass", 20);
	producer_life(&one, intake, EVENT_EXEC, &event, sizeof(event.exec) + 19);
	assert_text(resource_now(&one)->service_name, "app");
	assert_text(text_of(out.spans[0]->resource, "service.name"), "unknown_service:app");
	assert_text(text_of(out.spans[0]->resource, "process.executable.path"), "/bin/app");
	assert_text(text_of(out.spans[0]->resource, "process.executable.name"), "app");
	/* Arguments are not exported: there may be secrets among them. */
	assert_text(text_of(out.spans[0]->resource, "process.command"), "./argv");
	intake_free(intake);
	intake = intake_new(&options);
	producer_init(&one, 1);
	assert_text(resource_now(&one)->service_name, "by-operator");
}

static void a_child_has_what_its_parent_had_until_it_execs(void **state)
{
	struct event_fork fork = {.parent = app};
	struct {
		struct event_exec exec;
		char strings[32];
	} event = {.exec = {.filename_size = 8}};
	struct bytes pid;

	(void)state;
	memcpy(event.strings, "/bin/app", 8);
	producer_life(&one, intake, EVENT_EXEC, &event, sizeof(event.exec) + 8);
	ANCHOR("OTEL_RESOURCE_ATTRIBUTES=team=x");
	producer_put(&one, OTEL_RECORD_RESOURCE, 0, 0, NULL, 0,
		     "\x0a\x08\x0a\x01k\x12\x03\x0a\x01v", 10);
	resource_now(&one);
	two.process.pid--;
	producer_life(&two, intake, EVENT_FORK, &fork, sizeof(fork));
	resource_now(&two);
	assert_text(text_of(out.spans[1]->resource, "service.name"), "unknown_service:app");
	assert_text(text_of(out.spans[1]->resource, "team"), "x");
	assert_text(text_of(out.spans[1]->resource, "k"), "v");
	pid = attribute(out.spans[1]->resource->encoded, 1, "process.parent_pid");
	assert_int_equal(field_at(pid, 3, 0).value, app.pid);
	assert_int_not_equal(text_of(out.spans[0]->resource, "service.instance.id").size, 0);
	assert_memory_not_equal(text_of(out.spans[0]->resource, "service.instance.id").data,
				text_of(out.spans[1]->resource, "service.instance.id").data, 36);
	/* exec: the new program has its own; its parent is the same. */
	two.process.execs++;
	memcpy(event.strings, "/bin/two", 8);
	producer_life(&two, intake, EVENT_EXEC, &event, sizeof(event.exec) + 8);
	producer_init(&two, 1);
	two.process.pid--;
	two.process.execs++;
	resource_now(&two);
	assert_text(text_of(out.spans[2]->resource, "service.name"), "unknown_service:two");
	assert_int_equal(text_of(out.spans[2]->resource, "k").size, 0);
	pid = attribute(out.spans[2]->resource->encoded, 1, "process.parent_pid");
	assert_int_equal(field_at(pid, 3, 0).value, app.pid);
}

static void what_the_program_says_wins_for_spans_that_finish_after_it(void **state)
{
	uint8_t fields[128], *end = encode_text(fields, 1, "service.name", "mine");

	(void)state;
	end = encode_text(end, 1, "telemetry.sdk.name", "lie");
	ANCHOR("OTEL_SERVICE_NAME=kitchen");
	assert_text(resource_now(&one)->service_name, "kitchen");
	producer_put(&one, OTEL_RECORD_RESOURCE, 0, 0, NULL, 0, fields, (size_t)(end - fields));
	assert_text(resource_now(&one)->service_name, "mine");
	assert_text(out.spans[0]->resource->service_name, "kitchen");
	assert_text(text_of(out.spans[1]->resource, "telemetry.sdk.name"), "otel-bpf");
}

static void an_agent_that_comes_late_finds_what_the_program_said_in_the_anchor(void **state)
{
	struct otel_anchor anchor = {
		.magic = OTEL_ANCHOR_MAGIC,
		.version = OTEL_FORMAT_VERSION,
		.environment_size = 7,
		.resource_size = 10,
	};

	(void)state;
	memcpy(anchor.environment, "OTEL_A\0\x0a\x08\x0a\x01k\x12\x03\x0a\x01v", 17);
	producer_life(&one, intake, EVENT_ANCHOR, &anchor, 624 + 17);
	assert_text(text_of(resource_now(&one), "k"), "v");
	/* Cut, or not protobuf: what is fine is kept. */
	producer_life(&one, intake, EVENT_ANCHOR, &anchor, 624 + 16);
	assert_text(text_of(resource_now(&one), "k"), "v");
	assert_int_equal(counted().records_rejected, 1);
}

static void who_it_is_is_not_for_the_process_to_say(void **state)
{
	const struct resource *resource;

	(void)state;
	send_anchor(
		&one,
		"OTEL_RESOURCE_ATTRIBUTES=process.pid=1,telemetry.sdk.language=java,host.name=mine",
		82, OTEL_LANGUAGE_CPP);
	resource = resource_now(&one);
	assert_int_equal(field_at(attribute(resource->encoded, 1, "process.pid"), 3, 0).value,
			 app.pid);
	assert_text(text_of(resource, "telemetry.sdk.language"), "cpp");
	/* The rest is. */
	assert_text(text_of(resource, "host.name"), "mine");
	assert_text(text_of(resource, "os.type"), "linux");
}

static void a_resource_is_one_object_while_nothing_changes(void **state)
{
	(void)state;
	resource_now(&one);
	resource_now(&one);
	assert_ptr_equal(out.spans[0]->resource, out.spans[1]->resource);
}

static void hostile_environments_harm_nobody(void **state)
{
	static char noise[4096];

	(void)state;
	memset(noise, ',', sizeof(noise));
	memcpy(noise, "OTEL_RESOURCE_ATTRIBUTES=", 25);
	send_anchor(&one, noise, sizeof(noise), OTEL_LANGUAGE_C);
	resource_now(&one);
	send_anchor(&one, "OTEL_SERVICE_NAME=\xff\xfe", 20, OTEL_LANGUAGE_C);
	assert_text(resource_now(&one)->service_name, "\xef\xbf\xbd\xef\xbf\xbd");
	send_anchor(&one, "OTEL_SERVICE_NAME", 17, OTEL_LANGUAGE_C);
	assert_text(resource_now(&one)->service_name, "unknown_service");
	assert_int_equal(producer_life(&one, intake, EVENT_ANCHOR, noise, 700), -EBADMSG);
	assert_int_equal(producer_life(&one, intake, EVENT_ANCHOR, noise, 5), -EBADMSG);
}

/* A value of OTEL_RESOURCE_ATTRIBUTES, and how many attributes come of it, -1: refused. */
static const struct {
	const char *text;
	int n;
} values[] = {
	{"", 0},     {"   ", 0},   {"a=b", 1},	   {"a=b,c=d", 2},  {" a = b , c=d ", 2},
	{"a=", 1},   {"a=b=c", 1}, {"a=b,a=c", 1}, {"a=%2C%3d", 1}, {"%61=b", 1},
	{"a", -1},   {"=b", -1},   {"a=b,", -1},   {",a=b", -1},    {"a=b,,c=d", -1},
	{"a=%", -1}, {"a=%2", -1}, {"a=%2g", -1},  {"a=b,c", -1},   {"%ff=b", -1},
};

static void resource_attributes_are_all_right_or_all_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct bytes text = {(const uint8_t *)values[i].text, strlen(values[i].text)};
		struct attributes set = {0};
		int n = resource_parse(&set, text) ? -1 : (int)set.n;

		if (n != values[i].n)
			fprintf(stderr, "\"%s\": %d\n", values[i].text, n);
		assert_int_equal(n, values[i].n);
		assert_int_equal(set.n, n < 0 ? 0 : n);
		attributes_free(&set);
	}
}

static void a_process_that_runs_is_looked_at_from_outside(void **state)
{
	const struct resource *resource;
	char path[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
	struct bytes created;

	(void)state;
	assert_true(size > 0);
	path[size] = '\0';
	one.process = (struct process_id){.pid = (uint32_t)getpid(),
					  .start_time = start_time_of(getpid())};
	resource = resource_now(&one);
	assert_text(text_of(resource, "process.executable.path"), path);
	assert_text(resource->service_name, strrchr(path, '/') + 1);
	assert_int_equal(
		field_at(attribute(resource->encoded, 1, "process.parent_pid"), 3, 0).value,
		getppid());
	created = text_of(resource, "process.creation.time");
	assert_int_equal(created.size, strlen("2026-01-02T03:04:05.678Z"));
	assert_int_equal(created.data[10], 'T');
}

static void a_pid_that_is_anothers_by_now_is_not_looked_at(void **state)
{
	(void)state;
	one.process = (struct process_id){
		.pid = (uint32_t)getpid(),
		.start_time = start_time_of(getpid()) + 10 * SECOND,
	};
	assert_text(resource_now(&one)->service_name, "unknown_service");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_service_name_comes_from_the_environment),
		TEST(service_name_in_the_attributes_counts_without_a_variable_of_its_own),
		TEST(without_a_name_it_is_the_operators_or_the_executables),
		TEST(a_child_has_what_its_parent_had_until_it_execs),
		TEST(what_the_program_says_wins_for_spans_that_finish_after_it),
		TEST(an_agent_that_comes_late_finds_what_the_program_said_in_the_anchor),
		TEST(who_it_is_is_not_for_the_process_to_say),
		TEST(a_resource_is_one_object_while_nothing_changes),
		TEST(hostile_environments_harm_nobody),
		TEST(resource_attributes_are_all_right_or_all_refused),
		TEST(a_process_that_runs_is_looked_at_from_outside),
		TEST(a_pid_that_is_anothers_by_now_is_not_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
