/* SPDX-License-Identifier: MIT */
#include "worker/vcd/client.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/str.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A vApp of 100 VMs comes as some 3 MB of XML. */
enum { ANSWER_MAX_BYTES = 16 * 1024 * 1024, CONNECT_TIMEOUT_MS = 5000, NAP_MS = 250 };
enum { STILL_MS_PER_HEARTBEAT_S = 1500 };

static const char scheme[] = "https://";

/* Whoever was frozen must not act beside the one who goes on with its work. */
static void note_moved(struct vcd *vcd)
{
	int64_t now = clock_ms();

	if (vcd->tick &&
		now - vcd->moved_ms > vcd->config->broker_heartbeat_s * STILL_MS_PER_HEARTBEAT_S)
		vcd->stood_still = true;
	vcd->moved_ms = now;
}

bool vcd_tick(struct vcd *vcd)
{
	note_moved(vcd);
	return !vcd->tick || vcd->tick(vcd->tick_data);
}

static bool tick_of(void *data)
{
	return vcd_tick(data);
}

struct vcd *vcd_new(struct vcd_shared *shared, bool (*tick)(void *), void *tick_data)
{
	const struct config *config = session_config(shared);
	struct vcd *vcd = xcalloc(1, sizeof(*vcd));
	struct http_options options = {
		.ca_file = str_empty(config->vcd_ca_file) ? NULL : config->vcd_ca_file,
		.user_agent = "cse-worker/" CSE_VERSION,
		.body_max_bytes = ANSWER_MAX_BYTES,
		.connect_timeout_ms = CONNECT_TIMEOUT_MS,
		.tick = tick ? tick_of : NULL,
		.tick_data = vcd,
	};

	vcd->shared = shared;
	vcd->config = config;
	vcd->tick = tick;
	vcd->tick_data = tick_data;
	vcd->http = http_client_new(&options);
	return vcd;
}

void vcd_free(struct vcd **vcd)
{
	if (!*vcd)
		return;
	http_client_free(&(*vcd)->http);
	free(*vcd);
	*vcd = NULL;
}

void vcd_begin(struct vcd *vcd, struct arena *arena, int64_t end_ms, int64_t mutate_until_ms)
{
	vcd->arena = arena;
	vcd->end_ms = end_ms;
	vcd->mutate_until_ms = mutate_until_ms;
	vcd->moved_ms = clock_ms();
	vcd->stood_still = false;
	vcd->calls = 0;
	vcd->in_doubt = false;
	vcd->fault = (struct vcd_fault){.minor = "", .message = ""};
}

struct arena *vcd_arena(struct vcd *vcd)
{
	return vcd->arena;
}

int vcd_calls(const struct vcd *vcd)
{
	return vcd->calls;
}

bool vcd_in_doubt(const struct vcd *vcd)
{
	return vcd->in_doubt;
}

int64_t vcd_now_ms(const struct vcd *vcd)
{
	return vcd->now_ms;
}

int64_t vcd_estimate_ms(const struct vcd *vcd)
{
	return vcd->now_ms ? vcd->now_ms + clock_ms() - vcd->answered_ms : 0;
}

const char *vcd_host(const struct vcd *vcd)
{
	return vcd->config->vcd_host;
}

const char *vcd_href(struct vcd *vcd, const char *path_fmt, ...)
{
	CLEANUP(free_str)
	char *path = NULL;
	va_list args;
	int len;

	va_start(args, path_fmt);
	len = vasprintf(&path, path_fmt, args);
	va_end(args);
	if (len < 0)
		abort();
	return arena_printf(vcd->arena, "%s%s%s", scheme, vcd_host(vcd), path);
}

const char *vcd_accept_xml(struct vcd *vcd)
{
	return arena_printf(
		vcd->arena, "application/*+xml;version=%s", vcd->config->vcd_api_version);
}

const char *vcd_accept_json(struct vcd *vcd)
{
	return arena_printf(
		vcd->arena, "application/json;version=%s", vcd->config->vcd_api_version);
}

bool vcd_api_at_least(const struct vcd *vcd, int major)
{
	return strtol(vcd->config->vcd_api_version, NULL, 10) >= major;
}

/* Length of an authority without the port that https implies. */
static size_t bare_length(const char *authority, size_t len)
{
	static const char port[] = ":443";
	const size_t port_len = sizeof(port) - 1;

	if (len > port_len && strncmp(authority + len - port_len, port, port_len) == 0)
		return len - port_len;
	return len;
}

