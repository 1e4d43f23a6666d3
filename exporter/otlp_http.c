/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OTLP over HTTP, by libcurl. Through its multi interface, although there is one transfer at a
 * time: that is what can be left alone for a while, and be woken up from another thread.
 */
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "exporter.h"
#include "log.h"
#include "otlp_response.h"
#include "text.h"

#ifndef OTEL_BPF_VERSION
#define OTEL_BPF_VERSION "0"
#endif

#define TIMEOUT_MS 10000L
#define RESPONSE_BYTES (4u << 20) /* the specification's default limit */
#define UPLOAD_BYTES (256L << 10)
#define RETRY_AFTER_MAX_S 86400

struct http_sink {
	struct sink sink;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	char *url;
	char *shown_url; /* without user and password */
	struct bytes request;
	size_t spans;
	size_t taken;	/* of the request, by curl: what is 0 has not been sent */
	size_t resends; /* by curl, on a new connection */
	CURLMcode failed;
	struct text body;
	bool oversize;
	atomic_bool interrupted;
	char error[CURL_ERROR_SIZE];
};

static struct http_sink *of(struct sink *sink)
{
	return (struct http_sink *)sink; /* it is the first member */
}

static size_t take_body(char *data, size_t one, size_t size, void *argument)
{
	struct http_sink *hs = argument;

	(void)one;
	if (size > RESPONSE_BYTES - hs->body.size) {
		hs->oversize = true;
		return 0;
	}
	text_put(&hs->body, data, size);
	return hs->body.failed ? 0 : size;
}

static size_t give_request(char *data, size_t one, size_t room, void *argument)
{
	struct http_sink *hs = argument;
	size_t n = hs->request.size - hs->taken;

	if (n > one * room)
		n = one * room;
	memcpy(data, hs->request.data + hs->taken, n);
	hs->taken += n;
	return n;
}

/* curl wants to send it again: a connection from before was closed, with or without having been
 * read. */
