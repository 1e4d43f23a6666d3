/* SPDX-License-Identifier: Apache-2.0 */
#include "exceptions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "usdt.h"

#define SITES_MAX 8    /* of a file */
#define WAITING_MAX 64 /* files: one a container image, as a rule */

struct waiting {
	int fd;
	int *handle;
	char name[256];
};

struct exceptions {
	struct capture *capture;
	bool wanted;
	size_t n_waiting;
	struct waiting waiting[WAITING_MAX];
};

struct exceptions *exceptions_new(struct capture *capture)
{
	struct exceptions *exceptions = calloc(1, sizeof(*exceptions));

	if (exceptions)
		exceptions->capture = capture;
	return exceptions;
}

void exceptions_free(struct exceptions *exceptions)
{
	free(exceptions);
}

static uint64_t operand_bits(const struct usdt_operand *it)
{
	return (it->reg & EXCEPTION_REGISTER) | (it->memory ? EXCEPTION_MEMORY : 0) |
	       (uint64_t)(uint16_t)it->displacement << EXCEPTION_DISPLACEMENT;
}

/* What capture_exception() has to know of a site. 0, or -ENOTSUP: it is no use to us. */
static int read_site(const struct usdt_site *site, struct exception_site *out)
{
	struct usdt_operand object, type;
	bool caught = !strcmp(site->name, "catch");

	if (!caught && strcmp(site->name, "throw") && strcmp(site->name, "rethrow"))
		return -ENOTSUP;
	if (usdt_operand(site->arguments, 0, &object) || usdt_operand(site->arguments, 1, &type))
		return -ENOTSUP;
	*out = (struct exception_site){
		.offset = site->offset,
		.semaphore = site->semaphore,
		.cookie = (caught ? EXCEPTION_CAUGHT : 0) |
			  operand_bits(&object) << EXCEPTION_OBJECT |
			  operand_bits(&type) << EXCEPTION_TYPE,
	};
	return 0;
}

/* Returns how many of them can be attached to. */
static size_t read_sites(int fd, struct exception_site *out)
{
	struct usdt_site sites[SITES_MAX];
	int n = usdt_sites(fd, "libstdcxx", sites, SITES_MAX);
	size_t count = 0;

	for (int i = 0; i < n; i++)
		count += !read_site(&sites[i], &out[count]);
	return count;
}

static int attach(struct exceptions *exceptions, int fd, const char *name)
{
	struct exception_site sites[SITES_MAX];
	size_t n = read_sites(fd, sites);
	int handle = capture_attach_exceptions(exceptions->capture, fd, sites, n);

	if (handle < 0)
		log_info("%s: cannot attach to its probes (%s): exceptions that leave a C++ scope "
			 "have no type",
			 name, strerror(-handle));
	else
		log_debug("exceptions: attached to %s", name);
	return handle;
}

bool exceptions_offer(struct exceptions *exceptions, int fd, const char *name, int *handle)
{
	struct exception_site sites[SITES_MAX];
	struct waiting *waiting;

	*handle = -1;
	if (!read_sites(fd, sites))
		return false;
	if (exceptions->wanted) {
		*handle = attach(exceptions, fd, name);
		return *handle >= 0;
	}
	if (exceptions->n_waiting == WAITING_MAX)
		return false;
	waiting = &exceptions->waiting[exceptions->n_waiting++];
	waiting->fd = fd;
	waiting->handle = handle;
	snprintf(waiting->name, sizeof(waiting->name), "%s", name);
	return true;
}

void exceptions_forget(struct exceptions *exceptions, int *handle)
{
	capture_release_exceptions(exceptions->capture, *handle);
	*handle = -1;
	for (size_t i = 0; i < exceptions->n_waiting; i++)
		if (exceptions->waiting[i].handle == handle)
			exceptions->waiting[i--] = exceptions->waiting[--exceptions->n_waiting];
}

void exceptions_wanted(struct exceptions *exceptions)
{
	exceptions->wanted = true;
	while (exceptions->n_waiting) {
		struct waiting *it = &exceptions->waiting[--exceptions->n_waiting];

		*it->handle = attach(exceptions, it->fd, it->name);
	}
}