/* The path part of a href of VCD; NULL when it leads elsewhere. */
static const char *own_path(const struct vcd *vcd, const char *href)
{
	const char *host = vcd_host(vcd);
	const char *authority;
	size_t len;
	size_t bare;

	if (!str_starts(href, scheme))
		return NULL;
	authority = href + strlen(scheme);
	len = strcspn(authority, "/?#");
	bare = bare_length(authority, len);
	if (authority[len] != '/' || bare != bare_length(host, strlen(host)) ||
		strncasecmp(authority, host, bare) != 0)
		return NULL;
	return authority + len;
}

const char *vcd_url(struct vcd *vcd, const char *path, const char *what, struct error *err)
{
	const char *own = *path == '/' ? path : own_path(vcd, path);

	if (!own) {
		error_set(err, ERR_DENIED, "%s: VCD names an address of another host", what);
		return NULL;
	}
	return vcd_href(vcd, "%s", own);
}

/* One line per call; the query may hold names of a tenant and is left out. */
static void log_exchange(const struct vcd *vcd, const struct http_request *request,
	const struct http_response *response, const struct error *failure)
{
	const char *path = own_path(vcd, request->url);
	CLEANUP(free_str)
	char *shown = xstrndup(path, strcspn(path, "?#"));

	log_event(LOG_DEBUG, "vcd.call", LOG_STR("method", request->method), LOG_STR("path", shown),
		LOG_INT("status", response->status), LOG_INT("ms", response->took_ms),
		LOG_STR("vcd_request_id", response->request_id),
		LOG_STR("failure", failure ? failure->msg : ""));
}

static bool is_write(const char *method)
{
	return strcmp(method, "GET") != 0;
}

/* 502 and 504 are a proxy's words about an answer that it did not get. */
static bool is_answer(int status)
{
	return status != 502 && status != 504;
}

/* Milliseconds the next call may take; 0 when it must not start. */
static int64_t time_for(struct vcd *vcd, const char *method)
{
	int64_t now = clock_ms();
	int64_t left = vcd->end_ms - now;

	note_moved(vcd);
	if (is_write(method) && (now >= vcd->mutate_until_ms || vcd->stood_still))
		return 0;
	if (left > vcd->config->timing_vcd_call)
		left = vcd->config->timing_vcd_call;
	return left > 0 ? left : 0;
}

static void tell_watch(
	const struct vcd *vcd, const char *method, enum err_code code, int status, int64_t ms)
{
	const struct vcd_watch *watch = session_watch(vcd->shared);

	if (watch->call)
		watch->call(watch->data, code, status, is_write(method), ms);
}

int vcd_exchange(struct vcd *vcd, const char *path, struct http_request *request, const char *what,
	struct http_response *out, struct error *err)
{
	int64_t time_ms = time_for(vcd, request->method);
	int64_t start_ms = clock_ms();
	bool write = is_write(request->method);

	assert(vcd->arena);
	vcd->in_doubt = vcd->in_doubt && !write;
	vcd->fault = (struct vcd_fault){.minor = "", .message = ""};
	*out = (struct http_response){0};
	request->url = vcd_url(vcd, path, what, err);
	if (!request->url)
		return -1;
	if (time_ms <= 0)
		return error_set(err, ERR_TRANSIENT,
			"%s: out of time, the call to VCD was not started", what);
	request->timeout_ms = (long)time_ms;
	vcd->calls++;
	if (http_perform(vcd->http, vcd->arena, request, out, err) < 0) {
		log_exchange(vcd, request, out, err);
		tell_watch(vcd, request->method, err->code, 0, clock_ms() - start_ms);
		vcd->in_doubt |= write;
		/* A certificate that expired or an endless answer is no decision of VCD's. */
		err->code = ERR_TRANSIENT;
		return error_wrap(err, "%s", what);
	}
	vcd->in_doubt |= write && !is_answer(out->status);
	fault_read(vcd, out);
	log_exchange(vcd, request, out, NULL);
	tell_watch(vcd, request->method, vcd->fault.code, out->status, clock_ms() - start_ms);
	if (out->date_ms > 0) {
		vcd->now_ms = out->date_ms;
		vcd->answered_ms = clock_ms();
	}
	return 0;
}

bool vcd_sleep(struct vcd *vcd, int64_t ms)
{
	int64_t until = clock_ms() + ms;

	for (;;) {
		int64_t now = clock_ms();
		int64_t left = until - now;

		if (now >= vcd->end_ms)
			return false;
		if (left <= 0)
			return true;
		clock_sleep_ms(left < NAP_MS ? left : NAP_MS);
		if (!vcd_tick(vcd))
			return false;
	}
}
