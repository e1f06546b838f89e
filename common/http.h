/* SPDX-License-Identifier: MIT */
/*
 * One request, one response, on libcurl: no retry, no authentication, no knowledge of any API.
 *
 * TLS is verified against the system's certificates or ca_file, always. A thread owns a client.
 */
#ifndef COMMON_HTTP_H
#define COMMON_HTTP_H

#include "common/arena.h"
#include "common/error.h"
#include "common/secret.h"

struct http_client;

struct http_options {
	const char *ca_file; /* NULL: the system's */
	const char *user_agent;
	size_t body_max_bytes; /* a longer response body is an error */
	long connect_timeout_ms;
	/* Called about once a second and on traffic while a request runs; false aborts the request.
	 */
	bool (*tick)(void *data);
	void *tick_data;
};

struct http_request {
	const char *method;
	const char *url;
	const char *accept;
	const char *content_type;    /* NULL: no body */
	const char *const *headers;  /* more "Name: value" lines, NULL-terminated; may be NULL */
	const struct secret *bearer; /* Authorization: Bearer; NULL: none */
	const struct secret *basic;  /* "user:password" for Authorization: Basic; NULL: none */
	const char *body;
	size_t body_len;
	long timeout_ms; /* whole request; > 0 */
};

struct http_response {
	int status;
	const char *content_type;
	const char *location;	/* "" when absent */
	const char *link;	/* all Link headers, comma-separated; "" when absent */
	const char *request_id; /* X-VMWARE-VCLOUD-REQUEST-ID; "" when absent */
	char *token;		/* X-VMWARE-VCLOUD-ACCESS-TOKEN; wipe after use; "" when absent */
	int64_t date_ms;	/* Date header, ms since 1970; 0 when absent */
	char *body;		/* NUL-terminated */
	size_t body_len;
	int64_t took_ms;
};

/* Once in main, before threads start. */
void http_startup(void);

struct http_client *http_client_new(const struct http_options *options) MUST_CHECK;
void http_client_free(struct http_client **client);

/*
 * Blocks until the response is complete or timeout_ms is over. Any HTTP status is a success here.
 * The response lives in the arena. TRANSIENT: no or half an answer (name, connect, timeout, reset,
 * cut body); DENIED: the peer's certificate is not trusted; INVALID: the body is larger than
 * allowed.
 */
int http_perform(struct http_client *client, struct arena *arena,
	const struct http_request *request, struct http_response *out,
	struct error *err) MUST_CHECK;

#endif
