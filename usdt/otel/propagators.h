/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal to otel/propagation.h: which formats contexts travel in. OpenTelemetry: OTEL_PROPAGATORS,
 * a list of names; "tracecontext,baggage" if it is empty or not set, nothing if "none" is in it. Names
 * that are not known here are left out: the agent complains of them, a program has nobody to tell.
 */
#ifndef OTEL_PROPAGATORS_H
#define OTEL_PROPAGATORS_H

#include "tracestate.h"

enum otel_propagator_ {
	OTEL_PROPAGATE_TRACECONTEXT_ = 1,
	OTEL_PROPAGATE_BAGGAGE_ = 2,
	OTEL_PROPAGATE_KNOWN_ = 128, /* the variable has been read */
};

/* Are these @size characters @name, in letters of either case? */
OTEL_API_ int otel_is_name_(const char *text, unsigned long size, const char *name)
{
	if (size != __builtin_strlen(name))
		return 0;
	for (unsigned long i = 0; i < size; i++)
		if ((text[i] >= 'A' && text[i] <= 'Z' ? text[i] + ('a' - 'A') : text[i]) != name[i])
			return 0;
	return 1;
}

OTEL_API_ unsigned otel_propagators_read_(const char *list)
{
	unsigned found = 0;
	int any = 0;

	while (*list) {
		const char *end = __builtin_strchr(list, ','), *next;

		if (!end)
			end = list + __builtin_strlen(list);
		next = *end ? end + 1 : end;
		while (list < end && (*list == ' ' || *list == '\t'))
			list++;
		while (list < end && (end[-1] == ' ' || end[-1] == '\t'))
			end--;
		any |= list < end;
		if (otel_is_name_(list, (unsigned long)(end - list), "none"))
			return 0;
		if (otel_is_name_(list, (unsigned long)(end - list), "tracecontext"))
			found |= OTEL_PROPAGATE_TRACECONTEXT_;
		else if (otel_is_name_(list, (unsigned long)(end - list), "baggage"))
			found |= OTEL_PROPAGATE_BAGGAGE_;
		list = next;
	}
	return any ? found : OTEL_PROPAGATE_TRACECONTEXT_ | OTEL_PROPAGATE_BAGGAGE_;
}

/* The value in an "OTEL_PROPAGATORS=..." string, else NULL. */
OTEL_INLINE_ const char *otel_propagators_value_(const char *entry)
{
	static const char name[] = "OTEL_PROPAGATORS=";

	return __builtin_strncmp(entry, name, sizeof(name) - 1) ? (const char *)0 : entry + sizeof(name) - 1;
}

/*
 * What the environment says: as the process's anchor has kept it, if there is one, so that all images go by the
 * same, whatever became of the environment since. An anchor is not made for this.
 */
OTEL_API_ unsigned otel_propagators_find_(void)
{
	const struct otel_anchor *anchor = otel_anchor_known_() ? otel_anchor_() : (struct otel_anchor *)0;
	const char *value;

	if (anchor) {
		const char *at = anchor->environment, *end = at + anchor->environment_size;

		for (; at < end; at += __builtin_strlen(at) + 1)
			if ((value = otel_propagators_value_(at)))
				return otel_propagators_read_(value);
		if (!anchor->environment_dropped)
			return otel_propagators_read_("");
	}
	for (char **entry = otel_environment_; entry && *entry; entry++)
		if ((value = otel_propagators_value_(*entry)))
			return otel_propagators_read_(value);
	return otel_propagators_read_("");
}

/* Of enum otel_propagator_. Read once, at the first use. */
OTEL_INLINE_ unsigned otel_propagators_(void)
{
	static otel_u8 known;
	unsigned found = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (__builtin_expect(!found, 0)) {
		int saved = errno;

		found = otel_propagators_find_() | OTEL_PROPAGATE_KNOWN_;
		__atomic_store_n(&known, (otel_u8)found, __ATOMIC_RELAXED);
		errno = saved;
	}
	return found;
}

#endif