static int rewind_request(void *argument, curl_off_t offset, int origin)
{
	struct http_sink *hs = argument;

	if (origin != SEEK_SET || offset < 0 || (size_t)offset > hs->request.size)
		return CURL_SEEKFUNC_FAIL;
	hs->resends += hs->taken > (size_t)offset;
	hs->taken = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* URLs may be long: the end of the line is what matters. */
__attribute__((format(printf, 2, 3))) static void say(struct delivery *out, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(out->message, sizeof(out->message), format, arguments);
	va_end(arguments);
}

static int judge_failure(struct http_sink *hs, CURLcode result, struct delivery *out)
{
	const char *why = *hs->error ? hs->error : curl_easy_strerror(result);
	long os_error = 0;

	switch (result) {
	case CURLE_WRITE_ERROR:
		say(out, "%.120s answers more than %u MiB", hs->shown_url, RESPONSE_BYTES >> 20);
		return hs->oversize ? -EFBIG : -ENOMEM;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_OUT_OF_MEMORY:
		say(out, "cannot send to %.120s: %s", hs->shown_url, why);
		return result == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
	case CURLE_COULDNT_CONNECT:
		/* "Failed to connect to localhost port 4318 after 0 ms: Couldn't connect" */
		curl_easy_getinfo(hs->easy, CURLINFO_OS_ERRNO, &os_error);
		if (os_error)
			why = strerror((int)os_error);
		break;
	case CURLE_GOT_NOTHING:
		why = "the connection was closed without an answer";
		break;
	case CURLE_OPERATION_TIMEDOUT:
		why = "no answer within 10 s";
		break;
	default:
		break;
	}
	say(out, "cannot reach %.120s: %s", hs->shown_url, why);
	return -EAGAIN;
}

static void http_post(struct sink *sink, struct bytes request, size_t n)
{
	struct http_sink *hs = of(sink);

	hs->request = request;
	hs->spans = n;
	hs->taken = 0;
	hs->resends = 0;
	text_clear(&hs->body);
	hs->oversize = false;
	*hs->error = '\0';
	curl_easy_setopt(hs->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request.size);
	hs->failed = curl_multi_add_handle(hs->multi, hs->easy);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Performs the transfer. Returns whether it is over. */
static bool perform(struct http_sink *hs, uint64_t timeout_ms)
{
	uint64_t until = now_ms() + timeout_ms, now;
	int running = 1;

	while (!hs->failed && !atomic_load(&hs->interrupted)) {
		hs->failed = curl_multi_perform(hs->multi, &running);
		if (hs->failed || !running)
			break;
		now = now_ms();
		if (now >= until)
			return false;
		hs->failed = curl_multi_poll(hs->multi, NULL, 0, (int)(until - now), NULL);
	}
	return true;
}

static int judge_answer(struct http_sink *hs, struct delivery *out)
{
	struct otlp_response response = {.url = hs->shown_url};
	curl_off_t retry_after = 0;
	char *content_type = NULL;

	curl_easy_getinfo(hs->easy, CURLINFO_RESPONSE_CODE, &response.status);
	curl_easy_getinfo(hs->easy, CURLINFO_CONTENT_TYPE, &content_type);
	curl_easy_getinfo(hs->easy, CURLINFO_RETRY_AFTER, &retry_after);
	if (retry_after > RETRY_AFTER_MAX_S)
		retry_after = RETRY_AFTER_MAX_S;
	response.content_type = content_type;
	response.retry_after_ms = retry_after > 0 ? (uint64_t)retry_after * 1000 : 0;
	response.body = (struct bytes){(const uint8_t *)hs->body.data, hs->body.size};
	return otlp_response_judge(&response, hs->spans, out);
}

static int http_poll(struct sink *sink, uint64_t timeout_ms, struct delivery *out)
{
	struct http_sink *hs = of(sink);
	CURLcode result = CURLE_OUT_OF_MEMORY;
	bool done = false;
	CURLMsg *message;
	int left, err;

	if (!perform(hs, timeout_ms))
		return -EINPROGRESS;
	while ((message = curl_multi_info_read(hs->multi, &left))) {
		if (message->msg == CURLMSG_DONE) {
			result = message->data.result;
			done = true;
		}
	}
	curl_multi_remove_handle(hs->multi, hs->easy);
	out->resends = hs->resends;
	if (result == CURLE_OK)
		return judge_answer(hs, out);
	/* Either it was interrupted or curl has no memory. */
	err = done || hs->failed ? judge_failure(hs, result, out) : -EAGAIN;
	out->unanswered = err == -EAGAIN && hs->taken;
	return err;
}

static void http_interrupt(struct sink *sink)
{
	struct http_sink *hs = of(sink);

	atomic_store(&hs->interrupted, true);
	curl_multi_wakeup(hs->multi);
}

static void http_free(struct sink *sink)
{
	struct http_sink *hs = of(sink);

	if (hs->easy)
		curl_easy_cleanup(hs->easy);
	if (hs->multi)
		curl_multi_cleanup(hs->multi);
	curl_slist_free_all(hs->headers);
	text_free(&hs->body);
	curl_free(hs->shown_url);
	free(hs->url);
	free(hs);
}

/* ---- Set-up ---------------------------------------------------------------------------------- */

#define EXAMPLE "as in http://localhost:4318/v1/traces"

/* Sets ->shown_url, too. */
static int check_url(struct http_sink *hs)
{
	CURLU *url = curl_url();
	char *host = NULL;
	int err = -EINVAL;
	CURLUcode bad;
	const char *at = strrchr(hs->url, '@'), *shown = at ? at + 1 : hs->url;

	if (!url) {
		log_error("otlp: out of memory");
		return -ENOMEM;
	}
	if (strncasecmp(hs->url, "http://", 7) != 0 && strncasecmp(hs->url, "https://", 8) != 0) {
		log_error("otlp: the URL \"%s\" must begin with http:// or https://, " EXAMPLE,
			  shown);
		goto free_url;
	}
	/* curl would take "http:///v1/traces" for a host named v1. */
	if (strchr("/?#", strstr(hs->url, "://")[3]))
		bad = CURLUE_NO_HOST;
	else
		bad = curl_url_set(url, CURLUPART_URL, hs->url, 0);
	if (!bad)
		bad = curl_url_get(url, CURLUPART_HOST, &host, 0);
	if (bad) {
		log_error("otlp: the URL \"%s\" is not valid: %s; it must be " EXAMPLE, shown,
			  curl_url_strerror(bad));
		goto free_url;
	}
	curl_url_set(url, CURLUPART_USER, NULL, 0);
	curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
	if (curl_url_get(url, CURLUPART_URL, &hs->shown_url, 0)) {
		log_error("otlp: out of memory");
		err = -ENOMEM;
		goto free_url;
	}
	err = 0;

free_url:
	curl_free(host);
	curl_url_cleanup(url);
	return err;
}

static int add_header(struct http_sink *hs, const char *header)
{
	struct curl_slist *headers = curl_slist_append(hs->headers, header);

	if (!headers)
		return -ENOMEM;
	hs->headers = headers;
	return 0;
}

static void set_options(struct http_sink *hs)
{
	CURL *easy = hs->easy;

	curl_easy_setopt(easy, CURLOPT_URL, hs->url);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, hs->headers);
	curl_easy_setopt(easy, CURLOPT_USERAGENT,
			 "otel-bpf/" OTEL_BPF_VERSION " OTel-OTLP-Exporter-C/" OTEL_BPF_VERSION);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_request);
	curl_easy_setopt(easy, CURLOPT_READDATA, hs);
	curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, rewind_request);
	curl_easy_setopt(easy, CURLOPT_SEEKDATA, hs);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BYTES);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, hs);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, hs->error);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	/* A name server that hangs must not hold up the end. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
}

static void init_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

int sink_otlp_http_new(const char *url, struct sink **out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct http_sink *hs = calloc(1, sizeof(*hs));
	int err;

	pthread_once(&once, init_curl);
	if (!hs)
		goto no_memory;
	hs->sink = (struct sink){
		.name = "otlp",
		.post = http_post,
		.poll = http_poll,
		.interrupt = http_interrupt,
		.free = http_free,
	};
	hs->url = strdup(url);
	hs->multi = curl_multi_init();
	hs->easy = curl_easy_init();
	if (!hs->url || !hs->multi || !hs->easy)
		goto no_memory;
	/* "Expect:" keeps curl from asking whether a large body is welcome: it would wait a second
	 * for the answer that many servers never give. */
	if (add_header(hs, "Content-Type: application/x-protobuf") || add_header(hs, "Expect:"))
		goto no_memory;
	err = check_url(hs);
	if (err) {
		http_free(&hs->sink);
		return err;
	}
	set_options(hs);
	*out = &hs->sink;
	return 0;

no_memory:
	if (hs)
		http_free(&hs->sink);
	log_error("otlp: out of memory");
	return -ENOMEM;
}
