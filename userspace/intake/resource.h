/* SPDX-License-Identifier: Apache-2.0 */
/* Resources: what is exported about who made a span. */
#ifndef OTEL_BPF_RESOURCE_H
#define OTEL_BPF_RESOURCE_H

#include "attributes.h"
#include "process.h"

#define RESOURCE_TAG ATTRIBUTES_TAG(1)

/**
 * The resource of @process, built if it is not, yet. @host is of detect_host(), @service_name for
 * processes that do not name theirs, or NULL. NULL: no memory. The process keeps the reference.
 */
struct resource *resource_of(struct process *process, const struct attributes *host,
			     const char *service_name);

/**
 * Adds what a RESOURCE record says. Returns 0, 1 if it was repaired, or -EBADMSG and *@why: what
 * was fine is kept.
 */
int resource_merge(struct process *process, struct bytes fields, const char **why);

/**
 * Adds the attributes of a value of OTEL_RESOURCE_ATTRIBUTES: "key=value,...", %-encoded. Returns
 * 0 or -EINVAL if any of it is wrong: nothing is added then, as the specification demands.
 */
int resource_parse(struct attributes *set, struct bytes text);

#endif
