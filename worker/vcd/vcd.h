/* SPDX-License-Identifier: MIT */
/*
 * The VCD client of one thread: one stack for both APIs: request → log → authentication → curl.
 *
 * Authentication is the caller's token or the service session; the latter is made once for all
 * threads, renewed once when VCD answers 401, and its password file is read again once when login
 * is refused. Errors get their class from VCD's codes: BUSY (BUSY_ENTITY or "is busy"), GONE (404,
 * and 403 "No access to entity"; a 403 that may be either is DENIED), EXPIRED, CONFLICT
 * (DUPLICATE_NAME), INVALID, TRANSIENT (5xx, 429, no answer). A read that fails so at once is sent
 * once more after a moment; what changes something is never sent again here.
 */
#ifndef WORKER_VCD_VCD_H
#define WORKER_VCD_VCD_H

#include "common/arena.h"
#include "common/error.h"
#include "common/secret.h"
#include "common/xml.h"
#include "config/config.h"

#include <json-c/json.h>

struct vcd;
struct vcd_shared;

/* On whose behalf a call is made. */
struct vcd_as {
	const struct secret *token; /* the caller's; NULL: the service session */
	const char
		*tenant_context; /* bare org UUID for X-VMWARE-VCLOUD-TENANT-CONTEXT; NULL: none */
};
#define VCD_SERVICE ((struct vcd_as){0})

/* A look at one response. Strings live in the arena of the call. */
struct vcd_answer {
	int status;
	const char *location, *link, *request_id;
	const char *body;
	size_t body_len;
};

struct vcd_shared *vcd_shared_new(const struct config *config) MUST_CHECK;

/*
 * Who counts: told of each call's end (the class of its answer, NONE for a good one; status 0:
 * there was none) and of each login. Called by the thread that made the call.
 */
struct vcd_watch {
	void (*call)(void *data, enum err_code code, int status, bool write, int64_t ms);
	void (*login)(void *data, bool ok);
	void *data;
};
/* Before the first call. */
void vcd_shared_watch(struct vcd_shared *shared, const struct vcd_watch *watch);

/* 0 while there is a service session; else -1, TRANSIENT, with what the last login said. */
int vcd_shared_ready(struct vcd_shared *shared, struct error *err) MUST_CHECK;

/* Logs the service session out (at most 2 s) and frees. */
void vcd_shared_free(struct vcd_shared **shared);

/*
 * Makes the service session when there is none; within the limits of vcd_begin. TRANSIENT: VCD
 * cannot be reached or refuses the login.
 */
int vcd_log_in(struct vcd *vcd, struct error *err) MUST_CHECK;

struct vcd *vcd_new(struct vcd_shared *shared, bool (*tick)(void *), void *tick_data) MUST_CHECK;
void vcd_free(struct vcd **vcd);

/*
 * Bounds all calls until the next vcd_begin: none lasts beyond end_ms, no mutating call (not GET)
 * is started after mutate_until_ms (TRANSIENT "out of time"); both clock_ms() times. None is
 * started either once this thread has stood still for 3/2 heartbeats of the broker: after two it
 * delivers the message to somebody else. Results live in the arena. Resets the count of calls.
 */
void vcd_begin(struct vcd *vcd, struct arena *arena, int64_t end_ms, int64_t mutate_until_ms);
/* Sleeps in small steps with ticks. False when the thread should stop or that end has come. */
bool vcd_sleep(struct vcd *vcd, int64_t ms);
struct arena *vcd_arena(struct vcd *vcd);
int vcd_calls(const struct vcd *vcd); /* HTTP requests sent since vcd_begin */
/* The latest call that changes something had no answer of VCD: it may still take effect. */
bool vcd_in_doubt(const struct vcd *vcd);
/* VCD's clock: the Date of the latest answer, ms since 1970; 0 before any answer. */
int64_t vcd_now_ms(const struct vcd *vcd);
/* The same, moved on by what has passed since that answer: for what is late or due, never written
 * into VCD. */
int64_t vcd_estimate_ms(const struct vcd *vcd);
const char *vcd_host(const struct vcd *vcd); /* "host:port", for building hrefs */
/* "https://<host><path>", in the arena. */
const char *vcd_href(struct vcd *vcd, const char *path_fmt, ...) PRINTF_LIKE(2, 3);

/*
 * The two dialects. path starts with '/'; for a href of VCD pass it as it is (its host must be
 * VCD's, else DENIED: nobody is sent elsewhere by an answer). what names step and object for the
 * error text.
 */
int vcd_get_xml(struct vcd *vcd, struct vcd_as as, const char *path, const char *what,
	struct xml_doc **out, struct error *err) MUST_CHECK; /* caller frees the document */
int vcd_send_xml(struct vcd *vcd, struct vcd_as as, const char *method, const char *path,
	const char *content_type, const char *body, const char *what, struct xml_doc **out,
	struct error *err) MUST_CHECK; /* out may be NULL; *out NULL when the answer has no body */
int vcd_json(struct vcd *vcd, struct vcd_as as, const char *method, const char *path,
	struct json_object *body, const char *what, struct vcd_answer *answer,
	struct json_object **out,
	struct error *err) MUST_CHECK; /* body borrowed; out may be NULL */

#endif
