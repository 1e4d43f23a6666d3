/* SPDX-License-Identifier: Apache-2.0 */
/* The examples of the fourth document, from end to end, in C++. Its oracle is shop.py. */
#include <cstdio>
#include <otel/propagation.h>
#include <otel/trace.hpp>
#include <stdexcept>
#include <string>
#include <vector>

static const otel::tracer tracer("shop");

static std::string process_payment()
{
	otel::scoped_span span(tracer, "process_payment");

	span.set("user_id", 42);
	span.set("amount", 99.99);
	{
		otel::scoped_span db_span(tracer, "db_query");
		const std::vector<std::string> result = {"a", "b", "c"};

		db_span.set("query", "SELECT * FROM orders");
		db_span.set("rows_returned", result.size());
	}
	otel::scoped_span stripe_span(tracer, "stripe_charge");
	const std::string charge = "ch_1";

	stripe_span.set("api_version", "2023-10-16");
	stripe_span.set("charge_id", charge);
	return charge;
}

/* ---- Two services; what is between them is a list of headers ---- */

using headers = std::vector<std::string>;

static void set_header(void *carrier, const char *name, const char *value)
{
	static_cast<headers *>(carrier)->push_back(std::string(name) + ": " + value);
}

static int user_service(const headers &request)
{
	std::vector<const char *> lines;

	for (const std::string &line : request)
		lines.push_back(line.c_str());
	otel::context remote(otel_extract_lines(lines.data(), lines.size()));
	otel::scoped_span span(tracer, "GET /users/{id}", {otel::kind::server, otel::parent(remote)});
	{
		otel::scoped_span query(tracer, "db_query");
	}
	otel::scoped_span cache(tracer, "cache_set");
	return 200;
}

static void call_user_service(int user_id)
{
	otel::scoped_span span(tracer, "call_user_service");
	headers request;

	span.set("user_id", user_id);
	otel_inject(set_header, &request);
	span.set("response_status", user_service(request));
}

static int create_order(bool is_valid)
{
	otel::scoped_span request(tracer, "POST /order", {otel::kind::server});
	{
		otel::scoped_span span(tracer, "validate_order");

		span.set("order_id", "o-1");
		span.set("valid", is_valid);
		if (!is_valid)
			return 400;
	}
	{
		otel::scoped_span span(tracer, "save_to_database");

		span.set("saved_id", 17);
	}
	otel::scoped_span span(tracer, "notify_warehouse");

	span.set("response_status", 202);
	call_user_service(42);
	return 201;
}

/* ---- Exceptions ---- */

static void risky_operation(int how)
{
	otel::with_span(tracer, "risky_operation", [&](otel::scoped_span &span) {
		try {
			if (how == 1)
				throw std::invalid_argument("wrong value");
			if (how == 2)
				throw std::runtime_error("worse");
			span.set("outcome", "success");
		} catch (const std::invalid_argument &e) {
			span.exception(e);
			span.status(otel::code::error, e.what());
			throw;
		} catch (const std::exception &e) {
			span.exception(e);
			span.status(otel::code::error, "Internal error");
			throw;
		}
	});
}

int main()
{
	otel::set_resource({{"service.name", "my-python-app"}});
	{
		otel::scoped_span span(tracer, "startup");

		span.set("config", "loaded");
		std::puts("Application started");
	}
	std::puts(process_payment().c_str());
	std::printf("%d\n", create_order(true));
	std::printf("%d\n", create_order(false));
	for (int how = 0; how < 3; how++)
		try {
			risky_operation(how);
			std::puts("well");
		} catch (const std::exception &e) {
			std::puts(e.what());
		}
}
