/* SPDX-License-Identifier: Apache-2.0 */
#include "resource.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "fields.h"
#include "otel/semconv.h"
#include "utf8.h"
#include "wire.h"

#define UNKNOWN "unknown_service"

#ifndef OTEL_BPF_VERSION
#define OTEL_BPF_VERSION "0"
#endif

/* A resource is exempt from the limits of spans; these are against those who mean no well. */
static const struct attributes_limits limits = {.most = 512, .most_bytes = 1 << 18};

/* ---- What the environment says -------------------------------------------------------------- */

static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static struct bytes trim(struct bytes text)
{
	while (text.size && isspace(text.data[0])) {
		text.data++;
		text.size--;
	}
	while (text.size && isspace(text.data[text.size - 1]))
		text.size--;
	return text;
}

/* Takes what stands before @separator, or all, off *@text. */
static struct bytes take_until(struct bytes *text, char separator)
{
	const uint8_t *end = text->size ? memchr(text->data, separator, text->size) : NULL;
	struct bytes taken = *text;

	if (!end) {
		*text = (struct bytes){.data = text->data + text->size, .size = 0};
		return taken;
	}
	taken.size = (size_t)(end - text->data);
	text->data = end + 1;
	text->size -= taken.size + 1;
	return taken;
}

/* Returns the size, or -EINVAL. */
static ssize_t decode_percent(char *out, struct bytes text)
{
	char *start = out;

	for (size_t i = 0; i < text.size; i++) {
		int high, low;

		if (text.data[i] != '%') {
			*out++ = (char)text.data[i];
			continue;
		}
		if (text.size - i < 3)
			return -EINVAL;
		high = digit(text.data[i + 1]);
		low = digit(text.data[i + 2]);
		if (high < 0 || low < 0)
			return -EINVAL;
		*out++ = (char)(high << 4 | low);
		i += 2;
	}
	return out - start;
}

static int parse_one(struct attributes *set, struct bytes item)
{
	struct bytes key = trim(take_until(&item, '='));
	/* An item without '=' leaves nothing, not even an empty value, behind the key. */
	bool has_value = item.data > key.data + key.size;
	char *text;
	ssize_t key_size, value_size;
	int err = -EINVAL;

	if (!key.size || !has_value)
		return -EINVAL;
	item = trim(item);
	text = malloc(key.size + item.size + 1);
	if (!text)
		return -ENOMEM;
	key_size = decode_percent(text, key);
	if (key_size <= 0 || memchr(text, '\0', (size_t)key_size) ||
	    !utf8_valid(text, (size_t)key_size))
		goto out;
	text[key_size] = '\0';
	value_size = decode_percent(text + key_size + 1, item);
	if (value_size < 0)
		goto out;
	err = attributes_put_text(set, RESOURCE_TAG, text, text + key_size + 1, (size_t)value_size,
				  0);
	err = err < 0 ? err : 0;
out:
	free(text);
	return err;
}

int resource_parse(struct attributes *set, struct bytes text)
{
	struct bytes rest;
	struct attributes parsed = {0};
	int err = 0;

	if (!trim(text).size)
		return 0;
	/* First all on the side: one mistake and nothing counts. */
	for (int pass = 0; pass < 2 && !err; pass++) {
		bool more = true;

		rest = text;
		while (more && !err) {
			struct bytes item = take_until(&rest, ',');

			more = rest.data > item.data + item.size;
			err = parse_one(pass ? set : &parsed, item);
			if (parsed.n > limits.most)
				err = -EINVAL;
		}
	}
	attributes_free(&parsed);
	return err;
}

/* The value of a variable in "NAME=value\0..."; .data is NULL if it is not there. */
static struct bytes variable(const struct process *process, const char *name)
{
	struct bytes rest = blob_bytes(&process->environment);
	size_t size = strlen(name);

	while (rest.size) {
		struct bytes it = take_until(&rest, '\0');

		if (it.size > size && it.data[size] == '=' && !memcmp(it.data, name, size))
			return (struct bytes){.data = it.data + size + 1,
					      .size = it.size - size - 1};
	}
	return (struct bytes){0};
}

/* service.name must be text for receivers, whatever bytes it is made of. */
static void put_service_name(struct attributes *set, const void *name, size_t size)
{
	uint8_t *text = size ? malloc(3 * size) : NULL;

	if (!text)
		return;
	attributes_put_text(set, RESOURCE_TAG, "service.name", (const char *)text,
			    (size_t)(utf8_repair(text, name, size) - text), 0);
	free(text);
}

/* otel/propagation.h, which reads this list, too, leaves out what it does not know, and says nothing. */
static bool propagators_known(struct bytes list)
{
	static const char *const known[] = {"", "tracecontext", "baggage", "none"};

	while (list.size) {
		struct bytes name = trim(take_until(&list, ','));
		bool found = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
			found |= strlen(known[i]) == name.size &&
				 !strncasecmp((const char *)name.data, known[i], name.size);
		if (!found)
			return false;
	}
	return true;
}

static void put_environment(struct attributes *set, struct process *process)
{
	struct bytes attributes = variable(process, "OTEL_RESOURCE_ATTRIBUTES");
	struct bytes name = variable(process, "OTEL_SERVICE_NAME");

	if (resource_parse(set, attributes))
		process->odd |= ODD_ATTRIBUTES;
	if (!propagators_known(variable(process, "OTEL_PROPAGATORS")))
		process->odd |= ODD_PROPAGATORS;
	put_service_name(set, name.data, name.size);
}

/* ---- What is seen from outside -------------------------------------------------------------- */

static void put(struct attributes *set, const char *key, const char *value)
{
	if (value && *value)
		attributes_put_text(set, RESOURCE_TAG, key, value, strlen(value), 0);
}

