/* SPDX-License-Identifier: Apache-2.0 */
/* The examples of the second document in C++. Its oracle is users.py. */
#include <cstdio>
#include <otel/trace.hpp>
#include <stdexcept>
#include <string>

static const otel::tracer tracer("app_or_package_name", "1.0.0");

struct user {
	int id;
	std::string email;
};

static user create_user(int id, const std::string &email)
{
	if (email.find('@') == std::string::npos)
		throw std::invalid_argument("no e-mail address: " + email);
	return {id, email};
}

static user insert_user(int id, const std::string &email)
{
	return otel::with_span(tracer, "insert-user", [&](otel::scoped_span &span) {
		if (span.is_recording()) {
			span.set("enduser.id", id);
			span.set("enduser.email", email);
		}
		return create_user(id, email);
	});
}

static void operation()
{
	otel::scoped_span span(tracer, "operation-name", {otel::kind::server});

	/* To avoid expensive computations, check that the span is recorded. */
	if (span.is_recording()) {
		span.set("http.method", "GET");
		span.set("http.route", "/projects/:id");
	}
	span.event("log", {{"log.severity", "error"}, {"log.message", "User not found"}, {"enduser.id", "123"}});
}

static void status()
{
	otel::scoped_span span(tracer, "status");

	try {
		create_user(2, "nobody");
	} catch (const std::invalid_argument &exc) {
		span.status(otel::code::error, exc.what());
	}
}

static void recorded()
{
	otel::scoped_span span(tracer, "recorded");

	try {
		create_user(3, "nobody");
	} catch (const std::invalid_argument &exc) {
		span.exception(exc);
		span.status(otel::code::error, exc.what());
	}
}

static void activated()
{
	otel::span span(tracer, "activated");
	{
		otel::scope active(span);

		otel::current().set("is", "current");
		otel::scoped_span child(tracer, "below it");
	}
	span.end();
}

int main()
{
	insert_user(7, "me@example.org");
	try {
		insert_user(8, "nobody");
	} catch (const std::invalid_argument &) {
		std::puts("rejected");
	}
	operation();
	status();
	recorded();
	activated();
}