static const char *base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}

static void make_instance(struct process *process)
{
	uint8_t id[16] = {0};
	char *p = process->instance;

	if (getrandom(id, sizeof(id), GRND_NONBLOCK) != (ssize_t)sizeof(id))
		return;
	id[6] = (id[6] & 0x0f) | 0x40; /* a random UUID, version 4 */
	id[8] = (id[8] & 0x3f) | 0x80;
	for (int i = 0; i < 16; i++)
		p += sprintf(p, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", id[i]);
}

static void put_detected(struct attributes *set, struct process *process)
{
	const struct facts *facts = &process->facts;
	char created[32];

	if (!process->instance[0])
		make_instance(process);
	detect_creation(process->id.start_time, created);
	put(set, "service.instance.id", process->instance);
	put(set, "process.executable.name", base_name(facts->executable));
	put(set, "process.executable.path", facts->executable);
	put(set, "process.command", facts->command);
	put(set, "process.creation.time", created);
	if (facts->parent_pid)
		attributes_put_int(set, RESOURCE_TAG, "process.parent_pid", facts->parent_pid, 0);
	put(set, "container.id", facts->container);
}

/* Nobody else knows these better, whatever they say. */
static void put_identity(struct attributes *set, const struct process *process)
{
	bool cpp = process->language == OTEL_LANGUAGE_CPP;

	attributes_put_int(set, RESOURCE_TAG, "process.pid", process->id.pid, 0);
	put(set, "telemetry.sdk.name", "otel-bpf");
	put(set, "telemetry.sdk.language", cpp ? "cpp" : "c");
	put(set, "telemetry.sdk.version", OTEL_BPF_VERSION);
}

/* ---- All together --------------------------------------------------------------------------- */

static int merge(struct attributes *set, struct bytes fields, const char **why)
{
	struct wire_reader reader = wire_reader(fields);
	struct wire_field field;
	int found, result = 0, err;

	*why = "broken resource";
	while ((found = wire_next(&reader, &field)) > 0) {
		if (field.number == 2 && field.type == WIRE_VARINT)
			continue;
		if (field.number != 1 || field.type != WIRE_BYTES) {
			*why = "unknown field or bad wire type in a resource";
			result = -EBADMSG;
			continue;
		}
		err = attributes_put(set, RESOURCE_TAG, field.bytes, 0, &limits, why);
		if (err < 0)
			result = -EBADMSG;
		else if (err && !result)
			result = 1;
	}
	return found < 0 ? -EBADMSG : result;
}

int resource_merge(struct process *process, struct bytes fields, const char **why)
{
	resource_unref(process->resource);
	process->resource = NULL;
	return merge(&process->by_program, fields, why);
}

static void add_all(struct attributes *set, const struct attributes *from)
{
	struct blob fields = {0};
	const char *why;

	if (!from->n || blob_reserve(&fields, attributes_size(from)))
		return;
	fields.size = (size_t)(attributes_write(from, fields.data) - fields.data);
	(void)merge(set, blob_bytes(&fields), &why);
	blob_free(&fields);
}

/* The text of a string attribute; empty if it is none. */
static struct bytes text_of(const struct attributes *set, const char *key)
{
	struct wire_reader reader = wire_reader(attributes_get(set, key));
	struct wire_field field;

	while (wire_next(&reader, &field) > 0) {
		if (field.number != 2)
			continue;
		reader = wire_reader(field.bytes);
		if (wire_next(&reader, &field) > 0 && field.number == 1)
			return field.bytes;
		break;
	}
	return (struct bytes){0};
}

static struct resource *encode(const struct attributes *set, const struct process *process)
{
	static const char schema_url[] = OTEL_SEMCONV_SCHEMA_URL; /* of the names that we use */
	struct bytes name = text_of(set, "service.name");
	size_t size = attributes_size(set);
	struct resource *resource;
	uint8_t *p;

	resource = resource_new(size + name.size, &p);
	if (!resource)
		return NULL;
	resource->account = account_ref(process->books->account);
	resource->pid = process->id.pid;
	resource->encoded = (struct bytes){.data = p, .size = size};
	resource->schema_url = (struct bytes){.data = (const uint8_t *)schema_url, .size = sizeof(schema_url) - 1};
	p = attributes_write(set, p);
	/* To people, that nobody has named the service says nothing. */
	if (name.size > sizeof(UNKNOWN) && !memcmp(name.data, UNKNOWN ":", sizeof(UNKNOWN)))
		name = (struct bytes){.data = name.data + sizeof(UNKNOWN), .size = name.size - sizeof(UNKNOWN)};
	resource->service_name = (struct bytes){.data = p, .size = name.size};
	wire_put_raw(p, name.data, name.size);
	return resource;
}

/* Semantic conventions, service.name: "unknown_service:" and the executable's name, if nobody says. */
static void put_default_name(struct attributes *set, const char *executable, const char *service_name)
{
	char name[sizeof(UNKNOWN) + NAME_MAX + 1] = UNKNOWN;

	if (service_name && *service_name) {
		put_service_name(set, service_name, strlen(service_name));
		return;
	}
	if (executable && *executable)
		snprintf(name, sizeof(name), UNKNOWN ":%s", executable);
	put_service_name(set, name, strlen(name));
}

struct resource *resource_of(struct process *process, const struct attributes *host,
			     const char *service_name)
{
	const char *executable = base_name(process->facts.executable);
	struct attributes set = {0};

	if (process->resource)
		return process->resource;
	put_default_name(&set, executable, service_name);
	put_detected(&set, process);
	add_all(&set, host);
	put_environment(&set, process);
	add_all(&set, &process->by_program);
	put_identity(&set, process);
	process->resource = encode(&set, process);
	attributes_free(&set);
	return process->resource;
}
